//! Queries to begin with, made from what is there.

use super::rewrite::is_counter;

/// A query and what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) query: String,
    pub(super) what: String,
}

fn example(query: String, what: impl Into<String>) -> Example {
    Example { query, what: what.into() }
}

/// At most this many names are looked at.
pub(super) const NAMES: usize = 4000;

/// Up to three queries: what is up, a rate, a latency or else a gauge.
pub(super) fn examples(names: &[String]) -> Vec<Example> {
    let own = |name: &str| {
        ["scrape_", "go_", "process_", "promhttp_", "quarterdeck_"].iter().any(|p| name.starts_with(p))
    };
    // What the business counts is a better example than what the runtime does.
    let pick = |fits: &dyn Fn(&str) -> bool| -> Option<&String> {
        let mut fitting: Vec<&String> = names.iter().filter(|n| fits(n)).collect();
        fitting.sort_by_key(|n| (own(n), !["request", "order"].iter().any(|w| n.contains(w)), n.len()));
        fitting.first().copied()
    };
    let mut found = Vec::new();
    if names.iter().any(|n| n == "up") {
        found.push(example("up".to_owned(), "which targets can be scraped"));
    }
    if let Some(counter) = pick(&|n| n.ends_with("_total")) {
        found.push(example(format!("sum by (job) (rate({counter}[5m]))"), "how much per second, by job"));
    }
    if let Some(buckets) = pick(&|n| n.ends_with("_seconds_bucket")) {
        let query = format!("histogram_quantile(0.99, sum by (job, le) (rate({buckets}[5m])))");
        found.push(example(query, "99th percentile of latency, by job"));
    }
    let gauge = |n: &str| !is_counter(n) && n != "up" && !n.ends_with("_info") && !n.ends_with("_created");
    if found.len() < 3
        && let Some(gauge) = pick(&gauge)
    {
        found.push(example(gauge.clone(), "a gauge over time"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_use_what_is_there() {
        let names = ["go_gc_total", "orders_total", "orders_duration_seconds_bucket", "queue_depth", "up"];
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let queries: Vec<String> = examples(&names).into_iter().map(|e| e.query).collect();
        assert_eq!(
            queries,
            [
                "up",
                "sum by (job) (rate(orders_total[5m]))",
                "histogram_quantile(0.99, sum by (job, le) (rate(orders_duration_seconds_bucket[5m])))"
            ]
        );
        for query in &queries {
            assert!(quarterdeck_promql::parse(query).is_ok(), "{query}");
        }
        assert_eq!(examples(&names[3..4]).first().map(|e| e.query.as_str()), Some("queue_depth"));
        assert!(examples(&[]).is_empty());
    }
}
