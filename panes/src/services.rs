//! Services and their transactions: how they do, against which limits, since when, and why.

mod asked;
mod charts;
mod detail;
mod draw;
mod explain;
mod export;
mod facts;
mod layout;
mod list;
mod transactions;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_kernel::{Moment, Severity, Subject, SubjectKind, Timestamp};
use quarterdeck_services::{ServiceView, TransactionView, actions::LIMIT};
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Click, Context, Effect, Event, Hit, Pane, PaneSpec, Scope, World as _};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::world::{Answer, Query};
use asked::{HEATMAP, Heat, Lines, Question, SIGNALS, Slot};
use layout::{ListLayout, OneLayout, below};
use list::ServiceRows;
use transactions::TransactionRows;
use view::View;

const SPEC: PaneSpec = PaneSpec {
    id: "services",
    title: "Services",
    description: "Services and their transactions: throughput, errors, latency, limits, resources, over time.",
    go: 's',
    commands: quarterdeck_ui::list_commands!(
        "services",
        spec(
            "services.open",
            "open",
            "Open the service, or narrow its charts to the selected transaction.",
            &["enter"]
        ),
        spec(
            "services.view",
            "next chart",
            "Show the next chart: percentiles, heatmap, attainment, throughput, errors.",
            &["v"]
        ),
        spec(
            "services.explain",
            "why",
            "Explain how the health came about: limits, values, metrics.",
            &["x"]
        ),
        spec(
            "services.changed",
            "what changed",
            "Show the timeline of the service, to see what changed before its trouble.",
            &["w"]
        ),
        spec(
            "services.limit",
            "set limit",
            "Set a limit of the service, or of the selected transaction.",
            &["L"]
        ),
        spec("services.runbook", "copy runbook", "Copy the address of the service's runbook.", &["b"]),
        spec(
            "services.cause",
            "sick dependency",
            "Open the worst of the services that this one needs.",
            &["d"]
        ),
        spec("services.series", "metrics", "Show the service's series in the metrics explorer.", &["m"]),
        spec("services.next", "next service", "Open the next service of the list.", &["J"]),
        spec("services.previous", "previous service", "Open the service before in the list.", &["K"]),
        spec(
            "services.cursor-back",
            "cursor back",
            "Move the time cursor of all charts back by a step.",
            &["left"]
        ),
        spec(
            "services.cursor-forward",
            "cursor forward",
            "Move the time cursor of all charts forward by a step.",
            &["right"]
        ),
        spec("services.picture", "save charts", "Save the charts as PNG files.", &["e"]),
        spec("services.table", "save CSV", "Save the signals over time as a CSV file.", &["E"]),
    ),
    actions: &[],
};

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
    /// A transaction to be selected once its row exists.
    wanted: Option<String>,
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
            wanted: None,
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
        self.wanted = transaction.map(str::to_owned);
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
            if let Some(wanted) = self.wanted.take()
                && !self.transactions.table.select(&wanted)
            {
                self.wanted = Some(wanted);
            }
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

    /// Asks for what the charts need and do not have.
    fn ask(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let service = self.open.as_ref().and_then(|open| cx.world.services.service(&open.service));
        let (Some(open), Some(service)) = (&self.open, service) else { return self.give_up() };
        let area = if cx.area.is_empty() { Rect::new(0, 0, 120, 36) } else { cx.area };
        let layout = self.layout(cx, area, Some(service));
        let widest = layout.charts.iter().map(|(_, rect)| rect.width).max().unwrap_or(80);
        let question = Question {
            service: open.service.clone(),
            transaction: open.transaction.clone(),
            range: cx.scope.range,
            moment: cx.scope.moment,
            // In steps, so that a window that is being resized does not ask at every column.
            columns: usize::from(widest.saturating_sub(10).clamp(30, 240)).div_ceil(30) * 30,
        };
        let (now, version) = (cx.world.now, cx.world.services.version);
        let mut effects = Vec::new();
        if self.signals.ask(&question, now, version) {
            effects.push(Effect::Query { slot: SIGNALS, query: question.signals(now) });
        }
        if layout.charts.iter().any(|(view, _)| *view == View::Heatmap) {
            if self.heatmap.ask(&question, now, version) {
                effects.push(Effect::Query { slot: HEATMAP, query: question.heatmap(now) });
            }
        } else if self.heatmap.clear() {
            effects.push(Effect::Cancel(HEATMAP));
        }
        effects
    }

    fn give_up(&mut self) -> Vec<Effect<World>> {
        let waiting = [(self.signals.clear(), SIGNALS), (self.heatmap.clear(), HEATMAP)];
        waiting.into_iter().filter(|(waiting, _)| *waiting).map(|(_, slot)| Effect::Cancel(slot)).collect()
    }

    fn command(&mut self, verb: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Some(first) = self.explaining {
            let last = self.service(cx).map_or(0, |s| explain::last(cx, cx.area, s));
            let first = first.min(last);
            match verb {
                "down" => self.explaining = Some((first + 1).min(last)),
                "up" => self.explaining = Some(first.saturating_sub(1)),
                "page-down" => self.explaining = Some((first + 10).min(last)),
                "page-up" => self.explaining = Some(first.saturating_sub(10)),
                "first" => self.explaining = Some(0),
                "last" => self.explaining = Some(last),
                "back" | "explain" | "open" => self.explaining = None,
                _ => return self.help(verb, cx).unwrap_or_default(),
            }
            return Vec::new();
        }
        if let Some(effects) = self.help(verb, cx) {
            return effects;
        }
        match (verb, &self.open) {
            ("open", _) => self.enter(cx),
            ("back", Some(_)) => self.back(cx),
            (_, None) => {
                let rows = ServiceRows::new(cx);
                let area = ListLayout::new(cx.area, rows_len(&rows)).list;
                let did = self.list.command(verb, area, &rows);
                self.did(did, cx)
            }
            (_, Some(open)) => {
                let service = cx.world.services.service(&open.service).map(|s| &**s);
                let area = below(self.layout(cx, cx.area, service).transactions, 1);
                let rows = TransactionRows::new(service, open.transaction.as_deref());
                let did = self.transactions.command(verb, area, &rows);
                self.did(did, cx)
            }
        }
    }

    /// Commands that do the same wherever the service is looked at; none for those that are the tables'.
    fn help(&mut self, verb: &str, cx: &Context<'_, World>) -> Option<Vec<Effect<World>>> {
        let one = |effect| Some(vec![effect]);
        let service = self.service(cx);
        let Some(service) = service else {
            let about =
                ["view", "explain", "changed", "limit", "runbook", "cause", "series", "picture", "table"];
            return (about.contains(&verb)).then(Vec::new);
        };
        match verb {
            "view" => {
                let fit = views(&self.layout(cx, cx.area, Some(service)), cx.area, self.has_level(service));
                self.view = self.view.next(|view| fit.contains(&view));
                Some(Vec::new())
            }
            "explain" => {
                self.explaining = Some(0);
                Some(Vec::new())
            }
            "changed" => {
                let scope = Scope { service: Some(service.name.to_string()), ..cx.scope.clone() };
                Some(vec![Effect::Scope(scope), Effect::Show("timeline")])
            }
            "limit" => {
                let mut args = BTreeMap::new();
                if let Some(transaction) = self.transaction(cx) {
                    args.insert("limit".to_owned(), "threshold".to_owned());
                    args.insert("transaction".to_owned(), transaction.name.to_string());
                }
                one(Effect::Dispatch { action: LIMIT.to_owned(), subject: Some(service.subject()), args })
            }
            "runbook" => one(match &service.runbook {
                Some(url) => Effect::Copy(url.clone()),
                None => Effect::Toast(
                    Severity::Info,
                    format!(
                        "{} has no runbook; give it one as [services.{}] runbook",
                        service.name, service.name
                    ),
                ),
            }),
            "cause" => match facts::worst_need(&cx.world.services, service) {
                Some(sick) => {
                    let elsewhere = self.open.as_ref().is_some_and(|open| open.elsewhere);
                    self.open_service(&sick.name, None, elsewhere);
                    Some(Vec::new())
                }
                None => one(Effect::Toast(
                    Severity::Info,
                    format!("everything that {} needs is well", service.name),
                )),
            },
            "series" => one(if service.selectors.is_empty() {
                Effect::Toast(Severity::Info, format!("{} has no selector", service.name))
            } else {
                Effect::Go(Subject::new(SubjectKind::Series, service.selectors.join(" or ")))
            }),
            "next" => Some(self.step(1, cx)),
            "previous" => Some(self.step(-1, cx)),
            "cursor-back" => one(Effect::Scope(cx.scope.with_cursor_moved(cx.world.now, -1))),
            "cursor-forward" => one(Effect::Scope(cx.scope.with_cursor_moved(cx.world.now, 1))),
            "picture" => Some(self.pictures(cx, service)),
            "table" => one(match self.signals.answer() {
                Some(Ok(Lines { series: Some(series), .. })) if self.open.is_some() => Effect::Export {
                    name: export::name(
                        &service.name,
                        self.narrowed(),
                        "signals",
                        cx.scope.moment.or(cx.world.now),
                        "csv",
                    ),
                    content: export::csv(series).into_bytes(),
                },
                _ => Effect::Toast(Severity::Info, "nothing to save yet: open a service first".to_owned()),
            }),
            _ => None,
        }
    }

    /// Goes in: to the service, then to the transaction.
    fn enter(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if self.open.is_none() {
            if let Some(service) = self.service(cx) {
                self.open_service(&service.name, None, false);
            }
            return Vec::new();
        }
        let transaction = self.transaction(cx).map(|t| t.name.to_string());
        if let (Some(open), Some(transaction)) = (&mut self.open, transaction) {
            open.transaction = Some(transaction);
        }
        Vec::new()
    }

    /// Comes out, one step at a time: from the transaction, the filter, the service.
    fn back(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(open) = &mut self.open else { return vec![Effect::Back] };
        if open.transaction.take().is_some() {
            return Vec::new();
        }
        if !self.transactions.table.filter().is_empty() {
            self.transactions.table.set_filter("");
            return Vec::new();
        }
        if !open.elsewhere {
            self.open = None;
            return Vec::new();
        }
        // Back gives up a query first and a rewound view next: neither may keep the operator here.
        let mut effects = self.give_up();
        effects.push(Effect::Back);
        if cx.scope.moment == Moment::Live {
            self.open = None;
        }
        effects
    }

    /// Opens the service below or above in the list, or selects it.
    fn step(&mut self, by: isize, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let rows = ServiceRows::new(cx);
        if let Some(open) = &self.open {
            self.list.table.select(&open.service);
        }
        self.list.table.step(by, &rows);
        let elsewhere = self.open.as_ref().map(|open| open.elsewhere);
        let selected = self.list.table.selected_row().and_then(|row| rows.get(row));
        if let (Some(elsewhere), Some(service)) = (elsewhere, selected) {
            self.open_service(&service.name, None, elsewhere);
        }
        Vec::new()
    }

    fn pictures(&self, cx: &Context<'_, World>, service: &ServiceView) -> Vec<Effect<World>> {
        let shown = self.layout(cx, cx.area, Some(service)).charts;
        let Some(Ok(lines)) = self.signals.answer().filter(|_| self.open.is_some()) else {
            return vec![Effect::Toast(
                Severity::Info,
                "nothing to save yet: open a service first".to_owned(),
            )];
        };
        let mut effects: Vec<Effect<World>> = Vec::new();
        let mut slots = Vec::new();
        for (view, _) in shown {
            if slots.contains(&view.slot()) {
                continue;
            }
            if let Some(plot) = export::plot(cx, view, lines, service, self.narrowed()) {
                slots.push(view.slot());
                effects.push(Effect::Query { slot: view.slot(), query: Query::Plot(plot) });
            }
        }
        if effects.is_empty() {
            effects.push(Effect::Toast(Severity::Info, "this chart has no samples to save".to_owned()));
        }
        effects
    }

    fn did(&mut self, did: Did, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match did {
            Did::Nothing | Did::Changed => Vec::new(),
            Did::Back => vec![Effect::Back],
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => self.enter(cx),
        }
    }

    fn hit(
        &mut self,
        target: &str,
        click: Click,
        at: (u16, u16),
        cx: &Context<'_, World>,
    ) -> Vec<Effect<World>> {
        if target == "explain" {
            match click {
                Click::ScrollDown => return self.command("down", cx),
                Click::ScrollUp => return self.command("up", cx),
                _ => self.explaining = None,
            }
            return Vec::new();
        }
        if let Some(width) = target.strip_prefix(charts::TIME).and_then(|width| width.parse().ok()) {
            let shown = charts::viewport(cx);
            let range = cx.scope.range;
            let scope = match click {
                Click::ScrollUp => Scope { range: (range / 2).max(60_000), ..cx.scope.clone() },
                Click::ScrollDown => {
                    Scope { range: range.saturating_mul(2).min(30 * 86_400_000), ..cx.scope.clone() }
                }
                _ => Scope { cursor: Some(shown.time_at(at.0, width)), ..cx.scope.clone() },
            };
            return vec![Effect::Scope(scope)];
        }
        let did = match (target, &self.open) {
            ("services", None) => {
                let rows = ServiceRows::new(cx);
                let area = ListLayout::new(cx.area, rows_len(&rows)).list;
                self.list.click(click, at, area, &rows)
            }
            ("transactions", Some(open)) => {
                let service = cx.world.services.service(&open.service).map(|s| &**s);
                let area = below(self.layout(cx, cx.area, service).transactions, 1);
                let rows = TransactionRows::new(service, open.transaction.as_deref());
                self.transactions.click(click, at, area, &rows)
            }
            _ => Did::Nothing,
        };
        self.did(did, cx)
    }

    fn answer(
        &mut self,
        slot: &str,
        answer: Result<Answer, String>,
        cx: &Context<'_, World>,
    ) -> Vec<Effect<World>> {
        match (slot, answer) {
            (SIGNALS, Ok(Answer::Signals(series))) => self.signals.take(Ok(Lines::new(series))),
            (SIGNALS, Err(why)) => self.signals.take(Err(why)),
            (HEATMAP, Ok(Answer::Heatmap(map))) => {
                let service = self.service(cx);
                let limit = service.and_then(|s| charts::latency_limit(s, self.narrowed()));
                self.heatmap.take(Ok(Heat::new(&map, limit)));
            }
            (HEATMAP, Err(why)) => self.heatmap.take(Err(why)),
            (slot, Ok(Answer::Plot(content))) => {
                let Some(open) = &self.open else { return Vec::new() };
                let at = cx.scope.moment.or(cx.world.now);
                let what = slot.trim_start_matches("plot-");
                let name = export::name(&open.service, open.transaction.as_deref(), what, at, "png");
                return vec![Effect::Export { name, content }];
            }
            (slot, Err(why)) if slot.starts_with("plot-") => {
                return vec![Effect::Toast(Severity::Warning, format!("the chart was not saved: {why}"))];
            }
            _ => {}
        }
        Vec::new()
    }
}

impl Pane<World> for Services {
    fn spec(&self) -> &'static PaneSpec {
        &SPEC
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
        if self.open.is_some()
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
            hints.extend(["services.series", "services.picture", "services.back"]);
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
