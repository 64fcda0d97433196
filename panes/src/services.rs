//! Services and their transactions: how they do, against which limits, since when, and why.

mod asked;
mod charts;
mod commands;
mod detail;
mod draw;
mod explain;
mod export;
mod facts;
mod layout;
mod list;
mod questions;
mod resources;
mod spec;
mod transactions;
mod view;

use std::sync::Arc;

use quarterdeck_kernel::{Subject, SubjectKind, Timestamp};
use quarterdeck_services::{ServiceView, TransactionView, actions::LIMIT};
use quarterdeck_ui::listing::Listing;
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec, World as _};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use asked::{Heat, Lines, Slot};
use layout::OneLayout;
use list::ServiceRows;
use transactions::TransactionRows;
use view::View;

/// One service is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Opened {
    service: String,
    /// Charts are narrowed to this transaction.
    transaction: Option<String>,
    /// The operator came from another pane, and goes back there.
    elsewhere: bool,
}

/// The pane.
#[derive(Debug)]
pub struct Services {
    list: Listing,
    transactions: Listing,
    open: Option<Opened>,
    view: View,
    /// The explanation is open, scrolled to this line.
    explaining: Option<usize>,
    signals: Slot<Lines>,
    heatmap: Slot<Heat>,
    resources: Slot<resources::Used>,
    /// The service that the scope had last.
    followed: Option<String>,
}

impl Default for Services {
    fn default() -> Self {
        Self::new()
    }
}

impl Services {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            list: Listing::new(&list::COLUMNS, None),
            transactions: Listing::new(&transactions::COLUMNS, None),
            open: None,
            view: View::default(),
            explaining: None,
            signals: Slot::default(),
            heatmap: Slot::default(),
            resources: Slot::default(),
            followed: None,
        }
    }

    /// The service that is looked at: the opened one, or the selected row.
    fn service<'a>(&self, cx: &Context<'a, World>) -> Option<&'a Arc<ServiceView>> {
        match &self.open {
            Some(open) => cx.world.services.service(&open.service),
            None => {
                self.list.table.selected_place()?;
                cx.world.services.service(self.list.table.selected()?)
            }
        }
    }

    /// The selected transaction of the opened service, or the one that charts are narrowed to.
    fn transaction<'a>(&self, cx: &Context<'a, World>) -> Option<&'a TransactionView> {
        self.open.as_ref()?;
        let service = self.service(cx)?;
        self.transactions.table.selected_place()?;
        service.transaction(self.transactions.table.selected()?)
    }

    fn narrowed(&self) -> Option<&str> {
        self.open.as_ref()?.transaction.as_deref()
    }

    fn open_service(&mut self, service: &str, transaction: Option<&str>, elsewhere: bool) {
        if self.open.as_ref().is_none_or(|open| open.service != service) {
            // Sort and columns are the operator's for all services; filter and selection belong to one.
            let kept = self.transactions.table.remember();
            self.transactions = Listing::new(&transactions::COLUMNS, None);
            self.transactions.table.restore(&kept);
        }
        if let Some(transaction) = transaction {
            self.transactions.table.want(transaction);
        }
        self.explaining = None;
        self.open = Some(Opened {
            service: service.to_owned(),
            transaction: transaction.map(str::to_owned),
            elsewhere,
        });
        self.list.table.select(service);
    }

    fn open_subject(&mut self, subject: &Subject, world: &World) {
        match subject.kind {
            SubjectKind::Transaction => {
                // Names of services may hold slashes too: the longest that is known counts.
                let splits = subject.id.match_indices('/').map(|(at, _)| subject.id.split_at(at));
                let known = splits.clone().rfind(|(service, _)| world.services.service(service).is_some());
                if let Some((service, rest)) = known.or_else(|| splits.clone().next()) {
                    self.open_service(service, Some(&rest[1..]), true);
                }
            }
            _ => self.open_service(&subject.id, None, true),
        }
    }

    /// Brings both tables up to what is true.
    fn refresh(&mut self, cx: &Context<'_, World>) {
        self.list.refresh(&ServiceRows::new(cx));
        if let Some(open) = &self.open {
            let service = cx.world.services.service(&open.service);
            let rows = TransactionRows::new(service.map(|s| &**s), None);
            self.transactions.refresh(&rows);
        }
    }

    /// When the scope turns to another service, an opened one makes way for it.
    fn follow(&mut self, cx: &Context<'_, World>) {
        if self.followed == cx.scope.service {
            return;
        }
        self.followed.clone_from(&cx.scope.service);
        if let (Some(open), Some(wanted)) = (&self.open, &cx.scope.service)
            && open.service != *wanted
        {
            let elsewhere = open.elsewhere;
            self.open_service(&wanted.clone(), None, elsewhere);
        }
    }

    /// Whether charts are narrowed to a transaction with a threshold, so that attainment is a chart.
    fn has_level(&self, service: &ServiceView) -> bool {
        self.narrowed().and_then(|name| service.transaction(name)).is_some_and(|t| t.threshold.is_some())
    }

    fn layout(&self, cx: &Context<'_, World>, area: Rect, service: Option<&ServiceView>) -> OneLayout {
        let count = service.map_or(0, |s| s.transactions.len());
        let leveled = service.is_some_and(|s| self.has_level(s));
        let view = if self.view == View::Within && !leveled { View::Latency } else { self.view };
        OneLayout::new(area, view, head_height(cx, area, service), count)
    }
}

