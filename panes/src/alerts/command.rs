//! What the pane's commands do.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_alerting::actions;
use quarterdeck_kernel::Severity;
use quarterdeck_ui::listing::Did;
use quarterdeck_ui::{Context, Effect, Key};

use super::changed::{self, Changed};
use super::explain::Explaining;
use super::filter::Filter;
use super::filtering::{Filtering, Typed};
use super::model::Row;
use super::rows::{self, AlertRows};
use super::{Alerts, Opened, Purpose};
use crate::{World, form, hides};

/// Filters that are kept, to be had again.
const HISTORY: usize = 50;

impl Alerts {
    /// Does a command while an answer or an alert is open; none when it is the list's.
    fn command_inside(&mut self, verb: &str, cx: &Context<'_, World>) -> Option<Vec<Effect<World>>> {
        if let Some(changed) = &mut self.changed {
            match verb {
                "down" => changed.step(1),
                "up" => changed.step(-1),
                "page-down" | "last" => changed.step(isize::MAX),
                "page-up" | "first" => changed.step(isize::MIN),
                "back" | "changed" => {
                    self.changed = None;
                    return Some(vec![Effect::Cancel(changed::SLOT)]);
                }
                "open" => return Some(changed.subject().map(Effect::Go).into_iter().collect()),
                "revert" => {
                    if let Some(why) = changed.fixed(cx.world) {
                        let told = format!("cannot be reverted: {why}");
                        return Some(vec![Effect::Toast(Severity::Info, told)]);
                    }
                    let undo = |subject| Effect::Dispatch {
                        action: changed::UNDO.to_owned(),
                        subject: Some(subject),
                        args: BTreeMap::new(),
                    };
                    return Some(changed.subject().map(undo).into_iter().collect());
                }
                // Whatever else is pressed is meant for what is in front: nothing is done behind its back.
                _ => {}
            }
            return Some(Vec::new());
        }
        let open = self.open.as_mut()?;
        let page = usize::from(cx.area.height.saturating_sub(3)).max(1);
        match verb {
            "down" => open.from += 1,
            "up" => open.from = open.from.saturating_sub(1),
            "page-down" => open.from += page,
            "page-up" => open.from = open.from.saturating_sub(page),
            "first" => open.from = 0,
            "last" => open.from = usize::MAX / 2,
            "explain" if open.explain.is_none() => {
                open.explain = open.key.parse().ok().map(Explaining::new);
                open.from = 0;
            }
            // What was opened explained is left at once; else the alert itself comes back.
            "back" | "explain" if open.explain.is_some() && !open.at_once => {
                open.explain = None;
                open.from = 0;
            }
            "explain" => open.explain = None,
            "back" | "open" => self.open = None,
            "filter" | "sort" | "columns" | "mark" | "group" | "resolved" => {}
            _ => return None,
        }
        self.settle(cx);
        Some(Vec::new())
    }

    /// Keeps the scroll of an open alert within what there is.
    pub(super) fn settle(&mut self, cx: &Context<'_, World>) {
        let most = self.open_scroll(cx);
        if let Some(open) = &mut self.open {
            open.from = open.from.min(most);
        }
    }

    pub(super) fn command(&mut self, verb: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Some(effects) = self.command_inside(verb, cx) {
            return effects;
        }
        let none = BTreeMap::new();
        match verb {
            "open" => self.enter(cx),
            "explain" => {
                if let Some(alert) = self.current(cx) {
                    let explain = Some(Explaining::new(alert.fingerprint));
                    self.open = Some(Opened { key: rows::key_of(&alert), from: 0, explain, at_once: true });
                }
                Vec::new()
            }
            "ack" => self.dispatch(cx, actions::ACKNOWLEDGE, &none),
            "unack" => self.dispatch(cx, actions::UNACKNOWLEDGE, &none),
            "close" => self.dispatch(cx, actions::RESOLVE, &none),
            "page" => self.dispatch(cx, actions::ESCALATE, &none),
            "note" => self.ask(cx, Purpose::Acknowledge),
            "mute" => self.ask(cx, Purpose::Silence),
            "give" => self.ask(cx, Purpose::Assign),
            "runbook" => self.runbook(cx),
            "export" => self.export(cx),
            "changed" => {
                self.changed = self.current(cx).map(|alert| Changed::new(cx.world, alert));
                self.changed.iter().map(Changed::question).collect()
            }
            "revert" => {
                vec![Effect::Toast(Severity::Info, "press w first: it shows what can be reverted".to_owned())]
            }
            "mark" => {
                let (rows, area) = (self.rows(cx), self.layout(cx, cx.area).list);
                self.toggle_mark();
                self.list.command("down", area, &rows);
                Vec::new()
            }
            "unmark" => {
                self.unmark();
                Vec::new()
            }
            "group" => {
                // The worst of a group is selected when it goes; a group is found by the eye.
                if self.choice.grouped
                    && let Some(alert) = self.current(cx)
                {
                    self.list.table.want(&rows::key_of(&alert));
                }
                self.choice.grouped = !self.choice.grouped;
                self.refresh(cx)
            }
            "resolved" => {
                self.choice.resolved = !self.choice.resolved;
                self.refresh(cx)
            }
            "filter" => {
                self.filtering = Some(Filtering::new(&self.choice.filter, &self.filters, &cx.world.alerting));
                Vec::new()
            }
            "back" if !self.choice.filter.is_empty() => self.set_filter(Arc::default(), cx),
            _ => {
                let (rows, area) = (self.rows(cx), self.layout(cx, cx.area).list);
                let did = self.list.command(verb, area, &rows);
                self.done(did, rows, cx)
            }
        }
    }

