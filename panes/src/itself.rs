//! The console itself: engines, what it uses, what it keeps, what it dropped.

use std::borrow::Cow;

use quarterdeck_kernel::{Subject, SubjectKind};
use quarterdeck_metrics::model::Cardinality;
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Glyph, Role, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::world::EngineView;

const SPEC: PaneSpec = PaneSpec {
    id: "self",
    title: "Self",
    description: "The console itself: engines, resources, store, cardinality, what was dropped.",
    go: 'i',
    commands: quarterdeck_ui::list_commands!(
        "self",
        CommandSpec {
            id: "self.open",
            title: "show series",
            description: "Show the series of the selected metric or label in the metrics explorer.",
            keys: &["enter"],
            action: None,
        },
        CommandSpec {
            id: "self.by",
            title: "by metric, label, pair",
            description: "Count series by metric, distinct values by label, or series by label and value.",
            keys: &["v"],
            action: None,
        }
    ),
    actions: &[("console.reload", "R"), ("console.log-level", "e")],
};

const COLUMNS: [Column; 3] = [
    Column::flex("name", "NAME", 20),
    Column::number("count", "SERIES", 10),
    Column::number("share", "%", 6).priority(1),
];

/// What the cardinality list counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Metric,
    Label,
    Pair,
}

/// The pane.
#[derive(Debug)]
pub struct Itself {
    list: Listing,
    by: By,
}

impl Default for Itself {
    fn default() -> Self {
        Self::new()
    }
}

impl Itself {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self { list: Listing::new(&COLUMNS, None), by: By::Metric }
    }

    fn rows<'a>(&self, world: &'a World) -> CardinalityRows<'a> {
        let stats = &world.metrics.stats;
        let list = match self.by {
            By::Metric => &stats.by_metric,
            By::Label => &stats.by_label,
            By::Pair => &stats.by_pair,
        };
        let total = stats.series.max(1);
        let shares = list.iter().take(crate::signals::FITTED).map(|one| share(one, total));
        CardinalityRows { list, total, shares: format::Aligned::of(shares) }
    }

    /// The selected thing as a selector of series.
    fn selector(&self, world: &World) -> Option<String> {
        let rows = self.rows(world);
        let name = &rows.list.get(self.list.table.selected_row()?)?.name;
        Some(match self.by {
            By::Metric => format!("{{__name__={name:?}}}"),
            By::Label => format!("{{{name}!=\"\"}}"),
            By::Pair => {
                let (label, value) = name.split_once('=')?;
                format!("{{{label}={:?}}}", value.trim_matches('"'))
            }
        })
    }
}

impl Pane<World> for Itself {
    fn spec(&self) -> &'static PaneSpec {
        &SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let area = Layout::new(cx.area, cx.world).list;
        let rows = self.rows(cx.world);
        let did = match event {
            Event::Command("self.by") => {
                self.by = match self.by {
                    By::Metric => By::Label,
                    By::Label => By::Pair,
                    By::Pair => By::Metric,
                };
                let rows = self.rows(cx.world);
                self.list.refresh(&rows);
                Did::Changed
            }
            Event::Command("self.open") => Did::Open,
            other => self.list.take(&other, area, &rows),
        };
        did.effects(|| {
            let selector = self.selector(cx.world);
            selector.map(|s| Effect::Go(Subject::new(SubjectKind::Series, s))).into_iter().collect()
        })
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let layout = Layout::new(area, cx.world);
        draw_console(cx, buffer, layout.console);
        draw_engines(cx, buffer, &layout);
        draw_store(cx, buffer, layout.store);
        let (title, unit) = match self.by {
            By::Metric => ("series by metric", "v: by label"),
            By::Label => ("values by label", "v: by pair"),
            By::Pair => ("series by label and value", "v: by metric"),
        };
        let head = Rect { y: layout.list.y.saturating_sub(1), height: 1, ..layout.list };
        rule::rule(cx.look, buffer, head, title, unit);
        self.list.draw(cx.look, buffer, layout.list, &self.rows(cx.world));
        if let Some(x) = layout.divider {
            rule::rule(cx.look, buffer, Rect { x, y: area.y, width: 1, height: 1 }, "", "");
            rule::join(cx.look, buffer, x, area.y + 1, area.bottom());
        }
        vec![Hit { area: layout.list, target: "table".to_owned() }]
    }

    fn selection(&self, _cx: &Context<'_, World>) -> Option<Subject> {
        None
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        let mut hints = vec!["self.by", "self.filter"];
        if self.selector(cx.world).is_some() {
            hints.insert(0, "self.open");
        }
        hints
    }

    fn typing(&self) -> bool {
        self.list.typing()
    }
}

