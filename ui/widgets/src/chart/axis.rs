//! Where ticks stand.

use quarterdeck_kernel::Timestamp;

use super::Viewport;
use crate::format::tick;
use crate::{Look, Scale};

/// How values become heights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ValueAxis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
    /// Distance of ticks; zero where they are to be found.
    step: f64,
}

impl ValueAxis {
    /// An axis that holds all of these values, with nice ends in the units that are shown.
    pub(super) fn new(values: (f64, f64), log: bool, from_zero: bool, divisor: f64, rows: u16) -> Self {
        let (mut low, mut high) = values;
        if low > high {
            (low, high) = if log { (1.0, 10.0) } else { (0.0, 1.0) };
        }
        // Halved, so that the distance between the ends stays finite.
        let bound = f64::MAX / 4.0;
        (low, high) = (low.clamp(-bound, bound), high.clamp(-bound, bound));
        if log {
            let low = decade_floor(low.max(f64::MIN_POSITIVE));
            let high = decade_ceil(high).max(low * 2.0);
            return Self { low, high, log, step: 0.0 };
        }
        if from_zero {
            low = low.min(0.0);
            high = high.max(0.0);
        }
        if high <= low {
            let room = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
            high = low + room;
            low -= if from_zero && low >= 0.0 { 0.0 } else { room };
        }
        let step = nice_step((high - low) / divisor, tick_count(rows)) * divisor;
        if step > 0.0 && step.is_finite() {
            let (floor, ceil) = ((low / step).floor() * step, (high / step).ceil() * step);
            // A line that touches the top edge is hard to see.
            let ceil = if ceil - high < step * 0.02 && high > 0.0 { ceil + step * 0.12 } else { ceil };
            return Self { low: floor.min(low), high: ceil.max(high), log, step };
        }
        Self { low, high, log, step: 0.0 }
    }

    /// Where a value stands, 0 at the bottom and 1 at the top; NaN for what cannot be shown.
    pub(super) fn part_of(&self, value: f64) -> f64 {
        if self.log {
            if value <= 0.0 {
                return f64::NAN;
            }
            let (low, high) = (self.low.log10(), self.high.log10());
            return (value.log10() - low) / (high - low);
        }
        (value - self.low) / (self.high - self.low)
    }

    pub(super) fn ticks(&self, divisor: f64, rows: u16) -> Vec<f64> {
        if self.log {
            return log_ticks(self.low, self.high, rows);
        }
        let (low, high) = (self.low / divisor, self.high / divisor);
        // The ends were chosen for this distance; found anew for what is a little longer, it might be twice as far.
        let ticks = match self.step / divisor {
            step if step > 0.0 => multiples(low, high, step),
            _ => value_ticks(low, high, tick_count(rows)),
        };
        ticks.into_iter().map(|v| v * divisor).collect()
    }
}

/// About one tick every three rows.
fn tick_count(rows: u16) -> usize {
    usize::from(rows / 3).clamp(1, 6)
}

fn decade_floor(value: f64) -> f64 {
    10f64.powf(value.log10().floor()).max(f64::MIN_POSITIVE)
}

fn decade_ceil(value: f64) -> f64 {
    10f64.powf(value.max(f64::MIN_POSITIVE).log10().ceil())
}

/// The step of about `count` ticks over a length: 1, 2, 2.5 or 5 times a power of ten.
fn nice_step(length: f64, count: usize) -> f64 {
    let rough = length / count.max(1) as f64;
    if !(rough > 0.0 && rough.is_finite()) {
        return 0.0;
    }
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    power * steps.into_iter().find(|step| step * power >= rough * 0.999).unwrap_or(10.0)
}

/// Round numbers between two values, about `count` of them.
#[must_use]
pub fn value_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    multiples(low, high, nice_step(high - low, count))
}

fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    if step <= 0.0 || !low.is_finite() || !high.is_finite() {
        return Vec::new();
    }
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    if !(last - first).is_finite() || last - first > 64.0 {
        return Vec::new();
    }
    // Adding 0.0 turns a negative zero into a plain one.
    (0..=(last - first) as i64).map(|n| (first + n as f64) * step + 0.0).collect()
}

fn log_ticks(low: f64, high: f64, rows: u16) -> Vec<f64> {
    let (first, last) = (low.log10().round() as i32, high.log10().round() as i32);
    let decades = (last - first).max(1);
    let every = (decades / i32::try_from(tick_count(rows)).unwrap_or(1).max(1)).max(1);
    (first..=last).step_by(every.unsigned_abs() as usize).map(|power| 10f64.powi(power)).collect()
}

