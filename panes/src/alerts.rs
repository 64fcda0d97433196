//! Alerts: what fires, who has it, who is paged next, and what changed before it.

mod act;
pub mod changed;
mod chart;
mod command;
mod detail;
mod explain;
mod filter;
mod filtering;
mod marks;
mod model;
mod rows;
mod silence;
mod spec;
mod view;

use std::sync::Arc;

use quarterdeck_alerting::actions;
use quarterdeck_alerting::model::Alert;
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Moment, Subject, SubjectKind};
use quarterdeck_ui::listing::Listing;
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::changed::Changed;
use self::chart::Charting;
use self::explain::Explaining;
use self::filtering::Filtering;
use self::model::{Choice, Model, Row};
use self::rows::{AlertRows, COLUMNS};
use crate::World;
use crate::alert_words as words;
use crate::form::Form;
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

/// A form that is open, and what it was opened for: whatever the list shows by the time it is filled in, that is what is
/// acted on.
#[derive(Debug)]
struct Asking {
    purpose: Purpose,
    form: Form,
    alerts: Vec<Fingerprint>,
}

/// An alert that is open, and how far its detail is scrolled.
#[derive(Debug)]
struct Opened {
    key: String,
    from: usize,
    /// Why it was, or was not, told: shown in place of the alert's details.
    explain: Option<Explaining>,
    /// Whether it was opened for that.
    at_once: bool,
}

impl Opened {
    const fn new(key: String) -> Self {
        Self { key, from: 0, explain: None, at_once: false }
    }
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
    /// The filter while it is typed, and those before it.
    filtering: Option<Filtering>,
    filters: Vec<String>,
    /// The chart of the alert that is looked at.
    charting: Option<Charting>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self::new()
    }
}

/// The alert of a key, whether or not the list shows it.
fn alert_of(cx: &Context<'_, World>, key: &str) -> Option<Arc<Alert>> {
    cx.world.alerting.alerts.alert(key.parse().ok()?).cloned()
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
            filtering: None,
            filters: Vec::new(),
            charting: None,
        }
    }

    fn rows(&self, cx: &Context<'_, World>) -> AlertRows {
        AlertRows { model: self.shown.clone().unwrap_or_default(), now: cx.world.now }
    }

    /// Takes up the alerts of the newest version; the same version is not looked at twice.
    fn refresh(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let mut effects = Vec::new();
        // In the past an alert may not have been there yet: its mark stays.
        if self.choice.version != cx.world.alerting.version && cx.scope.moment == Moment::Live {
            effects.extend(self.drop_gone(cx));
        }
        self.choice.version = cx.world.alerting.version;
        self.choice.service.clone_from(&cx.scope.service);
        let current = self.shown.as_ref().is_some_and(|model| model.choice == self.choice);
        if current || self.arranging.is_some() {
            return effects;
        }
        let model = Arc::new(Model::new(cx.world, self.choice.clone()));
        let rows = AlertRows { model: Arc::clone(&model), now: cx.world.now };
        self.list.refresh(&rows);
        effects.extend(self.arrange(rows));
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
        self.mark_heads();
    }

    /// The alert that is looked at: the open one, else the selected one or the worst of its group.
    fn current(&self, cx: &Context<'_, World>) -> Option<Arc<Alert>> {
        if let Some(open) = &self.open {
            return alert_of(cx, &open.key);
        }
        let row = self.list.table.selected_row()?;
        self.shown.as_ref()?.alert(row).cloned()
    }
}

