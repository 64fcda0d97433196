//! The console's own logs: JSON lines to a rotating file, never to the screen that is being drawn.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

/// A file is put aside at this size.
const FILE_BYTES: u64 = 10 * 1024 * 1024;
/// This many old files are kept.
const FILES_KEPT: usize = 5;

/// Changes the level of the running console's log.
#[derive(Clone, Default)]
pub struct LevelSwitch {
    handle: Option<reload::Handle<LevelFilter, Registry>>,
    dropped: Arc<AtomicU64>,
}

impl LevelSwitch {
    /// The level in force.
    pub fn level(&self) -> LevelFilter {
        self.handle.as_ref().and_then(reload::Handle::clone_current).unwrap_or(LevelFilter::OFF)
    }

    /// Sets the level.
    pub fn set(&self, level: LevelFilter) {
        if let Some(handle) = &self.handle
            && let Err(error) = handle.reload(level)
        {
            tracing::error!(%error, "the log level could not be changed");
        }
    }

    /// Lines that could not be written (a full disk, say).
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Starts logging to `dir/quarterdeck.log`.
///
/// # Errors
/// When the file cannot be opened.
pub fn start(dir: &Path, level: LevelFilter) -> io::Result<LevelSwitch> {
    std::fs::create_dir_all(dir)?;
    let dropped = Arc::new(AtomicU64::new(0));
    let writer = Rotating::open(dir.join("quarterdeck.log"), Arc::clone(&dropped))?;
    let (filter, handle) = reload::Layer::new(level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .with_current_span(true)
        .with_span_list(true)
        .with_writer(Lines(Arc::new(Mutex::new(writer))));
    // Libraries chatter below warning; our own crates follow the switch.
    let ours = tracing_subscriber::filter::filter_fn(|meta: &Metadata<'_>| {
        meta.target().starts_with("quarterdeck") || *meta.level() <= tracing::Level::WARN
    });
    let installed = tracing_subscriber::registry().with(filter).with(lines.with_filter_fn(ours)).try_init();
    Ok(LevelSwitch { handle: installed.is_ok().then_some(handle), dropped })
}

/// `Layer::with_filter` by extension trait, so that the type above stays readable.
trait WithFilterFn: Sized {
    fn with_filter_fn<S, F>(self, filter: F) -> tracing_subscriber::filter::Filtered<Self, F, S>
    where
        Self: tracing_subscriber::Layer<S>,
        F: tracing_subscriber::layer::Filter<S>,
        S: tracing::Subscriber,
    {
        tracing_subscriber::Layer::with_filter(self, filter)
    }
}

impl<L> WithFilterFn for L {}

struct Lines(Arc<Mutex<Rotating>>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter(Arc::clone(&self.0))
    }
}

struct LineWriter(Arc<Mutex<Rotating>>);

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().line(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is put aside as `NAME.1` … `NAME.5` when it is full.
struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
    dropped: Arc<AtomicU64>,
}

impl Rotating {
    fn open(path: PathBuf, dropped: Arc<AtomicU64>) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let size = file.metadata()?.len();
        Ok(Self { path, file, size, limit: FILE_BYTES, dropped })
    }

    /// Writes a line. A log that cannot be written must not stop the console: the line is counted as dropped.
    fn line(&mut self, bytes: &[u8]) {
        let written = self.rotate_if_full().and_then(|()| self.file.write_all(bytes));
        match written {
            Ok(()) => self.size += bytes.len() as u64,
            Err(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn rotate_if_full(&mut self) -> io::Result<()> {
        if self.size < self.limit {
            return Ok(());
        }
        let old = |n: usize| self.path.with_extension(format!("log.{n}"));
        for n in (1..FILES_KEPT).rev() {
            match std::fs::rename(old(n), old(n + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.path, old(1))?;
        self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.size = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_files_are_put_aside_and_only_so_many_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dropped = Arc::new(AtomicU64::new(0));
        let mut log = Rotating::open(dir.path().join("quarterdeck.log"), Arc::clone(&dropped)).unwrap();
        log.limit = 100;
        for n in 0..60 {
            log.line(format!("{n:049}\n").as_bytes());
        }
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let wanted: Vec<_> = (1..=FILES_KEPT).map(|n| format!("quarterdeck.log.{n}")).collect();
        assert_eq!(names[0], "quarterdeck.log");
        assert_eq!(names[1..], wanted);
        let newest = std::fs::read_to_string(dir.path().join("quarterdeck.log")).unwrap();
        assert!(newest.contains("59"), "{newest}");
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
    }
}
