//! The overview: is anything wrong, where, since when, what changed?

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_kernel::{ChangeKind, Entry, Health, Severity, Subject, Timestamp};
use quarterdeck_rules::{AlertState, AlertView};
use quarterdeck_services::{Breach, ServiceView, Signal};
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use quarterdeck_widgets::sparkline::Range;
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Look, Role, empty::Empty, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;

const SPEC: PaneSpec = PaneSpec {
    id: "overview",
    title: "Overview",
    description: "Services worst first with their golden signals, broken limits, newest changes.",
    go: 'o',
    commands: quarterdeck_ui::list_commands!(
        "overview",
        CommandSpec {
            id: "overview.open",
            title: "open",
            description: "Open the service.",
            keys: &["enter"],
        },
        CommandSpec {
            id: "overview.changed",
            title: "what changed",
            description: "Show the timeline of the service, to see what changed before its trouble.",
            keys: &["w"],
        },
        CommandSpec {
            id: "overview.runbook",
            title: "copy runbook",
            description: "Copy the address of the service's runbook.",
            keys: &["b"],
        }
    ),
    actions: &[(quarterdeck_services::actions::LIMIT, "L")],
};

/// From this width on, broken limits and timeline stand beside each other.
const WIDE: u16 = 112;

/// The pane.
#[derive(Debug)]
pub struct Overview {
    list: Listing,
    wide: bool,
}

impl Default for Overview {
    fn default() -> Self {
        Self::new()
    }
}

/// Columns with trends where there is room for them.
const WIDE_COLUMNS: [Column; 7] = [
    Column::flex("service", "SERVICE", 12).weight(3).at_most(26),
    Column::fixed("health", "HEALTH", 11),
    Column::fixed("rate", "  RATE /s", 18),
    Column::fixed("errors", "ERRORS %", 17),
    Column::fixed("p99", "P99 ms (limit)", 26),
    Column::number("saturation", "SAT %", 6).priority(1),
    Column::flex("changing", "CHANGING", 14).weight(3).priority(2),
];

const NARROW_COLUMNS: [Column; 7] = [
    Column::flex("service", "SERVICE", 12).weight(2).at_most(26),
    Column::fixed("health", "HEALTH", 11),
    Column::number("rate", "RATE /s", 8),
    Column::number("errors", "ERR %", 6),
    Column::number("p99", "P99 ms", 14),
    Column::number("saturation", "SAT %", 6).priority(1),
    Column::flex("changing", "CHANGING", 12).priority(2),
];

impl Overview {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self { list: Listing::new(&NARROW_COLUMNS, None), wide: false }
    }

    /// Takes the columns that fit the width; what the operator chose is kept.
    fn fit(&mut self, width: u16) {
        let wide = width >= WIDE;
        if wide != self.wide {
            self.wide = wide;
            let remembered = self.list.table.remember();
            let selected = self.list.table.selected().map(str::to_owned);
            let filter = self.list.table.filter().to_owned();
            self.list = Listing::new(if wide { &WIDE_COLUMNS } else { &NARROW_COLUMNS }, None);
            self.list.table.restore(&remembered);
            self.list.table.set_filter(&filter);
            if let Some(key) = selected {
                self.list.table.select(&key);
            }
        }
    }

    fn selected<'a>(&self, rows: &ServiceRows<'a>) -> Option<&'a Arc<ServiceView>> {
        self.list.table.selected_row().and_then(|row| rows.services.get(row).copied())
    }
}

