//! The file to which notifications are written, one line each.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::config::LogFile;
use crate::failure::Failure;

/// One line at a time, whatever the file: several deliveries to one file would rotate it several times at once. Lines are
/// few, and each is synced.
static WRITING: Mutex<()> = Mutex::new(());

/// Adds a line, on disk when it returns. Blocks.
pub(crate) fn append(settings: &LogFile, line: &str) -> Result<(), Failure> {
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let failed =
        |error: io::Error| Failure::later(format!("cannot write {}: {error}", settings.path.display()));
    let length = std::fs::metadata(&settings.path).map_or(0, |m| m.len());
    if length > 0 && length + line.len() as u64 > settings.max_bytes {
        rotate(&settings.path, settings.keep).map_err(failed)?;
    }
    let mut file = open(&settings.path).map_err(failed)?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(failed)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// `path` becomes `path.1`, that `path.2`, and so on; what would be beyond `keep` is removed.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 {
        return std::fs::remove_file(path);
    }
    let numbered = |n: u32| -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        name.into()
    };
    for n in (1..keep).rev() {
        match std::fs::rename(numbered(n), numbered(n + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(path, numbered(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_written_at_once_rotate_the_file_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let settings = LogFile { path: path.clone(), max_bytes: 20, keep: 40, send_resolved: true };
        std::thread::scope(|scope| {
            for n in 0..8 {
                let settings = &settings;
                scope
                    .spawn(move || (0..10).for_each(|m| append(settings, &format!("{n} {m:02}\n")).unwrap()));
            }
        });
        let mut lines = Vec::new();
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(text.len() <= 20 && !text.is_empty(), "{text}");
            lines.extend(text.lines().map(str::to_owned));
        }
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 80, "none is lost");
    }

    #[test]
    fn files_rotate_and_keep_their_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let settings = LogFile { path: path.clone(), max_bytes: 10, keep: 2, send_resolved: true };
        for n in 0..6 {
            append(&settings, &format!("line {n}\n")).unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            (read("log"), read("log.1"), read("log.2")),
            ("line 5\n".into(), "line 4\n".into(), "line 3\n".into())
        );
        assert!(!dir.path().join("log.3").exists());
        let missing = LogFile { path: dir.path().join("no/log"), ..settings };
        assert!(append(&missing, "x\n").unwrap_err().reason.contains("cannot write"));
    }
}
