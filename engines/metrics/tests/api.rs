//! The HTTP API as clients use it, through the router.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use quarterdeck_metrics::config::QueryConfig;
use quarterdeck_metrics::{Exemplar, Ingest, Metadata, MetricType, MetricsConfig, Store, api};
use serde_json::{Value, json};
use support::*;
use tower::ServiceExt as _;

fn set_up() -> (Store, Router) {
    let store = Store::in_memory(config());
    for (text, slope) in [("reqs_total,job=a,code=200", 10.0), ("reqs_total,job=b,code=500", 1.0)] {
        let id = series(&store, text);
        put(&store, id, &(0..20).map(|i| (i * 15_000, slope * i as f64)).collect::<Vec<_>>()).unwrap();
        store.exemplar(id, Exemplar { labels: labels("trace_id=abc"), v: 0.5, t: at(15_000) });
    }
    put(&store, series(&store, "odd,job=a"), &[(285_000, f64::INFINITY)]).unwrap();
    let about = Metadata { kind: MetricType::Counter, help: "Requests.".to_owned(), unit: String::new() };
    store.describe("reqs_total", &about);
    let config = QueryConfig::default();
    let router = api::router(store.clone(), Arc::new(api::engine(&config)), &config);
    (store, router)
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (status, to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec())
}

async fn get(router: &Router, uri: &str) -> (StatusCode, Value) {
    let (status, body) = send(router, Request::get(uri).body(Body::empty()).unwrap()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

async fn post(router: &Router, uri: &str, form: &str) -> (StatusCode, Value) {
    let request = Request::post(uri)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .unwrap();
    let (status, body) = send(router, request).await;
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn instant_queries_answer_by_get_and_by_form() {
    let (_store, router) = set_up();
    let expected = json!({"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"__name__": "reqs_total", "code": "200", "job": "a"}, "value": [285, "190"]},
        {"metric": {"__name__": "reqs_total", "code": "500", "job": "b"}, "value": [285, "19"]},
    ]}});
    assert_eq!(
        get(&router, "/api/v1/query?query=reqs_total&time=285").await,
        (StatusCode::OK, expected.clone())
    );
    assert_eq!(
        post(&router, "/api/v1/query", "query=reqs_total&time=285").await,
        (StatusCode::OK, expected.clone())
    );
    assert_eq!(
        post(&router, "/api/v1/query?time=285", "query=reqs_total").await.1,
        expected,
        "both places count"
    );
    let (_, limited) = get(&router, "/api/v1/query?query=reqs_total&time=285&limit=1").await;
    assert_eq!(limited["data"]["result"].as_array().unwrap().len(), 1);
    assert_eq!(limited["warnings"], json!(["results truncated due to limit"]));
    let (_, scalar) = get(&router, "/api/v1/query?query=1%2B1&time=1.5").await;
    assert_eq!(scalar["data"], json!({"resultType": "scalar", "result": [1.5, "2"]}));
    let (_, odd) = get(&router, "/api/v1/query?query=odd&time=285&stats=all").await;
    assert_eq!(odd["data"]["result"][0]["value"], json!([285, "+Inf"]));
    assert!(odd["data"]["stats"]["samples"]["totalQueryableSamples"].as_u64().unwrap() >= 1);
}

#[tokio::test]
async fn range_queries_answer_matrices() {
    let (_store, router) = set_up();
    let uri = "/api/v1/query_range?query=sum(rate(reqs_total%5B1m%5D))&start=60&end=90&step=15";
    let (status, body) = get(&router, uri).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["data"]["resultType"], "matrix");
    let values = body["data"]["result"][0]["values"].as_array().unwrap();
    assert_eq!(values.len(), 3);
    assert_eq!(values[0][0], 60);
}

