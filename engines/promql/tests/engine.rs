//! The engine through its public interface.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::time::{Duration, Instant};

use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::testing::MemoryStorage;
use quarterdeck_promql::{
    Budget, Engine, EngineOptions, Output, PointValue, QueryError, StorageError, Value, ValueType,
};

fn storage() -> MemoryStorage {
    MemoryStorage::with(
        "1m",
        r#"
        requests_total{job="a", code="200"} 0+60x30
        requests_total{job="a", code="500"} 0+6x10 0+6x19
        requests_total{job="b", code="200"} 0+30x30
        temperature{room="x"} 20 21 19 _ stale 18x20
        latency_bucket{le="0.1"} 0+5x30
        latency_bucket{le="1"} 0+9x30
        latency_bucket{le="+Inf"} 0+10x30
        "#,
    )
    .unwrap()
}

fn minutes(m: i64) -> Timestamp {
    Timestamp::from_millis(m * 60_000)
}

fn instant(query: &str, m: i64) -> Result<Output, QueryError> {
    Engine::default().instant(query, &storage(), minutes(m), &Budget::unbounded())
}

/// An instant vector as text, or a scalar.
fn shown(query: &str, m: i64) -> String {
    match instant(query, m).unwrap_or_else(|e| panic!("{query}: {e}")).value {
        Value::Vector(v) => {
            let each = v.iter().map(|s| format!("{} {}", s.labels, s.point.v.as_float().unwrap()));
            each.collect::<Vec<_>>().join(" | ")
        }
        Value::Scalar { v, .. } => v.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn vectors_are_sorted_by_labels_unless_the_query_sorts() {
    assert_eq!(
        shown("rate(requests_total[5m])", 5),
        r#"{code="200", job="a"} 1 | {code="200", job="b"} 0.5 | {code="500", job="a"} 0.1"#
    );
    assert_eq!(shown("sort(sum by (job) (requests_total))", 5), r#"{job="b"} 150 | {job="a"} 330"#);
    assert_eq!(shown("topk(1, requests_total)", 5), r#"requests_total{code="200", job="a"} 300"#);
}

#[test]
fn counters_bridge_resets_and_do_not_reach_below_zero() {
    assert_eq!(shown("increase(requests_total{code=\"500\"}[4m])", 13), r#"{code="500", job="a"} 16"#);
    assert_eq!(shown("resets(requests_total{code=\"500\"}[20m])", 20), r#"{code="500", job="a"} 1"#);
    assert_eq!(shown("increase(requests_total{job=\"b\"}[10m])", 5), r#"{code="200", job="b"} 150"#);
}

#[test]
fn stale_markers_end_a_series_at_once_and_old_samples_after_the_lookback() {
    assert_eq!(shown("temperature", 3), r#"temperature{room="x"} 19"#);
    assert_eq!(shown("temperature", 4), "");
    assert_eq!(shown("count_over_time(temperature[10m])", 4), r#"{room="x"} 3"#);
    assert_eq!(shown("requests_total{job=\"b\"}", 34), r#"requests_total{code="200", job="b"} 900"#);
    assert_eq!(shown("requests_total{job=\"b\"}", 35), "");
}

#[test]
fn ranges_are_open_at_the_left() {
    assert_eq!(shown("count_over_time(latency_bucket{le=\"1\"}[5m])", 10), r#"{le="1"} 5"#);
    let Value::Matrix(matrix) = instant("latency_bucket{le=\"1\"}[2m]", 10).unwrap().value else { panic!() };
    let times: Vec<i64> = matrix[0].points.iter().map(|p| p.t.as_millis() / 60_000).collect();
    assert_eq!(times, [9, 10]);
}

#[test]
fn classic_histograms_give_quantiles() {
    assert_eq!(shown("histogram_quantile(0.5, latency_bucket)", 10), "{} 0.1");
    assert_eq!(shown("histogram_quantile(0.25, rate(latency_bucket[5m]))", 10), "{} 0.05");
}

#[test]
fn arithmetic_matches_labels_and_groups() {
    let ratio = "sum by (job, code) (requests_total) / on (job) group_left sum by (job) (requests_total)";
    assert_eq!(
        shown(&format!("round(100 * {ratio})"), 10),
        r#"{code="200", job="a"} 91 | {code="200", job="b"} 100 | {code="500", job="a"} 9"#
    );
    let error = instant("requests_total / on (job) requests_total", 5).unwrap_err().to_string();
    assert!(
        error.starts_with("found duplicate series for the match group {job=\"a\"} on the right hand-side"),
        "{error}"
    );
    let error = instant("label_replace(requests_total, \"code\", \"\", \"\", \"\")", 5).unwrap_err();
    assert_eq!(error.to_string(), "vector cannot contain metrics with the same labelset");
    assert_eq!(error.error_type(), "execution");
}

#[test]
fn annotations_know_where() {
    let query = "sum(\n  rate(temperature[5m]))";
    let output = instant(query, 3).unwrap();
    let [note] = output.annotations.list() else { panic!("{:?}", output.annotations) };
    assert_eq!(&query[note.span.range()], "temperature[5m]");
    assert_eq!(
        note.with_position(query),
        "PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"temperature\" (2:8)"
    );
}

#[test]
fn names_go_at_once_or_at_the_end() {
    let query = r#"label_replace(rate(requests_total{job="b"}[5m]), "was", "$1", "__name__", "(.*)")"#;
    assert_eq!(shown(query, 5), r#"{code="200", job="b"} 0.5"#);
    let engine = Engine::new(EngineOptions { delayed_name_removal: true, ..EngineOptions::default() });
    let output = engine.instant(query, &storage(), minutes(5), &Budget::unbounded()).unwrap();
    let Value::Vector(v) = output.value else { panic!() };
    assert_eq!(v[0].labels.get("was"), Some("requests_total"));
    assert_eq!(v[0].labels.name(), "");
}

#[test]
fn ranges_of_steps_and_what_they_cost() {
    let engine = Engine::default();
    let range = |query: &str, step| {
        engine.range(query, &storage(), minutes(0), minutes(10), step, &Budget::unbounded())
    };
    let minute = Duration::from_secs(60);
    let output = range("sum(requests_total) > 500", minute).unwrap();
    let Value::Matrix(matrix) = &output.value else { panic!() };
    let points: Vec<_> = matrix[0].points.iter().map(|p| (p.t.as_millis() / 60_000, p.v.clone())).collect();
    let float = PointValue::Float;
    assert_eq!(points[..2], [(6, float(576.0)), (7, float(672.0))]);
    assert_eq!((output.stats.series, output.stats.samples), (3, 33));
    assert!(output.stats.peak_samples >= 33);
    let scalar = range("time()", minute).unwrap().value;
    assert!(
        matches!(&scalar, Value::Matrix(m) if m[0].labels == Labels::default() && m[0].points.len() == 11)
    );
    assert!(matches!(range("up[5m]", minute), Err(QueryError::Range(_))));
    assert!(matches!(range("\"text\"", minute), Err(QueryError::Range(_))));
    assert!(matches!(range("1", Duration::ZERO), Err(QueryError::Range(_))));
    let backwards = engine.range("1", &storage(), minutes(1), minutes(0), minute, &Budget::unbounded());
    assert_eq!(backwards.unwrap_err().error_type(), "bad_data");
}

#[test]
fn pinned_selectors_stay() {
    let output = Engine::default()
        .range(
            "requests_total{job=\"b\"} @ end() offset 1m",
            &storage(),
            minutes(1),
            minutes(9),
            Duration::from_secs(240),
            &Budget::unbounded(),
        )
        .unwrap();
    let Value::Matrix(matrix) = output.value else { panic!() };
    assert!(matrix[0].points.iter().all(|p| p.v == PointValue::Float(240.0)), "{matrix:?}");
    assert_eq!(matrix[0].points.len(), 3);
}

#[test]
fn a_query_stops_at_its_bounds() {
    let run = |query: &str, budget: &Budget| {
        let engine = Engine::default();
        let steps = (minutes(0), Timestamp::from_millis(30 * 86_400_000), Duration::from_secs(1));
        engine.range(query, &storage(), steps.0, steps.1, steps.2, budget).map(|o| o.stats).unwrap_err()
    };
    let samples = Budget::new(1_000_000, None);
    assert_eq!(run("{__name__=~\".+\"}", &samples), StorageError::TooManySamples.into());
    let samples = Budget::new(5_000_000, None);
    assert_eq!(run("{__name__=~\".+\"} @ 0", &samples), StorageError::TooManySamples.into());
    assert_eq!(
        run("max_over_time(requests_total[30d:1ms])", &Budget::unbounded()),
        StorageError::TooManySamples.into()
    );
    let late = Budget::new(u64::MAX, Some(Instant::now()));
    assert_eq!(run("rate(requests_total[1h])", &late), StorageError::TimedOut.into());
    let cancelled = Budget::unbounded();
    cancelled.cancel();
    let error = run("1 + requests_total", &cancelled);
    assert_eq!(error, StorageError::Cancelled.into());
    assert_eq!(error.error_type(), "canceled");
}

#[test]
fn the_deepest_query_that_parses_can_be_evaluated() {
    let chain = vec!["up"; 199].join(" or ");
    let calls = format!("{}up{}", "abs(".repeat(99), ")".repeat(99));
    let mut subqueries = "requests_total".to_owned();
    for _ in 0..95 {
        subqueries = format!("last_over_time({subqueries}[1m:1m])");
    }
    for query in [chain, calls, subqueries] {
        let output = instant(&query, 5);
        assert!(output.is_ok(), "{:?}", output.err());
        let expr = Engine::default().parse(&query).unwrap();
        assert_eq!(expr.value_type(), ValueType::Vector);
        assert_eq!(Engine::default().parse(&expr.to_string()).unwrap().to_string(), expr.to_string());
    }
}

#[test]
fn experimental_functions_need_their_switch() {
    assert!(matches!(instant("mad_over_time(temperature[5m])", 3), Err(QueryError::Parse(_))));
    let engine = Engine::new(EngineOptions { experimental_functions: true, ..EngineOptions::default() });
    assert!(
        engine
            .instant("mad_over_time(temperature[5m])", &storage(), minutes(3), &Budget::unbounded())
            .is_ok()
    );
}

#[test]
fn info_adds_the_labels_of_info_metrics() {
    let storage = MemoryStorage::with(
        "1m",
        r#"
        hits_total{instance="i", job="j"} 0+1x10
        hits_total{instance="other", job="j"} 0+1x10
        target_info{instance="i", job="j", region="eu", version="1"} 1x10
        "#,
    )
    .unwrap();
    let engine = Engine::new(EngineOptions { experimental_functions: true, ..EngineOptions::default() });
    let regions = |query: &str| {
        let output = engine.instant(query, &storage, minutes(5), &Budget::unbounded()).unwrap();
        let Value::Vector(v) = output.value else { panic!() };
        v.iter().map(|s| s.labels.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        regions("info(rate(hits_total[5m]), {region=~\".+\"})"),
        [r#"{instance="i", job="j", region="eu"}"#]
    );
    assert_eq!(
        regions("info(hits_total)"),
        [
            r#"hits_total{instance="i", job="j", region="eu", version="1"}"#,
            r#"hits_total{instance="other", job="j"}"#
        ]
    );
}
