//! Draws the pane.

use quarterdeck_kernel::{Moment, Subject};
use quarterdeck_ui::{Context, Hit};
use quarterdeck_widgets::table::Rows;
use quarterdeck_widgets::{Glyph, Role, empty::Empty, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::Kind;
use super::{Oncall, escalations, figures, notifications, schedules, silences};
use crate::lines::Details;
use crate::lists::{Front as _, Lists as _};
use crate::split::Layout;
use crate::{World, ladder, lines, standing};

impl Oncall {
    pub(super) fn layout(&self, cx: &Context<'_, World>, area: Rect) -> Layout {
        Layout::new(area, standing::sentences(cx).len())
    }

    /// Everything about what is selected.
    pub(super) fn told(&self, cx: &Context<'_, World>, width: u16) -> Details {
        let mut details = Details::new(width);
        let (Some(view), Some(row)) = (self.list().shown.as_ref(), self.selected()) else { return details };
        match self.kind {
            Kind::Schedules => {
                if let Some(schedule) = view.oncall.schedules.get(row) {
                    schedules::tell(&mut details, cx, schedule);
                }
            }
            Kind::Escalations => {
                if let Some(escalation) = escalations::escalation(view, row) {
                    ladder::tell(&mut details, escalation, cx.look, cx.world.now);
                }
            }
            Kind::Silences => {
                if let Some(silence) = view.alerts.silences.get(row) {
                    silences::tell(&mut details, cx, silence);
                }
            }
            Kind::Notifications => {
                if let Some(record) = notifications::record(view, row) {
                    notifications::tell(&mut details, cx, record);
                }
            }
            Kind::Figures => figures::tell(&mut details, view, self.rows(cx).rules.get(row)),
        }
        details
    }

    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let hits = self.draw_list(cx, buffer, area);
        if let Some(asking) = &self.asking {
            asking.form.draw(cx.look, buffer, self.layout(cx, area).whole);
        }
        hits
    }

    fn draw_list(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let mut layout = self.layout(cx, area);
        standing::draw(cx, buffer, layout.trouble);
        rule::rule(cx.look, buffer, layout.title, &self.title(cx), &self.counts(cx));
        if let Some(from) = self.open {
            let body = layout.full();
            let told = self.told(cx, body.width);
            let most = told.lines.len().saturating_sub(usize::from(body.height));
            lines::draw(cx, buffer, body, &told.lines, from.min(most));
            return Vec::new();
        }
        let rows = self.rows(cx);
        if rows.is_empty() {
            self.draw_empty(cx, buffer, layout.list);
        } else {
            layout.list = self.draw_paging(cx, buffer, layout.list, rows.len());
            self.list().listing.draw(cx.look, buffer, layout.list, &rows);
        }
        if let Some(x) = layout.divider {
            rule::join(cx.look, buffer, x, layout.detail.y, layout.detail.bottom());
        }
        if layout.detail.height > 1 && self.selected().is_some() {
            let mut detail = layout.detail;
            if layout.divider.is_none() {
                let name = self.selection_name(cx);
                rule::rule(cx.look, buffer, Rect { height: 1, ..detail }, &name, "");
                detail = Rect { y: detail.y + 1, height: detail.height - 1, ..detail };
            }
            lines::draw(cx, buffer, detail, &self.told(cx, detail.width).lines, 0);
        }
        vec![Hit { area: layout.list, target: "table".to_owned() }]
    }

    /// What is shown, and of when: only what was sent has a history.
    fn title(&self, cx: &Context<'_, World>) -> String {
        let title = self.kind.title();
        match (cx.scope.moment, self.kind) {
            (Moment::Live, _) | (Moment::At(_), Kind::Notifications | Kind::Escalations) => title.to_owned(),
            (Moment::At(_), Kind::Schedules | Kind::Silences | Kind::Figures) => {
                format!("{title} · as of now, not of then")
            }
        }
    }

    fn selection_name(&self, cx: &Context<'_, World>) -> String {
        use quarterdeck_ui::Pane as _;
        match self.kind {
            Kind::Schedules => self.selection(cx).map(|Subject { id, .. }| id).unwrap_or_default(),
            Kind::Escalations => "ladder".to_owned(),
            Kind::Silences => "silence".to_owned(),
            Kind::Notifications => "notification".to_owned(),
            Kind::Figures => "all of them".to_owned(),
        }
    }

    /// Below the schedules, where there is room: who is being paged now. Returns what is left of the list's area.
    fn draw_paging(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, rows: usize) -> Rect {
        let open = &cx.world.alerting.oncall.escalations;
        let room = usize::from(area.height).saturating_sub(rows + 3);
        if self.kind != Kind::Schedules || open.is_empty() || room == 0 {
            return area;
        }
        let shown = open.len().min(room);
        let list = Rect { height: area.height - shown as u16 - 1, ..area };
        let title = Rect { y: list.bottom(), height: 1, ..area };
        let more = open.len() - shown;
        let right = if more > 0 { format!("{more} more") } else { String::new() };
        rule::rule(cx.look, buffer, title, "escalations", &right);
        for (escalation, y) in open.iter().zip(title.y + 1..area.bottom()) {
            let role = Role::from(escalation.severity);
            let words = escalation.words(cx.world.now);
            let spans = [
                (cx.look.glyph(Glyph::from(escalation.severity)), cx.look.style(role)),
                (" ", cx.look.style(role)),
                (escalation.title.as_str(), cx.look.style(Role::Text)),
                ("  ", cx.look.style(Role::Text)),
                (words.as_str(), cx.look.style(Role::Muted)),
            ];
            text::put_spans(buffer, area.x + 1, y, area.width.saturating_sub(2), &spans);
        }
        list
    }

    fn counts(&self, cx: &Context<'_, World>) -> String {
        let view = &cx.world.alerting;
        let next = self.kind.next().title();
        let count = match self.kind {
            Kind::Schedules => match view.oncall.escalations.len() {
                1 => "1 escalation open".to_owned(),
                n => format!("{n} escalations open"),
            },
            Kind::Escalations if view.oncall.refused > 0 => {
                format!("{} open, {} refused", view.oncall.escalations.len(), view.oncall.refused)
            }
            Kind::Escalations => format!("{} open", view.oncall.escalations.len()),
            Kind::Silences => match view.alerts.silences.len() {
                1 => "1 silence".to_owned(),
                n => format!("{n} silences"),
            },
            Kind::Notifications => {
                let totals = &view.alerts.stats.totals;
                let down = cx.world.console.destinations.iter().filter(|to| to.down_since.is_some()).count();
                let down = match down {
                    0 => String::new(),
                    1 => ", 1 receiver down".to_owned(),
                    n => format!(", {n} receivers down"),
                };
                format!("{} sent, {} failed{down}", totals.sent, totals.failed)
            }
            Kind::Figures => figures::summary(&view.alerts.stats),
        };
        format!("{count} · v {next}")
    }

    fn draw_empty(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        let in_scope = self.list().service.as_ref().filter(|_| self.list().places.is_some());
        if let Some(service) = in_scope.filter(|_| cx.scope.moment == Moment::Live) {
            let what = format!("Nothing here touches {service}.");
            Empty { what: &what, next: "", key: "" }.draw(cx.look, buffer, area);
            return;
        }
        let (what, next, key) = match self.kind {
            Kind::Schedules => (
                "No schedule is configured: nobody is on call.",
                "Add [oncall.persons], [oncall.schedules] and [oncall.policies] to quarterdeck.toml.",
                "",
            ),
            Kind::Escalations if cx.scope.moment != Moment::Live => {
                ("Escalations have no history: what was escalated then is not known.", "", "")
            }
            Kind::Escalations => (
                "Nothing is escalated.",
                "An alert escalates when a route of [[oncall.routes]] gives it a policy.",
                "",
            ),
            Kind::Silences => {
                ("Nothing is silenced, no service is in maintenance.", "to silence by matchers", "z")
            }
            Kind::Notifications => (
                "Nothing has been sent yet.",
                "Receivers come from --alertmanager-config alertmanager.yml or [alerting].",
                "",
            ),
            Kind::Figures => (
                "No alert has fired yet: there is nothing to count.",
                "Alerts come from rules, and by POST /api/v2/alerts; quiet is good.",
                "",
            ),
        };
        Empty { what, next, key }.draw(cx.look, buffer, area);
    }
}
