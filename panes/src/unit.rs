//! What the values of a query are measured in, by the conventions of metric names.

use quarterdeck_promql::Expr;
use quarterdeck_promql::ast::{AggregateOp, BinaryOp, ExprKind};
use quarterdeck_widgets::Unit;

/// The one unit of several queries; none when they differ.
pub(crate) fn shared<'a>(mut exprs: impl Iterator<Item = &'a Expr>) -> Unit {
    let first = exprs.next().map(unit).unwrap_or_default();
    if exprs.all(|e| unit(e) == first) { first } else { Unit::None }
}

/// The unit of an expression's values; none when in doubt.
pub(crate) fn unit(expr: &Expr) -> Unit {
    match &expr.kind {
        ExprKind::Vector(selector) => selector.name.as_deref().map(of_name).unwrap_or_default(),
        ExprKind::Matrix(matrix) => matrix.selector.name.as_deref().map(of_name).unwrap_or_default(),
        ExprKind::Subquery(subquery) => unit(&subquery.expr),
        ExprKind::Unary(unary) => unit(&unary.expr),
        ExprKind::Paren(inner) => unit(inner),
        ExprKind::Aggregate(a) => match a.op {
            AggregateOp::Count | AggregateOp::Group | AggregateOp::CountValues | AggregateOp::Stdvar => {
                Unit::None
            }
            _ => unit(&a.expr),
        },
        ExprKind::Binary(b) => match b.op {
            BinaryOp::Add | BinaryOp::Sub if unit(&b.lhs) == unit(&b.rhs) => unit(&b.lhs),
            op if op.is_set() || (op.is_comparison() && !b.bool_modifier) => unit(&b.lhs),
            BinaryOp::Div if is_mean(&b.lhs, &b.rhs) => base_of(&b.lhs),
            _ => Unit::None,
        },
        ExprKind::Call(call) => match call.function.name {
            "rate" | "irate" | "deriv" => per_second(call.args.first()),
            "histogram_quantile" => base_of(expr),
            "increase" | "delta" | "idelta" | "abs" | "ceil" | "floor" | "round" | "clamp" | "clamp_min"
            | "clamp_max" | "sort" | "sort_desc" | "label_replace" | "label_join" | "predict_linear"
            | "scalar" | "avg_over_time" | "min_over_time" | "max_over_time" | "sum_over_time"
            | "last_over_time" | "stddev_over_time" | "histogram_avg" => {
                call.args.first().map(unit).unwrap_or_default()
            }
            "quantile_over_time" => call.args.get(1).map(unit).unwrap_or_default(),
            _ => Unit::None,
        },
        ExprKind::Number(_) | ExprKind::String(_) => Unit::None,
    }
}

fn per_second(arg: Option<&Expr>) -> Unit {
    match arg.map(unit) {
        Some(Unit::Bytes) => Unit::BytesPerSecond,
        Some(Unit::None) => Unit::PerSecond,
        // Seconds per second and the like are bare numbers.
        _ => Unit::None,
    }
}

/// `…_sum / …_count`: the mean of what was observed.
fn is_mean(sum: &Expr, count: &Expr) -> bool {
    let ends = |e: &Expr, end: &str| {
        e.selectors().first().is_some_and(|s| s.name.as_deref().is_some_and(|n| n.ends_with(end)))
    };
    ends(sum, "_sum") && ends(count, "_count")
}

/// The unit of what a histogram observes.
fn base_of(expr: &Expr) -> Unit {
    let name = expr.selectors().first().and_then(|s| s.name.clone()).unwrap_or_default();
    let base = ["_bucket", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    of_name(base)
}

fn of_name(name: &str) -> Unit {
    if ["_count", "_bucket", "_timestamp_seconds", "_time_seconds_total"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return Unit::None;
    }
    let base = ["_total", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    match base.rsplit('_').next().unwrap_or_default() {
        "seconds" => Unit::Seconds,
        "milliseconds" | "ms" => Unit::Millis,
        "bytes" => Unit::Bytes,
        "ratio" => Unit::Ratio,
        "percent" => Unit::Percent,
        _ => Unit::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_follow_names_and_functions() {
        for (query, wanted) in [
            ("up", Unit::None),
            ("sum by (job) (rate(http_requests_total[5m]))", Unit::PerSecond),
            ("rate(node_network_receive_bytes_total[5m])", Unit::BytesPerSecond),
            ("rate(process_cpu_seconds_total[5m])", Unit::None),
            (
                "histogram_quantile(0.99, sum by (le) (rate(request_duration_seconds_bucket[5m])))",
                Unit::Seconds,
            ),
            ("rate(d_seconds_sum[5m]) / rate(d_seconds_count[5m])", Unit::Seconds),
            ("node_memory_MemFree_bytes > 5", Unit::Bytes),
            ("a_bytes / b_bytes", Unit::None),
            ("count(a_bytes)", Unit::None),
        ] {
            let expr = quarterdeck_promql::parse(query).unwrap_or_else(|e| panic!("{query}: {e}"));
            assert_eq!(unit(&expr), wanted, "{query}");
        }
    }
}
