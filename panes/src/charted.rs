//! What of an alert can be drawn: the series that its rule compares, and the value that it compares them with.

use quarterdeck_alerting::model::Alert;
use quarterdeck_kernel::Labels;
use quarterdeck_promql::Expr;
use quarterdeck_promql::ast::{BinaryOp, ExprKind};
use quarterdeck_widgets::Unit;

use crate::world::EvaluatedSeries;

/// Series of one alert that are drawn at most.
pub const MOST: usize = 8;

/// The longest expression that is taken from an alert, in bytes.
const LONGEST: usize = 32 << 10;

/// What of an alert can be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Charted {
    /// The query as its source has it.
    pub query: String,
    /// What of it is drawn: one side of its comparison, or all of it.
    pub series: String,
    /// What the series are compared with, and how: `>`.
    pub threshold: Option<(&'static str, f64)>,
    /// What the values are measured in.
    pub unit: Unit,
    /// Whether a rule of this console is the source; else it is elsewhere, and the series are looked for here.
    pub own: bool,
}

/// What of an alert can be drawn.
///
/// # Errors
/// Why nothing can, in words for the operator.
pub fn of(rules: &quarterdeck_rules::Snapshot, alert: &Alert) -> Result<Charted, String> {
    let own = rule_of(rules, alert);
    let query = match &own {
        Some(query) => query.clone(),
        None if alert.generator_url.is_empty() => {
            return Err("its source names no query: it was posted without a generatorURL".to_owned());
        }
        None => expression(&alert.generator_url).ok_or_else(|| {
            "its source's link (generatorURL) holds no query: a Prometheus would write it as g0.expr"
                .to_owned()
        })?,
    };
    if query.len() > LONGEST {
        return Err(format!("its query has {} bytes; {LONGEST} are understood", query.len()));
    }
    let expr = quarterdeck_promql::parse(&query)
        .map_err(|error| format!("its query is not understood here: {}", error.message))?;
    let (drawn, threshold) = split(&expr);
    let range = drawn.span.range();
    let series = query.get(range).unwrap_or(&query).trim().to_owned();
    Ok(Charted { unit: crate::unit::unit(drawn), series, threshold, query, own: own.is_some() })
}

/// The query of the rule of this console that an alert comes from: by name and, where the rule has such an alert now, by its
/// labels; else by the link that its alerts carry.
fn rule_of(rules: &quarterdeck_rules::Snapshot, alert: &Alert) -> Option<String> {
    let named = || {
        let all = rules.groups.iter().flat_map(|group| group.rules.iter());
        all.filter(|rule| *rule.name == *alert.name())
            .filter_map(|rule| Some((rule, rule.alerting.as_ref()?)))
    };
    let has = |labels: &Labels| labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value));
    let by_labels = named().find(|(_, alerting)| alerting.alerts.iter().any(|a| has(&a.labels)));
    let linked = || {
        let expr = expression(&alert.generator_url)?;
        named().find(|(rule, _)| *rule.query == *expr)
    };
    by_labels.or_else(linked).map(|(rule, _)| rule.query.to_string())
}

/// The query in the link of a Prometheus: its parameter `g0.expr`.
fn expression(link: &str) -> Option<String> {
    let query = link.split_once('?')?.1;
    let query = query.split('#').next().unwrap_or_default();
    let value = query.split('&').find_map(|pair| pair.strip_prefix("g0.expr="))?;
    let text = decoded(value);
    (!text.trim().is_empty()).then_some(text)
}

