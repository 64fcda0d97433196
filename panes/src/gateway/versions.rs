//! Versions of interfaces: which are on their way out, and who still calls those.

use std::borrow::Cow;
use std::cmp::Reverse;

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::{ApiVersionView, RouteView};
use quarterdeck_kernel::Timestamp;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Glyph, Role, format};

use super::rows::{Model, Places, ViewRows};
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 7] = [
    Column::flex("route", "ROUTE", 10).weight(2).at_most(32),
    Column::flex("version", "VERSION", 8).at_most(20),
    Column::fixed("state", "STATE", 12),
    Column::number("consumers", "CONSUMERS", 9),
    Column::number("requests", "REQUESTS", 10),
    Column::fixed("sunset", "ENDS", 10).priority(2),
    Column::flex("who", "WHO", 16).weight(4).priority(1),
];

/// Those of the service in scope: versions on their way out that somebody still calls come first.
pub(super) fn places(snapshot: &Snapshot, service: Option<&str>) -> Vec<(usize, usize)> {
    let within = |route: &RouteView| service.is_none_or(|service| *route.service == *service);
    let routes = snapshot.routes.iter().enumerate().filter(|(_, route)| within(route));
    let mut ranked: Vec<(bool, (usize, usize))> = routes
        .flat_map(|(place, route)| {
            let versions = route.versions.iter().enumerate();
            versions.map(move |(version, view)| (remains(view), (place, version)))
        })
        .collect();
    ranked.sort_by_key(|(remains, place)| (Reverse(*remains), *place));
    ranked.into_iter().map(|(_, place)| place).collect()
}

/// Whether somebody still calls what is on its way out.
fn remains(version: &ApiVersionView) -> bool {
    version.state != "active" && !version.callers.is_empty()
}

pub(super) fn view(model: &Model, row: usize) -> Option<(&RouteView, &ApiVersionView)> {
    let Places::Versions(places) = &model.places else { return None };
    let (route, version) = places.get(row)?;
    let route = model.snapshot.routes.get(*route)?;
    Some((route, route.versions.get(*version)?))
}

fn requests(version: &ApiVersionView) -> u64 {
    version.callers.iter().map(|(_, count)| count).sum()
}

pub(super) fn text<'a>(model: &'a Model, row: usize, id: &str) -> Option<Cow<'a, str>> {
    let (route, version) = view(model, row)?;
    Some(match id {
        "route" => (&*route.name).into(),
        "version" => (&*version.name).into(),
        "state" => version.state.into(),
        "consumers" => version.callers.len().to_string().into(),
        "requests" => format::grouped(requests(version)).into(),
        "sunset" => version.sunset.map_or("·".into(), |at| format::date(at).into()),
        _ => {
            version.callers.iter().take(8).map(|(who, _)| who.as_str()).collect::<Vec<_>>().join(", ").into()
        }
    })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    let (_, version) = view(model, row)?;
    match id {
        "consumers" => Some(Order::Number(version.callers.len() as f64)),
        "requests" => Some(Order::Number(requests(version) as f64)),
        "sunset" => Some(version.sunset.map_or(Order::Missing, |at| Order::Number(at.as_millis() as f64))),
        _ => None,
    }
}

fn state(version: &ApiVersionView) -> (Glyph, Role) {
    match version.state {
        "active" => (Glyph::Ok, Role::Muted),
        // Nobody is left: it can go.
        _ if version.callers.is_empty() => (Glyph::Done, Role::Muted),
        "retired" => (Glyph::Failed, Role::Critical),
        _ => (Glyph::Warning, Role::Warning),
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    let Some((_, version)) = view(&rows.model, row) else { return };
    match id {
        "route" | "version" => cell.text(text),
        "state" => {
            let (glyph, role) = state(version);
            cell.state(glyph, text, role);
        }
        "sunset" if remains(version) && version.sunset.is_some_and(|at| at <= rows.now) => {
            cell.role(text, Role::Warning);
        }
        "consumers" | "who" | "sunset" if remains(version) => cell.text(text),
        _ => cell.role(text, Role::Muted),
    }
}

/// All of a version, with everybody who calls it.
pub(super) fn tell(details: &mut Details, route: &RouteView, version: &ApiVersionView, now: Timestamp) {
    let (glyph, role) = state(version);
    details.glyph(glyph, role);
    let told = match (version.state, version.callers.len()) {
        ("active", _) => String::new(),
        (_, 0) => ": nobody calls it any more".to_owned(),
        ("retired", 1) => ": 1 consumer still calls it and is refused".to_owned(),
        ("retired", n) => format!(": {n} consumers still call it and are refused"),
        (_, 1) => ": 1 consumer must move".to_owned(),
        (_, n) => format!(": {n} consumers must move"),
    };
    details.more([
        (version.state, role),
        (&told, Role::Text),
        (&format!("  {} of {}", version.name, route.name), Role::Muted),
    ]);
    if let Some(since) = version.deprecated {
        details.field("deprecated", &format!("{} (UTC)", format::date(since)), Role::Text);
    }
    if let Some(ends) = version.sunset {
        let left = (ends.as_millis() - now.as_millis()) / 86_400_000;
        let (told, role) = match left {
            _ if ends <= now && version.state == "retired" => ("it has ended".to_owned(), Role::Muted),
            _ if ends <= now => ("the day has passed and it is not retired".to_owned(), Role::Warning),
            0 => ("in less than a day".to_owned(), Role::Warning),
            1 => ("in 1 day".to_owned(), Role::Warning),
            n => (format!("in {} days", format::grouped(n.unsigned_abs())), Role::Text),
        };
        details.field("ends", &format!("{} (UTC): {told}", format::date(ends)), role);
    }
    if !version.callers.is_empty() {
        details.section("who calls it", "requests");
        for (who, count) in &version.callers {
            details.pieces([(&format!("{:>12}  ", format::grouped(*count)), Role::Muted), (who, Role::Text)]);
        }
    }
}
