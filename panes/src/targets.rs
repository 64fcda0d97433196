//! Scrape targets: what is scraped, how it goes, and what went wrong in full.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_kernel::{Health, Subject, SubjectKind, Timestamp};
use quarterdeck_scrape::model::TargetStatus;
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Glyph, Role, Unit, empty::Empty, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::signals::FITTED;
use crate::trouble::plain;

const SPEC: PaneSpec = PaneSpec {
    id: "targets",
    title: "Targets",
    description: "What is scraped: health, last error in full, duration, samples.",
    go: 't',
    commands: quarterdeck_ui::list_commands!(
        "targets",
        CommandSpec {
            id: "targets.open",
            title: "metrics",
            description: "Show the target's series in the metrics explorer.",
            keys: &["enter"],
            action: None,
        }
    ),
    actions: &[(quarterdeck_scrape::RETRY, "t")],
};

const COLUMNS: [Column; 9] = [
    Column::flex("job", "JOB", 10).weight(2),
    Column::flex("instance", "INSTANCE", 14).weight(3),
    Column::fixed("health", "HEALTH", 11),
    Column::number("last", "LAST", 8),
    Column::number("duration", "MS", 6),
    Column::number("samples", "SAMPLES", 8),
    Column::number("added", "NEW", 6).priority(3),
    Column::number("size", "SIZE", 9).priority(2),
    Column::flex("error", "LAST ERROR", 16).weight(4).priority(1),
];

/// The pane.
#[derive(Debug)]
pub struct Targets {
    list: Listing,
}

impl Default for Targets {
    fn default() -> Self {
        Self::new()
    }
}

impl Targets {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self { list: Listing::new(&COLUMNS, None) }
    }

    fn refresh(&mut self, world: &World, scope: Option<&str>) {
        let rows = TargetRows::new(world, scope);
        self.list.refresh(&rows);
    }
}

