//! Changes to a query by key: rates, sums, the service in scope.

use quarterdeck_promql::ast::ExprKind;
use quarterdeck_promql::{Expr, parse};

/// Turns every instant selector into its rate over five minutes; a query that is one such rate becomes its selector
/// again. None when the query cannot be understood or has nothing to turn.
pub(super) fn rate(query: &str) -> Option<String> {
    let expr = parse(query).ok()?;
    if let ExprKind::Call(call) = &expr.unwrapped().kind
        && call.function.name == "rate"
        && let Some(ExprKind::Matrix(matrix)) = call.args.first().map(|a| &a.kind)
    {
        return query.get(matrix.selector.span.range()).map(str::to_owned);
    }
    let mut cuts: Vec<(usize, &str)> = Vec::new();
    expr.walk(&mut |e| {
        if let ExprKind::Vector(selector) = &e.kind {
            cuts.push((e.span.start, "rate("));
            cuts.push((selector.span.end, "[5m]"));
            cuts.push((e.span.end, ")"));
        }
    });
    insert(query, cuts)
}

/// Puts `sum by () (…)` around a query; the place between the first parentheses comes with it.
pub(super) fn sum_by(query: &str) -> (String, usize) {
    const BEFORE: &str = "sum by (";
    (format!("{BEFORE}) ({})", query.trim()), BEFORE.len())
}

/// Adds the conditions of a selector such as `{job="orders"}` to every selector of a query. None when the query cannot
/// be understood, or every selector has them already.
pub(super) fn narrow(query: &str, selector: &str) -> Option<String> {
    let conditions = selector.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let expr = parse(query).ok()?;
    let mut cuts = Vec::new();
    let (inside, whole) = (format!(", {conditions}"), format!("{{{conditions}}}"));
    for found in expr.selectors() {
        let text = query.get(found.span.range())?;
        if conditions.is_empty() || text.contains(conditions) {
            continue;
        }
        match text.strip_suffix('}') {
            // Empty braces, or a comma at the end, need no further comma.
            Some(open) if open.trim_end().ends_with(['{', ',']) => {
                cuts.push((found.span.end - 1, conditions));
            }
            Some(_) => cuts.push((found.span.end - 1, inside.as_str())),
            None => cuts.push((found.span.end, whole.as_str())),
        }
    }
    insert(query, cuts)
}

/// Puts pieces in at byte places; those at one place in the order given.
fn insert(query: &str, mut cuts: Vec<(usize, &str)>) -> Option<String> {
    if cuts.is_empty() {
        return None;
    }
    cuts.sort_by_key(|(at, _)| *at);
    let mut out = String::new();
    let mut from = 0;
    for (at, piece) in cuts {
        out.push_str(query.get(from..at)?);
        out.push_str(piece);
        from = at;
    }
    out.push_str(query.get(from..)?);
    Some(out)
}

/// Whether a query reads a counter without turning it into a rate.
pub(super) fn wants_rate(expr: &Expr) -> bool {
    let mut bare = false;
    expr.walk(&mut |e| {
        if let ExprKind::Vector(selector) = &e.kind {
            bare |= selector.name.as_deref().is_some_and(is_counter);
        }
    });
    bare
}

/// Whether a metric is a counter by its name.
pub(super) fn is_counter(name: &str) -> bool {
    ["_total", "_bucket", "_count", "_sum"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_go_on_and_off() {
        for (query, wanted) in [
            ("a_total", Some("rate(a_total[5m])")),
            ("rate(a_total{x=\"1\"}[1m])", Some("a_total{x=\"1\"}")),
            (
                "sum by (job) (a_total offset 5m) / b",
                Some("sum by (job) (rate(a_total[5m] offset 5m)) / rate(b[5m])"),
            ),
            ("1 + 2", None),
            ("sum(", None),
        ] {
            assert_eq!(rate(query).as_deref(), wanted, "{query}");
        }
        for query in ["a_total", "sum(a_total offset 5m)"] {
            assert!(parse(&rate(query).unwrap_or_default()).is_ok(), "{query}");
        }
    }

    #[test]
    fn the_service_is_added_to_every_selector_once() {
        let service = "{job=\"orders\"}";
        for (query, wanted) in [
            ("up", Some("up{job=\"orders\"}")),
            ("up{a=\"b\"} + rate(c[5m])", Some("up{a=\"b\", job=\"orders\"} + rate(c{job=\"orders\"}[5m])")),
            ("up{}", Some("up{job=\"orders\"}")),
            ("up{job=\"orders\"}", None),
            ("up{", None),
        ] {
            assert_eq!(narrow(query, service).as_deref(), wanted, "{query}");
        }
    }

    #[test]
    fn sums_leave_the_place_for_labels() {
        let (query, at) = sum_by(" up ");
        assert_eq!((query.as_str(), &query[..at]), ("sum by () (up)", "sum by ("));
    }

    #[test]
    fn bare_counters_are_noticed() {
        assert!(wants_rate(&parse("sum(a_total)").expect("a query")));
        assert!(!wants_rate(&parse("rate(a_total[5m])").expect("a query")));
    }
}
