//! Running one group of tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::time::{format_duration, millis};
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::testing::parse_series;
use quarterdeck_promql::{PointValue, Value};

use super::backend::Simulated;
use super::compare::{difference, same, show};
use super::raw::{AlertTest, ExpectedSample, ExprTest, File, Period, Tests};
use crate::engine::{ALERT_NAME, Backend, Context, Group, Query};
use crate::file::{RuleFile, RuleKind};
use crate::model::AlertState;

/// The most moments that one group of tests may have.
const MAX_STEPS: i64 = 10_000_000;

/// Runs a group: how many expectations it has, and which do not hold.
pub(super) fn run(tests: &Tests, file: &File, rules: &[RuleFile]) -> (usize, Vec<String>) {
    let alerts = tests.alert_rule_test.as_deref().unwrap_or_default();
    let exprs = tests.promql_expr_test.as_deref().unwrap_or_default();
    let checks = alerts.len() + exprs.len();
    match simulate(tests, file, rules, alerts, exprs) {
        Ok(failures) => (checks, failures),
        Err(failure) => (checks.max(1), vec![failure]),
    }
}

fn set(period: Option<Period>) -> Option<Duration> {
    period.map(|p| p.0).filter(|p| !p.is_zero())
}

fn simulate(
    tests: &Tests,
    file: &File,
    rules: &[RuleFile],
    alerts: &[AlertTest],
    exprs: &[ExprTest],
) -> Result<Vec<String>, String> {
    let every = set(file.evaluation_interval).unwrap_or(Duration::from_secs(60));
    let interval = set(tests.interval).unwrap_or(every);
    let start = tests.start_timestamp.unwrap_or_default().0;
    if let Some(test) = alerts.iter().find(|test| test.alertname.is_empty()) {
        let at = format_duration(test.eval_time.0);
        return Err(format!(
            "an item under alert_rule_test misses required attribute alertname at eval_time {at}"
        ));
    }
    let inputs = tests.input_series.as_deref().unwrap_or_default();
    let backend = Simulated::new(inputs, start, millis(interval), every)
        .map_err(|(line, error)| format!("input_series {line:?}: {error}"))?;
    let context = Arc::new(Context {
        external_labels: Labels::from_pairs(tests.external_labels.clone().unwrap_or_default()),
        external_url: tests.external_url.clone().unwrap_or_default(),
    });
    let mut groups: Vec<Group> = rules
        .iter()
        .flat_map(|file| file.groups.iter().map(move |group| (group, &file.path)))
        .map(|(group, path)| Group::new(group, path, interval, Duration::ZERO, &context, true))
        .collect();
    let place = |group: &Group| {
        let order = &file.group_eval_order;
        order.iter().position(|name| **name == *group.name).unwrap_or(usize::MAX)
    };
    groups.sort_by_key(place);

    let times = alerts.iter().map(|test| test.eval_time.0).chain(exprs.iter().map(|test| test.eval_time.0));
    let last = start + times.max().unwrap_or_default();
    let step = millis(every);
    if (last.as_millis() - start.as_millis()) / step.max(1) > MAX_STEPS {
        return Err(format!("more than {MAX_STEPS} evaluations: choose a longer evaluation_interval"));
    }
    let mut pending: Vec<&AlertTest> = alerts.iter().collect();
    pending.sort_by_key(|test| test.eval_time);
    let mut pending = pending.into_iter().peekable();
    let mut failures = Vec::new();
    let mut now = start;
    while now <= last {
        backend.advance(now);
        for group in &mut groups {
            group.evaluate(now, &backend);
        }
        let errors = groups.iter().flat_map(Group::rules).filter_map(|rule| {
            let at = format_duration(now.since(start));
            rule.last_error().map(|error| format!("rule {}, time {at}: {error}", rule.spec().name()))
        });
        let errors: Vec<String> = errors.collect();
        if !errors.is_empty() {
            failures.extend(errors);
            return Ok(failures);
        }
        let next = now.plus_millis(step);
        while let Some(test) = pending.next_if(|test| start + test.eval_time.0 < next) {
            failures.extend(alert_failure(test, &groups));
        }
        now = next;
    }
    for test in exprs {
        failures.extend(expr_failure(test, start, &backend, file.fuzzy_compare));
    }
    Ok(failures)
}

