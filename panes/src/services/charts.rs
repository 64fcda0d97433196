//! Charts of one service: throughput, errors, percentiles, attainment, and the latency heatmap.

use quarterdeck_kernel::{Entry, Sample};
use quarterdeck_services::ServiceView;
use quarterdeck_ui::{Context, Hit};
use quarterdeck_widgets::chart::{Chart, Legend, Series, Threshold, Viewport};
use quarterdeck_widgets::heatmap::Heatmap;
use quarterdeck_widgets::{Role, Unit, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::asked::{Heat, Lines};
use super::layout::below;
use super::view::View;
use crate::World;
use crate::signals::percentile;

/// In front of the width of a plot, in the name of its hit region: a click there is a time.
pub(super) const TIME: &str = "time:";

/// What charts are drawn from.
pub(super) struct Drawn<'a> {
    pub(super) service: &'a ServiceView,
    pub(super) transaction: Option<&'a str>,
    pub(super) lines: Result<&'a Lines, &'a str>,
    pub(super) heat: Option<Result<&'a Heat, &'a str>>,
    pub(super) marks: &'a [Entry],
    /// Whether an answer is under way.
    pub(super) waiting: bool,
    /// Whether `v` would show another chart, in the place of the first.
    pub(super) more: bool,
    pub(super) first: Option<View>,
}

/// The lines of a view by name, its unit, and its limits by label.
pub(super) struct Parts<'a> {
    pub(super) lines: Vec<(&'static str, &'a [Sample])>,
    pub(super) unit: Unit,
    pub(super) limits: Vec<(String, f64)>,
}

/// What latency should stay under, in milliseconds: the transaction's threshold, or the service's limit.
pub(super) fn latency_limit(service: &ServiceView, transaction: Option<&str>) -> Option<f64> {
    match transaction {
        Some(name) => service.transaction(name).and_then(|t| t.threshold),
        None => service.signals.p99.limit,
    }
}

/// What a view consists of; the heatmap, as lines, is the percentiles.
pub(super) fn parts<'a>(
    view: View,
    lines: &'a Lines,
    service: &ServiceView,
    transaction: Option<&str>,
) -> Parts<'a> {
    let narrowed = transaction.and_then(|name| service.transaction(name));
    let limit = |value: Option<f64>, unit: &Unit| -> Vec<(String, f64)> {
        value.map(|v| (format!("limit {}", unit.full(v)), v)).into_iter().collect()
    };
    match view {
        View::Latency | View::Heatmap => {
            let unit = Unit::Millis;
            let threshold = latency_limit(service, transaction);
            let all = [("p99", &lines.p99), ("p95", &lines.p95), ("p50", &lines.p50)];
            let known = all.into_iter().filter(|(_, samples)| !samples.is_empty());
            Parts {
                lines: known.map(|(name, samples)| (name, &samples[..])).collect(),
                limits: limit(threshold, &unit),
                unit,
            }
        }
        View::Within => {
            let aim = narrowed.and_then(|t| t.target);
            let limits = aim.map(|v| (format!("aim {} %", format::attained(v)), v)).into_iter().collect();
            Parts { lines: vec![("within the limit", &lines.within)], unit: Unit::Percent, limits }
        }
        View::Rate => {
            Parts { lines: vec![("throughput", &lines.rate)], unit: Unit::PerSecond, limits: Vec::new() }
        }
        View::Errors => {
            let unit = Unit::Percent;
            let limits =
                if transaction.is_none() { limit(service.signals.errors.limit, &unit) } else { Vec::new() };
            Parts { lines: vec![("errors", &lines.errors)], unit, limits }
        }
    }
}

/// The time that charts show.
pub(super) fn viewport(cx: &Context<'_, World>) -> Viewport {
    Viewport::last(cx.scope.range, cx.scope.moment.or(cx.world.now))
}

