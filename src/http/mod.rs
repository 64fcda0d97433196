//! The one listener that serves every HTTP interface.

pub mod api;
pub mod guard;
pub mod health;
pub mod listener;
