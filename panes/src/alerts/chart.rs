//! The query of the alert that is looked at, as a live chart with its threshold.

use quarterdeck_alerting::model::Alert;
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Sample, Timestamp};
use quarterdeck_ui::{Context, Effect};
use quarterdeck_widgets::chart::{Chart, Legend, Series, Threshold, Viewport};
use quarterdeck_widgets::{Role, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::charted::{self, Charted};
use crate::steps::step;
use crate::world::{Answer, Query};

/// The slot of its question.
pub(super) const SLOT: &str = "chart";

/// The least height of a chart that tells anything, with its rule.
pub(super) const LEAST: u16 = 7;

/// What was asked: the same question is not asked twice.
#[derive(Clone, Debug, PartialEq)]
struct Asked {
    from: Timestamp,
    to: Timestamp,
    step: i64,
}

/// Lines that were answered.
#[derive(Clone, Debug, Default)]
struct Lines {
    series: Vec<(String, Vec<Sample>)>,
    /// Series of the answer that are not drawn.
    more: usize,
    asked: Option<Asked>,
}

/// The chart of one alert.
#[derive(Debug)]
pub(super) struct Charting {
    alert: Fingerprint,
    /// Which rules and which link it was made out from.
    version: (u64, usize),
    source: Result<Charted, String>,
    asked: Option<Asked>,
    lines: Option<Result<Lines, String>>,
}

impl Charting {
    /// Follows an alert: what is to be asked for a chart of this many columns, if anything is.
    pub(super) fn follow(
        this: &mut Option<Self>,
        cx: &Context<'_, World>,
        alert: &Alert,
        columns: u16,
    ) -> Option<Effect<World>> {
        let version = (cx.world.rules.version, alert.generator_url.as_ptr() as usize);
        let kept = this.take().filter(|chart| chart.alert == alert.fingerprint);
        let mut chart = match kept {
            Some(chart) if chart.version == version => chart,
            // Rules are told anew with each evaluation; what is drawn of the alert mostly stays.
            Some(chart) => {
                let source = charted::of(&cx.world.rules, alert);
                if source == chart.source {
                    Self { version, ..chart }
                } else {
                    Self { alert: alert.fingerprint, version, source, asked: None, lines: None }
                }
            }
            None => {
                let source = charted::of(&cx.world.rules, alert);
                Self { alert: alert.fingerprint, version, source, asked: None, lines: None }
            }
        };
        let question = chart.question(cx, columns);
        *this = Some(chart);
        question
    }

    fn question(&mut self, cx: &Context<'_, World>, columns: u16) -> Option<Effect<World>> {
        let Ok(source) = &self.source else { return None };
        let shown = viewport(cx);
        let step = step(shown.span(), columns, None);
        let floor = |at: Timestamp| Timestamp::from_millis(at.as_millis().div_euclid(step) * step);
        let asked = Asked { from: floor(shown.from()), to: floor(shown.to()), step };
        if self.asked.as_ref() == Some(&asked) {
            return None;
        }
        self.asked = Some(asked.clone());
        let query = Query::Range {
            exprs: vec![source.series.clone()],
            from: asked.from,
            to: asked.to,
            step_ms: step,
        };
        Some(Effect::Query { slot: SLOT, query })
    }

    /// Takes the answer.
    pub(super) fn answered(&mut self, alert: Option<&Alert>, answer: Result<Answer, String>) {
        let Some(alert) = alert.filter(|alert| alert.fingerprint == self.alert) else { return };
        let evaluated = match answer {
            Ok(Answer::Range(mut results)) if results.len() == 1 => {
                results.remove(0).map_err(|complaint| complaint.message)
            }
            Ok(_) => return,
            Err(why) => Err(why),
        };
        self.lines = Some(evaluated.map(|evaluated| {
            let found = evaluated.series.len();
            let own = charted::series_of(&alert.labels, evaluated.series);
            let more = found.saturating_sub(own.len());
            let series = own
                .into_iter()
                .map(|s| {
                    let samples = s.points.into_iter().map(|(t, v)| Sample { t, v }).collect();
                    (charted::name_of(&alert.labels, &s.labels), samples)
                })
                .collect();
            Lines { series, more, asked: self.asked.clone() }
        }));
    }

    /// Whether it is of this alert.
    pub(super) fn is_of(&self, alert: &Alert) -> bool {
        self.alert == alert.fingerprint
    }

    /// Whether there is, or will be, a chart; else a sentence takes its place.
    pub(super) fn drawable(&self) -> bool {
        let empty = |lines: &Result<Lines, String>| lines.as_ref().map_or(true, |l| l.series.is_empty());
        self.source.is_ok() && !self.lines.as_ref().is_some_and(empty)
    }

    /// Why there is no chart.
    pub(super) fn why_not(&self) -> Option<String> {
        match (&self.source, &self.lines) {
            (Err(why), _) => Some(format!("No chart: {why}.")),
            (Ok(_), Some(Err(why))) => Some(format!("No chart: {why}.")),
            (Ok(source), Some(Ok(lines))) if lines.series.is_empty() => {
                Some(format!("No chart: nothing is stored here of {} in the time shown.", source.series))
            }
            _ => None,
        }
    }

    /// The query, for the details.
    pub(super) fn query(&self) -> Option<(&str, &'static str)> {
        let source = self.source.as_ref().ok()?;
        Some((&source.query, if source.own { "rule" } else { "query" }))
    }

    /// Draws it under a rule.
    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        let look = cx.look;
        let head = Rect { height: 1.min(area.height), ..area };
        let inside = Rect { y: area.y + head.height, height: area.height - head.height, ..area };
        let Ok(source) = &self.source else { return };
        let Some(Ok(lines)) = &self.lines else {
            rule::rule(look, buffer, head, &source.series, "");
            let told = "asked for …";
            text::put(buffer, inside.x + 1, inside.y, inside.width, told, look.style(Role::Muted));
            return;
        };
        let last = |samples: &[Sample]| samples.iter().rev().map(|s| s.v).find(|v| v.is_finite());
        // Of several the one that is nearest to firing, or furthest beyond.
        let all = lines.series.iter().filter_map(|(_, samples)| last(samples));
        let now = match source.threshold {
            Some(("<" | "<=", _)) => all.reduce(f64::min),
            _ => all.reduce(f64::max),
        };
        let limit = source.threshold.map(|(op, value)| format!("{op} {}", source.unit.full(value)));
        let mut right = match (now, &limit) {
            (Some(now), Some(limit)) => format!("{} now, fires {limit}", source.unit.full(now)),
            (Some(now), None) => format!("{} now", source.unit.full(now)),
            (None, Some(limit)) => format!("fires {limit}"),
            (None, None) => String::new(),
        };
        if lines.more > 0 {
            right.push_str(&format!(" · {} more series", lines.more));
        }
        let room = usize::from(area.width).saturating_sub(text::width(&right) + 8);
        let title = if room >= 12 { text::cut(&source.series, room).into_owned() } else { String::new() };
        rule::rule(look, buffer, head, &title, &right);
        let series: Vec<Series<'_>> =
            lines.series.iter().map(|(name, samples)| Series::new(name.as_str(), samples)).collect();
        let threshold = source.threshold.map(|(op, value)| Threshold {
            value,
            label: format!("{op} {}", source.unit.full(value)).into(),
            role: Role::Critical,
        });
        let shown = viewport(cx);
        let service = self.service(cx);
        let marks = quarterdeck_ui::World::marks(cx.world, shown.from(), shown.to(), service.as_deref());
        let mut chart = Chart::new(&series, shown, source.unit.clone());
        chart.thresholds = threshold.as_slice();
        chart.marks = &marks;
        chart.cursor = cx.scope.cursor;
        chart.gap = lines.asked.as_ref().map_or(0, |asked| asked.step + asked.step / 2);
        chart.legend = if series.len() > 1 && inside.height >= 8 { Legend::Row } else { Legend::None };
        chart.draw(look, buffer, Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside });
    }

    fn service(&self, cx: &Context<'_, World>) -> Option<String> {
        let alert = cx.world.alerting.alerts.alert(self.alert)?;
        alert.service.as_ref().map(ToString::to_string)
    }
}

/// The time shown: what all charts of the screen show.
fn viewport(cx: &Context<'_, World>) -> Viewport {
    Viewport::last(cx.scope.range, cx.scope.moment.or(cx.world.now))
}

/// How long the chart reaches back, for a rule's right side.
pub(super) fn span(cx: &Context<'_, World>) -> String {
    format!("last {}", format::span(cx.scope.range))
}
