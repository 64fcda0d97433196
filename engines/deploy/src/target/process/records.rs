//! What outlives the console, written down before it is started.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A process that outlives the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) service: String,
    pub(crate) version: String,
    pub(crate) index: u32,
    pub(crate) port: u16,
    pub(crate) url: String,
    pub(crate) log: PathBuf,
    /// How long the log was when it was started: what is before is of another process.
    #[serde(default)]
    pub(crate) begins: u64,
    /// Its number and when it started; none if it was about to be.
    pub(crate) process: Option<(u32, u64)>,
    pub(crate) restarts: u32,
}

/// Records by tag, in a file.
#[derive(Debug)]
pub(crate) struct Records {
    path: PathBuf,
    all: Mutex<BTreeMap<Uuid, Record>>,
}

impl Records {
    /// Reads the file; without one, there is none. A file that cannot be understood is put aside: what it named is found by
    /// nobody then, and it is said.
    pub(crate) fn open(path: &Path) -> std::io::Result<Self> {
        let all = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let aside = path.with_extension("damaged");
                tracing::error!(%error, file = %path.display(), "processes that outlived the console cannot be told; the file is put aside");
                // The next write replaces it in any case.
                let _ = std::fs::rename(path, aside);
                BTreeMap::new()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), all: Mutex::new(all) })
    }

    pub(crate) fn all(&self) -> BTreeMap<Uuid, Record> {
        self.all.lock().clone()
    }

    /// Writes one down; it is durable when this returns.
    pub(crate) fn put(&self, tag: Uuid, record: Record) -> std::io::Result<()> {
        let mut all = self.all.lock();
        let before = all.insert(tag, record);
        write(&self.path, &all).inspect_err(|_| {
            match before {
                Some(before) => all.insert(tag, before),
                None => all.remove(&tag),
            };
        })
    }

    /// Its log was cut to nothing: all that is in it from now on is its own.
    pub(crate) fn cut(&self, tag: Uuid) {
        let mut all = self.all.lock();
        let Some(record) = all.get_mut(&tag).filter(|record| record.begins > 0) else { return };
        record.begins = 0;
        if let Err(error) = write(&self.path, &all) {
            tracing::warn!(%error, file = %self.path.display(), "that a log was cut could not be written down");
        }
    }

    /// It has ended. If that cannot be written down, the next console finds that it has.
    pub(crate) fn remove(&self, tag: Uuid) {
        let mut all = self.all.lock();
        if all.remove(&tag).is_some()
            && let Err(error) = write(&self.path, &all)
        {
            tracing::warn!(%error, file = %self.path.display(), "the end of a process could not be written down");
        }
    }
}

fn write(path: &Path, all: &BTreeMap<Uuid, Record>) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let fresh = path.with_extension("new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec(all)?)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deploy/processes.json");
        let record = Record {
            service: "orders".into(),
            version: "v1".into(),
            index: 0,
            port: 9100,
            url: "http://127.0.0.1:9100".into(),
            log: "a.log".into(),
            begins: 700,
            process: None,
            restarts: 0,
        };
        let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
        let records = Records::open(&path).unwrap();
        records.put(a, record.clone()).unwrap();
        records.put(b, record.clone()).unwrap();
        records.put(a, Record { process: Some((1, 2)), ..record.clone() }).unwrap();
        records.remove(b);
        records.cut(a);
        let record = Record { begins: 0, ..record };
        let again = Records::open(&path).unwrap().all();
        assert_eq!(again, BTreeMap::from([(a, Record { process: Some((1, 2)), ..record })]));
        std::fs::write(&path, "{").unwrap();
        assert!(Records::open(&path).unwrap().all().is_empty());
        assert!(path.with_extension("damaged").exists());
    }
}
