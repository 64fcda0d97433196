//! The metrics explorer: any PromQL, as graph and table, with completion, several queries, and export.

mod complete;
mod editor;
mod examples;
mod export;
mod lines;
mod queries;
mod rewrite;
mod spec;
mod unit;
mod view;
mod window;

use std::sync::Arc;

use quarterdeck_kernel::time::parse_duration;
use quarterdeck_kernel::{Moment, Severity, Subject, SubjectKind, Timestamp};
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::pane::Click;
use quarterdeck_ui::{Context, Effect, Event, Hit, Key, KeyCode, Pane, PaneSpec, Scope};
use quarterdeck_widgets::chart::Viewport;
use quarterdeck_widgets::prompt::{Edit, Prompt};
use quarterdeck_widgets::table::Rows;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::editor::{Editor, Typed};
use self::examples::{Example, examples};
use self::lines::{Lines, SeriesRows};
use self::queries::{Figures, Queries};
use self::window::Asked;
use crate::World;
use crate::world::{Answer, Arrange, Complaint, Evaluated, Names, PlotFormat, Query};

/// The shortest time between two evaluations of a live query, in milliseconds.
const LIVE_EVERY: i64 = 2_000;
/// A live query that failed is asked again after this time, in milliseconds.
const RETRY_AFTER: i64 = 10_000;
/// A live query takes at most one part in so many of the time.
const REST: i64 = 4;
/// Series that are still arranged at each move of the time cursor.
const SMALL: usize = 500;

/// How the answer is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Options {
    graph: bool,
    log: bool,
    stacked: bool,
    /// The value axis need not begin at zero.
    fit: bool,
    /// Distance of points in milliseconds; automatic if none.
    step: Option<i64>,
    /// All remarks are shown.
    explain: bool,
}

