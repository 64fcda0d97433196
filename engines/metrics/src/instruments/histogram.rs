//! Histograms and the timers that feed them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::gather::{Family, FamilySample};

/// Upper bounds in seconds that fit most latencies, from a tenth of a millisecond to ten seconds.
pub const LATENCY_SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counts observations in buckets.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Core>);

#[derive(Debug)]
struct Core {
    /// Upper bounds, rising, all finite.
    bounds: Vec<f64>,
    /// One per bound and one for what is above the last.
    buckets: Vec<AtomicU64>,
    sum: AtomicU64,
}

/// Measures one transaction from its start until it is dropped or stopped.
#[derive(Debug)]
pub struct Timer {
    histogram: Histogram,
    started: Instant,
    running: bool,
}

impl Histogram {
    /// A histogram on its own, with these upper bounds; those that are not finite are left out.
    #[must_use]
    pub fn new(bounds: &[f64]) -> Self {
        let mut bounds: Vec<f64> = bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Self(Arc::new(Core { bounds, buckets, sum: AtomicU64::new(0f64.to_bits()) }))
    }

    /// Takes an observation.
    pub fn observe(&self, value: f64) {
        let core = &self.0;
        // A bucket holds what is less than or equal to its bound; NaN belongs above all of them.
        let bucket = if value.is_nan() {
            core.bounds.len()
        } else {
            core.bounds.partition_point(|bound| *bound < value)
        };
        core.buckets[bucket].fetch_add(1, Relaxed);
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure never declines, so the update never fails.
        let _before = core.sum.fetch_update(Relaxed, Relaxed, add);
    }

    /// Takes a duration, in seconds.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }

    /// Starts to measure a transaction.
    #[must_use]
    pub fn start(&self) -> Timer {
        Timer { histogram: self.clone(), started: Instant::now(), running: true }
    }

    /// How many observations it took.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    /// The sum of its observations.
    #[must_use]
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.0.sum.load(Relaxed))
    }

    /// The quantile `q` (0 to 1), estimated within its bucket as PromQL does; `None` before the first observation.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let counts: Vec<u64> = self.0.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * total as f64;
        let mut below = 0.0;
        for (i, count) in counts.iter().enumerate() {
            let count = *count as f64;
            if below + count >= rank && count > 0.0 {
                let lower = i.checked_sub(1).map_or(0.0, |before| self.0.bounds[before]);
                let Some(upper) = self.0.bounds.get(i) else { return self.0.bounds.last().copied() };
                return Some(
                    lower.min(*upper) + (upper - lower.min(*upper)) * ((rank - below) / count).max(0.0),
                );
            }
            below += count;
        }
        self.0.bounds.last().copied()
    }

    /// Adds its buckets, sum and count to a family.
    pub(super) fn write(&self, labels: &[(String, String)], family: &mut Family) {
        let mut total = 0;
        let bounds = self.0.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        for (bucket, bound) in self.0.buckets.iter().zip(bounds) {
            total += bucket.load(Relaxed);
            let labels = labels.iter().cloned().chain([("le".to_owned(), bound)]).collect();
            family.samples.push(FamilySample { suffix: "_bucket", labels, value: total as f64 });
        }
        family.samples.push(FamilySample { suffix: "_sum", labels: labels.to_vec(), value: self.sum() });
        family.samples.push(FamilySample { suffix: "_count", labels: labels.to_vec(), value: total as f64 });
    }
}

impl Timer {
    /// Ends the transaction; gives how long it took.
    pub fn stop(mut self) -> Duration {
        self.running = false;
        let elapsed = self.started.elapsed();
        self.histogram.observe_duration(elapsed);
        elapsed
    }

    /// Forgets the transaction: it is not counted.
    pub fn discard(mut self) {
        self.running = false;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if self.running {
            self.histogram.observe_duration(self.started.elapsed());
        }
    }
}
