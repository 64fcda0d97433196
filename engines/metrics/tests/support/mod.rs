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

/// A real file system that stops for good after so many steps that change something, as a kill does. Of the append that
/// it stops in, half is written.
#[derive(Clone)]
pub struct DyingDisk(Arc<AtomicU64>);

impl DyingDisk {
    /// One that lives.
    pub fn alive() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// It dies after so many steps from now on.
    pub fn die_after(&self, steps: u64) {
        self.0.store(steps, SeqCst);
    }

    pub fn is_dead(&self) -> bool {
        self.0.load(SeqCst) == 0
    }

    fn step(&self) -> io::Result<()> {
        let less = |left: u64| if left == u64::MAX { Some(left) } else { left.checked_sub(1) };
        self.0.fetch_update(SeqCst, SeqCst, less).map(|_| ()).map_err(|_| io::Error::other("killed"))
    }
}

struct DyingFile(Arc<dyn WriteFile>, DyingDisk);

impl WriteFile for DyingFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        match self.1.step() {
            Ok(()) if self.1.is_dead() => {
                // The last step: it is not finished.
                self.0.append(&bytes[..bytes.len() / 2])?;
                Err(io::Error::other("killed"))
            }
            Ok(()) => self.0.append(bytes),
            Err(error) => Err(error),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.1.step()?;
        self.0.sync()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.1.step()?;
        self.0.truncate(len)
    }
}

impl Files for DyingDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteFile>> {
        self.step()?;
        Ok(Arc::new(DyingFile(RealFiles.create(path)?, self.clone())))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        RealFiles.open(path)
    }
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        RealFiles.list(folder)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        RealFiles.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealFiles.remove(path)
    }
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.step()?;
        RealFiles.truncate(path, len)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        RealFiles.sync_folder(folder)
    }
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The names in a folder, sorted.
pub fn files_in(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
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
