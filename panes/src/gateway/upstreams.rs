//! Upstreams: each version of a service with its endpoints, its circuit breaker, and the room that its routes have.

use std::borrow::Cow;

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::{ServiceView, VersionView};
use quarterdeck_kernel::{Health, Timestamp};
use quarterdeck_resilience::breaker::State;
use quarterdeck_resilience::bulkhead;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Glyph, Role, format};

use super::rows::{Model, ViewRows};
use super::{breaker, routes, traffic};
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 9] = [
    Column::flex("service", "SERVICE", 8).weight(2).at_most(28),
    Column::flex("version", "VERSION", 7).at_most(16),
    Column::number("share", "SHARE %", 7),
    Column::fixed("endpoints", "ENDPOINTS", 11),
    Column::flex("breaker", "BREAKER", 14).at_most(24),
    Column::number("rate", "RATE /s", 8),
    Column::number("errors", "ERR %", 6).priority(1),
    Column::number("p99", "P99 ms", 7).priority(2),
    Column::number("room", "BULKHEAD", 9).priority(3),
];

/// Versions of the service in scope, those in trouble first.
pub(super) fn places(snapshot: &Snapshot, service: Option<&str>) -> Vec<(usize, usize)> {
    let within = |view: &ServiceView| service.is_none_or(|service| *view.name == *service);
    let services = snapshot.services.iter().enumerate().filter(|(_, service)| within(service));
    let mut ranked: Vec<(Health, (usize, usize))> = services
        .flat_map(|(place, service)| {
            let versions = service.versions.iter().enumerate();
            versions.map(move |(version, view)| (traffic::version(view).0, (place, version)))
        })
        .collect();
    ranked.sort_by_key(|(health, place)| (std::cmp::Reverse(*health), *place));
    ranked.into_iter().map(|(_, place)| place).collect()
}

/// The fullest bulkhead of the routes that lead to a service.
fn fullest<'a>(snapshot: &'a Snapshot, service: &str) -> Option<&'a bulkhead::View> {
    let part =
        |view: &bulkhead::View| f64::from(view.running + view.waiting) / f64::from(view.concurrency.max(1));
    let rooms = snapshot.routes.iter().filter(|r| *r.service == *service).filter_map(|r| r.bulkhead.as_ref());
    rooms.max_by(|a, b| part(a).total_cmp(&part(b)))
}

fn ready(version: &VersionView) -> usize {
    version.endpoints.iter().filter(|e| e.ready && !e.ejected).count()
}

pub(super) fn text<'a>(model: &'a Model, row: usize, id: &str, now: Timestamp) -> Option<Cow<'a, str>> {
    let (service, version) = (model.service(row)?, model.version(row)?);
    Some(match id {
        "service" => (&*service.name).into(),
        "version" => (&*version.name).into(),
        "share" => format::attained(version.share * 100.0).into(),
        "endpoints" => format!("{}/{} ready", ready(version), version.endpoints.len()).into(),
        "breaker" => breaker::word(version.breaker.as_ref(), now).1.into(),
        "room" => match fullest(&model.snapshot, &service.name) {
            Some(room) if room.waiting > 0 => {
                format!("{}/{} +{}", room.running, room.concurrency, room.waiting).into()
            }
            Some(room) => format!("{}/{}", room.running, room.concurrency).into(),
            None => "·".into(),
        },
        id => traffic::known(traffic::value(&version.traffic, id)).into(),
    })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    let version = model.version(row)?;
    match id {
        "service" | "version" => None,
        "share" => Some(Order::Number(version.share)),
        "endpoints" => Some(Order::Number(ready(version) as f64 / version.endpoints.len().max(1) as f64)),
        "breaker" => Some(match version.breaker.as_ref().map(|b| b.view.state) {
            Some(State::Open) => Order::Number(0.0),
            Some(State::HalfOpen) => Order::Number(1.0),
            Some(State::Closed) => Order::Number(2.0),
            None => Order::Missing,
        }),
        "room" => Some(match fullest(&model.snapshot, &model.service(row)?.name) {
            Some(room) => Order::Number(f64::from(room.running + room.waiting)),
            None => Order::Missing,
        }),
        id => Some(traffic::order(traffic::value(&version.traffic, id))),
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    let Some(version) = rows.model.version(row) else { return };
    match id {
        "service" => cell.text(text),
        "version" => cell.text(text),
        "share" if version.share > 0.0 => cell.text(text),
        "endpoints" => {
            let (ready, all) = (ready(version), version.endpoints.len());
            let (glyph, role) = match ready {
                0 => (Glyph::Critical, Role::Critical),
                n if n < all => (Glyph::Warning, Role::Warning),
                _ => (Glyph::Ok, Role::Muted),
            };
            cell.state(glyph, text, role);
        }
        "breaker" => {
            let (glyph, word, role) = breaker::word(version.breaker.as_ref(), rows.now);
            cell.state(glyph, &word, role);
        }
        "share" | "room" => cell.role(text, Role::Muted),
        id => cell.role(text, traffic::role(&version.traffic, id)),
    }
}

