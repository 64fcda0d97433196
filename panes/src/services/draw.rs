//! Draws the pane: the list with its detail, or one service.

use quarterdeck_kernel::Moment;
use quarterdeck_services::ServiceView;
use quarterdeck_ui::{Context, Hit, World as _};
use quarterdeck_widgets::{empty::Empty, rule};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::asked::Lines;
use super::charts::{self, Drawn};
use super::layout::{ListLayout, OneLayout, below};
use super::list::ServiceRows;
use super::transactions::TransactionRows;
use super::{Opened, Services, detail, facts, resources, rows_len, views};
use crate::World;

impl Services {
    pub(super) fn view_list(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let rows = ServiceRows::new(cx);
        let services = &cx.world.services;
        let layout = ListLayout::new(area, rows_len(&rows));
        rule::rule(cx.look, buffer, area, "", "");
        rule::rule(cx.look, buffer, layout.title, "services", &summary(cx));
        if rows_len(&rows) == 0 {
            draw_empty(cx, buffer, Rect { width: area.width, ..below(area, 1) });
            return Vec::new();
        }
        self.list.draw(cx.look, buffer, layout.list, &rows);
        if let Some(service) = self.service(cx) {
            detail::draw(cx, buffer, layout.detail, service);
        } else if !services.services.is_empty() {
            rule::rule(cx.look, buffer, layout.detail, "", "");
        }
        if let Some(x) = layout.divider {
            rule::join(cx.look, buffer, x, area.y + 1, area.bottom());
        }
        vec![Hit { area: layout.list, target: "services".to_owned() }]
    }

    pub(super) fn view_one(
        &self,
        cx: &Context<'_, World>,
        buffer: &mut Buffer,
        area: Rect,
        open: &Opened,
    ) -> Vec<Hit> {
        let look = cx.look;
        let Some(service) = cx.world.services.service(&open.service) else {
            rule::rule(look, buffer, area, &open.service, "");
            let what = format!("Nothing is known of {}.", open.service);
            let next = "It appears here when its first sample arrives; Esc goes back to all services.";
            Empty { what: &what, next, key: "" }.draw(look, buffer, below(area, 1));
            return Vec::new();
        };
        let now = cx.world.now;
        let layout = self.layout(cx, area, Some(service));
        let title = match &open.transaction {
            Some(transaction) => format!("{} · {transaction}", service.name),
            None => service.name.to_string(),
        };
        rule::rule(look, buffer, layout.facts, &title, &facts::state(look, service, now));
        let merged = layout.facts.height <= 4;
        let mut head = facts::head(look, &cx.world.services, service, now, merged);
        let narrowed = open.transaction.as_deref().and_then(|name| service.transaction(name));
        if !resources::tells(service) {
            head.push(facts::figures(look, service, narrowed, area.width));
        }
        facts::put_lines(buffer, below(layout.facts, 1), &head);
        if resources::tells(service) {
            let used = self.resources.answer().map(|used| used.as_ref().map_err(String::as_str));
            return resources::draw(cx, buffer, below(area, layout.facts.height), service, used);
        }
        let mut hits = self.draw_charts(cx, buffer, &layout, service, open);
        self.draw_transactions(cx, buffer, &layout, service, open);
        hits.push(Hit { area: below(layout.transactions, 1), target: "transactions".to_owned() });
        hits
    }

