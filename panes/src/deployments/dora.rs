//! DORA's five measures, of all services and of each.

use std::borrow::Cow;
use std::time::Duration;

use quarterdeck_deploy::model::Dora;
use quarterdeck_kernel::time;
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Role, format};

use super::rows::Model;
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 7] = [
    Column::flex("service", "SERVICE", 13).at_most(30),
    Column::number("deployments", "COUNT", 6),
    Column::number("frequency", "A DAY", 7),
    Column::number("lead", "LEAD TIME", 10),
    Column::number("fail", "FAIL %", 7),
    Column::number("recovery", "RECOVERY", 10).priority(1),
    Column::number("rework", "REWORK %", 9).priority(2),
];

fn value(dora: &Dora, id: &str) -> Option<f64> {
    let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
    match id {
        "deployments" => Some(dora.deployments as f64),
        "frequency" => dora.frequency,
        "lead" => seconds(dora.lead_time),
        "fail" => dora.fail_rate.map(|rate| rate * 100.0),
        "recovery" => seconds(dora.recovery),
        "rework" => dora.rework_rate.map(|rate| rate * 100.0),
        _ => None,
    }
}

fn told(dora: &Dora, id: &str) -> String {
    let Some(value) = value(dora, id) else { return format::UNKNOWN.to_owned() };
    match id {
        "lead" | "recovery" => format::span((value * 1e3) as i64),
        "deployments" => format::grouped(dora.deployments as u64),
        _ => format::figure(value),
    }
}

pub(super) fn text<'a>(model: &'a Model, row: usize, id: &str) -> Option<Cow<'a, str>> {
    let (name, dora) = model.dora(row)?;
    Some(if id == "service" { name.into() } else { told(dora, id).into() })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    let (_, dora) = model.dora(row)?;
    (id != "service").then(|| value(dora, id).map_or(Order::Missing, Order::Number))
}

pub(super) fn draw(model: &Model, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    let known = model.dora(row).and_then(|(_, dora)| value(dora, id));
    match id {
        "service" => cell.text(text),
        _ if known.is_some() => cell.text(text),
        _ => cell.role(text, Role::Faint),
    }
}

/// The five, with what each means.
pub(super) fn tell(details: &mut Details, name: &str, dora: &Dora) {
    let window = time::format_duration(dora.window);
    details.section(name.to_owned(), format!("the last {window}"));
    for (title, id, unit, means) in [
        (
            "lead time",
            "lead",
            "",
            "from commit to serving everybody, the median; a commit time is given with the rollout",
        ),
        ("frequency", "frequency", " a day", "rollouts that reached users, a day"),
        (
            "recovery",
            "recovery",
            "",
            "from when users began to suffer until the stable version had all the traffic again, the median",
        ),
        (
            "fail rate",
            "fail",
            " %",
            "changes that were taken back, by themselves or by hand, at once or later",
        ),
        (
            "rework rate",
            "rework",
            " %",
            "deployments that nobody had planned: rollbacks, and those declared so",
        ),
    ] {
        let value = match value(dora, id) {
            Some(_) => format!("{}{unit}", told(dora, id)),
            None => "not known".to_owned(),
        };
        details.field(title, &value, Role::Text);
        details.field("", means, Role::Faint);
    }
}
