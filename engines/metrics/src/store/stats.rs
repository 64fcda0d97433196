//! The store in figures.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use quarterdeck_kernel::Timestamp;

use super::index::Index;
use super::log::Log;
use super::{Shared, Store};
use crate::model::{Cardinality, Drops, MetricsSnapshot, StoreStats};

/// How many lines each list of the largest has.
const TOP: usize = 20;

/// Keeps the largest of many.
fn top<N>(all: impl Iterator<Item = (N, usize)>, name: impl Fn(&N) -> Arc<str>) -> Vec<Cardinality> {
    let mut all: Vec<(N, usize)> = all.collect();
    if all.len() > TOP {
        all.select_nth_unstable_by_key(TOP, |(_, count)| std::cmp::Reverse(*count));
        all.truncate(TOP);
    }
    let mut list: Vec<Cardinality> =
        all.iter().map(|(n, count)| Cardinality { name: name(n), count: *count }).collect();
    list.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    list
}

/// What has the most series, as of a generation of the index: it changes only when a series comes or goes.
#[derive(Debug, Default)]
pub(super) struct Largest {
    generation: u64,
    by_metric: Vec<Cardinality>,
    by_label: Vec<Cardinality>,
    by_pair: Vec<Cardinality>,
}

impl Largest {
    fn of(index: &Index) -> Self {
        let pairs = index.pairs().map(|(name, value, count)| ((name, value), count));
        Self {
            generation: index.generation(),
            by_metric: top(index.metrics(), |name| Arc::clone(name)),
            by_label: top(index.labels(), |name| Arc::clone(name)),
            by_pair: top(pairs, |(name, value)| format!("{name}={value}").into()),
        }
    }
}

impl Store {
    /// The figures as of now.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.0.stats()
    }

    /// The figures as of now, as a snapshot.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> MetricsSnapshot {
        // The version first: a change after it makes the next snapshot newer, never this one wrong.
        let version = self.version();
        MetricsSnapshot { version, taken: now, stats: self.stats() }
    }
}

impl Shared {
    fn stats(&self) -> StoreStats {
        let head = self.figures.get();
        let counters = &self.counters;
        let mut stats = StoreStats {
            active_series: head.active,
            head_samples: head.samples,
            head_bytes: head.bytes,
            taken: counters.taken.load(Relaxed),
            series_created: counters.series_created.load(Relaxed),
            log_bytes: self.writer.lock().log.as_ref().map_or(0, Log::bytes),
            drops: Drops {
                too_old: counters.too_old.load(Relaxed),
                too_new: counters.too_new.load(Relaxed),
                duplicate: counters.duplicate.load(Relaxed),
                unknown_series: counters.unknown_series.load(Relaxed),
                refused_series: counters.refused_series.load(Relaxed),
                exemplars: 0,
            },
            damage: self.damage.lock().clone(),
            write_error: self.write_error.lock().clone(),
            ..StoreStats::default()
        };
        {
            let ring = self.exemplars.lock();
            stats.exemplars = ring.len();
            stats.drops.exemplars = ring.dropped();
        }
        let (mut oldest, mut newest) = (head.oldest, head.newest);
        for segment in self.segments.read().iter() {
            stats.segments += 1;
            stats.segment_bytes += segment.bytes;
            stats.sealed_samples += segment.samples();
            oldest = oldest.into_iter().chain([segment.min_t()]).min();
            newest = newest.max(Some(segment.max_t()));
        }
        stats.oldest = oldest.map(Timestamp::from_millis);
        stats.newest = newest.map(Timestamp::from_millis);
        let index = self.index.read();
        stats.series = index.len();
        let mut largest = self.largest.lock();
        if largest.generation != index.generation() {
            *largest = Largest::of(&index);
        }
        stats.by_metric.clone_from(&largest.by_metric);
        stats.by_label.clone_from(&largest.by_label);
        stats.by_pair.clone_from(&largest.by_pair);
        stats
    }
}