    fn draw_charts(
        &self,
        cx: &Context<'_, World>,
        buffer: &mut Buffer,
        layout: &OneLayout,
        service: &ServiceView,
        open: &Opened,
    ) -> Vec<Hit> {
        let shown = charts::viewport(cx);
        let marks = cx.world.marks(shown.from(), shown.to(), Some(&service.name));
        // Until the first answer comes, the snapshot's own history is better than nothing.
        let history;
        let lines = match self.signals.answer() {
            Some(Ok(lines)) if cx.scope.moment == Moment::Live => {
                history = lines.up_to_now(&cx.world.services, &service.name, open.transaction.as_deref());
                Ok(&history)
            }
            Some(Ok(lines)) => Ok(lines),
            Some(Err(why)) => Err(why.as_str()),
            None if cx.scope.moment == Moment::Live => {
                history = Lines::of_history(&cx.world.services, &service.name, open.transaction.as_deref());
                Ok(&history)
            }
            None => {
                history = Lines::default();
                Ok(&history)
            }
        };
        let drawn = Drawn {
            service,
            transaction: open.transaction.as_deref(),
            lines,
            heat: self.heatmap.answer().map(|heat| heat.as_ref().map_err(String::as_str)),
            marks: &marks,
            waiting: self.signals.waiting() && self.signals.answer().is_none(),
            more: views(layout, cx.area, self.has_level(service)).len() > 1,
            first: layout.charts.first().map(|(view, _)| *view),
        };
        if let Some((_, first)) = layout.charts.first() {
            rule::rule(cx.look, buffer, Rect { width: cx.area.width, ..*first }, "", "");
        }
        let charts = layout.charts.iter();
        charts.filter_map(|(view, area)| charts::draw(cx, buffer, *area, *view, &drawn)).collect()
    }

    fn draw_transactions(
        &self,
        cx: &Context<'_, World>,
        buffer: &mut Buffer,
        layout: &OneLayout,
        service: &ServiceView,
        open: &Opened,
    ) {
        let look = cx.look;
        if layout.transactions.height > 0 {
            rule::rule(look, buffer, Rect { width: cx.area.width, ..layout.transactions }, "", "");
            let count = match (service.transactions.len(), service.dropped_transactions) {
                (_, dropped @ 1..) => format!("{dropped} more not kept"),
                (n, _) => n.to_string(),
            };
            rule::rule(look, buffer, layout.transactions, "transactions", &count);
            let inside = below(layout.transactions, 1);
            if service.transactions.is_empty() {
                let what = "No transaction is told apart in its metrics.";
                let next = "They are named by labels such as http_route, handler or method; [signals.conventions] says which.";
                Empty { what, next, key: "" }.draw(look, buffer, inside);
            } else {
                let rows = TransactionRows::new(Some(service), open.transaction.as_deref());
                self.transactions.draw(look, buffer, inside, &rows);
            }
        }
        if layout.resources.height > 0 {
            rule::rule(look, buffer, layout.resources, "resources", "");
            let inside = below(layout.resources, 1);
            if service.resources.is_empty() {
                let what = "No resource use is known.";
                Empty { what, next: "", key: "" }.draw(look, buffer, inside);
            } else {
                detail::draw_resources(look, buffer, inside, service);
            }
        }
        if let Some((x, top, bottom)) = layout.chart_divider {
            rule::join(look, buffer, x, top, bottom);
        }
        if let Some(x) = layout.divider {
            rule::join(look, buffer, x, layout.transactions.y + 1, layout.transactions.bottom());
        }
    }
}

fn summary(cx: &Context<'_, World>) -> String {
    let services = &cx.world.services;
    let mut parts = vec![match &cx.scope.service {
        Some(service) => format!("only {service}, * for all"),
        None => services.services.len().to_string(),
    }];
    if services.dropped_services > 0 {
        parts.push(format!("{} more not shown", services.dropped_services));
    }
    if !services.problems.is_empty() {
        parts.push(format!("{} queries failed, x tells", services.problems.len()));
    }
    parts.join(" · ")
}

fn draw_empty(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    match &cx.scope.service {
        Some(service) if !cx.world.services.services.is_empty() => {
            let what = format!("Nothing is known of {service}.");
            Empty { what: &what, next: "to see all services", key: "*" }.draw(cx.look, buffer, area);
        }
        _ => Empty {
            what: "No service has sent a metric yet.",
            next: "Add a [[scrape.jobs]] to quarterdeck.toml, or start with --prometheus-config prometheus.yml; services \
                   appear by themselves from the labels service and job.",
            key: "",
        }
        .draw(cx.look, buffer, area),
    }
}
