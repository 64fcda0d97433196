//! Merging segments changes nothing that can be seen, wherever it is interrupted.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quarterdeck_kernel::sample::STALE_NAN_BITS;
use quarterdeck_kernel::{MatchOp, Timestamp};
use quarterdeck_metrics::{Exemplar, Ingest, MetricsConfig, Store};
use quarterdeck_promql::storage::{Budget, Storage};
use support::*;

const ROUNDS: i64 = 6;
/// From one sealing to the next, in milliseconds.
const ROUND: i64 = 100_000;

/// Fills a store: series that come and go, counters, decimals, noise, staleness markers, samples out of order and of
/// moments that are sealed already. Every round is sealed.
fn fill(store: &Store, seed: u64) {
    let mut rng = Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    for round in 0..ROUNDS {
        for i in 0..90u64 {
            if rng.below(5) == 0 {
                continue;
            }
            let id = series(store, &format!("m{},i={i},job=j{}", i % 7, i % 3));
            let jitter = if i % 4 == 0 { rng.below(1000) as i64 } else { 0 };
            let mut batch: Vec<(i64, f64)> = (0..rng.below(12) as i64)
                .map(|n| (round * ROUND + n * 8000 + jitter, value(i, round * 12 + n, &mut rng)))
                .collect();
            if rng.below(3) == 0 {
                // Late: the moment may be sealed, with another value.
                batch.push((round * ROUND - rng.below(30) as i64 * 4000, rng.below(9) as f64));
            }
            put(store, id, &batch).unwrap();
            if rng.below(4) == 0 {
                let (labels, t) = (labels("trace_id=x"), at(round * ROUND));
                store.exemplar(id, Exemplar { labels, v: round as f64, t });
            }
        }
        if round == 3 {
            let id = series(store, "m0,i=0,job=j0");
            let old: Vec<(i64, u64)> = (0..500).map(|n| (n * 700 - 10_000, rng.next())).collect();
            store.seal().unwrap();
            store.backfill([(id, old)].into_iter().collect()).unwrap();
            put(store, id, &[(round * ROUND + 99_000, 1.0)]).unwrap();
        }
        store.seal().unwrap();
    }
}

fn value(series: u64, n: i64, rng: &mut Rng) -> f64 {
    match (series % 6, rng.below(20)) {
        (_, 0) => f64::from_bits(STALE_NAN_BITS),
        (_, 1) => f64::from_bits(0x7ff8_dead_beef_0001),
        (0, _) => 17.0,
        (1, _) => (n * 37 + rng.below(5) as i64) as f64,
        (2, _) => (n * 31 + 7) as f64 / 100.0,
        (3, _) => -0.0,
        (4, _) => rng.below(1 << 50) as f64 / 3.0,
        _ => f64::from_bits(rng.next()),
    }
}

/// Everything that can be asked, as text: bits, not values, so that no NaN is equal to another.
fn everything(store: &Store) -> Vec<String> {
    let mut seen: Vec<String> = all(store, &[]).iter().map(|series| format!("{series:?}")).collect();
    let (from, to, budget) = (Timestamp::MIN, Timestamp::MAX, Budget::unbounded());
    for t in (-20_000..ROUNDS * ROUND).step_by(47_001) {
        let matchers = [matcher(MatchOp::Regex, "job", "j[01]")];
        for (labels, samples) in range(store, &matchers, t, t + 60_000) {
            seen.push(format!("range {t} {labels} {samples:?}"));
        }
        for found in store.select_newest(&matchers, at(t - 90_000), at(t), &budget).unwrap() {
            let newest = found.samples.last().unwrap();
            seen.push(format!("newest {t} {} {} {}", found.labels, newest.t.as_millis(), newest.v.to_bits()));
        }
        let live = store.label_values("i", &matchers, at(t), at(t + 1000), &budget).unwrap();
        seen.push(format!("live {t} {live:?}"));
        seen.push(format!("names {t} {:?}", store.label_names(&matchers, at(t), at(t + 1000), &budget)));
    }
    seen.push(format!("{:?}", store.series(&[], from, to, &budget).unwrap()));
    seen.push(format!("{:?}", store.label_values("__name__", &[], from, to, &budget).unwrap()));
    seen
}

