//! Scraping: reads the metrics of other systems at a steady rhythm and hands them to the metrics store.
//!
//! Targets come from an unmodified `prometheus.yml` ([`prometheus::load`]) or from the `[scrape]` section of
//! `quarterdeck.toml` ([`config::Config`]); both become the same [`config::Plan`], which [`start`] runs. What it
//! promises: a target that is slow, broken or hostile costs its own scrape and nothing else; memory per scrape is
//! bounded; staleness, `up` and the other report series are as Prometheus writes them; a reload keeps the targets
//! that did not change running.

mod actions;
pub mod config;
mod discovery;
mod engine;
mod handle;
pub mod model;
pub mod prometheus;
pub mod relabel;
mod task;

pub use actions::{RETRY, actions};
pub use handle::{Handle, HandleError};
pub use model::Snapshot;
pub use task::start;
