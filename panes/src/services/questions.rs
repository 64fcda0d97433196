//! What is asked in the background, and what is made of the answers.

use quarterdeck_kernel::Severity;
use quarterdeck_ui::{Context, Effect};
use ratatui::layout::Rect;

use super::asked::{HEATMAP, Heat, Lines, Question, SIGNALS};
use super::resources::{self, RESOURCES, Used};
use super::view::View;
use super::{Services, charts, export};
use crate::World;
use crate::world::Answer;

impl Services {
    /// Asks for what the charts need and do not have.
    pub(super) fn ask(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
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
        if resources::tells(service) {
            if self.resources.ask(&question, now, version) {
                let query = resources::query(&question, service, now);
                effects.push(Effect::Query { slot: RESOURCES, query });
            }
            return effects;
        }
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

    pub(super) fn give_up(&mut self) -> Vec<Effect<World>> {
        let waiting = [
            (self.signals.clear(), SIGNALS),
            (self.heatmap.clear(), HEATMAP),
            (self.resources.clear(), RESOURCES),
        ];
        waiting.into_iter().filter(|(waiting, _)| *waiting).map(|(_, slot)| Effect::Cancel(slot)).collect()
    }

    pub(super) fn answer(
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
            (RESOURCES, Ok(Answer::Range(results))) => self.resources.take(Ok(Used::new(results))),
            (RESOURCES, Err(why)) => self.resources.take(Err(why)),
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