/// Panics with the first line that differs: all of them would fill many screens.
fn assert_same(found: &[String], wanted: &[String], told: &str) {
    let differs = found.iter().zip(wanted).find(|(a, b)| a != b);
    assert!(differs.is_none(), "{told}: {differs:?}");
    assert_eq!(found.len(), wanted.len(), "{told}");
}

/// After [`fill`], all of its segments are of these sealings.
const SEALINGS: i64 = ROUNDS + 2;
const MERGED: &str = "0000000001-0000000008.seg";

fn segments(folder: &Path) -> Vec<String> {
    files_in(&folder.join("segments"))
}

#[test]
fn a_merge_changes_no_answer() {
    for seed in 1..=12 {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), config()).unwrap();
        fill(&store, seed);
        let (before, exemplars) = (everything(&store), store.exemplars(&[], Timestamp::MIN, Timestamp::MAX));
        let separate = store.stats();
        assert_eq!(separate.segments as i64, SEALINGS, "seed {seed}");
        let gone = store.compact().unwrap();
        assert_eq!(gone, separate.segments, "seed {seed}");
        assert_eq!(segments(folder.path()), [MERGED], "seed {seed}");
        assert_same(&everything(&store), &before, &format!("seed {seed}: after the merge"));
        assert_eq!(store.exemplars(&[], Timestamp::MIN, Timestamp::MAX), exemplars, "seed {seed}");
        assert!(store.stats().segment_bytes < separate.segment_bytes, "seed {seed}");
        assert_eq!(store.verify(), [], "seed {seed}");
        drop(store);
        let store = Store::open(folder.path(), config()).unwrap();
        assert_same(&everything(&store), &before, &format!("seed {seed}: after a restart"));
        assert_eq!(store.compact().unwrap(), 0, "seed {seed}: there is nothing left to merge");
        drop(store);
        fs::remove_file(folder.path().join("catalogue")).unwrap();
        let store = Store::open(folder.path(), config()).unwrap();
        assert_same(&everything(&store), &before, &format!("seed {seed}: without the catalogue"));
        let id = series(&store, "m1,i=1,job=j1");
        put(&store, id, &[(ROUNDS * ROUND, 1.0)]).unwrap();
        assert_eq!(
            store.seal().unwrap().as_deref(),
            Some("0000000009.seg"),
            "seed {seed}: it goes on behind"
        );
    }
}

#[test]
fn a_merge_that_is_killed_anywhere_loses_and_doubles_nothing() {
    let base = tempfile::tempdir().unwrap();
    let store = Store::open(base.path(), config()).unwrap();
    fill(&store, 77);
    let before = everything(&store);
    drop(store);
    let (mut steps, mut seen) = (0, [0; 3]);
    loop {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(base.path(), folder.path());
        let disk = DyingDisk::alive();
        let store = Store::open_with(Arc::new(disk.clone()), folder.path(), config()).unwrap();
        disk.die_after(steps);
        let merged = store.compact();
        if merged.is_ok() && !disk.is_dead() {
            assert_same(&everything(&store), &before, "merged");
            break;
        }
        assert_same(&everything(&store), &before, &format!("killed at step {steps}: what still runs"));
        drop(store);
        let left = segments(folder.path());
        let whole = left.contains(&MERGED.to_owned());
        seen[usize::from(whole) + usize::from(whole && left.len() <= SEALINGS as usize)] += 1;
        let store = Store::open(folder.path(), config()).unwrap();
        assert_same(&everything(&store), &before, &format!("killed at step {steps}, which left {left:?}"));
        assert_eq!(store.stats().damage, [], "killed at step {steps}");
        let after = segments(folder.path());
        assert!(after.iter().all(|name| name.ends_with(".seg")), "killed at step {steps}: {after:?}");
        assert_eq!(
            after.len(),
            if whole { 1 } else { SEALINGS as usize },
            "killed at step {steps}: {after:?}"
        );
        store.compact().unwrap();
        assert_same(&everything(&store), &before, &format!("killed at step {steps}, merged again"));
        assert_eq!(segments(folder.path()), [MERGED], "killed at step {steps}");
        steps += 1;
    }
    assert!(
        seen.iter().all(|count| *count > 0),
        "before the rename, after it, among the deletions: {seen:?}"
    );
}

