//! The time-series store.
//!
//! Samples live in memory, compressed, until they are sealed into immutable segments; a write-ahead log holds what is
//! not sealed yet. A query reads memory first and the segments after, so that samples on their way from one to the
//! other are never missed; what is found twice counts once.
//!
//! Locks, always taken in this order: `upkeep` (sealing, merging, retention), `writer` (one batch at a time, so that
//! the log has the order in which memory took the samples), `index`, then one series at a time. A query holds the index
//! only while it matches, and each series only while it copies.

mod append;
mod apply;
mod backfill;
mod backup;
mod catalogue;
mod chunk;
mod codec;
mod exemplars;
mod export;
pub mod files;
mod head;
mod index;
mod labels;
mod log;
mod merge;
mod newest;
mod order;
mod packed;
mod query;
mod recover;
mod refusal;
mod retain;
mod seal;
mod segment;
mod series;
mod stats;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use quarterdeck_kernel::Timestamp;

use crate::config::MetricsConfig;
use crate::ingest::Metadata;
use crate::model::Damage;
pub use backfill::Backfilled;
pub use backup::Backup;
use exemplars::Ring;
pub use exemplars::SeriesExemplars;
use files::{Files, RealFiles};
use index::Index;
use log::Log;
use segment::Segment;

/// How many findings of damage are remembered.
const MAX_DAMAGE: usize = 100;

/// The store: a cheap handle, the same for all its clones.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data are of a newer version of the program.
    #[error(
        "the metrics in {folder} were written by a newer version: start that version, or choose another data directory"
    )]
    Newer {
        /// Where.
        folder: PathBuf,
    },
    /// The file system says no.
    #[error("the metrics in {folder} cannot be opened: {source}")]
    Io {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What one round of maintenance did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// The segment that was written.
    pub sealed: Option<String>,
    /// The segment that others were merged into.
    pub merged: Option<String>,
    /// Segments that were deleted because of their age or size.
    pub deleted_segments: usize,
    /// Series that were dropped because none of their samples is left.
    pub dropped_series: usize,
    /// What failed; it will be tried again.
    pub failed: Option<String>,
}

struct Disk {
    files: Arc<dyn Files>,
    root: PathBuf,
    segments: PathBuf,
    log: PathBuf,
}

struct Writer {
    /// None when the store keeps everything in memory.
    log: Option<Log>,
    refusal: refusal::Refusal,
}

#[derive(Default)]
struct Counters {
    taken: AtomicU64,
    series_created: AtomicU64,
    too_old: AtomicU64,
    too_new: AtomicU64,
    duplicate: AtomicU64,
    unknown_series: AtomicU64,
    refused_series: AtomicU64,
}

struct Shared {
    config: MetricsConfig,
    disk: Option<Disk>,
    upkeep: Mutex<retain::Upkeep>,
    writer: Mutex<Writer>,
    index: RwLock<Index>,
    ranks: order::Ranks,
    figures: head::Figures,
    largest: Mutex<stats::Largest>,
    /// Oldest first.
    segments: RwLock<Vec<Arc<Segment>>>,
    /// Grows with each segment that is sealed, after it has come and before its samples leave memory.
    sealings: AtomicU64,
    metadata: RwLock<BTreeMap<Arc<str>, Metadata>>,
    exemplars: Mutex<Ring>,
    counters: Counters,
    /// The time of the newest maintenance; `i64::MIN` before the first.
    now: AtomicI64,
    /// The time of the first maintenance.
    started: OnceLock<i64>,
    version: AtomicU64,
    damage: Mutex<Vec<Damage>>,
    write_error: Mutex<Option<String>>,
}

impl Store {
    /// Opens the store in a folder, which is made if it is not there. What is damaged is set aside and told in
    /// [`Store::stats`].
    ///
    /// # Errors
    /// When the folder cannot be read or written, or holds the data of a newer version.
    pub fn open(folder: &Path, config: MetricsConfig) -> Result<Self, OpenError> {
        Self::open_with(Arc::new(RealFiles), folder, config)
    }

