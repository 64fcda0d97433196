use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Labels, SystemClock};
use quarterdeck_metrics::{Incoming, Ingest, MetricsConfig, Store};
use quarterdeck_promql::{Budget, Engine as Evaluator};

use super::*;
use crate::model::AlertState;

fn plan(text: &str) -> Plan {
    Plan {
        files: vec![crate::file::parse(text, "r.yml").unwrap_or_else(|e| panic!("{e:?}"))],
        interval: Duration::from_millis(100),
        ..Plan::default()
    }
}

fn push(store: &Store, name: &str, v: f64) {
    let series = store.resolve(&Labels::from_pairs([("__name__", name), ("service", "orders")])).unwrap();
    let t = SystemClock.now();
    assert_eq!(store.append(&[Incoming { series, t, v }]).unwrap().taken, 1);
}

async fn wait(handle: &Handle, fits: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let mut snapshots = handle.subscribe();
    let found = tokio::time::timeout(Duration::from_secs(10), snapshots.wait_for(|s| fits(s))).await;
    found.expect("in time").expect("the engine runs").clone()
}

#[tokio::test]
async fn rules_run_over_a_store_and_are_reloaded() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), MetricsConfig::default()).unwrap();
    push(&store, "m", 7.0);
    let text = "groups:\n- name: g\n  rules:\n  - {record: double, expr: m * 2}\n  - {alert: High, expr: double > 10, labels: {severity: critical}}\n";
    let (engine, handle) = Engine::new(
        &plan(text),
        Arc::new(store.clone()),
        Arc::new(store.clone()),
        Arc::new(Evaluator::default()),
        Arc::new(SystemClock),
    );
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(engine.run(async move {
        let _ = stopped.await;
    }));
    let firing = |s: &Snapshot| s.alerts().first().is_some_and(|a| a.state == AlertState::Firing);
    let snapshot = wait(&handle, firing).await;
    let alert = snapshot.alerts()[0].clone();
    assert_eq!((alert.name(), alert.value, alert.service()), ("High", 14.0, Some("orders")));

    let other = "groups:\n- name: g\n  rules:\n  - {record: triple, expr: m * 3}\n";
    handle.reload(plan(other)).await.unwrap();
    let done =
        |s: &Snapshot| s.groups.iter().any(|g| g.rules.len() == 1 && g.rules[0].last_evaluation.is_some());
    assert!(wait(&handle, done).await.alerts().is_empty());
    let ask = |query: &str| {
        let output =
            Evaluator::default().instant(query, &store, SystemClock.now(), &Budget::unbounded()).unwrap();
        format!("{:?}", output.value)
    };
    assert!(ask("triple").contains("21"), "{}", ask("triple"));
    assert_eq!(ask("double"), "Vector([])", "what a removed rule yielded has ended");
    assert_eq!(ask("ALERTS"), "Vector([])");
    stop.send(()).unwrap();
    running.await.unwrap();
    assert_eq!(handle.reload(Plan::default()).await, Err(Stopped));
}
