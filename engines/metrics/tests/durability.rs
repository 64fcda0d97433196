//! What survives kills, torn writes, flipped bits and a full disk.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use quarterdeck_kernel::Matcher;
use quarterdeck_metrics::{
    Incoming, Ingest, IngestError, Metadata, MetricType, MetricsConfig, OpenError, SeriesId, Store,
};
use support::*;

#[test]
fn a_killed_store_comes_back_with_everything_that_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    let (a, b) = (series(&store, "a,job=x"), series(&store, "b"));
    put(&store, a, &[(1000, 1.0), (2000, f64::NAN), (1500, 1.5)]).unwrap();
    put(&store, b, &[(1000, 5.0)]).unwrap();
    store.describe("a", &Metadata { kind: MetricType::Gauge, help: "h".to_owned(), unit: String::new() });
    put(&store, b, &[(2000, 6.0)]).unwrap();
    let before = all(&store, &[]);
    // Nothing is synced, sealed or dropped in order: the other store finds what a kill leaves.
    let again = Store::open(folder.path(), config()).unwrap();
    assert_eq!(all(&again, &[]), before);
    assert_eq!(again.metadata("a").unwrap().help, "h");
    assert_eq!(again.resolve(&labels("a,job=x")).unwrap(), a, "ids stay");
    assert_eq!(put(&again, a, &[(2000, 3.0), (3000, 1.0)]).unwrap().duplicate, 1);
    assert_eq!(again.stats().damage, []);
    std::mem::forget(store);
}

#[test]
fn a_log_cut_anywhere_keeps_every_whole_batch_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    let id = series(&store, "m");
    let mut ends = Vec::new();
    let log = folder.path().join("log/0000000001.log");
    for i in 0..8 {
        put(&store, id, &[(i * 1000, i as f64)]).unwrap();
        ends.push(fs::metadata(&log).unwrap().len());
    }
    drop(store);
    let whole = fs::read(&log).unwrap();
    for cut in 0..=whole.len() {
        let copy_of = tempfile::tempdir().unwrap();
        fs::create_dir_all(copy_of.path().join("log")).unwrap();
        fs::write(copy_of.path().join("log/0000000001.log"), &whole[..cut]).unwrap();
        let store = Store::open(copy_of.path(), config()).unwrap();
        let expected = ends.iter().filter(|end| **end <= cut as u64).count();
        assert_eq!(values(&store, "m").len(), expected, "cut at {cut}");
        let clean = cut == 0 || ends.contains(&(cut as u64));
        let damage = store.stats().damage;
        let harmless = damage.is_empty() || damage[0].what.contains("torn");
        assert!(harmless, "cut at {cut}: {damage:?}");
        assert!(clean || !damage.is_empty() || cut <= ends[0] as usize, "cut at {cut} is told");
        let id = series(&store, "m");
        assert_eq!(put(&store, id, &[(100_000, 1.0)]).unwrap().taken, 1, "cut at {cut}");
        drop(store);
        let again = Store::open(copy_of.path(), config()).unwrap();
        assert_eq!(values(&again, "m").len(), expected + 1, "cut at {cut}, second start");
        assert_eq!(again.stats().damage, [], "cut at {cut}: told once");
    }
}

#[test]
fn a_long_log_is_read_in_pieces_and_cut_where_it_was_torn() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    let id = series(&store, "m");
    let log = folder.path().join("log/0000000001.log");
    let mut ends = Vec::new();
    // Records of very different lengths, one of them longer than what is read at once.
    for (i, count) in [4000, 3, 60_000, 1, 150_000, 20_000, 2].into_iter().enumerate() {
        let from = i as i64 * 1_000_000;
        put(&store, id, &(0..count).map(|n| (from + n, n as f64)).collect::<Vec<_>>()).unwrap();
        ends.push((fs::metadata(&log).unwrap().len() as usize, count));
    }
    drop(store);
    let whole = fs::read(&log).unwrap();
    assert!(whole.len() > 2 << 20, "{} bytes", whole.len());
    let mut rng = Rng(3);
    for round in 0..24 {
        let at = rng.below(whole.len() as u64) as usize;
        let copy_of = tempfile::tempdir().unwrap();
        fs::create_dir_all(copy_of.path().join("log")).unwrap();
        let mut bytes = whole.clone();
        match round % 3 {
            0 => bytes.truncate(at),
            // Blocks that were never written.
            1 => bytes[at..].fill(0),
            _ => bytes[at] ^= 0x40,
        }
        fs::write(copy_of.path().join("log/0000000001.log"), &bytes).unwrap();
        let store = Store::open(copy_of.path(), config()).unwrap();
        let held = values(&store, "m").len() as i64;
        let before: i64 = ends.iter().filter(|(end, _)| *end <= at).map(|(_, count)| *count).sum();
        // A batch of more than 65,536 samples is several records.
        assert!(held >= before && held < before + 150_001, "round {round}, at {at}: {held} of {before}");
        assert_eq!(held - before, (held - before) / 65_536 * 65_536, "round {round}, at {at}: whole records");
        assert_eq!(store.stats().damage.len(), 1, "round {round}, at {at}");
        let aside = files_in(&copy_of.path().join("log")).iter().any(|name| name.contains("damaged"));
        assert!(!aside || round % 3 != 0, "round {round}, at {at}: a torn end is cut off");
        drop(store);
        let again = Store::open(copy_of.path(), config()).unwrap();
        assert_eq!(values(&again, "m").len() as i64, held, "round {round}, at {at}: second start");
        assert_eq!(again.stats().damage, [], "round {round}, at {at}: told once");
    }
}