#[test]
fn sealing_that_is_killed_anywhere_loses_and_doubles_nothing() {
    let base = tempfile::tempdir().unwrap();
    let store = Store::open(base.path(), config()).unwrap();
    fill(&store, 5);
    for i in 0..70u64 {
        let id = series(&store, &format!("late{},i={i},job=j0", i % 3));
        put(&store, id, &(0..20).map(|n| (ROUNDS * ROUND + n * 1000, i as f64)).collect::<Vec<_>>()).unwrap();
    }
    let before = everything(&store);
    drop(store);
    for steps in 0.. {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(base.path(), folder.path());
        let disk = DyingDisk::alive();
        let store = Store::open_with(Arc::new(disk.clone()), folder.path(), config()).unwrap();
        disk.die_after(steps);
        let sealed = store.seal();
        if sealed.is_ok() && !disk.is_dead() {
            break;
        }
        assert_same(&everything(&store), &before, &format!("killed at step {steps}: what still runs"));
        drop(store);
        let store = Store::open(folder.path(), config()).unwrap();
        assert_same(&everything(&store), &before, &format!("killed at step {steps}"));
        store.seal().unwrap();
        store.compact().unwrap();
        assert_same(
            &everything(&store),
            &before,
            &format!("killed at step {steps}, sealed and merged again"),
        );
    }
}

#[test]
fn a_full_disk_stops_a_merge_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let disk = SmallDisk::with(1 << 30);
    let store = Store::open_with(Arc::new(disk.clone()), folder.path(), config()).unwrap();
    fill(&store, 3);
    let before = everything(&store);
    for room in (0..20_000).step_by(1700) {
        disk.set_left(room);
        if store.compact().is_ok() {
            break;
        }
        assert_same(&everything(&store), &before, &format!("room {room}"));
        assert_eq!(
            segments(folder.path()).len(),
            SEALINGS as usize,
            "room {room}: nothing half done is left"
        );
    }
    disk.set_left(1 << 30);
    store.compact().unwrap();
    assert_same(&everything(&store), &before, "merged");
    assert_eq!(segments(folder.path()).len(), 1);
}

#[test]
fn queries_go_on_while_segments_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    fill(&store, 9);
    let before = all(&store, &[]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                assert!(all(&store, &[]) == before, "an answer changed");
            }
        });
        store.compact().unwrap();
        done.store(true, Ordering::SeqCst);
    });
    assert_eq!(store.stats().damage, []);
}

#[test]
fn upkeep_merges_within_a_part_of_the_retention() {
    let folder = tempfile::tempdir().unwrap();
    let hour = 3_600_000i64;
    let config = MetricsConfig {
        retention: Duration::from_secs(100 * 3600),
        segment_span: Duration::from_secs(3600),
        ..config()
    };
    let store = Store::open(folder.path(), config).unwrap();
    let mut merged = 0;
    for minute in 0..(60 * 60) {
        let now = minute * 60_000;
        put(&store, series(&store, "m"), &[(now, minute as f64)]).unwrap();
        if minute % 10 == 0 {
            merged += usize::from(store.maintain(at(now)).merged.is_some());
        }
    }
    assert!(merged >= 5, "{merged} merges");
    let stats = store.stats();
    assert!((6..20).contains(&stats.segments), "{} segments", stats.segments);
    let found = values(&store, "m");
    assert_eq!(found.len(), 3600);
    // No segment is longer than a tenth of the retention: age deletes in steps of that.
    let before = store.stats().oldest.unwrap().as_millis();
    for minute in (60 * 60..150 * 60).step_by(30) {
        let now = minute * 60_000;
        store.maintain(at(now));
        assert_eq!(put(&store, series(&store, "m"), &[(now, 1.0)]).unwrap().taken, 1);
        let oldest = store.stats().oldest.unwrap().as_millis();
        assert!(oldest >= now - 111 * hour, "{} hours at {}", (now - oldest) / hour, now / hour);
    }
    assert!(store.stats().oldest.unwrap().as_millis() > before);
}

