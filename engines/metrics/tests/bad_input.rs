//! Queries and series that mean harm: each gets a clear answer, soon, and the next one is served.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use quarterdeck_metrics::config::QueryConfig;
use quarterdeck_metrics::{Ingest as _, IngestError, MetricsConfig, Store, api};
use serde_json::Value;
use support::*;
use tower::ServiceExt as _;

const MONTH: i64 = 30 * 86_400;

/// 200 series over a month, a sample each six hours, and a server that allows little.
fn set_up(query: &QueryConfig) -> Router {
    let store = Store::in_memory(MetricsConfig { retention: Duration::from_secs(366 * 86_400), ..config() });
    for i in 0..200 {
        let samples: Vec<(i64, f64)> = (0..120).map(|n| (n * 6 * 3_600_000, n as f64)).collect();
        put(&store, series(&store, &format!("m{},x={}", i % 20, "a".repeat(i))), &samples).unwrap();
    }
    api::router(store, Arc::new(api::engine(query)), query)
}

fn tight() -> QueryConfig {
    QueryConfig {
        timeout: Duration::from_secs(2),
        max_samples: 300_000,
        concurrency: 1,
        ..QueryConfig::default()
    }
}

async fn ask(router: &Router, path: &str, pairs: &[(&str, &str)]) -> (u16, Value, Duration) {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .unwrap();
    let begun = Instant::now();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap(), begun.elapsed())
}

/// Asks at the end of the month, and afterwards something harmless.
async fn refused(router: &Router, query: &str, wanted: &[(u16, &str)]) {
    let time = MONTH.to_string();
    let (status, body, took) = ask(router, "/api/v1/query", &[("query", query), ("time", &time)]).await;
    let error = body["error"].as_str().unwrap_or_default();
    assert!(
        wanted.iter().any(|(s, told)| *s == status && error.contains(told)),
        "{}…: {status} {error}",
        query.chars().take(60).collect::<String>()
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    let (status, body, _) = ask(router, "/api/v1/query", &[("query", "count(m1)"), ("time", "21600")]).await;
    assert_eq!((status, body["data"]["result"][0]["value"][1].as_str()), (200, Some("10")), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_for_everything_at_every_second_of_a_month_is_refused() {
    let router = set_up(&tight());
    let all = "{__name__=~\".+\"}";
    let end = MONTH.to_string();
    let (status, body, _) =
        ask(&router, "/api/v1/query_range", &[("query", all), ("start", "0"), ("end", &end), ("step", "1")])
            .await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().contains("11,000 points"), "{body}");
    // As large as the limit of points lets it be.
    let (status, body, took) = ask(
        &router,
        "/api/v1/query_range",
        &[("query", all), ("start", "0"), ("end", &end), ("step", "236")],
    )
    .await;
    let told = body["error"].as_str().unwrap_or_default();
    assert!(
        status == 422 && told.contains("too many samples") || status == 503 && told.contains("timed out"),
        "{status} {told}"
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    // The same bomb inside of a query at one moment.
    let outcomes = [(422, "too many samples"), (503, "timed out")];
    refused(&router, "count_over_time({__name__=~\".+\"}[30d:1s])", &outcomes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nesting_is_bounded_in_time_and_depth() {
    let router = set_up(&tight());
    let mut nested = "m1".to_owned();
    for _ in 0..20 {
        nested = format!("sum without (x) ({nested} + 0)");
    }
    let (status, body, _) = ask(&router, "/api/v1/query", &[("query", &nested), ("time", "21600")]).await;
    assert_eq!((status, body["data"]["result"][0]["value"][1].as_str()), (200, Some("10")), "{body}");

    let mut subqueries = "m1".to_owned();
    for _ in 0..20 {
        subqueries = format!("max_over_time({subqueries}[1h:1s])");
    }
    refused(&router, &subqueries, &[(422, "too many samples"), (503, "timed out")]).await;
    refused(&router, &format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000)), &[(400, "parse error")])
        .await;
    refused(&router, &"-".repeat(100_000), &[(400, "parse error")]).await;
    refused(&router, &vec!["m1"; 50_000].join("+"), &[(400, "parse error")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catastrophic_regex_is_matched_in_linear_time_or_refused() {
    let router = set_up(&tight());
    // Backtracking engines need 2^200 steps for this one.
    let begun = Instant::now();
    let (status, body, _) =
        ask(&router, "/api/v1/query", &[("query", "{x=~\"(a+)+b\"}"), ("time", "21600")]).await;
    assert_eq!((status, body["data"]["result"].as_array().map(Vec::len)), (200, Some(0)), "{body}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    refused(&router, "{x=~\"((a{1000}){1000}){1000}\"}", &[(400, "")]).await;
    refused(
        &router,
        "label_replace(m1, \"y\", \"$1\", \"x\", \"((a{1000}){1000}){1000}\")",
        &[(400, ""), (422, "")],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_takes_its_query_along() {
    // One place, no bound in samples, two minutes of time: only the cancellation can make room.
    let query = QueryConfig { concurrency: 1, max_samples: u64::MAX, ..QueryConfig::default() };
    let router = set_up(&query);
    let bomb = "sum(max_over_time({__name__=~\".+\"}[30d:1s]))";
    let asked = tokio::spawn({
        let router = router.clone();
        async move { ask(&router, "/api/v1/query", &[("query", bomb), ("time", "2592000")]).await.0 }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished(), "the bomb is not large enough to be caught at work");
    asked.abort();
    let begun = Instant::now();
    let (status, ..) = ask(&router, "/api/v1/query", &[("query", "1"), ("timeout", "30")]).await;
    assert_eq!(status, 200, "the place was not given back within {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_bomb_of_labels_is_refused_by_name_and_everybody_else_is_served() {
    const BOMB: u64 = 1_000_000;
    let store = Store::in_memory(MetricsConfig { max_series: 2000, ..config() });
    let good = series(&store, "orders_total,job=orders");
    let mut refusals = 0;
    let mut last = None;
    for i in 0..BOMB {
        match store.resolve(&labels(&format!("bomb_total,job=bad,path=/a,id=user-{i}"))) {
            Ok(id) => assert_eq!(put(&store, id, &[(1000, 1.0)]).unwrap().taken, 1),
            Err(error) => {
                refusals += 1;
                last = Some(error);
            }
        }
    }
    assert_eq!(refusals, BOMB - 1999);
    let IngestError::TooManySeries { limit, metric, metric_series, label, label_values } =
        last.clone().unwrap()
    else {
        panic!("{last:?}")
    };
    assert_eq!(
        (limit, &*metric, metric_series, &*label, label_values),
        (2000, "bomb_total", 1999, "id", 1999)
    );
    assert!(
        last.unwrap()
            .to_string()
            .contains("bomb_total has the most (1999 series, label id alone 1999 values)")
    );
    assert_eq!(put(&store, good, &[(1000, 5.0)]).unwrap().taken, 1);
    assert_eq!(values(&store, "orders_total"), [(1000, 5.0)]);
    assert_eq!(store.stats().drops.refused_series, BOMB - 1999);
}
