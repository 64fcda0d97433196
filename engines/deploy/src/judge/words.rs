//! What the judge found, in words that an operator can check.

use super::rank::Comparison;
use super::{Row, TOLERANCE};
use crate::analysis::number::figure;
use crate::model::{Class, JudgedMetric, Verdict};
use crate::strategy::{JudgeMetric, JudgeSpec};

fn values(count: usize) -> String {
    format!("{count} value{}", if count == 1 { "" } else { "s" })
}

/// A probability, as papers write it.
fn probability(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

pub(super) fn missing(metric: &JudgeMetric, (stable, canary): (usize, usize)) -> String {
    let who = match (stable, canary) {
        (0, 0) => "either version".to_owned(),
        (0, _) => format!("the stable version ({} of the new one)", values(canary)),
        _ => format!("the new version ({} of the stable one)", values(stable)),
    };
    let means = if metric.critical || metric.must_have_data { "; it must have some" } else { "" };
    format!("no data of {who}{means}")
}

/// "84 ms against 29 ms, higher (p < 0.001)".
pub(super) fn compared(
    metric: &JudgeMetric,
    shown: &JudgedMetric,
    comparison: Option<&Comparison>,
) -> String {
    let unit = if metric.unit.is_empty() { String::new() } else { format!(" {}", metric.unit) };
    let with_unit = |v: Option<f64>| v.map_or("·".to_owned(), |v| format!("{}{unit}", figure(v)));
    let (canary, stable) = (with_unit(shown.canary), with_unit(shown.stable));
    let Some(comparison) = comparison else {
        return format!("{canary} in both versions, all the time");
    };
    let p = probability(comparison.p_value);
    let found = match shown.class {
        Class::High => format!("higher ({p})"),
        Class::Low => format!("lower ({p})"),
        _ => {
            let clear = TOLERANCE * comparison.shift.abs();
            let side = if comparison.lower > clear {
                Some("higher")
            } else if comparison.upper < -clear {
                Some("lower")
            } else {
                None
            };
            match (side, shown.effect) {
                (Some(side), Some(ratio)) => {
                    format!("{side} ({p}, {} times), which is allowed", figure(ratio))
                }
                (Some(side), None) => format!("{side} ({p}), which is allowed"),
                (None, _) => format!("no difference ({p})"),
            }
        }
    };
    format!("{canary} against {stable}, {found}")
}

/// "v2 fails" is said by who knows the names; here: the score, what passes, and the metrics that are why.
pub(super) fn verdict(spec: &JudgeSpec, rows: &[Row], score: f64, verdict: Verdict) -> String {
    let scored = format!("score {}, passes at {}", figure((score * 10.0).round() / 10.0), figure(spec.pass));
    if rows.is_empty() {
        return format!("{scored}: there is nothing to compare");
    }
    let say = |row: &&Row| format!("{} {}", row.shown.name, row.shown.message);
    let fatal: Vec<String> = rows.iter().filter(|r| r.fatal).map(|r| say(&r)).collect();
    if !fatal.is_empty() {
        return format!("{scored}: a critical metric fails: {}", fatal.join("; "));
    }
    if super::blind(rows) {
        let without = super::silent(rows);
        return format!("{scored}: {without} of {} metrics have no data, too many to judge", rows.len());
    }
    let failing: Vec<String> = rows.iter().filter(|r| r.fails).map(|r| say(&r)).collect();
    match (verdict, failing.is_empty()) {
        (Verdict::Pass, true) => format!("{scored}: no difference that matters in {} metrics", rows.len()),
        (_, true) => scored,
        (_, false) => format!("{scored}: {}", failing.join("; ")),
    }
}
