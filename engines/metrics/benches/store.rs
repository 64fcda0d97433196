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
const START: i64 = 1_700_000_000_000;

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

fn megabytes(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn disk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let about = entry.metadata().unwrap();
            if about.is_dir() { disk(&entry.path()) } else { about.len() }
        })
        .sum()
}

/// Takes samples as a console does, with its upkeep, and is then killed.
fn fill(steps: i64, folder: &std::path::Path) {
    let before = resident();
    let store = Store::open(folder, MetricsConfig::default()).unwrap();
    let started = Instant::now();
    let ids: Vec<Vec<SeriesId>> = (0..TARGETS)
        .map(|target| (0..PER_TARGET).map(|i| store.resolve(&labels(target, i)).unwrap()).collect())
        .collect();
    let count = TARGETS * PER_TARGET;
    println!("{count} series made in {:?}", started.elapsed());
    let per_series = |held: usize| held.saturating_sub(before + count * 8) / count;
    println!("memory with no sample: {} bytes per series", per_series(resident()));
    let mut rng = 1u64;
    let (mut spent, mut upkeep) = (std::time::Duration::ZERO, std::time::Duration::ZERO);
    let (mut highest, mut merges, mut seals) = (0, 0, 0);
    let mut batch: Vec<Incoming> = Vec::with_capacity(PER_TARGET);
    for step in 0..steps {
        for (target, ids) in ids.iter().enumerate() {
            let t = Timestamp::from_millis(START + step * STEP + target as i64 * 17);
            batch.clear();
            let values = ids.iter().enumerate().map(|(i, id)| (id, value(i, step, &mut rng)));
            batch.extend(values.map(|(id, v)| Incoming { series: *id, t, v }));
            let started = Instant::now();
            assert_eq!(store.append(&batch).unwrap().taken, PER_TARGET);
            spent += started.elapsed();
        }
        if step % 2 == 1 {
            let started = Instant::now();
            let done = store.maintain(Timestamp::from_millis(START + step * STEP));
            assert_eq!(done.failed, None);
            seals += usize::from(done.sealed.is_some());
            merges += usize::from(done.merged.is_some());
            upkeep += started.elapsed();
        }
        highest = highest.max(resident());
    }
    let samples = count as f64 * steps as f64;
    println!("{samples} samples taken in {spent:?}: {:.0} per second", samples / spent.as_secs_f64());
    println!("upkeep: {upkeep:?} for {seals} seals and {merges} merges");
    let held = resident();
    println!(
        "memory: {} bytes per series ({}), {} at most, at {steps} samples each",
        per_series(held),
        megabytes(held),
        per_series(highest)
    );
    let stats = store.stats();
    println!("in memory: {} samples, {} bytes of samples", stats.head_samples, stats.head_bytes);
    queries(&store, "running", steps);
    promql(&store, "running", steps);
    promql(&store, "running", steps);
    let held = resident();
    println!("memory after queries: {} bytes per series ({})", per_series(held), megabytes(held));
    // As a kill does it: nothing is dropped, nothing sealed.
    std::process::exit(0);
}

/// Starts on what a killed process left, and asks one query.
fn start(steps: i64, folder: &std::path::Path) -> Store {
    let started = Instant::now();
    let store = Store::open(folder, MetricsConfig::default()).unwrap();
    let opened = started.elapsed();
    let end = Timestamp::from_millis(START + steps * STEP);
    let engine = Engine::new(EngineOptions::default());
    engine.instant("count({job=\"bench\"})", &store, end, &engine.budget()).unwrap();
    let answered = started.elapsed();
    let stats = store.stats();
    println!(
        "start after a kill: {opened:?}, first query answered after {answered:?}, {} samples in the log, {} sealed, {}",
        stats.head_samples,
        stats.sealed_samples,
        megabytes(resident())
    );
    store
}

/// Starts and is killed again: to be repeated on the same folder.
fn reopen(steps: i64, folder: &std::path::Path) {
    let _store = start(steps, folder);
    // As a kill does it: nothing is dropped, nothing sealed.
    std::process::exit(0);
}

/// Starts, seals everything, and starts on that.
fn restart(steps: i64, folder: &std::path::Path) {
    let store = start(steps, folder);
    let stats = store.stats();
    let held = resident();
    println!("memory after the start: {} bytes per series ({})", held / stats.series, megabytes(held));
    let started = Instant::now();
    store.seal().unwrap();
    println!("sealed the rest in {:?}", started.elapsed());
    let stats = store.stats();
    println!(
        "disk: {:.2} bytes per sample in {} segments, {:.2} with all files",
        stats.segment_bytes as f64 / stats.sealed_samples as f64,
        stats.segments,
        disk(folder) as f64 / stats.sealed_samples as f64
    );
    queries(&store, "sealed", steps);
    promql(&store, "sealed", steps);
    promql(&store, "sealed", steps);
    let held = resident();
    println!(
        "memory with all sealed, after queries: {} bytes per series ({})",
        held / stats.series,
        megabytes(held)
    );
    drop(store);
    let started = Instant::now();
    let store = Store::open(folder, MetricsConfig::default()).unwrap();
    println!("start with everything sealed: {:?}, {} series", started.elapsed(), store.stats().series);
}

fn queries(store: &Store, what: &str, steps: i64) {
    let end = START + steps * STEP;
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
    let end = Timestamp::from_millis(START + steps * STEP);
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

/// Each part runs in a process of its own: memory that an earlier one gave back would hide what a later one takes.
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [part, steps, folder] = &words[..] {
        let (steps, folder) = (steps.parse().unwrap(), std::path::Path::new(folder));
        return match &**part {
            "fill" => fill(steps, folder),
            "reopen" => reopen(steps, folder),
            _ => restart(steps, folder),
        };
    }
    for steps in ["37", "480"] {
        println!("--- {steps} samples per series");
        let folder = tempfile::tempdir().unwrap();
        for part in ["fill", "reopen", "restart"] {
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            let status = command.args([part, steps]).arg(folder.path()).status().unwrap();
            assert!(status.success(), "{status}");
        }
    }
}
