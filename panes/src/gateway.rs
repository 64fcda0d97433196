//! The gateway: routes and how they are split, upstreams and their circuit breakers, limits, versions, cache, requests.

mod act;
mod asking;
mod breaker;
mod cache;
pub(crate) mod dialog;
mod limits;
mod requests;
mod routes;
mod rows;
mod spec;
mod traffic;
mod upstreams;
mod versions;
mod view;

use std::sync::Arc;

use quarterdeck_gateway::actions::{BREAKER, LIMIT, PURGE, SPLIT, WARM};
use quarterdeck_kernel::Subject;
use quarterdeck_ui::listing::Listing;
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::asking::Asking;
use self::rows::{Kind, Model, ViewRows};
use crate::World;
use crate::form::{Form, Typed};
use crate::lists::{Effects, List, Lists, remember, restore};

/// The pane.
#[derive(Debug)]
pub struct Gateway {
    kind: Kind,
    lists: [List<Model>; 6],
    /// What is being arranged in the background.
    arranging: Option<ViewRows>,
    /// How far the selected one, shown in full, is scrolled; none while the list is shown.
    open: Option<usize>,
    /// What a deep link asked for before it was there.
    wanted: Option<Subject>,
    /// The form that is open.
    asking: Option<Asking>,
    /// The newest request stays selected.
    follow: bool,
}

impl Default for Gateway {
    fn default() -> Self {
        Self::new()
    }
}

impl Gateway {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            kind: Kind::default(),
            lists: Kind::ALL.map(|kind| List::new(kind.columns())),
            arranging: None,
            open: None,
            wanted: None,
            asking: None,
            follow: true,
        }
    }

    fn list(&self) -> &List<Model> {
        &self.lists[self.kind as usize]
    }

    fn model(&self) -> Option<&Model> {
        self.list().shown.as_deref()
    }

    fn selected(&self) -> Option<usize> {
        self.list().listing.table.selected_row()
    }

    /// Selects what was selected when the operator left, if it is in the list that is shown.
    fn come_back(&mut self, subject: &Subject, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let rows = self.rows(cx);
        if let Some(key) = rows.model.key_of(subject) {
            self.listing().table.reselect(&key, &rows);
        }
        Vec::new()
    }

    fn command(&mut self, verb: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Some(effects) = self.turn(verb, cx) {
            return effects;
        }
        match verb {
            "weights" => return self.ask_split(cx),
            "revert" => return self.revert(),
            "break" => return self.force("open"),
            "mend" => return self.force("closed"),
            "auto" => return self.force("auto"),
            "grant" => return self.ask_limit(cx),
            "cut" => return self.cut(),
            "tier" => return self.as_tier(),
            "drop" => return self.ask_purge(cx),
            "fetch" => return self.ask_warm(cx),
            "changed" => return self.changed(),
            "inspect" => return self.inspect(cx),
            "series" => return self.series(),
            "open" if self.open.is_none() => {
                return self.enter();
            }
            _ => {}
        }
        // Who moves the selection wants to keep what it is on.
        match verb {
            _ if self.kind != Kind::Requests || self.open.is_some() => {}
            "first" => self.follow = true,
            "down" | "up" | "page-down" | "page-up" | "last" => self.follow = false,
            _ => {}
        }
        self.list_command(verb, cx)
    }

    /// The ways to actions that make sense on what is selected.
    fn acts(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        let mut hints = Vec::new();
        let service = self.service();
        if let Some(service) =
            service.as_ref().filter(|_| matches!(self.kind, Kind::Routes | Kind::Upstreams))
        {
            let can = self.can(cx, SPLIT, Some(&service.subject()));
            if can && service.versions.len() > 1 {
                hints.push("gateway.weights");
            }
            if can && service.split_set {
                hints.push("gateway.revert");
            }
        }
        if let Some((service, version)) = self.version()
            && let Some(breaker) = &version.breaker
            && self.can(cx, BREAKER, Some(&service.subject()))
        {
            hints.extend(["gateway.break", "gateway.mend"]);
            if breaker.view.forced {
                hints.push("gateway.auto");
            }
        }
        if self.kind == Kind::Limits && self.can(cx, LIMIT, None) {
            hints.push("gateway.grant");
            if let Some(consumer) = self.consumer() {
                if consumer.grant != Some(0) {
                    hints.push("gateway.cut");
                }
                if consumer.grant.is_some() {
                    hints.push("gateway.tier");
                }
            }
        }
        if self.kind == Kind::Cache {
            if self.can(cx, PURGE, None) {
                hints.push("gateway.drop");
            }
            let route = self.route();
            if route.is_some_and(|route| self.can(cx, WARM, Some(&route.subject()))) {
                hints.push("gateway.fetch");
            }
        }
        if service.is_some() {
            hints.push("gateway.changed");
        }
        hints
    }
}

