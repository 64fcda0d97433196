//! How a service's health came about: which limits, which values, which metrics.

use quarterdeck_kernel::Health;
use quarterdeck_services::{ServiceView, Signal, Snapshot};
use quarterdeck_ui::Context;
use quarterdeck_widgets::{Glyph, Look, Role, format, popup, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::facts::Line;
use crate::World;
use crate::signals::value;

/// Columns that the panel takes at most.
const WIDTH: u16 = 96;

/// The panel over `area`, scrolled to `first`.
pub(super) fn draw(
    cx: &Context<'_, World>,
    buffer: &mut Buffer,
    area: Rect,
    service: &ServiceView,
    first: usize,
) {
    let lines = lines(cx, service, usize::from(WIDTH.min(area.width).saturating_sub(6)));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let float = popup::centred(area, WIDTH, height);
    let title = format!("{} · why {}?", service.name, service.health.as_str());
    let shown = usize::from(float.height.saturating_sub(2));
    let hints = if lines.len() > shown { "j k scroll · Esc" } else { "Esc" };
    let inside = popup::float(cx.look, buffer, float, &title, hints);
    let first = first.min(lines.len().saturating_sub(shown));
    for (line, y) in lines.iter().skip(first).zip(inside.y..inside.bottom()) {
        text::put_spans(buffer, inside.x + 1, y, inside.width.saturating_sub(2), line);
    }
}

/// How far the panel can scroll.
pub(super) fn last(cx: &Context<'_, World>, area: Rect, service: &ServiceView) -> usize {
    let lines = lines(cx, service, usize::from(WIDTH.min(area.width).saturating_sub(6))).len();
    lines.saturating_sub(usize::from(area.height.saturating_sub(2)))
}

fn lines(cx: &Context<'_, World>, service: &ServiceView, width: usize) -> Vec<Line> {
    let (look, now, all) = (cx.look, cx.world.now, &*cx.world.services);
    let mut out = Vec::new();
    let role = if service.health == Health::Ok { Role::Ok } else { Role::from(service.health) };
    out.push(vec![
        (format!("{} {}", look.glyph(service.health), service.health.as_str()), look.style(role)),
        (
            format!(" since {} ({})", look.clock(service.since), format::ago(service.since, now)),
            look.style(Role::Muted),
        ),
    ]);
    for breach in &service.breaches {
        out.push(vec![
            (format!("  {} {}", look.glyph(breach.health), breach.text), look.style(breach.health)),
            (
                format!("  since {} ({})", look.clock(breach.since), format::ago(breach.since, now)),
                look.style(Role::Muted),
            ),
        ]);
    }
    limits(look, service, &mut out);
    levels(look, all, service, &mut out);
    needs(look, all, service, &mut out);
    origins(cx, service, width, &mut out);
    out
}

fn heading(look: &Look, text: &str, out: &mut Vec<Line>) {
    out.push(Line::new());
    out.push(vec![(text.to_owned(), look.style(Role::Heading))]);
}

/// Every signal against its limit.
fn limits(look: &Look, service: &ServiceView, out: &mut Vec<Line>) {
    heading(look, &format!("{:<14}{:>12}{:>12}   ", "SIGNAL", "VALUE", "LIMIT"), out);
    let s = &service.signals;
    let full = s.saturated.as_deref().unwrap_or("saturation");
    let rows: [(&str, &Signal, &str); 6] = [
        ("rate", &s.rate, "/s"),
        ("errors", &s.errors, "%"),
        ("p50", &s.p50, "ms"),
        ("p95", &s.p95, "ms"),
        ("p99", &s.p99, "ms"),
        (full, &s.saturation, "%"),
    ];
    for (name, signal, unit) in rows {
        let unit = if signal.value.is_some() { unit } else { "" };
        let figure = format!("{:>12}", format!("{} {unit}", value(signal)).trim_end());
        let limit = signal.limit.map_or_else(|| "none".to_owned(), format::figure);
        let (verdict, role) = match (signal.value, signal.limit) {
            (Some(v), Some(l)) if signal.broken_since.is_some() && v <= l => {
                ("within again, but not for long enough to count".to_owned(), Role::Warning)
            }
            _ if signal.broken_since.is_some() => {
                (format!("{} broken", look.glyph(Glyph::Failed)), Role::Warning)
            }
            (Some(v), Some(l)) if v > l => {
                ("over, but not for long enough to count".to_owned(), Role::Warning)
            }
            (Some(_), Some(_)) => (format!("{} holds", look.glyph(Glyph::Done)), Role::Muted),
            (None, Some(_)) => ("unknown: it is not judged".to_owned(), Role::Muted),
            (_, None) => (String::new(), Role::Muted),
        };
        out.push(vec![
            (format!("{:<14}", text::cut(name, 13)), look.style(Role::Muted)),
            (figure, look.style(Role::Text)),
            (
                format!("{limit:>12}   "),
                look.style(if signal.limit.is_some() { Role::Text } else { Role::Faint }),
            ),
            (verdict, look.style(role)),
        ]);
    }
    let targets = service.targets;
    if targets.total > 0 {
        let short = targets.up < targets.total;
        out.push(vec![
            (format!("{:<14}", "targets up"), look.style(Role::Muted)),
            (format!("{:>12}", targets.up), look.style(Role::Text)),
            (format!("{:>12}   ", targets.total), look.style(Role::Text)),
            (if short { "not all answer".to_owned() } else { String::new() }, look.style(Role::Warning)),
        ]);
    }
}

/// Transactions that must keep a service level.
fn levels(look: &Look, all: &Snapshot, service: &ServiceView, out: &mut Vec<Line>) {
    let limited: Vec<_> = service.transactions.iter().filter(|t| t.threshold.is_some()).collect();
    if limited.is_empty() {
        return;
    }
    heading(look, "SERVICE LEVELS", out);
    let over = format::span(quarterdeck_kernel::time::millis(all.range));
    for t in limited {
        let aim = t.target.map_or_else(String::new, |aim| format!(", aim {} %", format::attained(aim)));
        let role = if t.broken_since.is_some() { Role::Warning } else { Role::Text };
        out.push(vec![
            (format!("{}  ", t.name), look.style(Role::Muted)),
            (
                format!(
                    "{} % of the last {over} within {} ms{aim}",
                    format::attained(t.attainment.unwrap_or(f64::NAN)),
                    format::figure(t.threshold.unwrap_or(f64::NAN))
                ),
                look.style(role),
            ),
        ]);
    }
}

fn needs(look: &Look, all: &Snapshot, service: &ServiceView, out: &mut Vec<Line>) {
    if service.depends_on.is_empty() {
        return;
    }
    heading(look, "NEEDS", out);
    for name in &service.depends_on {
        let found = all.service(name);
        let health = found.map_or(Health::Unknown, |s| s.health);
        let role = if health == Health::Ok { Role::Muted } else { Role::from(health) };
        let why = match found {
            None => "not known here".to_owned(),
            Some(s) if s.reason.is_empty() => health.as_str().to_owned(),
            Some(s) => format!("{}: {}", health.as_str(), s.reason),
        };
        out.push(vec![
            (format!("{} ", look.glyph(health)), look.style(role)),
            (format!("{name}  "), look.style(Role::Text)),
            (why, look.style(role)),
        ]);
    }
}

/// Where the figures come from.
fn origins(cx: &Context<'_, World>, service: &ServiceView, width: usize, out: &mut Vec<Line>) {
    let (look, all) = (cx.look, &*cx.world.services);
    heading(look, "WHOSE AND WHERE FROM", out);
    let mut told: Vec<(&str, String)> = vec![(
        "service",
        if service.catalogued {
            format!("configured as [services.{}]", service.name)
        } else {
            "inferred from labels".to_owned()
        },
    )];
    told.push(("owner", service.owner.clone().unwrap_or_else(|| "none".to_owned())));
    told.push(("runbook", service.runbook.clone().unwrap_or_else(|| "none".to_owned())));
    told.push(("series", or(&service.selectors.join(" or "), "no selector")));
    told.push(("metrics", or(&service.conventions.join(", "), "no known convention matched: there is no traffic, or [signals.conventions] must say what its metrics mean")));
    if !service.routes.is_empty() {
        told.push(("routes", service.routes.join(", ")));
    }
    if !service.log_sources.is_empty() {
        told.push(("logs", service.log_sources.join(", ")));
    }
    let newest = service.data_at.map_or_else(|| "never".to_owned(), |at| look.near(at, cx.world.now));
    told.push((
        "newest data",
        format!("{newest}; judged every {}", format::span(quarterdeck_kernel::time::millis(all.interval))),
    ));
    if service.dropped_transactions > 0 {
        told.push((
            "not kept",
            format!(
                "{} more transactions; they count in the service's signals",
                service.dropped_transactions
            ),
        ));
    }
    let circle = all.cycles.iter().find(|circle| circle.iter().any(|name| **name == *service.name));
    if let Some(circle) = circle {
        told.push(("circle", circle.join(" → ")));
    }
    told.extend(all.problems.iter().map(|problem| ("problem", problem.clone())));
    for (name, text) in told {
        for (index, line) in text::wrap(&text, width.saturating_sub(14).max(8)).into_iter().enumerate() {
            let label = if index == 0 { name } else { "" };
            let role = if name == "problem" { Role::Warning } else { Role::Text };
            out.push(vec![(format!("{label:<14}"), look.style(Role::Muted)), (line, look.style(role))]);
        }
    }
}

fn or(text: &str, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text.to_owned() }
}
