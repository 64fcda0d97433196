//! Draws the pane.

use quarterdeck_deploy::model::Snapshot;
use quarterdeck_ui::{Context, Hit};
use quarterdeck_widgets::table::Rows;
use quarterdeck_widgets::{Role, empty::Empty, format, rule};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::Kind;
use super::{Deployments, dora, tell};
use crate::lines::Details;
use crate::lists::{Front as _, Lists as _, draw_lines, figures};
use crate::split::Layout;
use crate::{World, lines};

/// From this width on a rollout in full has its verdicts beside its ladder.
const TWO: u16 = 100;

impl Deployments {
    pub(super) fn layout(&self, area: Rect) -> Layout {
        let layout = Layout::new(area, 0);
        // Lines are as long as they are: output takes the whole width.
        if self.kind == Kind::Output {
            let list = layout.list.union(layout.detail);
            return Layout { list, detail: Rect { height: 0, ..list }, divider: None, ..layout };
        }
        layout
    }

    /// Everything about what is selected, in one column or two.
    pub(super) fn columns(&self, cx: &Context<'_, World>, width: u16) -> Vec<Details> {
        let two = self.rollout().is_some() && width >= TWO && !self.explain;
        if !two {
            return vec![self.told(cx, width)];
        }
        let (left, right) = halves(width);
        let (mut ladder, mut verdicts) = (Details::new(left), Details::new(right));
        if let Some(rollout) = self.rollout() {
            let now = cx.world.now;
            tell::state(&mut ladder, &rollout, now);
            tell::ladder(&mut ladder, &rollout, cx.look, now);
            if let Some(view) = cx.world.deploy.service(&rollout.service).filter(|_| !rollout.ended()) {
                ladder.section("weights", "");
                tell::weights(&mut ladder, view, now);
            }
            tell::verdicts(&mut verdicts, &rollout, cx.look, now, false);
            if !rollout.ended() {
                tell::beside(&mut verdicts, cx.world, &rollout);
            }
            tell::facts(&mut ladder, &rollout, cx.look, now);
        }
        vec![ladder, verdicts]
    }