/// All of a version.
pub(super) fn tell(
    details: &mut Details,
    snapshot: &Snapshot,
    service: &ServiceView,
    version: &VersionView,
    now: Timestamp,
) {
    tell_breaker(details, version, now);
    traffic::tell_split(details, service);
    for route in snapshot.routes.iter().filter(|route| *route.service == *service.name) {
        if let Some(room) = &route.bulkhead {
            details.pieces([("route ", Role::Muted), (&route.name, Role::Text)]);
            routes::bulkhead(details, room);
        }
    }
    details.section("endpoints", format!("{} of {} ready", ready(version), version.endpoints.len()));
    for endpoint in &version.endpoints {
        let (glyph, word, role) = match (endpoint.ready, endpoint.ejected) {
            (false, _) => (Glyph::Critical, "not ready", Role::Critical),
            (true, true) => (Glyph::Warning, "ejected  ", Role::Warning),
            (true, false) => (Glyph::Ok, "ready    ", Role::Muted),
        };
        details.glyph(glyph, role);
        let told = format!(
            "  {}, {} failed, {} opened",
            format::counted(endpoint.requests, "request"),
            format::grouped(endpoint.failures),
            format::counted(endpoint.connections, "connection")
        );
        details.more([(&format!("{word}  "), role), (&endpoint.url, Role::Text), (&told, Role::Muted)]);
    }
}

fn tell_breaker(details: &mut Details, version: &VersionView, now: Timestamp) {
    let Some(view) = &version.breaker else {
        details.field("breaker", "none: [gateway.filters.breaker] gives it one", Role::Muted);
        return;
    };
    let (glyph, word, role) = breaker::word(Some(view), now);
    details.glyph(glyph, role);
    let since = format!(
        " for {}: {}",
        format::span((now.as_millis() - view.since.as_millis()).max(0)),
        breaker::why(view.view.reason)
    );
    let next = breaker::next(view, now).map(|next| format!("; {next}")).unwrap_or_default();
    details.more([
        (&format!("breaker {}", word.split(' ').next().unwrap_or_default()), role),
        (&since, Role::Text),
        (&next, Role::Running),
    ]);
    let rate = view.view.success_rate().map_or_else(|| "·".to_owned(), traffic::percent);
    let last = match view.last_failure {
        Some(at) => {
            format!(", the last failure {} ago", format::span((now.as_millis() - at.as_millis()).max(0)))
        }
        None => String::new(),
    };
    let told = format!(
        "{}, {rate} went well, {} failed, {} refused; {} of {} failures open it{last}",
        format::counted(view.view.calls, "call"),
        format::grouped(view.view.failed),
        format::grouped(view.view.refused),
        view.view.failures,
        view.view.limit,
    );
    details.wrapped(&told, Role::Muted, 2);
}
