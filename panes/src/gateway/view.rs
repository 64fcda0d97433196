//! Draws the pane.

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::KeySetView;
use quarterdeck_kernel::{Moment, Timestamp};
use quarterdeck_ui::{Context, Hit};
use quarterdeck_widgets::table::Rows;
use quarterdeck_widgets::{Role, empty::Empty, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::rows::Kind;
use super::{Gateway, cache, limits, requests, routes, upstreams, versions};
use crate::lines::Details;
use crate::lists::{Front as _, Lists as _, draw_lines, figures};
use crate::split::Layout;
use crate::{World, lines};

impl Gateway {
    pub(super) fn layout(&self, area: Rect) -> Layout {
        Layout::new(area, 0)
    }

    /// Everything about what is selected.
    pub(super) fn told(&self, cx: &Context<'_, World>, width: u16) -> Details {
        let mut details = Details::new(width);
        let Some(model) = self.model() else { return details };
        if self.kind == Kind::Cache {
            cache::tell(&mut details, &model.snapshot.cache);
        }
        let Some(row) = self.selected() else { return details };
        match self.kind {
            Kind::Routes | Kind::Cache => {
                if let Some(route) = model.route(row) {
                    if self.kind == Kind::Cache {
                        details.section(&*route.name, "");
                        cache::tell_route(&mut details, route);
                    }
                    routes::tell(&mut details, model.service(row).map(|service| &**service), route);
                }
            }
            Kind::Upstreams => {
                if let (Some(service), Some(version)) = (model.service(row), model.version(row)) {
                    upstreams::tell(&mut details, &model.snapshot, service, version, cx.world.now);
                }
            }
            Kind::Limits => {
                if let Some(consumer) = model.consumer(row) {
                    limits::tell(&mut details, &model.snapshot, consumer);
                }
            }
            Kind::Versions => {
                if let Some((route, version)) = versions::view(model, row) {
                    versions::tell(&mut details, route, version, cx.world.now);
                }
            }
            Kind::Requests => {
                if let Some(sample) = model.sample(row) {
                    requests::tell(&mut details, sample);
                }
            }
        }
        details
    }

    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let layout = self.layout(area);
        let snapshot = &cx.world.gateway;
        if is_absent(snapshot) {
            rule::rule(cx.look, buffer, layout.title, "gateway", "");
            draw_absent(cx, buffer, layout.whole);
            return Vec::new();
        }
        let title = self.title(cx);
        let room = usize::from(area.width).saturating_sub(text::width(&title));
        rule::rule(cx.look, buffer, layout.title, &title, &self.counts(snapshot, room, cx.world.now));
        if let Some(from) = self.open {
            let body = layout.full();
            let told = self.told(cx, body.width);
            let most = told.lines.len().saturating_sub(usize::from(body.height));
            lines::draw(cx, buffer, body, &told.lines, from.min(most));
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
        let something = self.selected().is_some() || self.kind == Kind::Cache;
        if layout.detail.height > 1 && something {
            let mut detail = layout.detail;
            if layout.divider.is_none() {
                rule::rule(cx.look, buffer, Rect { height: 1, ..detail }, &self.selection_name(), "");
                detail = Rect { y: detail.y + 1, height: detail.height - 1, ..detail };
            }
            lines::draw(cx, buffer, detail, &self.told(cx, detail.width).lines, 0);
        }
        self.draw_form(cx, buffer, layout.whole);
        vec![Hit { area: layout.list, target: "table".to_owned() }]
    }

    /// What is shown, of which service, and of when: nothing of the gateway is kept to be looked at later.
    fn title(&self, cx: &Context<'_, World>) -> String {
        let mut title = self.kind.title().to_owned();
        if let Some(service) = &cx.scope.service {
            title.push_str(&format!(" · {service}"));
        }
        if cx.scope.moment != Moment::Live {
            title.push_str(" · as of now, not of then");
        }
        title
    }

    fn draw_form(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        if let Some(asking) = &self.asking {
            asking.form.draw(cx.look, buffer, area);
        }
    }

    fn selection_name(&self) -> String {
        let known = self.model().zip(self.selected()).and_then(|(model, row)| match self.kind {
            Kind::Routes => Some(model.route(row)?.name.to_string()),
            Kind::Upstreams => Some(format!("{} {}", model.service(row)?.name, model.version(row)?.name)),
            Kind::Limits => Some(model.consumer(row)?.who.clone()),
            Kind::Versions => {
                versions::view(model, row).map(|(route, v)| format!("{} {}", route.name, v.name))
            }
            Kind::Cache => None,
            Kind::Requests => Some(format!("request {}", model.sample(row)?.number)),
        });
        known.unwrap_or_else(|| self.kind.title().to_owned())
    }

    /// What stands at the right of the title: figures of the whole as far as there is room, and the list that comes next.
    fn counts(&self, snapshot: &Snapshot, room: usize, now: Timestamp) -> String {
        let next = self.kind.next().title();
        figures(self.figures(snapshot, now), next, room.saturating_sub(10))
    }

    /// Figures of the whole, the most useful first.
    fn figures(&self, snapshot: &Snapshot, now: Timestamp) -> Vec<String> {
        let totals = &snapshot.totals;
        let some = |count: u64, words: &str| match count {
            0 => String::new(),
            n => format!("{} {words}", format::grouped(n)),
        };
        match self.kind {
            Kind::Routes | Kind::Upstreams => {
                let errors = totals.traffic.errors.map(|share| format::figure(share * 100.0));
                vec![
                    format!("{}/s", format::figure(totals.traffic.rate)),
                    errors.map(|errors| format!("{errors} % errors")).unwrap_or_default(),
                    format::counted(totals.connections as u64, "connection"),
                    some(totals.unrouted, "took no route"),
                    match totals.tunnels {
                        0 => String::new(),
                        n => format::counted(n as u64, "tunnel"),
                    },
                ]
            }
            Kind::Limits => {
                let cut = snapshot.grants.iter().filter(|(_, n)| *n == 0).count();
                vec![
                    format!("{} granted, {cut} cut off", snapshot.grants.len() - cut),
                    snapshot.keys.as_ref().map(|keys| key_set(keys, now)).unwrap_or_default(),
                    some(totals.limits_evicted, "forgotten for want of room"),
                ]
            }
            Kind::Versions => {
                let versions = snapshot.routes.iter().flat_map(|route| &route.versions);
                let remain = versions.filter(|v| v.state != "active" && !v.callers.is_empty()).count();
                vec![match remain {
                    0 => "nobody remains on an old one".to_owned(),
                    1 => "1 old one is still called".to_owned(),
                    n => format!("{n} old ones are still called"),
                }]
            }
            Kind::Cache => vec![cache::summary(&snapshot.cache)],
            Kind::Requests => vec![
                if self.follow { "following".to_owned() } else { String::new() },
                format!("{} sampled", format::grouped(totals.samples)),
                some(totals.samples_skipped, "skipped"),
            ],
        }
    }

    fn draw_empty(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        let (what, next) = match (self.kind, &cx.scope.service) {
            (Kind::Routes | Kind::Upstreams, Some(_)) => {
                ("The gateway carries nothing of this service.", "Press * to look at all services.")
            }
            (Kind::Routes, None) => {
                ("No route leads anywhere.", "Add [gateway.routes.NAME] with service = \"NAME\".")
            }
            (Kind::Upstreams, None) => (
                "No service is behind the gateway.",
                "Add [gateway.services.NAME.versions.v1] with its endpoints.",
            ),
            (Kind::Limits, _) => (
                "Nobody who is limited has called yet.",
                "Limits come from [gateway.routes.NAME.filters.rate_limit] and [gateway.tiers]; L grants one.",
            ),
            (Kind::Versions, _) => (
                "No route tells versions of its interface apart.",
                "Add [gateway.routes.NAME.filters.api_versions] to see who calls which.",
            ),
            (Kind::Cache, _) => (
                "No route keeps answers.",
                "Add [gateway.routes.NAME.filters.cache] and they are kept, counted and purged here.",
            ),
            (Kind::Requests, _) => (
                "No request has been looked at yet.",
                "Send one through the gateway: it appears here with every filter that it passed.",
            ),
        };
        Empty { what, next, key: "" }.draw(cx.look, buffer, area);
    }
}

/// How old the issuer's keys are, and whether they could be fetched.
fn key_set(keys: &KeySetView, now: Timestamp) -> String {
    let failed = if keys.error.is_some() { ", fetching fails" } else { "" };
    match keys.fetched {
        Some(at) => {
            format!("token keys {} old{failed}", format::span((now.as_millis() - at.as_millis()).max(0)))
        }
        None => format!("no token keys yet{failed}"),
    }
}

/// Whether there is no gateway at all.
pub(super) fn is_absent(snapshot: &Snapshot) -> bool {
    snapshot.listeners.is_empty() && snapshot.routes.is_empty() && snapshot.services.is_empty()
}

/// The lines that give one a gateway.
fn draw_absent(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    const LINES: [(&str, Role); 10] = [
        ("No gateway runs here: no traffic goes through the console.", Role::Muted),
        ("", Role::Text),
        ("Start one in front of your services with one line:", Role::Muted),
        ("quarterdeck serve --gateway ADDR --upstream SERVICE=VERSION:URL", Role::Text),
        ("", Role::Text),
        ("or in quarterdeck.toml:", Role::Muted),
        ("[gateway]", Role::Text),
        ("listen = [\"127.0.0.1:8080\"]", Role::Text),
        ("[gateway.services.web]", Role::Text),
        ("versions = { v1 = \"http://127.0.0.1:9001\" }", Role::Text),
    ];
    draw_lines(cx, buffer, area, &LINES);
}
