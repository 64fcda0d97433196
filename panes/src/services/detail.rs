//! The selected service beside or below the list: all that the snapshot knows, nothing asked.

use quarterdeck_kernel::Sample;
use quarterdeck_services::{ServiceView, Signal};
use quarterdeck_ui::Context;
use quarterdeck_widgets::chart::{Chart, Legend, Series, Threshold, Viewport};
use quarterdeck_widgets::gauge::Gauge;
use quarterdeck_widgets::sparkline::{self, Range};
use quarterdeck_widgets::{Look, Role, Unit, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::asked::history;
use super::facts::{self, put_lines, signal_role, with_unit};
use super::layout::below;
use crate::World;

/// From this height on, latency has a chart of its own.
const CHART: u16 = 26;
/// From this height on, throughput has one too.
const TWO_CHARTS: u16 = 44;

pub(super) fn draw(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, service: &ServiceView) {
    if area.height == 0 {
        return;
    }
    let (look, now) = (cx.look, cx.world.now);
    rule::rule(look, buffer, area, &service.name, &facts::state(look, service, now));
    let beside = area.height >= 16;
    let mut head = facts::head(look, &cx.world.services, service, now, area.height < 9);
    if beside {
        head = facts::wrap(head, usize::from(area.width.saturating_sub(2)));
        head.push(facts::Line::new());
    }
    let left = put_lines(buffer, below(area, 1), &head);
    let left = draw_signals(look, buffer, left, service);
    if !beside {
        return;
    }
    let mut left = below(left, 1);
    let charts = [("latency", CHART), ("throughput", TWO_CHARTS)];
    for (title, least) in charts {
        if area.height >= least && left.height >= 8 {
            let height = (left.height / 3).clamp(8, 12);
            draw_chart(cx, buffer, Rect { height, ..left }, service, title);
            left = below(left, height);
        }
    }
    let resources = u16::try_from(service.resources.len()).unwrap_or(u16::MAX);
    if resources > 0 && left.height >= 3 {
        let height = (resources + 1).min(left.height / 2 + 1);
        rule::rule(look, buffer, left, "resources", "");
        draw_resources(look, buffer, below(Rect { height, ..left }, 1), service);
        left = below(left, height);
    }
    draw_busiest(look, buffer, left, service);
}

/// One row per signal with its near past.
fn draw_signals(look: &Look, buffer: &mut Buffer, area: Rect, service: &ServiceView) -> Rect {
    let s = &service.signals;
    let full = s.saturated.as_deref().unwrap_or("saturation");
    let rows: [(&str, &Signal, &str); 4] = [
        ("rate", &s.rate, "/s"),
        ("errors", &s.errors, "%"),
        ("p99", &s.p99, "ms"),
        (full, &s.saturation, "%"),
    ];
    let mut y = area.y;
    for (name, signal, unit) in rows {
        if y >= area.bottom() {
            return below(area, area.height);
        }
        draw_signal(look, buffer, Rect { y, height: 1, ..area }, (name, signal, unit));
        y += 1;
    }
    if y < area.bottom() {
        let style = look.style(Role::Muted);
        text::put(buffer, area.x + 1, y, 10, "p50 p95", style);
        let pair = format!("{}  {} ms", facts::value(&s.p50), facts::value(&s.p95));
        text::put(buffer, area.x + 12, y, area.width.saturating_sub(13), &pair, look.style(Role::Text));
        let apdex = format!("apdex {}", format::number(s.apdex.unwrap_or(f64::NAN)));
        text::put_right(buffer, area.x, y, area.width.saturating_sub(2), &apdex, style);
        y += 1;
    }
    below(area, y - area.y)
}

fn draw_signal(look: &Look, buffer: &mut Buffer, area: Rect, (name, signal, unit): (&str, &Signal, &str)) {
    let role = signal_role(signal);
    let value = if unit == "%" { signal.value.map(facts::rounded) } else { signal.value };
    let shown = Signal { value, ..signal.clone() };
    text::put(buffer, area.x + 1, area.y, 10, name, look.style(Role::Muted));
    text::put(
        buffer,
        area.x + 12,
        area.y,
        16.min(area.width.saturating_sub(13)),
        &with_unit(&shown, unit),
        look.style(role),
    );
    let room = area.width.saturating_sub(31);
    if room >= 4 {
        let values = sparkline::resample(&signal.history, usize::from(room));
        let line = if role == Role::Warning { role } else { Role::Faint };
        // With its limit on the scale, a healthy signal looks as harmless as it is.
        let range = Range::from_zero(signal.history.iter().copied().chain(signal.limit));
        sparkline::sparkline(look, buffer, (area.x + 29, area.y), room, &values, range, line);
    }
}

/// A chart of the snapshot's own history.
fn draw_chart(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, service: &ServiceView, title: &str) {
    let all = &cx.world.services;
    let signals = &service.signals;
    let line = |signal: &Signal| -> Vec<Sample> { history(all, &signal.history) };
    let latency = title == "latency";
    let lines =
        if latency { [line(&signals.p99), line(&signals.p50)] } else { [line(&signals.rate), Vec::new()] };
    let first = lines.iter().filter_map(|samples| samples.first()).map(|s| s.t).min();
    let Some(first) = first.filter(|_| lines.iter().flatten().any(|s| s.v.is_finite())) else { return };
    let span = all.history_end.as_millis().saturating_sub(first.as_millis());
    rule::rule(cx.look, buffer, area, title, &format!("last {}", format::span(span)));
    let names: &[&str] = if latency { &["p99", "p50"] } else { &["throughput"] };
    let series: Vec<Series<'_>> =
        names.iter().zip(&lines).map(|(name, line)| Series::new(*name, line)).collect();
    let limit = if latency { signals.p99.limit } else { None };
    let threshold = limit.map(|value| Threshold {
        value,
        label: format!("limit {}", Unit::Millis.full(value)).into(),
        role: Role::Warning,
    });
    let marks = quarterdeck_ui::World::marks(cx.world, first, all.history_end, Some(&service.name));
    let unit = if latency { Unit::Millis } else { Unit::PerSecond };
    let mut chart = Chart::new(&series, Viewport::new(first, all.history_end), unit);
    chart.thresholds = threshold.as_slice();
    chart.marks = &marks;
    chart.cursor = cx.scope.cursor;
    chart.legend = if latency { Legend::Row } else { Legend::None };
    let inside = below(area, 1);
    chart.draw(cx.look, buffer, Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside });
}

