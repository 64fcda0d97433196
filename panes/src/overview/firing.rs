//! What is wrong: alerts and broken limits.

use std::sync::Arc;

use quarterdeck_kernel::{Health, Severity, Timestamp};
use quarterdeck_rules::{AlertState, AlertView};
use quarterdeck_services::{Breach, ServiceView};
use quarterdeck_ui::Context;
use quarterdeck_widgets::{Role, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;

/// Every broken limit, worst first.
fn breaches<'a>(cx: &Context<'a, World>) -> Vec<(&'a ServiceView, &'a Breach)> {
    let in_scope = |s: &&Arc<ServiceView>| cx.scope.service.as_ref().is_none_or(|wanted| **wanted == *s.name);
    let services = cx.world.services.services.iter().filter(in_scope);
    let mut all: Vec<_> = services.flat_map(|s| s.breaches.iter().map(move |b| (&**s, b))).collect();
    all.sort_by_key(|(_, b)| (std::cmp::Reverse(b.health), b.since));
    all
}

/// A line of what is wrong.
pub(super) struct Wrong<'a> {
    health: Health,
    role: Role,
    service: &'a str,
    text: String,
    since: Timestamp,
}

/// Alerts, firing ones first, then broken limits, each worst first.
pub(super) fn wrong<'a>(cx: &Context<'a, World>) -> Vec<Wrong<'a>> {
    let world: &'a World = cx.world;
    let in_scope = |service: Option<&str>| {
        cx.scope.service.as_ref().is_none_or(|wanted| service.is_some_and(|s| **wanted == *s))
    };
    let alerts = world.rules.alerts().into_iter().filter(|alert| in_scope(alert.service())).map(alert_line);
    alerts.chain(breaches(cx).into_iter().map(|(service, breach)| breach_line(service, breach))).collect()
}

fn alert_line(alert: &Arc<AlertView>) -> Wrong<'_> {
    let firing = alert.state == AlertState::Firing;
    let health = match alert.severity() {
        Severity::Critical => Health::Down,
        Severity::Warning => Health::Degraded,
        Severity::Info => Health::Unknown,
    };
    let what = format!("{} {}", alert.name(), format::number(alert.value));
    Wrong {
        health,
        // What is pending only has to last: it is told in quiet.
        role: if firing { Role::from(alert.severity()) } else { Role::Muted },
        service: alert.service().unwrap_or_default(),
        text: if firing { what } else { format!("pending, {what}") },
        since: alert.active_at,
    }
}

fn breach_line<'a>(service: &'a ServiceView, breach: &Breach) -> Wrong<'a> {
    // What is within its limit again is told in quiet: it only has to last.
    let recovering = breach.recovering();
    Wrong {
        health: breach.health,
        role: if recovering { Role::Muted } else { Role::from(breach.health) },
        service: &service.name,
        text: if recovering { format!("recovering, {}", breach.text) } else { breach.text.clone() },
        since: breach.since,
    }
}

pub(super) fn draw(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    let (look, now) = (cx.look, cx.world.now);
    let all = wrong(cx);
    let more = all.len().saturating_sub(usize::from(area.height - 1));
    let right = if more > 0 { format!("{more} more") } else { String::new() };
    rule::rule(look, buffer, area, "firing", &right);
    if all.is_empty() {
        let any_limit = cx
            .world
            .services
            .services
            .iter()
            .any(|s| s.signals.p99.limit.is_some() || s.signals.errors.limit.is_some());
        let calm = if any_limit {
            "Every limit holds."
        } else {
            "No service has a limit yet: press L on one to set it."
        };
        text::put(
            buffer,
            area.x + 1,
            area.y + 1,
            area.width.saturating_sub(2),
            calm,
            look.style(Role::Muted),
        );
        return;
    }
    let widest = all.iter().map(|line| text::width(line.service)).max().unwrap_or(0).min(18);
    for (line, y) in all.into_iter().zip(area.y + 1..area.bottom()) {
        let age = format::ago(line.since, now);
        let room = area.width.saturating_sub(text::width(&age) as u16 + 4);
        let name = format!("{:<widest$}", line.service);
        let spans = [
            (look.glyph(line.health), look.style(line.role)),
            (" ", look.style(Role::Text)),
            (name.as_str(), look.style(Role::Text)),
            ("  ", look.style(Role::Text)),
            (line.text.as_str(), look.style(line.role)),
        ];
        text::put_spans(buffer, area.x + 1, y, room, &spans);
        text::put_right(buffer, area.x, y, area.width.saturating_sub(2), &age, look.style(Role::Muted));
    }
}
