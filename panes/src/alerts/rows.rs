//! Alerts as rows of a table.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_alerting::model::{Alert, AlertState};
use quarterdeck_kernel::{Severity, Timestamp};
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Glyph, Role, format};

use super::model::{Head, Model, Row};
use crate::alert_words as words;

pub(super) const COLUMNS: [Column; 8] = [
    Column::fixed("severity", "SEVERITY", 10),
    Column::flex("alert", "ALERT", 16).weight(3).at_most(48),
    Column::flex("service", "SERVICE", 8).at_most(16),
    Column::number("age", "AGE", 8),
    Column::fixed("state", "STATE", 10),
    Column::flex("paging", "PAGING", 12).weight(2).at_most(34),
    Column::flex("owner", "OWNER", 8).priority(2).at_most(16),
    Column::flex("summary", "SUMMARY", 20).weight(6).priority(3),
];

/// Alerts of one version, at a time. Cheap to clone, so that many can be arranged in the background.
#[derive(Clone, Debug)]
pub(super) struct AlertRows {
    pub(super) model: Arc<Model>,
    pub(super) now: Timestamp,
}

/// The key of an alert's row.
pub(super) fn key_of(alert: &Alert) -> String {
    alert.fingerprint.to_string()
}

/// The key of a group's row.
pub(super) fn head_key(head: &Head) -> String {
    format!("{HEAD}{}", head.identity)
}

/// Whether a key is that of a group's row.
pub(super) fn is_head(key: &str) -> bool {
    key.starts_with(HEAD)
}

/// What keys of groups begin with: no fingerprint does.
const HEAD: &str = "group:";

impl AlertRows {
    fn alert(&self, row: usize) -> &Alert {
        match &self.model.rows[row] {
            Row::Alert(alert, _) => alert,
            Row::Group(head) => &head.alerts[0],
        }
    }

    fn alert_text<'a>(&'a self, alert: &'a Alert, column: usize) -> Cow<'a, str> {
        match COLUMNS[column].id {
            "severity" => alert.severity.as_str().into(),
            "alert" => alert.name().into(),
            "service" => alert.service.as_deref().unwrap_or_default().into(),
            "age" => format::age(self.now.as_millis() - began(alert).as_millis()).into(),
            "state" => words::state(alert),
            "paging" => words::paging(self.model.escalation(alert), alert, self.now, true).into(),
            "owner" => alert.owner().unwrap_or_default().into(),
            _ => words::summary(alert).into(),
        }
    }

    fn head_text<'a>(&'a self, head: &'a Head, column: usize) -> Cow<'a, str> {
        let worst = &*head.alerts[0];
        match COLUMNS[column].id {
            "alert" => format!("{} × {}", head.alerts.len(), head.title).into(),
            "state" => {
                let firing = head.alerts.iter().filter(|a| a.state == AlertState::Firing).count();
                if firing > 0 { format!("{firing} firing").into() } else { words::state(worst) }
            }
            "service" if head.alerts.iter().any(|a| a.service != worst.service) => "several".into(),
            "owner" if head.alerts.iter().any(|a| a.owner() != worst.owner()) => "several".into(),
            "summary" => {
                let mut names: Vec<&str> = Vec::new();
                for alert in &head.alerts {
                    if names.len() < 8 && !names.contains(&alert.name()) {
                        names.push(alert.name());
                    }
                }
                names.join(", ").into()
            }
            _ => self.alert_text(worst, column),
        }
    }
}

/// Since when an alert is what its age tells: that it fires, or that it is resolved.
fn began(alert: &Alert) -> Timestamp {
    if alert.state.is_open() { alert.starts_at } else { alert.since }
}

impl Rows for AlertRows {
    fn len(&self) -> usize {
        self.model.rows.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        match &self.model.rows[row] {
            Row::Alert(alert, _) => key_of(alert).into(),
            Row::Group(head) => head_key(head).into(),
        }
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        match &self.model.rows[row] {
            Row::Alert(alert, _) => self.alert_text(alert, column),
            Row::Group(head) => self.head_text(head, column),
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        // Whatever it is sorted by, alerts stay under their group.
        let row = match self.model.rows[row] {
            Row::Alert(_, Some(head)) => head,
            _ => row,
        };
        let alert = self.alert(row);
        match COLUMNS[column].id {
            "severity" => Order::Number(-f64::from(alert.severity as u8)),
            "age" => Order::Number(-(began(alert).as_millis() as f64)),
            "state" => Order::Number(f64::from(alert.state as u8)),
            "paging" => match self.model.escalation(alert).and_then(|e| e.next.as_ref()) {
                Some(next) => Order::Number(next.at.as_millis() as f64),
                None => Order::Missing,
            },
            _ => Order::Text(self.text(row, column)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let alert = self.alert(row);
        let quiet = alert.state != AlertState::Firing;
        let text = self.text(row, column);
        let severity = if quiet { Role::Muted } else { Role::from(alert.severity) };
        match (COLUMNS[column].id, &self.model.rows[row]) {
            ("severity", Row::Alert(_, Some(_))) => {
                cell.state(Glyph::from(alert.severity), "", severity);
            }
            ("severity", _) => cell.state(Glyph::from(alert.severity), &text, severity),
            ("alert", Row::Group(head)) => {
                let glyph = cell.look().glyph(if head.open { Glyph::Open } else { Glyph::Closed });
                let (faint, style) = (cell.look().style(Role::Muted), cell.look().style(name_role(alert)));
                cell.spans(&[(glyph, faint), (" ", faint), (&text, style)]);
            }
            ("alert", Row::Alert(_, Some(_))) => cell.role(&format!("  {text}"), name_role(alert)),
            ("alert", _) => cell.role(&text, name_role(alert)),
            ("state", _) if !quiet => cell.role(&text, Role::Text),
            ("paging", _) => {
                let escalation = self.model.escalation(alert);
                let role = words::paging_role(escalation, alert);
                let columns = usize::from(cell.width());
                cell.role(&words::paging_within(escalation, alert, self.now, columns), role);
            }
            _ => cell.role(&text, Role::Muted),
        }
    }
}

fn name_role(alert: &Alert) -> Role {
    match (alert.state, alert.severity) {
        (AlertState::Firing, Severity::Critical) => Role::Critical,
        (AlertState::Firing, _) => Role::Text,
        (AlertState::Acknowledged, _) => Role::Text,
        _ => Role::Muted,
    }
}