/// Draws one chart under its rule; what can be clicked comes back.
pub(super) fn draw(
    cx: &Context<'_, World>,
    buffer: &mut Buffer,
    area: Rect,
    view: View,
    drawn: &Drawn<'_>,
) -> Option<Hit> {
    let look = cx.look;
    let mut right = String::new();
    if drawn.waiting && drawn.first == Some(view) {
        right.push_str("asking … ");
    }
    if let (View::Within, Ok(Lines { attained: Some(part), .. })) = (view, drawn.lines) {
        right = format!("{} % of the last {} ", format::attained(*part), format::span(cx.scope.range));
    }
    if drawn.more && drawn.first == Some(view) {
        right.push_str("v ▸");
    }
    let title = match drawn.transaction {
        Some(name) if view.is_latency() => format!("{} · {name}", view.name()),
        _ => view.name().to_owned(),
    };
    rule::rule(look, buffer, area, &title, right.trim_end());
    let inside = below(area, 1);
    let inside = Rect { x: inside.x + 1.min(inside.width), width: inside.width.saturating_sub(2), ..inside };
    let failed = match (view, drawn.lines, &drawn.heat) {
        (View::Heatmap, _, Some(Err(why))) => Some(*why),
        (View::Heatmap, _, _) => None,
        (_, Err(why), _) => Some(why),
        _ => None,
    };
    if let Some(why) = failed {
        say(cx, buffer, inside, why, Role::Warning);
        return None;
    }
    let plot = if view == View::Heatmap {
        draw_heat(cx, buffer, inside, drawn)
    } else {
        draw_lines(cx, buffer, inside, view, drawn)
    }?;
    (!plot.is_empty()).then(|| Hit { area: plot, target: format!("{TIME}{}", plot.width) })
}

fn draw_lines(
    cx: &Context<'_, World>,
    buffer: &mut Buffer,
    area: Rect,
    view: View,
    drawn: &Drawn<'_>,
) -> Option<Rect> {
    let lines = drawn.lines.ok()?;
    let parts = parts(view, lines, drawn.service, drawn.transaction);
    let known = parts.lines.iter().any(|(_, samples)| samples.iter().any(|s| s.v.is_finite()));
    if !known {
        let what = match (view, drawn.waiting) {
            (_, true) => "asking …",
            (View::Within, _) if drawn.transaction.is_none() => {
                "Select a transaction with a limit and press Enter to see how it is kept."
            }
            (View::Within, _) => "This transaction has no limit: L sets one.",
            _ => "No samples in this time.",
        };
        say(cx, buffer, area, what, Role::Muted);
        return None;
    }
    let series: Vec<Series<'_>> = parts
        .lines
        .iter()
        .map(|(name, samples)| Series { role: percentile(name), ..Series::new(*name, samples) })
        .collect();
    let thresholds: Vec<Threshold<'_>> = parts
        .limits
        .iter()
        .map(|(label, value)| Threshold { value: *value, label: label.as_str().into(), role: Role::Warning })
        .collect();
    let mut chart = Chart::new(&series, viewport(cx), parts.unit);
    chart.thresholds = &thresholds;
    chart.marks = drawn.marks;
    chart.cursor = cx.scope.cursor;
    // Attainment lives near a hundred: from zero it would always look well.
    chart.from_zero = view != View::Within;
    chart.legend = if area.height >= 5 { Legend::Row } else { Legend::None };
    Some(chart.draw(cx.look, buffer, area))
}

fn draw_heat(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, drawn: &Drawn<'_>) -> Option<Rect> {
    let Some(Ok(heat)) = drawn.heat else {
        say(cx, buffer, area, "asking …", Role::Muted);
        return None;
    };
    if heat.is_empty() {
        say(cx, buffer, area, "No latency histogram has samples in this time.", Role::Muted);
        return None;
    }
    let threshold = latency_limit(drawn.service, drawn.transaction);
    let map = Heatmap {
        bounds: &heat.bounds,
        unit: Unit::Millis,
        columns: &heat.columns,
        viewport: viewport(cx),
        cursor: cx.scope.cursor,
        threshold,
    };
    Some(map.draw(cx.look, buffer, area))
}

/// What is said where a chart would be.
fn say(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, what: &str, role: Role) {
    let lines = text::wrap(what, usize::from(area.width));
    let top = area.height.saturating_sub(u16::try_from(lines.len()).unwrap_or(u16::MAX)) / 3;
    for (line, y) in lines.iter().zip(area.y + top..area.bottom()) {
        text::put(buffer, area.x, y, area.width, line, cx.look.style(role));
    }
}
