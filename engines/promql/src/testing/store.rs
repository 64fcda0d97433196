//! A store in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use quarterdeck_kernel::{Labels, Matcher, Sample, Timestamp};

use super::buckets;
use super::notation::{self, NotationError};
use crate::histogram::{Histogram, ResetHint};
use crate::number::parse_duration;
use crate::storage::{Budget, HistogramSample, HistogramSeries, SeriesData, Storage, StorageError};
use crate::value::PointValue;

/// Series in memory: for tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    series: BTreeMap<Labels, BTreeMap<i64, PointValue>>,
}

impl MemoryStorage {
    /// A store with series in the notation of promqltest, one per line, the first value of each at time 0 and the
    /// others `step` (`30s`, `5m`) apart.
    ///
    /// # Errors
    /// When the step or a line is not in the notation.
    pub fn with(step: &str, lines: &str) -> Result<Self, NotationError> {
        let step = parse_duration(step).ok_or_else(|| NotationError(format!("no duration: {step:?}")))?;
        let mut store = Self::default();
        let lines: Vec<&str> = lines.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        store.load(step, &lines, false)?;
        Ok(store)
    }

    pub(super) fn load(&mut self, step: i64, lines: &[&str], native_too: bool) -> Result<(), NotationError> {
        // Of several lines for one series the last wins.
        let mut loaded: BTreeMap<Labels, Vec<(i64, PointValue)>> = BTreeMap::new();
        for line in lines {
            let (labels, values) = notation::series(line)?;
            let samples =
                (0..).step_by(1).zip(values).filter_map(|(i, v): (i64, _)| Some((i * step, v?))).collect();
            loaded.insert(labels, samples);
        }
        let mut loaded: Vec<_> = loaded.into_iter().collect();
        if native_too {
            loaded.extend(buckets::convert(&loaded));
        }
        for (labels, samples) in loaded {
            let series = self.series.entry(labels).or_default();
            series.extend(samples);
            note_resets(series);
        }
        Ok(())
    }

    /// Adds a float sample.
    pub fn push(&mut self, labels: Labels, t: Timestamp, v: f64) {
        self.series.entry(labels).or_default().insert(t.as_millis(), PointValue::Float(v));
    }

    /// Adds a sample of either kind, noting on a histogram whether the counter was reset before it.
    pub fn insert(&mut self, labels: Labels, t: Timestamp, mut v: PointValue) {
        let series = self.series.entry(labels).or_default();
        if let PointValue::Histogram(h) = &mut v {
            let previous = series.range(..t.as_millis()).next_back().and_then(|(_, v)| match v {
                PointValue::Histogram(h) => Some(Arc::clone(h)),
                PointValue::Float(_) => None,
            });
            note_reset(h, previous.as_deref());
        }
        series.insert(t.as_millis(), v);
    }

    fn matching<'a>(
        &'a self,
        matchers: &'a [Matcher],
    ) -> impl Iterator<Item = (&'a Labels, &'a BTreeMap<i64, PointValue>)> {
        self.series
            .iter()
            .filter(|(labels, _)| matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default())))
    }

    pub(super) fn has_histograms(&self, matchers: &[Matcher]) -> bool {
        self.matching(matchers).any(|(_, s)| s.values().any(|v| matches!(v, PointValue::Histogram(_))))
    }

    fn labels_in<'a>(
        &'a self,
        matchers: &'a [Matcher],
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = &'a Labels> {
        self.matching(matchers)
            .filter(move |(_, s)| s.range(from.as_millis()..=to.as_millis()).next().is_some())
            .map(|(labels, _)| labels)
    }
}

/// Notes on each histogram whether the counter was reset before it, as a store does that compares neighbours when
/// it appends.
fn note_resets(series: &mut BTreeMap<i64, PointValue>) {
    let mut previous: Option<Arc<Histogram>> = None;
    for value in series.values_mut() {
        let PointValue::Histogram(now) = value else {
            previous = None;
            continue;
        };
        note_reset(now, previous.as_deref());
        previous = Some(Arc::clone(now));
    }
}

fn note_reset(now: &mut Arc<Histogram>, previous: Option<&Histogram>) {
    let explicit = matches!(now.reset_hint, ResetHint::Gauge | ResetHint::Reset);
    let hint = match previous {
        _ if explicit => now.reset_hint,
        None => ResetHint::Unknown,
        Some(p) if p.reset_hint == ResetHint::Gauge => ResetHint::Unknown,
        Some(p) => {
            let unhinted = Histogram { reset_hint: ResetHint::Unknown, ..Histogram::clone(now) };
            if unhinted.is_reset_after(p) { ResetHint::Reset } else { ResetHint::NotReset }
        }
    };
    Arc::make_mut(now).reset_hint = hint;
}

impl Storage for MemoryStorage {
    fn select(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<SeriesData>, StorageError> {
        let mut found = vec![];
        for (labels, series) in self.matching(matchers) {
            let samples: Vec<Sample> = series
                .range(from.as_millis()..=to.as_millis())
                .filter_map(|(t, v)| Some(Sample { t: Timestamp::from_millis(*t), v: v.as_float()? }))
                .collect();
            if !samples.is_empty() {
                budget.take(samples.len() as u64)?;
                found.push(SeriesData { labels: labels.clone(), samples });
            }
        }
        Ok(found)
    }

    fn select_histograms(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        budget: &Budget,
    ) -> Result<Vec<HistogramSeries>, StorageError> {
        let mut found = vec![];
        for (labels, series) in self.matching(matchers) {
            let sample = |(t, v): (&i64, &PointValue)| match v {
                PointValue::Histogram(h) => {
                    Some(HistogramSample { t: Timestamp::from_millis(*t), h: Arc::clone(h) })
                }
                PointValue::Float(_) => None,
            };
            let samples: Vec<_> =
                series.range(from.as_millis()..=to.as_millis()).filter_map(sample).collect();
            if !samples.is_empty() {
                budget.take(samples.len() as u64 * 10)?;
                found.push(HistogramSeries { labels: labels.clone(), samples });
            }
        }
        Ok(found)
    }

    fn series(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        _: &Budget,
    ) -> Result<Vec<Labels>, StorageError> {
        Ok(self.labels_in(matchers, from, to).cloned().collect())
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        _: &Budget,
    ) -> Result<Vec<String>, StorageError> {
        let names: BTreeSet<&str> =
            self.labels_in(matchers, from, to).flat_map(|l| l.iter().map(|(n, _)| n)).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        from: Timestamp,
        to: Timestamp,
        _: &Budget,
    ) -> Result<Vec<String>, StorageError> {
        let values: BTreeSet<&str> = self.labels_in(matchers, from, to).filter_map(|l| l.get(name)).collect();
        Ok(values.into_iter().map(str::to_owned).collect())
    }
}
