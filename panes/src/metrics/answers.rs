//! What is asked in the background, when, and what is made of the answers.

use std::sync::Arc;

use quarterdeck_kernel::{Moment, Severity, Timestamp};
use quarterdeck_ui::{Context, Effect};
use quarterdeck_widgets::table::Rows;

use super::editor::Editor;
use super::examples::examples;
use super::lines::Lines;
use super::queries::Figures;
use super::window::Asked;
use super::{Metrics, complete, examples};
use crate::World;
use crate::world::{Answer, Complaint, Evaluated, Names, Query};

/// The shortest time between two evaluations of a live query, in milliseconds.
const LIVE_EVERY: i64 = 2_000;
/// A live query that failed is asked again after this time, in milliseconds.
const RETRY_AFTER: i64 = 10_000;
/// A live query takes at most one part in so many of the time.
const REST: i64 = 4;
impl Metrics {
    /// The question that the queries, the view and the scope make.
    pub(super) fn wanted(&self, cx: &Context<'_, World>) -> Option<Asked> {
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
    pub(super) fn keep_up(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
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

    pub(super) fn ask(&mut self, wanted: Asked) -> Vec<Effect<World>> {
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

    pub(super) fn answered(
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
        let unit =
            crate::unit::shared(self.queries.iter().filter(|q| q.asks()).filter_map(|q| q.expr.as_ref()));
        let gap = if graph { asked.step + asked.step / 2 } else { 0 };
        self.lines = Arc::new(Lines::new(parts, unit, gap));
        self.done = Some((asked, took));
        self.refresh(cx)
    }

    pub(super) fn answer(
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
                if std::mem::take(&mut self.eager) && self.blank() {
                    let chosen =
                        self.examples.as_ref().and_then(|e| e.get(self.example)).map(|e| e.query.clone());
                    return chosen.map(|query| self.run(&query, cx)).unwrap_or_default();
                }
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

    pub(super) fn ask_names(&mut self) -> Vec<Effect<World>> {
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
    pub(super) fn ask_examples(&mut self) -> Vec<Effect<World>> {
        if !self.blank() || self.asked_examples {
            return Vec::new();
        }
        self.asked_examples = true;
        let query = Query::Names { what: Names::Metrics, matching: String::new(), limit: examples::NAMES };
        vec![Effect::Query { slot: "examples", query }]
    }
}