impl Lists for Gateway {
    type Kind = Kind;
    type Rows = ViewRows;

    fn kind(&mut self) -> &mut Kind {
        &mut self.kind
    }

    fn wanted(&mut self) -> &mut Option<Subject> {
        &mut self.wanted
    }

    fn key_of(&self, subject: &Subject) -> Option<String> {
        self.model()?.key_of(subject)
    }

    fn listing(&mut self) -> &mut Listing {
        &mut self.lists[self.kind as usize].listing
    }

    fn listing_of(&mut self, rows: &ViewRows) -> &mut Listing {
        &mut self.lists[rows.model.kind as usize].listing
    }

    fn rows(&self, cx: &Context<'_, World>) -> ViewRows {
        let shown = self.list().shown.clone();
        let model = shown.unwrap_or_else(|| Arc::new(Model::new(self.kind, &Arc::default(), None)));
        ViewRows::new(model, cx)
    }

    fn list_area(&self, cx: &Context<'_, World>) -> Rect {
        self.layout(cx.area).list
    }

    fn show(&mut self, rows: ViewRows) {
        let kind = rows.model.kind;
        let table = &mut self.lists[kind as usize].listing.table;
        if kind == Kind::Requests && self.follow && self.open.is_none() && table.sort().is_none() {
            table.first(&rows);
        }
        self.lists[kind as usize].shown = Some(rows.model);
        self.find();
    }

    /// Takes up the newest snapshot; the same one is not looked at twice.
    fn refresh(&mut self, cx: &Context<'_, World>) -> Effects {
        let (snapshot, service) = (&cx.world.gateway, cx.scope.service.as_deref());
        // Samples go on: a request is not to vanish under who reads it.
        let reads = self.kind == Kind::Requests && self.open.is_some();
        let current = self.list().shown.as_ref().is_some_and(|model| {
            (reads || Arc::ptr_eq(&model.snapshot, snapshot)) && model.service.as_deref() == service
        });
        if self.arranging.is_some() || current {
            self.find();
            return Vec::new();
        }
        let rows = ViewRows::new(Arc::new(Model::new(self.kind, snapshot, service)), cx);
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
        (lines, usize::from(cx.area.height.saturating_sub(1)))
    }

    fn form(&mut self) -> Option<&mut Form> {
        self.asking.as_mut().map(|asking| &mut asking.form)
    }

    fn filled(&mut self, typed: Typed, cx: &Context<'_, World>) -> Effects {
        self.typed(typed, cx)
    }

    fn enter(&mut self) -> Effects {
        self.open = self.selected().map(|_| 0);
        Vec::new()
    }

    fn clicked(&mut self) {
        self.follow &= self.kind != Kind::Requests;
    }
}

impl Pane<World> for Gateway {
    fn spec(&self) -> &'static PaneSpec {
        &spec::SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match event {
            Event::Shown | Event::World | Event::Scope => {
                let effects = self.refresh(cx);
                self.retell(cx);
                effects
            }
            Event::Open(subject) => {
                let kind = Kind::of(subject).unwrap_or(self.kind);
                self.lists[kind as usize].listing.table.set_filter("");
                self.lists[kind as usize].shown = None;
                (self.wanted, self.asking) = (Some(subject.clone()), None);
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
        match self.kind {
            Kind::Upstreams => self.service().map(|service| service.subject()),
            _ => self.route().map(|route| route.subject()),
        }
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        if self.typing() || view::is_absent(&cx.world.gateway) {
            return Vec::new();
        }
        let mut hints = Vec::new();
        match self.open {
            Some(_) => hints.push("gateway.back"),
            None if self.selected().is_some() => hints.push("gateway.open"),
            None => {}
        }
        hints.extend(self.acts(cx));
        hints.push("gateway.view");
        if self.open.is_some() {
            return hints;
        }
        if self.selected().is_some() {
            if self.kind != Kind::Requests {
                hints.push("gateway.inspect");
            }
            hints.extend(["gateway.filter", "gateway.sort", "gateway.series"]);
        } else if !self.list().listing.table.filter().is_empty() {
            hints.extend(["gateway.back", "gateway.filter"]);
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
