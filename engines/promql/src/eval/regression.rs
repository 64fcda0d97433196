//! Straight lines and smoothed curves through the samples of a range.

use quarterdeck_kernel::Sample;

use super::Evaluation;
use super::call::RangeCall;
use super::window::Window;
use crate::error::QueryError;
use crate::number::kahan_add;
use crate::value::PointValue;

type Outcome = Evaluation<Option<PointValue>>;

/// Slope per second and value at `origin` (milliseconds) of the line of least squares.
fn line(samples: &[Sample], origin: i64) -> (f64, f64) {
    let first = samples[0].v;
    if samples.iter().all(|s| s.v == first) {
        return if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
    }
    let mut sums = [(0.0, 0.0); 4];
    for s in samples {
        let x = (s.t.as_millis() - origin) as f64 / 1000.0;
        for ((sum, compensation), v) in sums.iter_mut().zip([x, s.v, x * s.v, x * x]) {
            kahan_add(v, sum, compensation);
        }
    }
    let [x, y, xy, xx] = sums.map(|(sum, compensation)| sum + compensation);
    let n = samples.len() as f64;
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

pub(super) fn deriv(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    if window.floats.len() < 2 {
        if window.is_mixed() {
            call.info_ignored();
        }
        return Ok(None);
    }
    if window.is_mixed() {
        call.info_ignored();
    }
    // The first sample as origin keeps the numbers small.
    Ok(Some(PointValue::Float(line(window.floats, window.floats[0].t.as_millis()).0)))
}

pub(super) fn predict_linear(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    if window.is_mixed() {
        call.info_ignored();
    }
    if window.floats.len() < 2 {
        return Ok(None);
    }
    let (slope, value) = line(window.floats, call.now);
    Ok(Some(PointValue::Float(slope * call.params[0] + value)))
}

/// Holt's linear method.
pub(super) fn double_exponential_smoothing(call: &RangeCall<'_, '_>, window: Window<'_>) -> Outcome {
    let (level, trend) = (call.params[0], call.params[1]);
    for (v, what, short) in [(level, "smoothing", "sf"), (trend, "trend", "tf")] {
        if v <= 0.0 || v >= 1.0 {
            return Err(QueryError::evaluation(
                call.span,
                format!("invalid {what} factor. Expected: 0 < {short} < 1, got: {v:.6}"),
            ));
        }
    }
    if window.is_mixed() {
        call.info_ignored();
    }
    let samples = window.floats;
    if samples.len() < 2 {
        return Ok(None);
    }
    let mut before = 0.0;
    let mut now = samples[0].v;
    let mut slope = samples[1].v - samples[0].v;
    for (i, s) in samples.iter().enumerate().skip(1) {
        if i > 1 {
            slope = trend * (now - before) + (1.0 - trend) * slope;
        }
        let next = level * s.v + (1.0 - level) * (now + slope);
        before = std::mem::replace(&mut now, next);
    }
    Ok(Some(PointValue::Float(now)))
}
