//! Services evaluated over metrics as real libraries and servers expose them, through the real PromQL engine.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod conventions;
mod evaluation;
mod looking_back;
mod store;
