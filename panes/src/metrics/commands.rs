//! What commands and clicks do.

use std::sync::Arc;

use quarterdeck_kernel::Severity;
use quarterdeck_ui::listing::Did;
use quarterdeck_ui::pane::Click;
use quarterdeck_ui::{Context, Effect, Scope};
use quarterdeck_widgets::chart::Viewport;
use quarterdeck_widgets::prompt::Prompt;

use super::lines::SeriesRows;
use super::{Metrics, export, queries, rewrite, view, window};
use crate::World;
use crate::world::{PlotFormat, Query};

impl Metrics {
    pub(super) fn command(&mut self, command: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let text = self.queries.current().text.clone();
        let step = self.step(cx);
        let shown = window::viewport(cx.scope, cx.world.now);
        let look_at =
            |viewport: Viewport| vec![Effect::Scope(window::looking_at(cx.scope, viewport, cx.world.now))];
        let verb = command.rsplit('.').next().unwrap_or_default();
        self.eager = false;
        match verb {
            "open" if self.blank() && self.examples.is_none() => self.eager = true,
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

    pub(super) fn done_in_list(&mut self, did: Did, rows: SeriesRows) -> Vec<Effect<World>> {
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

    pub(super) fn narrow(&mut self, text: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
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

    pub(super) fn export_csv(&self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if self.lines.all.is_empty() {
            return told("there is no value to export yet");
        }
        let name = export::file_name(&self.queries.current().text, cx.scope.moment.or(cx.world.now), "csv");
        vec![Effect::Export { name, content: export::csv(&self.lines, self.options.graph).into_bytes() }]
    }

    pub(super) fn export_plot(&mut self, format: PlotFormat, cx: &Context<'_, World>) -> Vec<Effect<World>> {
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

    pub(super) fn hit(
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
pub(super) fn service_selector(cx: &Context<'_, World>) -> Option<String> {
    let name = cx.scope.service.as_deref()?;
    cx.world.services.service(name)?.selectors.first().cloned()
}
