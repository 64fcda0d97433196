//! On-call: who is on call and next, open escalations, silences and maintenance, what was sent.

mod asking;
mod escalations;
mod figures;
mod notifications;
mod rows;
mod schedules;
mod silences;
mod spec;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_alerting::{View, actions};
use quarterdeck_kernel::{Severity, Subject, SubjectKind};
use quarterdeck_ui::listing::Listing;
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::asking::Asking;
use self::rows::{Kind, ViewRows};
use crate::World;
use crate::form::{Form, Typed};
use crate::lists::{Effects, Lists, remember, restore};

/// Alerts that one key acts on at most.
const MOST: usize = 200;

/// One of the lists, and the version that it is arranged for.
#[derive(Debug)]
struct List {
    listing: Listing,
    shown: Option<Arc<View>>,
    /// The service in scope that it is arranged for, and which things of the view touch it.
    service: Option<String>,
    places: Option<Arc<[usize]>>,
}

/// The pane.
#[derive(Debug)]
pub struct Oncall {
    kind: Kind,
    lists: [List; 5],
    /// What is being arranged in the background.
    arranging: Option<ViewRows>,
    /// How far the selected one, shown in full, is scrolled; none while the list is shown.
    open: Option<usize>,
    /// What a deep link asked for before it was there.
    wanted: Option<Subject>,
    /// The form that is open.
    asking: Option<Asking>,
}

impl Default for Oncall {
    fn default() -> Self {
        Self::new()
    }
}

impl Oncall {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        let list = |kind: Kind| List {
            listing: Listing::new(kind.columns(), None),
            shown: None,
            service: None,
            places: None,
        };
        Self {
            kind: Kind::default(),
            lists: Kind::ALL.map(list),
            arranging: None,
            open: None,
            wanted: None,
            asking: None,
        }
    }

    fn list(&self) -> &List {
        &self.lists[self.kind as usize]
    }

    /// Selects what was selected when the operator left; the list is the one that it is in.
    fn come_back(&mut self, subject: &Subject, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(kind) = Kind::of(subject) else { return Vec::new() };
        let effects = if kind == self.kind { Vec::new() } else { self.turn_to(kind, cx) };
        let rows = self.rows(cx);
        let key = match kind {
            Kind::Escalations => escalations::about(&rows.view, subject),
            _ => Some(subject.id.clone()),
        };
        if let Some(key) = key {
            self.listing().table.reselect(&key, &rows);
        }
        effects
    }

    fn selected(&self) -> Option<usize> {
        let list = self.list();
        let row = list.listing.table.selected_row()?;
        list.places.as_ref().map_or(Some(row), |places| places.get(row).copied())
    }

    /// The alerts of the selected escalation.
    fn escalated(&self) -> Vec<Subject> {
        let (Kind::Escalations, Some(view), Some(row)) =
            (self.kind, self.list().shown.as_ref(), self.selected())
        else {
            return Vec::new();
        };
        escalations::escalation(view, row).map(|e| escalations::alerts(view, e)).unwrap_or_default()
    }

    /// Takes all alerts of the selected escalation.
    fn acknowledge(&self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let can = |alert: &Subject| cx.world.actions.available(actions::ACKNOWLEDGE, Some(alert)).is_ok();
        // Who takes over takes all; else what nobody has taken yet, so that another press goes on where this one ends.
        let free = |subject: &Subject| {
            let alert = actions::alert_of(subject).and_then(|print| cx.world.alerting.alerts.alert(print));
            alert.is_some_and(|alert| alert.ack().is_none())
        };
        let mut alerts: Vec<Subject> = self.escalated().into_iter().filter(can).collect();
        if alerts.iter().any(free) {
            alerts.retain(free);
        }
        let later = alerts.split_off(alerts.len().min(MOST));
        if alerts.is_empty() {
            let told = "select an escalation with open alerts first".to_owned();
            return vec![Effect::Toast(Severity::Info, told)];
        }
        let dispatch = |alert| Effect::Dispatch {
            action: actions::ACKNOWLEDGE.to_owned(),
            subject: Some(alert),
            args: BTreeMap::new(),
        };
        let done = alerts.len();
        let mut effects: Vec<Effect<World>> = alerts.into_iter().map(dispatch).collect();
        if !later.is_empty() {
            let told = format!("{done} at once; {} more are left: press again", later.len());
            effects.push(Effect::Toast(Severity::Info, told));
        }
        effects
    }

    fn command(&mut self, verb: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Some(effects) = self.turn(verb, cx) {
            return effects;
        }
        match verb {
            "ack" => return self.acknowledge(cx),
            "silence" => return self.ask_silence(cx),
            "maintain" => return self.ask_maintenance(cx),
            "instead" => return self.ask_override(cx),
            "open" if self.open.is_none() => return self.enter(),
            _ => {}
        }
        self.list_command(verb, cx)
    }
}

impl Lists for Oncall {
    type Kind = Kind;
    type Rows = ViewRows;

    fn kind(&mut self) -> &mut Kind {
        &mut self.kind
    }

    fn wanted(&mut self) -> &mut Option<Subject> {
        &mut self.wanted
    }

    fn key_of(&self, subject: &Subject) -> Option<String> {
        Some(subject.id.clone())
    }

