//! How the explorer is drawn.

use quarterdeck_kernel::{Moment, Severity};
use quarterdeck_ui::{Context, Hit};
use quarterdeck_widgets::chart::{Chart, Legend, Series};
use quarterdeck_widgets::empty::Empty;
use quarterdeck_widgets::{Depth, Glyph, Role, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

use super::lines::Line;
use super::queries::Query;
use super::{Metrics, window};
use crate::World;

/// The most series that are drawn at once: more cannot be told apart.
const DRAWN: usize = 32;

/// Columns in front of a query: bar, letter, space.
const MARGIN: u16 = 4;

/// Where things are.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    title: Rect,
    /// The rows of each query, by place: those that fit.
    pub(super) queries: Vec<(usize, Rect)>,
    pub(super) chart: Rect,
    series_rule: Rect,
    pub(super) series: Rect,
    explain: Rect,
}

impl Layout {
    pub(super) fn new(area: Rect, pane: &Metrics, world_notes: u16) -> Self {
        let mut y = area.y;
        let mut take = |height: u16| {
            let height = height.min(area.bottom().saturating_sub(y));
            let taken = Rect { y, height, ..area };
            y += height;
            taken
        };
        let title = take(1);
        let most = (area.height / 3).max(1);
        let selected = pane.queries.selected();
        let heights: Vec<u16> =
            pane.queries.iter().enumerate().map(|(i, q)| pane.query_height(i, q)).collect();
        // When not all fit, those before the selected one go first.
        let mut first = 0;
        while heights[first..=selected].iter().sum::<u16>() > most && first < selected {
            first += 1;
        }
        let mut queries = Vec::new();
        let mut used = 0;
        for (place, height) in heights.iter().enumerate().skip(first) {
            if used + height > most && place > selected {
                break;
            }
            used += height;
            queries.push((place, take(*height)));
        }
        let rest = area.height.saturating_sub(title.height + used);
        if pane.queries.is_blank() {
            let help = u16::from(!pane.blank() && rest > 3);
            let chart = take(rest - help);
            let none = take(0);
            return Self { title, queries, chart, series_rule: none, series: none, explain: take(help) };
        }
        let explain = if rest >= 6 { world_notes.clamp(1, rest / 3) } else { 0 };
        let rest = rest - explain;
        let rows = u16::try_from(pane.lines.all.len()).unwrap_or(u16::MAX);
        let series = match (pane.options.graph, rest) {
            (false, _) => rest,
            // Rule, heading and at least three rows beside a graph that can be read.
            (true, 14..) => {
                (rows.clamp(1, 60) + 2 + u16::from(pane.list.typing())).clamp(4, (rest * 2 / 5).max(4))
            }
            (true, _) => 0,
        };
        let chart = take(rest - series);
        let series_rule = take(1.min(series));
        let series = take(series.saturating_sub(1));
        Self { title, queries, chart, series_rule, series, explain: take(explain) }
    }
}

impl Metrics {
    /// Rows of a query: one, and another for what is wrong with it.
    fn query_height(&self, place: usize, query: &Query) -> u16 {
        let wrong = match &self.editor {
            Some(editor) if place == self.queries.selected() => editor.prompt.error().is_some(),
            _ => query.complaint.is_some() && query.on,
        };
        1 + u16::from(wrong)
    }

    pub(super) fn layout(&self, area: Rect) -> Layout {
        Layout::new(area, self, self.notes(area.width).len() as u16)
    }

