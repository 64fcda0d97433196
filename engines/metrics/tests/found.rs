//! Series that a query reads one at a time: the same as all at once, whatever the store does meanwhile.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod support;

use quarterdeck_kernel::{MatchOp, Matcher, Sample, Timestamp};
use quarterdeck_metrics::Store;
use quarterdeck_promql::storage::{Budget, Found, Storage};
use support::*;

fn everything() -> Vec<Matcher> {
    vec![Matcher::new(MatchOp::Regex, "__name__", ".+").unwrap()]
}

fn range(from: i64, to: i64) -> (Timestamp, Timestamp) {
    (Timestamp::from_millis(from), Timestamp::from_millis(to))
}

/// Labels and samples of all series, read one by one.
fn one_by_one(found: &dyn Found) -> Vec<(String, Vec<Sample>)> {
    let mut samples = vec![Sample { t: Timestamp::from_millis(7), v: 7.0 }];
    let series = (0..found.len()).map(|n| {
        found.read(n, &mut samples).unwrap();
        let labels = found.labels(n);
        let pairs: Vec<_> = (0..labels.len()).map(|i| found.label(n, i).unwrap()).collect();
        assert!(pairs.iter().map(|(n, v)| (&***n, &***v)).eq(labels.iter()), "{labels}");
        assert!(found.label(n, labels.len()).is_none());
        (labels.to_string(), samples.clone())
    });
    series.filter(|(_, samples)| !samples.is_empty()).collect()
}

fn at_once(store: &Store, (from, to): (Timestamp, Timestamp), newest: bool) -> Vec<(String, Vec<Sample>)> {
    let budget = Budget::unbounded();
    let all = if newest {
        store.select_newest(&everything(), from, to, &budget)
    } else {
        store.select(&everything(), from, to, &budget)
    };
    all.unwrap().into_iter().map(|s| (s.labels.to_string(), s.samples)).collect()
}

/// Two sealed segments, and in memory some samples after them, one among them and one before.
fn filled(folder: &std::path::Path) -> Store {
    let store = Store::open(folder, config()).unwrap();
    let ids: Vec<_> = ["b,x=1", "a", "b,x=2", "c,y=z", "b"].iter().map(|name| series(&store, name)).collect();
    for step in 0..60i64 {
        for (i, id) in ids.iter().enumerate().filter(|(i, _)| *i != 3 || step < 20) {
            put(&store, *id, &[(step * 1000 + i as i64, (step * 3 + i as i64) as f64)]).unwrap();
        }
        if step == 20 || step == 40 {
            store.seal().unwrap();
        }
    }
    put(&store, ids[0], &[(50_500, 0.5), (15_500, 1.5)]).unwrap();
    store
}

#[test]
fn one_by_one_is_the_same_as_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    for (from, to) in [(0, 100_000), (45_000, 52_000), (10_000, 30_000), (59_001, 59_003), (200_000, 300_000)]
    {
        for newest in [false, true] {
            let range = range(from, to);
            let budget = Budget::unbounded();
            let found = store.find(&everything(), range, newest, &budget).unwrap();
            assert_eq!(one_by_one(&*found), at_once(&store, range, newest), "{from}..{to} newest {newest}");
            drop(found);
            assert_eq!(budget.used(), 0, "what was held is given back");
        }
    }
}

#[test]
fn samples_that_are_sealed_between_finding_and_reading_are_not_missed() {
    for (from, to) in [(0, 100_000), (45_000, 52_000)] {
        let folder = tempfile::tempdir().unwrap();
        let store = filled(folder.path());
        let range = range(from, to);
        let before = at_once(&store, range, false);
        let found = store.find(&everything(), range, false, &Budget::unbounded()).unwrap();
        assert!(store.seal().unwrap().is_some());
        assert_eq!(one_by_one(&*found), before, "{from}..{to}");
        // What comes after is not lost either.
        put(&store, series(&store, "a"), &[(51_500, 9.0)]).unwrap();
        let a = one_by_one(&*found).into_iter().find(|(labels, _)| labels == "a").unwrap().1;
        assert!(a.iter().any(|s| s.t.as_millis() == 51_500));
    }
}

#[test]
fn what_must_be_held_is_within_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path());
    let small = Budget::new(50, None);
    assert!(store.find(&everything(), range(0, 100_000), false, &small).is_err());
}