/// Lines of the cardinality list, its heading among them, for which others make room on a small screen.
const LEAST_LIST: u16 = 4;

struct Layout {
    console: Rect,
    engines: Rect,
    /// Running engines share a line.
    together: bool,
    store: Rect,
    list: Rect,
    divider: Option<u16>,
}

impl Layout {
    /// Wide: facts at the left, cardinality at the right. Narrow: one above the other.
    fn new(area: Rect, world: &World) -> Self {
        let wide = area.width >= 110;
        let (left, divider, right) = if wide {
            let (left, divider, right) = rule::columns(area, area.width * 11 / 20);
            (left, Some(divider), right)
        } else {
            (area, None, area)
        };
        let console_height = (console_facts(world).len() as u16 + 1).min(left.height);
        let wanted_store = store_lines(world) + 1;
        // Where not everything has room, engines of which there is nothing to tell share a line.
        let beside = if wide { 0 } else { LEAST_LIST + 1 };
        let whole = world.console.engines.len().max(1) as u16 + 1;
        let together = left.height < console_height + whole + wanted_store + beside;
        let wanted = if together { engine_lines(world).len().max(1) as u16 + 1 } else { whole };
        let engines_height = wanted.min(left.height - console_height);
        let store_height = wanted_store.min(left.height - console_height - engines_height);
        let at = |from: u16, height: u16| Rect { y: left.y + from, height, ..left };
        let console = at(0, console_height);
        let engines = at(console_height, engines_height);
        let store = at(console_height + engines_height, store_height);
        let list = if wide {
            Rect { y: right.y + 1.min(right.height), height: right.height.saturating_sub(1), ..right }
        } else {
            let used = console_height + engines_height + store_height + 1;
            Rect { y: area.y + used.min(area.height), height: area.height.saturating_sub(used), ..area }
        };
        Self { console, engines, together, store, list, divider }
    }
}

