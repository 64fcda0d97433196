//! What the store takes, refuses and gives back.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::collections::BTreeMap;

use quarterdeck_kernel::sample::STALE_NAN_BITS;
use quarterdeck_kernel::{MatchOp, Matcher, STALE_NAN, Snapshot as _, Timestamp};
use quarterdeck_metrics::{
    Exemplar, Incoming, Ingest, IngestError, Metadata, MetricType, MetricsConfig, Store,
};
use quarterdeck_promql::storage::{Budget, Storage, StorageError};
use support::*;

#[test]
fn what_is_taken_is_given_back_to_the_bit() {
    let store = Store::in_memory(config());
    let id = series(&store, "up,job=a");
    let odd = f64::from_bits(0x7ff8_dead_beef_0001);
    let report = put(&store, id, &[(1, 1.0), (2, odd), (3, STALE_NAN), (4, -0.0)]).unwrap();
    assert_eq!(report.taken, 4);
    assert_eq!(
        all(&store, &[Matcher::equal("job", "a")]),
        [(
            "up{job=\"a\"}".to_owned(),
            vec![(1, 1f64.to_bits()), (2, odd.to_bits()), (3, STALE_NAN_BITS), (4, (-0.0f64).to_bits())]
        )]
    );
    assert_eq!(range(&store, &[Matcher::equal("job", "a")], 2, 3)[0].1.len(), 2, "both ends are in");
}

#[test]
fn series_are_found_by_every_kind_of_matcher() {
    let store = Store::in_memory(config());
    for text in ["a,job=x,env=dev", "a,job=y", "b,job=x,env=prod", "c"] {
        put(&store, series(&store, text), &[(1, 1.0)]).unwrap();
    }
    let find =
        |matchers: &[Matcher]| -> Vec<String> { all(&store, matchers).into_iter().map(|(l, _)| l).collect() };
    let (a_x, a_y, b, c) = ("a{env=\"dev\", job=\"x\"}", "a{job=\"y\"}", "b{env=\"prod\", job=\"x\"}", "c");
    assert_eq!(find(&[matcher(MatchOp::Equal, "job", "x")]), [a_x, b]);
    assert_eq!(find(&[matcher(MatchOp::Equal, "job", "x"), matcher(MatchOp::NotEqual, "env", "dev")]), [b]);
    assert_eq!(find(&[matcher(MatchOp::Regex, "__name__", "a|c")]), [a_x, a_y, c]);
    assert_eq!(find(&[matcher(MatchOp::Regex, "job", "x|y.*")]), [a_x, a_y, b]);
    assert_eq!(find(&[matcher(MatchOp::Equal, "env", "")]), [a_y, c], "an absent label is empty");
    assert_eq!(find(&[matcher(MatchOp::NotRegex, "env", "d.*|")]), [b]);
    assert_eq!(
        find(&[matcher(MatchOp::Regex, "job", ".+"), matcher(MatchOp::NotRegex, "job", "y")]),
        [a_x, b]
    );
    assert_eq!(find(&[matcher(MatchOp::Equal, "nope", "x")]), [""; 0]);

    let (from, to, budget) = (at(0), at(10), Budget::unbounded());
    assert_eq!(store.label_names(&[], from, to, &budget).unwrap(), ["__name__", "env", "job"]);
    assert_eq!(store.label_values("job", &[], from, to, &budget).unwrap(), ["x", "y"]);
    let only_b = [Matcher::equal("__name__", "b")];
    assert_eq!(store.label_values("env", &only_b, from, to, &budget).unwrap(), ["prod"]);
    assert_eq!(store.series(&[], from, to, &budget).unwrap().len(), 4);
    assert_eq!(store.series(&[], at(2), to, &budget).unwrap().len(), 0, "no samples in that range");
    assert_eq!(store.label_names(&[], at(2), to, &budget).unwrap().len(), 0);
}