/// The pane.
#[derive(Debug)]
pub struct Metrics {
    queries: Queries,
    options: Options,
    editor: Option<Editor>,
    /// The step as it is typed.
    stepping: Option<Prompt>,
    lines: Arc<Lines>,
    /// The legend under the graph, and the table.
    list: Listing,
    table: Listing,
    /// Only the selected series is drawn.
    only: bool,
    pending: Option<Asked>,
    /// What the series are the answer to, and how long it took in milliseconds.
    done: Option<(Asked, i64)>,
    /// Why there is no answer, or no newer one.
    trouble: Option<String>,
    /// Not to be asked again by itself.
    given_up: bool,
    /// Queries to begin with; none while they are not known.
    examples: Option<Vec<Example>>,
    example: usize,
    asked_examples: bool,
    exporting: Option<String>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            queries: Queries::default(),
            options: Options {
                graph: true,
                log: false,
                stacked: false,
                fit: false,
                step: None,
                explain: false,
            },
            editor: None,
            stepping: None,
            lines: Arc::default(),
            list: Listing::new(&spec::LEGEND, None),
            table: Listing::new(&spec::TABLE, None),
            only: false,
            pending: None,
            done: None,
            trouble: None,
            given_up: false,
            examples: None,
            example: 0,
            asked_examples: false,
            exporting: None,
        }
    }

    /// Whether nothing is asked yet and nothing is being typed: the place for examples.
    fn blank(&self) -> bool {
        self.queries.is_blank() && self.editor.is_none()
    }

    const fn listing(&self) -> &Listing {
        if self.options.graph { &self.list } else { &self.table }
    }

    const fn listing_mut(&mut self) -> &mut Listing {
        if self.options.graph { &mut self.list } else { &mut self.table }
    }

    fn rows(&self, cx: &Context<'_, World>) -> SeriesRows {
        SeriesRows {
            lines: Arc::clone(&self.lines),
            at: cx.scope.cursor,
            signs: self.options.graph,
            numbers: Vec::new(),
        }
    }

    fn step(&self, cx: &Context<'_, World>) -> i64 {
        window::step(cx.scope.range, cx.area.width.saturating_sub(10), self.options.step)
    }

    /// Arranges the rows anew, in the background if there are many.
    fn refresh(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let rows = self.rows(cx);
        self.listing_mut().refresh(&rows);
        self.arrange(rows)
    }

    fn arrange(&mut self, rows: SeriesRows) -> Vec<Effect<World>> {
        let wanted = self.listing_mut().wanted();
        wanted
            .map(|spec| Effect::Query {
                slot: "arrange",
                query: Query::Arrange(Arrange { rows: Arc::new(rows), spec }),
            })
            .into_iter()
            .collect()
    }

    /// The question that the queries, the view and the scope make.
    fn wanted(&self, cx: &Context<'_, World>) -> Option<Asked> {
        let exprs: Vec<(char, String)> =
            self.queries.iter().filter(|q| q.asks()).map(|q| (q.letter, q.text.clone())).collect();
        let step = self.step(cx);
        let live = cx.scope.moment == Moment::Live && (self.options.graph || cx.scope.cursor.is_none());
        let end = cx.scope.moment.or(cx.world.now);
        let to = match cx.scope.cursor {
            Some(cursor) if !self.options.graph => cursor,
            _ => end,
        };
        (!exprs.is_empty()).then_some(Asked {
            exprs,
            graph: self.options.graph,
            live,
            span: cx.scope.range,
            to,
            step,
        })
    }

    /// Asks what has to be asked: something new at once, the same again while it is live.
    fn keep_up(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(wanted) = self.wanted(cx) else {
            self.pending = None;
            self.done = None;
            if !self.lines.all.is_empty() {
                self.lines = Arc::default();
                return self.refresh(cx);
            }
            return Vec::new();
        };
        if self.pending.as_ref().is_some_and(|asked| asked.same(&wanted)) {
            return Vec::new();
        }
        if let Some((done, took)) = self.done.as_ref().filter(|(done, _)| done.same(&wanted)) {
            let passed = wanted.to.as_millis().saturating_sub(done.to.as_millis());
            let pause = if self.trouble.is_some() { RETRY_AFTER } else { LIVE_EVERY };
            let due = passed >= pause.max(wanted.step.min(60_000)).max(took.saturating_mul(REST));
            if !wanted.live || cx.scope.frozen || self.given_up || !due {
                return Vec::new();
            }
        }
        self.ask(wanted)
    }

    fn ask(&mut self, wanted: Asked) -> Vec<Effect<World>> {
        let exprs: Vec<String> = wanted.exprs.iter().map(|(_, text)| text.clone()).collect();
        let query = if wanted.graph {
            // Points at whole steps: those that were there stay where they were.
            let whole =
                |t: Timestamp| Timestamp::from_millis(t.as_millis().div_euclid(wanted.step) * wanted.step);
            let from = whole(wanted.to.plus_millis(-wanted.span));
            Query::Range { exprs, from, to: whole(wanted.to), step_ms: wanted.step }
        } else {
            Query::Instant { exprs, at: wanted.to }
        };
        self.pending = Some(wanted);
        self.given_up = false;
        vec![Effect::Query { slot: "series", query }]
    }

    fn answered(
        &mut self,
        results: Vec<Result<Evaluated, Complaint>>,
        graph: bool,
        cx: &Context<'_, World>,
    ) -> Vec<Effect<World>> {
        let Some(asked) =
            self.pending.take_if(|asked| asked.graph == graph && asked.exprs.len() == results.len())
        else {
            return Vec::new();
        };
        self.trouble = None;
        let mut parts = Vec::new();
        let mut took = 0;
        for ((letter, text), result) in asked.exprs.iter().zip(results) {
            let query = self.queries.iter_mut().find(|q| q.letter == *letter && q.text == *text);
            match result {
                Ok(evaluated) => {
                    took += i64::try_from(evaluated.wall_us / 1000).unwrap_or(i64::MAX);
                    if let Some(query) = query {
                        query.complaint = None;
                        query.figures = Some(Figures {
                            series: evaluated.series.len(),
                            series_read: evaluated.series_read,
                            samples_read: evaluated.samples_read,
                            wall_us: evaluated.wall_us,
                            notes: evaluated.notes,
                        });
                    }
                    parts.push((*letter, text.as_str(), evaluated.series));
                }
                Err(complaint) => {
                    if let Some(query) = query {
                        query.figures = None;
                        query.complaint = Some(complaint);
                    }
                }
            }
        }
        let unit = unit::shared(self.queries.iter().filter(|q| q.asks()).filter_map(|q| q.expr.as_ref()));
        let gap = if graph { asked.step + asked.step / 2 } else { 0 };
        self.lines = Arc::new(Lines::new(parts, unit, gap));
        self.done = Some((asked, took));
        self.refresh(cx)
    }

    fn answer(
        &mut self,
        slot: &str,
        answer: Result<Answer, String>,
        cx: &Context<'_, World>,
    ) -> Vec<Effect<World>> {
        match (slot, answer) {
            ("series", Ok(Answer::Range(results))) => return self.answered(results, true, cx),
            ("series", Ok(Answer::Instant(results))) => return self.answered(results, false, cx),
            ("series", Err(why)) => {
                self.given_up = why.starts_with("given up");
                // What was shown stays, and is told to be old.
                if let Some(asked) = self.pending.take() {
                    self.done = Some((asked, 0));
                }
                self.trouble = Some(why);
            }
            ("arrange", Ok(Answer::Arrange(arrangement))) => {
                let rows = self.rows(cx);
                if arrangement.of == rows.len() {
                    self.listing_mut().table.adopt(arrangement, &rows);
                }
            }
            ("names", Ok(Answer::Names(names))) => {
                if let Some(editor) = &mut self.editor {
                    editor.learn(names);
                    return self.ask_names();
                }
            }
            ("names", _) => {
                if let Some(editor) = &mut self.editor {
                    editor.forget();
                }
            }
            ("examples", Ok(Answer::Names(names))) => {
                self.examples = Some(examples(&names));
                self.asked_examples = !names.is_empty();
            }
            ("examples", _) => self.asked_examples = false,
            ("plot", Ok(Answer::Plot(content))) => {
                if let Some(name) = self.exporting.take() {
                    return vec![Effect::Export { name, content }];
                }
            }
            ("plot", Err(why)) => {
                self.exporting = None;
                return vec![Effect::Toast(
                    Severity::Warning,
                    format!("the graph could not be exported: {why}"),
                )];
            }
            _ => {}
        }
        Vec::new()
    }

    fn ask_names(&mut self) -> Vec<Effect<World>> {
        let question = self.editor.as_mut().and_then(Editor::ask);
        question
            .map(|(what, matching)| Effect::Query {
                slot: "names",
                query: Query::Names { what, matching, limit: complete::LIMIT },
            })
            .into_iter()
            .collect()
    }

    /// Examples are asked for while there is nothing else to show.
    fn ask_examples(&mut self) -> Vec<Effect<World>> {
        if !self.blank() || self.asked_examples {
            return Vec::new();
        }
        self.asked_examples = true;
        let query = Query::Names { what: Names::Metrics, matching: String::new(), limit: examples::NAMES };
        vec![Effect::Query { slot: "examples", query }]
    }

    fn edit(&mut self, text: &str, at: Option<usize>) -> Vec<Effect<World>> {
        let mut editor = Editor::new(text, self.queries.history());
        if let Some(at) = at {
            editor.place(at);
        }
        self.editor = Some(editor);
        self.ask_names()
    }

    fn run(&mut self, text: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        self.queries.run(text);
        self.trouble = None;
        self.only = false;
        self.done = None;
        self.keep_up(cx)
    }

    fn type_key(&mut self, key: Key, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if self.stepping.is_some() {
            return self.step_key(key, cx);
        }
        let Some(editor) = &mut self.editor else {
            let rows = self.rows(cx);
            self.listing_mut().key(key, &rows);
            return self.arrange(rows);
        };
        if key == Key::ctrl('s') {
            if let Some(selector) = service_selector(cx) {
                editor.insert(&selector);
            }
            return self.ask_names();
        }
        match editor.key(key) {
            Typed::Goes => self.ask_names(),
            Typed::Run => {
                let text = editor.prompt.text().to_owned();
                self.editor = None;
                let mut effects = vec![Effect::Cancel("names")];
                effects.extend(self.run(&text, cx));
                effects
            }
            Typed::Left(text) => {
                // What was typed is not lost: the history has it.
                if text.trim() != self.queries.current().text {
                    self.queries.remember(text.trim());
                }
                self.editor = None;
                let mut effects = vec![Effect::Cancel("names")];
                effects.extend(self.ask_examples());
                effects
            }
        }
    }

    fn step_key(&mut self, key: Key, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(prompt) = &mut self.stepping else { return Vec::new() };
        match key.code {
            KeyCode::Esc => self.stepping = None,
            KeyCode::Enter => match prompt.text().trim() {
                "" | "auto" => {
                    self.options.step = None;
                    self.stepping = None;
                    return self.keep_up(cx);
                }
                text => match parse_duration(text) {
                    Ok(step) if step.as_millis() > 0 => {
                        self.options.step = Some(quarterdeck_kernel::time::millis(step));
                        self.stepping = None;
                        return self.keep_up(cx);
                    }
                    Ok(_) => prompt.set_error(0..text.len(), "a step must be longer than nothing"),
                    Err(error) => {
                        let end = prompt.text().len();
                        prompt.set_error(0..end, error.to_string());
                    }
                },
            },
            _ => {
                if let Some(edit) = key.text().map(Edit::Insert).or_else(|| Edit::from_key(&key.to_string()))
                {
                    prompt.edit(edit);
                }
            }
        }
        Vec::new()
    }

    fn command(&mut self, command: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let text = self.queries.current().text.clone();
        let step = self.step(cx);
        let shown = window::viewport(cx.scope, cx.world.now);
        let look_at =
            |viewport: Viewport| vec![Effect::Scope(window::looking_at(cx.scope, viewport, cx.world.now))];
        let verb = command.rsplit('.').next().unwrap_or_default();
        match verb {
            "edit" => return self.edit(&text, None),
            "open" => {
                let chosen =
                    self.examples.as_ref().and_then(|e| e.get(self.example)).filter(|_| self.blank());
                return match chosen.map(|e| e.query.clone()) {
                    Some(query) => self.run(&query, cx),
                    None => self.edit(&text, None),
                };
            }
            "up" | "down" if self.blank() => {
                let last = self.examples.as_ref().map_or(0, |e| e.len().saturating_sub(1));
                let at = if verb == "up" { self.example.saturating_sub(1) } else { self.example + 1 };
                self.example = at.min(last);
            }
            "view" => {
                self.options.graph = !self.options.graph;
                self.only = false;
                self.lines = Arc::default();
                self.done = None;
                let mut effects = self.refresh(cx);
                effects.extend(self.keep_up(cx));
                return effects;
            }
            "new" if self.queries.is_blank() => return self.edit("", None),
            "new" => {
                return if self.queries.add() {
                    self.edit("", None)
                } else {
                    told(format!("{} queries are as many as can be told apart", queries::MOST))
                };
            }
            "remove" => {
                self.queries.remove();
                let mut effects = self.keep_up(cx);
                effects.extend(self.ask_examples());
                return effects;
            }
            "toggle" => {
                self.queries.toggle();
                return self.keep_up(cx);
            }
            "next" => self.queries.step(1),
            "previous" => self.queries.step(-1),
            "only" => self.only = !self.only && self.list.table.selected_row().is_some(),
            "rate" => {
                return match rewrite::rate(&text) {
                    Some(query) => self.run(&query, cx),
                    None => told("there is no selector to turn into a rate"),
                };
            }
            "sum" if text.is_empty() => return self.edit("sum(", None),
            "sum" => {
                let (query, at) = rewrite::sum_by(&text);
                return self.edit(&query, Some(at));
            }
            "service" => return self.narrow(&text, cx),
            "cursor-back" => {
                return vec![Effect::Scope(window::cursor_moved(cx.scope, cx.world.now, step, -1))];
            }
            "cursor-forward" => {
                return vec![Effect::Scope(window::cursor_moved(cx.scope, cx.world.now, step, 1))];
            }
            "pan-back" => return look_at(shown.pan(-0.5)),
            "pan-forward" => return look_at(shown.pan(0.5)),
            "zoom-in" => return look_at(shown.zoom(0.5, cx.scope.cursor.unwrap_or(shown.to()))),
            "zoom-out" => return look_at(shown.zoom(2.0, cx.scope.cursor.unwrap_or(shown.to()))),
            "log" => self.options.log = !self.options.log,
            "stack" => self.options.stacked = !self.options.stacked,
            "fit" => self.options.fit = !self.options.fit,
            "step" => {
                let mut prompt = Prompt::new("step", "automatic; or a length of time such as 15s");
                prompt.set_text(&self.options.step.map(view::span).unwrap_or_default());
                self.stepping = Some(prompt);
            }
            "explain" => self.options.explain = !self.options.explain,
            "csv" => return self.export_csv(cx),
            "png" => return self.export_plot(PlotFormat::Png, cx),
            "svg" => return self.export_plot(PlotFormat::Svg, cx),
            "back" if self.only => self.only = false,
            _ => {
                let rows = self.rows(cx);
                let area = self.layout(cx.area).series;
                let did = self.listing_mut().command(verb, area, &rows);
                return self.done_in_list(did, rows);
            }
        }
        Vec::new()
    }

    fn done_in_list(&mut self, did: Did, rows: SeriesRows) -> Vec<Effect<World>> {
        match did {
            Did::Back => vec![Effect::Back],
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => {
                self.only = !self.only && self.options.graph;
                Vec::new()
            }
            Did::Nothing | Did::Changed => self.arrange(rows),
        }
    }

    fn narrow(&mut self, text: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(service) = &cx.scope.service else {
            return told("no service is selected: S chooses one");
        };
        let Some(selector) = service_selector(cx) else {
            return told(format!("nothing is known of {service} that a query could select by"));
        };
        if text.is_empty() {
            return self.edit(&selector, None);
        }
        match rewrite::narrow(text, &selector) {
            Some(query) => self.run(&query, cx),
            None => told(format!("the query is of {service} alone already")),
        }
    }

    fn export_csv(&self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if self.lines.all.is_empty() {
            return told("there is no value to export yet");
        }
        let name = export::file_name(&self.queries.current().text, cx.scope.moment.or(cx.world.now), "csv");
        vec![Effect::Export { name, content: export::csv(&self.lines, self.options.graph).into_bytes() }]
    }

    fn export_plot(&mut self, format: PlotFormat, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        use quarterdeck_ui::pane::World as _;
        if self.lines.all.is_empty() || !self.options.graph {
            return told(if self.options.graph {
                "there is no graph to export yet"
            } else {
                "a table is exported as CSV; v shows the graph"
            });
        }
        let ending = if format == PlotFormat::Png { "png" } else { "svg" };
        let title: Vec<&str> = self.queries.iter().filter(|q| q.asks()).map(|q| q.text.as_str()).collect();
        let viewport = window::viewport(cx.scope, cx.world.now);
        let marks = cx.world.marks(viewport.from(), viewport.to(), cx.scope.service.as_deref());
        let marks = marks.into_iter().map(|e| (e.at, e.summary)).collect();
        self.exporting = Some(export::file_name(&self.queries.current().text, viewport.to(), ending));
        let step = self.done.as_ref().map_or_else(|| self.step(cx), |(asked, _)| asked.step);
        let plot =
            export::plot(title.join("   "), &self.lines, &self.drawn(), (viewport, step), marks, format);
        vec![Effect::Query { slot: "plot", query: Query::Plot(plot) }]
    }

    fn hit(
        &mut self,
        target: &str,
        click: Click,
        at: (u16, u16),
        cx: &Context<'_, World>,
    ) -> Vec<Effect<World>> {
        let (what, which) = target.split_once(':').unwrap_or((target, ""));
        match what {
            "series" => {
                let rows = self.rows(cx);
                let area = self.layout(cx.area).series;
                let did = self.listing_mut().click(click, at, area, &rows);
                self.done_in_list(did, rows)
            }
            "query" if matches!(click, Click::Press | Click::Double) => {
                let place = which.parse().unwrap_or(0);
                let again = self.queries.selected() == place;
                self.queries.select(place);
                let text = self.queries.current().text.clone();
                if again && self.editor.is_none() { self.edit(&text, None) } else { Vec::new() }
            }
            "example" if matches!(click, Click::Press | Click::Double) => {
                self.example = which.parse().unwrap_or(0);
                self.command("metrics.open", cx)
            }
            "chart" => {
                let shown = window::viewport(cx.scope, cx.world.now);
                let time = shown.time_at(at.0, which.parse().unwrap_or(1));
                let scope = match click {
                    Click::Press | Click::Drag => Scope { cursor: Some(time), ..cx.scope.clone() },
                    Click::Double => Scope { cursor: None, ..cx.scope.clone() },
                    Click::ScrollUp => window::looking_at(cx.scope, shown.zoom(0.5, time), cx.world.now),
                    Click::ScrollDown => window::looking_at(cx.scope, shown.zoom(2.0, time), cx.world.now),
                };
                vec![Effect::Scope(scope)]
            }
            _ => Vec::new(),
        }
    }
}

