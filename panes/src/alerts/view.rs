//! Draws the pane.

use quarterdeck_alerting::model::AlertState;
use quarterdeck_ui::{Context, Hit};
use quarterdeck_widgets::{Glyph, Role, empty::Empty, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::model::Model;
use super::{Alerts, detail};
use crate::split::Layout;
use crate::{World, alert_words as words, lines, standing};

impl Alerts {
    pub(super) fn layout(&self, cx: &Context<'_, World>, area: Rect) -> Layout {
        Layout::new(area, standing::sentences(cx).len())
    }

    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let layout = self.layout(cx, area);
        standing::draw(cx, buffer, layout.trouble);
        if self.open.is_some() {
            self.draw_open(cx, buffer, layout.whole);
        } else {
            self.draw_list(cx, buffer, &layout);
        }
        if let Some(changed) = &self.changed {
            changed.draw(cx, buffer, layout.whole);
        }
        if let Some(asking) = &self.asking {
            asking.form.draw(cx.look, buffer, layout.whole);
        }
        vec![Hit { area: layout.list, target: "table".to_owned() }]
    }

    fn draw_list(&self, cx: &Context<'_, World>, buffer: &mut Buffer, layout: &Layout) {
        let rows = self.rows(cx);
        let title = if self.choice.grouped { "alerts by group" } else { "alerts" };
        rule::rule(cx.look, buffer, layout.title, title, &self.summary(&rows.model));
        if rows.model.rows.is_empty() {
            self.draw_empty(cx, buffer, layout, &rows.model);
            return;
        }
        self.list.draw(cx.look, buffer, layout.list, &rows);
        if let Some(x) = layout.divider {
            rule::join(cx.look, buffer, x, layout.list.y, layout.list.bottom());
        }
        let Some(alert) = self.current().filter(|_| layout.detail.height > 1) else { return };
        let told = detail::tell(cx, &rows.model, &alert, layout.detail.width);
        let mut area = layout.detail;
        if layout.divider.is_none() {
            rule::rule(cx.look, buffer, Rect { height: 1, ..area }, alert.name(), "");
            area = Rect { y: area.y + 1, height: area.height - 1, ..area };
        }
        lines::draw(cx, buffer, area, &told.lines, 0);
    }

    fn draw_empty(&self, cx: &Context<'_, World>, buffer: &mut Buffer, layout: &Layout, model: &Model) {
        let resolved = model.states[4];
        let what = match (&self.choice.service, resolved) {
            (Some(service), _) => format!("No alert of {service} is open."),
            (None, 0) => "No alert has fired yet.".to_owned(),
            (None, 1) => "Nothing is open; 1 alert was resolved lately.".to_owned(),
            (None, n) => format!("Nothing is open; {n} alerts were resolved lately."),
        };
        let rules = cx.world.rules.groups.is_empty() && cx.world.alerting.alerts.receivers.is_empty();
        let (next, key) = if resolved > 0 {
            ("to see what was resolved", "h")
        } else if rules {
            let next = "Add a [rules] file to quarterdeck.toml, or start with --alertmanager-config alertmanager.yml; \
                        alerts come from rules, and by POST /api/v2/alerts.";
            (next, "")
        } else {
            ("Alerts come from rules, and by POST /api/v2/alerts; quiet is good.", "")
        };
        Empty { what: &what, next, key }.draw(cx.look, buffer, layout.list);
    }

    fn summary(&self, model: &Model) -> String {
        let marked = self.list.table.marked().len();
        let mut parts: Vec<String> = AlertState::ALL
            .into_iter()
            .zip(model.states)
            .filter(|(state, count)| *count > 0 && (state.is_open() || self.choice.resolved))
            .map(|(state, count)| format!("{count} {}", state.as_str()))
            .collect();
        if parts.is_empty() {
            parts.push(format!("{} open", model.open()));
        }
        if marked > 0 {
            parts.push(format!("{marked} marked"));
        }
        parts.join(" · ")
    }

    /// How many lines an open alert has.
    pub(super) fn open_lines(&self, cx: &Context<'_, World>, area: Rect) -> usize {
        let (Some(alert), Some(model)) = (self.current(), &self.shown) else { return 0 };
        detail::tell(cx, model, &alert, area.width).lines.len()
    }

    fn draw_open(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        if area.height == 0 {
            return;
        }
        let (Some(alert), Some(model), Some(open)) = (self.current(), &self.shown, &self.open) else {
            let what = "This alert is no longer known.";
            Empty { what, next: "to go back to the list", key: "Esc" }.draw(cx.look, buffer, area);
            return;
        };
        let look = cx.look;
        let paging = words::paging(model.escalation(&alert), &alert, cx.world.now, true);
        rule::rule(look, buffer, Rect { height: 1, ..area }, alert.name(), &paging);
        let role = if alert.state == AlertState::Firing { Role::from(alert.severity) } else { Role::Muted };
        let service = alert.service.as_deref().unwrap_or("no service");
        let head = format!("{} · {service} · {}", alert.severity.as_str(), words::state(&alert));
        let spans = [
            (look.glyph(Glyph::from(alert.severity)), look.style(role)),
            (" ", look.style(role)),
            (head.as_str(), look.style(role)),
        ];
        text::put_spans(buffer, area.x + 1, area.y + 1, area.width.saturating_sub(2), &spans);
        let body = Rect { y: (area.y + 2).min(area.bottom()), height: area.height.saturating_sub(2), ..area };
        let told = detail::tell(cx, model, &alert, body.width);
        let most = told.lines.len().saturating_sub(usize::from(body.height));
        lines::draw(cx, buffer, body, &told.lines, open.from.min(most));
    }
}
