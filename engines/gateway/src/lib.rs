//! The traffic gateway: an HTTP and WebSocket reverse proxy that routes, splits, limits, protects and measures.
//!
//! [`Engine::start`] takes traffic, [`Handle`] shows and steers it. What it promises: a configuration is taken whole or not at
//! all, from the next request on, and no request is lost by it; bodies are never held whole unless a filter asks for it; what
//! is ambiguous in a request is refused before anybody acts on it; every answer of its own is one kind of problem
//! (RFC 9457); every queue and map has a bound, and what falls out of it is counted. It carries traffic on threads of its own,
//! so that a busy screen never slows traffic, nor the reverse.

pub mod actions;
pub mod address;
pub mod body;
pub mod clock;
pub mod config;
pub mod filters;
pub mod finish;
mod flow;
pub mod handle;
pub mod headers;
mod io;
mod metrics;
pub mod model;
pub mod pace;
mod pipeline;
pub mod problem;
pub mod route;
pub mod server;
pub mod split;
pub mod stats;
pub mod steering;
pub mod store;
pub mod table;
pub mod task;
pub mod upstream;
mod view;
mod warm;

pub use actions::actions;
pub use config::{Config, validate};
pub use handle::{Handle, Problems};
pub use model::Snapshot;
pub use steering::{SteeredMirror, Steering};
pub use store::MIGRATIONS;
pub use task::{Engine, Stored};
