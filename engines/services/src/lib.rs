//! Services: the catalogue and their golden signals.
//!
//! Which services there are (configured, or inferred from labels), what their metrics mean ([`config::Convention`]),
//! how they do against their limits, since when and why. A few grouped PromQL queries per evaluation serve all
//! services at once; `assess` turns readings into health in pure, simulated-time-tested steps. The shell
//! (`Engine`) evaluates every few seconds and publishes a [`Snapshot`], worst service first.

pub mod actions;
pub mod config;
pub mod model;
pub mod selector;

pub use actions::actions;
pub use config::{Catalogue, Limits, ServiceConfig, SignalsConfig};
pub use model::{
    Breach, Headline, Heatmap, Resource, ServiceView, Signal, SignalSeries, Signals, Snapshot, Targets,
    TransactionView,
};
