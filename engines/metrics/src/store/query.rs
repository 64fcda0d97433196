//! How samples are read.

mod found;

use std::collections::BTreeSet;
use std::sync::Arc;

use quarterdeck_kernel::{Labels, Matcher, Sample, Timestamp};
use quarterdeck_promql::storage::{Budget, Found, SeriesData, Storage, StorageError};

use super::segment::SegmentError;
use super::series::Series;
use super::{Shared, Store};

/// The budget is looked at after this many series.
pub(super) const CHECK_EVERY: usize = 256;

impl Storage for Store {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
        self.0.select(matchers, from.as_millis(), to.as_millis(), budget)
    }

    fn select_newest(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
        self.0.select_newest(matchers, from.as_millis(), to.as_millis(), budget)
    }

    fn find<'a>(
        &'a self,
        matchers: &[Matcher],
        (from, to): (Timestamp, Timestamp),
        newest: bool,
        budget: &Budget,
    ) -> Result<Box<dyn Found + 'a>, StorageError> {
        self.0.find(matchers, (from.as_millis(), to.as_millis()), newest, budget)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<Labels>, StorageError> {
        let mut live = self.0.live(matchers, from.as_millis(), to.as_millis(), budget)?;
        self.0.sort(&mut live, |series| series);
        Ok(live.iter().map(|series| series.labels.to_labels()).collect())
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<String>, StorageError> {
        let (from, to) = (from.as_millis(), to.as_millis());
        if matchers.is_empty() && self.0.covers_everything(from, to) {
            return Ok(self.0.index.read().names().into_iter().map(str::to_owned).collect());
        }
        let live = self.0.live(matchers, from, to, budget)?;
        let names: BTreeSet<&str> = live.iter().flat_map(|s| s.labels.iter().map(|(name, _)| name)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<String>, StorageError> {
        let (from, to) = (from.as_millis(), to.as_millis());
        if matchers.is_empty() && self.0.covers_everything(from, to) {
            return Ok(self.0.index.read().values(name).into_iter().map(str::to_owned).collect());
        }
        let live = self.0.live(matchers, from, to, budget)?;
        let values: BTreeSet<&str> =
            live.iter().map(|s| s.labels.value(name)).filter(|value| !value.is_empty()).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }
}

impl Shared {
    fn select(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
        let mut series = self.index.read().matching(matchers);
        series.sort_unstable_by_key(|series| series.id);
        let samples = self.samples_of(&series, from, to, budget)?;
        let mut found: Vec<(Arc<Series>, Vec<Sample>)> =
            series.into_iter().zip(samples).filter(|(_, samples)| !samples.is_empty()).collect();
        self.sort(&mut found, |(series, _)| series);
        let data =
            |(series, samples): (Arc<Series>, _)| SeriesData { labels: series.labels.to_labels(), samples };
        Ok(found.into_iter().map(data).collect())
    }

    /// The samples of each of the series, which are sorted by id, oldest first.
    pub(super) fn samples_of(
        &self,
        series: &[Arc<Series>],
        from: i64,
        to: i64,
        budget: &Budget,
    ) -> Result<Vec<Vec<Sample>>, StorageError> {
        let mut in_memory: Vec<Vec<Sample>> = Vec::with_capacity(series.len());
        for (i, series) in series.iter().enumerate() {
            if i % CHECK_EVERY == 0 {
                budget.check()?;
            }
            let mut samples = Vec::new();
            series.data.lock().collect(from, to, &mut samples);
            budget.take(samples.len() as u64)?;
            in_memory.push(samples);
        }
        let sealed = self.read_segments(series, from, to, budget)?;
        for (samples, older) in in_memory.iter_mut().zip(sealed) {
            if !older.is_empty() {
                *samples = [older, std::mem::take(samples)].concat();
            }
            let before = samples.len();
            put_in_order(samples);
            budget.give_back((before - samples.len()) as u64);
        }
        Ok(in_memory)
    }

    /// What the segments have of each series, in no particular order.
    fn read_segments(
        &self,
        series: &[Arc<Series>],
        from: i64,
        to: i64,
        budget: &Budget,
    ) -> Result<Vec<Vec<Sample>>, StorageError> {
        let segments: Vec<_> =
            self.segments.read().iter().filter(|s| s.overlaps(from, to)).cloned().collect();
        let mut found = vec![Vec::new(); series.len()];
        if segments.is_empty() || series.is_empty() {
            return Ok(found);
        }
        let ids: Vec<u64> = series.iter().map(|series| series.id).collect();
        for segment in segments {
            let mut verdict = budget.check();
            let mut read = 0usize;
            let outcome = segment.samples_of(&ids, from, to, |place, times, values| {
                found[place].extend(
                    times
                        .iter()
                        .zip(values)
                        .map(|(t, bits)| Sample { t: Timestamp::from_millis(*t), v: f64::from_bits(*bits) }),
                );
                read += 1;
                if verdict.is_ok() {
                    verdict = budget.take(times.len() as u64);
                }
                if verdict.is_ok() && read.is_multiple_of(CHECK_EVERY) {
                    verdict = budget.check();
                }
                verdict.is_ok()
            });
            verdict?;
            self.tolerate(&segment, outcome)?;
        }
        Ok(found)
    }

    /// A damaged segment goes out of service and the rest is served; a disk that cannot be read is an error.
    pub(super) fn tolerate(
        &self,
        segment: &Arc<super::Segment>,
        outcome: Result<(), SegmentError>,
    ) -> Result<(), StorageError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if error.is_damage() => {
                self.quarantine(segment, &error);
                Ok(())
            }
            Err(error) => Err(StorageError::Storage(format!("segments/{}: {error}", segment.name))),
        }
    }

    /// Whether a range holds every sample there is.
    fn covers_everything(&self, from: i64, to: i64) -> bool {
        let segments = self.segments.read();
        let sealed = segments.iter().all(|segment| segment.min_t() >= from && segment.max_t() <= to);
        drop(segments);
        let head = self.figures.get();
        sealed && head.oldest.is_none_or(|t| t >= from) && head.newest.is_none_or(|t| t <= to)
    }

    /// The series that fulfil all matchers and have a sample in the range, sorted by id.
    fn live(
        &self,
        matchers: &[Matcher],
        from: i64,
        to: i64,
        budget: &Budget,
    ) -> Result<Vec<Arc<Series>>, StorageError> {
        budget.check()?;
        let mut candidates = self.index.read().matching(matchers);
        candidates.sort_unstable_by_key(|series| series.id);
        let mut live: Vec<bool> =
            candidates.iter().map(|series| series.data.lock().any_in(from, to)).collect();
        let segments: Vec<_> =
            self.segments.read().iter().filter(|s| s.overlaps(from, to)).cloned().collect();
        for segment in segments {
            budget.check()?;
            let waiting: Vec<usize> = (0..live.len()).filter(|i| !live[*i]).collect();
            if waiting.is_empty() {
                break;
            }
            let ids: Vec<u64> = waiting.iter().map(|i| candidates[*i].id).collect();
            let outcome = segment.present(&ids, from, to, |place| live[waiting[place]] = true);
            self.tolerate(&segment, outcome)?;
        }
        let mut live = live.into_iter();
        candidates.retain(|_| live.next().unwrap_or(false));
        Ok(candidates)
    }
}

/// Sorts samples by time; of several of one moment the first counts.
fn put_in_order(samples: &mut Vec<Sample>) {
    if samples.is_sorted_by(|a, b| a.t < b.t) {
        return;
    }
    samples.sort_by_key(|sample| sample.t);
    samples.dedup_by_key(|sample| sample.t);
}