impl Alerts {
    fn take(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match event {
            Event::Shown | Event::World | Event::Scope => {
                if let Some(changed) = &mut self.changed {
                    changed.follow(cx.world);
                }
                self.refresh(cx)
            }
            // What is no alert is not shown here.
            Event::Open(subject) if actions::alert_of(subject).is_none() => Vec::new(),
            Event::Open(subject) => {
                self.choice.filter = Arc::default();
                (self.changed, self.asking, self.filtering) = (None, None, None);
                self.choice.grouped = false;
                let print = actions::alert_of(subject);
                let over = |alert: &Arc<Alert>| !alert.state.is_open();
                self.choice.resolved |=
                    print.and_then(|p| cx.world.alerting.alerts.alert(p)).is_some_and(over);
                self.list.table.want(&subject.id);
                self.open = Some(Opened::new(subject.id.clone()));
                self.refresh(cx)
            }
            Event::Return(subject) => {
                if let Some(print) = actions::alert_of(subject) {
                    self.come_back(print, cx);
                }
                Vec::new()
            }
            Event::Command(command) => self.command(command.rsplit('.').next().unwrap_or_default(), cx),
            Event::Key(key) => self.typed(key, cx),
            Event::Paste(text) => self.pasted(text, cx),
            Event::Hit { click, at, .. } => {
                if self.open.is_some() || self.changed.is_some() || self.asking.is_some() {
                    return Vec::new();
                }
                let (rows, area) = (self.rows(cx), self.layout(cx, cx.area).list);
                let did = self.list.click(click, at, area, &rows);
                self.done(did, rows, cx)
            }
            Event::Answer { slot: chart::SLOT, answer } => {
                let alert = self.current(cx);
                if let Some(charting) = &mut self.charting {
                    charting.answered(alert.as_deref(), answer);
                }
                Vec::new()
            }
            Event::Answer { slot: changed::SLOT, answer } => {
                if let Some(changed) = &mut self.changed {
                    changed.answered(cx.world, answer);
                }
                Vec::new()
            }
            Event::Answer { slot: explain::SLOT, answer } => {
                if let Some(explaining) = self.open.as_mut().and_then(|open| open.explain.as_mut()) {
                    explaining.answered(answer);
                }
                Vec::new()
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

    /// Selects the alert that was selected when the operator left, or its closed group; what is not in the list any more, or
    /// not in what it is filtered to, leaves it as it is.
    fn come_back(&mut self, print: Fingerprint, cx: &Context<'_, World>) {
        (self.open, self.changed) = (None, None);
        let rows = self.rows(cx);
        if self.list.table.reselect(&print.to_string(), &rows) {
            return;
        }
        let in_group = rows.model.rows.iter().find_map(|row| match row {
            Row::Group(head) if head.alerts.iter().any(|alert| alert.fingerprint == print) => {
                Some(rows::head_key(head))
            }
            _ => None,
        });
        if let Some(key) = in_group {
            self.list.table.reselect(&key, &rows);
        }
    }

    /// Asks for what is shown of the alert that is looked at, as far as it is not asked yet.
    fn keep_up(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(alert) = self.current(cx) else {
            self.charting = None;
            return Vec::new();
        };
        let mut effects = Vec::new();
        if let Some(explain) = self.open.as_mut().and_then(|open| open.explain.as_mut()) {
            effects.extend(explain.follow(cx.world.alerting.version));
        }
        match self.chart_columns(cx) {
            Some(columns) => effects.extend(Charting::follow(&mut self.charting, cx, &alert, columns)),
            None => self.charting = None,
        }
        effects
    }
}

impl Pane<World> for Alerts {
    fn spec(&self) -> &'static PaneSpec {
        &spec::SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let mut effects = self.take(event, cx);
        effects.extend(self.keep_up(cx));
        effects
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        self.draw(cx, buffer, area)
    }

    fn selection(&self, cx: &Context<'_, World>) -> Option<Subject> {
        if let Some(changed) = &self.changed {
            return changed.subject();
        }
        self.current(cx).map(|alert| Subject::new(SubjectKind::Alert, rows::key_of(&alert)))
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        if self.typing() {
            return Vec::new();
        }
        if let Some(changed) = &self.changed {
            return match changed.subject() {
                None => vec!["alerts.back"],
                Some(_) if changed.fixed(cx.world).is_some() => vec!["alerts.open", "alerts.back"],
                Some(_) => vec!["alerts.open", "alerts.revert", "alerts.back"],
            };
        }
        let Some(alert) = self.current(cx) else {
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
            // What no policy escalates cannot be escalated: asking each alert of a large group would cost a frame.
            let pointless = action == actions::ESCALATE && !self.escalates(cx);
            if !pointless && self.can(cx, action) {
                hints.push(command);
            }
        }
        hints.extend(["alerts.explain", "alerts.export"]);
        if self.open.is_none() {
            hints.extend(["alerts.filter", "alerts.mark", "alerts.group"]);
            if self.has_resolved(cx) {
                hints.push("alerts.resolved");
            }
        }
        hints
    }

    fn typing(&self) -> bool {
        self.asking.is_some() || self.filtering.is_some() || self.list.typing()
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