impl Pane<World> for Services {
    fn spec(&self) -> &'static PaneSpec {
        &spec::SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let mut effects = match event {
            Event::Shown | Event::World => Vec::new(),
            Event::Scope => {
                self.follow(cx);
                Vec::new()
            }
            Event::Open(subject) => {
                self.open_subject(subject, cx.world);
                Vec::new()
            }
            // Back in the list a service is selected; where one is open it is the one that is shown.
            Event::Return(subject) if self.open.is_none() => {
                self.list.table.reselect(&subject.id, &ServiceRows::new(cx));
                Vec::new()
            }
            Event::Return(subject) => {
                self.open_subject(subject, cx.world);
                Vec::new()
            }
            Event::Command(command) => self.command(command.rsplit('.').next().unwrap_or_default(), cx),
            Event::Key(key) => {
                match &self.open {
                    None => self.list.key(key, &ServiceRows::new(cx)),
                    Some(open) => {
                        let service = cx.world.services.service(&open.service).map(|s| &**s);
                        self.transactions.key(key, &TransactionRows::new(service, None));
                    }
                }
                Vec::new()
            }
            Event::Paste(text) => {
                match &self.open {
                    None => self.list.paste(text, &ServiceRows::new(cx)),
                    Some(open) => {
                        let service = cx.world.services.service(&open.service).map(|s| &**s);
                        self.transactions.paste(text, &TransactionRows::new(service, None));
                    }
                }
                Vec::new()
            }
            Event::Hit { target, click, at } => self.hit(target, click, at, cx),
            Event::Answer { slot, answer } => self.answer(slot, answer, cx),
        };
        self.refresh(cx);
        effects.extend(self.ask(cx));
        effects
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let cx = &Context { area, ..*cx };
        let mut hits = match &self.open {
            None => self.view_list(cx, buffer, area),
            Some(open) => self.view_one(cx, buffer, area, open),
        };
        if let (Some(first), Some(service)) = (self.explaining, self.service(cx)) {
            explain::draw(cx, buffer, area, service, first);
            hits = vec![Hit { area, target: "explain".to_owned() }];
        }
        hits
    }

    fn selection(&self, cx: &Context<'_, World>) -> Option<Subject> {
        match &self.open {
            Some(open) => Some(Subject::service(&*open.service)),
            None => self.service(cx).map(|s| s.subject()),
        }
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        let Some(service) = self.service(cx) else {
            return if self.open.is_some() { vec!["services.back"] } else { Vec::new() };
        };
        if self.explaining.is_some() {
            return vec!["services.back", "services.limit", "services.changed"];
        }
        let mut hints = Vec::new();
        if self.open.is_none() || self.transaction(cx).is_some_and(|t| Some(&*t.name) != self.narrowed()) {
            hints.push("services.open");
        }
        let requests = !resources::tells(service);
        if self.open.is_some()
            && requests
            && views(&self.layout(cx, cx.area, Some(service)), cx.area, self.has_level(service)).len() > 1
        {
            hints.push("services.view");
        }
        let sick = !service.breaches.is_empty();
        if sick {
            hints.push("services.changed");
        }
        if facts::worst_need(&cx.world.services, service).is_some() {
            hints.push("services.cause");
        }
        if sick && service.runbook.is_some() {
            hints.push("services.runbook");
        }
        hints.push("services.explain");
        if cx.world.available(LIMIT, Some(&service.subject())).is_ok() {
            hints.push("services.limit");
        }
        if self.open.is_some() {
            hints.push("services.series");
            hints.extend(requests.then_some("services.picture"));
            hints.push("services.back");
        } else {
            hints.extend(["services.filter", "services.sort", "services.columns", "services.series"]);
        }
        hints
    }

    fn typing(&self) -> bool {
        match &self.open {
            None => self.list.typing(),
            Some(_) => self.transactions.typing(),
        }
    }

    fn remember(&self) -> Option<String> {
        let mut lines = vec![
            format!("list {}", self.list.table.remember()),
            format!("transactions {}", self.transactions.table.remember()),
            format!("view {}", self.view.name()),
        ];
        if let Some(open) = &self.open {
            lines.push(format!("open {}", open.service));
        }
        Some(lines.join("\n"))
    }

    fn restore(&mut self, remembered: &str) {
        for line in remembered.lines() {
            match line.split_once(' ') {
                Some(("list", rest)) => self.list.table.restore(rest),
                Some(("transactions", rest)) => self.transactions.table.restore(rest),
                Some(("view", name)) => self.view = View::named(name).unwrap_or(self.view),
                Some(("open", service)) if !service.is_empty() => self.open_service(service, None, false),
                _ => {}
            }
        }
    }
}

/// How many lines tell about a service, above its charts.
fn head_height(cx: &Context<'_, World>, area: Rect, service: Option<&ServiceView>) -> u16 {
    let Some(service) = service else { return 0 };
    let merged = area.height < 26;
    let head = facts::head(cx.look, &cx.world.services, service, Timestamp::default(), merged);
    u16::try_from(head.len() + 1).unwrap_or(4).min(area.height / 3)
}

/// The charts that `v` goes through: all of them where one stands alone, those of latency where the others have places.
fn views(layout: &OneLayout, area: Rect, leveled: bool) -> Vec<View> {
    let shown: Vec<View> = layout.charts.iter().map(|(view, _)| *view).collect();
    let latencies = shown.iter().filter(|view| view.is_latency()).count();
    let fits = |view: &View| match view {
        View::Within => leveled,
        _ if area.is_empty() || shown.len() == 1 => true,
        View::Heatmap => latencies == 1,
        view => view.is_latency(),
    };
    View::ALL.into_iter().filter(fits).collect()
}

fn rows_len(rows: &ServiceRows<'_>) -> usize {
    quarterdeck_widgets::table::Rows::len(rows)
}
