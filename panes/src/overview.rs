//! The overview: is anything wrong, where, since when, what changed?

mod firing;
mod layout;
mod platform;
mod recent;
mod table;

use std::sync::Arc;

use quarterdeck_alerting::model::Alert;
use quarterdeck_kernel::{Severity, Subject, SubjectKind};
use quarterdeck_services::ServiceView;
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use quarterdeck_widgets::{empty::Empty, rule};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::signals::{self, Shown};
use layout::{Layout, above};
use table::{ServiceRows, Set};

const SPEC: PaneSpec = PaneSpec {
    id: "overview",
    title: "Overview",
    description: "Services worst first with their golden signals, broken limits, newest changes.",
    go: 'o',
    commands: quarterdeck_ui::list_commands!(
        "overview",
        CommandSpec {
            id: "overview.open",
            title: "open",
            description: "Open the service.",
            keys: &["enter"],
            action: None,
        },
        CommandSpec {
            id: "overview.changed",
            title: "what changed",
            description: "Tell what changed before the alert that leads, or show the timeline of the service chosen.",
            keys: &["w"],
            action: None,
        },
        CommandSpec {
            id: "overview.runbook",
            title: "copy runbook",
            description: "Copy the address of the service's runbook.",
            keys: &["b"],
            action: None,
        }
    ),
    actions: &[(quarterdeck_services::actions::LIMIT, "L")],
};

/// The pane.
#[derive(Debug)]
pub struct Overview {
    list: Listing,
    set: Set,
}

impl Default for Overview {
    fn default() -> Self {
        Self::new()
    }
}

impl Overview {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self { list: Listing::new(Set::Narrow.columns(), None), set: Set::Narrow }
    }

    /// Takes the columns that fit the width; what the operator chose is kept.
    fn fit(&mut self, width: u16) {
        let set = Set::of(width);
        if set != self.set {
            self.set = set;
            let remembered = self.list.table.remember();
            let selected = self.list.table.selected().map(str::to_owned);
            let filter = self.list.table.filter().to_owned();
            self.list = Listing::new(set.columns(), None);
            self.list.table.restore(&remembered);
            self.list.table.set_filter(&filter);
            if let Some(key) = selected {
                self.list.table.select(&key);
            }
        }
    }

    /// The alert that leads the screen, where the operator has not chosen another service to ask about.
    fn asks_headline<'a>(&self, rows: &ServiceRows<'_>, cx: &Context<'a, World>) -> Option<&'a Arc<Alert>> {
        let world: &'a World = cx.world;
        let own = |alert: &&Arc<Alert>| {
            let service = self.selected(rows).map(|service| &*service.name);
            !self.list.table.touched() || service.is_none() || service == alert.service.as_deref()
        };
        world.leading_alert().filter(own)
    }

    fn selected<'a>(&self, rows: &ServiceRows<'a>) -> Option<&'a Arc<ServiceView>> {
        self.list.table.selected_row().and_then(|row| rows.services.get(row).copied())
    }
}