/// Gauges where a limit is known, plain figures where not.
pub(super) fn draw_resources(look: &Look, buffer: &mut Buffer, area: Rect, service: &ServiceView) {
    let resources = &service.resources;
    let limit = service.signals.saturation.limit;
    let (x, width) = (area.x + 1, area.width.saturating_sub(2));
    let label = resources.iter().map(|r| text::width(&r.name)).max().unwrap_or(0).clamp(6, 14) as u16;
    let shown: Vec<_> = resources
        .iter()
        .map(|r| {
            let amount = match (&*r.unit, r.percent) {
                // What is measured in per cent is not told twice.
                ("%" | "percent", Some(_)) => String::new(),
                ("" | "1", _) => format::number(r.value),
                (unit, _) => Unit::named(unit).full(r.value),
            };
            let part = r.percent.map(|p| format!("  {:>4} %", facts::part(p)));
            (r, format!("{amount}{}", part.unwrap_or_default()))
        })
        .collect();
    let value =
        shown.iter().map(|(_, text)| text::width(text)).max().unwrap_or(0).min(usize::from(width / 2)) as u16;
    for ((resource, amount), y) in shown.iter().zip(area.y..area.bottom()) {
        let row = Rect { x, y, width, height: 1 };
        let Some(percent) = resource.percent else {
            text::put(buffer, x, y, label.min(width), &resource.name, look.style(Role::Muted));
            text::put_right(buffer, x, y, width, amount, look.style(Role::Text));
            continue;
        };
        let role = if percent > limit.unwrap_or(95.0) { Role::Warning } else { Role::Muted };
        let gauge = Gauge {
            label: &resource.name,
            part: percent / 100.0,
            value: amount,
            limit: limit.map(|l| l / 100.0),
            role,
        };
        gauge.draw(look, buffer, row, label, value);
    }
}

fn draw_busiest(look: &Look, buffer: &mut Buffer, area: Rect, service: &ServiceView) {
    if area.height < 3 || service.transactions.is_empty() {
        return;
    }
    let dropped = match service.dropped_transactions {
        0 => String::new(),
        n => format!("{n} more not kept"),
    };
    rule::rule(look, buffer, area, "busiest transactions", &dropped);
    let room = area.width.saturating_sub(2);
    for (t, y) in service.transactions.iter().zip(area.y + 1..area.bottom()) {
        let figures = format!(
            "{} /s  {} ms",
            format::number(t.rate.unwrap_or(f64::NAN)),
            format::number(t.p99.unwrap_or(f64::NAN))
        );
        let role = if t.broken_since.is_some() { Role::Warning } else { Role::Text };
        let taken = text::put_right(buffer, area.x + 1, y, room, &figures, look.style(Role::Muted));
        text::put(buffer, area.x + 1, y, room.saturating_sub(taken + 2), &t.name, look.style(role));
    }
}
