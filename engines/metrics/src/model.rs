//! What the store tells of itself.

use std::sync::Arc;

use quarterdeck_kernel::{Snapshot, Timestamp};
use serde::Serialize;

/// What was refused or thrown away since the start, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Drops {
    /// Samples older than the out-of-order window.
    pub too_old: u64,
    /// Samples too far ahead of the clock.
    pub too_new: u64,
    /// Samples with another value than the one already held for the same moment.
    pub duplicate: u64,
    /// Samples of a series that has been dropped.
    pub unknown_series: u64,
    /// Series refused because of the limit.
    pub refused_series: u64,
    /// Exemplars pushed out of the ring by newer ones.
    pub exemplars: u64,
}

impl Drops {
    /// Samples lost, all reasons together.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.too_old + self.too_new + self.duplicate + self.unknown_series
    }
}

/// How many series a metric or a label has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cardinality {
    /// Metric, label, or `label=value`, as the list says.
    pub name: Arc<str>,
    /// Series (or, in a list by label, distinct values).
    pub count: usize,
}

/// Something that was found damaged. It is told, set aside, and the rest is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The file, as named in the data directory.
    pub file: String,
    /// What was found, what is lost, where the file is kept.
    pub what: String,
}

/// The store in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    /// Series held, those that ended within the retention included.
    pub series: usize,
    /// Series with samples in memory.
    pub active_series: usize,
    /// Samples in memory.
    pub head_samples: u64,
    /// Bytes of compressed samples in memory.
    pub head_bytes: u64,
    /// Samples in sealed segments.
    pub sealed_samples: u64,
    /// Samples taken since the start.
    pub taken: u64,
    /// Series made since the start.
    pub series_created: u64,
    /// Sealed segments.
    pub segments: usize,
    /// Bytes of sealed segments.
    pub segment_bytes: u64,
    /// Bytes of the write-ahead log.
    pub log_bytes: u64,
    /// Exemplars held.
    pub exemplars: usize,
    /// What was refused or thrown away.
    pub drops: Drops,
    /// Oldest sample held.
    pub oldest: Option<Timestamp>,
    /// Newest sample held.
    pub newest: Option<Timestamp>,
    /// The metrics with the most series, most first.
    pub by_metric: Vec<Cardinality>,
    /// The labels with the most values, most first.
    pub by_label: Vec<Cardinality>,
    /// The `label=value` pairs with the most series, most first.
    pub by_pair: Vec<Cardinality>,
    /// What was found damaged, newest last.
    pub damage: Vec<Damage>,
    /// Why the log cannot be written, while it cannot.
    pub write_error: Option<String>,
}

/// The store's state as of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MetricsSnapshot {
    /// Grows with every published change.
    pub version: u64,
    /// When it was taken.
    pub taken: Timestamp,
    /// The figures.
    pub stats: StoreStats,
}

impl Snapshot for MetricsSnapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}
