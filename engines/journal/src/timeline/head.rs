//! The head of a chain in a file outside the database.
//!
//! The file has two slots, written in turn and each with a check of its own, so that a write that a power cut tears
//! leaves the other slot whole. Slots lie a page apart: no disk tears both at once. Its length never changes after
//! it was made, so one `fdatasync` per commit is enough.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::canonical::Digest;
use super::error::TimelineError;

const SLOT: usize = 4096;

/// How many entries a chain has, and the hash of the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) count: u64,
    pub(super) hash: Digest,
}

/// What a head file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is no such file.
    Missing,
    /// Neither slot is whole.
    Damaged,
    /// The newer of the slots that are whole.
    Head(Head),
}

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct HeadFile {
    file: File,
    path: PathBuf,
    writer: String,
    next_slot: usize,
}

/// Where the head of a writer's chain is kept.
pub(super) fn path(dir: &Path, writer: &str) -> PathBuf {
    dir.join(format!("{writer}.head"))
}

/// What the file says of the writer's chain.
pub(super) fn read(path: &Path, writer: &str) -> Result<Found, TimelineError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(newest(&bytes, writer).map_or(Found::Damaged, |(_, head)| Found::Head(head))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Found::Missing),
        Err(e) => Err(trouble(path, &e)),
    }
}

impl HeadFile {
    /// Opens or makes the file for the writer's chain.
    pub(super) fn open(path: &Path, writer: &str) -> Result<Self, TimelineError> {
        let fail = |e: std::io::Error| trouble(path, &e);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(fail)?;
        let bytes = std::fs::read(path).map_err(fail)?;
        let next_slot = newest(&bytes, writer).map_or(0, |(slot, _)| 1 - slot);
        if bytes.len() != 2 * SLOT {
            file.set_len(2 * SLOT as u64).and_then(|()| file.sync_all()).map_err(fail)?;
            sync_parent(path).map_err(fail)?;
        }
        Ok(Self { file, path: path.to_path_buf(), writer: writer.to_owned(), next_slot })
    }

    /// Writes the head and syncs it.
    pub(super) fn write(&mut self, head: Head) -> Result<(), TimelineError> {
        let mut slot = line(&self.writer, head).into_bytes();
        slot.resize(SLOT, b'\n');
        self.file
            .write_all_at(&slot, (self.next_slot * SLOT) as u64)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| trouble(&self.path, &e))?;
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }
}

/// Makes a name in a directory durable.
pub(super) fn sync_parent(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

pub(super) fn trouble(path: &Path, why: &std::io::Error) -> TimelineError {
    TimelineError::File { path: path.to_path_buf(), why: why.to_string() }
}

fn line(writer: &str, head: Head) -> String {
    let text = format!("{writer} {} {}", head.count, head.hash);
    let check = check(&text);
    format!("{text} {check}\n")
}

fn check(text: &str) -> String {
    Digest(Sha256::digest(text.as_bytes()).into()).to_string()[..16].to_owned()
}

fn newest(bytes: &[u8], writer: &str) -> Option<(usize, Head)> {
    let slots = bytes.chunks(SLOT).take(2).enumerate();
    slots.filter_map(|(i, slot)| Some((i, parse(slot, writer)?))).max_by_key(|(_, head)| head.count)
}

fn parse(slot: &[u8], writer: &str) -> Option<Head> {
    let text = std::str::from_utf8(slot.split(|b| *b == b'\n').next()?).ok()?;
    let (content, sum) = text.rsplit_once(' ')?;
    let mut fields = content.split(' ');
    if sum != check(content) || fields.next()? != writer {
        return None;
    }
    Some(Head { count: fields.next()?.parse().ok()?, hash: Digest::from_hex(fields.next()?)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let at = path(dir.path(), "desk");
        assert_eq!(read(&at, "desk").unwrap(), Found::Missing);
        let mut file = HeadFile::open(&at, "desk").unwrap();
        assert_eq!(read(&at, "desk").unwrap(), Found::Damaged, "made, but nothing written");
        for count in 1..=5 {
            file.write(Head { count, hash: Digest::GENESIS.then(&[count as u8]) }).unwrap();
            assert!(matches!(read(&at, "desk").unwrap(), Found::Head(h) if h.count == count));
        }
        // The fifth write went to the first slot: tear it.
        let mut bytes = std::fs::read(&at).unwrap();
        bytes[7] ^= 1;
        std::fs::write(&at, &bytes).unwrap();
        assert!(matches!(read(&at, "desk").unwrap(), Found::Head(h) if h.count == 4));
        // Reopened, the damaged slot is the one that is written next.
        let mut file = HeadFile::open(&at, "desk").unwrap();
        file.write(Head { count: 6, hash: Digest::GENESIS }).unwrap();
        assert!(matches!(read(&at, "desk").unwrap(), Found::Head(h) if h.count == 6));
        bytes[SLOT + 7] ^= 1;
        std::fs::write(&at, &bytes).unwrap();
        assert_eq!(read(&at, "desk").unwrap(), Found::Damaged);
        assert_eq!(read(&at, "other").unwrap(), Found::Damaged, "another writer's head is not this one's");
    }
}
