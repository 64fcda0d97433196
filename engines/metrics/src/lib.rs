//! The metrics engine: reads and writes the exposition formats, keeps samples, answers the Prometheus HTTP API.
//!
//! [`Store`] takes samples through [`ingest::Ingest`] and is queried through [`quarterdeck_promql::storage::Storage`].
//! It promises: a sample that [`ingest::Ingest::append`] has taken has reached the log file, and the disk by the next
//! sync; value bits are kept, staleness marker included; what is damaged is told and set aside, the rest is served;
//! every list has a bound, and what falls out of it is counted.

pub mod actions;
pub mod api;
pub mod config;
pub mod exposition;
pub mod gather;
pub mod host;
pub mod import;
pub mod ingest;
pub mod instruments;
pub mod model;
pub mod own;
pub mod store;
mod task;

pub use config::MetricsConfig;
pub use ingest::{AppendReport, Exemplar, Incoming, Ingest, IngestError, Metadata, MetricType, SeriesId};
pub use model::{MetricsSnapshot, StoreStats};
pub use store::{Backfilled, Backup, Maintenance, OpenError, Store};
pub use task::Engine;
