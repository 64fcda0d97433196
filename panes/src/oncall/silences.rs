//! Silences and maintenance: what hides alerts, until when, who made it and why.

use std::borrow::Cow;

use quarterdeck_alerting::model::{Schedule, Silence, SilenceKind, SilenceState};
use quarterdeck_kernel::Timestamp;
use quarterdeck_ui::Context;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Glyph, Role, format};

use super::rows::ViewRows;
use crate::World;
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 6] = [
    Column::fixed("state", "STATE", 10),
    Column::flex("matchers", "HIDES", 20).weight(5),
    Column::fixed("kind", "KIND", 14).priority(1),
    Column::number("ends", "ENDS IN", 9),
    Column::flex("by", "BY", 8).at_most(16),
    Column::flex("comment", "WHY", 12).weight(4).priority(2),
];

/// Names of hidden alerts that are listed at most.
const NAMES: usize = 30;

/// Whether a silence can hide alerts of a service.
pub(super) fn touches(silence: &Silence, service: &str) -> bool {
    let maintained = match &silence.kind {
        SilenceKind::Maintenance(services) => services.iter().any(|name| **name == *service),
        _ => true,
    };
    // One that says nothing of services hides alerts of any.
    maintained && silence.matchers.iter().filter(|m| m.name == "service").all(|m| m.matches_value(service))
}

fn what(silence: &Silence) -> String {
    match &silence.kind {
        SilenceKind::Maintenance(services) if silence.matchers.is_empty() => services.join(", "),
        SilenceKind::Maintenance(services) => format!("{} {}", services.join(", "), silence.matchers),
        _ => silence.matchers.to_string(),
    }
}

const fn kind(silence: &Silence) -> &'static str {
    match silence.kind {
        SilenceKind::Plain => "silence",
        SilenceKind::UntilResolved => "until resolved",
        SilenceKind::Recurring(_) => "recurring",
        SilenceKind::Maintenance(_) => "maintenance",
    }
}

fn ends(silence: &Silence, now: Timestamp) -> String {
    match silence.state(now) {
        SilenceState::Expired => "over".to_owned(),
        _ => format::age(silence.ends_at.as_millis() - now.as_millis()),
    }
}

pub(super) fn text(rows: &ViewRows, row: usize, column: usize) -> Cow<'_, str> {
    let silence = &rows.view.alerts.silences[row];
    match COLUMNS[column].id {
        "state" => silence.state(rows.now).as_str().into(),
        "matchers" => what(silence).into(),
        "kind" => kind(silence).into(),
        "ends" => ends(silence, rows.now).into(),
        "by" => (&*silence.created_by).into(),
        _ => (&*silence.comment).into(),
    }
}

pub(super) fn order(rows: &ViewRows, row: usize, column: usize) -> Order<'_> {
    match COLUMNS[column].id {
        "ends" => Order::Number(rows.view.alerts.silences[row].ends_at.as_millis() as f64),
        _ => Order::Text(text(rows, row, column)),
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, column: usize, cell: &mut CellPainter<'_>) {
    let state = rows.view.alerts.silences[row].state(rows.now);
    let text = text(rows, row, column);
    let (glyph, role) = match state {
        SilenceState::Active => (Glyph::Frozen, Role::Frozen),
        SilenceState::Pending => (Glyph::Unknown, Role::Muted),
        SilenceState::Expired => (Glyph::Done, Role::Faint),
    };
    match COLUMNS[column].id {
        "state" => cell.state(glyph, &text, role),
        _ if state == SilenceState::Expired => cell.role(&text, Role::Faint),
        "matchers" => cell.text(&text),
        _ => cell.role(&text, Role::Muted),
    }
}

/// All of it, and which alerts it hides.
pub(super) fn tell(details: &mut Details, cx: &Context<'_, World>, silence: &Silence) {
    let look = cx.look;
    details.field("hides", &what(silence), Role::Text);
    details.field("kind", kind(silence), Role::Text);
    if let SilenceKind::Recurring(schedule) = &silence.kind {
        let told = match schedule {
            Schedule::Cron { expression, minutes, zone } => {
                let zone = if zone.is_empty() { "UTC" } else { zone };
                format!("{minutes} minutes from each {expression} ({zone})")
            }
            Schedule::Spans(spans) if spans.len() == 1 => "during a span of time".to_owned(),
            Schedule::Spans(spans) => format!("during {} spans of time", spans.len()),
        };
        details.field("when", &told, Role::Text);
    }
    details.field("from", &look.date_time(silence.starts_at), Role::Text);
    details.field("until", &look.date_time(silence.ends_at), Role::Text);
    details.field("by", &silence.created_by, Role::Text);
    details.field("why", &silence.comment, Role::Text);
    details.field("id", &silence.id.to_string(), Role::Faint);
    let alerts = cx.world.alerting.alerts.alerts.iter();
    let hidden: Vec<_> = alerts.filter(|alert| alert.silences().contains(&silence.id)).collect();
    details.section("hidden now", hidden.len().to_string());
    for alert in hidden.iter().take(NAMES) {
        let service = alert.service.as_deref().unwrap_or_default();
        details.pieces([(alert.name(), Role::Text), ("  ", Role::Text), (service, Role::Muted)]);
    }
    if hidden.len() > NAMES {
        details.pieces([(&format!("and {} more", hidden.len() - NAMES), Role::Faint)]);
    }
}
