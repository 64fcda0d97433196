//! Newest samples, exports, and copies taken while the store runs.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use quarterdeck_kernel::{MatchOp, Matcher};
use quarterdeck_metrics::config::QueryConfig;
use quarterdeck_metrics::exposition::Format;
use quarterdeck_metrics::{Ingest as _, Metadata, MetricType, MetricsConfig, Store, api, import};
use quarterdeck_promql::storage::{Budget, Storage};
use support::*;
use tower::ServiceExt as _;

#[test]
fn the_newest_sample_is_the_last_of_all() {
    for seed in 1..=12u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut store = Store::open(folder.path(), config()).unwrap();
        let mut clock = 1_000_000i64;
        for _ in 0..60 {
            match rng.below(12) {
                0 => drop(store.seal().unwrap()),
                1 => {
                    drop(store);
                    if rng.below(3) == 0 {
                        // Made again from the segments, it does not know the newest values.
                        store = Store::open(folder.path(), config()).unwrap();
                        store.seal().unwrap();
                        drop(store);
                        fs::remove_file(folder.path().join("catalogue")).unwrap();
                    }
                    store = Store::open(folder.path(), config()).unwrap();
                }
                _ => {
                    let id = series(&store, &format!("m,x={}", rng.below(6)));
                    let late = if rng.below(3) == 0 { rng.below(500_000) as i64 } else { 0 };
                    let batch: Vec<(i64, f64)> = (0..rng.below(150) as i64)
                        .map(|i| (clock + i * 100 - late, rng.below(1000) as f64))
                        .collect();
                    clock += 15_000;
                    put(&store, id, &batch).unwrap();
                }
            }
            let (a, b) = (rng.below(2_000_000) as i64, rng.below(600_000) as i64);
            for (from, to) in [(a, a + b), (clock - 300_000, clock + 60_000), (i64::MIN, i64::MAX)] {
                let matchers = [Matcher::equal("__name__", "m")];
                let last: Vec<_> = range(&store, &matchers, from, to)
                    .into_iter()
                    .map(|(labels, samples)| (labels, *samples.last().unwrap()))
                    .collect();
                let newest: Vec<_> = store
                    .select_newest(&matchers, at(from), at(to), &Budget::unbounded())
                    .unwrap()
                    .into_iter()
                    .map(|s| (s.labels.to_string(), (s.samples[0].t.as_millis(), s.samples[0].v.to_bits())))
                    .collect();
                assert_eq!(newest, last, "seed {seed}, {from} to {to}");
            }
        }
    }
}

#[test]
fn a_copy_taken_during_ingest_holds_everything_taken_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("live"), config()).unwrap();
    let ids: Vec<_> = (0..20).map(|i| series(&store, &format!("m,x={i}"))).collect();
    store.describe("m", &Metadata { kind: MetricType::Gauge, help: "Told.".to_owned(), unit: String::new() });
    let taken = Arc::new(AtomicI64::new(-1));
    let stop = Arc::new(AtomicI64::new(0));
    let writer = std::thread::spawn({
        let (store, taken, stop) = (store.clone(), Arc::clone(&taken), Arc::clone(&stop));
        move || {
            for t in 0.. {
                for id in &ids {
                    assert_eq!(put(&store, *id, &[(t, t as f64)]).unwrap().taken, 1);
                }
                taken.store(t, SeqCst);
                if stop.load(SeqCst) == 1 {
                    return;
                }
            }
        }
    });
    for round in 0..4 {
        while taken.load(SeqCst) < 100 * (round + 1) {
            std::thread::yield_now();
        }
        if round % 2 == 1 {
            store.seal().unwrap();
        }
        let before = taken.load(SeqCst);
        let copy = folder.path().join(format!("copy-{round}"));
        let done = store.backup(&copy).unwrap();
        assert!(done.bytes > 0 && done.log_files + done.segments > 0, "{done:?}");
        assert!(store.backup(&copy).is_err(), "a directory with something in it is left alone");
        let restored = Store::open(&copy, config()).unwrap();
        assert_eq!(restored.stats().damage, []);
        assert_eq!(restored.metadata("m").unwrap().help, "Told.");
        let found = all(&restored, &[Matcher::equal("__name__", "m")]);
        assert_eq!(found.len(), 20);
        for (labels, samples) in found {
            let times: Vec<i64> = samples.iter().map(|(t, _)| *t).collect();
            assert!(*times.last().unwrap() >= before, "{labels}: {} of {before}", times.len());
            assert!(times.iter().enumerate().all(|(i, t)| i as i64 == *t), "{labels} has a gap");
        }
        // The copy is a store of its own: what happens to it does not reach the original.
        put(&restored, series(&restored, "m,x=0"), &[(10_000_000, 1.0)]).unwrap();
        restored.seal().unwrap();
    }
    stop.store(1, SeqCst);
    writer.join().unwrap();
    let expected = taken.load(SeqCst) + 1;
    for (labels, samples) in all(&store, &[Matcher::equal("__name__", "m")]) {
        assert_eq!(samples.len() as i64, expected, "{labels}");
    }
    assert!(Store::in_memory(config()).backup(&folder.path().join("none")).is_err());
}