    fn listing(&mut self) -> &mut Listing {
        &mut self.lists[self.kind as usize].listing
    }

    fn listing_of(&mut self, rows: &ViewRows) -> &mut Listing {
        &mut self.lists[rows.kind as usize].listing
    }

    fn rows(&self, cx: &Context<'_, World>) -> ViewRows {
        let list = self.list();
        let view = list.shown.clone().unwrap_or_default();
        ViewRows::new(self.kind, view, list.places.clone(), list.service.clone(), cx)
    }

    fn list_area(&self, cx: &Context<'_, World>) -> Rect {
        self.layout(cx, cx.area).list
    }

    fn show(&mut self, rows: ViewRows) {
        let list = &mut self.lists[rows.kind as usize];
        (list.shown, list.places, list.service) = (Some(rows.view), rows.places, rows.service);
        self.find();
    }

    /// Takes up the newest version; the same one is not looked at twice.
    fn refresh(&mut self, cx: &Context<'_, World>) -> Effects {
        let view = Arc::clone(&cx.world.alerting);
        let same = self.list().service == cx.scope.service;
        let current = same && self.list().shown.as_ref().is_some_and(|s| s.version == view.version);
        if self.arranging.is_some() || current {
            self.find();
            return Vec::new();
        }
        let places = rows::places(self.kind, &view, cx.scope.service.as_deref());
        let rows = ViewRows::new(self.kind, view, places, cx.scope.service.clone(), cx);
        self.listing().refresh(&rows);
        self.arrange(rows)
    }

    fn arranging(&mut self) -> &mut Option<ViewRows> {
        &mut self.arranging
    }

    fn open(&mut self) -> &mut Option<usize> {
        &mut self.open
    }

    fn extent(&self, cx: &Context<'_, World>) -> (usize, usize) {
        let lines = self.told(cx, cx.area.width).lines.len();
        (lines, usize::from(cx.area.height.saturating_sub(2)))
    }

    fn form(&mut self) -> Option<&mut Form> {
        self.asking.as_mut().map(|asking| &mut asking.form)
    }

    fn filled(&mut self, typed: Typed, cx: &Context<'_, World>) -> Effects {
        self.typed(typed, cx)
    }

    /// Goes to the alert of an escalation; shows anything else in full.
    fn enter(&mut self) -> Effects {
        if let Some(alert) = self.escalated().into_iter().next() {
            return vec![Effect::Go(alert)];
        }
        self.open = self.selected().map(|_| 0);
        Vec::new()
    }
}

impl Pane<World> for Oncall {
    fn spec(&self) -> &'static PaneSpec {
        &spec::SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match event {
            Event::Shown | Event::World | Event::Scope => self.refresh(cx),
            Event::Open(subject) => {
                let kind = Kind::of(subject).unwrap_or(self.kind);
                self.lists[kind as usize].listing.table.set_filter("");
                self.lists[kind as usize].shown = None;
                self.wanted = Some(subject.clone());
                self.turn_to(kind, cx)
            }
            Event::Return(subject) => self.come_back(subject, cx),
            Event::Command(command) => self.command(command.rsplit('.').next().unwrap_or_default(), cx),
            other => self.take(other, cx),
        }
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        self.draw(cx, buffer, area)
    }

    fn selection(&self, _: &Context<'_, World>) -> Option<Subject> {
        let (view, row) = (self.list().shown.as_ref()?, self.selected()?);
        match self.kind {
            Kind::Schedules => {
                let schedule = view.oncall.schedules.get(row)?;
                Some(Subject::new(SubjectKind::Schedule, &*schedule.name))
            }
            Kind::Escalations => self.escalated().into_iter().next(),
            Kind::Silences => {
                let silence = view.alerts.silences.get(row)?;
                Some(Subject::new(SubjectKind::Silence, silence.id.to_string()))
            }
            Kind::Notifications => {
                let record = notifications::record(view, row)?;
                Some(Subject::new(SubjectKind::Notification, record.id.to_string()))
            }
            Kind::Figures => None,
        }
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        if self.typing() {
            return Vec::new();
        }
        if self.open.is_some() {
            return vec!["oncall.back", "oncall.view"];
        }
        let mut hints = Vec::new();
        if self.selected().is_some() {
            hints.push("oncall.open");
        }
        let can = |alert: &Subject| cx.world.actions.available(actions::ACKNOWLEDGE, Some(alert)).is_ok();
        if self.escalated().iter().take(8).any(can) {
            hints.push("oncall.ack");
        }
        if self.kind == Kind::Schedules && self.selected().is_some() {
            hints.push("oncall.instead");
        }
        if self.kind == Kind::Silences {
            hints.extend(["oncall.silence", "oncall.maintain"]);
        }
        hints.extend(["oncall.view", "oncall.filter"]);
        if self.selected().is_some() {
            hints.push("oncall.sort");
        }
        hints
    }

    fn typing(&self) -> bool {
        self.asking.is_some() || self.list().listing.typing()
    }

    fn remember(&self) -> Option<String> {
        Some(remember(self.kind, |kind| self.lists[kind as usize].listing.table.remember()))
    }

    fn restore(&mut self, remembered: &str) {
        let lists = &mut self.lists;
        restore(remembered, &mut self.kind, |kind, rest| {
            lists[kind as usize].listing.table.restore(rest);
        });
    }
}
