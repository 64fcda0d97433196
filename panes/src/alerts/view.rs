//! Draws the pane.

use quarterdeck_alerting::model::{Alert, AlertState};
use quarterdeck_kernel::Moment;
use quarterdeck_ui::{Context, Hit};
use quarterdeck_widgets::{Glyph, Role, empty::Empty, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::model::Model;
use super::{Alerts, chart, detail};
use crate::lines::Details;
use crate::split::Layout;
use crate::{World, alert_words as words, lines, standing};

impl Alerts {
    pub(super) fn layout(&self, cx: &Context<'_, World>, area: Rect) -> Layout {
        let mut layout = Layout::new(area, standing::sentences(cx).len());
        let rows = self.filter_rows().min(layout.list.height.saturating_sub(2));
        layout.list = Rect { y: layout.list.y + rows, height: layout.list.height - rows, ..layout.list };
        layout
    }

    /// Rows that the filter takes above the list: with a mistake under it two.
    fn filter_rows(&self) -> u16 {
        match &self.filtering {
            Some(filtering) => 1 + u16::from(filtering.prompt.error().is_some()),
            None => u16::from(!self.choice.filter.is_empty()),
        }
    }

    /// How many columns the chart of the alert that is looked at has; none where there is no room for one.
    pub(super) fn chart_columns(&self, cx: &Context<'_, World>) -> Option<u16> {
        let layout = self.layout(cx, cx.area);
        let area = if self.open.is_some() {
            if self.open.as_ref().is_some_and(|open| open.explain.is_some()) {
                return None;
            }
            OpenLayout::new(layout.whole, true).chart
        } else {
            side_chart(&layout, true).0
        };
        (area.height >= chart::LEAST).then(|| area.width.saturating_sub(10))
    }

    /// Whether the chart of an alert is to have room.
    fn drawable(&self, alert: &Alert) -> bool {
        self.charting.as_ref().is_some_and(|c| c.is_of(alert) && c.drawable())
    }

    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let layout = self.layout(cx, area);
        standing::draw(cx, buffer, layout.trouble);
        if self.open.is_some() {
            self.draw_open(cx, buffer, layout.whole);
        } else {
            self.draw_list(cx, buffer, &layout);
            self.draw_choices(cx, buffer, &layout);
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
        self.draw_filter(cx, buffer, layout, &rows.model);
        if rows.model.rows.is_empty() {
            self.draw_empty(cx, buffer, layout, &rows.model);
            return;
        }
        self.list.draw(cx.look, buffer, layout.list, &rows);
        if let Some(x) = layout.divider {
            rule::join(cx.look, buffer, x, layout.title.y + 1, layout.list.bottom());
        }
        let Some(alert) = self.current(cx).filter(|_| layout.detail.height > 1) else { return };
        let (place, mut area) = side_chart(layout, self.drawable(&alert));
        if let Some(charting) = self.charting.as_ref().filter(|_| place.height > 0) {
            charting.draw(cx, buffer, place);
        }
        if layout.divider.is_none() {
            rule::rule(cx.look, buffer, Rect { height: 1, ..area }, alert.name(), "");
            area = Rect { y: area.y + 1, height: area.height - 1, ..area };
        } else if place.height > 0 {
            rule::rule(cx.look, buffer, Rect { height: 1, ..area }, alert.name(), "");
            area = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        }
        let mut told = detail::now(cx, &rows.model, &alert, area.width, self.charting.as_ref());
        detail::past(&mut told, cx, &alert);
        lines::draw(cx, buffer, area, &told.lines, 0);
    }

    fn draw_filter(&self, cx: &Context<'_, World>, buffer: &mut Buffer, layout: &Layout, model: &Model) {
        let rows = self.filter_rows();
        let area = Rect { y: layout.list.y.saturating_sub(rows), height: rows, ..layout.list };
        if rows == 0 || area.y <= layout.title.y {
            return;
        }
        let counts = format!("{} of {} ", model.passed, model.looked_at);
        let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
        match &self.filtering {
            Some(filtering) => {
                let room = inside.width.saturating_sub(text::width(&counts) as u16 + 1);
                // The sentence under the mistake may be longer than the line.
                let line = Rect { width: room, height: 1, ..inside };
                let whole = Rect { height: area.height, ..inside };
                let typed = if filtering.prompt.error().is_some() { whole } else { line };
                let cursor = filtering.prompt.draw(cx.look, buffer, typed);
                if let Some(cell) = cursor.and_then(|at| buffer.cell_mut(at)) {
                    cell.modifier.insert(Modifier::REVERSED);
                }
            }
            None => {
                let spans = [
                    ("/", cx.look.style(Role::Key)),
                    (" ", cx.look.style(Role::Text)),
                    (self.choice.filter.text(), cx.look.style(Role::Text)),
                ];
                text::put_spans(buffer, inside.x, area.y, inside.width, &spans);
            }
        }
        text::put_right(buffer, area.x, area.y, area.width, &counts, cx.look.style(Role::Muted));
    }

    fn draw_choices(&self, cx: &Context<'_, World>, buffer: &mut Buffer, layout: &Layout) {
        let Some(filtering) = &self.filtering else { return };
        let rows = self.filter_rows();
        let row =
            Rect { x: layout.list.x + 1, y: layout.list.y.saturating_sub(rows), height: 1, ..layout.list };
        filtering.prompt.draw_choices(cx.look, buffer, row, layout.whole);
    }

    fn draw_empty(&self, cx: &Context<'_, World>, buffer: &mut Buffer, layout: &Layout, model: &Model) {
        if !self.choice.filter.is_empty() {
            let what = format!("None of {} alerts passes this filter.", model.looked_at);
            let (next, key) = if self.filtering.is_some() { ("", "") } else { ("to take it away", "Esc") };
            Empty { what: &what, next, key }.draw(cx.look, buffer, layout.list);
            return;
        }
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
        let marked = self.marks();
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

    /// How far an open alert can be scrolled.
    pub(super) fn open_scroll(&self, cx: &Context<'_, World>) -> usize {
        let (Some(alert), Some(model), Some(open)) = (self.current(cx), &self.shown, &self.open) else {
            return 0;
        };
        let whole = self.layout(cx, cx.area).whole;
        let layout = OpenLayout::new(whole, open.explain.is_none() && self.drawable(&alert));
        let beyond = |lines: usize, area: Rect| lines.saturating_sub(usize::from(area.height));
        if let Some(explain) = &open.explain {
            let told = explain.tell(cx.look, cx.world.now, layout.all.width);
            return beyond(told.lines.len(), layout.all);
        }
        let (now, past) = self.open_lines(cx, model, &alert, &layout);
        let past = past.map_or(0, |(lines, area)| beyond(lines.lines.len(), area));
        beyond(now.lines.len(), layout.main).max(past)
    }

    /// What an open alert tells: what holds, and, where there is room beside it, what was.
    fn open_lines(
        &self,
        cx: &Context<'_, World>,
        model: &Model,
        alert: &Alert,
        layout: &OpenLayout,
    ) -> (Details, Option<(Details, Rect)>) {
        let mut now = detail::now(cx, model, alert, layout.main.width, self.charting.as_ref());
        match layout.past {
            Some(area) => {
                let mut past = Details::new(area.width);
                detail::past(&mut past, cx, alert);
                (now, Some((past, area)))
            }
            None => {
                detail::past(&mut now, cx, alert);
                (now, None)
            }
        }
    }

    fn draw_open(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        if area.height == 0 {
            return;
        }
        let (Some(alert), Some(model), Some(open)) = (self.current(cx), &self.shown, &self.open) else {
            let what = "This alert is no longer known.";
            Empty { what, next: "to go back to the list", key: "Esc" }.draw(cx.look, buffer, area);
            return;
        };
        let look = cx.look;
        let paging = words::paging(model.escalation(&alert), &alert, cx.world.now, true);
        let title = match open.explain {
            // The engine explains what holds now, whatever the screen shows.
            Some(_) if cx.scope.moment != Moment::Live => {
                format!("{} · why told, or not · as of now, not of then", alert.name())
            }
            Some(_) => format!("{} · why told, or not", alert.name()),
            None => alert.name().to_owned(),
        };
        rule::rule(look, buffer, Rect { height: 1, ..area }, &title, &paging);
        let role = if alert.state == AlertState::Firing { Role::from(alert.severity) } else { Role::Muted };
        let service = alert.service.as_deref().unwrap_or("no service");
        let head = format!("{} · {service} · {}", alert.severity.as_str(), words::state(&alert));
        let spans = [
            (look.glyph(Glyph::from(alert.severity)), look.style(role)),
            (" ", look.style(role)),
            (head.as_str(), look.style(role)),
        ];
        text::put_spans(buffer, area.x + 1, area.y + 1, area.width.saturating_sub(2), &spans);
        let drawn = open.explain.is_none() && self.drawable(&alert);
        let layout = OpenLayout::new(area, drawn);
        let from = |lines: usize, area: Rect| open.from.min(lines.saturating_sub(usize::from(area.height)));
        if let Some(explain) = &open.explain {
            let told = explain.tell(look, cx.world.now, layout.all.width);
            lines::draw(cx, buffer, layout.all, &told.lines, from(told.lines.len(), layout.all));
            return;
        }
        if let Some(charting) = self.charting.as_ref().filter(|_| layout.chart.height > 0) {
            text::put_right(
                buffer,
                area.x,
                area.y + 1,
                area.width.saturating_sub(1),
                &chart::span(cx),
                look.style(Role::Faint),
            );
            charting.draw(cx, buffer, layout.chart);
        }
        let (now, past) = self.open_lines(cx, model, &alert, &layout);
        lines::draw(cx, buffer, layout.main, &now.lines, from(now.lines.len(), layout.main));
        if let Some((past, place)) = past {
            lines::draw(cx, buffer, place, &past.lines, from(past.lines.len(), place));
        }
    }
}

/// The chart above the details beside the list, and what is left for them.
fn side_chart(layout: &Layout, drawable: bool) -> (Rect, Rect) {
    let area = layout.detail;
    let height = if layout.divider.is_some() && area.height >= 24 { (area.height / 3).min(14) } else { 0 };
    let height = if drawable { height } else { 0 };
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

/// Where the parts of an open alert are.
#[derive(Clone, Copy, Debug)]
struct OpenLayout {
    /// Everything below the head.
    all: Rect,
    /// The chart; without height where there is no room or nothing to draw.
    chart: Rect,
    /// What holds.
    main: Rect,
    /// What was, where it has room of its own.
    past: Option<Rect>,
}

impl OpenLayout {
    fn new(area: Rect, drawable: bool) -> Self {
        let all = Rect { y: (area.y + 2).min(area.bottom()), height: area.height.saturating_sub(2), ..area };
        let split = |area: Rect, height: u16| {
            let height = if drawable { height.min(area.height) } else { 0 };
            (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
        };
        if all.width >= BESIDE {
            let width = (all.width * 2 / 5).clamp(56, 90);
            let main = Rect { width, ..all };
            let right = Rect { x: all.x + width + 1, width: all.width - width - 1, ..all };
            let (chart, past) =
                split(right, if right.height >= 14 { (right.height * 2 / 5).clamp(8, 18) } else { 0 });
            return Self { all, chart, main, past: Some(past) };
        }
        let (chart, main) = split(all, if all.height >= 15 { (all.height / 2).min(9) } else { 0 });
        Self { all, chart, main, past: None }
    }
}

/// From this width on, what was stands beside what holds.
const BESIDE: u16 = 120;