#[tokio::test]
async fn mistakes_are_reported_as_prometheus_reports_them() {
    let (_store, router) = set_up();
    for (uri, status, kind, told) in [
        ("/api/v1/query?query=sum(", 400, "bad_data", "invalid parameter \"query\": 1:5: parse error"),
        ("/api/v1/query", 400, "bad_data", "invalid parameter \"query\""),
        (
            "/api/v1/query?query=up&time=x",
            400,
            "bad_data",
            "invalid parameter \"time\": cannot parse \"x\" to a valid timestamp",
        ),
        (
            "/api/v1/query_range?query=up&start=10&end=1&step=1",
            400,
            "bad_data",
            "invalid parameter \"end\": end timestamp must not be before start time",
        ),
        (
            "/api/v1/query_range?query=up&start=1&end=10&step=0",
            400,
            "bad_data",
            "invalid parameter \"step\": zero or negative query resolution step widths",
        ),
        (
            "/api/v1/query_range?query=up&start=0&end=99999999&step=1",
            400,
            "bad_data",
            "exceeded maximum resolution of 11,000 points",
        ),
        ("/api/v1/query?query=reqs_total*on(__name__)reqs_total&time=285", 422, "execution", ""),
        ("/api/v1/query?query=reqs_total&time=285&limit=x", 400, "bad_data", "invalid parameter \"limit\""),
        ("/api/v1/query?query=reqs_total&time=285&timeout=0.000000001", 503, "timeout", "query timed out"),
        ("/api/v1/series", 400, "bad_data", "no match[] parameter provided"),
        ("/api/v1/series?match%5B%5D=sum(x)", 400, "bad_data", "invalid parameter \"match[]\""),
    ] {
        let (got, body) = get(&router, uri).await;
        assert_eq!(
            (got.as_u16(), &body["status"], &body["errorType"]),
            (status, &json!("error"), &json!(kind)),
            "{uri}: {body}"
        );
        assert!(body["error"].as_str().unwrap().contains(told), "{uri}: {body}");
    }
}

#[tokio::test]
async fn series_labels_values_and_metadata_are_listed() {
    let (_store, router) = set_up();
    let (_, body) =
        get(&router, "/api/v1/series?match%5B%5D=reqs_total&match%5B%5D=%7Bjob%3D%22a%22%7D").await;
    assert_eq!(body["data"].as_array().unwrap().len(), 3, "the union, each once");
    assert_eq!(get(&router, "/api/v1/labels").await.1["data"], json!(["__name__", "code", "job"]));
    assert_eq!(post(&router, "/api/v1/labels", "match[]=odd").await.1["data"], json!(["__name__", "job"]));
    assert_eq!(get(&router, "/api/v1/label/job/values").await.1["data"], json!(["a", "b"]));
    assert_eq!(get(&router, "/api/v1/label/job/values?start=290").await.1["data"], json!([]));
    assert_eq!(
        get(&router, "/api/v1/label/job/values?limit=1").await.1["warnings"],
        json!(["results truncated due to limit"])
    );
    assert_eq!(
        get(&router, "/api/v1/metadata?metric=reqs_total").await.1["data"],
        json!({"reqs_total": [{"type": "counter", "help": "Requests.", "unit": ""}]})
    );
    let (_, body) = get(
        &router,
        "/api/v1/query_exemplars?query=rate(reqs_total%7Bjob%3D%22a%22%7D%5B1m%5D)&start=0&end=60",
    )
    .await;
    assert_eq!(
        body["data"],
        json!([{"seriesLabels": {"__name__": "reqs_total", "code": "200", "job": "a"},
                "exemplars": [{"labels": {"trace_id": "abc"}, "value": "0.5", "timestamp": 15}]}])
    );
}

#[tokio::test]
async fn status_pages_tell_what_clients_ask_for() {
    let (_store, router) = set_up();
    let (_, build) = get(&router, "/api/v1/status/buildinfo").await;
    assert!(build["data"]["version"].as_str().unwrap().starts_with("3.5.0"));
    let (_, tsdb) = get(&router, "/api/v1/status/tsdb").await;
    assert_eq!(tsdb["data"]["headStats"]["numSeries"], 3);
    assert_eq!(tsdb["data"]["seriesCountByMetricName"][0], json!({"name": "reqs_total", "value": 2}));
    assert!(get(&router, "/api/v1/status/runtimeinfo").await.1["data"]["startTime"].is_string());
    assert_eq!(get(&router, "/api/v1/status/flags").await.1["data"]["query.timeout"], "2m");
}

#[tokio::test]
async fn metrics_are_shown_in_the_format_asked_for() {
    let (_store, router) = set_up();
    let (_, _body) = get(&router, "/api/v1/query?query=1").await;
    let (status, page) = send(&router, Request::get("/metrics").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        String::from_utf8(page)
            .unwrap()
            .contains("quarterdeck_http_request_duration_seconds_count{handler=\"query\"}")
    );
    let open = Request::get("/metrics")
        .header("accept", "application/openmetrics-text")
        .body(Body::empty())
        .unwrap();
    assert!(send(&router, open).await.1.ends_with(b"# EOF\n"));
}

