//! Samples of one series, and the part of them that a range sees at a step.

use std::sync::Arc;

use quarterdeck_kernel::{Labels, Sample, Timestamp};

use super::Steps;
use super::column::{Cell, Column};
use crate::histogram::ResetHint;
use crate::storage::HistogramSample;

/// A series with all samples that the steps of a query need, without stale markers.
pub(super) struct RangeSeries {
    pub(super) labels: Labels,
    pub(super) drop_name: bool,
    pub(super) floats: Vec<Sample>,
    pub(super) histograms: Vec<HistogramSample>,
}

/// The samples after `start` up to and including `end`.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) floats: &'a [Sample],
    pub(super) histograms: &'a [HistogramSample],
    /// Milliseconds.
    pub(super) start: i64,
    /// Milliseconds.
    pub(super) end: i64,
}

impl RangeSeries {
    /// The filled cells of a column as samples.
    pub(super) fn from_column(column: &Column, steps: Steps) -> Self {
        let (mut floats, mut histograms) = (vec![], vec![]);
        for i in 0..steps.count {
            let t = Timestamp::from_millis(steps.at(i));
            match column.cell(i) {
                Cell::Absent => {}
                Cell::Float(v) => floats.push(Sample { t, v }),
                Cell::Histogram(h) => {
                    let mut h = Arc::clone(h);
                    // The steps of a subquery may skip or repeat samples: what was known about resets between
                    // neighbours does not hold for them.
                    if !matches!(h.reset_hint, ResetHint::Unknown | ResetHint::Gauge) {
                        Arc::make_mut(&mut h).reset_hint = ResetHint::Unknown;
                    }
                    histograms.push(HistogramSample { t, h });
                }
            }
        }
        Self { labels: column.labels.clone(), drop_name: column.drop_name, floats, histograms }
    }

    /// The samples after `start` up to and including `end`.
    pub(super) fn window(&self, start: i64, end: i64) -> Window<'_> {
        let mut slider = Slider::default();
        slider.window(self, start, end)
    }
}

/// Finds windows one after another; each begins and ends no earlier than the one before.
#[derive(Default)]
pub(super) struct Slider {
    floats: (usize, usize),
    histograms: (usize, usize),
}

impl Slider {
    pub(super) fn window<'a>(&mut self, series: &'a RangeSeries, start: i64, end: i64) -> Window<'a> {
        let (start_t, end_t) = (Timestamp::from_millis(start), Timestamp::from_millis(end));
        slide(&mut self.floats, &series.floats, |s| s.t, start_t, end_t);
        slide(&mut self.histograms, &series.histograms, |h| h.t, start_t, end_t);
        Window {
            floats: &series.floats[self.floats.0..self.floats.1],
            histograms: &series.histograms[self.histograms.0..self.histograms.1],
            start,
            end,
        }
    }
}

fn slide<T>(
    (low, high): &mut (usize, usize),
    samples: &[T],
    time: impl Fn(&T) -> Timestamp,
    start: Timestamp,
    end: Timestamp,
) {
    while *high < samples.len() && time(&samples[*high]) <= end {
        *high += 1;
    }
    while *low < *high && time(&samples[*low]) <= start {
        *low += 1;
    }
}

/// A float or a histogram of a window.
#[derive(Clone, Copy)]
pub(super) enum Either<'a> {
    Float(f64),
    Histogram(&'a Arc<crate::Histogram>),
}

impl<'a> Window<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty()
    }

    pub(super) fn is_mixed(&self) -> bool {
        !self.floats.is_empty() && !self.histograms.is_empty()
    }

    /// All samples in order of time.
    pub(super) fn in_order(self) -> impl Iterator<Item = (Timestamp, Either<'a>)> {
        let (mut f, mut h) = (self.floats.iter().peekable(), self.histograms.iter().peekable());
        std::iter::from_fn(move || {
            let float_first = match (f.peek(), h.peek()) {
                (Some(a), Some(b)) => a.t <= b.t,
                (Some(_), None) => true,
                _ => false,
            };
            if float_first {
                f.next().map(|s| (s.t, Either::Float(s.v)))
            } else {
                h.next().map(|s| (s.t, Either::Histogram(&s.h)))
            }
        })
    }
}
