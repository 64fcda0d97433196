//! Feeds over real sockets on the loopback interface.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod encrypted;
mod feeds;
mod hostile;
mod support;
