//! A consistent copy of everything, while the store goes on.

use std::io;
use std::path::Path;

use super::catalogue;
use super::log::{self, Log};
use super::{Shared, Store};

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// Sealed segments.
    pub segments: usize,
    /// Files of the log.
    pub log_files: usize,
    /// Bytes of all files together.
    pub bytes: u64,
}

impl Store {
    /// Copies everything that was taken before the call into a folder, which is made and must be empty; appends and
    /// queries go on meanwhile. Segments never change, so they are linked where the file system can do that. The folder
    /// can be opened as a store.
    ///
    /// # Errors
    /// When the store keeps nothing on a disk, the folder is not empty, or the file system says no.
    pub fn backup(&self, folder: &Path) -> io::Result<Backup> {
        self.0.backup(folder)
    }
}

impl Shared {
    fn backup(&self, folder: &Path) -> io::Result<Backup> {
        let disk = self.disk.as_ref().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                "this store keeps everything in memory: there is nothing to copy",
            )
        })?;
        let files = &*disk.files;
        let (segments, log_folder) = (folder.join("segments"), folder.join("log"));
        for place in [folder, &segments, &log_folder] {
            if !files.list(place)?.is_empty() {
                let why = format!("{} is not empty: name a new directory", place.display());
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
            }
        }
        // While upkeep is held no segment comes or goes and the catalogue stays as it is.
        let _upkeep = self.upkeep.lock();
        let next = match &mut self.writer.lock().log {
            Some(log) => Self::cut_log(log)?,
            None => 0,
        };
        let mut done = Backup::default();
        let held = self.segments.read().clone();
        for segment in &held {
            files.link(&disk.segments.join(&segment.name), &segments.join(&segment.name))?;
            done.segments += 1;
            done.bytes += segment.bytes;
        }
        // What is before the cut is no longer written to; the copy of the log must not be: opening it may cut a torn end.
        for name in log::names_before(files, &disk.log, next)? {
            done.bytes += files.copy(&disk.log.join(&name), &log_folder.join(&name))?;
            done.log_files += 1;
        }
        match files.copy(&disk.root.join(catalogue::NAME), &folder.join(catalogue::NAME)) {
            Ok(bytes) => done.bytes += bytes,
            // Nothing was sealed yet: everything is in the log.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        for place in [&*segments, &log_folder, folder] {
            files.sync_folder(place)?;
        }
        Ok(done)
    }

    /// Syncs what is in the log and goes on in a new file; gives its number.
    pub(super) fn cut_log(log: &mut Log) -> io::Result<u64> {
        let keep = log.pending.len();
        log.flush(keep)?;
        if let Some(file) = log.handle() {
            file.sync()?;
        }
        Ok(log.cut())
    }
}