impl Pane<World> for Overview {
    fn spec(&self) -> &'static PaneSpec {
        &SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        self.fit(cx.area.width);
        let rows = ServiceRows::new(cx, self.wide);
        let area = Layout::new(cx).services;
        let did = match event {
            Event::Open(subject) => {
                self.list.refresh(&rows);
                self.list.table.select(&subject.id);
                Did::Changed
            }
            Event::Command("overview.open") => Did::Open,
            Event::Command("overview.changed") => {
                let Some(service) = self.selected(&rows) else { return Vec::new() };
                let name = service.name.to_string();
                let scope = quarterdeck_ui::Scope { service: Some(name), ..cx.scope.clone() };
                return vec![Effect::Scope(scope), Effect::Show("timeline")];
            }
            Event::Command("overview.runbook") => {
                let Some(service) = self.selected(&rows) else { return Vec::new() };
                return vec![match &service.runbook {
                    Some(url) => Effect::Copy(url.clone()),
                    None => Effect::Toast(
                        Severity::Info,
                        format!(
                            "{} has no runbook; give it one as [services.{}] runbook",
                            service.name, service.name
                        ),
                    ),
                }];
            }
            other => self.list.take(&other, area, &rows),
        };
        did.effects(|| self.selected(&rows).map(|s| Effect::Go(s.subject())).into_iter().collect())
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let layout = Layout::new(&Context { area, ..*cx });
        let rows = ServiceRows::new(cx, self.wide);
        let services = &cx.world.services;
        let summary = match (&cx.scope.service, services.dropped_services) {
            (Some(service), _) => format!("only {service}"),
            (None, 0) => format!("{} services", services.services.len()),
            (None, dropped) => format!("{} services, {dropped} more not shown", services.services.len()),
        };
        rule::rule(cx.look, buffer, above(layout.services), "services", &summary);
        if rows.services.is_empty() {
            Empty {
                what: "No service has sent a metric yet.",
                next: "Add a [[scrape.jobs]] to quarterdeck.toml, or start with --prometheus-config prometheus.yml; services \
                       appear by themselves from the labels service and job.",
                key: "",
            }
            .draw(cx.look, buffer, layout.services);
        } else {
            self.list.draw(cx.look, buffer, layout.services, &rows);
        }
        draw_firing(cx, buffer, layout.firing);
        draw_timeline(cx, buffer, layout.timeline);
        if let Some(x) = layout.divider {
            // The rule goes on through the divider's column.
            rule::rule(cx.look, buffer, Rect { x, y: layout.firing.y, width: 1, height: 1 }, "", "");
            rule::divider(cx.look, buffer, x, layout.firing.y + 1, layout.firing.bottom());
        }
        vec![Hit { area: layout.services, target: "services".to_owned() }]
    }

    fn selection(&self, cx: &Context<'_, World>) -> Option<Subject> {
        let rows = ServiceRows::new(cx, self.wide);
        self.selected(&rows).map(|s| s.subject())
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        let mut hints = vec!["overview.open", "overview.changed", "overview.filter", "overview.sort"];
        let rows = ServiceRows::new(cx, self.wide);
        if self.selected(&rows).is_some_and(|s| s.runbook.is_some()) {
            hints.insert(2, "overview.runbook");
        }
        hints
    }

    fn typing(&self) -> bool {
        self.list.typing()
    }

    fn remember(&self) -> Option<String> {
        Some(self.list.table.remember())
    }

    fn restore(&mut self, remembered: &str) {
        self.list.table.restore(remembered);
    }
}

/// The row of the rule above an area.
fn above(area: Rect) -> Rect {
    Rect { y: area.y.saturating_sub(1), height: 1, ..area }
}

struct Layout {
    services: Rect,
    firing: Rect,
    timeline: Rect,
    divider: Option<u16>,
}

impl Layout {
    /// Services get what they need and at least half; what is left is shared by broken limits and timeline.
    fn new(cx: &Context<'_, World>) -> Self {
        let area = cx.area;
        let body = area.height.saturating_sub(1);
        let wanted = u16::try_from(cx.world.services.services.len()).unwrap_or(u16::MAX).saturating_add(2);
        let firing_rows = u16::try_from(wrong(cx).len().clamp(1, 4)).unwrap_or(4);
        let below_least = if area.width >= WIDE { 7 } else { firing_rows + 1 + 4 };
        let services_height = wanted.max(body / 2).min(body.saturating_sub(below_least)).max(body.min(5));
        let services = Rect { y: area.y + 1.min(area.height), height: services_height.min(body), ..area };
        let rest =
            Rect { y: services.bottom(), height: area.bottom().saturating_sub(services.bottom()), ..area };
        if area.width >= WIDE {
            let (left, divider, right) = rule::columns(rest, area.width / 2);
            return Self { services, firing: left, timeline: right, divider: Some(divider) };
        }
        let lines = u16::try_from(wrong(cx).len().max(1)).unwrap_or(u16::MAX);
        let firing_height = lines.saturating_add(1).min(rest.height / 2);
        let firing = Rect { height: firing_height, ..rest };
        let timeline = Rect { y: firing.bottom(), height: rest.height - firing_height, ..rest };
        Self { services, firing, timeline, divider: None }
    }
}