/// Label, value, role.
type Fact = (&'static str, String, Role);

fn console_facts(world: &World) -> Vec<Fact> {
    let console = &world.console;
    let usage = &console.usage;
    let mut facts: Vec<Fact> = vec![(
        "process",
        format!(
            "quarterdeck {} · pid {} · up {}",
            console.version,
            console.pid,
            format::ago(console.started, world.now)
        ),
        Role::Text,
    )];
    let bytes = format::Unit::Bytes.full(usage.resident_bytes as f64);
    facts.push((
        "uses",
        format!("{:.0} % of a core · {bytes} · {} open files", usage.cpu_cores * 100.0, usage.open_files),
        Role::Text,
    ));
    if usage.frames > 0 {
        let ms = |us: u64| format::figure(us as f64 / 1e3);
        facts.push((
            "screen",
            format!(
                "{} frames · last {} ms · key to frame p99 {} ms",
                format::grouped(usage.frames),
                ms(usage.frame_us),
                ms(usage.key_to_frame_p99_us)
            ),
            Role::Text,
        ));
    }
    facts.push((
        "serves",
        format!("{} · {} requests", console.url, format::grouped(usage.http_requests)),
        Role::Text,
    ));
    facts.push(("store", console.store.clone(), Role::Muted));
    facts.push(("log", format!("{} · {}", console.log_level, console.log_file), Role::Muted));
    if console.log_dropped > 0 {
        facts.push((
            "",
            format!("{} log lines could not be written", format::grouped(console.log_dropped)),
            Role::Warning,
        ));
    }
    for to in &console.destinations {
        if let Some(trouble) = crate::delivery::trouble(to, world.now) {
            facts.push(("notifies", format!("{}: {trouble}", to.destination), Role::Warning));
        }
    }
    let files =
        if console.config_files.is_empty() { "defaults".to_owned() } else { console.config_files.join(", ") };
    facts.push(("config", files, Role::Muted));
    for error in &console.config_errors {
        facts.push(("", format!("refused: {error}"), Role::Warning));
    }
    facts
}

fn draw_facts(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, facts: &[Fact]) {
    for ((label, value, role), y) in facts.iter().zip(area.y..area.bottom()) {
        text::put(buffer, area.x + 1, y, 9, label, cx.look.style(Role::Muted));
        text::put(buffer, area.x + 11, y, area.width.saturating_sub(13), value, cx.look.style(*role));
    }
}

fn body(area: Rect) -> Rect {
    Rect { y: area.y + 1.min(area.height), height: area.height.saturating_sub(1), ..area }
}

fn draw_console(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height > 0 {
        rule::rule(cx.look, buffer, area, "console", &cx.world.console.environment);
        draw_facts(cx, buffer, body(area), &console_facts(cx.world));
    }
}

/// Engines by line: those of which there is nothing to tell but that they run share the first one.
fn engine_lines(world: &World) -> Vec<Vec<&EngineView>> {
    let calm = |e: &&EngineView| e.state == "running" && e.restarts == 0 && e.last_failure.is_none();
    let (calm, others): (Vec<_>, Vec<_>) = world.console.engines.iter().partition(calm);
    let first = (!calm.is_empty()).then_some(calm);
    first.into_iter().chain(others.into_iter().map(|e| vec![e])).collect()
}

fn draw_engines(cx: &Context<'_, World>, buffer: &mut Buffer, layout: &Layout) {
    let area = layout.engines;
    if area.height == 0 {
        return;
    }
    let look = cx.look;
    rule::rule(look, buffer, area, "engines", "");
    let lines = if layout.together {
        engine_lines(cx.world)
    } else {
        cx.world.console.engines.iter().map(|e| vec![e]).collect()
    };
    let put = |buffer: &mut Buffer, y: u16, texts: &[(String, Role)]| {
        let spans: Vec<_> = texts.iter().map(|(t, role)| (t.as_str(), look.style(*role))).collect();
        text::put_spans(buffer, area.x + 1, y, area.width.saturating_sub(2), &spans);
    };
    for (line, y) in lines.iter().zip(area.y + 1..area.bottom()) {
        let [engine] = line[..] else {
            let ok = look.glyph(Glyph::Ok);
            let names = line
                .iter()
                .flat_map(|e| [(format!("{ok} "), Role::Muted), (format!("{}  ", e.name), Role::Text)]);
            put(buffer, y, &names.chain([("running".to_owned(), Role::Muted)]).collect::<Vec<_>>());
            continue;
        };
        let (glyph, role) = match engine.state {
            "running" => (Glyph::Ok, Role::Muted),
            "failed" => (Glyph::Critical, Role::Critical),
            "stopped" => (Glyph::Unknown, Role::Muted),
            _ => (Glyph::Running, Role::Running),
        };
        let texts = [
            (format!("{:<10}", engine.name), Role::Text),
            (format!("{} ", look.glyph(glyph)), role),
            (format!("{:<9}", engine.state), role),
            (engine_story(engine, cx), Role::Muted),
        ];
        put(buffer, y, &texts);
    }
}

fn engine_story(engine: &EngineView, cx: &Context<'_, World>) -> String {
    let mut story = format!("since {}", cx.look.when(engine.since, cx.world.now));
    if engine.restarts > 0 {
        story.push_str(&format!(" · started again {} times", engine.restarts));
    }
    if let Some(next) = engine.next_start {
        let left = next.as_millis() - cx.world.now.as_millis();
        story.push_str(&format!(" · next start in {}", format::countdown(left)));
    }
    if let Some(failure) = &engine.last_failure {
        story.push_str(&format!(" · {failure}"));
    }
    story
}

/// Lines of what the store tells, below its title.
fn store_lines(world: &World) -> u16 {
    let stats = &world.metrics.stats;
    4 + u16::from(stats.write_error.is_some()) + u16::from(!stats.damage.is_empty())
}

fn draw_store(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    let stats = &cx.world.metrics.stats;
    let bytes = |n: u64| format::Unit::Bytes.full(n as f64);
    rule::rule(
        cx.look,
        buffer,
        area,
        "metrics store",
        &format!("{} series", format::grouped(stats.series as u64)),
    );
    let drops = &stats.drops;
    let mut facts: Vec<Fact> = vec![
        (
            "in memory",
            format!(
                "{} samples in {} · {} active series",
                format::grouped(stats.head_samples),
                bytes(stats.head_bytes),
                format::grouped(stats.active_series as u64)
            ),
            Role::Text,
        ),
        (
            "on disk",
            format!(
                "{} samples in {} segments, {} · log {}",
                format::grouped(stats.sealed_samples),
                stats.segments,
                bytes(stats.segment_bytes),
                bytes(stats.log_bytes)
            ),
            Role::Text,
        ),
        ("reach", reach(cx), Role::Muted),
    ];
    let lost = drops.samples() + drops.refused_series;
    let told = format!(
        "{} too old · {} too new · {} duplicate · {} series refused",
        format::grouped(drops.too_old),
        format::grouped(drops.too_new),
        format::grouped(drops.duplicate),
        format::grouped(drops.refused_series)
    );
    facts.push(("dropped", told, if lost > 0 { Role::Warning } else { Role::Muted }));
    if let Some(error) = &stats.write_error {
        facts.push(("", format!("the log cannot be written: {error}"), Role::Critical));
    }
    if let Some(damage) = stats.damage.last() {
        facts.push(("", format!("{}: {}", damage.file, damage.what), Role::Warning));
    }
    draw_facts(cx, buffer, body(area), &facts);
}

fn reach(cx: &Context<'_, World>) -> String {
    let stats = &cx.world.metrics.stats;
    match (stats.oldest, stats.newest) {
        (Some(oldest), Some(newest)) => {
            format!("{} to {}", cx.look.date_time(oldest), cx.look.date_time(newest))
        }
        _ => "no sample yet".to_owned(),
    }
}

struct CardinalityRows<'a> {
    list: &'a [Cardinality],
    total: usize,
    /// How the shares line up.
    shares: format::Aligned,
}

/// The part of all series that one has, in percent.
fn share(one: &Cardinality, total: usize) -> String {
    format::figure(one.count as f64 / total as f64 * 100.0)
}

impl CardinalityRows<'_> {
    fn share(&self, row: usize) -> f64 {
        self.list[row].count as f64 / self.total as f64 * 100.0
    }
}

impl Rows for CardinalityRows<'_> {
    fn len(&self) -> usize {
        self.list.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        (&*self.list[row].name).into()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        match COLUMNS[column].id {
            "name" => (&*self.list[row].name).into(),
            "count" => format::grouped(self.list[row].count as u64).into(),
            _ => share(&self.list[row], self.total).into(),
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        match COLUMNS[column].id {
            "name" => Order::Text(self.text(row, column)),
            "count" => Order::Number(self.list[row].count as f64),
            _ => Order::Number(self.share(row)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let text = self.text(row, column);
        if COLUMNS[column].id == "share" {
            cell.role(&self.shares.fit(&text), Role::Muted);
        } else {
            cell.text(&text);
        }
    }
}
