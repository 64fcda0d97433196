//! The services pane: keys in, effects and a drawn buffer out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod journeys;
mod platform;
mod screens;