/// Every broken limit, worst first.
fn breaches<'a>(cx: &Context<'a, World>) -> Vec<(&'a ServiceView, &'a Breach)> {
    let in_scope = |s: &&Arc<ServiceView>| cx.scope.service.as_ref().is_none_or(|wanted| **wanted == *s.name);
    let services = cx.world.services.services.iter().filter(in_scope);
    let mut all: Vec<_> = services.flat_map(|s| s.breaches.iter().map(move |b| (&**s, b))).collect();
    all.sort_by_key(|(_, b)| (std::cmp::Reverse(b.health), b.since));
    all
}

/// A line of what is wrong.
struct Wrong<'a> {
    health: Health,
    role: Role,
    service: &'a str,
    text: String,
    since: Timestamp,
}

/// Alerts, firing ones first, then broken limits, each worst first.
fn wrong<'a>(cx: &Context<'a, World>) -> Vec<Wrong<'a>> {
    let world: &'a World = cx.world;
    let in_scope = |service: Option<&str>| {
        cx.scope.service.as_ref().is_none_or(|wanted| service.is_some_and(|s| **wanted == *s))
    };
    let alerts = world.rules.alerts().into_iter().filter(|alert| in_scope(alert.service())).map(alert_line);
    alerts.chain(breaches(cx).into_iter().map(|(service, breach)| breach_line(service, breach))).collect()
}

fn alert_line(alert: &Arc<AlertView>) -> Wrong<'_> {
    let firing = alert.state == AlertState::Firing;
    let health = match alert.severity() {
        Severity::Critical => Health::Down,
        Severity::Warning => Health::Degraded,
        Severity::Info => Health::Unknown,
    };
    let what = format!("{} {}", alert.name(), format::number(alert.value));
    Wrong {
        health,
        // What is pending only has to last: it is told in quiet.
        role: if firing { Role::from(alert.severity()) } else { Role::Muted },
        service: alert.service().unwrap_or_default(),
        text: if firing { what } else { format!("pending, {what}") },
        since: alert.active_at,
    }
}

fn breach_line<'a>(service: &'a ServiceView, breach: &Breach) -> Wrong<'a> {
    // What is within its limit again is told in quiet: it only has to last.
    let recovering = breach.recovering();
    Wrong {
        health: breach.health,
        role: if recovering { Role::Muted } else { Role::from(breach.health) },
        service: &service.name,
        text: if recovering { format!("recovering, {}", breach.text) } else { breach.text.clone() },
        since: breach.since,
    }
}

fn draw_firing(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    let (look, now) = (cx.look, cx.world.now);
    let all = wrong(cx);
    let more = all.len().saturating_sub(usize::from(area.height - 1));
    let right = if more > 0 { format!("{more} more") } else { String::new() };
    rule::rule(look, buffer, area, "firing", &right);
    if all.is_empty() {
        let any_limit = cx
            .world
            .services
            .services
            .iter()
            .any(|s| s.signals.p99.limit.is_some() || s.signals.errors.limit.is_some());
        let calm = if any_limit {
            "Every limit holds."
        } else {
            "No service has a limit yet: press L on one to set it."
        };
        text::put(
            buffer,
            area.x + 1,
            area.y + 1,
            area.width.saturating_sub(2),
            calm,
            look.style(Role::Muted),
        );
        return;
    }
    let widest = all.iter().map(|line| text::width(line.service)).max().unwrap_or(0).min(18);
    for (line, y) in all.into_iter().zip(area.y + 1..area.bottom()) {
        let age = format::ago(line.since, now);
        let room = area.width.saturating_sub(text::width(&age) as u16 + 4);
        let name = format!("{:<widest$}", line.service);
        let spans = [
            (look.glyph(line.health), look.style(line.role)),
            (" ", look.style(Role::Text)),
            (name.as_str(), look.style(Role::Text)),
            ("  ", look.style(Role::Text)),
            (line.text.as_str(), look.style(line.role)),
        ];
        text::put_spans(buffer, area.x + 1, y, room, &spans);
        text::put_right(buffer, area.x, y, area.width.saturating_sub(2), &age, look.style(Role::Muted));
    }
}

