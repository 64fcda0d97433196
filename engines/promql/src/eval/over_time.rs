//! Statistics of the samples in a range.

use std::sync::Arc;

use quarterdeck_kernel::Sample;

use super::call::RangeCall;
use super::rank::quantile_of;
use super::window::{Either, Window};
use super::{Evaluation, histogram_value};
use crate::histogram::Histogram;
use crate::number::kahan_add;
use crate::value::PointValue;

type Outcome = Evaluation<Option<PointValue>>;

fn float(v: f64) -> Outcome {
    Ok(Some(PointValue::Float(v)))
}

/// Applies to the floats of a window and leaves histograms aside.
fn of_floats(call: &RangeCall<'_, '_>, window: Window<'_>, f: impl Fn(&[Sample]) -> f64) -> Outcome {
    if window.floats.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        call.info_ignored();
    }
    float(f(window.floats))
}

pub(super) fn min(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    let lower = |a: f64, v: f64| if v < a || a.is_nan() { v } else { a };
    of_floats(call, window, |s| s.iter().map(|s| s.v).fold(s[0].v, lower))
}

pub(super) fn max(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    let higher = |a: f64, v: f64| if v > a || a.is_nan() { v } else { a };
    of_floats(call, window, |s| s.iter().map(|s| s.v).fold(s[0].v, higher))
}

fn time_of(call: &RangeCall<'_, '_>, window: Window<'_>, replaces: fn(f64, f64) -> bool) -> Outcome {
    of_floats(call, window, |samples| {
        let mut best = samples[0];
        for s in samples {
            if replaces(s.v, best.v) || best.v.is_nan() {
                best = *s;
            }
        }
        best.t.as_millis() as f64 / 1000.0
    })
}

pub(super) fn ts_of_max(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    time_of(call, window, |new, best| new >= best)
}

pub(super) fn ts_of_min(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    time_of(call, window, |new, best| new <= best)
}

pub(super) fn ts_of_last(_: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    let floats = window.floats.last().map(|s| s.t);
    let histograms = window.histograms.last().map(|h| h.t);
    Ok(floats.max(histograms).map(|t| PointValue::Float(t.as_millis() as f64 / 1000.0)))
}

pub(super) fn last(_: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    Ok(match (window.floats.last(), window.histograms.last()) {
        (Some(f), Some(h)) if h.t > f.t => Some(PointValue::Histogram(Arc::clone(&h.h))),
        (Some(f), _) => Some(PointValue::Float(f.v)),
        (None, Some(h)) => Some(PointValue::Histogram(Arc::clone(&h.h))),
        (None, None) => None,
    })
}

pub(super) fn count(_: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    float((window.floats.len() + window.histograms.len()) as f64)
}

pub(super) fn present(_: &RangeCall<'_, '_>, _: Window<'_>) -> Outcome {
    float(1.0)
}

fn histogram_sum(call: &RangeCall<'_, '_>, window: Window<'_>) -> Option<Histogram> {
    let (first, rest) = window.histograms.split_first()?;
    let mut sum = Histogram::clone(&first.h);
    for point in rest {
        if let Err(why) = sum.add(&point.h) {
            call.warn_incompatible(why);
            return None;
        }
    }
    sum.compact();
    Some(sum)
}

pub(super) fn sum(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    if window.is_mixed() {
        call.warn_mixed();
        return Ok(None);
    }
    if !window.histograms.is_empty() {
        return Ok(histogram_sum(call, window).map(histogram_value));
    }
    let (mut sum, mut compensation) = (0.0, 0.0);
    for s in window.floats {
        kahan_add(s.v, &mut sum, &mut compensation);
    }
    float(if sum.is_infinite() { sum } else { sum + compensation })
}

pub(super) fn avg(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    if window.is_mixed() {
        call.warn_mixed();
        return Ok(None);
    }
    if !window.histograms.is_empty() {
        let mean = histogram_sum(call, window).map(|mut h| {
            h.divide(window.histograms.len() as f64);
            histogram_value(h)
        });
        return Ok(mean);
    }
    let mut mean = Mean::default();
    for s in window.floats {
        mean.add(s.v);
    }
    float(mean.value())
}

/// A mean that keeps a plain sum as long as that does not overflow, and a running mean from then on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    count: f64,
    /// The sum, or the mean once `running`.
    value: f64,
    compensation: f64,
    running: bool,
}

impl Mean {
    pub(super) fn add(&mut self, v: f64) {
        self.count += 1.0;
        if !self.running {
            let (mut sum, mut compensation) = (self.value, self.compensation);
            kahan_add(v, &mut sum, &mut compensation);
            if self.count == 1.0 || !sum.is_infinite() {
                (self.value, self.compensation) = (sum, compensation);
                return;
            }
            self.running = true;
            self.value /= self.count - 1.0;
            self.compensation /= self.count - 1.0;
        }
        let weight = (self.count - 1.0) / self.count;
        self.value *= weight;
        self.compensation *= weight;
        kahan_add(v / self.count, &mut self.value, &mut self.compensation);
    }

    pub(super) fn count(&self) -> f64 {
        self.count
    }

    pub(super) fn value(&self) -> f64 {
        if self.running {
            return self.value + self.compensation;
        }
        self.value / self.count + self.compensation / self.count
    }
}

fn variance(samples: &[Sample]) -> f64 {
    let (mut count, mut mean, mut mean_c, mut squares, mut squares_c) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for s in samples {
        count += 1.0;
        let delta = s.v - (mean + mean_c);
        kahan_add(delta / count, &mut mean, &mut mean_c);
        kahan_add(delta * (s.v - (mean + mean_c)), &mut squares, &mut squares_c);
    }
    (squares + squares_c) / count
}

pub(super) fn stdvar(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    of_floats(call, window, variance)
}

pub(super) fn stddev(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    of_floats(call, window, |s| variance(s).sqrt())
}

pub(super) fn quantile(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    let q = call.params[0];
    if window.floats.is_empty() {
        return Ok(None);
    }
    call.evaluator.check_quantile(q, call.first_span);
    of_floats(call, window, |s| quantile_of(q, &mut s.iter().map(|s| s.v).collect::<Vec<_>>()))
}

pub(super) fn mad(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    of_floats(call, window, |samples| {
        let mut values: Vec<f64> = samples.iter().map(|s| s.v).collect();
        let median = quantile_of(0.5, &mut values);
        let mut deviations: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
        quantile_of(0.5, &mut deviations)
    })
}

/// Counts the neighbours of which `differ` says so; a change between float and histogram always counts.
fn count_pairs(
    window: Window<'_>,
    floats: impl Fn(f64, f64) -> bool,
    histograms: impl Fn(&Histogram, &Histogram) -> bool,
) -> f64 {
    let mut found = 0.0;
    let mut previous = None;
    for (_, now) in window.in_order() {
        let counts = match (previous, now) {
            (None, _) => false,
            (Some(Either::Float(a)), Either::Float(b)) => floats(a, b),
            (Some(Either::Histogram(a)), Either::Histogram(b)) => histograms(a, b),
            _ => true,
        };
        found += f64::from(u8::from(counts));
        previous = Some(now);
    }
    found
}

pub(super) fn changes(_: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    float(count_pairs(window, |a, b| a != b && !(a.is_nan() && b.is_nan()), |a, b| a != b))
}

pub(super) fn resets(_: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    float(count_pairs(window, |a, b| b < a, |a, b| b.is_reset_after(a)))
}