#[test]
fn a_damaged_source_is_set_aside_and_the_rest_is_merged_around_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    for round in 0..9i64 {
        for i in 0..70 {
            let id = series(&store, &format!("m,i={i}"));
            put(&store, id, &(0..10).map(|n| (round * ROUND + n * 1000, n as f64)).collect::<Vec<_>>())
                .unwrap();
        }
        store.seal().unwrap();
    }
    let whole = all(&store, &[]);
    let path = folder.path().join("segments/0000000005.seg");
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[40] ^= 4;
    fs::write(&path, &bad).unwrap();
    assert_eq!(store.compact().unwrap(), 8);
    let left = ["0000000001-0000000004.seg", "0000000005.seg.damaged", "0000000006-0000000009.seg"];
    assert_eq!(segments(folder.path()), left);
    assert_eq!(store.stats().damage.len(), 1);
    assert_eq!(
        fs::read(folder.path().join("segments/0000000005.seg.damaged")).unwrap(),
        bad,
        "kept as it is"
    );
    for (labels, samples) in all(&store, &[]) {
        let honest = &whole.iter().find(|(held, _)| *held == labels).unwrap().1;
        let rest: Vec<_> = honest.iter().filter(|(t, _)| !(400_000..500_000).contains(t)).copied().collect();
        assert_eq!(samples, rest, "{labels}");
    }
    drop(store);
    // Somebody has a good copy and puts it back.
    fs::write(&path, &good).unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    assert_eq!(all(&store, &[]), whole);
}

#[test]
fn whatever_happens_to_the_bytes_of_a_segment_or_the_catalogue_is_found() {
    let base = tempfile::tempdir().unwrap();
    let store = Store::open(base.path(), config()).unwrap();
    fill(&store, 21);
    let before: HashMap<String, Vec<(i64, u64)>> = all(&store, &[]).into_iter().collect();
    store.compact().unwrap();
    drop(store);
    for file in [&*format!("segments/{MERGED}"), "catalogue"] {
        let whole = fs::read(base.path().join(file)).unwrap();
        let mut rng = Rng(99);
        for round in 0..150u32 {
            let mut bytes = whole.clone();
            // The first bytes of the catalogue tell its version: a newer one is left alone.
            let start = 8.max(rng.below(whole.len() as u64) as usize);
            let len = 1 + rng.below([1, 8, 300, 5000][round as usize % 4]) as usize;
            let end = (start + len).min(whole.len());
            let what = match round % 3 {
                0 => {
                    bytes[start..end].iter_mut().for_each(|byte| *byte ^= 1 << rng.below(8));
                    "flipped"
                }
                1 => {
                    bytes.truncate(start);
                    "cut off from"
                }
                _ => {
                    let part = bytes[start..end].to_vec();
                    bytes.splice(end..end, part);
                    "doubled"
                }
            };
            let told = format!("{file}: {what} {start}..{end} of {}", whole.len());
            let folder = tempfile::tempdir().unwrap();
            copy_folder(base.path(), folder.path());
            fs::write(folder.path().join(file), &bytes).unwrap();
            let store = Store::open(folder.path(), config()).unwrap();
            let found = all(&store, &[]);
            for (labels, samples) in &found {
                // Blocks before the damaged one may have been read when it was found.
                let honest = &before[labels];
                let right = samples.iter().all(|sample| honest.binary_search(sample).is_ok());
                assert!(right, "{told}: what is served of {labels} is right");
            }
            let _told = store.verify();
            assert_eq!(store.stats().damage.len(), 1, "{told}: it is found, once");
            let aside = folder.path().join(format!("{file}.damaged"));
            assert_eq!(fs::read(aside).unwrap(), bytes, "{told}: it is kept as it is");
            if file == "catalogue" {
                assert_eq!(found.len(), before.len(), "{told}: the segments know everything");
            }
            let id = series(&store, "m1,i=1,job=j1");
            assert_eq!(put(&store, id, &[(ROUNDS * ROUND, 1.0)]).unwrap().taken, 1, "{told}: it goes on");
        }
    }
}
