//! How counters and gauges move over a range: rate, increase, delta and their instant kin.

use std::sync::Arc;

use quarterdeck_kernel::Sample;

use super::call::RangeCall;
use super::window::{Either, Window};
use super::{Evaluation, histogram_value};
use crate::histogram::{Histogram, ResetHint};
use crate::storage::HistogramSample;
use crate::value::PointValue;

type Outcome = Evaluation<Option<PointValue>>;

pub(super) fn rate(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    Ok(extrapolated(call, window, true, true))
}

pub(super) fn increase(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    Ok(extrapolated(call, window, true, false))
}

pub(super) fn delta(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    Ok(extrapolated(call, window, false, false))
}

/// How to get from the samples of a window to its slope.
#[derive(Clone, Copy)]
pub(super) struct Slope {
    counter: bool,
    per_second: bool,
}

impl Slope {
    /// That of a function, if it is of this kind.
    pub(super) fn of(function: &str) -> Option<Self> {
        let (counter, per_second) = match function {
            "rate" => (true, true),
            "increase" => (true, false),
            "delta" => (false, false),
            _ => return None,
        };
        Some(Self { counter, per_second })
    }

    /// The slopes of the windows of `range` milliseconds before each of `ends`, which rise, of a series of floats alone;
    /// cells of windows with fewer than two samples stay as they are. Whether any was filled.
    pub(super) fn row(self, samples: &[Sample], ends: &[i64], range: i64, row: &mut [f64]) -> bool {
        let is_fall = |i: &usize| samples[*i].v < samples[*i - 1].v;
        let falls: Vec<usize> =
            if self.counter { (1..samples.len()).filter(is_fall).collect() } else { vec![] };
        let (mut low, mut high, mut passed, mut any) = (0, 0, 0, false);
        for (cell, &end) in row.iter_mut().zip(ends) {
            let start = end.saturating_sub(range);
            while samples.get(high).is_some_and(|s| s.t.as_millis() <= end) {
                high += 1;
            }
            while low < high && samples[low].t.as_millis() <= start {
                low += 1;
            }
            let &[first, .., last] = &samples[low..high] else { continue };
            while falls.get(passed).is_some_and(|fall| *fall <= low) {
                passed += 1;
            }
            let inside = falls[passed..].iter().take_while(|fall| **fall < high);
            *cell = self.value(
                (first, last),
                inside.map(|fall| samples[*fall - 1].v),
                high - low,
                (start, end),
                range,
            );
            any = true;
        }
        any
    }

    /// The rise between the first and the last sample, extrapolated to the ends of the range. `before_falls` are the
    /// values from which a counter fell.
    fn value(
        self,
        (first, last): (Sample, Sample),
        before_falls: impl Iterator<Item = f64>,
        samples: usize,
        bounds: (i64, i64),
        range: i64,
    ) -> f64 {
        let mut rise = last.v - first.v;
        if self.counter {
            // A counter starts again from zero after a fall.
            for before in before_falls {
                rise += before;
            }
        }
        let start = (self.counter && rise > 0.0 && first.v >= 0.0).then(|| first.v / rise);
        let times = (first.t.as_millis(), last.t.as_millis());
        rise * factor(bounds, times, samples, start, self.per_second.then_some(range))
    }
}

/// The rise between the first and the last sample, extrapolated to the ends of the range where samples come close
/// enough to them, for a counter no further than to where it would have been zero.
fn extrapolated(
    call: &RangeCall<'_, '_>,
    window: Window<'_>,
    counter: bool,
    per_second: bool,
) -> Option<PointValue> {
    if window.is_mixed() {
        call.warn_mixed();
        return None;
    }
    let bounds = (window.start, window.end);
    if let &[first, .., last] = window.floats {
        let slope = Slope { counter, per_second };
        let ends = (first, last);
        let v = slope.value(ends, window.before_falls(), window.floats.len(), bounds, call.range);
        return Some(PointValue::Float(v));
    }
    let histograms = window.histograms;
    let (Some(first), Some(last), true) = (histograms.first(), histograms.last(), histograms.len() > 1)
    else {
        return None;
    };
    let mut rise = histogram_rise(call, histograms, counter)?;
    let times = (first.t.as_millis(), last.t.as_millis());
    rise.scale(factor(bounds, times, histograms.len(), None, per_second.then_some(call.range)));
    Some(histogram_value(rise))
}