#[test]
fn a_log_of_many_samples_is_read_by_several_threads_to_the_same_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    let mut ids: Vec<SeriesId> = (0..2500).map(|i| series(&store, &format!("m{},i={i}", i % 7))).collect();
    let mut rng = Rng(11);
    for round in 0..240i64 {
        if round == 50 {
            store.seal().unwrap();
        }
        if round % 40 == 39 {
            let more = ids.len()..ids.len() + 30;
            ids.extend(more.map(|i| series(&store, &format!("m{},i={i}", i % 7))));
        }
        let sample = |id: &SeriesId| {
            let late = if rng.below(20) == 0 { 7_500 } else { 0 };
            Incoming { series: *id, t: at(round * 1000 - late), v: rng.below(1000) as f64 / 8.0 }
        };
        let batch: Vec<Incoming> = ids.iter().map(sample).collect();
        assert!(store.append(&batch).unwrap().taken > 0);
    }
    let before = all(&store, &[]);
    assert!(before.iter().map(|(_, samples)| samples.len()).sum::<usize>() > 1 << 19);
    drop(store);
    assert_eq!(all(&Store::open(folder.path(), config()).unwrap(), &[]), before);
    // What the catalogue knew is then in the log and the segments alone.
    fs::remove_file(folder.path().join("catalogue")).unwrap();
    assert_eq!(all(&Store::open(folder.path(), config()).unwrap(), &[]), before);
}

#[test]
fn a_flipped_bit_in_the_log_keeps_what_precedes_it_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    let id = series(&store, "m");
    let log = folder.path().join("log/0000000001.log");
    put(&store, id, &[(1000, 1.0)]).unwrap();
    let first_end = fs::metadata(&log).unwrap().len() as usize;
    for i in 2..6 {
        put(&store, id, &[(i * 1000, i as f64)]).unwrap();
    }
    drop(store);
    let whole = fs::read(&log).unwrap();
    for at in first_end..whole.len() {
        let copy_of = tempfile::tempdir().unwrap();
        fs::create_dir_all(copy_of.path().join("log")).unwrap();
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(copy_of.path().join("log/0000000001.log"), &flipped).unwrap();
        let store = Store::open(copy_of.path(), config()).unwrap();
        let held = values(&store, "m");
        assert!(!held.is_empty() && held.len() < 5, "flip at {at}: {held:?}");
        assert!(held.iter().all(|(t, v)| *t as f64 == v * 1000.0), "flip at {at}: {held:?}");
        let damage = store.stats().damage;
        assert_eq!(damage.len(), 1, "flip at {at}");
        let kept = files_in(&copy_of.path().join("log")).iter().any(|name| name.contains("damaged"));
        assert!(kept || damage[0].what.contains("torn"), "flip at {at}: {damage:?}");
    }
}

fn sealed_store(folder: &Path) -> Vec<(String, Vec<(i64, u64)>)> {
    let store = Store::open(folder, config()).unwrap();
    for i in 0..70 {
        let id = series(&store, &format!("m,i={i}"));
        put(&store, id, &(0..10).map(|t| (t * 1000, f64::from(i) + t as f64)).collect::<Vec<_>>()).unwrap();
    }
    assert_eq!(store.seal().unwrap().as_deref(), Some("0000000001.seg"));
    all(&store, &[])
}

