//! The log of notifications, newest first.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_alerting::View;
use quarterdeck_alerting::model::AttemptRecord;
use quarterdeck_ui::Context;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Role, format};

use super::rows::ViewRows;
use crate::World;
use crate::delivery::{is_to, outcome, trouble};
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 6] = [
    Column::fixed("time", "TIME", 13),
    Column::flex("destination", "TO", 14).weight(2).at_most(34),
    Column::flex("group", "GROUP", 14).weight(3),
    Column::flex("reason", "BECAUSE", 14).weight(2).at_most(34).priority(2),
    Column::flex("outcome", "OUTCOME", 12).weight(3),
    Column::number("tries", "TRIES", 5).priority(1),
];

/// Alerts that are listed at most.
const ALERTS: usize = 30;

/// The notification of a row: the log is newest last.
pub(super) fn record(view: &View, row: usize) -> Option<&Arc<AttemptRecord>> {
    let log = &view.alerts.log;
    log.get(log.len().checked_sub(row + 1)?)
}

/// The group without the route in front: `{}:{alertname="X"}` is `alertname="X"`.
fn group(record: &AttemptRecord) -> &str {
    let key = &*record.group_key;
    let labels = key.rsplit_once(":{").map_or(key, |(_, labels)| labels.trim_end_matches('}'));
    if labels.is_empty() { "all" } else { labels }
}

fn tries(record: &AttemptRecord) -> Option<u32> {
    record.outcome.as_ref().map(|o| o.tries)
}

pub(super) fn text(rows: &ViewRows, row: usize, column: usize) -> Cow<'_, str> {
    let Some(record) = record(&rows.view, row) else { return "".into() };
    match COLUMNS[column].id {
        "time" => rows.look.when(record.at, rows.now).into(),
        "destination" => record.destination().into(),
        "group" => group(record).into(),
        "reason" => record.reason.as_str().into(),
        "outcome" => outcome(record).2.into(),
        _ => tries(record).map_or_else(|| "·".into(), |n| n.to_string().into()),
    }
}

pub(super) fn order(rows: &ViewRows, row: usize, column: usize) -> Order<'_> {
    let Some(record) = record(&rows.view, row) else { return Order::Missing };
    match COLUMNS[column].id {
        "time" => Order::Number(record.at.as_millis() as f64),
        "tries" => tries(record).map_or(Order::Missing, |n| Order::Number(f64::from(n))),
        _ => Order::Text(text(rows, row, column)),
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, column: usize, cell: &mut CellPainter<'_>) {
    let Some(record) = record(&rows.view, row) else { return };
    match COLUMNS[column].id {
        "outcome" => {
            let (glyph, role, words) = outcome(record);
            cell.state(glyph, &words, role);
        }
        "destination" => cell.text(&text(rows, row, column)),
        _ => cell.role(&text(rows, row, column), Role::Muted),
    }
}

/// All of it.
pub(super) fn tell(details: &mut Details, cx: &Context<'_, World>, record: &AttemptRecord) {
    let (look, now) = (cx.look, cx.world.now);
    let (_, role, words) = outcome(record);
    details.wrapped(&words, role, 6);
    details.field("to", &record.destination(), Role::Text);
    let to = cx.world.console.destinations.iter().find(|to| is_to(record, to));
    if let Some(trouble) = to.and_then(|to| trouble(to, now)) {
        details.wrapped(&trouble, Role::Warning, 6);
    }
    details.field("because", record.reason.as_str(), Role::Text);
    details.field("made", &look.date_time(record.at), Role::Text);
    match &record.outcome {
        Some(outcome) => {
            let took = format::span(outcome.at.as_millis() - record.at.as_millis());
            let tries = match outcome.tries {
                0 | 1 => "1 try".to_owned(),
                n => format!("{n} tries"),
            };
            details.field("took", &format!("{took}, {tries}"), Role::Text);
        }
        None => {
            let left = format::countdown(record.deadline.as_millis() - now.as_millis());
            details.field("given up in", &left, Role::Text);
        }
    }
    if record.resent > 0 {
        details.field("sent again", &format!("{} times after a restart", record.resent), Role::Warning);
    }
    details.field("group", &record.group_key, Role::Muted);
    details.field("id", &record.id.to_string(), Role::Faint);
    let all = record.alerts.len() + record.truncated as usize;
    details.section("alerts told", all.to_string());
    for sent in record.alerts.iter().take(ALERTS) {
        let alert = cx.world.alerting.alerts.alert(sent.alert);
        let name = alert.map_or_else(|| sent.alert.to_string(), |alert| alert.name().to_owned());
        let told = if sent.ends_at.is_some() { "resolved" } else { "firing" };
        details.pieces([(&name, Role::Text), ("  ", Role::Text), (told, Role::Muted)]);
    }
    if all > ALERTS.min(record.alerts.len()) {
        let more = all - ALERTS.min(record.alerts.len());
        details.pieces([(&format!("and {more} more"), Role::Faint)]);
    }
}
