//! Figures of traffic, and how bad they are.

use quarterdeck_gateway::model::{RouteView, ServiceView, Traffic, VersionView};
use quarterdeck_kernel::Health;
use quarterdeck_resilience::breaker::State;
use quarterdeck_widgets::table::Order;
use quarterdeck_widgets::{Role, format};

use crate::lines::Details;

/// From this share of failed requests on a route is in trouble.
const FAILING: f64 = 0.01;

/// A bar of so many columns.
const BAR: usize = 20;

pub(super) fn known(value: Option<f64>) -> String {
    value.map_or_else(|| "·".to_owned(), format::figure)
}

pub(super) fn order(value: Option<f64>) -> Order<'static> {
    value.map_or(Order::Missing, Order::Number)
}

/// The value of a column that is one of traffic's, in the column's unit.
pub(super) fn value(traffic: &Traffic, id: &str) -> Option<f64> {
    match id {
        "rate" => Some(traffic.rate),
        "errors" => traffic.errors.map(|share| share * 100.0),
        "refused" => traffic.refused.map(|share| share * 100.0),
        "p50" => traffic.p50.map(|seconds| seconds * 1e3),
        "p95" => traffic.p95.map(|seconds| seconds * 1e3),
        "p99" => traffic.p99.map(|seconds| seconds * 1e3),
        _ => None,
    }
}

/// How a figure of traffic is drawn.
pub(super) fn role(traffic: &Traffic, id: &str) -> Role {
    match id {
        "errors" if traffic.errors.is_some_and(|share| share >= FAILING) => Role::Warning,
        "errors" | "refused" if value(traffic, id).is_some_and(|v| v > 0.0) => Role::Text,
        "rate" | "p99" => Role::Text,
        _ => Role::Muted,
    }
}

/// A share as a percentage: nearly all is not all, and a little is not nothing.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", format::attained(share * 100.0))
}

/// A bar of a share, as text.
pub(super) fn bar(share: f64, width: usize) -> String {
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let columns = (share * width as f64).round() as usize;
    "━".repeat(if share > 0.0 { columns.max(1) } else { 0 })
}

/// How a version stands, and why in a word or two.
pub(super) fn version(version: &VersionView) -> (Health, String) {
    let breaker = version.breaker.as_ref().map(|breaker| breaker.view);
    let ready = version.endpoints.iter().filter(|e| e.ready && !e.ejected).count();
    let taken = version.share > 0.0;
    let bad = if taken { Health::Down } else { Health::Degraded };
    match breaker {
        Some(view) if view.state == State::Open => (bad, format!("{} open", version.name)),
        _ if ready == 0 => (bad, format!("{} not there", version.name)),
        Some(view) if view.state == State::HalfOpen => {
            (Health::Degraded, format!("{} half-open", version.name))
        }
        Some(view) if view.forced => (Health::Degraded, format!("{} forced", version.name)),
        _ if ready < version.endpoints.len() => {
            let out = version.endpoints.len() - ready;
            (Health::Degraded, format!("{} {out} out", version.name))
        }
        _ => (Health::Ok, String::new()),
    }
}

fn service(service: &ServiceView) -> (Health, String) {
    // What takes no traffic harms nobody: a version may wait for its turn unstarted.
    let taking = service.versions.iter().filter(|version| version.share > 0.0);
    let worst = taking.map(version).max_by_key(|(health, _)| *health);
    worst.unwrap_or((Health::Unknown, "no version".to_owned()))
}

/// How a route stands, and why in a word or two.
pub(super) fn route(behind: Option<&ServiceView>, route: &RouteView) -> (Health, String) {
    let behind = behind.map(service);
    let full = route.bulkhead.is_some_and(|b| b.running >= b.concurrency && b.waiting >= b.queue);
    let own = match route.traffic.errors {
        Some(share) if share >= FAILING => (Health::Degraded, "errors".to_owned()),
        _ if full => (Health::Degraded, "full".to_owned()),
        _ => (Health::Ok, String::new()),
    };
    match behind {
        Some(behind) if behind.0 >= own.0 && behind.0 > Health::Ok => behind,
        _ => own,
    }
}

/// How a service's traffic is split: a live bar for each version.
pub(super) fn tell_split(details: &mut Details, service: &ServiceView) {
    let names = service.versions.iter().map(|v| quarterdeck_widgets::text::width(&v.name));
    let widest = names.max().unwrap_or(0).min(16);
    let width = details.width().saturating_sub(widest + 44).clamp(6, BAR);
    for (place, version) in service.versions.iter().enumerate() {
        let series = Role::Series(u8::try_from(place).unwrap_or(u8::MAX));
        let (health, why) = self::version(version);
        let traffic = &version.traffic;
        let name = quarterdeck_widgets::text::cut(&version.name, widest).into_owned();
        let pad = widest.saturating_sub(quarterdeck_widgets::text::width(&name));
        let p99 = match value(traffic, "p99") {
            Some(ms) => format!("  p99 {} ms", format::figure(ms)),
            None => String::new(),
        };
        let errors = match value(traffic, "errors") {
            Some(errors) => format!("  {} % errors", format::figure(errors)),
            None => String::new(),
        };
        details.pieces([
            (&format!("{name}{:pad$}  ", ""), Role::Text),
            (&format!("{:<width$}", bar(version.share, width)), series),
            (&format!(" {:>6}", percent(version.share)), Role::Text),
            (&format!(" {:>7}", format!("{}/s", format::figure(traffic.rate))), Role::Muted),
            (&p99, Role::Muted),
            (&errors, role(traffic, "errors")),
            (&if why.is_empty() { why } else { format!("  {}", health.as_str()) }, Role::from(health)),
        ]);
    }
    if service.steered {
        details.wrapped("Deployment control steers this split.", Role::Info, 2);
    } else if service.split_set {
        details.wrapped("An operator set this split; R goes back to the configured one.", Role::Info, 2);
    }
}