#[test]
fn sealed_samples_are_read_from_the_segment_and_the_log_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let before = sealed_store(folder.path());
    assert_eq!(files_in(&folder.path().join("log")), [""; 0]);
    let store = Store::open(folder.path(), config()).unwrap();
    assert_eq!(store.stats().head_samples, 0);
    assert_eq!(store.stats().sealed_samples, 700);
    assert_eq!(all(&store, &[]), before);
    let some = [Matcher::equal("i", "69")];
    assert_eq!(range(&store, &some, 2000, 4000)[0].1.len(), 3);
    assert_eq!(range(&store, &some, 2001, 2999), []);
    // What is newer goes on from there: the newest sealed sample is known to the bit.
    let id = series(&store, "m,i=0");
    let report = put(&store, id, &[(9000, 9.0), (9000, 1.0), (10_000, 10.0), (8500, 8.5)]).unwrap();
    assert_eq!((report.taken, report.duplicate), (3, 1));
    assert_eq!(all(&store, &[Matcher::equal("i", "0")])[0].1.len(), 12);
    assert_eq!(store.verify(), []);
}

#[test]
fn a_seal_with_nothing_in_memory_writes_no_segment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    assert_eq!(store.seal().unwrap(), None);
    assert_eq!(files_in(&folder.path().join("segments")), [""; 0]);
}

#[test]
fn a_flipped_bit_anywhere_in_a_segment_is_found_and_the_rest_served() {
    let folder = tempfile::tempdir().unwrap();
    let before = sealed_store(folder.path());
    let segment = folder.path().join("segments/0000000001.seg");
    let whole = fs::read(&segment).unwrap();
    let mut rng = Rng(42);
    // Every byte would take long: all of the footer and the start, and some between.
    let places = (0..100)
        .chain(whole.len() - 100..whole.len())
        .chain((0..60).map(|_| rng.below(whole.len() as u64) as usize));
    for at in places.collect::<Vec<_>>() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&segment, &flipped).unwrap();
        let store = Store::open(folder.path(), config()).unwrap();
        let opened_well = store.stats().damage.is_empty();
        if opened_well {
            for (labels, samples) in all(&store, &[]) {
                let honest = before.iter().find(|(l, _)| *l == labels).unwrap();
                assert_eq!(samples, honest.1, "flip at {at}: what is served is right");
            }
            let _found = store.verify();
        }
        let damage = store.stats().damage;
        assert_eq!(damage.len(), 1, "flip at {at} of {} is found once", whole.len());
        assert_eq!(files_in(&folder.path().join("segments")), ["0000000001.seg.damaged"], "flip at {at}");
        let kept = fs::read(folder.path().join("segments/0000000001.seg.damaged")).unwrap();
        assert_eq!(kept, flipped, "kept as it is");
        let id = series(&store, "m,i=1");
        assert_eq!(put(&store, id, &[(50_000, 1.0)]).unwrap().taken, 1, "the store goes on");
        drop(store);
        fs::remove_file(folder.path().join("segments/0000000001.seg.damaged")).unwrap();
        for log in files_in(&folder.path().join("log")) {
            fs::remove_file(folder.path().join("log").join(log)).unwrap();
        }
    }
}

#[test]
fn a_lost_or_damaged_catalogue_is_made_again() {
    for damage in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let before = sealed_store(folder.path());
        let catalogue = folder.path().join("catalogue");
        if damage {
            let mut bytes = fs::read(&catalogue).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            fs::write(&catalogue, bytes).unwrap();
        } else {
            fs::remove_file(&catalogue).unwrap();
        }
        let store = Store::open(folder.path(), config()).unwrap();
        assert_eq!(all(&store, &[]), before);
        assert_eq!(store.stats().damage.len(), usize::from(damage));
        let id = series(&store, "new");
        put(&store, id, &[(1, 1.0)]).unwrap();
        assert_eq!(values(&store, "new"), [(1, 1.0)], "new ids do not clash with old ones");
        store.seal().unwrap();
        assert_eq!(Store::open(folder.path(), config()).unwrap().stats().series, 71);
    }
}

#[test]
fn data_of_a_newer_version_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    sealed_store(folder.path());
    let catalogue = folder.path().join("catalogue");
    let mut bytes = fs::read(&catalogue).unwrap();
    bytes[6] = b'3';
    fs::write(&catalogue, &bytes).unwrap();
    let error = Store::open(folder.path(), config()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert_eq!(fs::read(&catalogue).unwrap(), bytes);
}

#[test]
fn a_kill_between_segment_and_catalogue_shows_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), config()).unwrap();
    let id = series(&store, "m");
    put(&store, id, &[(1000, 1.0), (2000, 2.0)]).unwrap();
    let killed = tempfile::tempdir().unwrap();
    copy_folder(&folder.path().join("log"), &killed.path().join("log"));
    store.seal().unwrap();
    copy_folder(&folder.path().join("segments"), &killed.path().join("segments"));
    let store = Store::open(killed.path(), config()).unwrap();
    assert_eq!(values(&store, "m"), [(1000, 1.0), (2000, 2.0)]);
}