/// An alert for people, and for comparison.
fn alert_text<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    annotations: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut text = format!("alert {}", Labels::from_pairs(labels));
    // Annotations may be empty, so they are no label set.
    let sorted: BTreeMap<&str, &str> = annotations.collect();
    for (name, value) in sorted {
        text.push_str(&format!("\n  {name}: {value:?}"));
    }
    text
}

fn alert_failure(test: &AlertTest, groups: &[Group]) -> Option<String> {
    let mut found: Vec<String> = groups
        .iter()
        .flat_map(Group::rules)
        .filter(|rule| {
            matches!(rule.spec().kind, RuleKind::Alerting(_)) && **rule.spec().name() == *test.alertname
        })
        .flat_map(crate::engine::Rule::alerts)
        .filter(|alert| alert.state == AlertState::Firing)
        .map(|alert| {
            alert_text(alert.labels.iter(), alert.annotations.iter().map(|(n, v)| (n.as_str(), v.as_str())))
        })
        .collect();
    let text = |n: &'_ Option<BTreeMap<String, String>>| n.clone().unwrap_or_default();
    let expected = test.exp_alerts.iter().flatten().map(|alert| {
        let (labels, annotations) = (text(&alert.exp_labels), text(&alert.exp_annotations));
        let labels = labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let labels = labels.chain([(ALERT_NAME, test.alertname.as_str())]);
        alert_text(labels, annotations.iter().map(|(n, v)| (n.as_str(), v.as_str())))
    });
    let mut expected: Vec<String> = expected.collect();
    found.sort();
    expected.sort();
    if found == expected {
        return None;
    }
    let at = format_duration(test.eval_time.0);
    Some(format!("alertname {}, time {at}:\n{}", test.alertname, difference(&expected, &found)))
}

fn expr_failure(test: &ExprTest, start: Timestamp, backend: &Simulated, fuzzy: bool) -> Option<String> {
    let head = format!("expr {:?}, time {}:", test.expr, format_duration(test.eval_time.0));
    let mut found: Vec<(Labels, PointValue)> =
        match backend.query(&Query::Text(&test.expr), start + test.eval_time.0) {
            Ok(Value::Vector(vector)) => vector.into_iter().map(|s| (s.labels, s.point.v)).collect(),
            Ok(Value::Scalar { v, .. }) => vec![(Labels::default(), PointValue::Float(v))],
            Ok(_) => return Some(format!("{head} rule result is not a vector or scalar")),
            Err(error) => return Some(format!("{head} {error}")),
        };
    let mut expected = Vec::new();
    for sample in test.exp_samples.iter().flatten() {
        match expected_sample(sample) {
            Ok(sample) => expected.push(sample),
            Err(error) => return Some(format!("{head} {error}")),
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    let same = found.len() == expected.len()
        && found.iter().zip(&expected).all(|(a, b)| a.0 == b.0 && same(&a.1, &b.1, fuzzy));
    if same {
        return None;
    }
    let shown = |list: &[(Labels, PointValue)]| list.iter().map(|(l, v)| show(l, v)).collect::<Vec<_>>();
    Some(format!("{head}\n{}", difference(&shown(&expected), &shown(&found))))
}

fn expected_sample(sample: &ExpectedSample) -> Result<(Labels, PointValue), String> {
    let told = |error: &dyn std::fmt::Display| format!("exp_samples {:?}: {error}", sample.labels);
    let labels = match sample.labels.trim() {
        "" => Labels::default(),
        text => parse_series(text).map_err(|error| told(&error))?.0,
    };
    if sample.histogram.is_empty() {
        return Ok((labels, PointValue::Float(sample.value)));
    }
    let (_, values) = parse_series(&format!("{{}} {}", sample.histogram)).map_err(|error| told(&error))?;
    match values.as_slice() {
        [Some(value @ PointValue::Histogram(_))] => Ok((labels, value.clone())),
        _ => Err(told(&format!("{:?} is not one histogram", sample.histogram))),
    }
}