impl Pane<World> for Targets {
    fn spec(&self) -> &'static PaneSpec {
        &SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let rows = TargetRows::new(cx.world, cx.scope.service.as_deref());
        let area = Layout::new(cx.area, cx.world).list;
        let did = match event {
            Event::Shown | Event::World | Event::Scope => {
                self.refresh(cx.world, cx.scope.service.as_deref());
                Did::Changed
            }
            Event::Open(subject) => {
                self.list.table.set_filter("");
                self.list.table.want(&subject.to_string());
                self.refresh(cx.world, cx.scope.service.as_deref());
                Did::Changed
            }
            Event::Return(subject) => {
                self.list.table.reselect(&subject.to_string(), &rows);
                Did::Changed
            }
            Event::Command("targets.open") => Did::Open,
            other => self.list.take(&other, area, &rows),
        };
        did.effects(|| {
            let target = self.list.table.selected_row().map(|row| &rows.targets[row]);
            target
                .map(|target| {
                    let selector = format!("{{job={:?}, instance={:?}}}", &*target.job, &*target.instance);
                    Effect::Go(Subject::new(SubjectKind::Series, selector))
                })
                .into_iter()
                .collect()
        })
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let rows = TargetRows::new(cx.world, cx.scope.service.as_deref());
        let layout = Layout::new(area, cx.world);
        rule::rule(cx.look, buffer, layout.title, "targets", &summary(cx.world));
        if rows.is_empty() {
            let what = match &cx.scope.service {
                None => "Nothing is scraped yet.".to_owned(),
                Some(service) => format!("No target of {service} is scraped."),
            };
            let next = "Add a [[scrape.jobs]] to quarterdeck.toml, or start with --prometheus-config prometheus.yml.";
            Empty { what: &what, next, key: "" }.draw(cx.look, buffer, layout.list);
        } else {
            self.list.draw(cx.look, buffer, layout.list, &rows);
        }
        draw_unavailable(cx, buffer, layout.unavailable);
        if let Some(target) = self.list.table.selected_row().and_then(|row| rows.targets.get(row)) {
            draw_detail(cx, buffer, layout.detail, target);
        }
        vec![Hit { area: layout.list, target: "table".to_owned() }]
    }

    fn selection(&self, cx: &Context<'_, World>) -> Option<Subject> {
        let rows = TargetRows::new(cx.world, cx.scope.service.as_deref());
        self.list.table.selected_row().and_then(|row| rows.targets.get(row)).map(|t| t.subject())
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        if TargetRows::new(cx.world, cx.scope.service.as_deref()).is_empty() {
            return Vec::new();
        }
        let list = ["targets.filter", "targets.sort", "targets.columns"];
        match self.selection(cx) {
            Some(_) => [&["targets.open"], &list[..], &["targets.copy"]].concat(),
            None => list.to_vec(),
        }
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

/// Where things are: list, detail below, jobs that cannot be scraped between them.
struct Layout {
    title: Rect,
    list: Rect,
    unavailable: Rect,
    detail: Rect,
}

impl Layout {
    fn new(area: Rect, world: &World) -> Self {
        let detail_height = if area.height >= 16 { 7 } else { 0 };
        let unavailable = unavailable_lines(world, area.width.saturating_sub(2)).len().min(6) as u16;
        let unavailable_height = if unavailable > 0 && area.height >= 14 { unavailable + 1 } else { 0 };
        let list_height = area.height.saturating_sub(1 + detail_height + unavailable_height);
        let row = |from: u16, height: u16| Rect { y: area.y + from.min(area.height), height, ..area };
        Self {
            title: row(0, 1.min(area.height)),
            list: row(1, list_height),
            unavailable: row(1 + list_height, unavailable_height),
            detail: row(1 + list_height + unavailable_height, detail_height),
        }
    }
}

fn summary(world: &World) -> String {
    let targets = &world.targets.targets;
    let down = targets.iter().filter(|t| t.health == Health::Down).count();
    let mut parts = vec![format!("{} up", targets.iter().filter(|t| t.health == Health::Ok).count())];
    if down > 0 {
        parts.push(format!("{down} down"));
    }
    if world.targets.dropped_count > 0 {
        parts.push(format!("{} dropped by relabelling", world.targets.dropped_count));
    }
    parts.join(" · ")
}

fn draw_unavailable(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    let jobs = match cx.world.targets.unavailable().count() {
        1 => "1 job".to_owned(),
        n => format!("{n} jobs"),
    };
    rule::rule(cx.look, buffer, area, "not available here", &jobs);
    let lines = unavailable_lines(cx.world, area.width.saturating_sub(2));
    for ((name, why), y) in lines.iter().zip(area.y + 1..area.bottom()) {
        let glyph = if name.trim().is_empty() { " " } else { cx.look.glyph(Glyph::Warning) };
        let spans = [
            (glyph, cx.look.style(Role::Warning)),
            (" ", cx.look.style(Role::Text)),
            (name.as_str(), cx.look.style(Role::Text)),
            ("  ", cx.look.style(Role::Text)),
            (why.as_str(), cx.look.style(Role::Muted)),
        ];
        text::put_spans(buffer, area.x + 1, y, area.width.saturating_sub(2), &spans);
    }
}

/// Jobs that cannot be scraped with the reasons in full: the name stands in front of the first line of its reason.
fn unavailable_lines(world: &World, width: u16) -> Vec<(String, String)> {
    let jobs: Vec<_> = world.targets.unavailable().collect();
    let widest = jobs.iter().map(|job| text::width(&job.name)).max().unwrap_or(0).min(24);
    let room = usize::from(width).saturating_sub(widest + 4).max(16);
    let lines = jobs.iter().flat_map(|job| {
        let why = text::wrap(&job.unavailable.join("; "), room);
        why.into_iter().enumerate().map(move |(line, why)| {
            let name = if line == 0 { text::cut(&job.name, 24).into_owned() } else { String::new() };
            (format!("{name:<widest$}"), why)
        })
    });
    lines.collect()
}

fn draw_detail(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, target: &TargetStatus) {
    if area.height == 0 {
        return;
    }
    let look = cx.look;
    rule::rule(
        look,
        buffer,
        area,
        &format!("{} · {}", target.job, target.instance),
        &next_turn(target, cx.world.now),
    );
    let width = area.width.saturating_sub(2);
    let mut lines: Vec<(String, Role)> = vec![(target.url.to_string(), Role::Muted)];
    match (&target.last_error, &target.warning) {
        (Some(error), _) => {
            let failed = match target.failures {
                0 | 1 => "failed once".to_owned(),
                n => format!("failed {n} times in a row"),
            };
            let told = plain(error);
            let wrapped = |text: &str| text::wrap(text, usize::from(width));
            lines
                .extend(wrapped(&format!("{failed}: {told}")).into_iter().map(|line| (line, Role::Critical)));
            if told != **error {
                lines.extend(wrapped(error).into_iter().map(|line| (line, Role::Muted)));
            }
        }
        (None, Some(warning)) => {
            lines.extend(
                text::wrap(warning, usize::from(width)).into_iter().map(|line| (line, Role::Warning)),
            );
        }
        (None, None) => {
            let figures = format!(
                "{} samples of which {} kept, {} new series, {} in {}",
                format::grouped(target.scraped as u64),
                format::grouped(target.post_relabel as u64),
                format::grouped(target.added as u64),
                bytes(target.bytes as f64),
                target.duration.map_or_else(|| "·".to_owned(), |d| Unit::Millis.full(d.as_secs_f64() * 1e3)),
            );
            lines.push((figures, Role::Text));
        }
    }
    lines.push((target.labels.to_string(), Role::Muted));
    for ((line, role), y) in lines.iter().zip(area.y + 1..area.bottom()) {
        text::put(buffer, area.x + 1, y, width, line, look.style(*role));
    }
}

fn next_turn(target: &TargetStatus, now: Timestamp) -> String {
    let wait = target.next_scrape.as_millis() - now.as_millis();
    if wait > 0 { format!("next in {}", format::age(wait + 999)) } else { "scraping".to_owned() }
}

fn bytes(value: f64) -> String {
    format::Unit::named("bytes").full(value)
}

struct TargetRows<'a> {
    targets: Vec<&'a Arc<TargetStatus>>,
    now: Timestamp,
    /// How scrape times and sizes line up.
    duration: format::Aligned,
    size: format::Aligned,
}

