//! The files that the store needs, behind a seam, so that tests can fill the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// A file that is appended to.
pub trait WriteFile: Send + Sync {
    /// Appends all bytes; they have reached the operating system when it returns.
    ///
    /// # Errors
    /// Those of the file system; some bytes may have been written.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Forces what was written to the disk.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// Those of the file system.
    fn truncate(&self, len: u64) -> io::Result<()>;
}

/// A file that is read by position.
pub trait ReadFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// Those of the file system.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills the buffer from a position.
    ///
    /// # Errors
    /// Those of the file system; the end of the file is one.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

/// The file system as the store uses it.
pub trait Files: Send + Sync {
    /// A new file to append to; one of that name is emptied.
    ///
    /// # Errors
    /// Those of the file system.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteFile>>;
    /// A file to read.
    ///
    /// # Errors
    /// Those of the file system.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>>;
    /// The names of the files in a folder, sorted; the folder is made if it is not there.
    ///
    /// # Errors
    /// Those of the file system.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// Gives a file another name.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Deletes a file.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Cuts a file to a length.
    ///
    /// # Errors
    /// Those of the file system.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Forces the names in a folder to the disk.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Copies a file and syncs the copy; gives its length.
    ///
    /// # Errors
    /// Those of the file system.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<u64> {
        let source = self.open(from)?;
        let len = source.len()?;
        let copy = self.create(to)?;
        let mut buffer = vec![0; COPY_BUFFER];
        let mut at = 0;
        while at < len {
            let part = usize::try_from(len - at).unwrap_or(COPY_BUFFER).min(COPY_BUFFER);
            source.read_at(&mut buffer[..part], at)?;
            copy.append(&buffer[..part])?;
            at += part as u64;
        }
        copy.sync()?;
        Ok(len)
    }

    /// Gives a file that never changes a second name; where that cannot be done, copies it.
    ///
    /// # Errors
    /// Those of the file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.copy(from, to).map(|_| ())
    }
}

/// Files are copied in pieces of this many bytes.
const COPY_BUFFER: usize = 1 << 20;

/// The machine's own file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFiles;

struct RealFile(File);

impl WriteFile for RealFile {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

impl ReadFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(&self.0, buffer, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => {
                    buffer = &mut buffer[n..];
                    offset += n as u64;
                }
            }
        }
        Ok(())
    }
}

impl Files for RealFiles {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn WriteFile>> {
        // Emptied first: a file opened for appending cannot be truncated by the same call.
        File::create(path)?;
        Ok(Arc::new(RealFile(OpenOptions::new().append(true).open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadFile>> {
        Ok(Arc::new(RealFile(File::open(path)?)))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        fs::create_dir_all(folder)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Another file system, or one without links: a copy does as well.
        fs::hard_link(from, to).or_else(|_| self.copy(from, to).map(|_| ()))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

/// The whole of a file.
pub(super) fn read_all(files: &dyn Files, path: &Path) -> io::Result<Vec<u8>> {
    let file = files.open(path)?;
    let len = usize::try_from(file.len()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut bytes = vec![0; len];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Writes a file so that either the old or the new one is there whole, whatever happens.
pub(super) fn replace(files: &dyn Files, folder: &Path, name: &str, parts: &[&[u8]]) -> io::Result<()> {
    let temporary = folder.join(format!("{name}.tmp"));
    let write = || {
        let file = files.create(&temporary)?;
        for part in parts {
            file.append(part)?;
        }
        file.sync()?;
        files.rename(&temporary, &folder.join(name))?;
        files.sync_folder(folder)
    };
    let written = write();
    if written.is_err() {
        // What is left of it would only take space; that it is there does no harm.
        let _left_over = files.remove(&temporary);
    }
    written
}

/// Renames a damaged file aside, so that it is kept and not read again. Gives its new name.
pub(super) fn set_aside(files: &dyn Files, folder: &Path, name: &str) -> io::Result<String> {
    let taken = files.list(folder)?;
    let free = |candidate: &String| !taken.contains(candidate);
    let aside = std::iter::once(format!("{name}.damaged"))
        .chain((2..).map(|n| format!("{name}.damaged-{n}")))
        .find(free)
        .unwrap_or_default();
    files.rename(&folder.join(name), &folder.join(&aside))?;
    files.sync_folder(folder)?;
    Ok(aside)
}