fn told(text: impl Into<String>) -> Vec<Effect<World>> {
    vec![Effect::Toast(Severity::Info, text.into())]
}

/// The first selector of the service in scope.
fn service_selector(cx: &Context<'_, World>) -> Option<String> {
    let name = cx.scope.service.as_deref()?;
    cx.world.services.service(name)?.selectors.first().cloned()
}

impl Pane<World> for Metrics {
    fn spec(&self) -> &'static PaneSpec {
        &spec::SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match event {
            Event::Shown | Event::World => {
                let mut effects = self.keep_up(cx);
                effects.extend(self.ask_examples());
                effects
            }
            Event::Scope => {
                let by_cursor = self.listing().table.sort().is_some_and(|s| s.column == "cursor");
                let mut effects = self.keep_up(cx);
                if by_cursor && (self.lines.all.len() <= SMALL || self.pending.is_none()) {
                    effects.extend(self.refresh(cx));
                }
                effects
            }
            Event::Open(subject) => {
                self.editor = None;
                self.queries.run(&subject.id);
                self.queries.alone();
                self.trouble = None;
                self.only = false;
                self.done = None;
                self.keep_up(cx)
            }
            Event::Command(command) => self.command(command, cx),
            Event::Key(key) => self.type_key(key, cx),
            Event::Paste(text) => {
                if let Some(prompt) = &mut self.stepping {
                    prompt.insert(text);
                    Vec::new()
                } else if let Some(editor) = &mut self.editor {
                    editor.insert(text);
                    self.ask_names()
                } else {
                    let rows = self.rows(cx);
                    self.listing_mut().paste(text, &rows);
                    self.arrange(rows)
                }
            }
            Event::Hit { target, click, at } => self.hit(target, click, at, cx),
            Event::Answer { slot, answer } => self.answer(slot, answer, cx),
        }
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        self.draw(cx, buffer, area)
    }

    fn selection(&self, _cx: &Context<'_, World>) -> Option<Subject> {
        let listing = self.listing();
        let line = listing.table.selected_row().and_then(|row| self.lines.all.get(row));
        let named = line.filter(|l| !l.labels.is_empty()).map(|l| l.full().to_owned());
        let query = Some(self.queries.current().text.clone()).filter(|text| !text.is_empty());
        query.or(named).map(|id| Subject::new(SubjectKind::Series, id))
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        if self.blank() {
            let examples = self.examples.as_ref().is_some_and(|e| !e.is_empty());
            return if examples { vec!["metrics.open", "metrics.edit"] } else { vec!["metrics.edit"] };
        }
        let query = self.queries.current();
        let mut hints = vec!["metrics.edit"];
        if query.expr.as_ref().is_some_and(rewrite::wants_rate) {
            hints.push("metrics.rate");
        }
        hints.extend(["metrics.view", "metrics.new"]);
        if cx.scope.service.is_some() {
            hints.push("metrics.service");
        }
        if self.queries.len() > 1 {
            hints.extend(["metrics.next", "metrics.toggle", "metrics.remove"]);
        }
        if !self.lines.all.is_empty() {
            if self.options.graph {
                hints.push("metrics.cursor-back");
                if self.lines.all.len() > 1 {
                    hints.push("metrics.only");
                }
            }
            hints.extend(["metrics.sum", "metrics.filter", "metrics.csv"]);
            if self.options.graph {
                hints.extend(["metrics.log", "metrics.stack"]);
            }
        }
        hints
    }

    fn typing(&self) -> bool {
        self.editor.is_some() || self.stepping.is_some() || self.listing().typing()
    }

    fn remember(&self) -> Option<String> {
        let mut lines = self.queries.lines();
        let o = &self.options;
        for (word, on) in [("table", !o.graph), ("log", o.log), ("stacked", o.stacked), ("fit", o.fit)] {
            lines.extend(on.then(|| format!("is {word}")));
        }
        lines.extend(o.step.map(|step| format!("step {step}")));
        lines.push(format!("list {}", self.list.table.remember()));
        Some(lines.join("\n"))
    }

    fn restore(&mut self, remembered: &str) {
        for line in remembered.lines() {
            match line.split_once(' ') {
                Some(("is", "table")) => self.options.graph = false,
                Some(("is", "log")) => self.options.log = true,
                Some(("is", "stacked")) => self.options.stacked = true,
                Some(("is", "fit")) => self.options.fit = true,
                Some(("step", step)) => self.options.step = step.parse().ok().filter(|s| *s > 0),
                Some(("list", list)) => self.list.table.restore(list),
                _ => self.queries.restore(line),
            }
        }
        self.queries.select(0);
    }
}
