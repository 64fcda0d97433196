//! Versions that somebody else runs.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use quarterdeck_deploy::config::Config;
use quarterdeck_deploy::model::ReplicaPhase;
use quarterdeck_deploy::target::{Target, TargetError, Targets};
use support::{Counted, places, until, want};

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_probed_for_as_long_as_they_are_wanted() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let well = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&well);
    let ready = get(move || async move {
        if state.load(Ordering::SeqCst) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    });
    let app = Router::new().route("/base/ready", ready);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let text = format!(
        r#"
        [services.orders]
        stable = "v1"
        versions.v1.endpoints = ["http://{address}/base"]
        probes.readiness = {{ path = "/ready", period = "50ms", timeout = "5s", failures = 1 }}
        "#
    );
    let config: Config = toml::from_str(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let targets =
        Targets::open(Arc::new(config), Arc::new(Counted::default()), places(folder.path())).unwrap();
    let refused = targets.ensure(want("v1", 2, 1)).await.unwrap_err().to_string();
    assert!(refused.contains("2 replicas of orders v1 are wanted, but there are 1 endpoints"), "{refused}");
    assert!(matches!(targets.ensure(want("v2", 1, 1)).await, Err(TargetError::Refused(_))));
    targets.ensure(want("v1", 1, 1)).await.unwrap();
    let seen = until(&targets, "v1", "it is ready", |v| v.ready() == 1).await;
    assert!(seen.is_settled() && seen.target == "external" && seen.outlives, "{seen:?}");
    assert_eq!(seen.replicas[0].url, format!("http://{address}/base"));
    well.store(false, Ordering::SeqCst);
    let seen = until(&targets, "v1", "it is not", |v| {
        v.replicas.first().is_some_and(|r| r.phase == ReplicaPhase::NotReady)
    })
    .await;
    assert_eq!(seen.replicas[0].message, "GET /ready answered 503");
    targets.ensure(want("v1", 0, 2)).await.unwrap();
    until(&targets, "v1", "it is not wanted", |v| v.replicas.is_empty()).await;
    assert_eq!(targets.ensure(want("v1", 1, 1)).await, Err(TargetError::Conflict { observed: 2 }));
}
