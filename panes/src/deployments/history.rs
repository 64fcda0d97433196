//! What was rolled out: who, what, why, how it ended.

use std::borrow::Cow;

use quarterdeck_kernel::Timestamp;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Role, format};

use super::rows::{Model, ViewRows};
use super::words;

pub(super) const COLUMNS: [Column; 9] = [
    Column::fixed("ended", "ENDED", 12),
    Column::flex("service", "SERVICE", 8).at_most(20),
    Column::flex("change", "CHANGE", 14).weight(2).at_most(34),
    Column::fixed("outcome", "OUTCOME", 13),
    Column::number("reached", "AT %", 5).priority(3),
    Column::number("took", "TOOK", 8).priority(1),
    Column::flex("who", "WHO", 8).at_most(16).priority(2),
    Column::flex("why", "WHY", 12).weight(2).priority(3),
    Column::flex("message", "WHAT CAME OF IT", 16).weight(4).priority(3),
];

/// How long it took, in milliseconds.
fn took(model: &Model, row: usize) -> Option<i64> {
    let rollout = model.rollout(row)?;
    Some(rollout.ended?.as_millis() - rollout.started.as_millis())
}

pub(super) fn text<'a>(rows: &'a ViewRows, row: usize, id: &str) -> Option<Cow<'a, str>> {
    let rollout = rows.model.rollout(row)?;
    Some(match id {
        "ended" => rollout.ended.map_or("·".into(), |at| rows.look.when(at, rows.now).into()),
        "service" => rollout.service.as_str().into(),
        "change" => rollout.title().into(),
        "outcome" => words::outcome(rollout.outcome).2.into(),
        "reached" => rollout.reached.to_string().into(),
        "took" => took(&rows.model, row).map_or("·".into(), |ms| format::span(ms).into()),
        "who" => rollout.actor.user.as_str().into(),
        "why" => rollout.reason.as_str().into(),
        "message" => rollout.message.as_str().into(),
        _ => return None,
    })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str, now: Timestamp) -> Option<Order<'a>> {
    let rollout = model.rollout(row)?;
    match id {
        "ended" => Some(Order::Number(rollout.ended.unwrap_or(now).as_millis() as f64)),
        "reached" => Some(Order::Number(f64::from(rollout.reached))),
        "took" => Some(took(model, row).map_or(Order::Missing, |ms| Order::Number(ms as f64))),
        _ => None,
    }
}

pub(super) fn draw(model: &Model, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    match id {
        "outcome" => {
            let outcome = model.rollout(row).and_then(|rollout| rollout.outcome);
            let (glyph, role, _) = words::outcome(outcome);
            cell.state(glyph, text, role);
        }
        "service" | "change" => cell.text(text),
        _ => cell.role(text, Role::Muted),
    }
}