    /// Opens the selected alert; opens or closes the selected group.
    pub(super) fn enter(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let row = self.list.table.selected_row();
        match row.and_then(|row| self.shown.as_ref()?.rows.get(row)) {
            Some(Row::Alert(alert, _)) => {
                self.open = Some(Opened::new(rows::key_of(alert)));
                Vec::new()
            }
            Some(Row::Group(head)) => {
                let identity = Arc::clone(&head.identity);
                if !self.choice.opened.remove(&identity) {
                    self.choice.opened.insert(identity);
                }
                self.refresh(cx)
            }
            None => Vec::new(),
        }
    }

    pub(super) fn done(&mut self, did: Did, rows: AlertRows, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match did {
            Did::Back if self.marks() > 0 => {
                self.unmark();
                Vec::new()
            }
            Did::Back => vec![Effect::Back],
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => self.enter(cx),
            Did::Nothing | Did::Changed => self.arrange(rows),
        }
    }

    fn set_filter(&mut self, filter: Arc<Filter>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if self.choice.filter == filter {
            return Vec::new();
        }
        self.choice.filter = filter;
        self.refresh(cx)
    }

    /// A key while text is typed.
    pub(super) fn typed(&mut self, key: Key, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Some(asking) = &mut self.asking {
            let typed = asking.form.key(key);
            return self.filled(typed, cx);
        }
        let Some(filtering) = &mut self.filtering else {
            let rows = self.rows(cx);
            self.list.key(key, &rows);
            return self.arrange(rows);
        };
        match filtering.key(key, &cx.world.alerting) {
            Typed::Goes => {
                let filter = Arc::clone(&filtering.filter);
                self.set_filter(filter, cx)
            }
            Typed::Done => {
                let filter = Arc::clone(&filtering.filter);
                self.filtering = None;
                let text = filter.text().trim().to_owned();
                if !text.is_empty() {
                    self.filters.retain(|known| *known != text);
                    self.filters.push(text);
                    let surplus = self.filters.len().saturating_sub(HISTORY);
                    self.filters.drain(..surplus);
                }
                self.set_filter(filter, cx)
            }
            Typed::Left => {
                let before = Arc::clone(filtering.before());
                self.filtering = None;
                self.set_filter(before, cx)
            }
        }
    }

    /// Text was pasted while text is typed.
    pub(super) fn pasted(&mut self, text: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Some(asking) = &mut self.asking {
            asking.form.paste(text);
            return self.filled(form::Typed::Goes, cx);
        }
        let Some(filtering) = &mut self.filtering else { return Vec::new() };
        filtering.paste(text, &cx.world.alerting);
        let filter = Arc::clone(&filtering.filter);
        self.set_filter(filter, cx)
    }

    /// A key, or pasted text, for the form.
    fn filled(&mut self, typed: form::Typed, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(asking) = &mut self.asking else { return Vec::new() };
        match typed {
            form::Typed::Goes => {
                if asking.purpose == Purpose::Silence {
                    asking.form.told = hides::preview(cx.world, asking.form.text("matchers"));
                }
                Vec::new()
            }
            form::Typed::Left => {
                self.asking = None;
                Vec::new()
            }
            form::Typed::Done(args) => match self.asking.take() {
                Some(asking) => self.answered(cx, asking, &args),
                None => Vec::new(),
            },
        }
    }
}