/// A value of a link's query with its `%xx` and `+` undone; what is no UTF-8 is shown as such.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = || std::str::from_utf8(bytes.get(at + 1..at + 3)?).ok();
        let code = || u8::from_str_radix(hex()?, 16).ok();
        match byte {
            b'+' => out.push(b' '),
            b'%' => match code() {
                Some(code) => {
                    out.push(code);
                    at += 2;
                }
                None => out.push(b'%'),
            },
            other => out.push(*other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The side of a comparison that changes, how it is compared, and with which constant. Of conditions that are joined by `and`
/// or `unless` the first counts: its series are those that alert.
fn split(expr: &Expr) -> (&Expr, Option<(&'static str, f64)>) {
    let inner = expr.unwrapped();
    let ExprKind::Binary(binary) = &inner.kind else { return (expr, None) };
    match binary.op {
        BinaryOp::And | BinaryOp::Unless => split(&binary.lhs),
        op if op.is_comparison() => match (constant(&binary.lhs), constant(&binary.rhs)) {
            (None, Some(value)) => (&binary.lhs, Some((op.as_str(), value))),
            (Some(value), None) => (&binary.rhs, Some((turned(op), value))),
            _ => (expr, None),
        },
        _ => (expr, None),
    }
}

/// A comparison seen from its other side.
const fn turned(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Gt => "<",
        BinaryOp::Ge => "<=",
        BinaryOp::Lt => ">",
        BinaryOp::Le => ">=",
        other => other.as_str(),
    }
}

/// The value of an expression that is always the same.
fn constant(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Number(number) => Some(number.value),
        ExprKind::Paren(inner) => constant(inner),
        ExprKind::Unary(unary) => constant(&unary.expr).map(|v| if unary.negative { -v } else { v }),
        ExprKind::Binary(binary) => {
            let (left, right) = (constant(&binary.lhs)?, constant(&binary.rhs)?);
            match binary.op {
                BinaryOp::Add => Some(left + right),
                BinaryOp::Sub => Some(left - right),
                BinaryOp::Mul => Some(left * right),
                BinaryOp::Div => Some(left / right),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Of the series of an answer those that are the alert's: no label of theirs has another value there. When there is none (the
/// rule gives its alerts other labels), the first of all.
#[must_use]
pub fn series_of(alert: &Labels, mut series: Vec<EvaluatedSeries>) -> Vec<EvaluatedSeries> {
    let own = |series: &EvaluatedSeries| {
        let same = |(name, value): (&str, &str)| {
            name == "__name__" || alert.get(name).is_none_or(|wanted| wanted == value)
        };
        series.labels.iter().all(same)
    };
    if series.iter().any(own) {
        series.retain(own);
    }
    // Another label may tell the service: a `job` where the alert has a `service`.
    if let Some(service) = alert.get("service").filter(|_| series.len() > 1) {
        let of_service = |series: &EvaluatedSeries| series.labels.iter().any(|(_, value)| value == service);
        if series.iter().any(of_service) {
            series.retain(of_service);
        }
    }
    series.truncate(MOST);
    series
}

/// What tells a series from its neighbours: the labels that the alert does not say already.
#[must_use]
pub fn name_of(alert: &Labels, series: &Labels) -> String {
    let own: Vec<String> = series
        .iter()
        .filter(|(name, value)| *name != "__name__" && alert.get(name) != Some(value))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    match (own.is_empty(), series.get("__name__")) {
        (false, _) => own.join(" "),
        (true, Some(metric)) => metric.to_owned(),
        (true, None) => "value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(query: &str) -> (String, Option<(&'static str, f64)>) {
        let expr = quarterdeck_promql::parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
        let (drawn, threshold) = split(&expr);
        (query[drawn.span.range()].to_owned(), threshold)
    }

    #[test]
    fn a_comparison_with_a_constant_is_series_and_threshold() {
        for (query, series, threshold) in [
            ("up == 0", "up", Some(("==", 0.0))),
            ("rate(a[5m]) / rate(b[5m]) > 0.05", "rate(a[5m]) / rate(b[5m])", Some((">", 0.05))),
            ("((a) >= bool -5 * 60)", "(a)", Some((">=", -300.0))),
            ("1000 < increase(loss[1h])", "increase(loss[1h])", Some((">", 1000.0))),
            ("a > 5 and on (job) b > 0", "a", Some((">", 5.0))),
            ("(a < 3) unless b", "a", Some(("<", 3.0))),
            ("a > b", "a > b", None),
            ("absent(up)", "absent(up)", None),
            ("1 > bool 2", "1 > bool 2", None),
        ] {
            assert_eq!(halves(query), (series.to_owned(), threshold), "{query}");
        }
    }

    #[test]
    fn the_link_of_a_prometheus_holds_the_query() {
        let link = "http://p:9090/graph?g0.expr=up%7Bjob%3D%22%C3%BC%22%7D+%3E+0&g0.tab=1#x";
        assert_eq!(expression(link).as_deref(), Some("up{job=\"ü\"} > 0"));
        for none in
            ["", "http://p/graph", "http://p/graph?g0.tab=1", "http://p/?g0.expr=", "http://p/?g0.expr=+"]
        {
            assert_eq!(expression(none), None, "{none}");
        }
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
        assert_eq!(decoded("%ff"), "\u{fffd}");
    }

    #[test]
    fn only_the_alerts_own_series_are_drawn_if_any_is() {
        let series = |pairs: &[(&str, &str)]| EvaluatedSeries {
            labels: Labels::from_pairs(pairs.iter().copied()),
            points: Vec::new(),
        };
        let alert = Labels::from_pairs([("alertname", "Slow"), ("service", "orders")]);
        let all = vec![
            series(&[("__name__", "p99"), ("service", "orders"), ("pod", "a")]),
            series(&[("__name__", "p99"), ("service", "risk"), ("pod", "b")]),
        ];
        let own = series_of(&alert, all.clone());
        assert_eq!(own, all[..1]);
        assert_eq!(name_of(&alert, &own[0].labels), "pod=a");
        let by_job = vec![series(&[("job", "risk")]), series(&[("job", "orders")])];
        assert_eq!(series_of(&alert, by_job.clone()), by_job[1..]);
        let other = Labels::from_pairs([("service", "elsewhere")]);
        assert_eq!(series_of(&other, all.clone()), all);
        assert_eq!(name_of(&alert, &Labels::from_pairs([("service", "orders")])), "value");
    }
}