#[test]
fn a_full_disk_refuses_whole_batches_and_goes_on_when_there_is_room() {
    for refuse_truncate in [false, true] {
        for room in (0..120u64).step_by(if refuse_truncate { 7 } else { 2 }) {
            let folder = tempfile::tempdir().unwrap();
            let disk = SmallDisk::with(room);
            disk.refuse_truncate(refuse_truncate);
            let store = Store::open_with(Arc::new(disk.clone()), folder.path(), config()).unwrap();
            let mut expected = Vec::new();
            for i in 0..6i64 {
                if i == 4 {
                    disk.set_left(1 << 20);
                }
                let id = series(&store, "m");
                match put(&store, id, &[(i * 1000, i as f64), (i * 1000 + 1, 0.5)]) {
                    Ok(report) => {
                        assert_eq!(report.taken, 2);
                        expected.extend([(i * 1000, i as f64), (i * 1000 + 1, 0.5)]);
                    }
                    Err(error) => {
                        assert!(matches!(error, IngestError::Storage(_)), "{error}");
                        assert!(store.stats().write_error.is_some());
                        assert!(i < 4, "room {room}: {error}");
                    }
                }
                assert_eq!(values(&store, "m"), expected, "room {room}: all of a batch or nothing");
            }
            assert_eq!(store.stats().write_error, None, "room {room}: the trouble is over");
            drop(store);
            let again = Store::open(folder.path(), config()).unwrap();
            assert_eq!(values(&again, "m"), expected, "room {room}: what was taken is there after a restart");
        }
    }
}

#[test]
fn sealing_on_a_full_disk_loses_nothing() {
    for room in (0..3000u64).step_by(150) {
        let folder = tempfile::tempdir().unwrap();
        let disk = SmallDisk::with(1 << 20);
        let store = Store::open_with(Arc::new(disk.clone()), folder.path(), config()).unwrap();
        for i in 0..20 {
            let id = series(&store, &format!("m,i={i}"));
            put(&store, id, &(0..10).map(|t| (t * 1000, t as f64)).collect::<Vec<_>>()).unwrap();
        }
        let before = all(&store, &[]);
        disk.set_left(room);
        let sealed = store.seal();
        assert_eq!(all(&store, &[]), before, "room {room}");
        disk.set_left(1 << 20);
        if sealed.is_err() {
            store.seal().unwrap();
        }
        assert_eq!(all(&store, &[]), before, "room {room}, second try");
        drop(store);
        assert_eq!(all(&Store::open(folder.path(), config()).unwrap(), &[]), before, "room {room}, restart");
    }
}

#[test]
fn age_and_size_delete_whole_segments_and_then_their_series() {
    let folder = tempfile::tempdir().unwrap();
    let hour = 3_600_000i64;
    let config = MetricsConfig {
        retention: std::time::Duration::from_secs(6 * 3600),
        segment_span: std::time::Duration::from_secs(3600),
        ..config()
    };
    let store = Store::open(folder.path(), config.clone()).unwrap();
    let mut sealed = 0;
    for minute in 0..(12 * 60) {
        let now = minute * 60_000;
        let id = series(&store, &format!("hour{}", now / hour));
        put(&store, id, &[(now, 1.0)]).unwrap();
        sealed += usize::from(store.maintain(at(now)).sealed.is_some());
    }
    assert!(sealed >= 10, "{sealed}");
    let stats = store.stats();
    assert!((6..=8).contains(&stats.segments), "{}", stats.segments);
    assert!(stats.series <= 8, "series of deleted segments are gone: {}", stats.series);
    assert!(stats.oldest.unwrap().as_millis() >= 4 * hour);
    let again = Store::open(folder.path(), config).unwrap();
    assert_eq!(all(&again, &[]), all(&store, &[]));

    let small = MetricsConfig {
        retention_bytes: stats.log_bytes + stats.segment_bytes / 2,
        ..again.config().clone()
    };
    drop((store, again));
    let store = Store::open(folder.path(), small.clone()).unwrap();
    assert!(store.maintain(at(12 * hour)).deleted_segments >= 3);
    let stats = store.stats();
    assert!(
        stats.segment_bytes + stats.log_bytes <= small.retention_bytes,
        "{stats:?} of {}",
        small.retention_bytes
    );
    assert_eq!(values(&store, "hour11").len(), 60, "the newest stay");
}

#[test]
fn a_jumping_clock_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let before = sealed_store(folder.path());
    let store = Store::open(folder.path(), config()).unwrap();
    let year = 365 * 86_400_000i64;
    for now in [10_000, 40 * year, 10_000, i64::MAX, i64::MIN, 20_000] {
        assert_eq!(store.maintain(at(now)).deleted_segments, 0, "at {now}");
    }
    assert_eq!(all(&store, &[]), before);
}