fn draw_timeline(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    rule::rule(cx.look, buffer, area, "timeline", "");
    let in_scope = |e: &&Arc<Entry>| match (&cx.scope.service, &e.service) {
        (Some(wanted), Some(has)) => wanted == has,
        _ => true,
    };
    let mut drawn = false;
    for (entry, y) in cx.world.timeline.entries.iter().filter(in_scope).zip(area.y + 1..area.bottom()) {
        draw_entry(cx.look, buffer, Rect { y, height: 1, ..area }, entry, cx.world.now);
        drawn = true;
    }
    if !drawn {
        let empty = "Nothing has happened yet.";
        text::put(
            buffer,
            area.x + 1,
            area.y + 1,
            area.width.saturating_sub(2),
            empty,
            cx.look.style(Role::Muted),
        );
    }
}

fn draw_entry(look: &Look, buffer: &mut Buffer, area: Rect, entry: &Entry, now: Timestamp) {
    let old = now.since(entry.at).as_secs() >= 86_400;
    let time = format!("{:<8}", if old { look.day(entry.at) } else { look.clock(entry.at) });
    let who = text::cut(&entry.actor.user, 12).into_owned();
    let room = area.width.saturating_sub(text::width(&who) as u16 + 4);
    let summary = match entry.severity {
        Severity::Info => look.style(Role::Text),
        other => look.style(Role::from(other)),
    };
    let spans = [
        (time.as_str(), look.style(Role::Muted)),
        (" ", look.style(Role::Text)),
        (look.glyph(entry.kind), look.style(Role::Accent)),
        (" ", look.style(Role::Text)),
        (entry.summary.as_str(), summary),
    ];
    text::put_spans(buffer, area.x + 1, area.y, room, &spans);
    text::put_right(buffer, area.x, area.y, area.width.saturating_sub(1), &who, look.style(Role::Muted));
}

struct ServiceRows<'a> {
    services: Vec<&'a Arc<ServiceView>>,
    now: Timestamp,
    /// Sparklines of a column share their scale.
    rate: Range,
    errors: Range,
    p99: Range,
    columns: &'static [Column; 7],
    stale: i64,
    /// The newest change to each service within the range of the charts.
    changed: HashMap<&'a str, &'a Entry>,
}

impl<'a> ServiceRows<'a> {
    fn new(cx: &Context<'a, World>, wide: bool) -> Self {
        let all = &cx.world.services;
        let in_scope =
            |s: &&Arc<ServiceView>| cx.scope.service.as_ref().is_none_or(|wanted| **wanted == *s.name);
        let services: Vec<_> = all.services.iter().filter(in_scope).collect();
        let range = |signal: fn(&ServiceView) -> &Signal| {
            Range::from_zero(services.iter().flat_map(|s| signal(s).history.iter().copied()))
        };
        let interval = i64::try_from(all.interval.as_millis()).unwrap_or(i64::MAX);
        Self {
            rate: range(|s| &s.signals.rate),
            errors: range(|s| &s.signals.errors),
            p99: range(|s| &s.signals.p99),
            services,
            now: cx.world.now,
            columns: if wide { &WIDE_COLUMNS } else { &NARROW_COLUMNS },
            changed: changes(cx),
            stale: interval.saturating_mul(6).max(30_000),
        }
    }

    /// The age of a service's data, where it is worth telling.
    fn age(&self, service: &ServiceView) -> Option<String> {
        let at = service.data_at?;
        let old = self.now.as_millis() - at.as_millis();
        (old > self.stale).then(|| format!("data {} old", format::span(old)))
    }
}