impl Pane<World> for Overview {
    fn spec(&self) -> &'static PaneSpec {
        &SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        self.fit(cx.area.width);
        let rows = ServiceRows::new(cx, self.set);
        // New worlds come many times a second, and need no place on the screen.
        let area = match event {
            Event::World
            | Event::Shown
            | Event::Scope
            | Event::Open(_)
            | Event::Return(_)
            | Event::Answer { .. } => Rect::ZERO,
            _ => Layout::new(cx, firing::count(cx)).services,
        };
        let did = match event {
            Event::Open(subject) | Event::Return(subject) => {
                self.list.refresh(&rows);
                self.list.table.select(&subject.id);
                Did::Changed
            }
            Event::Command("overview.open") => Did::Open,
            Event::Command("overview.changed") if self.asks_headline(&rows, cx).is_some() => {
                let alert = self.asks_headline(&rows, cx);
                let alert = alert.map(|a| Subject::new(SubjectKind::Alert, a.fingerprint.to_string()));
                return alert
                    .into_iter()
                    .flat_map(|alert| [Effect::Go(alert), Effect::Command("alerts.changed")])
                    .collect();
            }
            Event::Command("overview.changed") => {
                let Some(service) = self.selected(&rows) else { return Vec::new() };
                return vec![Effect::Open { pane: "timeline", subject: service.subject() }];
            }
            Event::Command("overview.runbook") => {
                let Some(service) = self.selected(&rows) else { return Vec::new() };
                return vec![match &service.runbook {
                    Some(url) => Effect::Copy(url.clone()),
                    None => Effect::Toast(
                        Severity::Info,
                        format!(
                            "{} has no runbook; give it one as [services.{}] runbook",
                            service.name, service.name
                        ),
                    ),
                }];
            }
            other => self.list.take(&other, area, &rows),
        };
        did.effects(|| self.selected(&rows).map(|s| Effect::Go(s.subject())).into_iter().collect())
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let wrong = firing::count(cx);
        let layout = Layout::new(&Context { area, ..*cx }, wrong);
        let rows = ServiceRows::new(cx, self.set);
        let services = &cx.world.services;
        let summary = match (&cx.scope.service, services.dropped_services) {
            (Some(service), _) => format!("only {service}"),
            (None, 0) => format!("{} services", services.services.len()),
            (None, dropped) => format!("{} services, {dropped} more not shown", services.services.len()),
        };
        rule::rule(cx.look, buffer, above(layout.services), "services", &summary);
        if rows.services.is_empty() {
            Empty {
                what: "No service has sent a metric yet.",
                next: "Add a [[scrape.jobs]] to quarterdeck.toml, or start with --prometheus-config prometheus.yml; services \
                       appear by themselves from the labels service and job.",
                key: "",
            }
            .draw(cx.look, buffer, layout.services);
        } else {
            self.list.draw(cx.look, buffer, layout.services, &rows);
        }
        firing::draw(cx, buffer, layout.firing, wrong);
        if let Some(service) = self.selected(&rows).or(rows.services.first().copied()) {
            draw_charts(cx, buffer, &layout.charts, service);
        }
        recent::draw(cx, buffer, layout.timeline);
        platform::draw(cx, buffer, layout.platform);
        if let Some(x) = layout.divider {
            // The rule goes on through the divider's column.
            rule::rule(cx.look, buffer, Rect { x, y: layout.firing.y, width: 1, height: 1 }, "", "");
            rule::join(cx.look, buffer, x, layout.firing.y + 1, area.bottom());
        }
        vec![Hit { area: layout.services, target: "services".to_owned() }]
    }

    fn selection(&self, cx: &Context<'_, World>) -> Option<Subject> {
        let rows = ServiceRows::new(cx, self.set);
        self.selected(&rows).map(|s| s.subject())
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        let mut hints = vec!["overview.open", "overview.changed", "overview.filter", "overview.sort"];
        let rows = ServiceRows::new(cx, self.set);
        if self.selected(&rows).is_some_and(|s| s.runbook.is_some()) {
            hints.insert(2, "overview.runbook");
        }
        hints
    }

    fn typing(&self) -> bool {
        self.list.typing()
    }

    fn remember(&self) -> Option<String> {
        Some(self.list.table.remember())
    }

    fn restore(&mut self, remembered: &str) {
        self.list.table.restore(remembered);
    }
}

/// The selected service's near past, where there is room for it: what is known of it first.
fn draw_charts(cx: &Context<'_, World>, buffer: &mut Buffer, places: &[Rect], service: &ServiceView) {
    let shown = [Shown::Latency, Shown::Throughput, Shown::Errors];
    let known = shown.into_iter().filter(|shown| shown.known(service));
    for (place, shown) in places.iter().zip(known) {
        signals::chart(cx, buffer, *place, service, shown, &format!("{} · ", service.name));
    }
}
