//! Opening the timeline, after whatever happened before.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use quarterdeck_kernel::{Actor, ChangeKind, Clock, Severity};
use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

use super::chain::{Chain, stored_head};
use super::entry::NewEntry;
use super::error::TimelineError;
use super::handle::{QUEUE, Shared, Timeline};
use super::head::{self, Found, Head, HeadFile, trouble};
use super::query::{self, Filter};
use super::recent::Ring;
use super::undone::Undos;
use super::{canonical::Digest, publish};
use crate::store::{Db, Quarantined};
use crate::values;

/// How to open a timeline.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its head files are kept: a directory inside the data directory, which the caller has locked.
    pub dir: PathBuf,
    /// This machine's name; it becomes part of the writer's.
    pub host: String,
    /// How many of the newest entries are kept in memory for the screen.
    pub recent: usize,
    /// The damaged store that was put aside when the store was opened, if one was.
    pub quarantined: Option<Quarantined>,
}

impl Options {
    /// Head files in `dir`, the 2,000 newest entries in memory, nothing put aside.
    pub fn new(dir: impl Into<PathBuf>, host: impl Into<String>) -> Self {
        Self { dir: dir.into(), host: host.into(), recent: 2000, quarantined: None }
    }
}

/// A warning to be written as the first thing on the chain.
struct Note {
    severity: Severity,
    text: String,
}

impl Timeline {
    /// Opens the timeline in a store that has been migrated with [`super::MIGRATIONS`], takes up this console's
    /// chain where it ended, and starts the tasks that write and publish. Must be called within a Tokio runtime.
    ///
    /// When the store holds less than the head file vouches for, or something else, the old chain is left as it is
    /// (so that [`Timeline::verify`] goes on to report it), a new one is begun, and its first entry says why.
    ///
    /// # Errors
    /// When the store or the directory cannot be read or written.
    pub async fn open(db: Db, options: Options, clock: Arc<dyn Clock>) -> Result<Self, TimelineError> {
        let dir = options.dir.as_path();
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|e| trouble(dir, &e))?;
        let mut notes = Vec::new();
        let mut taken_up = None;
        if let Some(quarantined) = &options.quarantined {
            notes.push(put_heads_aside(dir, quarantined)?);
        } else if let Some(writer) = current(dir)? {
            taken_up = take_up(&db, dir, writer, &mut notes).await?;
        }
        let (writer, head) = match taken_up {
            Some(found) => found,
            None => (begin(dir, &options.host)?, Head::default()),
        };
        let chain = Chain::new(dir, writer.clone(), head)?;
        chain.sync_head().await?;

        let mut newest = query::select(&db, &Filter::default(), None, options.recent.max(1)).await?;
        let undos = Undos::load(&db, newest.iter().map(|e| e.id.clone())).await?;
        for entry in &mut newest {
            entry.undone_by = undos.undone_by(&entry.id);
        }
        newest.reverse();
        let mut ring = Ring::new(options.recent, writer);
        ring.load(newest, undos, head.count);
        ring.warning = notes.iter().find(|n| n.severity == Severity::Critical).map(|n| n.text.clone());
        let shared_store = matches!(db, Db::Postgres(_));
        let dirty = Arc::new(Notify::new());
        let shared = Arc::new(Shared {
            db,
            dir: options.dir.clone(),
            recent: watch::Sender::new(Arc::new(ring.snapshot(clock.now()))),
            clock,
            chain: tokio::sync::Mutex::new(chain),
            ring: Mutex::new(ring),
            dirty: Arc::clone(&dirty),
        });
        let (queue, requests) = mpsc::channel(QUEUE);
        tokio::spawn(publish::publish(Arc::downgrade(&shared), dirty));
        if shared_store {
            tokio::spawn(publish::follow(Arc::downgrade(&shared)));
        }
        tokio::spawn(Arc::clone(&shared).commit_queued(requests));
        let timeline = Self { shared, queue };
        for note in notes {
            tracing::warn!(note.text, "timeline");
            let entry = NewEntry::new(ChangeKind::Lifecycle, Actor::system("timeline"), note.text);
            timeline.append(entry.severity(note.severity)).await?;
        }
        Ok(timeline)
    }
}

