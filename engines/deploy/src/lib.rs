//! Deployment control: moves a service from its stable version to a new one by a strategy (rolling, blue-green, canary),
//! judges the new one on live metrics, and takes it back by itself or by one key.
//!
//! The state machine in `engine` is pure; what it decides is durable before it is done. Traffic moves through the
//! gateway's steering, versions run behind one `Target` trait.

pub mod actions;
pub mod analysis;
pub mod api;
pub mod checks;
pub mod config;
pub mod dora;
pub mod engine;
pub mod judge;
pub mod model;
pub mod replicas;
pub mod store;
mod strategies;
pub mod strategy;
pub mod target;
pub mod task;
pub mod traffic;

pub use actions::actions;
pub use config::Config;
pub use model::Snapshot;
pub use store::MIGRATIONS;
pub use task::{Handle, Runner, Seams};
