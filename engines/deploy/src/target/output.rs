//! What processes write: the newest lines in memory, more of it in files that do not grow without end.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use quarterdeck_kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// The longest line that is kept whole, in bytes; what is behind that is left out.
const LONGEST_LINE: usize = 8 << 10;

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// Either: they go to one file.
    Both,
    /// This console says what it did with the process.
    Console,
}

/// A line that a process wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputLine {
    /// When it was read.
    pub at: Timestamp,
    /// Where it comes from.
    pub source: Source,
    /// The line, as it was written but for bytes that are not UTF-8: nothing has been made harmless for a terminal yet.
    pub text: String,
}

/// So many lines are looked through for the last words on standard error.
const LAST: usize = 20;

/// The newest lines.
#[derive(Debug)]
pub struct Tail {
    lines: Mutex<VecDeque<OutputLine>>,
    most: usize,
}

impl Tail {
    /// Keeps so many lines.
    pub(crate) fn new(most: usize) -> Self {
        Self { lines: Mutex::default(), most }
    }

    pub(crate) fn push(&self, at: Timestamp, source: Source, text: String) {
        let mut lines = self.lines.lock();
        while lines.len() >= self.most {
            lines.pop_front();
        }
        lines.push_back(OutputLine { at, source, text });
    }

    /// The last that a process has said since this console last did something with it: of the newest lines one on its standard
    /// error, where it speaks of what is wrong, else any. The two come in in no order.
    pub(crate) fn last_words(&self) -> Option<String> {
        let lines = self.lines.lock();
        let own = || {
            let own = lines.iter().rev().take_while(|line| line.source != Source::Console).take(LAST);
            own.filter(|line| !line.text.trim().is_empty())
        };
        let words = own().find(|line| line.source == Source::Err).or_else(|| own().next())?;
        Some(words.text.trim().to_owned())
    }

    pub(crate) fn newest(&self, count: usize) -> Vec<OutputLine> {
        let lines = self.lines.lock();
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }
}

/// Makes lines of what comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
    left_out: usize,
}

impl Lines {
    /// Takes a piece, gives each line that it ends.
    pub(crate) fn take(&mut self, mut piece: &[u8], mut line: impl FnMut(String)) {
        while let Some(end) = piece.iter().position(|b| *b == b'\n') {
            self.add(&piece[..end]);
            line(self.end());
            piece = &piece[end + 1..];
        }
        self.add(piece);
    }

    /// What has no end yet, as a line.
    pub(crate) fn last(&mut self) -> Option<String> {
        (!self.rest.is_empty()).then(|| self.end())
    }

    fn add(&mut self, piece: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.rest.len()).min(piece.len());
        self.rest.extend_from_slice(&piece[..room]);
        self.left_out += piece.len() - room;
    }

    fn end(&mut self) -> String {
        let mut text = String::from_utf8_lossy(&self.rest).trim_end_matches('\r').to_owned();
        if self.left_out > 0 {
            text.push_str(&format!(" … ({} bytes more)", self.left_out));
        }
        self.rest.clear();
        self.left_out = 0;
        text
    }
}

/// A file that is put aside when it is full, and a few that were.
#[derive(Debug)]
pub(crate) struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
    largest: u64,
    kept: u32,
}

impl Rotating {
    pub(crate) fn open(path: &Path, largest: u64, kept: u32) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = appending(path)?;
        let size = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, size, largest, kept })
    }

    /// Writes, in a new file if this one is full.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        if self.size > 0 && self.size + bytes.len() as u64 > self.largest {
            shift(&self.path, self.kept)?;
            if self.kept == 0 {
                std::fs::remove_file(&self.path)?;
            } else {
                std::fs::rename(&self.path, older(&self.path, 1))?;
            }
            self.file = appending(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }
}

/// Opens a file for adding to it, for this user alone.
pub(crate) fn appending(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// How long a file is; nothing if there is none.
pub(crate) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |m| m.len())
}

fn older(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Makes room for one more older file.
fn shift(path: &Path, kept: u32) -> std::io::Result<()> {
    for number in (1..=kept).rev() {
        let from = older(path, number);
        if !from.exists() {
            continue;
        }
        if number == kept {
            std::fs::remove_file(&from)?;
        } else {
            std::fs::rename(&from, older(path, number + 1))?;
        }
    }
    Ok(())
}

/// Reads what another process adds to a file, and keeps the file from growing without end. Its writer adds at the end
/// wherever that is, so a full file is copied aside and cut: what it writes in that instant may be lost.
#[derive(Debug)]
pub(crate) struct Follow {
    path: PathBuf,
    at: u64,
    largest: u64,
    kept: u32,
    lines: Lines,
}

impl Follow {
    /// Begins where the writer began, or with `back` no more than so far from the end: where its newest lines are. What is
    /// before `begin` is of another writer.
    pub(crate) fn new(path: &Path, largest: u64, kept: u32, begin: u64, back: Option<u64>) -> Self {
        let size = length(path);
        let mut lines = Lines::default();
        // A file that is shorter than it was has been cut since.
        let begin = if begin > size { 0 } else { begin };
        let at = back.map_or(begin, |back| begin.max(size.saturating_sub(back)));
        if at > begin {
            // A line of which only the end is read.
            lines.rest.extend_from_slice("…".as_bytes());
        }
        Self { path: path.to_owned(), at, largest, kept, lines }
    }

    /// Gives the lines that have come, and whether the file was cut. At most a few megabytes at a time: what is behind waits,
    /// and what is far behind is left out.
    pub(crate) fn read(&mut self, mut line: impl FnMut(String)) -> std::io::Result<bool> {
        const AT_ONCE: u64 = 4 << 20;
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        if size < self.at {
            self.at = 0;
        }
        if size - self.at > AT_ONCE {
            let from = size - AT_ONCE;
            line(format!("… ({} bytes left out)", from - self.at));
            self.at = from;
        }
        file.seek(SeekFrom::Start(self.at))?;
        let mut piece = vec![0; 64 << 10];
        loop {
            let count = file.read(&mut piece)?;
            if count == 0 {
                break;
            }
            self.lines.take(&piece[..count], &mut line);
            self.at += count as u64;
            if self.at >= size + AT_ONCE {
                break;
            }
        }
        let full = self.at >= self.largest;
        if full {
            self.cut()?;
        }
        Ok(full)
    }

    /// What has no end yet, as a line: nothing more comes.
    pub(crate) fn last(&mut self) -> Option<String> {
        self.lines.last()
    }

    fn cut(&mut self) -> std::io::Result<()> {
        if self.kept > 0 {
            shift(&self.path, self.kept)?;
            std::fs::copy(&self.path, older(&self.path, 1))?;
        }
        OpenOptions::new().write(true).open(&self.path)?.set_len(0)?;
        self.at = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