impl<'a> TargetRows<'a> {
    /// The targets of the service in scope: those that carry its name in `service` or `job`, or that its selectors own.
    fn new(world: &'a World, scope: Option<&str>) -> Self {
        let owns = |target: &TargetStatus| match scope {
            None => true,
            Some(service) => {
                ["service", "service_name", "job"].iter().any(|l| target.labels.get(l) == Some(service))
                    || *target.job == *service
            }
        };
        let mut targets: Vec<_> = world.targets.targets.iter().filter(|t| owns(t)).collect();
        // Worst first; the order within is the configuration's.
        targets.sort_by_key(|t| std::cmp::Reverse(t.health));
        let (duration, size) = Default::default();
        let mut rows = Self { targets, now: world.now, duration, size };
        let column = |id: &str| COLUMNS.iter().position(|c| c.id == id).unwrap_or(0);
        let aligned =
            |id: &str| format::Aligned::of((0..rows.len().min(FITTED)).map(|row| rows.text(row, column(id))));
        (rows.duration, rows.size) = (aligned("duration"), aligned("size"));
        rows
    }

    fn age(&self, target: &TargetStatus) -> Option<i64> {
        target.last_scrape.map(|at| (self.now.as_millis() - at.as_millis()).max(0))
    }
}

impl Rows for TargetRows<'_> {
    fn len(&self) -> usize {
        self.targets.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        self.targets[row].subject().to_string().into()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let target = self.targets[row];
        match COLUMNS[column].id {
            "job" => (&*target.job).into(),
            "instance" => (&*target.instance).into(),
            "health" => health_word(target.health).into(),
            "last" => self.age(target).map_or_else(|| "·".into(), |age| format::age(age).into()),
            "duration" => number(target.duration.map(|d| d.as_secs_f64() * 1e3)),
            "samples" => number(target.last_scrape.map(|_| target.scraped as f64)),
            "added" => number(target.last_scrape.map(|_| target.added as f64)),
            "size" => target.last_scrape.map_or_else(|| "·".into(), |_| bytes(target.bytes as f64).into()),
            _ => match (&target.last_error, &target.warning) {
                (Some(error), _) => plain(error),
                (None, warning) => warning.as_deref().unwrap_or_default().into(),
            },
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let target = self.targets[row];
        let known = |value: Option<f64>| value.map_or(Order::Missing, Order::Number);
        let scraped = target.last_scrape.is_some();
        match COLUMNS[column].id {
            "health" => Order::Number(f64::from(target.health as u8)),
            "last" => known(self.age(target).map(|age| age as f64)),
            "duration" => known(target.duration.map(|d| d.as_secs_f64())),
            "samples" => known(scraped.then_some(target.scraped as f64)),
            "added" => known(scraped.then_some(target.added as f64)),
            "size" => known(scraped.then_some(target.bytes as f64)),
            _ => Order::Text(self.text(row, column)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let target = self.targets[row];
        let text = self.text(row, column);
        match COLUMNS[column].id {
            "health" => cell.state(target.health, &text, target.health),
            "error" if target.last_error.is_some() => cell.role(&text, Role::Critical),
            "error" => cell.role(&text, Role::Warning),
            "duration" => cell.text(&self.duration.fit(&text)),
            "size" => cell.role(&self.size.fit(&text), Role::Muted),
            "instance" | "last" => cell.role(&text, Role::Muted),
            // Nothing new is the rule: only what is new deserves an eye.
            "added" if target.added == 0 => cell.role(&text, Role::Faint),
            _ => cell.text(&text),
        }
    }
}

fn health_word(health: Health) -> &'static str {
    match health {
        Health::Ok => "up",
        Health::Unknown => "waiting",
        Health::Degraded => "degraded",
        Health::Down => "down",
    }
}

fn number(value: Option<f64>) -> Cow<'static, str> {
    format::figure(value.unwrap_or(f64::NAN)).into()
}
