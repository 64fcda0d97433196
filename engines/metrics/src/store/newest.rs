//! The newest sample of each series: what queries at one moment look at.
//!
//! Almost always memory knows it without decoding anything; segments are asked only about series whose newest sample
//! lies after the moment that is asked for.

use std::sync::Arc;

use quarterdeck_kernel::{Matcher, Sample, Timestamp};
use quarterdeck_promql::storage::{Budget, SeriesData, StorageError};

use super::Shared;
use super::query::CHECK_EVERY;
use super::series::Series;

type Found = (Arc<Series>, Option<(i64, u64)>);

impl Shared {
    pub(super) fn select_newest(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
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
        let data = |(series, newest): Found| SeriesData {
            labels: series.labels.clone(),
            samples: newest
                .into_iter()
                .map(|(t, bits)| Sample { t: Timestamp::from_millis(t), v: f64::from_bits(bits) })
                .collect(),
        };
        Ok(found.into_iter().map(data).collect())
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
        for segment in segments {
            budget.check()?;
            // Of two samples of one moment the sealed one counts, as for ranges.
            let reach = segment.max_t().min(to);
            let waiting: Vec<usize> =
                (0..unsure.len()).filter(|i| unsure[*i].1.is_none_or(|(t, _)| t <= reach)).collect();
            if waiting.is_empty() {
                continue;
            }
            let ids: Vec<u64> = waiting.iter().map(|i| unsure[*i].0.id).collect();
            let mut verdict = Ok(());
            let mut read = 0usize;
            let outcome = segment.entries(&ids, from, to).and_then(|entries| {
                segment.chunks(&entries, from, to, |place, min_t, max_t, samples| {
                    let held = &mut unsure[waiting[place]].1;
                    if held.is_none_or(|(t, _)| max_t.min(to) >= t && min_t <= to) {
                        let newest = samples.filter(|(t, _)| (from..=to).contains(t)).last();
                        if let Some(newest) = newest
                            && held.is_none_or(|(t, _)| newest.0 >= t)
                        {
                            *held = Some(newest);
                        }
                    }
                    read += 1;
                    if read.is_multiple_of(CHECK_EVERY) {
                        verdict = budget.check();
                    }
                    verdict.is_ok()
                })
            });
            verdict?;
            self.tolerate(&segment, outcome)?;
        }
        Ok(())
    }
}
