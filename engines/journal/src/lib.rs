//! What makes things durable: store, timeline, dispatcher, configuration.

pub mod datadir;
pub mod store;
pub mod timeline;

pub use datadir::{DataDir, DataDirError};