    /// Everything about what is selected.
    fn told(&self, cx: &Context<'_, World>, width: u16) -> Details {
        let mut details = Details::new(width);
        let (Some(model), Some(row)) = (self.model(), self.selected()) else { return details };
        let now = cx.world.now;
        match self.kind {
            Kind::Rollouts | Kind::History => match (self.rollout(), model.view(row)) {
                (Some(rollout), _) => {
                    // In the tree the ladder stands beside it already.
                    let beside = self.kind == Kind::Rollouts && self.open.is_none();
                    tell::state(&mut details, &rollout, now);
                    if !beside {
                        tell::ladder(&mut details, &rollout, cx.look, now);
                    }
                    if let Some(view) = model.view(row) {
                        tell::weights(&mut details, view, now);
                    }
                    tell::verdicts(&mut details, &rollout, cx.look, now, self.explain);
                    if !rollout.ended() {
                        tell::beside(&mut details, cx.world, &rollout);
                    }
                    tell::facts(&mut details, &rollout, cx.look, now);
                }
                (None, Some(view)) => tell::service(&mut details, cx.world, view, cx.look, now),
                (None, None) => {}
            },
            Kind::Dora => {
                if let Some((name, measures)) = model.dora(row) {
                    dora::tell(&mut details, name, measures);
                }
            }
            Kind::Output => {
                if let Some(line) = model.line(row) {
                    details.section(line.replica.clone(), cx.look.date_time(line.at));
                    details.wrapped(&line.text, Role::Text, 400);
                }
            }
        }
        details
    }

    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let layout = self.layout(area);
        let snapshot = &cx.world.deploy;
        if is_absent(snapshot) {
            rule::rule(cx.look, buffer, layout.title, "deployments", "");
            draw_absent(cx, buffer, layout.whole);
            return Vec::new();
        }
        let title = self.heading(cx);
        rule::rule(cx.look, buffer, layout.title, &title, &self.counts(snapshot, usize::from(area.width)));
        if let Some(from) = self.open {
            let body = layout.full();
            self.draw_open(cx, buffer, body, from);
            self.draw_form(cx, buffer, layout.whole);
            return Vec::new();
        }
        let rows = self.rows(cx);
        if rows.is_empty() {
            self.draw_empty(cx, buffer, layout.list);
        } else {
            self.list().listing.draw(cx.look, buffer, layout.list, &rows);
        }
        if let Some(x) = layout.divider {
            rule::join(cx.look, buffer, x, layout.detail.y, layout.detail.bottom());
        }
        if layout.detail.height > 1 && self.selected().is_some() {
            lines::draw(cx, buffer, layout.detail, &self.told(cx, layout.detail.width).lines, 0);
        }
        self.draw_form(cx, buffer, layout.whole);
        vec![Hit { area: layout.list, target: "table".to_owned() }]
    }

    fn draw_open(&self, cx: &Context<'_, World>, buffer: &mut Buffer, body: Rect, from: usize) {
        let columns = self.columns(cx, body.width);
        let longest = columns.iter().map(|details| details.lines.len()).max().unwrap_or(0);
        let from = from.min(longest.saturating_sub(usize::from(body.height)));
        match columns.as_slice() {
            [one] => lines::draw(cx, buffer, body, &one.lines, from),
            [left, right] => {
                let (width, _) = halves(body.width);
                let left_area = Rect { width, ..body };
                let x = left_area.right();
                let right_area = Rect { x: x + 1, width: body.width.saturating_sub(width + 1), ..body };
                lines::draw(cx, buffer, left_area, &left.lines, from);
                lines::draw(cx, buffer, right_area, &right.lines, from);
                rule::join(cx.look, buffer, x, body.y, body.bottom());
            }
            _ => {}
        }
    }

    fn heading(&self, cx: &Context<'_, World>) -> String {
        let what = match (self.kind, self.model().and_then(|model| model.written.of.as_ref())) {
            (Kind::Output, Some(of)) => format!("output of {}", of.words()),
            _ if self.open.is_some() && self.explain => "why it is where it is".to_owned(),
            _ => self.kind.title().to_owned(),
        };
        let of = match &cx.scope.service {
            Some(service) if self.kind != Kind::Output => format!("{what} · {service}"),
            _ => what,
        };
        // Keys that change something are refused with the same words.
        match &cx.world.deploy.elsewhere {
            Some(elsewhere) => format!("{of} · done by {elsewhere}, shown here"),
            None => of,
        }
    }

    fn draw_form(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        if let Some(asking) = &self.asking {
            asking.form.draw(cx.look, buffer, area);
        }
    }

    /// What stands at the right of the title: figures of the whole as far as there is room, and the list that comes next.
    fn counts(&self, snapshot: &Snapshot, width: usize) -> String {
        let next = self.kind.next().title();
        figures(self.figures(snapshot), next, width.saturating_sub(40))
    }

    fn figures(&self, snapshot: &Snapshot) -> Vec<String> {
        let some = |count: usize, words: &str| match count {
            0 => String::new(),
            1 => format!("1 {}", words.strip_suffix('s').unwrap_or(words)),
            n => format!("{n} {words}"),
        };
        match self.kind {
            Kind::Rollouts => {
                let frozen = snapshot.rollouts.iter().filter(|rollout| rollout.frozen.is_some()).count();
                let troubled = snapshot.services.iter().filter(|view| !view.trouble.is_empty()).count();
                vec![
                    some(snapshot.rollouts.len(), "under way"),
                    some(frozen, "frozen"),
                    some(troubled, "in trouble"),
                    some(snapshot.services.len(), "services"),
                ]
            }
            Kind::History => vec![some(snapshot.history.len(), "ended")],
            Kind::Dora => {
                vec![format!("the last {}", quarterdeck_kernel::time::format_duration(snapshot.dora.window))]
            }
            Kind::Output => vec![
                if self.follow { "following".to_owned() } else { String::new() },
                match self.written.lines.len() {
                    1 => "1 line".to_owned(),
                    n => format!("{} lines", format::grouped(n as u64)),
                },
            ],
        }
    }

    fn draw_empty(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        let trouble = self.written.trouble.clone().unwrap_or_default();
        let (what, next) = match (self.kind, &cx.scope.service) {
            (Kind::Rollouts | Kind::Dora, Some(_)) => {
                ("This service is not deployed from here.", "Press * to look at all services.")
            }
            (Kind::Rollouts | Kind::Dora, None) => {
                ("No service is deployed from here.", "Add [deploy.services.NAME] to quarterdeck.toml.")
            }
            (Kind::History, _) => {
                ("Nothing was rolled out yet.", "Press n among the rollouts (v) to begin one.")
            }
            (Kind::Output, _) if !trouble.is_empty() => {
                (trouble.as_str(), "Select a version among the rollouts (v) and press l.")
            }
            (Kind::Output, _) if self.written.of.is_some() => {
                ("Nothing was written yet.", "Lines appear here as the processes write them.")
            }
            (Kind::Output, _) => (
                "No output is looked at.",
                "Select a version or a replica among the rollouts (v) and press l.",
            ),
        };
        Empty { what, next, key: "" }.draw(cx.look, buffer, area);
    }
}

/// The widths of ladder and verdicts, one column for what divides them.
fn halves(width: u16) -> (u16, u16) {
    let left = (u32::from(width) * 55 / 100) as u16;
    (left, width.saturating_sub(left + 1))
}

/// Whether nothing is deployed from here at all.
pub(super) fn is_absent(snapshot: &Snapshot) -> bool {
    snapshot.services.is_empty() && snapshot.history.is_empty()
}

/// The lines that give one a service to deploy.
fn draw_absent(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    const LINES: [(&str, Role); 9] = [
        ("No service is deployed from here.", Role::Muted),
        ("", Role::Text),
        ("Name one that is behind the gateway in quarterdeck.toml, and what runs it:", Role::Muted),
        ("[deploy.services.web]", Role::Text),
        ("stable = \"v1\"", Role::Text),
        ("[deploy.services.web.process]", Role::Text),
        ("command = [\"./web-{version}\", \"--port\", \"{port}\"]", Role::Text),
        ("", Role::Text),
        ("Then n rolls a version out; quarterdeck deploy start does so from a shell.", Role::Muted),
    ];
    draw_lines(cx, buffer, area, &LINES);
}
