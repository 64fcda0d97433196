//! Which alerts are marked: each by its own name, wherever the list shows it or not.
//!
//! The table keeps the marks. That of a group's line only says that all of its alerts are marked.

use quarterdeck_kernel::Severity;
use quarterdeck_ui::{Context, Effect};

use super::model::Row;
use super::{Alerts, alert_of, rows};
use crate::World;

impl Alerts {
    /// How many alerts are marked.
    pub(super) fn marks(&self) -> usize {
        self.list.table.marked().iter().filter(|key| !rows::is_head(key)).count()
    }

    /// Unmarks everything.
    pub(super) fn unmark(&mut self) {
        self.list.table.clear_marks();
    }

    /// Marks or unmarks the selected alert, or all alerts of the selected group.
    pub(super) fn toggle_mark(&mut self) {
        let row = self.list.table.selected_row().zip(self.shown.as_ref());
        let keys: Vec<String> = row
            .map(|(row, model)| model.alerts(row).iter().map(|a| rows::key_of(a)).collect())
            .unwrap_or_default();
        let all = keys.iter().all(|key| self.list.table.marked().contains(key));
        keys.iter().for_each(|key| self.list.table.set_mark(key, !all));
        self.mark_heads();
    }

    /// Marks the line of each group whose alerts are all marked, and no other.
    pub(super) fn mark_heads(&mut self) {
        let table = &mut self.list.table;
        if table.marked().is_empty() {
            return;
        }
        let old: Vec<String> = table.marked().iter().filter(|key| rows::is_head(key)).cloned().collect();
        old.iter().for_each(|key| table.set_mark(key, false));
        for row in self.shown.iter().flat_map(|model| &model.rows) {
            if let Row::Group(head) = row
                && head.alerts.iter().all(|alert| table.marked().contains(&rows::key_of(alert)))
            {
                table.set_mark(&rows::head_key(head), true);
            }
        }
    }

    /// Drops the marks of alerts that are gone, and says so: what keys act on has changed.
    pub(super) fn drop_gone(&mut self, cx: &Context<'_, World>) -> Option<Effect<World>> {
        let table = &mut self.list.table;
        let gone = |key: &&String| !rows::is_head(key) && alert_of(cx, key).is_none();
        let gone: Vec<String> = table.marked().iter().filter(gone).cloned().collect();
        if gone.is_empty() {
            return None;
        }
        gone.iter().for_each(|key| table.set_mark(key, false));
        self.mark_heads();
        let told = match gone.len() {
            1 => "a marked alert is gone".to_owned(),
            n => format!("{n} marked alerts are gone"),
        };
        let left = match self.marks() {
            0 => "nothing is marked any more".to_owned(),
            n => format!("{n} stay marked"),
        };
        Some(Effect::Toast(Severity::Info, format!("{told}: {left}")))
    }
}
