//! Figures: how fast people were, and which rules cry wolf.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alerting::View;
use quarterdeck_alerting::model::{RuleStats, Stats};
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Role, format};

use super::rows::ViewRows;
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 5] = [
    Column::flex("rule", "ALERTS OF", 16).weight(4).at_most(60),
    Column::number("fired", "FIRED", 9),
    Column::number("acknowledged", "ACKED %", 9),
    Column::number("alone", "BY ITSELF %", 12),
    Column::number("silenced", "SILENCED", 9),
];

/// One rule, by the name of its alerts.
pub(super) type Rule = (Arc<str>, RuleStats);

/// Rules that fired most first.
pub(super) fn rules(view: &View) -> Arc<[Rule]> {
    let all = view.alerts.stats.rules.iter();
    let mut rules: Vec<Rule> = all.map(|(name, stats)| (Arc::clone(name), stats.clone())).collect();
    rules.sort_by(|a, b| b.1.fired.cmp(&a.1.fired).then_with(|| a.0.cmp(&b.0)));
    rules.into()
}

/// A share in percent; none of nothing.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

fn percent(part: u64, whole: u64) -> String {
    share(part, whole).map_or_else(|| "·".to_owned(), |p| format!("{p:.0}"))
}

pub(super) fn text(rows: &ViewRows, row: usize, column: usize) -> Cow<'_, str> {
    let (name, stats) = &rows.rules[row];
    match COLUMNS[column].id {
        "rule" => (&**name).into(),
        "fired" => format::grouped(stats.fired).into(),
        "acknowledged" => percent(stats.acknowledged, stats.fired).into(),
        "alone" => percent(stats.self_resolved, stats.fired).into(),
        _ => format::grouped(stats.silenced).into(),
    }
}

pub(super) fn order(rows: &ViewRows, row: usize, column: usize) -> Order<'_> {
    let (_, stats) = &rows.rules[row];
    let number = |value: Option<f64>| value.map_or(Order::Missing, |v| Order::Number(-v));
    match COLUMNS[column].id {
        "rule" => Order::Text(text(rows, row, column)),
        "fired" => Order::Number(-(stats.fired as f64)),
        "acknowledged" => number(share(stats.acknowledged, stats.fired)),
        "alone" => number(share(stats.self_resolved, stats.fired)),
        _ => Order::Number(-(stats.silenced as f64)),
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, column: usize, cell: &mut CellPainter<'_>) {
    let (_, stats) = &rows.rules[row];
    let text = text(rows, row, column);
    // What fires often and nobody has to do anything about cries wolf.
    let wolf = stats.fired >= 10 && share(stats.self_resolved, stats.fired).is_some_and(|p| p >= 80.0);
    let role = match COLUMNS[column].id {
        "rule" => Role::Text,
        "alone" if wolf => Role::Warning,
        _ => Role::Muted,
    };
    cell.role(&text, role);
}

/// Everything in one line: `2 critical, 1 warning open · acknowledged in 2 m, resolved in 14 m on average`.
pub(super) fn summary(stats: &Stats) -> String {
    let mean = |what: &str, mean: Option<Duration>| {
        mean.map_or_else(|| format!("{what} ·"), |mean| format!("{what} {}", length(mean)))
    };
    format!("{} open · {} · {}", open(stats), mean("MTTA", stats.mtta()), mean("MTTR", stats.mttr()))
}

fn open(stats: &Stats) -> String {
    let named = ["critical", "warning", "info"].into_iter().zip(stats.open.iter().rev());
    let some: Vec<String> = named.filter(|(_, n)| **n > 0).map(|(name, n)| format!("{n} {name}")).collect();
    if some.is_empty() { "0".to_owned() } else { some.join(", ") }
}

fn length(time: Duration) -> String {
    format::age(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// All figures, and those of the selected rule.
pub(super) fn tell(details: &mut Details, view: &View, rule: Option<&Rule>) {
    let stats = &view.alerts.stats;
    let totals = &stats.totals;
    details.field("open", &open(stats), Role::Text);
    let mean = |mean: Option<Duration>, of: u64| match mean {
        Some(mean) => format!("{} on average, of {}", length(mean), format::grouped(of)),
        None => "nothing to go by yet".to_owned(),
    };
    details.field("acknowledged", &mean(stats.mtta(), totals.acknowledged), Role::Text);
    details.field("resolved", &mean(stats.mttr(), totals.resolved), Role::Text);
    details.field("fired", &format::grouped(totals.fired), Role::Text);
    let mut sent = format!("{} delivered", format::grouped(totals.sent));
    if totals.failed > 0 {
        sent.push_str(&format!(", {} given up", format::grouped(totals.failed)));
    }
    if totals.unknown > 0 {
        sent.push_str(&format!(", {} unknown", format::grouped(totals.unknown)));
    }
    if totals.resent > 0 {
        sent.push_str(&format!(", {} sent again after a restart", format::grouped(totals.resent)));
    }
    let role = if totals.failed > 0 { Role::Warning } else { Role::Text };
    details.field("notifications", &sent, role);
    let refused = match totals.refused {
        0 => String::new(),
        n => format!(", {} refused", format::grouped(n)),
    };
    details.field("posted", &format!("{} alerts{refused}", format::grouped(totals.received)), Role::Muted);
    if view.turned_away > 0 {
        let away = format!("{} requests: too many waited", format::grouped(view.turned_away));
        details.field("turned away", &away, Role::Warning);
    }
    let Some((name, stats)) = rule else { return };
    details.section(name.to_string(), format!("fired {}", format::grouped(stats.fired)));
    let of = |part: u64| format!("{} ({} %)", format::grouped(part), percent(part, stats.fired));
    details.field("acknowledged", &of(stats.acknowledged), Role::Text);
    details.field("by itself", &of(stats.self_resolved), Role::Text);
    details.field("silenced", &format::grouped(stats.silenced), Role::Text);
    if stats.fired >= 10 && share(stats.self_resolved, stats.fired).is_some_and(|p| p >= 80.0) {
        let told =
            "It mostly ends before anybody does anything: a longer for, or another limit, would spare them.";
        details.wrapped(told, Role::Warning, 3);
    }
}