#[test]
fn an_export_hands_out_every_series_once_in_order() {
    let store = Store::in_memory(config());
    for i in (0..3000).rev() {
        put(&store, series(&store, &format!("m{},Z={i},x=1", i % 7)), &[(i, 1.0), (i + 5000, 2.0)]).unwrap();
    }
    let selectors = [vec![matcher(MatchOp::Regex, "__name__", "m[0-5]")], vec![Matcher::equal("Z", "13")]];
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut take = |labels: &quarterdeck_kernel::Labels, samples: &[quarterdeck_kernel::Sample]| {
        assert_eq!(samples.len(), 1, "only those of the range");
        seen.push((labels.name().to_owned(), labels.to_string()));
        true
    };
    store.export(&selectors, at(0), at(4999), &Budget::unbounded(), &mut take).unwrap();
    let wanted = (0..3000).filter(|i| i % 7 < 6 || *i == 13).count();
    assert_eq!(seen.len(), wanted);
    let mut names: Vec<&String> = seen.iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted());
    names.dedup();
    assert_eq!(names.len(), 7);
    let mut count = 0;
    let first = |_: &_, _: &[_]| {
        count += 1;
        count < 3
    };
    store.export(&selectors, at(0), at(4999), &Budget::unbounded(), first).unwrap();
    assert_eq!(count, 3);
}

async fn exported(store: &Store, query: &str) -> String {
    let config = QueryConfig::default();
    let router = api::router(store.clone(), Arc::new(api::engine(&config)), &config);
    let uri = format!("/api/quarterdeck/v1/export?{query}");
    let response = router.oneshot(Request::get(uri).body(Body::empty()).unwrap()).await.unwrap();
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let store = Store::in_memory(config());
    let about = |kind| Metadata { kind, help: "Some \"help\"\nin lines.".to_owned(), unit: String::new() };
    store.describe("reqs_total", &about(MetricType::Counter));
    store.describe("temp", &about(MetricType::Gauge));
    for (name, values) in [
        ("reqs_total,job=a", vec![(1000, 1.0), (2000, 2.5), (2001, 1e300)]),
        ("reqs_total,job=b \"q\"\\,z=é", vec![(1500, f64::INFINITY)]),
        ("reqs", vec![(1500, 3.0)]),
        ("temp", vec![(-1500, -0.1), (0, quarterdeck_kernel::STALE_NAN), (7, f64::NEG_INFINITY)]),
        ("lat_bucket,le=0.5", vec![(1, 1.0)]),
        ("with.dots,a.b=c", vec![(1, 1.0)]),
    ] {
        put(&store, series(&store, name), &values).unwrap();
    }
    let many = series(&store, "many");
    put(&store, many, &(0..20_000).map(|i| (i * 1000, i as f64 / 8.0)).collect::<Vec<_>>()).unwrap();

    let page = exported(&store, "match[]={__name__!=%22%22}").await;
    assert!(page.ends_with("# EOF\n"));
    assert!(page.contains("# TYPE temp gauge\n"), "{}", &page[page.len() - 2000..]);
    let into = Store::in_memory(MetricsConfig::default());
    let mut file = std::io::Cursor::new(page.clone());
    import::check(&mut file, Format::OpenMetrics, at(i64::MAX)).unwrap();
    import::import(&mut file, Format::OpenMetrics, &into, |_| {}).unwrap();
    let everything = [matcher(MatchOp::NotEqual, "__name__", "")];
    let mut expected = all(&store, &everything);
    for (_, samples) in &mut expected {
        samples.retain(|(_, bits)| !quarterdeck_kernel::is_stale(f64::from_bits(*bits)));
    }
    assert_eq!(all(&into, &everything), expected);

    let csv = exported(&store, "match[]=temp&format=csv").await;
    assert_eq!(
        csv,
        "series,time,value\n\"temp\",1969-12-31T23:59:58.500Z,-0.1\n\"temp\",1970-01-01T00:00:00.007Z,-Inf\n"
    );
    let lines = exported(&store, "match[]=reqs_total&format=jsonl&end=2").await;
    assert_eq!(
        lines.lines().next().unwrap(),
        r#"{"metric":{"__name__":"reqs_total","job":"a"},"values":[1,2.5],"timestamps":[1000,2000]}"#
    );
    assert!(exported(&store, "match[]=temp&format=xml").await.contains("openmetrics, csv, jsonl"));
}
