//! How counters and gauges move over a range: rate, increase, delta and their instant kin.

use std::sync::Arc;

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
    let floats = window.floats;
    if let (Some(first), Some(last), true) = (floats.first(), floats.last(), floats.len() > 1) {
        let mut rise = last.v - first.v;
        if counter {
            // A counter starts again from zero after a fall.
            for before in window.before_falls() {
                rise += before;
            }
        }
        let start = (rise > 0.0 && first.v >= 0.0).then(|| first.v / rise).filter(|_| counter);
        let times = (first.t.as_millis(), last.t.as_millis());
        return Some(PointValue::Float(rise * factor(call, window, times, floats.len(), start, per_second)));
    }
    let histograms = window.histograms;
    let (Some(first), Some(last), true) = (histograms.first(), histograms.last(), histograms.len() > 1)
    else {
        return None;
    };
    let mut rise = histogram_rise(call, histograms, counter)?;
    let times = (first.t.as_millis(), last.t.as_millis());
    rise.scale(factor(call, window, times, histograms.len(), None, per_second));
    Some(histogram_value(rise))
}

/// What to multiply the observed rise with. `start` is the first value as a share of the rise: how far back, in
/// observed intervals, a counter would have been zero.
fn factor(
    call: &RangeCall<'_, '_>,
    window: Window<'_>,
    (first, last): (i64, i64),
    samples: usize,
    start: Option<f64>,
    per_second: bool,
) -> f64 {
    let mut to_start = (first - window.start) as f64 / 1000.0;
    let mut to_end = (window.end - last) as f64 / 1000.0;
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
    if per_second { factor / (call.range as f64 / 1000.0) } else { factor }
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
