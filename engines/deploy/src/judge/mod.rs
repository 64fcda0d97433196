//! The statistical judge of a new version against the stable one, by the rules of Kayenta's `NetflixACAJudge`.
//!
//! For each metric: values that are not numbers are left out (or count as 0), outliers may be left out (beyond three
//! interquartile ranges from the quartiles and beyond the 1st and 99th percentile), then both versions are compared by the
//! Mann-Whitney test. The metric is *high* when the whole 98 % confidence interval of the shift lies above a quarter of the
//! estimated shift, the ratio of the means reaches the allowed increase, and more is bad of this metric; *low* likewise. What
//! has data on one side only tells nothing, unless it must have some.
//!
//! A group's score is the share of its metrics that pass, by weight; the score is the mean of the groups' by theirs. A
//! critical metric that fails, or half of the metrics without data, make it 0. Three things are decided otherwise than
//! Kayenta does. Where nothing counts as 0 (`nanStrategy: replace`), a version without any value is compared as one of zeros
//! instead of passing unseen; and where no metric has any value at all, the score is 0 all the same. The ratio of means is
//! asked only where both are above 0: a rise from nothing has none, and counts. And series that are constant each need no
//! random noise: the test is defined for them.

pub mod normal;
pub mod rank;
mod words;

use std::collections::BTreeMap;

use quarterdeck_kernel::Timestamp;

use crate::model::{Class, JudgeState, JudgedMetric, Verdict};
use crate::strategy::{Direction, JudgeMetric, JudgeSpec, NanStrategy, Outliers};

/// Confidence of the interval of the shift.
pub const CONFIDENCE: f64 = 0.98;
/// The part of the estimated shift that the interval must stay clear of.
pub const TOLERANCE: f64 = 0.25;
/// Interquartile ranges from the quartiles from which on a value is an outlier.
pub const OUTLIER_FACTOR: f64 = 3.0;
/// The part of metrics without data from which on the judge says no.
pub const NO_DATA_LIMIT: f64 = 0.5;

/// What was measured of one metric: values over time of either version; NaN where there was none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The stable version's.
    pub stable: Vec<f64>,
    /// The new version's.
    pub canary: Vec<f64>,
}

/// Judges: `measured` has the series of each metric by its name, or why it could not be asked. A metric that is not in it
/// has no data.
#[must_use]
pub fn judge(
    spec: &JudgeSpec,
    measured: &BTreeMap<String, Result<Series, String>>,
    now: Timestamp,
) -> JudgeState {
    let empty = Ok(Series::default());
    let mut rows: Vec<Row> = spec
        .metrics
        .iter()
        .map(|metric| match measured.get(&metric.name).unwrap_or(&empty) {
            Ok(series) => classify(metric, series),
            Err(error) => Row::of(metric, Class::Error, format!("could not be measured: {error}")),
        })
        .collect();
    let score = score(spec, &rows);
    let verdict = match score {
        s if s >= spec.pass => Verdict::Pass,
        s if s >= spec.marginal => Verdict::Marginal,
        _ => Verdict::Fail,
    };
    let message = words::verdict(spec, &rows, score, verdict);
    // Worst first; a stable sort keeps the file's order among equals.
    rows.sort_by_key(|row| match (row.fatal, row.fails, row.shown.class) {
        (true, ..) => 0,
        (_, true, _) => 1,
        (.., Class::Error) => 2,
        (.., Class::Nodata) => 3,
        _ => 4,
    });
    JudgeState {
        at: now,
        score,
        passes_at: spec.pass,
        fails_below: spec.marginal,
        verdict,
        message,
        metrics: rows.into_iter().map(|row| row.shown).collect(),
    }
}

/// A metric, and what it means for the score.
struct Row {
    shown: JudgedMetric,
    weight: f64,
    /// Whether it counts as failed.
    fails: bool,
    /// Whether it alone makes the score 0.
    fatal: bool,
}

impl Row {
    fn of(metric: &JudgeMetric, class: Class, message: String) -> Self {
        let group = if metric.group.is_empty() { &metric.name } else { &metric.group };
        let shown = JudgedMetric {
            name: metric.name.clone(),
            group: group.clone(),
            unit: metric.unit.clone(),
            class,
            critical: metric.critical,
            message,
            ..JudgedMetric::default()
        };
        let missing = matches!(class, Class::Nodata | Class::Error);
        Self {
            shown,
            weight: metric.weight,
            fails: missing && metric.must_have_data && !metric.critical,
            fatal: missing && metric.critical,
        }
    }
}

fn cleaned(metric: &JudgeMetric, values: &[f64]) -> Vec<f64> {
    let numbers: Vec<f64> = match metric.nan_strategy {
        NanStrategy::Remove => values.iter().copied().filter(|v| v.is_finite()).collect(),
        NanStrategy::Replace => values.iter().map(|v| if v.is_finite() { *v } else { 0.0 }).collect(),
    };
    match metric.outliers {
        Outliers::Keep => numbers,
        Outliers::Remove => without_outliers(&numbers, OUTLIER_FACTOR),
    }
}

/// The percentile `p` (0 to 100) of sorted values, interpolated between the two next to it (Hyndman and Fan's seventh).
#[must_use]
pub fn percentile(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = (p / 100.0).clamp(0.0, 1.0) * last as f64;
    let below = sorted.get(place as usize)?;
    let above = sorted.get((place as usize + 1).min(last))?;
    Some(below + (above - below) * place.fract())
}

