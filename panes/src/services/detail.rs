//! The selected service beside or below the list: all that the snapshot knows, nothing asked.

use quarterdeck_services::{ServiceView, Signal};
use quarterdeck_ui::Context;
use quarterdeck_widgets::gauge::Gauge;
use quarterdeck_widgets::sparkline::{self, Range};
use quarterdeck_widgets::{Look, Role, Unit, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::facts::{self, put_lines};
use super::layout::below;
use crate::World;
use crate::signals::{self, Shown, figure, role as signal_role, value, with_unit};

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
    let charts = [(Shown::Latency, CHART), (Shown::Throughput, TWO_CHARTS)];
    for (shown, least) in charts {
        if area.height >= least && left.height >= 8 && shown.known(service) {
            let height = (left.height / 3).clamp(8, 12);
            signals::chart(cx, buffer, Rect { height, ..left }, service, shown, "");
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
        let pair = format!("{}  {} ms", value(&s.p50), value(&s.p95));
        text::put(buffer, area.x + 12, y, area.width.saturating_sub(13), &pair, look.style(Role::Text));
        let apdex = format!("apdex {}", figure(s.apdex));
        text::put_right(buffer, area.x, y, area.width.saturating_sub(2), &apdex, style);
        y += 1;
    }
    below(area, y - area.y)
}

fn draw_signal(look: &Look, buffer: &mut Buffer, area: Rect, (name, signal, unit): (&str, &Signal, &str)) {
    let role = signal_role(signal);
    text::put(buffer, area.x + 1, area.y, 10, name, look.style(Role::Muted));
    text::put(
        buffer,
        area.x + 12,
        area.y,
        16.min(area.width.saturating_sub(13)),
        &with_unit(signal, unit),
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

/// Gauges where a limit is known, plain figures where not.
pub(super) fn draw_resources(look: &Look, buffer: &mut Buffer, area: Rect, service: &ServiceView) {
    // What can be full comes first: it is what one looks for.
    let mut resources: Vec<_> = service.resources.iter().collect();
    resources.sort_by_key(|resource| resource.percent.is_none());
    let limit = service.signals.saturation.limit;
    let (x, width) = (area.x + 1, area.width.saturating_sub(2));
    let label = resources.iter().map(|r| text::width(&r.name)).max().unwrap_or(0).clamp(6, 14) as u16;
    let shown: Vec<_> = resources
        .iter()
        .map(|r| {
            let amount = match (&*r.unit, r.percent) {
                // What is measured in per cent is not told twice.
                ("%" | "percent", Some(_)) => String::new(),
                ("" | "1", _) => format::figure(r.value),
                (unit, _) => Unit::named(unit).full(r.value),
            };
            let part = r.percent.map(|p| format!("  {:>5} %", format::figure(p)));
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
        let figures = format!("{} /s  {} ms", figure(t.rate), figure(t.p99));
        let role = if t.broken_since.is_some() { Role::Warning } else { Role::Text };
        let taken = text::put_right(buffer, area.x + 1, y, room, &figures, look.style(Role::Muted));
        text::put(buffer, area.x + 1, y, room.saturating_sub(taken + 2), &t.name, look.style(role));
    }
}