/// The labels of value ticks: the top one carries the unit, and all numbers end in the same column.
pub(super) fn value_labels(ticks: &[f64], scale: &Scale) -> Vec<String> {
    let numbers: Vec<String> = ticks.iter().map(|v| tick(v / scale.divisor)).collect();
    let room = if scale.unit.is_empty() { 0 } else { crate::text::width(&scale.unit) + 1 };
    let last = numbers.len().saturating_sub(1);
    let label = |(i, number): (usize, &String)| {
        if i == last && room > 0 {
            format!("{number} {}", scale.unit)
        } else {
            format!("{number}{}", " ".repeat(room))
        }
    };
    numbers.iter().enumerate().map(label).collect()
}

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Steps that people count time in.
const STEPS: [i64; 27] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    30 * DAY,
    91 * DAY,
    182 * DAY,
    365 * DAY,
    1825 * DAY,
    3650 * DAY,
];

/// Ticks of the time axis over `width` columns, at round local times, with their labels: time of day, or the day where
/// one begins.
#[must_use]
pub fn time_ticks(look: &Look, viewport: Viewport, width: u16) -> Vec<(Timestamp, String)> {
    let fits = |step: i64| {
        let label = if step < MINUTE {
            8
        } else if step < 365 * DAY {
            6
        } else {
            10
        };
        let columns = step as f64 / viewport.span() as f64 * f64::from(width);
        columns >= f64::from(label + 4)
    };
    let Some(step) = STEPS.into_iter().find(|step| fits(*step)) else { return Vec::new() };
    let offset = look.offset_millis(viewport.from());
    let local = viewport.from().as_millis().saturating_add(offset);
    let first = local.saturating_add(step - 1).div_euclid(step).saturating_mul(step).saturating_sub(offset);
    let mut ticks = Vec::new();
    let mut at = first;
    while at <= viewport.to().as_millis() && ticks.len() < 256 {
        let time = Timestamp::from_millis(at);
        let midnight = at.saturating_add(look.offset_millis(time)).rem_euclid(DAY) == 0;
        let label = match step {
            _ if step >= 365 * DAY => look.date_time(time).split(' ').next().unwrap_or_default().to_owned(),
            _ if step >= DAY || midnight => look.day(time),
            _ if step < MINUTE => look.clock(time),
            _ => look.clock_short(time),
        };
        ticks.push((time, label));
        at = at.saturating_add(step);
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_ticks_are_round() {
        assert_eq!(value_ticks(0.0, 84.0, 4), [0.0, 25.0, 50.0, 75.0]);
        assert_eq!(value_ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(value_ticks(3.0, 3.0, 5), []);
        assert_eq!(value_ticks(f64::NAN, 3.0, 5), []);
        assert_eq!(log_ticks(0.01, 100.0, 15), [0.01, 0.1, 1.0, 10.0, 100.0]);
    }

    #[test]
    fn a_low_chart_has_more_than_its_zero() {
        let axis = ValueAxis::new((0.0, 2466.0), false, true, 1.0, 5);
        assert_eq!(axis.ticks(1.0, 5), [0.0, 2500.0]);
        assert!(axis.high > 2500.0, "a line that touches the top edge is hard to see");
    }

    #[test]
    fn the_top_label_carries_the_unit() {
        let scale = Scale { divisor: 0.001, unit: "ms".into(), fine: true };
        assert_eq!(value_labels(&[0.0, 0.05, 0.1], &scale), ["0   ", "50   ", "100 ms"]);
    }

    #[test]
    fn time_ticks_stand_at_round_local_times() {
        let look = Look::default().with_zone(jiff::tz::TimeZone::get("Asia/Kolkata").expect("zone data"));
        let from = Timestamp::from_millis(1_773_057_600_000);
        let ticks = time_ticks(&look, Viewport::new(from, from.plus_millis(15 * MINUTE)), 80);
        let labels: Vec<&str> = ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["17:30", "17:32", "17:34", "17:36", "17:38", "17:40", "17:42", "17:44"]);
        let ticks = time_ticks(&look, Viewport::new(from, from.plus_millis(24 * HOUR)), 60);
        assert!(ticks.iter().any(|(_, label)| label == "10 Mar"), "{ticks:?}");
    }
}
