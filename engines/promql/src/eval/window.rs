//! Samples of one series, and the part of them that a range sees at a step.

use std::cell::OnceCell;
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
    /// Indexes of the floats that are lower than the one before, found when first asked for: windows overlap, so
    /// looking for them in each would look at every sample many times.
    falls: OnceCell<Vec<usize>>,
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
    series: &'a RangeSeries,
    /// Index of the first float in the series.
    first: usize,
}

impl RangeSeries {
    pub(super) fn new(
        labels: Labels,
        drop_name: bool,
        floats: Vec<Sample>,
        histograms: Vec<HistogramSample>,
    ) -> Self {
        Self { labels, drop_name, floats, histograms, falls: OnceCell::new() }
    }

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
        Self::new(column.labels.clone(), column.drop_name, floats, histograms)
    }

    /// To be called when other floats have been put in place of those there were.
    pub(super) fn forget_falls(&mut self) {
        self.falls = OnceCell::new();
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
            series,
            first: self.floats.0,
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
    /// The values just before each fall of the floats in the window.
    pub(super) fn before_falls(&self) -> impl Iterator<Item = f64> + 'a {
        let all = &self.series.floats;
        let falls =
            self.series.falls.get_or_init(|| (1..all.len()).filter(|i| all[*i].v < all[*i - 1].v).collect());
        let inside = falls.partition_point(|i| *i <= self.first)..;
        let end = self.first + self.floats.len();
        falls[inside].iter().take_while(move |i| **i < end).map(|i| all[*i - 1].v)
    }

    /// The last `count` floats and the last `count` histograms.
    pub(super) fn tail(self, count: usize) -> Self {
        let skipped = self.floats.len().saturating_sub(count);
        Self {
            floats: &self.floats[skipped..],
            histograms: &self.histograms[self.histograms.len().saturating_sub(count)..],
            first: self.first + skipped,
            ..self
        }
    }

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
