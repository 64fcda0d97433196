//! Reading series: the newest sample per step, or all samples for ranges.

use std::sync::Arc;

use quarterdeck_kernel::{Labels, Timestamp, is_stale, time};

use super::column::Columns;
use super::window::RangeSeries;
use super::{Evaluation, Evaluator, Steps};
use crate::ast::{Expr, ExprKind, VectorSelector};
use crate::storage::{HistogramSample, HistogramSeries, SeriesData};
use crate::value::{Point, PointValue, Series};

/// A series as stored.
pub(super) struct Fetched {
    pub(super) labels: Labels,
    pub(super) samples: Vec<quarterdeck_kernel::Sample>,
    pub(super) histograms: Vec<HistogramSample>,
}

impl Evaluator<'_> {
    /// All series of a selector with samples in a closed range of time, or only their newest samples there.
    fn fetch(&self, selector: &VectorSelector, from: i64, to: i64, newest: bool) -> Evaluation<Vec<Fetched>> {
        self.budget.check()?;
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        let matchers = &selector.matchers;
        let floats = if newest {
            self.storage.select_newest(matchers, from, to, self.budget)?
        } else {
            self.storage.select(matchers, from, to, self.budget)?
        };
        let histograms = self.storage.select_histograms(matchers, from, to, self.budget)?;
        let fetched = zip(floats, histograms);
        let samples = fetched.iter().map(|f| (f.samples.len() + f.histograms.len()) as u64).sum();
        self.note_read(fetched.len() as u64, samples);
        self.note_peak();
        Ok(fetched)
    }

    pub(super) fn give_back_fetched(&self, samples: u64) {
        self.budget.give_back(samples);
    }

    /// The first and last moment that a selector looks at over all steps.
    fn reference_range(&self, selector: &VectorSelector, steps: Steps) -> (i64, i64) {
        let m = &selector.modifiers;
        (self.reference(m, steps.start), self.reference(m, steps.end()))
    }

    /// The newest sample of each series at each step.
    pub(super) fn instant_columns(&self, selector: &VectorSelector, steps: Steps) -> Evaluation<Columns> {
        if let Some(stream) = self.newest_stream(selector, steps, false)? {
            return stream.columns();
        }
        self.newest(selector, steps, |v, _| v)
    }

    /// The time of the newest sample of each series at each step, in seconds.
    pub(super) fn timestamp_columns(&self, selector: &VectorSelector, steps: Steps) -> Evaluation<Columns> {
        if let Some(stream) = self.newest_stream(selector, steps, true)? {
            return stream.columns();
        }
        self.newest(selector, steps, |_, t| PointValue::Float(t as f64 / 1000.0))
    }

    fn newest(
        &self,
        selector: &VectorSelector,
        steps: Steps,
        value: impl Fn(PointValue, i64) -> PointValue,
    ) -> Evaluation<Columns> {
        let lookback = time::millis(self.options.lookback).max(1);
        let (first, last) = self.reference_range(selector, steps);
        let after = first.saturating_sub(lookback);
        let fetched = self.fetch(selector, after.saturating_add(1), last, first == last)?;
        let mut columns = Vec::with_capacity(fetched.len());
        for series in fetched {
            let read = series.samples.len() + series.histograms.len() * 10;
            let mut column = self.new_column(series.labels, steps.count)?;
            let (mut f, mut h) = (0, 0);
            for i in 0..steps.count {
                let at = self.reference(&selector.modifiers, steps.at(i));
                let oldest = at.saturating_sub(lookback);
                while series.samples.get(f).is_some_and(|s| s.t.as_millis() <= at) {
                    f += 1;
                }
                while series.histograms.get(h).is_some_and(|s| s.t.as_millis() <= at) {
                    h += 1;
                }
                let float = f.checked_sub(1).map(|j| series.samples[j]);
                let histogram = h.checked_sub(1).map(|j| &series.histograms[j]);
                let newer_histogram = match (&float, &histogram) {
                    (Some(f), Some(h)) => h.t > f.t,
                    (None, Some(_)) => true,
                    _ => false,
                };
                if let (true, Some(h)) = (newer_histogram, histogram) {
                    let t = h.t.as_millis();
                    if t > oldest && !is_stale(h.h.sum) {
                        column.set(i, value(PointValue::Histogram(Arc::clone(&h.h)), t));
                    }
                } else if let Some(s) = float {
                    let t = s.t.as_millis();
                    if t > oldest && !is_stale(s.v) {
                        column.set(i, value(PointValue::Float(s.v), t));
                    }
                }
            }
            self.give_back_fetched(read as u64);
            self.keep_column(column, &mut columns)?;
        }
        Ok(columns)
    }

    /// The samples that a range vector expression needs for all steps, and how its windows lie.
    pub(super) fn ranges(&self, expr: &Expr, steps: Steps) -> Evaluation<Ranges> {
        let expr = expr.unwrapped();
        match &expr.kind {
            ExprKind::Matrix(m) => {
                let range = m.range.millis;
                let (first, last) = self.reference_range(&m.selector, steps);
                let from = first.saturating_sub(range).saturating_add(1);
                let mut held = 0;
                let series = self
                    .fetch(&m.selector, from, last, false)?
                    .into_iter()
                    .map(|f| {
                        held += (f.samples.len() + f.histograms.len() * 10) as u64;
                        let mut floats = f.samples;
                        floats.retain(|s| !is_stale(s.v));
                        let mut histograms = f.histograms;
                        histograms.retain(|h| !is_stale(h.h.sum));
                        RangeSeries::new(f.labels, false, floats, histograms)
                    })
                    .collect();
                Ok(Ranges { series, range, ends: self.ends(&m.selector.modifiers, steps), held })
            }
            ExprKind::Subquery(s) => {
                let ends = self.ends(&s.modifiers, steps);
                let (first, last) = (ends[0], ends[ends.len() - 1]);
                let step = s
                    .step
                    .as_ref()
                    .map_or_else(|| time::millis(self.options.subquery_step), |d| d.millis)
                    .max(1);
                let after = first.saturating_sub(s.range.millis);
                // Steps of subqueries are multiples of the step since 1970, so that they do not depend on the query's time.
                let start = (after.div_euclid(step) + 1).saturating_mul(step);
                let count = if last < start { 0 } else { (last - start) / step + 1 };
                let count = self.step_count(count)?;
                if count == 0 {
                    return Ok(Ranges { series: vec![], range: s.range.millis, ends, held: 0 });
                }
                let inner = Steps { start, step, count };
                let columns = self.vector(&s.expr, inner)?;
                let held = super::size(&columns);
                let series = columns.iter().map(|c| RangeSeries::from_column(c, inner)).collect();
                Ok(Ranges { series, range: s.range.millis, ends, held })
            }
            _ => Err(crate::QueryError::evaluation(expr.span, "a range vector is expected here")),
        }
    }

    pub(super) fn ends(&self, modifiers: &crate::ast::Modifiers, steps: Steps) -> Vec<i64> {
        (0..steps.count).map(|i| self.reference(modifiers, steps.at(i))).collect()
    }

    /// A range vector as the result of a query.
    pub(super) fn range_result(&self, expr: &Expr, t: i64) -> Evaluation<Vec<Series>> {
        if let ExprKind::Matrix(m) = &expr.unwrapped().kind
            && let Some(series) = self.range_series(&m.selector, m.range.millis, t)?
        {
            return Ok(series);
        }
        let ranges = self.ranges(expr, Steps::one(t))?;
        let end = ranges.ends[0];
        let mut matrix: Vec<Series> = vec![];
        for series in &ranges.series {
            let window = series.window(end - ranges.range, end);
            let mut points: Vec<Point> =
                window.floats.iter().map(|s| Point { t: s.t, v: PointValue::Float(s.v) }).collect();
            points.extend(
                window
                    .histograms
                    .iter()
                    .map(|h| Point { t: h.t, v: PointValue::Histogram(Arc::clone(&h.h)) }),
            );
            points.sort_by_key(|p| p.t);
            let labels = if series.drop_name { self.nameless(&series.labels) } else { series.labels.clone() };
            if !points.is_empty() {
                matrix.push(Series { labels, points });
            }
        }
        matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(matrix)
    }
}

/// Samples for ranges.
pub(super) struct Ranges {
    pub(super) series: Vec<RangeSeries>,
    /// How far each window reaches back, in milliseconds.
    pub(super) range: i64,
    /// Where the window of each step ends.
    pub(super) ends: Vec<i64>,
    /// How many samples of the budget it holds.
    pub(super) held: u64,
}

/// Joins floats and histograms of the same series; both lists are sorted by labels.
fn zip(floats: Vec<SeriesData>, histograms: Vec<HistogramSeries>) -> Vec<Fetched> {
    let plain = |s: SeriesData| Fetched { labels: s.labels, samples: s.samples, histograms: vec![] };
    if histograms.is_empty() {
        return floats.into_iter().map(plain).collect();
    }
    let mut out = Vec::with_capacity(floats.len() + histograms.len());
    let mut floats = floats.into_iter().peekable();
    for h in histograms {
        while let Some(f) = floats.next_if(|f| f.labels < h.labels) {
            out.push(plain(f));
        }
        let samples = floats.next_if(|f| f.labels == h.labels).map(|f| f.samples).unwrap_or_default();
        out.push(Fetched { labels: h.labels, samples, histograms: h.samples });
    }
    out.extend(floats.map(plain));
    out
}
