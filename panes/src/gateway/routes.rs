//! Routes: what goes through them, how fast, and which versions take it.

use std::borrow::Cow;
use std::cmp::Reverse;

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::{RouteView, ServiceView};
use quarterdeck_kernel::Health;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Role, Unit, format};
use ratatui::style::Style;

use super::rows::{Model, ViewRows};
use super::traffic;
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 11] = [
    Column::flex("route", "ROUTE", 10).weight(2).at_most(32),
    Column::flex("service", "SERVICE", 8).at_most(20).priority(1),
    Column::fixed("state", "STATE", 12),
    Column::number("rate", "RATE /s", 8),
    Column::number("errors", "ERR %", 6),
    Column::number("refused", "CUT %", 6).priority(5),
    Column::number("p50", "P50 ms", 7).priority(4),
    Column::number("p95", "P95 ms", 7).priority(3),
    Column::number("p99", "P99 ms", 7),
    Column::flex("split", "SPLIT %", 13).weight(4).priority(0),
    Column::flex("matches", "TAKES", 12).weight(2).priority(6),
];

/// Those of the service in scope, worst first; the order within is the configuration's.
pub(super) fn places(snapshot: &Snapshot, behind: &[Option<usize>], service: Option<&str>) -> Vec<usize> {
    let behind = |place: usize| snapshot.services.get((*behind.get(place)?)?).map(|s| &**s);
    let within = |route: &RouteView| service.is_none_or(|service| *route.service == *service);
    let all = snapshot.routes.iter().enumerate().filter(|(_, route)| within(route));
    let mut ranked: Vec<(Health, usize)> =
        all.map(|(place, route)| (traffic::route(behind(place), route).0, place)).collect();
    ranked.sort_by_key(|(health, place)| (Reverse(*health), *place));
    ranked.into_iter().map(|(_, place)| place).collect()
}

fn split(model: &Model, row: usize) -> Option<String> {
    let versions = &model.service(row)?.versions;
    let told = versions.iter().map(|v| format!("{} {}", v.name, format::attained(v.share * 100.0)));
    Some(told.collect::<Vec<_>>().join(" "))
}

pub(super) fn text<'a>(model: &'a Model, row: usize, id: &str) -> Option<Cow<'a, str>> {
    let route = model.route(row)?;
    Some(match id {
        "route" => (&*route.name).into(),
        "service" => (&*route.service).into(),
        "state" => {
            let (health, why) = model.standing(row);
            if why.is_empty() { health.as_str().into() } else { why.into() }
        }
        "split" => split(model, row)?.into(),
        "matches" => route.matches.as_str().into(),
        id => traffic::known(traffic::value(&route.traffic, id)).into(),
    })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    let route = model.route(row)?;
    match id {
        "route" | "service" | "split" | "matches" => None,
        "state" => Some(Order::Number(-f64::from(model.standing(row).0 as u8))),
        id => Some(traffic::order(traffic::value(&route.traffic, id))),
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    let Some(route) = rows.model.route(row) else { return };
    match id {
        "route" => cell.text(text),
        "state" => {
            let health = rows.model.standing(row).0;
            let role = if health == Health::Ok { Role::Muted } else { Role::from(health) };
            cell.state(health, text, role);
        }
        "split" => draw_split(rows, row, cell),
        "service" | "matches" => cell.role(text, Role::Muted),
        id => cell.role(text, traffic::role(&route.traffic, id)),
    }
}

