//! The metrics explorer: any PromQL, as graph and table, with completion, several queries, and export.

mod answers;
mod commands;
mod complete;
mod editor;
mod examples;
mod export;
mod lines;
mod queries;
mod rewrite;
mod spec;
mod typing;

mod view;
mod window;

use std::sync::Arc;

use quarterdeck_kernel::{Subject, SubjectKind};
use quarterdeck_ui::listing::Listing;
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use quarterdeck_widgets::prompt::Prompt;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::editor::Editor;
use self::examples::Example;
use self::lines::{Lines, SeriesRows};
use self::queries::Queries;
use self::window::Asked;
use crate::World;
use crate::world::{Arrange, Query};

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
    /// The chosen example is to be run as soon as it is known: Enter came before the examples did.
    eager: bool,
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
            eager: false,
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
}

impl Pane<World> for Metrics {
    fn spec(&self) -> &'static PaneSpec {
        &spec::SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match event {
            Event::Shown | Event::World => {
                self.eager &= matches!(event, Event::World);
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
            // The queries are as they were left.
            Event::Return(_) => Vec::new(),
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