/// What to multiply the observed rise with. `start` is the first value as a share of the rise: how far back, in
/// observed intervals, a counter would have been zero. `per` is the range in milliseconds if the slope is per second.
#[inline]
fn factor(
    (from, to): (i64, i64),
    (first, last): (i64, i64),
    samples: usize,
    start: Option<f64>,
    per: Option<i64>,
) -> f64 {
    let mut to_start = (first - from) as f64 / 1000.0;
    let mut to_end = (to - last) as f64 / 1000.0;
    let observed = (last - first) as f64 / 1000.0;
    let average = observed / (samples - 1) as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if let Some(share) = start {
        to_start = to_start.min(observed * share);
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let factor = (observed + to_start + to_end) / observed;
    match per {
        Some(range) => factor / (range as f64 / 1000.0),
        None => factor,
    }
}

fn histogram_rise(call: &RangeCall<'_, '_>, points: &[HistogramSample], counter: bool) -> Option<Histogram> {
    let not_counter = || {
        let metric = call.metric;
        call.evaluator.warn(call.span, format!("this native histogram metric is not a counter: {metric:?}"));
    };
    let is_gauge = |p: &HistogramSample| p.h.reset_hint == ResetHint::Gauge;
    let (first, last) = (points.first()?, points.last()?);
    if counter && points.iter().any(is_gauge) {
        not_counter();
    }
    let mut previous = Arc::clone(&first.h);
    // After a reset right at the second sample the first one does not matter, nor does it whether it fits.
    if counter && points[1].h.is_reset_after(&first.h) {
        previous = Arc::new(Histogram {
            schema: points[1].h.schema,
            custom_values: Arc::clone(&points[1].h.custom_values),
            ..Histogram::default()
        });
    }
    let custom = previous.has_custom_buckets();
    let relevant = if counter { points } else { std::slice::from_ref(last) };
    if relevant.iter().skip(usize::from(counter)).any(|p| p.h.has_custom_buckets() != custom) {
        call.warn_incompatible(crate::histogram::Incompatible::Schemas);
        return None;
    }
    let mut rise = Histogram::clone(&last.h);
    if !custom {
        let lowest = relevant
            .iter()
            .map(|p| p.h.schema)
            .filter(|s| *s != crate::histogram::CUSTOM_BUCKETS_SCHEMA)
            .min();
        rise.reduce(lowest.unwrap_or(rise.schema).min(previous.schema));
    }
    if let Err(why) = rise.sub(&previous) {
        call.warn_incompatible(why);
        return None;
    }
    if counter {
        for point in &points[1..] {
            if point.h.is_reset_after(&previous)
                && let Err(why) = rise.add(&previous)
            {
                call.warn_incompatible(why);
                return None;
            }
            previous = Arc::clone(&point.h);
        }
    } else if !is_gauge(first) || !is_gauge(last) {
        warn_not_gauge(call);
    }
    rise.reset_hint = ResetHint::Gauge;
    rise.compact();
    Some(rise)
}

fn warn_not_gauge(call: &RangeCall<'_, '_>) {
    let metric = call.metric;
    call.evaluator.warn(call.span, format!("this native histogram metric is not a gauge: {metric:?}"));
}

pub(super) fn irate(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    Ok(instant(call, window, true))
}

pub(super) fn idelta(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    Ok(instant(call, window, false))
}

/// From the last two samples.
fn instant(call: &RangeCall<'_, '_>, window: Window<'_>, rate: bool) -> Option<PointValue> {
    let ordered: Vec<_> = window.tail(2).in_order().collect();
    let &[(t0, before), (t1, after)] = ordered.last_chunk::<2>()?;
    let seconds = (t1.as_millis() - t0.as_millis()) as f64 / 1000.0;
    if seconds == 0.0 {
        return None;
    }
    match (before, after) {
        (Either::Float(before), Either::Float(after)) => {
            let rise = if rate && after < before { after } else { after - before };
            Some(PointValue::Float(if rate { rise / seconds } else { rise }))
        }
        (Either::Histogram(before), Either::Histogram(after)) => {
            let gauges = [before, after].map(|h| h.reset_hint == ResetHint::Gauge);
            if rate && gauges.contains(&true) {
                let metric = call.metric;
                call.evaluator
                    .warn(call.span, format!("this native histogram metric is not a counter: {metric:?}"));
            }
            if !rate && gauges.contains(&false) {
                warn_not_gauge(call);
            }
            let mut rise = Histogram::clone(after);
            if (!rate || !after.is_reset_after(before))
                && let Err(why) = rise.sub(before)
            {
                call.warn_incompatible(why);
                return None;
            }
            rise.reset_hint = ResetHint::Gauge;
            rise.compact();
            if rate {
                rise.divide(seconds);
            }
            Some(histogram_value(rise))
        }
        _ => {
            call.warn_mixed();
            None
        }
    }
}
