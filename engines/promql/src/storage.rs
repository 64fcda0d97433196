//! Where the evaluator gets its data: the seam that the metrics store (and later remote stores) implement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use quarterdeck_kernel::{Labels, Matcher, Sample, Timestamp};

use crate::histogram::Histogram;

/// Why data could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// The query has been cancelled.
    #[error("query was cancelled")]
    Cancelled,
    /// The query ran out of its time.
    #[error("query timed out")]
    TimedOut,
    /// The query would hold more samples in memory than it may.
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    /// The store cannot read.
    #[error("{0}")]
    Storage(String),
}

/// What a query may use: time, samples; shared by evaluator and store, cancellable from outside.
#[derive(Clone, Debug)]
pub struct Budget {
    deadline: Option<Instant>,
    max_samples: u64,
    used: Arc<AtomicU64>,
    cancelled: Arc<AtomicBool>,
}

impl Budget {
    /// A budget of `max_samples` samples held at once, until `deadline`.
    #[must_use]
    pub fn new(max_samples: u64, deadline: Option<Instant>) -> Self {
        Self { deadline, max_samples, used: Arc::default(), cancelled: Arc::default() }
    }

    /// No bounds: for tests and tools.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::new(u64::MAX, None)
    }

    /// Stops the query that holds a clone of this budget at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Samples accounted for so far.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Accounts for `samples` more.
    ///
    /// # Errors
    /// When the budget is used up.
    pub fn take(&self, samples: u64) -> Result<(), StorageError> {
        let before = self.used.fetch_add(samples, Ordering::Relaxed);
        if before.saturating_add(samples) > self.max_samples {
            Err(StorageError::TooManySamples)
        } else {
            Ok(())
        }
    }

    /// Gives samples back; giving back more than was taken leaves nothing used.
    pub fn give_back(&self, samples: u64) {
        let less = |used: u64| Some(used.saturating_sub(samples));
        // The closure always yields a value, so the update cannot fail.
        let _ = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Checks for cancellation and the deadline; call it every few thousand samples.
    ///
    /// # Errors
    /// When the query is to stop.
    pub fn check(&self) -> Result<(), StorageError> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(StorageError::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(StorageError::TimedOut),
            _ => Ok(()),
        }
    }
}

/// A series with its samples in a time range, oldest first, at most one per moment. Stale markers are included.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesData {
    /// Its labels, metric name included.
    pub labels: Labels,
    /// Its samples.
    pub samples: Vec<Sample>,
}

/// One native histogram sample. A stale marker is a histogram whose sum is the stale value.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSample {
    /// When.
    pub t: Timestamp,
    /// What.
    pub h: Arc<Histogram>,
}

/// A series with its native histograms in a time range, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSeries {
    /// Its labels, metric name included.
    pub labels: Labels,
    /// Its samples.
    pub samples: Vec<HistogramSample>,
}

/// A store that can be queried. All time ranges are closed at both ends; no end before its start is asked for.
pub trait Storage: Send + Sync {
    /// The series that fulfil all matchers, with their samples in the range, sorted by labels. The samples are taken
    /// from the budget here; the evaluator gives them back when it lets go of them.
    ///
    /// # Errors
    /// When the budget is used up or the store cannot read.
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError>;

    /// As [`Storage::select`], for queries at one moment: only the newest sample of each series in the range is looked
    /// at, so a store that finds it faster than all samples may leave the others out.
    ///
    /// # Errors
    /// As [`Storage::select`].
    fn select_newest(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
        self.select(matchers, from, to, budget)
    }

    /// The series that fulfil all matchers and have native histograms in the range, sorted by labels. A series may
    /// have floats and histograms at different moments. Each histogram counts as ten samples in the budget. A store
    /// without native histograms need not implement this.
    ///
    /// # Errors
    /// As [`Storage::select`].
    fn select_histograms(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, StorageError> {
        let _ = (matchers, from, to, budget);
        Ok(vec![])
    }

    /// The label sets that have samples in the range and fulfil all matchers, sorted.
    ///
    /// # Errors
    /// As [`Storage::select`].
    fn series(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<Labels>, StorageError>;

    /// The names of the labels on series that fulfil all matchers (all series when there are none), sorted.
    ///
    /// # Errors
    /// As [`Storage::select`].
    fn label_names(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<String>, StorageError>;

    /// The values of one label on series that fulfil all matchers, sorted.
    ///
    /// # Errors
    /// As [`Storage::select`].
    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<String>, StorageError>;
}