    /// As [`Store::open`], on any file system.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(files: Arc<dyn Files>, folder: &Path, config: MetricsConfig) -> Result<Self, OpenError> {
        recover::open(files, folder, config).map(|shared| Self(Arc::new(shared)))
    }

    /// A store that keeps everything in memory and forgets it at the end.
    #[must_use]
    pub fn in_memory(config: MetricsConfig) -> Self {
        Self(Arc::new(Shared::new(config, None, None)))
    }

    /// Forces everything that was taken so far to the disk.
    ///
    /// # Errors
    /// When the disk says no; the samples are still in memory, and the next call tries again.
    pub fn sync(&self) -> std::io::Result<()> {
        self.0.sync()
    }

    /// Looks after retention, sealing and merging. To be called every few seconds with the time, from one thread that
    /// may wait for the disk.
    pub fn maintain(&self, now: Timestamp) -> Maintenance {
        self.0.maintain(now)
    }

    /// Seals everything that is in memory, so that the next start has no log to read.
    ///
    /// # Errors
    /// When the segment or the catalogue cannot be written; nothing is lost then.
    pub fn seal(&self) -> std::io::Result<Option<String>> {
        self.0.seal(&mut self.0.upkeep.lock())
    }

    /// Reads every byte of every segment and tells what is damaged. What is damaged is set aside.
    #[must_use]
    pub fn verify(&self) -> Vec<Damage> {
        self.0.verify()
    }

    /// What a metric family says of itself.
    #[must_use]
    pub fn metadata(&self, metric: &str) -> Option<Metadata> {
        self.0.metadata.read().get(metric).cloned()
    }

    /// What all metric families say of themselves, sorted by name.
    #[must_use]
    pub fn all_metadata(&self) -> Vec<(Arc<str>, Metadata)> {
        self.0.metadata.read().iter().map(|(name, about)| (Arc::clone(name), about.clone())).collect()
    }

    /// A number that grows with every change of what the store holds.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version.load(Ordering::Relaxed)
    }

    /// The configuration it runs with.
    #[must_use]
    pub fn config(&self) -> &MetricsConfig {
        &self.0.config
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("folder", &self.0.disk.as_ref().map(|disk| &disk.root))
            .field("version", &self.version())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn new(config: MetricsConfig, disk: Option<Disk>, log: Option<Log>) -> Self {
        let ring = Ring::new(config.max_exemplars);
        Self {
            config,
            disk,
            upkeep: Mutex::default(),
            writer: Mutex::new(Writer { log, refusal: refusal::Refusal::default() }),
            index: RwLock::default(),
            ranks: order::Ranks::default(),
            figures: head::Figures::default(),
            largest: Mutex::default(),
            segments: RwLock::default(),
            sealings: AtomicU64::new(0),
            metadata: RwLock::default(),
            exemplars: Mutex::new(ring),
            counters: Counters::default(),
            now: AtomicI64::new(i64::MIN),
            started: OnceLock::new(),
            version: AtomicU64::new(1),
            damage: Mutex::default(),
            write_error: Mutex::default(),
        }
    }

    /// The time of the newest maintenance, once there was one.
    fn now(&self) -> Option<i64> {
        Some(self.now.load(Ordering::Relaxed)).filter(|now| *now != i64::MIN)
    }

    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Relaxed);
    }

    fn note_damage(&self, damage: Damage) {
        tracing::error!(file = damage.file, what = damage.what, "metrics data are damaged");
        let mut held = self.damage.lock();
        if held.len() >= MAX_DAMAGE {
            held.remove(0);
        }
        held.push(damage);
        drop(held);
        self.changed();
    }

    fn note_write(&self, result: &std::io::Result<()>) {
        let mut held = self.write_error.lock();
        match result {
            Ok(()) => *held = None,
            Err(error) => {
                let told = error.to_string();
                if held.as_ref() != Some(&told) {
                    tracing::error!(error = told, "the metrics log cannot be written");
                }
                *held = Some(told);
            }
        }
    }

    fn sync(&self) -> std::io::Result<()> {
        let (flushed, handle) = {
            let mut writer = self.writer.lock();
            let Some(log) = &mut writer.log else { return Ok(()) };
            let keep = log.pending.len();
            (log.flush(keep), log.handle())
        };
        let result = flushed.and_then(|()| handle.map_or(Ok(()), |file| file.sync()));
        self.note_write(&result);
        result
    }
}
