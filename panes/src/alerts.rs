//! Alerts: what fires, who has it, who is paged next, and what changed before it.

mod act;
mod changed;
mod detail;
mod model;
mod rows;
mod silence;
mod spec;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_alerting::actions;
use quarterdeck_alerting::model::Alert;
use quarterdeck_kernel::{Severity, Subject, SubjectKind};
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::changed::Changed;

use self::model::{Choice, Model, Row};
use self::rows::{AlertRows, COLUMNS};
use crate::World;
use crate::alert_words as words;
use crate::form::{Form, Typed};
use crate::split::Layout;
use crate::world::{Answer, Arrange, Query};

/// What a form is filled in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Silence,
    Assign,
    Acknowledge,
}

impl Purpose {
    const fn action(self) -> &'static str {
        match self {
            Self::Silence => actions::SILENCE_ALERT,
            Self::Assign => actions::ASSIGN,
            Self::Acknowledge => actions::ACKNOWLEDGE,
        }
    }
}

/// A form that is open.
#[derive(Debug)]
struct Asking {
    purpose: Purpose,
    form: Form,
}

/// An alert that is open, and how far its detail is scrolled.
#[derive(Debug)]
struct Opened {
    key: String,
    from: usize,
}

/// The pane.
#[derive(Debug)]
pub struct Alerts {
    list: Listing,
    choice: Choice,
    /// The alerts that the list is arranged for.
    shown: Option<Arc<Model>>,
    /// Those that are being arranged in the background.
    arranging: Option<Arc<Model>>,
    open: Option<Opened>,
    changed: Option<Changed>,
    asking: Option<Asking>,
    /// The alert that a deep link asked for before it was there.
    wanted: Option<String>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self::new()
    }
}

