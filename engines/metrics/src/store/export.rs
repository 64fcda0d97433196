//! Hands out series after series with bounded memory, however many there are.

use std::sync::Arc;

use quarterdeck_kernel::{Labels, Matcher, Sample, Timestamp};
use quarterdeck_promql::storage::{Budget, StorageError};

use super::labels::compare;
use super::series::Series;
use super::{Shared, Store};

/// Series that are read together at first.
const FIRST_BATCH: usize = 16;
const MAX_BATCH: usize = 1024;
/// A batch with more samples than this makes the next one smaller; one with less than a quarter, larger.
const BATCH_SAMPLES: usize = 500_000;

impl Store {
    /// Hands the series that any of the selectors selects and that have samples in a range, sorted by metric name and
    /// then by labels, to `take` with those samples, until it says `false`. Only a batch of series is in memory at a
    /// time.
    ///
    /// # Errors
    /// When the budget is cancelled or out of time, or the store cannot read.
    pub fn export(
        &self,
        selectors: &[Vec<Matcher>],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
        mut take: impl FnMut(&Labels, &[Sample]) -> bool,
    ) -> Result<(), StorageError> {
        let series = self.0.selected(selectors);
        let (mut rest, mut size) = (&series[..], FIRST_BATCH);
        while !rest.is_empty() {
            let (batch, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            let mut by_id = batch.to_vec();
            by_id.sort_unstable_by_key(|series| series.id);
            let read = self.0.samples_of(&by_id, from.as_millis(), to.as_millis(), budget)?;
            let count: usize = read.iter().map(Vec::len).sum();
            for series in batch {
                let Ok(at) = by_id.binary_search_by_key(&series.id, |held| held.id) else { continue };
                if !read[at].is_empty() && !take(&series.labels.to_labels(), &read[at]) {
                    return Ok(());
                }
            }
            drop(read);
            budget.give_back(count as u64);
            if count > BATCH_SAMPLES {
                size = (size / 2).max(1);
            } else if count < BATCH_SAMPLES / 4 {
                size = (size * 2).min(MAX_BATCH);
            }
        }
        Ok(())
    }
}

impl Shared {
    fn selected(&self, selectors: &[Vec<Matcher>]) -> Vec<Arc<Series>> {
        let index = self.index.read();
        let mut all: Vec<Arc<Series>> =
            selectors.iter().flat_map(|matchers| index.matching(matchers)).collect();
        drop(index);
        all.sort_unstable_by(|a, b| {
            a.labels.metric().cmp(b.labels.metric()).then_with(|| compare(&a.labels, &b.labels))
        });
        all.dedup_by_key(|series| series.id);
        all
    }
}
