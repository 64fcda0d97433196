//! What the store costs: memory per series, samples per second, bytes per sample on disk, time to start and to query.
//! Prints figures rather than distributions: each is one run over 100,000 series, the size of the side-by-side run.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench may panic")]

use std::time::Instant;

use quarterdeck_kernel::{Labels, Matcher, Timestamp};
use quarterdeck_metrics::{Incoming, Ingest, MetricsConfig, SeriesId, Store};
use quarterdeck_promql::storage::{Budget, Storage};
use quarterdeck_promql::{Engine, EngineOptions};

const TARGETS: usize = 20;
const PER_TARGET: usize = 5000;
const STEP: i64 = 5000;

/// Resident memory of this process in bytes, 0 where the system does not tell.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn labels(target: usize, i: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("bench_metric_{}", i / 100)),
        ("job", "bench".to_owned()),
        ("instance", format!("10.0.0.{target}:9100")),
        ("path", format!("/api/v1/resource/{i}")),
        ("method", ["GET", "POST", "PUT"][i % 3].to_owned()),
    ])
}

/// Values as real pages have them: mostly steady, counters that go up by whole numbers or hundredths, noisy gauges.
fn value(i: usize, step: i64, rng: &mut u64) -> f64 {
    *rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let noise = *rng >> 40;
    match i % 10 {
        0..=4 => i as f64,
        5..=7 => (i as i64 * 1000 + step * 37 + (noise % 9) as i64) as f64,
        8 => (i as i64 * 100 + step * 412 + (noise % 50) as i64) as f64 / 100.0,
        _ => noise as f64 / 16384.0,
    }
}

fn run(steps: i64, folder: &std::path::Path) {
    let before = resident();
    let store = Store::open(
        folder,
        MetricsConfig { segment_span: std::time::Duration::from_secs(1 << 30), ..MetricsConfig::default() },
    )
    .unwrap();
    let started = Instant::now();
    let ids: Vec<Vec<SeriesId>> = (0..TARGETS)
        .map(|target| (0..PER_TARGET).map(|i| store.resolve(&labels(target, i)).unwrap()).collect())
        .collect();
    let count = TARGETS * PER_TARGET;
    println!("{count} series made in {:?}", started.elapsed());
    let mut rng = 1u64;
    let mut spent = std::time::Duration::ZERO;
    for step in 0..steps {
        for (target, ids) in ids.iter().enumerate() {
            let t = Timestamp::from_millis(1_700_000_000_000 + step * STEP + target as i64 * 17);
            let batch: Vec<Incoming> = ids
                .iter()
                .enumerate()
                .map(|(i, id)| Incoming { series: *id, t, v: value(i, step, &mut rng) })
                .collect();
            let started = Instant::now();
            assert_eq!(store.append(&batch).unwrap().taken, PER_TARGET);
            spent += started.elapsed();
        }
    }
    let samples = count as f64 * steps as f64;
    println!("{samples} samples taken in {spent:?}: {:.0} per second", samples / spent.as_secs_f64());
    let held = resident().saturating_sub(before) - count * 8;
    println!("memory: {} bytes per series ({} MB) at {steps} samples each", held / count, held >> 20);
    queries(&store, "in memory", steps);
    promql(&store, "in memory", steps);
    drop(store);

    let started = Instant::now();
    let store = Store::open(folder, MetricsConfig::default()).unwrap();
    println!("start with everything in the log: {:?}", started.elapsed());
    let started = Instant::now();
    store.seal().unwrap();
    let stats = store.stats();
    println!(
        "sealed in {:?}: {:.2} bytes per sample on disk",
        started.elapsed(),
        stats.segment_bytes as f64 / stats.sealed_samples as f64
    );
    queries(&store, "sealed", steps);
    promql(&store, "sealed", steps);
    drop(store);
    let started = Instant::now();
    let store = Store::open(folder, MetricsConfig::default()).unwrap();
    println!("start with everything sealed: {:?}, {} series", started.elapsed(), store.stats().series);
}

fn queries(store: &Store, what: &str, steps: i64) {
    let end = 1_700_000_000_000 + steps * STEP;
    for (name, matcher, back) in [
        ("all series, 5 min", Matcher::equal("job", "bench"), 300_000),
        ("all series, everything", Matcher::equal("job", "bench"), i64::MAX / 2),
        ("one metric", Matcher::equal("__name__", "bench_metric_7"), 300_000),
    ] {
        let started = Instant::now();
        let (from, to) = (Timestamp::from_millis(end - back), Timestamp::from_millis(end));
        let found = store.select(&[matcher], from, to, &Budget::unbounded()).unwrap();
        let samples: usize = found.iter().map(|s| s.samples.len()).sum();
        println!(
            "select {what}, {name}: {} series, {samples} samples in {:?}",
            found.len(),
            started.elapsed()
        );
    }
}

/// The queries of the side-by-side run.
fn promql(store: &Store, what: &str, steps: i64) {
    let engine = Engine::new(EngineOptions::default());
    let end = Timestamp::from_millis(1_700_000_000_000 + steps * STEP);
    let started = Instant::now();
    let all = engine.instant("count({job=\"bench\"})", store, end, &engine.budget()).unwrap();
    println!("promql {what}, count over all series: {:?}, {} samples", started.elapsed(), all.stats.samples);
    let started = Instant::now();
    let query = "sum by (instance) (rate({job=\"bench\", instance=~\"10.0.0.[0-7]:9100\"}[1m]))";
    let step = std::time::Duration::from_secs(5);
    let range = engine.range(query, store, end.plus_millis(-150_000), end, step, &engine.budget()).unwrap();
    println!(
        "promql {what}, sum by (rate), 40,000 series, 31 steps: {:?}, {} samples",
        started.elapsed(),
        range.stats.samples
    );
}

/// Each size runs in a process of its own: memory that an earlier run gave back would hide what a later one takes.
fn main() {
    if let Some(steps) = std::env::args().nth(1).and_then(|word| word.parse().ok()) {
        let folder = tempfile::tempdir().unwrap();
        return run(steps, folder.path());
    }
    for steps in ["37", "480"] {
        println!("--- {steps} samples per series");
        let status =
            std::process::Command::new(std::env::current_exe().unwrap()).arg(steps).status().unwrap();
        assert!(status.success(), "{status}");
    }
}
