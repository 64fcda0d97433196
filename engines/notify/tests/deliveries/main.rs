//! Deliveries over real sockets, to receivers that behave well, badly, and not at all.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod breaker;
mod command;
mod hostile;
mod http;
mod local;
mod mail;
mod support;
