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
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::asking::Asking;
use self::rows::{Kind, ViewRows};
use crate::World;
use crate::form::Typed;
use crate::world::{Answer, Arrange, Query};

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

impl List {
    fn show(&mut self, rows: ViewRows, service: Option<String>) {
        (self.shown, self.places, self.service) = (Some(rows.view), rows.places, service);
    }
}

/// The pane.
#[derive(Debug)]
pub struct Oncall {
    kind: Kind,
    lists: [List; 5],
    /// What is being arranged in the background.
    arranging: Option<(ViewRows, Option<String>)>,
    /// How far the selected one, shown in full, is scrolled; none while the list is shown.
    open: Option<usize>,
    /// What a deep link asked for before it was there.
    wanted: Option<String>,
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

    fn listing(&mut self) -> &mut Listing {
        &mut self.lists[self.kind as usize].listing
    }

    /// The rows of the list in front, as it is arranged.
    fn rows(&self, cx: &Context<'_, World>) -> ViewRows {
        let list = self.list();
        ViewRows::new(self.kind, list.shown.clone().unwrap_or_default(), list.places.clone(), cx)
    }

    /// Takes up the newest version; the same one is not looked at twice.
    fn refresh(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let view = Arc::clone(&cx.world.alerting);
        let same = self.list().service == cx.scope.service;
        let current = same && self.list().shown.as_ref().is_some_and(|s| s.version == view.version);
        if self.arranging.is_some() || current {
            self.find();
            return Vec::new();
        }
        let places = rows::places(self.kind, &view, cx.scope.service.as_deref());
        let rows = ViewRows::new(self.kind, view, places, cx);
        self.listing().refresh(&rows);
        self.arrange(rows, cx.scope.service.clone())
    }

    /// Lets the rows be arranged in the background when they are many; shows them when they are not.
    fn arrange(&mut self, rows: ViewRows, service: Option<String>) -> Vec<Effect<World>> {
        match self.listing().wanted() {
            Some(spec) => {
                self.arranging = Some((rows.clone(), service));
                let query = Query::Arrange(Arrange { rows: Arc::new(rows), spec });
                vec![Effect::Query { slot: "arrange", query }]
            }
            None => {
                self.lists[rows.kind as usize].show(rows, service);
                self.find();
                Vec::new()
            }
        }
    }

    /// The same for rows that are shown already, in another order or through another filter.
    fn arrange_again(&mut self, rows: ViewRows) -> Vec<Effect<World>> {
        let service = self.list().service.clone();
        self.arrange(rows, service)
    }

    /// Selects what a deep link asked for, as soon as it is there.
    fn find(&mut self) {
        if let Some(wanted) = self.wanted.take()
            && !self.listing().table.select(&wanted)
        {
            self.wanted = Some(wanted);
        }
    }

    fn turn_to(&mut self, kind: Kind, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        (self.kind, self.open, self.arranging) = (kind, None, None);
        let mut effects = vec![Effect::Cancel("arrange")];
        effects.extend(self.refresh(cx));
        effects
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

    /// Goes to the alert of an escalation; shows anything else in full.
    fn enter(&mut self) -> Vec<Effect<World>> {
        if let Some(alert) = self.escalated().into_iter().next() {
            return vec![Effect::Go(alert)];
        }
        self.open = self.selected().map(|_| 0);
        Vec::new()
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
        let place = self.kind as usize;
        match verb {
            "view" => return self.turn_to(Kind::ALL[(place + 1) % Kind::ALL.len()], cx),
            "previous" => {
                return self.turn_to(Kind::ALL[(place + Kind::ALL.len() - 1) % Kind::ALL.len()], cx);
            }
            "ack" => return self.acknowledge(cx),
            "silence" => return self.ask_silence(cx),
            "maintain" => return self.ask_maintenance(cx),
            "instead" => return self.ask_override(cx),
            "open" if self.open.is_none() => return self.enter(),
            _ => {}
        }
        if let Some(from) = &mut self.open {
            let page = usize::from(cx.area.height.saturating_sub(2)).max(1);
            match verb {
                "down" => *from += 1,
                "up" => *from = from.saturating_sub(1),
                "page-down" => *from += page,
                "page-up" => *from = from.saturating_sub(page),
                "first" => *from = 0,
                "last" => *from = usize::MAX / 2,
                "back" | "open" => self.open = None,
                _ => {}
            }
            self.settle(cx);
            return Vec::new();
        }
        let (rows, area) = (self.rows(cx), self.layout(cx, cx.area).list);
        let did = self.listing().command(verb, area, &rows);
        self.done(did, rows)
    }

    /// Keeps the scroll within what there is.
    fn settle(&mut self, cx: &Context<'_, World>) {
        let lines = self.told(cx, cx.area.width).lines.len();
        let most = lines.saturating_sub(usize::from(cx.area.height.saturating_sub(2)));
        self.open = self.open.map(|from| from.min(most));
    }

    fn done(&mut self, did: Did, rows: ViewRows) -> Vec<Effect<World>> {
        match did {
            Did::Back => vec![Effect::Back],
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => self.enter(),
            Did::Nothing | Did::Changed => self.arrange_again(rows),
        }
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
                self.wanted = Some(subject.id.clone());
                self.turn_to(kind, cx)
            }
            Event::Return(subject) => self.come_back(subject, cx),
            Event::Command(command) => self.command(command.rsplit('.').next().unwrap_or_default(), cx),
            Event::Key(key) if self.asking.is_some() => {
                let typed = self.asking.as_mut().map(|asking| asking.form.key(key));
                typed.map(|typed| self.filled(typed, cx)).unwrap_or_default()
            }
            Event::Paste(text) if self.asking.is_some() => {
                if let Some(asking) = &mut self.asking {
                    asking.form.paste(text);
                }
                self.filled(Typed::Goes, cx)
            }
            Event::Key(key) => {
                let rows = self.rows(cx);
                self.listing().key(key, &rows);
                self.arrange_again(rows)
            }
            Event::Paste(text) => {
                let rows = self.rows(cx);
                self.listing().paste(text, &rows);
                self.arrange_again(rows)
            }
            Event::Hit { click, at, .. } if self.open.is_none() && self.asking.is_none() => {
                let (rows, area) = (self.rows(cx), self.layout(cx, cx.area).list);
                let did = self.listing().click(click, at, area, &rows);
                self.done(did, rows)
            }
            Event::Hit { .. } => Vec::new(),
            Event::Answer { answer, .. } => {
                let Some((rows, service)) = self.arranging.take() else { return Vec::new() };
                let list = &mut self.lists[rows.kind as usize];
                if let Ok(Answer::Arrange(arrangement)) = answer
                    && arrangement.spec == list.listing.table.spec()
                {
                    list.listing.table.adopt(arrangement, &rows);
                    list.show(rows, service);
                }
                self.refresh(cx)
            }
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
        let table = |kind: &Kind| {
            let told = self.lists[*kind as usize].listing.table.remember();
            told.split_whitespace().map(|part| format!("{}.{part} ", kind.word())).collect::<String>()
        };
        let tables: String = Kind::ALL.iter().map(table).collect();
        Some(format!("view={} {}", self.kind.word(), tables.trim_end()))
    }

    fn restore(&mut self, remembered: &str) {
        for part in remembered.split_whitespace() {
            let (word, rest) = part.split_once(['=', '.']).unwrap_or((part, ""));
            if word == "view" {
                self.kind = Kind::ALL.into_iter().find(|kind| kind.word() == rest).unwrap_or(self.kind);
            } else if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.word() == word) {
                self.lists[kind as usize].listing.table.restore(rest);
            }
        }
    }
}