    /// The series on the graph, in the order of the list, the selected one first.
    pub(super) fn drawn(&self) -> Vec<usize> {
        let table = &self.list.table;
        let known = |row: &usize| *row < self.lines.all.len();
        let selected = table.selected_row().filter(known);
        if self.only {
            return selected.into_iter().collect();
        }
        let listed = (0..table.len()).filter_map(|place| table.row_at(place)).filter(known);
        let mut drawn: Vec<usize> = listed.take(DRAWN).collect();
        if let Some(row) = selected {
            match drawn.iter().position(|r| *r == row) {
                Some(place) => drawn.swap(0, place),
                None => drawn.insert(0, row),
            }
        }
        // Stacks keep their order: a selection must not turn them over.
        if self.options.stacked {
            drawn.sort_unstable();
        }
        drawn
    }

    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let layout = self.layout(area);
        let mut hits = Vec::new();
        rule::rule(cx.look, buffer, layout.title, "metrics", &self.state(cx));
        let mut typed = None;
        for (place, row) in &layout.queries {
            if let Some(query) = self.queries.iter().nth(*place) {
                typed = self.draw_query(cx, buffer, *row, *place, query).or(typed);
            }
            hits.push(Hit { area: *row, target: format!("query:{place}") });
        }
        if self.blank() {
            hits.extend(self.draw_examples(cx, buffer, layout.chart));
        } else if self.queries.is_blank() {
            let next = "Enter runs it · Esc leaves it";
            Empty { what: "Tab offers what fits at the cursor.", next, key: "" }.draw(
                cx.look,
                buffer,
                layout.chart,
            );
        } else if self.options.graph {
            hits.extend(self.draw_chart(cx, buffer, layout.chart));
        }
        if !layout.series.is_empty() {
            self.draw_series(cx, buffer, &layout);
            hits.push(Hit { area: layout.series, target: "series".to_owned() });
        }
        self.draw_notes(cx, buffer, layout.explain);
        if let (Some(editor), Some((_, row))) =
            (&self.editor, layout.queries.iter().find(|(place, _)| *place == self.queries.selected()))
        {
            let line = inner(*row);
            editor.prompt.draw_choices(
                cx.look,
                buffer,
                Rect { height: 1, x: line.x.saturating_sub(1), ..line },
                area,
            );
        }
        if let Some(cell) = typed.and_then(|at| buffer.cell_mut(at)) {
            cell.set_style(cx.look.style(Role::Accent).add_modifier(Modifier::REVERSED));
        }
        hits
    }

    /// What the title says at its right: view, range, step, scale.
    fn state(&self, cx: &Context<'_, World>) -> String {
        let mut parts = Vec::new();
        if self.pending.is_some() && self.done.is_none() {
            parts.push("evaluating…".to_owned());
        }
        if self.options.graph {
            parts.push(format!("graph of {}", span(cx.scope.range)));
            let step = self.step(cx);
            let set = if self.options.step.is_some() { "" } else { " (auto)" };
            parts.push(format!("step {}{set}", span(step)));
            parts.extend(self.options.log.then(|| "log".to_owned()));
            parts.extend((self.options.stacked && !self.options.log).then(|| "stacked".to_owned()));
            parts.extend(self.options.fit.then(|| "not from zero".to_owned()));
        } else {
            let at = cx.scope.cursor.or(match cx.scope.moment {
                Moment::Live => None,
                Moment::At(at) => Some(at),
            });
            parts.push(at.map_or("table of now".to_owned(), |at| {
                format!("table of {}", cx.look.when(at, cx.world.now))
            }));
        }
        parts.join(" · ")
    }

    fn draw_query(
        &self,
        cx: &Context<'_, World>,
        buffer: &mut Buffer,
        area: Rect,
        place: usize,
        query: &Query,
    ) -> Option<Position> {
        if area.is_empty() {
            return None;
        }
        let look = cx.look;
        let selected = place == self.queries.selected();
        let (bar, bar_role) = if selected && self.queries.len() > 1 {
            (look.glyph(Glyph::Bar), Role::Accent)
        } else {
            (" ", Role::Text)
        };
        let letter = query.letter.to_string();
        let sign = if self.queries.len() > 1 { letter.as_str() } else { look.glyph(Glyph::Prompt) };
        let sign_role = if selected { Role::Accent } else { Role::Muted };
        let front = [(" ", Role::Text), (bar, bar_role), (sign, sign_role)].map(|(t, r)| (t, look.style(r)));
        text::put_spans(buffer, area.x, area.y, MARGIN, &front);
        let line = inner(area);
        if let Some(editor) = self.editor.as_ref().filter(|_| selected) {
            return editor.prompt.draw(look, buffer, line);
        }
        let (told, role) = self.told(cx, query);
        let taken = text::put_right(buffer, line.x, area.y, line.width, &told, look.style(role));
        let room = line.width.saturating_sub(if taken > 0 { taken + 2 } else { 0 });
        let role = if query.on { Role::Text } else { Role::Faint };
        if query.text.is_empty() {
            text::put(buffer, line.x, area.y, room, "i to ask something", look.style(Role::Faint));
        }
        text::put(buffer, line.x, area.y, room, &query.text, look.style(role));
        if let Some(complaint) = query.complaint.as_ref().filter(|_| query.on) {
            let before = query.text.get(..complaint.range.start).map_or(0, text::width);
            let wrong = query.text.get(complaint.range.clone()).unwrap_or_default();
            let column = u16::try_from(before).unwrap_or(u16::MAX).min(room);
            let style = look.style(Role::Critical).add_modifier(Modifier::UNDERLINED);
            text::put(buffer, line.x + column, area.y, room - column, wrong, style);
            if area.height > 1 {
                let width =
                    u16::try_from(text::width(&complaint.message)).unwrap_or(u16::MAX).min(line.width);
                let x = (line.x + column).min(line.right() - width);
                text::put(buffer, x, area.y + 1, width, &complaint.message, look.style(Role::Critical));
            }
        }
        None
    }

    /// What stands at the right of a query.
    fn told(&self, cx: &Context<'_, World>, query: &Query) -> (String, Role) {
        match (&query.figures, &query.complaint) {
            _ if !query.on => ("off".to_owned(), Role::Muted),
            (_, Some(_)) => (cx.look.glyph(Glyph::Failed).to_owned(), Role::Critical),
            (Some(figures), None) => {
                let count = format::grouped(figures.series as u64);
                (format!("{count} series · {}", took(figures.wall_us)), Role::Muted)
            }
            (None, None) if query.text.is_empty() => (String::new(), Role::Muted),
            (None, None) => ("…".to_owned(), Role::Running),
        }
    }

    fn draw_chart(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Option<Hit> {
        if let Some((what, next)) = self.nothing() {
            Empty { what: &what, next: &next, key: "" }.draw(cx.look, buffer, area);
            return None;
        }
        let drawn = self.drawn();
        let series: Vec<Series<'_>> = drawn
            .iter()
            .filter_map(|row| Some((row, self.lines.all.get(*row)?)))
            .map(|(row, line)| Series::new(self.lines.short(line), &line.samples).role(Line::role(*row)))
            .collect();
        let viewport = window::viewport(cx.scope, cx.world.now);
        let marks = {
            use quarterdeck_ui::pane::World as _;
            cx.world.marks(viewport.from(), viewport.to(), cx.scope.service.as_deref())
        };
        let legend = if self.layout(cx.area).series.is_empty() { Legend::Row } else { Legend::None };
        let mut chart = Chart::new(&series, viewport, self.lines.unit.clone());
        chart.log = self.options.log;
        chart.stacked = self.options.stacked && !self.options.log;
        chart.from_zero = !self.options.fit;
        chart.cursor = cx.scope.cursor;
        chart.marks = &marks;
        chart.legend = legend;
        chart.gap = self.lines.gap;
        chart.fine = true;
        let plot = chart.draw(cx.look, buffer, Rect { width: area.width.saturating_sub(1), ..area });
        let cut = self.list.table.len() > drawn.len() && !self.only;
        if cut && plot.width > 30 {
            let note =
                format!(" {} of {} drawn ", drawn.len(), format::grouped(self.list.table.len() as u64));
            text::put_right(buffer, plot.x, plot.y, plot.width, &note, cx.look.style(Role::Warning));
        }
        (!plot.is_empty()).then(|| Hit { area: plot, target: format!("chart:{}", plot.width) })
    }

    /// Why there is nothing to draw: what, and what to do.
    fn nothing(&self) -> Option<(String, String)> {
        if !self.lines.all.is_empty() {
            return None;
        }
        let asks = self.queries.iter().any(Query::asks);
        Some(match (&self.trouble, &self.done) {
            (Some(why), _) => {
                (format!("No answer: {why}."), "i to change the query, Enter there to ask again.".to_owned())
            }
            _ if !asks && self.queries.iter().any(|q| q.on && q.complaint.is_some()) => (
                "The query cannot be asked as it is.".to_owned(),
                "i to mend it where it is marked.".to_owned(),
            ),
            _ if !asks => ("No query is on.".to_owned(), "t switches the selected one on.".to_owned()),
            (None, None) => ("Evaluating…".to_owned(), String::new()),
            (None, Some(_)) => (
                "No series answers within this time.".to_owned(),
                "i to look at names with Tab; - to look further back.".to_owned(),
            ),
        })
    }

    fn draw_series(&self, cx: &Context<'_, World>, buffer: &mut Buffer, layout: &Layout) {
        let lines = &self.lines;
        let count = lines.all.len();
        let mut title = format!("{} series", format::grouped(count as u64));
        if !lines.common.is_empty() {
            title.push_str(&format!(" · all {}", lines.common));
        }
        if let Some(by) = lines.by() {
            title.push_str(&format!(" · by {by}"));
        }
        let unit = lines.scale.as_ref().map(|s| s.unit.to_string()).filter(|u| !u.is_empty());
        let cursor = cx.scope.cursor.filter(|_| self.options.graph).map(|at| cx.look.clock(at));
        let right: Vec<String> = [unit, cursor].into_iter().flatten().collect();
        rule::rule(cx.look, buffer, layout.series_rule, &title, &right.join(" · "));
        if count == 0 && !self.options.graph {
            if let Some((what, next)) = self.nothing() {
                Empty { what: &what, next: &next, key: "" }.draw(cx.look, buffer, layout.series);
            }
            return;
        }
        let mut rows = self.rows(cx);
        if cx.look.depth() == Depth::None {
            rows.numbers = self.drawn();
        }
        self.listing().draw(cx.look, buffer, layout.series, &rows);
    }

    /// What the selected query read, and remarks; one line unless all is asked for.
    pub(super) fn notes(&self, width: u16) -> Vec<(String, Role)> {
        if let Some(prompt) = &self.stepping {
            let told = prompt.error().map(|why| (why.to_owned(), Role::Critical));
            return std::iter::once((String::new(), Role::Text)).chain(told).collect();
        }
        if let Some(editor) = &self.editor {
            return vec![(editor.help(), Role::Muted)];
        }
        let mut lines = Vec::new();
        let query = self.queries.current();
        let room = usize::from(width.saturating_sub(2));
        if let Some(why) = &self.trouble {
            lines.push((format!("not up to date: {why}"), Role::Warning));
        }
        if let Some(figures) = &query.figures {
            let read = format!(
                "{} series read · {} samples · {}",
                format::grouped(figures.series_read),
                format::grouped(figures.samples_read),
                took(figures.wall_us)
            );
            let notes = &figures.notes;
            match notes.as_slice() {
                _ if self.options.explain => {
                    lines.push((read, Role::Muted));
                    for note in notes {
                        lines.extend(text::wrap(note, room).into_iter().map(|l| (l, Role::Warning)));
                    }
                    if notes.is_empty() {
                        lines.push(("no remarks on this query".to_owned(), Role::Faint));
                    }
                }
                [] if query.expr.as_ref().is_some_and(super::rewrite::wants_rate) && self.options.graph => {
                    lines.push((format!("{read} · a counter: p shows it per second"), Role::Muted));
                }
                [] => lines.push((read, Role::Muted)),
                [note] => lines.push((format!("{read} · {note}"), Role::Warning)),
                [note, more @ ..] => lines.push((format!("{note} (x: {} more)", more.len()), Role::Warning)),
            }
        }
        if lines.is_empty() {
            lines.push((String::new(), Role::Muted));
        }
        lines
    }

    fn draw_notes(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        let notes = self.notes(area.width);
        for ((line, role), y) in notes.iter().zip(area.y..area.bottom()) {
            let glyph = (*role == Role::Warning).then(|| cx.look.glyph(Severity::Warning));
            let glyph = glyph.map(|g| format!("{g} ")).unwrap_or_default();
            let spans = [(glyph.as_str(), cx.look.style(*role)), (line.as_str(), cx.look.style(*role))];
            text::put_spans(buffer, area.x + 1, y, area.width.saturating_sub(2), &spans);
        }
        if let Some(prompt) = &self.stepping {
            let line = Rect {
                x: area.x + 1,
                width: area.width.saturating_sub(2),
                height: 1.min(area.height),
                ..area
            };
            let cursor = prompt.draw(cx.look, buffer, line);
            if let Some(cell) = cursor.and_then(|at| buffer.cell_mut(at)) {
                cell.set_style(cx.look.style(Role::Accent).add_modifier(Modifier::REVERSED));
            }
        }
    }

    fn draw_examples(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        if area.is_empty() {
            return Vec::new();
        }
        let look = cx.look;
        let Some(examples) = self.examples.as_ref().filter(|e| !e.is_empty()) else {
            let (what, next) = match &self.examples {
                None => ("Ask anything that the store knows.", "i to type a query; Tab offers names."),
                Some(_) => (
                    "The store holds no metric yet.",
                    "Add a [[scrape.jobs]] to quarterdeck.toml, or start with --prometheus-config prometheus.yml.",
                ),
            };
            Empty { what, next, key: "" }.draw(look, buffer, area);
            return Vec::new();
        };
        let widest =
            examples.iter().map(|e| text::width(&e.query).max(text::width(&e.what) + 2)).max().unwrap_or(0);
        let width = (widest as u16 + 6).max(52).min(area.width.saturating_sub(2));
        let height = examples.len() as u16 * 3 + 4;
        let x = area.x + (area.width - width) / 2;
        let mut y = area.y + area.height.saturating_sub(height) / 3;
        let mut line = |buffer: &mut Buffer, spans: &[(&str, Role)]| {
            if y < area.bottom() {
                let spans: Vec<_> = spans.iter().map(|(t, r)| (*t, look.style(*r))).collect();
                text::put_spans(buffer, x, y, width, &spans);
            }
            y += 1;
            y - 1
        };
        line(buffer, &[("Ask anything in PromQL. To begin with:", Role::Muted)]);
        line(buffer, &[]);
        let mut hits = Vec::new();
        for (place, example) in examples.iter().enumerate() {
            let chosen = place == self.example;
            let bar = if chosen { look.glyph(Glyph::Bar) } else { " " };
            let role = if chosen { Role::Text } else { Role::Muted };
            let top = line(buffer, &[(bar, Role::Accent), (" ", Role::Text), (&example.query, role)]);
            line(buffer, &[("    ", Role::Text), (&example.what, Role::Faint)]);
            line(buffer, &[]);
            if top < area.bottom() {
                if chosen {
                    look.select(buffer, Rect { x, y: top, width, height: 1 });
                }
                hits.push(Hit {
                    area: Rect { x, y: top, width, height: 1 },
                    target: format!("example:{place}"),
                });
            }
        }
        line(
            buffer,
            &[
                ("Enter", Role::Key),
                (" runs it · ", Role::Muted),
                ("i", Role::Key),
                (" types your own", Role::Muted),
            ],
        );
        hits
    }
}

/// The line of a query, without what stands in front.
fn inner(area: Rect) -> Rect {
    let margin = MARGIN.min(area.width);
    Rect { x: area.x + margin, width: area.width.saturating_sub(margin + 1), ..area }
}

/// How long something took: `3.1 ms`.
fn took(micros: u64) -> String {
    format!("{} ms", format::figure(micros as f64 / 1e3))
}

/// A length of time as it is typed: `15m`, `1m30s`.
pub(super) fn span(millis: i64) -> String {
    let length = std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    quarterdeck_kernel::time::format_duration(length)
}