#[test]
fn large_results_are_sorted_by_labels_while_series_come_and_go() {
    let store =
        Store::in_memory(MetricsConfig { retention: std::time::Duration::from_secs(3600), ..config() });
    let mut rng = Rng(11);
    for round in 0..4i64 {
        for _ in 0..1500 {
            let id = series(&store, &format!("m{},i={}", rng.below(7), rng.below(100_000)));
            put(&store, id, &[(round * 4_000_000, 1.0)]).unwrap();
        }
        for _ in 0..2 {
            let found = all_labels(&store);
            assert!(found.len() > 1024 && found.is_sorted(), "round {round}");
            let series = store.series(&[], Timestamp::MIN, Timestamp::MAX, &Budget::unbounded()).unwrap();
            assert_eq!(series, found, "round {round}");
        }
        store.maintain(at(round * 4_000_000));
    }
}

fn all_labels(store: &Store) -> Vec<quarterdeck_kernel::Labels> {
    let found = store.select(&[], Timestamp::MIN, Timestamp::MAX, &Budget::unbounded()).unwrap();
    found.into_iter().map(|series| series.labels).collect()
}

#[test]
fn late_samples_are_taken_within_the_window_and_told_apart_from_duplicates() {
    let store = Store::in_memory(MetricsConfig {
        out_of_order_window: std::time::Duration::from_secs(60),
        ..config()
    });
    let id = series(&store, "m");
    assert_eq!(put(&store, id, &[(100_000, 1.0), (110_000, 2.0)]).unwrap().taken, 2);
    let report =
        put(&store, id, &[(105_000, 1.5), (49_999, 0.0), (50_000, 0.5), (100_000, 9.0), (105_000, 1.5)])
            .unwrap();
    assert_eq!((report.taken, report.too_old, report.duplicate), (3, 1, 1));
    assert_eq!(put(&store, id, &[(105_000, 7.0), (110_000, 7.0), (110_000, 2.0)]).unwrap().duplicate, 2);
    assert_eq!(values(&store, "m"), [(50_000, 0.5), (100_000, 1.0), (105_000, 1.5), (110_000, 2.0)]);
    let drops = store.stats().drops;
    assert_eq!((drops.too_old, drops.duplicate, drops.samples()), (1, 3, 4));
}

#[test]
fn any_order_within_the_window_gives_the_same_series() {
    for seed in 1..20u64 {
        let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let store = Store::in_memory(config());
        let id = series(&store, "m");
        let mut model = BTreeMap::new();
        for _ in 0..60 {
            let batch: Vec<(i64, f64)> =
                (0..10).map(|_| (rng.below(500_000) as i64, rng.below(3) as f64)).collect();
            let expected = batch.iter().filter(|(t, v)| *model.entry(*t).or_insert(*v) == *v).count();
            let report = put(&store, id, &batch).unwrap();
            assert_eq!((report.taken, report.too_old), (expected, 0), "seed {seed}");
        }
        assert_eq!(values(&store, "m"), model.into_iter().collect::<Vec<_>>(), "seed {seed}");
    }
}

#[test]
fn extreme_times_neither_overflow_nor_poison_a_series() {
    let store = Store::in_memory(config());
    let id = series(&store, "m");
    let extremes = [(i64::MIN, 1.0), (0, 2.0), (i64::MAX, f64::NAN)];
    assert_eq!(put(&store, id, &extremes).unwrap().taken, 3);
    assert_eq!(values(&store, "m").len(), 3);
    assert_eq!(put(&store, id, &[(i64::MIN + 1, 1.0)]).unwrap().too_old, 1);
    for now in [i64::MIN, -1, 0, i64::MAX] {
        store.maintain(at(now));
    }

    let store = Store::in_memory(config());
    let id = series(&store, "m");
    let now = 1_700_000_000_000;
    store.maintain(at(now));
    let report =
        put(&store, id, &[(i64::MAX, 1.0), (now + 600_001, 1.0), (now + 600_000, 1.0), (i64::MIN, 1.0)])
            .unwrap();
    assert_eq!((report.taken, report.too_new, report.too_old), (1, 2, 1), "the clock bounds what is taken");
}