/// The values that lie within `factor` interquartile ranges of the quartiles, or within the 1st and the 99th percentile.
#[must_use]
pub fn without_outliers(values: &[f64], factor: f64) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |p| percentile(&sorted, p);
    let (Some(p1), Some(q1), Some(q3), Some(p99)) = (at(1.0), at(25.0), at(75.0), at(99.0)) else {
        return Vec::new();
    };
    let range = q3 - q1;
    let fences = (q1 - factor * range).min(p1)..=(q3 + factor * range).max(p99);
    values.iter().copied().filter(|v| fences.contains(v)).collect()
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile(&sorted, 50.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn classify(metric: &JudgeMetric, series: &Series) -> Row {
    let (mut stable, mut canary) = (cleaned(metric, &series.stable), cleaned(metric, &series.canary));
    if metric.nan_strategy == NanStrategy::Replace {
        // Where only one side has values, nothing on the other means 0 all the time.
        match (stable.is_empty(), canary.is_empty()) {
            (true, false) => stable = vec![0.0; canary.len()],
            (false, true) => canary = vec![0.0; stable.len()],
            (true, true) => {
                return Row::of(
                    metric,
                    Class::Pass,
                    "nothing in both versions, which counts as 0".to_owned(),
                );
            }
            (false, false) => {}
        }
    }
    let counts = (stable.len(), canary.len());
    if stable.is_empty() || canary.is_empty() {
        let mut row = Row::of(metric, Class::Nodata, words::missing(metric, counts));
        row.shown.values = counts;
        row.shown.stable = median(&stable);
        row.shown.canary = median(&canary);
        return row;
    }
    let means = (mean(&stable), mean(&canary));
    let comparison = rank::compare(&stable, &canary, CONFIDENCE);
    let ratio = if means.0 == means.1 {
        Some(1.0)
    } else {
        (means.0 > 0.0 && means.1 > 0.0).then(|| means.1 / means.0)
    };
    let class = comparison.map_or(Class::Pass, |c| {
        let clear = TOLERANCE * c.shift.abs();
        let allowed = |limit: Option<f64>, beyond: fn(f64, f64) -> bool| {
            ratio.is_none_or(|ratio| beyond(ratio, limit.unwrap_or(1.0)))
        };
        let up = matches!(metric.direction, Direction::Increase | Direction::Either);
        let down = matches!(metric.direction, Direction::Decrease | Direction::Either);
        if up && c.lower > clear && allowed(metric.effect.allowed_increase, |r, limit| r >= limit) {
            Class::High
        } else if down && c.upper < -clear && allowed(metric.effect.allowed_decrease, |r, limit| r <= limit) {
            Class::Low
        } else {
            Class::Pass
        }
    });
    let mut row = Row::of(metric, class, String::new());
    row.fails = matches!(class, Class::High | Class::Low);
    // With a limit of its own a metric is critical beyond that limit; marked as critical without one, at any failure.
    let limit = match class {
        Class::High => metric.effect.critical_increase,
        _ => metric.effect.critical_decrease,
    };
    let reached = match (limit, ratio) {
        (Some(limit), Some(ratio)) if class == Class::High => ratio >= limit,
        (Some(limit), Some(ratio)) => ratio <= limit,
        _ => true,
    };
    row.fatal = row.fails && (metric.critical || limit.is_some()) && reached;
    row.shown.values = counts;
    row.shown.stable = median(&stable);
    row.shown.canary = median(&canary);
    row.shown.p_value = comparison.map(|c| c.p_value);
    row.shown.effect = ratio;
    row.shown.message = words::compared(metric, &row.shown, comparison.as_ref());
    row
}

/// How many metrics told nothing.
fn silent(rows: &[Row]) -> usize {
    let silent =
        |row: &&Row| matches!(row.shown.class, Class::Nodata | Class::Error) || row.shown.values == (0, 0);
    rows.iter().filter(silent).count()
}

/// Whether too many metrics told nothing.
fn blind(rows: &[Row]) -> bool {
    if silent(rows) == rows.len() {
        return true;
    }
    let without =
        rows.iter().filter(|r| !r.fails && matches!(r.shown.class, Class::Nodata | Class::Error)).count();
    without as f64 >= NO_DATA_LIMIT * rows.len() as f64
}

/// 0 to 100.
fn score(spec: &JudgeSpec, rows: &[Row]) -> f64 {
    if rows.is_empty() || blind(rows) || rows.iter().any(|row| row.fatal) {
        return 0.0;
    }
    let mut groups: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for row in rows {
        let (passed, all) = groups.entry(&row.shown.group).or_default();
        let counts = row.fails || row.shown.class == Class::Pass;
        if counts {
            *all += row.weight;
            *passed += if row.fails { 0.0 } else { row.weight };
        }
    }
    let weight_of = |name: &str| spec.group_weights.iter().find(|(n, _)| n == name).map(|(_, w)| *w);
    let given: f64 = spec.group_weights.iter().map(|(_, w)| w).sum();
    let others = groups.keys().filter(|name| weight_of(name).is_none()).count();
    let rest = if others == 0 { 0.0 } else { (100.0 - given).max(0.0) / others as f64 };
    let score: f64 = groups
        .iter()
        .map(|(name, (passed, all))| {
            // A group without data neither helps nor hurts: half of all without data is what hurts.
            let score = if *all > 0.0 { passed / all } else { 1.0 };
            score * weight_of(name).unwrap_or(rest)
        })
        .sum();
    (score * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