/// Compares head file and store. None when the chain cannot be gone on with.
async fn take_up(
    db: &Db,
    dir: &Path,
    writer: String,
    notes: &mut Vec<Note>,
) -> Result<Option<(String, Head)>, TimelineError> {
    let stored = stored_head(db, &writer).await?;
    let path = head::path(dir, &writer);
    let vouched = match head::read(&path, &writer)? {
        Found::Head(head) => head,
        found => {
            let what = if found == Found::Missing { "missing" } else { "damaged" };
            let text = format!(
                "the head file {} was {what}: it is made anew from the {} entries of {writer} that the store holds",
                path.display(),
                stored.count
            );
            notes.push(Note { severity: Severity::Warning, text });
            return Ok(Some((writer, stored)));
        }
    };
    if vouched.count > stored.count {
        let text = format!(
            "the timeline of {writer} was cut off: the store holds {} entries, its head file vouches for {}; a new chain begins here",
            stored.count, vouched.count
        );
        notes.push(Note { severity: Severity::Critical, text });
        return Ok(None);
    }
    if vouched.count > 0 {
        let row = db
            .row(
                "SELECT hash FROM timeline_entries WHERE writer = $1 AND seq = $2",
                &values![&writer, vouched.count],
            )
            .await?;
        let hash = row.map(|row| row.blob("hash")).transpose()?;
        if hash.as_deref() != Some(vouched.hash.0.as_slice()) {
            let text = format!(
                "the timeline of {writer} was written anew: its entry {} is not the one that its head file vouches for; a new chain begins here",
                vouched.count
            );
            notes.push(Note { severity: Severity::Critical, text });
            return Ok(None);
        }
    }
    Ok(Some((writer, stored)))
}

/// Moves the heads of chains that went with a damaged store to where that store is kept.
fn put_heads_aside(dir: &Path, quarantined: &Quarantined) -> Result<Note, TimelineError> {
    let mut lost = Vec::new();
    for file in std::fs::read_dir(dir).map_err(|e| trouble(dir, &e))? {
        let from = file.map_err(|e| trouble(dir, &e))?.path();
        let Some(writer) = from.file_stem().and_then(|s| s.to_str()).map(str::to_owned) else { continue };
        if from.extension().is_none_or(|e| e != "head") {
            continue;
        }
        if let Found::Head(Head { count, hash }) = head::read(&from, &writer)? {
            lost.push(format!("{count} entries of {writer}, the last with hash {hash}"));
        }
        let mut to = quarantined.kept_at.as_os_str().to_owned();
        to.push(format!(".{writer}.head"));
        std::fs::rename(&from, &to).map_err(|e| trouble(&from, &e))?;
    }
    let lost = if lost.is_empty() { "no timeline".to_owned() } else { lost.join(" and ") };
    Ok(Note {
        severity: Severity::Critical,
        text: format!(
            "the store was damaged ({}) and is kept at {}; with it went {lost}",
            quarantined.why,
            quarantined.kept_at.display()
        ),
    })
}

fn current(dir: &Path) -> Result<Option<String>, TimelineError> {
    let path = dir.join("current");
    match std::fs::read_to_string(&path) {
        Ok(text) if text.trim().is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(trouble(&path, &e)),
    }
}

/// Begins a new chain: its head file first, then its name as the current one.
fn begin(dir: &Path, host: &str) -> Result<String, TimelineError> {
    let mut name: String = host
        .split('.')
        .next()
        .unwrap_or_default()
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(32)
        .collect();
    if name.is_empty() {
        name.push_str("console");
    }
    let random = Uuid::new_v4().simple().to_string();
    let writer = format!("{name}-{}", &random[..6]);
    HeadFile::open(&head::path(dir, &writer), &writer)?.write(Head { count: 0, hash: Digest::GENESIS })?;
    let (path, next) = (dir.join("current"), dir.join("current.new"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        writeln!(file, "{writer}")?;
        file.sync_all()?;
        std::fs::rename(&next, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|e| trouble(&path, &e))?;
    Ok(writer)
}
