//! What the store's tests share: a disk that fills up and fails, and short ways to say things.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses some of it, and may panic"
)]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use quarterdeck_kernel::{Labels, MatchOp, Matcher, Timestamp};
use quarterdeck_metrics::store::files::{Files, ReadFile, RealFiles, WriteFile};
use quarterdeck_metrics::{AppendReport, Incoming, Ingest, IngestError, MetricsConfig, SeriesId, Store};
use quarterdeck_promql::storage::{Budget, Storage};

/// A real file system with so many bytes left, and perhaps one that cannot cut files.
#[derive(Clone, Default)]
pub struct SmallDisk(Arc<State>);

#[derive(Default)]
struct State {
    left: AtomicU64,
    no_truncate: AtomicBool,
}

impl SmallDisk {
    pub fn with(bytes: u64) -> Self {
        let disk = Self::default();
        disk.set_left(bytes);
        disk
    }

    pub fn set_left(&self, bytes: u64) {
        self.0.left.store(bytes, SeqCst);
    }

    pub fn refuse_truncate(&self, refuse: bool) {
        self.0.no_truncate.store(refuse, SeqCst);
    }
}

struct SmallFile(Arc<dyn WriteFile>, Arc<State>);

impl WriteFile for SmallFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let left = self.1.left.load(SeqCst);
        let fits = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.0.append(&bytes[..fits])?;
        self.1.left.fetch_sub(fits as u64, SeqCst);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        if self.1.no_truncate.load(SeqCst) {
            return Err(io::ErrorKind::Other.into());
        }
        self.0.truncate(len)
    }
}

impl Files for SmallDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteFile>> {
        Ok(Arc::new(SmallFile(RealFiles.create(path)?, Arc::clone(&self.0))))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        RealFiles.open(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealFiles.list(folder)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFiles.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        RealFiles.remove(path)
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        RealFiles.truncate(path, len)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealFiles.sync_folder(folder)
    }
}

pub fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(',').map(|pair| pair.split_once('=').unwrap_or(("__name__", pair))))
}

pub fn series(store: &Store, text: &str) -> SeriesId {
    store.resolve(&labels(text)).unwrap()
}

pub fn put(store: &Store, series: SeriesId, samples: &[(i64, f64)]) -> Result<AppendReport, IngestError> {
    let batch: Vec<Incoming> =
        samples.iter().map(|(t, v)| Incoming { series, t: Timestamp::from_millis(*t), v: *v }).collect();
    store.append(&batch)
}

/// All samples of the series that fulfil the matchers, as `labels → (t, bits)`.
pub fn all(store: &Store, matchers: &[Matcher]) -> Vec<(String, Vec<(i64, u64)>)> {
    range(store, matchers, i64::MIN, i64::MAX)
}

pub fn range(store: &Store, matchers: &[Matcher], from: i64, to: i64) -> Vec<(String, Vec<(i64, u64)>)> {
    let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
    store
        .select(matchers, from, to, &Budget::unbounded())
        .unwrap()
        .into_iter()
        .map(|s| (s.labels.to_string(), s.samples.iter().map(|s| (s.t.as_millis(), s.v.to_bits())).collect()))
        .collect()
}

/// The samples of the one series of a metric, as numbers.
pub fn values(store: &Store, metric: &str) -> Vec<(i64, f64)> {
    let found = all(store, &[Matcher::equal("__name__", metric)]);
    assert!(found.len() < 2, "{found:?}");
    found.into_iter().flat_map(|(_, list)| list).map(|(t, bits)| (t, f64::from_bits(bits))).collect()
}

pub fn matcher(op: MatchOp, name: &str, value: &str) -> Matcher {
    Matcher::new(op, name, value).unwrap()
}

pub fn config() -> MetricsConfig {
    MetricsConfig::default()
}

pub fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A small reproducible source of numbers.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