impl Alerts {
    /// Whether there is something resolved to show, or to hide again.
    fn has_resolved(&self, cx: &Context<'_, World>) -> bool {
        self.choice.resolved || cx.world.alerting.alerts.alerts.iter().any(|alert| !alert.state.is_open())
    }

    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            list: Listing::new(&COLUMNS, None),
            choice: Choice { version: u64::MAX, ..Choice::default() },
            shown: None,
            arranging: None,
            open: None,
            changed: None,
            asking: None,
            wanted: None,
        }
    }

    fn rows(&self, cx: &Context<'_, World>) -> AlertRows {
        AlertRows { model: self.shown.clone().unwrap_or_default(), now: cx.world.now }
    }

    fn rows_of(&self, model: &Arc<Model>) -> AlertRows {
        AlertRows { model: Arc::clone(model), now: quarterdeck_kernel::Timestamp::default() }
    }

    /// Takes up the alerts of the newest version; the same version is not looked at twice.
    fn refresh(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        self.choice.version = cx.world.alerting.version;
        self.choice.service.clone_from(&cx.scope.service);
        let current = self.shown.as_ref().is_some_and(|model| model.choice == self.choice);
        if current || self.arranging.is_some() {
            self.find();
            return Vec::new();
        }
        let model = Arc::new(Model::new(cx.world, self.choice.clone()));
        let rows = AlertRows { model: Arc::clone(&model), now: cx.world.now };
        self.list.refresh(&rows);
        let effects = self.arrange(rows);
        if self.arranging.is_none() {
            self.show(model);
        }
        effects
    }

    /// Lets the rows be arranged in the background when they are many.
    fn arrange(&mut self, rows: AlertRows) -> Vec<Effect<World>> {
        let Some(spec) = self.list.wanted() else { return Vec::new() };
        self.arranging = Some(Arc::clone(&rows.model));
        vec![Effect::Query { slot: "arrange", query: Query::Arrange(Arrange { rows: Arc::new(rows), spec }) }]
    }

    fn show(&mut self, model: Arc<Model>) {
        self.shown = Some(model);
        self.find();
    }

    /// Selects what a deep link asked for, as soon as it is there.
    fn find(&mut self) {
        if let Some(wanted) = self.wanted.take()
            && !self.list.table.select(&wanted)
        {
            self.wanted = Some(wanted);
        }
    }

    /// The alert of a key among those shown.
    fn alert_of(&self, key: &str) -> Option<Arc<Alert>> {
        let model = self.shown.as_ref()?;
        let print = key.parse().ok()?;
        let mut all = (0..model.rows.len()).flat_map(|row| model.alerts(row));
        all.find(|alert| alert.fingerprint == print).cloned()
    }

    /// The alert that is looked at: the open one, else the selected one or the worst of its group.
    fn current(&self) -> Option<Arc<Alert>> {
        if let Some(open) = &self.open {
            return self.alert_of(&open.key);
        }
        let row = self.list.table.selected_row()?;
        self.shown.as_ref()?.alert(row).cloned()
    }

    /// Does a command while an answer or an alert is open; none when it is the list's.
    fn command_inside(&mut self, verb: &str, cx: &Context<'_, World>) -> Option<Vec<Effect<World>>> {
        if let Some(changed) = &mut self.changed {
            match verb {
                "down" => changed.step(1),
                "up" => changed.step(-1),
                "page-down" | "last" => changed.step(isize::MAX),
                "page-up" | "first" => changed.step(isize::MIN),
                "back" | "changed" => self.changed = None,
                "open" => return Some(changed.subject().map(Effect::Go).into_iter().collect()),
                "revert" => {
                    let undo = |subject| Effect::Dispatch {
                        action: "timeline.undo".to_owned(),
                        subject: Some(subject),
                        args: BTreeMap::new(),
                    };
                    return Some(changed.subject().map(undo).into_iter().collect());
                }
                // Whatever else is pressed is meant for what is in front.
                "filter" | "sort" | "columns" | "mark" | "group" => {}
                _ => return None,
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
            "back" | "open" => self.open = None,
            "filter" | "sort" | "columns" | "mark" | "group" => {}
            _ => return None,
        }
        self.settle(cx);
        Some(Vec::new())
    }

    /// Keeps the scroll of an open alert within what there is.
    fn settle(&mut self, cx: &Context<'_, World>) {
        let lines = self.open_lines(cx, cx.area);
        if let Some(open) = &mut self.open {
            open.from = open.from.min(lines.saturating_sub(usize::from(cx.area.height.saturating_sub(3))));
        }
    }

    fn command(&mut self, verb: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Some(effects) = self.command_inside(verb, cx) {
            return effects;
        }
        let none = BTreeMap::new();
        match verb {
            "open" => self.enter(cx),
            "explain" => {
                if let Some(alert) = self.current() {
                    self.open = Some(Opened { key: rows::key_of(&alert), from: 0 });
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
            "changed" => {
                self.changed = self.current().map(|alert| Changed::new(cx.world, &alert));
                Vec::new()
            }
            "revert" => {
                vec![Effect::Toast(Severity::Info, "press w first: it shows what can be reverted".to_owned())]
            }
            "mark" => {
                let rows = self.rows(cx);
                self.list.table.toggle_mark();
                self.list.command("down", Layout::new(cx.area, 0).list, &rows);
                Vec::new()
            }
            "unmark" => {
                self.list.table.clear_marks();
                Vec::new()
            }
            "group" => {
                // The worst of a group is selected when it goes; a group is found by the eye.
                if self.choice.grouped {
                    self.wanted = self.current().map(|alert| rows::key_of(&alert));
                }
                self.choice.grouped = !self.choice.grouped;
                self.refresh(cx)
            }
            "resolved" => {
                self.choice.resolved = !self.choice.resolved;
                self.refresh(cx)
            }
            _ => {
                let (rows, area) = (self.rows(cx), self.layout(cx, cx.area).list);
                let did = self.list.command(verb, area, &rows);
                self.done(did, rows, cx)
            }
        }
    }

    /// Opens the selected alert; opens or closes the selected group.
    fn enter(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let row = self.list.table.selected_row();
        match row.and_then(|row| self.shown.as_ref()?.rows.get(row)) {
            Some(Row::Alert(alert, _)) => {
                self.open = Some(Opened { key: rows::key_of(alert), from: 0 });
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

    fn done(&mut self, did: Did, rows: AlertRows, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match did {
            Did::Back if !self.list.table.marked().is_empty() => {
                self.list.table.clear_marks();
                Vec::new()
            }
            Did::Back => vec![Effect::Back],
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => self.enter(cx),
            Did::Nothing | Did::Changed => self.arrange(rows),
        }
    }

    /// A key, or pasted text, for the form.
    fn filled(&mut self, typed: Typed, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(asking) = &mut self.asking else { return Vec::new() };
        match typed {
            Typed::Goes => {
                if asking.purpose == Purpose::Silence {
                    asking.form.told = silence::preview(cx.world, asking.form.text("matchers"));
                }
                Vec::new()
            }
            Typed::Left => {
                self.asking = None;
                Vec::new()
            }
            Typed::Done(args) => {
                let purpose = asking.purpose;
                self.asking = None;
                self.answered(cx, purpose, &args)
            }
        }
    }
}

impl Pane<World> for Alerts {
    fn spec(&self) -> &'static PaneSpec {
        &spec::SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match event {
            Event::Shown | Event::World | Event::Scope => self.refresh(cx),
            Event::Open(subject) => {
                self.list.table.set_filter("");
                (self.changed, self.asking) = (None, None);
                self.choice.grouped = false;
                let print = actions::alert_of(subject);
                let over = |alert: &Arc<Alert>| !alert.state.is_open();
                self.choice.resolved |=
                    print.and_then(|p| cx.world.alerting.alerts.alert(p)).is_some_and(over);
                self.wanted = Some(subject.id.clone());
                self.open = Some(Opened { key: subject.id.clone(), from: 0 });
                self.refresh(cx)
            }
            Event::Command(command) => self.command(command.rsplit('.').next().unwrap_or_default(), cx),
            Event::Key(key) => match &mut self.asking {
                Some(asking) => {
                    let typed = asking.form.key(key);
                    self.filled(typed, cx)
                }
                None => {
                    let rows = self.rows(cx);
                    self.list.key(key, &rows);
                    self.arrange(rows)
                }
            },
            Event::Paste(text) => match &mut self.asking {
                Some(asking) => {
                    asking.form.paste(text);
                    self.filled(Typed::Goes, cx)
                }
                None => {
                    let rows = self.rows(cx);
                    self.list.paste(text, &rows);
                    self.arrange(rows)
                }
            },
            Event::Hit { click, at, .. } => {
                if self.open.is_some() || self.changed.is_some() {
                    return Vec::new();
                }
                let (rows, area) = (self.rows(cx), self.layout(cx, cx.area).list);
                let did = self.list.click(click, at, area, &rows);
                self.done(did, rows, cx)
            }
            Event::Answer { answer, .. } => {
                let Some(model) = self.arranging.take() else { return Vec::new() };
                let rows = AlertRows { model, now: cx.world.now };
                if let Ok(Answer::Arrange(arrangement)) = answer
                    && arrangement.of == rows.model.rows.len()
                    && arrangement.spec == self.list.table.spec()
                {
                    self.list.table.adopt(arrangement, &rows);
                    self.show(rows.model);
                }
                self.refresh(cx)
            }
        }
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        self.draw(cx, buffer, area)
    }

    fn selection(&self, _: &Context<'_, World>) -> Option<Subject> {
        if let Some(changed) = &self.changed {
            return changed.subject();
        }
        self.current().map(|alert| Subject::new(SubjectKind::Alert, rows::key_of(&alert)))
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        if self.changed.is_some() {
            return vec!["alerts.open", "alerts.revert", "shell.undo", "alerts.back"];
        }
        let Some(alert) = self.current() else {
            return if self.has_resolved(cx) { vec!["alerts.resolved"] } else { Vec::new() };
        };
        let mut hints = vec![if self.open.is_some() { "alerts.back" } else { "alerts.open" }];
        if alert.ack().is_some() && self.can(cx, actions::UNACKNOWLEDGE) {
            hints.push("alerts.unack");
        } else if self.can(cx, actions::ACKNOWLEDGE) {
            hints.push("alerts.ack");
        }
        hints.push("alerts.changed");
        if words::runbook(cx.world, &alert).is_some() {
            hints.push("alerts.runbook");
        }
        for (action, command) in [
            (actions::SILENCE_ALERT, "alerts.mute"),
            (actions::ESCALATE, "alerts.page"),
            (actions::ASSIGN, "alerts.give"),
            (actions::RESOLVE, "alerts.close"),
        ] {
            if self.can(cx, action) {
                hints.push(command);
            }
        }
        if self.open.is_none() {
            hints.extend(["alerts.filter", "alerts.mark", "alerts.group"]);
            if self.has_resolved(cx) {
                hints.push("alerts.resolved");
            }
        }
        hints
    }

    fn typing(&self) -> bool {
        self.asking.is_some() || self.list.typing()
    }

    fn remember(&self) -> Option<String> {
        let grouped = if self.choice.grouped { " view=grouped" } else { "" };
        Some(format!("{}{grouped}", self.list.table.remember()))
    }

    fn restore(&mut self, remembered: &str) {
        self.list.table.restore(remembered);
        self.choice.grouped = remembered.split_whitespace().any(|part| part == "view=grouped");
    }
}
