//! The request inspector: a live sample, what each passed and how long that took, why one was refused.

use std::borrow::Cow;

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::Sample;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Glyph, Role, Unit, format};

use super::rows::{Model, ViewRows};
use super::traffic;
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 8] = [
    Column::fixed("time", "TIME", 12),
    Column::fixed("status", "STATUS", 6),
    Column::number("took", "MS", 8),
    Column::fixed("method", "METHOD", 7),
    Column::flex("path", "PATH", 14).weight(4),
    Column::flex("by", "ANSWERED BY", 15).weight(2).at_most(32),
    Column::flex("route", "ROUTE", 8).at_most(20).priority(1),
    Column::flex("caller", "CALLER", 12).weight(1).at_most(24).priority(2),
];

/// Those of the service in scope, newest first.
pub(super) fn places(snapshot: &Snapshot, service: Option<&str>) -> Vec<usize> {
    let within = |sample: &Sample| service.is_none_or(|s| sample.service.as_deref() == Some(s));
    let samples = snapshot.samples.iter().enumerate().rev();
    samples.filter(|(_, sample)| within(sample)).map(|(place, _)| place).collect()
}

fn millis(took: std::time::Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// Who answered, or why nobody was asked.
fn by(sample: &Sample) -> Cow<'_, str> {
    match (&sample.refused, &sample.version) {
        (Some((code, _)), _) => code.as_str().into(),
        (None, Some(version)) => (&**version).into(),
        (None, None) if sample.error.is_some() => "failed".into(),
        (None, None) => "the gateway".into(),
    }
}

fn status(sample: &Sample) -> (Glyph, Role) {
    match sample.status {
        500.. => (Glyph::Critical, Role::Critical),
        400.. => (Glyph::Warning, Role::Warning),
        _ => (Glyph::Ok, Role::Muted),
    }
}

pub(super) fn text<'a>(model: &'a Model, row: usize, id: &str) -> Option<Cow<'a, str>> {
    let sample = model.sample(row)?;
    Some(match id {
        "status" => sample.status.to_string().into(),
        "took" => format::figure(millis(sample.took)).into(),
        "method" => sample.method.as_str().into(),
        "path" => sample.path.as_str().into(),
        "by" => by(sample),
        "route" => sample.route.as_deref().unwrap_or("·").into(),
        "caller" => sample.caller.as_str().into(),
        _ => "".into(),
    })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    let sample = model.sample(row)?;
    match id {
        "time" => Some(Order::Number(sample.number as f64)),
        "status" => Some(Order::Number(f64::from(sample.status))),
        "took" => Some(Order::Number(sample.took.as_secs_f64())),
        _ => None,
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    let Some(sample) = rows.model.sample(row) else { return };
    match id {
        "status" => {
            let (glyph, role) = status(sample);
            cell.state(glyph, text, role);
        }
        "took" | "path" => cell.text(text),
        "by" if sample.refused.is_some() || sample.error.is_some() => cell.role(text, status(sample).1),
        _ => cell.role(text, Role::Muted),
    }
}

/// All of a request.
pub(super) fn tell(details: &mut Details, sample: &Sample) {
    let (glyph, role) = status(sample);
    details.glyph(glyph, role);
    details.more([
        (&format!("{}  ", sample.status), role),
        (&format!("{} ", sample.method), Role::Muted),
        (&sample.host, Role::Muted),
        (&sample.path, Role::Text),
    ]);
    if let Some((code, why)) = &sample.refused {
        let filter = sample.steps.last().map_or("the gateway", |step| step.filter);
        details.field("refused by", &format!("{filter}: {why} ({})", code.as_str()), Role::Warning);
    }
    if let Some(error) = &sample.error {
        details.field("broke", error, Role::Critical);
    }
    details.section("filters it passed", format!("{} ms in all", format::figure(millis(sample.took))));
    let widest = sample.steps.iter().map(|step| step.filter.len()).max().unwrap_or(0);
    let whole = sample.took.as_secs_f64();
    for (place, step) in sample.steps.iter().enumerate() {
        let last = sample.refused.is_some() && place + 1 == sample.steps.len();
        let (glyph, role) = if last { (Glyph::Failed, Role::Warning) } else { (Glyph::Done, Role::Muted) };
        let part = step.took.filter(|_| whole > 0.0).map_or(0.0, |took| took.as_secs_f64() / whole);
        let took = step
            .took
            .map_or_else(|| format!("{:>8}     ", "-"), |took| format!("{:>8} ms  ", precise(millis(took))));
        let note = step.note.as_deref().map(|note| format!("  {note}")).unwrap_or_default();
        details.glyph(glyph, role);
        details.more([
            (&format!("{:<widest$} ", step.filter), if last { role } else { Role::Text }),
            (&took, Role::Text),
            (&format!("{:<10}", traffic::bar(part, 10)), Role::Muted),
            (&note, if last { role } else { Role::Muted }),
        ]);
    }
    details.section("request", &*sample.request_id);
    let route = sample.route.as_deref().unwrap_or("none took it");
    details.field("route", route, Role::Text);
    if let (Some(service), None) = (&sample.service, &sample.version) {
        details.field("service", service, Role::Text);
    }
    if let (Some(service), Some(version)) = (&sample.service, &sample.version) {
        let at = sample.endpoint.as_deref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        details.field("answered by", &format!("{service} {version}{at}"), Role::Text);
    }
    details.field("caller", &sample.caller, Role::Text);
    details.field("attempts", &sample.attempts.to_string(), Role::Text);
    details.field("sent", &Unit::Bytes.full(sample.sent as f64), Role::Text);
}

/// Filters take microseconds: to three places.
fn precise(millis: f64) -> String {
    if millis < 10.0 { format!("{millis:.3}") } else { format::figure(millis) }
}
