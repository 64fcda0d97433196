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

/// The series that a selector has found, to be read one at a time and from any thread: a query that looks at each series
/// once need not hold the samples of all of them.
pub trait Found: Send + Sync {
    /// How many series there are; some may turn out to have no sample in the range.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The labels of the n-th series; they rise from series to series.
    fn labels(&self, n: usize) -> Labels;

    /// Name and value of the n-th series's i-th label, in the order of names, without making the whole set. Equal texts
    /// are shared as far as the store shares them.
    fn label(&self, n: usize, i: usize) -> Option<(&Arc<str>, &Arc<str>)>;

    /// Puts the samples of the n-th series in the range into `samples`, in place of what is there: oldest first, at most
    /// one per moment, stale markers included. They are not taken from the budget.
    ///
    /// # Errors
    /// When the store cannot read.
    fn read(&self, n: usize, samples: &mut Vec<Sample>) -> Result<(), StorageError>;
}

/// Series that have been read already. Their samples go back to the budget when it is dropped.
struct Held {
    series: Vec<SeriesData>,
    budget: Budget,
}

impl Found for Held {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, n: usize) -> Labels {
        self.series[n].labels.clone()
    }

    fn label(&self, n: usize, i: usize) -> Option<(&Arc<str>, &Arc<str>)> {
        self.series[n].labels.pairs().get(i).map(|(name, value)| (name, value))
    }

    fn read(&self, n: usize, samples: &mut Vec<Sample>) -> Result<(), StorageError> {
        samples.clear();
        samples.extend_from_slice(&self.series[n].samples);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.give_back(self.series.iter().map(|s| s.samples.len() as u64).sum());
    }
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

    /// As [`Storage::select`] (with `newest` as [`Storage::select_newest`]), to be read series by series. What the store
    /// has to hold for it is taken from the budget and given back when it is dropped.
    ///
    /// # Errors
    /// As [`Storage::select`].
    fn find<'a>(
        &'a self,
        matchers: &[Matcher],
        (from, to): (Timestamp, Timestamp),
        newest: bool,
        budget: &Budget,
    ) -> Result<Box<dyn Found + 'a>, StorageError> {
        let series = if newest {
            self.select_newest(matchers, from, to, budget)?
        } else {
            self.select(matchers, from, to, budget)?
        };
        Ok(Box::new(Held { series, budget: budget.clone() }))
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
