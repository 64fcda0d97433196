//! The newest sample of each series: what queries at one moment look at.
//!
//! Almost always memory knows it without decoding anything; segments are asked only about series whose newest sample
//! lies after the moment that is asked for.

use std::cell::RefCell;
use std::sync::Arc;

use quarterdeck_kernel::{Matcher, Sample, Timestamp};
use quarterdeck_promql::storage::{Budget, SeriesData, StorageError};

use super::Shared;
use super::query::CHECK_EVERY;
use super::series::Series;

pub(super) type Found = (Arc<Series>, Option<(i64, u64)>);

impl Shared {
    pub(super) fn select_newest(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
        let data = |(series, newest): Found| SeriesData {
            labels: series.labels.to_labels(),
            samples: newest
                .into_iter()
                .map(|(t, bits)| Sample { t: Timestamp::from_millis(t), v: f64::from_bits(bits) })
                .collect(),
        };
        Ok(self.newest_of(matchers, from, to, budget)?.into_iter().map(data).collect())
    }

    /// The series that have a sample in the range and their newest one there, in the order of labels. Each sample is
    /// taken from the budget.
    pub(super) fn newest_of(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        budget: &Budget,
    ) -> Result<Vec<Found>, StorageError> {
        let series = self.index.read().matching(matchers);
        let (mut found, mut unsure): (Vec<Found>, Vec<Found>) =
            (Vec::with_capacity(series.len()), Vec::new());
        for (i, series) in series.into_iter().enumerate() {
            if i % CHECK_EVERY == 0 {
                budget.check()?;
            }
            let (newest, certain) = series.data.lock().newest_in(from, to);
            match (newest, certain) {
                (None, true) => {}
                (newest, true) => found.push((series, newest)),
                (newest, false) => unsure.push((series, newest)),
            }
        }
        if !unsure.is_empty() {
            unsure.sort_unstable_by_key(|(series, _)| series.id);
            self.newest_in_segments(&mut unsure, from, to, budget)?;
            found.extend(unsure.into_iter().filter(|(_, newest)| newest.is_some()));
        }
        budget.take(found.len() as u64)?;
        self.sort(&mut found, |(series, _)| series);
        Ok(found)
    }

    /// Goes through the segments, newest first, as long as one may have a newer sample than what is known.
    fn newest_in_segments(
        &self,
        unsure: &mut [Found],
        from: i64,
        to: i64,
        budget: &Budget,
    ) -> Result<(), StorageError> {
        let mut segments: Vec<_> =
            self.segments.read().iter().filter(|s| s.overlaps(from, to)).cloned().collect();
        segments.sort_unstable_by_key(|segment| std::cmp::Reverse(segment.max_t()));
        // Of several samples of one moment the one that was sealed first counts, as for ranges: from which sealing each
        // sample is. Memory is the last.
        let mut known = vec![u64::MAX; unsure.len()];
        for segment in segments {
            budget.check()?;
            let reach = segment.max_t().min(to);
            let waiting: Vec<usize> =
                (0..unsure.len()).filter(|i| unsure[*i].1.is_none_or(|(t, _)| t <= reach)).collect();
            if waiting.is_empty() {
                continue;
            }
            let ids: Vec<u64> = waiting.iter().map(|i| unsure[*i].0.id).collect();
            let sealing = segment.span.first;
            let mut verdict = Ok(());
            let mut read = 0usize;
            let held = RefCell::new((&mut *unsure, &mut known));
            let outcome = segment.newest_of(
                &ids,
                from,
                to,
                |place, t| {
                    let (unsure, known) = &*held.borrow();
                    let place = waiting[place];
                    unsure[place]
                        .1
                        .is_none_or(|(newest, _)| t > newest || t == newest && sealing < known[place])
                },
                |place, t, bits| {
                    let (unsure, known) = &mut *held.borrow_mut();
                    let place = waiting[place];
                    (unsure[place].1, known[place]) = (Some((t, bits)), sealing);
                    read += 1;
                    if read.is_multiple_of(CHECK_EVERY) {
                        verdict = budget.check();
                    }
                    verdict.is_ok()
                },
            );
            verdict?;
            self.tolerate(&segment, outcome)?;
        }
        Ok(())
    }
}
