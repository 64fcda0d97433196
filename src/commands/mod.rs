//! What each command does.

pub mod act;
pub mod client;
pub mod query;
pub mod timeline;
