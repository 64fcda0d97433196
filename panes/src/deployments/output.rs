//! What the processes write.

use std::borrow::Cow;

use quarterdeck_widgets::Role;
use quarterdeck_widgets::table::{CellPainter, Column, Order};

use super::rows::{Model, ViewRows};
use crate::world::OutputLine;

/// Lines asked for at most.
pub(super) const MOST: usize = 1000;

pub(super) const COLUMNS: [Column; 3] = [
    Column::fixed("time", "TIME", 12),
    Column::flex("replica", "REPLICA", 8).at_most(20).priority(1),
    Column::flex("text", "TEXT", 20).weight(8),
];

/// Whose output is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Of {
    pub(super) service: String,
    /// Of all versions if none.
    pub(super) version: Option<String>,
    /// Of all replicas if none.
    pub(super) replica: Option<String>,
}

impl Of {
    pub(super) fn words(&self) -> String {
        let parts = [Some(&self.service), self.version.as_ref(), self.replica.as_ref()];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// What was written, as far as it was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Written {
    pub(super) of: Option<Of>,
    /// Oldest first.
    pub(super) lines: Vec<OutputLine>,
    /// Why it could not be had.
    pub(super) trouble: Option<String>,
}

pub(super) fn text<'a>(rows: &'a ViewRows, row: usize, id: &str) -> Option<Cow<'a, str>> {
    let line = rows.model.line(row)?;
    Some(match id {
        "time" => rows.look.clock_millis(line.at).into(),
        "replica" => line.replica.as_str().into(),
        "text" => line.text.as_str().into(),
        _ => return None,
    })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    let line = model.line(row)?;
    (id == "time").then(|| Order::Number(line.at.as_millis() as f64))
}

pub(super) fn draw(model: &Model, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    let error = model.line(row).is_some_and(|line| line.error);
    match id {
        "text" if error => cell.role(text, Role::Warning),
        "text" => cell.text(text),
        _ => cell.role(text, Role::Muted),
    }
}
