//! Charts: signals over time, heatmaps, and whole screens of the past.

use std::sync::Arc;

use quarterdeck_kernel::{Health, SystemClock};
use quarterdeck_services::config::{Catalogue, ServiceConfig, SignalsConfig, TransactionConfig};
use quarterdeck_services::{Engine, Handle};

use crate::store::{NOW, Store, at, near};

fn handle(store: &Store, catalogue: Catalogue) -> Handle {
    let source = Arc::new(store.source());
    let clock = Arc::new(SystemClock);
    Engine::new(catalogue, SignalsConfig::default(), [], source, clock).map(|(_, handle)| handle).unwrap()
}

fn steady() -> Store {
    let mut store = Store::default();
    let labels = |route: &str| {
        format!(
            "{{job=\"api\", http_request_method=\"GET\", http_route=\"{route}\", http_response_status_code=\"200\"}}"
        )
    };
    let buckets = [("0.01", 5.0), ("0.05", 9.0), ("0.1", 9.8), ("+Inf", 10.0)];
    store.histogram("http_server_request_duration_seconds", &labels("/a"), &buckets);
    store.histogram("http_server_request_duration_seconds", &labels("/b"), &[("0.2", 1.0), ("+Inf", 1.0)]);
    store.up("{job=\"api\"}");
    store
}

#[test]
fn signals_over_time() {
    let level =
        TransactionConfig { threshold: Some(std::time::Duration::from_millis(30)), target: Some(99.0) };
    let service =
        ServiceConfig { transactions: [("GET /a".to_owned(), level)].into(), ..ServiceConfig::default() };
    let handle = handle(&steady(), Catalogue::from([("api".to_owned(), service)]));
    let series = handle.series("api", Some("GET /a"), at(NOW - 600), at(NOW), 10).unwrap();
    assert_eq!(series.times.len(), 10);
    assert!(series.rate.iter().all(|r| (r - 10.0).abs() < 1e-6), "{:?}", series.rate);
    near(series.p95.last().copied(), 81.25);
    near(series.attainment.last().copied(), 70.0);
    near(series.attained, 70.0);
    assert_eq!(series.threshold, Some(30.0));
    let whole = handle.series("api", None, at(NOW - 600), at(NOW), 10).unwrap();
    near(whole.rate.last().copied(), 11.0);
    assert_eq!(whole.attained, None);
    let unknown = handle.series("apj", None, at(NOW - 600), at(NOW), 10).unwrap_err();
    assert_eq!(unknown.0, "nothing is known of service \"apj\" in this range; did you mean api?");
    assert!(handle.series("api", None, at(NOW), at(NOW), 10).is_err());
}

#[test]
fn heatmaps_count_every_request_once() {
    let handle = handle(&steady(), Catalogue::new());
    for columns in [5, 10, 60] {
        let map = handle.heatmap("api", Some("GET /a"), at(NOW - 600), at(NOW), columns).unwrap();
        assert_eq!(map.bounds, [10.0, 50.0, 100.0, f64::INFINITY]);
        assert_eq!((map.times.len(), map.counts.len()), (columns, columns));
        let seconds = map.step.as_secs_f64();
        for column in &map.counts {
            for (count, per_second) in column.iter().zip([5.0, 4.0, 0.8, 0.2]) {
                near(Some(*count), per_second * seconds);
            }
        }
    }
    let before = handle.heatmap("api", None, at(NOW - 3600), at(NOW - 1800), 6).unwrap_err();
    assert!(before.0.starts_with("nothing is known of service"), "{}", before.0);
    let across = handle.heatmap("api", None, at(NOW - 2400), at(NOW), 8).unwrap();
    assert!(across.counts[0].iter().all(|c| c.is_nan()), "no data is not no requests");
    assert!(across.counts[7].iter().all(|c| *c >= 0.0));
}

#[test]
fn a_screen_of_the_past_is_what_was() {
    let mut store = steady();
    store.series("up", "{job=\"late\"}", |seconds| f64::from(u8::from(seconds < 900.0)));
    let handle = handle(&store, Catalogue::new());
    let then = handle.at(at(NOW - 600));
    assert_eq!(then.taken, at(NOW - 600));
    assert_eq!(then.service("late").unwrap().health, Health::Ok);
    assert_eq!(handle.at(at(NOW)).service("late").unwrap().health, Health::Down);
}

#[tokio::test]
async fn the_engine_publishes_and_takes_limits_and_configuration() {
    let mut store = Store::default();
    store.up("{job=\"api\"}");
    let clock = Arc::new(quarterdeck_kernel::ManualClock::new(at(NOW)));
    let signals =
        SignalsConfig { interval: std::time::Duration::from_millis(20), ..SignalsConfig::default() };
    let (engine, handle) =
        Engine::new(Catalogue::new(), signals.clone(), [], Arc::new(store.source()), clock)
            .unwrap_or_else(|e| panic!("{e:?}"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let task = tokio::spawn(engine.run(async {
        let _ = stopped.await;
    }));
    let mut snapshots = handle.subscribe();
    let first = snapshots.wait_for(|s| s.service("api").is_some()).await.unwrap().version;
    snapshots.wait_for(|s| s.version > first).await.unwrap();
    handle.apply("errors\tapi", Some("2"));
    snapshots.wait_for(|s| s.service("api").unwrap().signals.errors.limit == Some(2.0)).await.unwrap();
    let service = ServiceConfig { owner: Some("ann".to_owned()), ..ServiceConfig::default() };
    handle.reload(Catalogue::from([("api".to_owned(), service)]), signals.clone()).unwrap();
    snapshots.wait_for(|s| s.service("api").unwrap().owner.is_some()).await.unwrap();
    let needs = ServiceConfig { depends_on: vec!["apj".to_owned()], ..ServiceConfig::default() };
    let wrong = handle
        .reload(
            Catalogue::from([("api".to_owned(), ServiceConfig::default()), ("web".to_owned(), needs)]),
            signals,
        )
        .unwrap_err();
    assert_eq!(wrong[0].0, "services.web.depends_on");
    assert_eq!(wrong[0].1.to_string(), "\"apj\" is not a service of the catalogue; did you mean api?");
    stop.send(()).unwrap();
    task.await.unwrap();
}
