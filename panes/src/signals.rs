//! What panes say of a service's signals: the same figures, limits and colours wherever they stand.

use quarterdeck_kernel::Sample;
use quarterdeck_services::{ServiceView, Signal, Snapshot};
use quarterdeck_ui::Context;
use quarterdeck_widgets::chart::{Chart, Legend, Series, Threshold, Viewport};
use quarterdeck_widgets::{Role, Unit, format, rule};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;

/// The numbers of so many rows are looked at to make a column line up; a longer table is not gone through for every frame.
pub(crate) const FITTED: usize = 500;

/// A figure that may not be known.
pub(crate) fn figure(value: Option<f64>) -> String {
    format::figure(value.unwrap_or(f64::NAN))
}

/// A signal's value.
pub(crate) fn value(signal: &Signal) -> String {
    figure(signal.value)
}

/// A value beside its limit: `84 (50)`.
pub(crate) fn with_limit(signal: &Signal) -> String {
    match signal.limit {
        Some(limit) => format!("{} ({})", value(signal), format::figure(limit)),
        None => value(signal),
    }
}

/// `84 ms (50)`
pub(crate) fn with_unit(signal: &Signal, unit: &str) -> String {
    let limit = signal.limit.map(|limit| format!(" ({})", format::figure(limit))).unwrap_or_default();
    match signal.value {
        Some(_) => format!("{} {unit}{limit}", value(signal)),
        None => format!("{}{limit}", value(signal)),
    }
}

/// Quiet when healthy: colour only for what is over its limit.
pub(crate) fn role(signal: &Signal) -> Role {
    match (signal.value, signal.limit) {
        _ if signal.broken_since.is_some() => Role::Warning,
        (Some(v), Some(limit)) if v > limit => Role::Warning,
        (Some(_), _) => Role::Text,
        (None, _) => Role::Faint,
    }
}

/// The colour of a percentile's line: one that no limit is drawn in.
pub(crate) fn percentile(name: &str) -> Option<Role> {
    match name {
        "p99" => Some(Role::Series(0)),
        "p95" => Some(Role::Series(2)),
        "p50" => Some(Role::Series(7)),
        _ => None,
    }
}

/// A history of the snapshot with its times.
pub(crate) fn history(snapshot: &Snapshot, values: &[f64]) -> Vec<Sample> {
    let step = quarterdeck_kernel::time::millis(snapshot.history_step);
    let last = i64::try_from(values.len()).unwrap_or(0) - 1;
    let at = |index: usize| {
        let back = last.saturating_sub(i64::try_from(index).unwrap_or(i64::MAX));
        snapshot.history_end.plus_millis(step.saturating_mul(back).saturating_neg())
    };
    values.iter().enumerate().map(|(index, v)| Sample { t: at(index), v: *v }).collect()
}

/// What a chart of the snapshot's own history shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Percentiles, with their limit.
    Latency,
    /// Requests per second.
    Throughput,
    /// Failed requests, with their limit.
    Errors,
}

impl Shown {
    const fn title(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::Errors => "errors",
        }
    }

    fn lines(self, service: &ServiceView) -> Vec<(&'static str, &Signal)> {
        let s = &service.signals;
        match self {
            Self::Latency => vec![("p99", &s.p99), ("p95", &s.p95), ("p50", &s.p50)],
            Self::Throughput => vec![("throughput", &s.rate)],
            Self::Errors => vec![("errors", &s.errors)],
        }
    }

    /// Whether anything of it is known.
    pub(crate) fn known(self, service: &ServiceView) -> bool {
        self.lines(service).iter().any(|(_, signal)| signal.history.iter().any(|v| v.is_finite()))
    }
}

/// Draws a chart of the snapshot's own history under its rule; nothing when nothing is known. `of` is put in front of the
/// title.
pub(crate) fn chart(
    cx: &Context<'_, World>,
    buffer: &mut Buffer,
    area: Rect,
    service: &ServiceView,
    shown: Shown,
    of: &str,
) {
    let all = &cx.world.services;
    let lines: Vec<(&str, &Signal, Vec<Sample>)> =
        shown.lines(service).into_iter().map(|(name, s)| (name, s, history(all, &s.history))).collect();
    let first = lines.iter().filter_map(|(.., samples)| samples.first()).map(|s| s.t).min();
    let Some(first) = first.filter(|_| shown.known(service)) else { return };
    let span = all.history_end.as_millis().saturating_sub(first.as_millis());
    let title = format!("{of}{}", shown.title());
    rule::rule(cx.look, buffer, area, &title, &format!("last {}", format::span(span)));
    let unit = match shown {
        Shown::Latency => Unit::Millis,
        Shown::Throughput => Unit::PerSecond,
        Shown::Errors => Unit::Percent,
    };
    let series: Vec<Series<'_>> = lines
        .iter()
        .filter(|(.., samples)| !samples.is_empty())
        .map(|(name, _, samples)| Series { role: percentile(name), ..Series::new(*name, samples) })
        .collect();
    let limit = lines.first().and_then(|(_, signal, _)| signal.limit);
    let threshold = limit.map(|value| Threshold {
        value,
        label: format!("limit {}", unit.full(value)).into(),
        role: Role::Warning,
    });
    let marks = quarterdeck_ui::World::marks(cx.world, first, all.history_end, Some(&service.name));
    let mut chart = Chart::new(&series, Viewport::new(first, all.history_end), unit);
    chart.thresholds = threshold.as_slice();
    chart.marks = &marks;
    chart.cursor = cx.scope.cursor;
    chart.legend = if shown == Shown::Latency { Legend::Row } else { Legend::None };
    let top = 1.min(area.height);
    let inside = Rect { y: area.y + top, height: area.height - top, ..area };
    chart.draw(cx.look, buffer, Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside });
}

#[cfg(test)]
mod tests {
    use quarterdeck_services::words;

    use super::*;

    /// What the engine says in sentences and what the screen shows in columns is the same text.
    #[test]
    fn the_engine_and_the_screen_say_the_same() {
        let seed = 0x5eed_u64;
        let mut state = seed;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for round in 0..20_000 {
            let exponent = (next() % 18) as i32 - 5;
            let value = (next() % 100_000) as f64 / 100_000.0 * 10f64.powi(exponent);
            let value = if round % 7 == 0 { -value } else { value };
            assert_eq!(words::figure(value), format::figure(value), "{value} (seed {seed}, round {round})");
            assert_eq!(words::latency(value), Unit::Millis.full(value), "{value} (seed {seed})");
            let percent = (next() % 1_000_001) as f64 / 10_000.0;
            assert_eq!(words::attained(percent), format::attained(percent), "{percent} (seed {seed})");
            let length = next() % 5_000_000_000;
            let told = words::ago(std::time::Duration::from_millis(length));
            assert_eq!(told, format::age(length as i64), "{length} ms (seed {seed}, round {round})");
            if length >= 1000 {
                assert_eq!(told, format::span(length as i64), "{length} ms (seed {seed})");
            }
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 0.004, -0.004] {
            assert_eq!(words::figure(value), format::figure(value), "{value}");
        }
    }
}
