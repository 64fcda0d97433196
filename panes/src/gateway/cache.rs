//! The cache: how often it helps, what it holds, and the routes whose answers are kept.

use std::borrow::Cow;

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::{CacheCounts, RouteView};
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Role, Unit, format};

use super::rows::{Model, ViewRows};
use super::{routes, traffic};
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 7] = [
    Column::flex("route", "ROUTE", 12).weight(2).at_most(32),
    Column::flex("service", "SERVICE", 10).at_most(24),
    Column::number("hits", "HIT %", 6),
    Column::number("rate", "RATE /s", 8),
    Column::number("p50", "P50 ms", 7).priority(3),
    Column::number("p99", "P99 ms", 7).priority(2),
    Column::flex("matches", "TAKES", 14).weight(3).priority(1),
];

/// Routes of the service in scope whose answers are kept.
pub(super) fn places(snapshot: &Snapshot, service: Option<&str>) -> Vec<usize> {
    let within = |route: &RouteView| service.is_none_or(|service| *route.service == *service);
    let kept = |route: &RouteView| route.filters.contains(&"cache") && within(route);
    snapshot.routes.iter().enumerate().filter(|(_, route)| kept(route)).map(|(place, _)| place).collect()
}

pub(super) fn text<'a>(model: &'a Model, row: usize, id: &str) -> Option<Cow<'a, str>> {
    if id == "hits" {
        let rate = route_hit_rate(model.route(row)?);
        return Some(rate.map_or("·".into(), |rate| format::attained(rate * 100.0).into()));
    }
    routes::text(model, row, id)
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    if id == "hits" {
        return Some(traffic::order(route_hit_rate(model.route(row)?)));
    }
    routes::order(model, row, id)
}

pub(super) fn draw(rows: &ViewRows, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    if id == "hits" {
        return cell.text(text);
    }
    routes::draw(rows, row, id, text, cell);
}

/// The share of a route's requests that the cache answered, of those that it could have; None without any.
fn route_hit_rate(route: &RouteView) -> Option<f64> {
    let asked = route.cache_hits + route.cache_misses;
    (asked > 0).then(|| route.cache_hits as f64 / asked as f64)
}

/// How often the cache helps one route.
pub(super) fn tell_route(details: &mut Details, route: &RouteView) {
    let told = match route_hit_rate(route) {
        Some(rate) => format!(
            "{} of this route: {} hits, {} misses",
            traffic::percent(rate),
            format::grouped(route.cache_hits),
            format::grouped(route.cache_misses)
        ),
        None => "· nothing of this route was asked of it yet".to_owned(),
    };
    details.field("hit rate", &told, Role::Text);
    let Some(warming) = &route.warming else { return };
    let told = format!("{} of {} kept, {} on their way", warming.kept, warming.paths, warming.running);
    details.field("warm", &told, if warming.kept < warming.paths { Role::Warning } else { Role::Text });
    if let Some(problem) = &warming.problem {
        details.field("", problem, Role::Warning);
    }
}

/// The share of requests that the cache answered; None when it was asked for nothing.
fn hit_rate(cache: &CacheCounts) -> Option<f64> {
    let asked = cache.hits + cache.misses;
    (asked > 0).then(|| cache.hits as f64 / asked as f64)
}

/// Bytes with their unit.
pub(super) fn bytes(count: u64) -> String {
    Unit::Bytes.full(count as f64)
}

/// In one line.
pub(super) fn summary(cache: &CacheCounts) -> String {
    let rate = hit_rate(cache)
        .map_or_else(|| "not asked yet".to_owned(), |r| format!("{} hits", traffic::percent(r)));
    format!(
        "{rate} · {} of {} · {} evicted",
        bytes(cache.bytes),
        bytes(cache.capacity),
        format::grouped(cache.evictions)
    )
}

/// All of the cache.
pub(super) fn tell(details: &mut Details, cache: &CacheCounts) {
    const WIDTH: usize = 24;
    let gauge = |details: &mut Details, name: &str, part: f64, role: Role, told: &str| {
        details.pieces([
            (&format!("{name:<12} "), Role::Muted),
            (&format!("{:·<WIDTH$}", traffic::bar(part, WIDTH)), role),
            (&format!("  {told}"), Role::Text),
        ]);
    };
    let rate = hit_rate(cache);
    let told = rate.map_or_else(|| "· nothing was asked of it yet".to_owned(), traffic::percent);
    gauge(details, "hit rate", rate.unwrap_or(0.0), Role::Ok, &told);
    let part = cache.bytes as f64 / cache.capacity.max(1) as f64;
    let role = if part >= 0.9 { Role::Warning } else { Role::Text };
    gauge(details, "full", part, role, &format!("{} of {}", bytes(cache.bytes), bytes(cache.capacity)));
    let counts = [
        ("answers", cache.entries, "kept now"),
        ("hits", cache.hits, "answered from it"),
        ("misses", cache.misses, "passed on"),
        ("evicted", cache.evictions, "made way for others"),
        ("stale", cache.stale, "past their time, as the service failed"),
        ("waited", cache.waited, "waited for another's answer"),
        ("purged", cache.purged, "taken out by an operator"),
    ];
    for (name, count, told) in counts {
        details.pieces([
            (&format!("{name:<12} "), Role::Muted),
            (&format!("{:>12}  ", format::grouped(count)), Role::Text),
            (told, Role::Muted),
        ]);
    }
}
