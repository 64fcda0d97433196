//! How samples come in: the seam that scraping, streams, the host, remote write and the console's own instruments share.

use quarterdeck_kernel::{Labels, Timestamp};

/// Names a series of the store as long as the process lives. An id whose series has been dropped is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(pub u64);

/// One sample on its way in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incoming {
    /// The series, from [`Ingest::resolve`].
    pub series: SeriesId,
    /// When.
    pub t: Timestamp,
    /// Value; staleness bits are kept.
    pub v: f64,
}

/// The type of a metric family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricType {
    /// Goes up, or starts again at zero.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in cumulative buckets.
    Histogram,
    /// A histogram of current values.
    GaugeHistogram,
    /// Quantiles made by the client.
    Summary,
    /// Constant labels with the value 1.
    Info,
    /// Booleans by label.
    StateSet,
    /// Not told.
    #[default]
    Unknown,
}

/// What a metric family says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Type.
    pub kind: MetricType,
    /// `# HELP`.
    pub help: String,
    /// `# UNIT`.
    pub unit: String,
}

/// An exemplar: one observation with the trace it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its labels, such as `trace_id`.
    pub labels: Labels,
    /// Observed value.
    pub v: f64,
    /// When; the sample's own time if it was not told.
    pub t: Timestamp,
}

/// Why a series cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// The store holds as many series as it may.
    #[error(
        "the store holds {limit} series, its limit; {metric} has the most ({metric_series} series, label {label} alone {label_values} values)"
    )]
    TooManySeries {
        /// The limit.
        limit: usize,
        /// The metric with the most series.
        metric: String,
        /// How many it has.
        metric_series: usize,
        /// Its label with the most values.
        label: String,
        /// How many values.
        label_values: usize,
    },
    /// The label set is not lawful.
    #[error("{0}")]
    BadLabels(String),
    /// The store cannot write.
    #[error("the metrics store cannot write: {0}")]
    Storage(String),
}

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendReport {
    /// Taken.
    pub taken: usize,
    /// Refused: older than the out-of-order window.
    pub too_old: usize,
    /// Refused: further ahead of the clock than the store allows.
    pub too_new: usize,
    /// Refused: another value at the same time is already there.
    pub duplicate: usize,
    /// Refused: the series is gone; resolve again.
    pub unknown: Vec<SeriesId>,
}

/// Where samples go in.
pub trait Ingest: Send + Sync {
    /// The id of a series, made if it is not there.
    ///
    /// # Errors
    /// When a limit is reached or the labels are not lawful; nothing has changed then.
    fn resolve(&self, labels: &Labels) -> Result<SeriesId, IngestError>;

    /// Takes samples. Those of one call that are taken have reached the log file when it returns.
    ///
    /// # Errors
    /// When the log cannot be written; nothing has been taken then.
    fn append(&self, samples: &[Incoming]) -> Result<AppendReport, IngestError>;

    /// Sets what a metric family says of itself.
    fn describe(&self, metric: &str, metadata: &Metadata);

    /// Takes an exemplar; the oldest go when the ring is full.
    fn exemplar(&self, series: SeriesId, exemplar: Exemplar);
}