#[test]
fn a_clock_that_goes_back_does_not_stop_a_series() {
    let store = Store::in_memory(config());
    let id = series(&store, "m");
    let now = 1_700_000_000_000;
    store.maintain(at(now));
    assert_eq!(put(&store, id, &[(now, 1.0)]).unwrap().taken, 1);
    let back = now - 3 * 3_600_000;
    store.maintain(at(back));
    for i in 0..100 {
        assert_eq!(put(&store, id, &[(back + i * 1000, 2.0)]).unwrap().taken, 1);
    }
    assert_eq!(values(&store, "m").len(), 101);
}

#[test]
fn too_many_series_are_refused_with_the_culprit() {
    let store = Store::in_memory(MetricsConfig { max_series: 6, ..config() });
    series(&store, "up,job=a");
    for user in 0..5 {
        series(&store, &format!("requests,job=a,user={user}"));
    }
    let refused = store.resolve(&labels("requests,job=a,user=9")).unwrap_err();
    assert_eq!(
        refused,
        IngestError::TooManySeries {
            limit: 6,
            metric: "requests".to_owned(),
            metric_series: 5,
            label: "user".to_owned(),
            label_values: 5
        }
    );
    assert!(store.resolve(&labels("up,job=a")).is_ok(), "those that are there go on");
    let stats = store.stats();
    assert_eq!((stats.series, stats.drops.refused_series), (6, 1));
    assert_eq!((&*stats.by_metric[0].name, stats.by_metric[0].count), ("requests", 5));
    assert_eq!((&*stats.by_label[0].name, stats.by_label[0].count), ("user", 5));
    assert_eq!((&*stats.by_pair[0].name, stats.by_pair[0].count), ("job=a", 6));
}

#[test]
fn unlawful_label_sets_are_refused() {
    let store = Store::in_memory(config());
    let refused =
        |text: quarterdeck_kernel::Labels| matches!(store.resolve(&text), Err(IngestError::BadLabels(_)));
    assert!(refused(quarterdeck_kernel::Labels::default()));
    assert!(refused(quarterdeck_kernel::Labels::from_pairs([("", "x")])));
    assert!(refused(quarterdeck_kernel::Labels::from_pairs([("a", "x".repeat(70_000))])));
    assert_eq!(store.stats().series, 0);
}

#[test]
fn memory_keeps_to_its_age_and_drops_series_that_are_gone() {
    let store =
        Store::in_memory(MetricsConfig { retention: std::time::Duration::from_secs(3600), ..config() });
    let (old, new) = (series(&store, "old"), series(&store, "new"));
    put(&store, old, &[(0, 1.0), (60_000, 1.0)]).unwrap();
    for i in 0..400 {
        put(&store, new, &[(i * 15_000, i as f64)]).unwrap();
    }
    let done = store.maintain(at(6_000_000));
    assert_eq!(done.dropped_series, 1);
    assert!(values(&store, "new")[0].0 > 0, "whole chunks that are too old are gone");
    let report = put(&store, old, &[(6_000_000, 1.0)]).unwrap();
    assert_eq!(report.unknown, [old]);
    let again = series(&store, "old");
    assert_ne!(again, old, "an id is never used again");
    assert_eq!(put(&store, again, &[(6_000_000, 1.0)]).unwrap().taken, 1);
    assert_eq!(values(&store, "old"), [(6_000_000, 1.0)]);
}

#[test]
fn memory_keeps_to_its_size() {
    let store = Store::in_memory(MetricsConfig { retention_bytes: 40_000, ..config() });
    let mut rng = Rng(7);
    for i in 0..20_000i64 {
        let id = series(&store, &format!("m{}", i % 4));
        put(&store, id, &[(i * 1000, f64::from_bits(rng.next() >> 2))]).unwrap();
        if i % 100 == 0 {
            store.maintain(at(i * 1000));
        }
    }
    let stats = store.stats();
    assert!(stats.head_bytes < 60_000, "{} bytes", stats.head_bytes);
    assert!(stats.head_samples > 1000, "the newest are kept: {}", stats.head_samples);
}

