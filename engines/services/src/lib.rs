//! Services: the catalogue and their golden signals.
//!
//! Which services there are (configured, or inferred from labels), what their metrics mean ([`config::Convention`]),
//! how they do against their limits, since when and why. A few grouped PromQL queries per evaluation serve all
//! services at once; [`assess`] turns readings into health in pure, simulated-time-tested steps. The shell
//! ([`Engine`]) evaluates every few seconds and publishes a [`Snapshot`], worst service first.

pub mod actions;
pub mod assess;
pub mod buckets;
pub mod catalogue;
pub mod config;
pub mod conventions;
pub mod core;
pub mod handle;
mod headline;
mod history;
pub mod model;
pub mod overrides;
pub mod readings;
pub mod selector;
pub mod source;
pub mod task;
pub mod words;

pub use actions::actions;
pub use config::{Catalogue, Limits, ServiceConfig, SignalsConfig};
pub use handle::Handle;
pub use model::{
    Breach, Headline, Heatmap, Limited, Resource, ServiceView, Signal, SignalSeries, Signals, Snapshot,
    Targets, TransactionView,
};
pub use overrides::LimitChange;
pub use source::{PromSource, Source};
pub use task::Engine;