/// Shares in the colours of the versions, with a bar of each where there is room.
fn draw_split(rows: &ViewRows, row: usize, cell: &mut CellPainter<'_>) {
    let Some(service) = rows.model.service(row) else { return };
    let look = cell.look().clone();
    if let [only] = service.versions.as_slice() {
        return cell.role(&only.name, Role::Muted);
    }
    let words: Vec<String> = service
        .versions
        .iter()
        .map(|v| format!("{} {}", v.name, format::attained(v.share * 100.0)))
        .collect();
    let taken: usize = words.iter().map(|word| quarterdeck_widgets::text::width(word) + 2).sum::<usize>() - 1;
    let bars = usize::from(cell.width()).saturating_sub(taken).min(24);
    let mut spans: Vec<(String, Style)> = Vec::new();
    for (place, (word, version)) in words.into_iter().zip(&service.versions).enumerate() {
        let style = look.style(Role::Series(u8::try_from(place).unwrap_or(u8::MAX)));
        let gap = if place > 0 { " " } else { "" };
        if bars >= 6 {
            spans.push((format!("{gap}{} ", traffic::bar(version.share, bars)), style));
            spans.push((word, look.style(Role::Text)));
        } else {
            spans.push((format!("{gap}{word}"), style));
        }
    }
    let spans: Vec<(&str, Style)> = spans.iter().map(|(text, style)| (text.as_str(), *style)).collect();
    cell.spans(&spans);
}

/// All of a route.
pub(super) fn tell(details: &mut Details, service: Option<&ServiceView>, route: &RouteView) {
    let (health, why) = traffic::route(service, route);
    let why = if why.is_empty() { String::new() } else { format!("  {} {why}", health.as_str()) };
    details.pieces([
        (&route.matches, Role::Text),
        ("  to ", Role::Muted),
        (&route.service, Role::Text),
        (&why, Role::from(health)),
    ]);
    if let Some(service) = service {
        traffic::tell_split(details, service);
    }
    figures(details, route);
    details.field("filters", &route.filters.join(" → "), Role::Text);
    if let Some(room) = &route.bulkhead {
        bulkhead(details, room);
    }
    if !route.callers.is_empty() {
        details.section("who calls most", "requests");
        for (who, count) in &route.callers {
            details.pieces([(&format!("{:>12}  ", format::grouped(*count)), Role::Muted), (who, Role::Text)]);
        }
    }
    if !route.limits.is_empty() {
        details.section("its own limit", "left of how many");
        for standing in &route.limits {
            super::limits::line(details, standing);
        }
    }
}

fn figures(details: &mut Details, route: &RouteView) {
    let traffic = &route.traffic;
    let times = ["p50", "p95", "p99"].map(|id| traffic::known(traffic::value(traffic, id)));
    let told = format!(
        "{}/s, {} ms p50, {} ms p95, {} ms p99, {} under way, {} sent",
        format::figure(traffic.rate),
        times[0],
        times[1],
        times[2],
        format::grouped(traffic.active),
        Unit::BytesPerSecond.full(traffic.sent_rate),
    );
    details.field("now", &told, Role::Text);
    let told = format!(
        "{}, {} failed, {} tried again",
        format::counted(traffic.requests, "request"),
        format::grouped(traffic.failed),
        format::grouped(traffic.retried),
    );
    details.field("since start", &told, Role::Muted);
}

/// How full a bulkhead is.
pub(super) fn bulkhead(details: &mut Details, room: &quarterdeck_resilience::bulkhead::View) {
    const WIDTH: usize = 16;
    let part = f64::from(room.running) / f64::from(room.concurrency.max(1));
    let full = room.running >= room.concurrency;
    let role = if full { Role::Warning } else { Role::Text };
    let waiting = match (room.waiting, full) {
        (0, false) => String::new(),
        (0, true) => "  full".to_owned(),
        (n, _) => format!("  full, {n} of {} wait", room.queue),
    };
    let refused = match room.refused + room.expired {
        0 => String::new(),
        n => format!("  {} sent away", format::grouped(n)),
    };
    details.pieces([
        ("bulkhead       ", Role::Muted),
        (&format!("{:·<WIDTH$}", traffic::bar(part, WIDTH)), role),
        (&format!("  {} of {} at a time", room.running, room.concurrency), Role::Text),
        (&waiting, Role::Warning),
        (&refused, Role::Muted),
    ]);
}
