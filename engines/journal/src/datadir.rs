//! The data directory: one console at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A directory that this process has to itself for as long as the value lives; the lock goes with the process,
/// however it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another console has it.
    #[error("{} is in use by another console (pid {}): end that one or choose another --data-dir", path.display(), pid.map_or_else(|| "unknown".to_owned(), |p| p.to_string()))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process that holds it, when it could be read.
        pid: Option<u32>,
    },
    /// It cannot be written.
    #[error("{} cannot be written: give this user write permission or choose another --data-dir", path.display())]
    ReadOnly {
        /// The directory.
        path: PathBuf,
    },
    /// Its disk is full.
    #[error("the disk of {} is full: free some space or choose another --data-dir", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
    },
    /// It is something else than a directory.
    #[error("{} is not a directory: choose another --data-dir", path.display())]
    NotADirectory {
        /// What was named.
        path: PathBuf,
    },
    /// Anything else the system says.
    #[error("cannot use {}: {why}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        why: std::io::Error,
    },
}

impl DataDir {
    /// Makes the directory if it is missing (readable by its owner alone) and locks it.
    ///
    /// # Errors
    /// When another process holds it, or it cannot be made or written.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataDirError> {
        let path = path.into();
        let fail = |e: std::io::Error| explain(&path, e);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(fail)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(fail)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // Best effort: the message is useful without the pid too.
                let _ = lock.read_to_string(&mut text);
                return Err(DataDirError::Locked { pid: text.trim().parse().ok(), path });
            }
            Err(e) => return Err(fail(e.into())),
        }
        let written = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .and_then(|()| lock.sync_all());
        written.map_err(fail)?;
        Ok(Self { path, _lock: lock })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file or directory in it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

fn explain(path: &Path, why: std::io::Error) -> DataDirError {
    use std::io::ErrorKind;
    let path = path.to_path_buf();
    match why.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => DataDirError::ReadOnly { path },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DataDirError::Full { path },
        ErrorKind::NotADirectory => DataDirError::NotADirectory { path },
        ErrorKind::AlreadyExists if !path.is_dir() => DataDirError::NotADirectory { path },
        _ => DataDirError::Io { path, why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_console_is_told_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path().join("data")).unwrap();
        let error = DataDir::open(first.path()).unwrap_err();
        assert!(matches!(error, DataDirError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
        assert!(error.to_string().contains(&format!("(pid {})", std::process::id())), "{error}");
        let path = first.path().to_path_buf();
        drop(first);
        DataDir::open(path).unwrap();
    }

    #[test]
    fn a_file_is_not_a_directory_and_a_missing_permission_is_said() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(DataDir::open(file.path()), Err(DataDirError::NotADirectory { .. })));
        let sealed = explain(Path::new("/d"), Errno::ROFS.into());
        assert_eq!(
            sealed.to_string(),
            "/d cannot be written: give this user write permission or choose another --data-dir"
        );
        assert!(matches!(explain(Path::new("/d"), Errno::NOSPC.into()), DataDirError::Full { .. }));
    }
}