/// Protobuf, as far as the test needs it.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
    out
}

fn time_series(pairs: &[(&str, &str)], samples: &[(u64, f64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in pairs {
        out.extend(field(1, &[field(1, name.as_bytes()), field(2, value.as_bytes())].concat()));
    }
    for (t, v) in samples {
        let mut sample = vec![0x09];
        sample.extend_from_slice(&v.to_bits().to_le_bytes());
        sample.push(0x10);
        let mut t = *t;
        while t >= 0x80 {
            sample.push(t as u8 | 0x80);
            t >>= 7;
        }
        sample.push(t as u8);
        out.extend(field(2, &sample));
    }
    field(1, &out)
}

async fn remote_write(router: &Router, body: &[u8]) -> (StatusCode, String) {
    let packed = snap::raw::Encoder::new().compress_vec(body).unwrap();
    let request = Request::post("/api/v1/write")
        .header("content-type", "application/x-protobuf")
        .header("content-encoding", "snappy")
        .body(Body::from(packed))
        .unwrap();
    let (status, body) = send(router, request).await;
    (status, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn remote_write_takes_what_is_lawful_and_tells_what_is_not() {
    let (store, router) = set_up();
    let metadata = field(3, &[vec![0x08, 2], field(2, b"sent"), field(4, b"Sent.")].concat());
    let good = [
        time_series(
            &[("__name__", "sent"), ("x", "y")],
            &[(1_700_000_000_000, 1.5), (1_700_000_001_000, f64::NAN)],
        ),
        metadata,
    ]
    .concat();
    assert_eq!(remote_write(&router, &good).await, (StatusCode::NO_CONTENT, String::new()));
    assert_eq!(remote_write(&router, &good).await.0, StatusCode::NO_CONTENT, "sent again, it is the same");
    assert_eq!(values(&store, "sent").len(), 2);
    assert_eq!(
        store.metadata("sent").unwrap(),
        Metadata { kind: MetricType::Gauge, help: "Sent.".to_owned(), unit: String::new() }
    );

    let mixed = [
        time_series(&[("x", "y")], &[(1, 1.0)]),
        time_series(&[("__name__", "sent"), ("x", "y")], &[(1_700_000_000_000, 9.0)]),
        time_series(&[("__name__", "kept")], &[(5, 1.0)]),
    ]
    .concat();
    let (status, why) = remote_write(&router, &mixed).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(why.contains("no metric name"), "{why}");
    assert_eq!(values(&store, "kept"), [(5, 1.0)], "what is good of a bad batch is in");

    assert_eq!(remote_write(&router, &[0xff; 40]).await.0, StatusCode::BAD_REQUEST);
    let raw = Request::post("/api/v1/write").body(Body::from("garbage")).unwrap();
    assert_eq!(send(&router, raw).await.0, StatusCode::BAD_REQUEST);
    let two = Request::post("/api/v1/write")
        .header("content-type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(&router, two).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_bomb_is_refused_before_it_is_unpacked() {
    let store = Store::in_memory(MetricsConfig::default());
    let config = QueryConfig { max_write_bytes: 10_000, ..QueryConfig::default() };
    let router = api::router(store, Arc::new(api::engine(&config)), &config);
    let (status, why) = remote_write(&router, &vec![0; 100_000]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(why.contains("10000 are allowed"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_gathers_the_host_and_itself_and_publishes_snapshots() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    let clock = Arc::new(quarterdeck_kernel::SystemClock);
    let (engine, mut snapshots) = quarterdeck_metrics::Engine::new(store.clone(), clock);
    let stop = Arc::new(tokio::sync::Notify::new());
    let stopped = Arc::clone(&stop);
    let running = tokio::spawn(engine.run(async move { stopped.notified().await }));
    let wait = async {
        while snapshots.borrow_and_update().stats.series < 20 {
            snapshots.changed().await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.unwrap();
    stop.notify_one();
    running.await.unwrap();
    let up = all(&store, &[quarterdeck_kernel::Matcher::equal("__name__", "up")]);
    assert!(!up.is_empty());
    drop(store);
    assert!(Store::open(folder.path(), config()).unwrap().stats().series >= 20);
}