impl Rows for ServiceRows<'_> {
    fn len(&self) -> usize {
        self.services.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        (&*self.services[row].name).into()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let service = self.services[row];
        let signals = &service.signals;
        match self.columns[column].id {
            "service" => (&*service.name).into(),
            "health" => service.health.as_str().into(),
            "rate" => value(&signals.rate).into(),
            "errors" => value(&signals.errors).into(),
            "p99" => with_limit(&signals.p99).into(),
            "saturation" => value(&signals.saturation).into(),
            _ => match self.age(service) {
                Some(age) => age.into(),
                None if service.targets.up < service.targets.total => {
                    format!("{} of {} up", service.targets.up, service.targets.total).into()
                }
                None => match self.changed.get(&*service.name) {
                    Some(entry) => format!("{} · {}", about(entry), format::ago(entry.at, self.now)).into(),
                    None => "".into(),
                },
            },
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let service = self.services[row];
        let known = |signal: &Signal| signal.value.map_or(Order::Missing, Order::Number);
        match self.columns[column].id {
            "health" => Order::Number(f64::from(service.health as u8)),
            "rate" => known(&service.signals.rate),
            "errors" => known(&service.signals.errors),
            "p99" => known(&service.signals.p99),
            "saturation" => known(&service.signals.saturation),
            _ => Order::Text(self.text(row, column)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let service = self.services[row];
        let signals = &service.signals;
        let text = self.text(row, column);
        let wide = std::ptr::eq(self.columns, &WIDE_COLUMNS);
        let trend = |signal: &Signal, width: u16, range: Range, cell: &mut CellPainter<'_>| {
            cell.trend(&value(signal), width, signal_role(signal), &signal.history, range);
        };
        match self.columns[column].id {
            "service" if service.health == Health::Unknown => cell.role(&text, Role::Muted),
            "health" if service.health == Health::Ok => cell.state(service.health, &text, Role::Muted),
            "health" => cell.state(service.health, &text, service.health),
            "rate" if wide => trend(&signals.rate, 7, self.rate, cell),
            "errors" if wide => trend(&signals.errors, 6, self.errors, cell),
            "p99" if wide => {
                cell.trend(
                    &with_limit(&signals.p99),
                    14,
                    signal_role(&signals.p99),
                    &signals.p99.history,
                    self.p99,
                );
            }
            "rate" => cell.role(&text, signal_role(&signals.rate)),
            "errors" => cell.role(&text, signal_role(&signals.errors)),
            "p99" => cell.role(&text, signal_role(&signals.p99)),
            "saturation" => cell.role(&text, signal_role(&signals.saturation)),
            "changing" if self.age(service).is_some() || service.targets.up < service.targets.total => {
                cell.role(&text, Role::Warning);
            }
            "changing" => cell.role(&text, Role::Muted),
            _ => cell.text(&text),
        }
    }
}

/// The newest entry of each service that is within the range of the charts, by service.
fn changes<'a>(cx: &Context<'a, World>) -> HashMap<&'a str, &'a Entry> {
    let from = cx.world.now.plus_millis(-cx.scope.range);
    let mut newest = HashMap::new();
    // That a service broke its limits is an effect, not a change.
    let made = cx.world.timeline.entries.iter().filter(|e| e.kind != ChangeKind::Alert);
    for entry in made.take_while(|e| e.at >= from) {
        if let Some(service) = &entry.service {
            newest.entry(service.as_str()).or_insert(&**entry);
        }
    }
    newest
}

/// An entry's sentence without the service's name, which stands at the left already.
fn about(entry: &Entry) -> &str {
    let name = entry.service.as_deref().unwrap_or_default();
    entry
        .summary
        .strip_prefix(name)
        .map_or(entry.summary.as_str(), |rest| rest.trim_start_matches([':', ' ']))
}

fn value(signal: &Signal) -> String {
    format::number(signal.value.unwrap_or(f64::NAN))
}

/// A value beside its limit: `84 (50)`.
fn with_limit(signal: &Signal) -> String {
    match signal.limit {
        Some(limit) => format!("{} ({})", value(signal), format::number(limit)),
        None => value(signal),
    }
}

/// Quiet when healthy: colour only for what is over its limit.
fn signal_role(signal: &Signal) -> Role {
    match (signal.value, signal.limit) {
        _ if signal.broken_since.is_some() => Role::Warning,
        (Some(v), Some(limit)) if v > limit => Role::Warning,
        (Some(_), _) => Role::Text,
        (None, _) => Role::Faint,
    }
}
