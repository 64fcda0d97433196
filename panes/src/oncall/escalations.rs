//! Open escalations, worst first, then those that ended lately.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_alerting::View;
use quarterdeck_kernel::{Subject, SubjectKind};
use quarterdeck_oncall::EscalationView;
use quarterdeck_oncall::escalation::State;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Glyph, Role, format};

use super::rows::ViewRows;

pub(super) const COLUMNS: [Column; 6] = [
    Column::fixed("severity", "SEVERITY", 10),
    Column::flex("title", "ALERTS", 16).weight(3).at_most(60),
    Column::flex("service", "SERVICE", 8).at_most(16).priority(2),
    Column::number("age", "AGE", 8),
    Column::flex("stands", "STANDS", 22).weight(3),
    Column::fixed("policy", "POLICY", 12).priority(1),
];

pub(super) fn len(view: &View) -> usize {
    view.oncall.escalations.len() + view.oncall.recent.len()
}

pub(super) fn escalation(view: &View, row: usize) -> Option<&Arc<EscalationView>> {
    let open = &view.oncall.escalations;
    open.get(row).or_else(|| view.oncall.recent.get(row - open.len()))
}

/// Ended ones may have the key of an open one: their time tells them apart.
pub(super) fn key(view: &View, row: usize) -> String {
    let Some(found) = escalation(view, row) else { return String::new() };
    if row < view.oncall.escalations.len() {
        found.key.clone()
    } else {
        format!("{} {}", found.key, found.opened.as_millis())
    }
}

/// The alerts that an escalation is about, as far as they are still known.
pub(super) fn alerts(view: &View, escalation: &EscalationView) -> Vec<Subject> {
    let group = view.alerts.groups.iter().find(|group| *group.identity == *escalation.key);
    let prints = group.into_iter().flat_map(|group| group.alerts.iter());
    prints.map(|print| Subject::new(SubjectKind::Alert, print.to_string())).collect()
}

/// The key of the foremost escalation that is about an alert.
pub(super) fn about(view: &View, alert: &Subject) -> Option<String> {
    (0..len(view))
        .find(|row| escalation(view, *row).is_some_and(|e| alerts(view, e).contains(alert)))
        .map(|row| key(view, row))
}

pub(super) fn text(rows: &ViewRows, row: usize, column: usize) -> Cow<'_, str> {
    let Some(found) = escalation(&rows.view, row) else { return "".into() };
    match COLUMNS[column].id {
        "severity" => found.severity.as_str().into(),
        "title" => found.title.as_str().into(),
        "service" => found.service.as_deref().unwrap_or_default().into(),
        "age" => format::age(rows.now.as_millis() - found.opened.as_millis()).into(),
        "stands" => found.words(rows.now).into(),
        _ => found.policy.as_str().into(),
    }
}

pub(super) fn order(rows: &ViewRows, row: usize, column: usize) -> Order<'_> {
    let Some(found) = escalation(&rows.view, row) else { return Order::Missing };
    match COLUMNS[column].id {
        "severity" => Order::Number(-f64::from(found.severity as u8)),
        "age" => Order::Number(-(found.opened.as_millis() as f64)),
        "stands" => found.next.as_ref().map_or(Order::Missing, |n| Order::Number(n.at.as_millis() as f64)),
        _ => Order::Text(text(rows, row, column)),
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, column: usize, cell: &mut CellPainter<'_>) {
    let Some(found) = escalation(&rows.view, row) else { return };
    let text = text(rows, row, column);
    let quiet = matches!(found.state, State::Resolved { .. } | State::Acknowledged { .. });
    let role = if quiet { Role::Muted } else { Role::from(found.severity) };
    match COLUMNS[column].id {
        "severity" => cell.state(Glyph::from(found.severity), &text, role),
        "title" if !quiet => cell.text(&text),
        "stands" => {
            let role = match found.state {
                State::Exhausted { .. } => Role::Critical,
                _ if quiet => Role::Muted,
                _ => Role::Running,
            };
            cell.role(&text, role);
        }
        _ => cell.role(&text, Role::Muted),
    }
}