#[test]
fn an_empty_series_goes_after_an_hour() {
    let store = Store::in_memory(config());
    store.maintain(at(1_000_000));
    series(&store, "never");
    store.maintain(at(1_000_000 + 3_600_000));
    assert_eq!(store.stats().series, 1);
    // Once a minute is often enough for what takes next to no room.
    assert_eq!(store.maintain(at(1_000_000 + 3_660_000)).dropped_series, 1);
    assert_eq!(store.stats().series, 0);
}

#[test]
fn queries_keep_to_their_budget() {
    let store = Store::in_memory(config());
    for i in 0..10 {
        put(&store, series(&store, &format!("m{i}")), &(0..100).map(|t| (t, 1.0)).collect::<Vec<_>>())
            .unwrap();
    }
    let select = |budget: &Budget| store.select(&[], Timestamp::MIN, Timestamp::MAX, budget);
    assert_eq!(select(&Budget::new(999, None)), Err(StorageError::TooManySamples));
    let budget = Budget::new(1000, None);
    assert_eq!(select(&budget).unwrap().len(), 10);
    assert_eq!(budget.used(), 1000);
    let cancelled = Budget::unbounded();
    cancelled.cancel();
    assert_eq!(select(&cancelled), Err(StorageError::Cancelled));
}

#[test]
fn metadata_and_exemplars_are_kept_within_bounds() {
    let store = Store::in_memory(MetricsConfig { max_exemplars: 3, ..config() });
    let about = Metadata { kind: MetricType::Counter, help: "é".repeat(5000), unit: "seconds".to_owned() };
    store.describe("a", &about);
    let held = store.metadata("a").unwrap();
    assert_eq!((held.kind, held.help.len(), &*held.unit), (MetricType::Counter, 4096, "seconds"));
    let id = series(&store, "a");
    let exemplar = |t| Exemplar { labels: labels("trace_id=x"), v: 1.0, t: at(t) };
    for t in [1, 2, 2, 3, 4] {
        store.exemplar(id, exemplar(t));
    }
    let found = store.exemplars(&[Matcher::equal("__name__", "a")], at(0), at(3));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].exemplars, [exemplar(2), exemplar(3)], "no double, the oldest gone, the range kept");
    assert_eq!(store.stats().drops.exemplars, 1);
}

#[test]
fn the_version_grows_with_every_change_and_only_then() {
    let store = Store::in_memory(config());
    let id = series(&store, "m");
    let before = store.snapshot(at(1));
    assert_eq!(store.snapshot(at(1)), before);
    put(&store, id, &[(1, 1.0)]).unwrap();
    let after = store.snapshot(at(2));
    assert!(after.version() > before.version());
    assert_eq!((after.stats.oldest, after.stats.newest), (Some(at(1)), Some(at(1))));
    assert_eq!((after.stats.head_samples, after.stats.active_series), (1, 1));
}

#[test]
fn ingest_and_queries_go_on_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    let ids: Vec<_> = (0..50).map(|i| series(&store, &format!("m,i={i}"))).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for t in 0..400 {
                let batch: Vec<Incoming> =
                    ids.iter().map(|id| Incoming { series: *id, t: at(t), v: t as f64 }).collect();
                assert_eq!(store.append(&batch).unwrap().taken, 50);
                if t % 100 == 50 {
                    store.seal().unwrap();
                }
            }
        });
        scope.spawn(|| {
            let mut seen = 0;
            while seen < 400 * 50 {
                let found = all(&store, &[Matcher::equal("__name__", "m")]);
                let now: usize = found.iter().map(|(_, samples)| samples.len()).sum();
                assert!(now >= seen, "what was seen stays: {seen} then {now}");
                for (labels, samples) in &found {
                    assert!(
                        samples.iter().enumerate().all(|(i, (t, _))| *t == i as i64),
                        "{labels}: a gap or a double"
                    );
                }
                seen = now;
            }
        });
    });
    assert_eq!(store.stats().segments, 4);
}
