//! Writes a segment.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::codec::{put_varint, put_zigzag};
use super::super::files::{Files, WriteFile};
use super::super::labels::LabelSet;
use super::block::{Encoder, MAX_SAMPLES};
use super::names::NameWriter;
use super::{Footer, GROUP_SERIES, INDEX_ENTRY, MAGIC};

/// Pieces in which the file grows.
const BUFFER: usize = 96 << 10;
/// A group is written when it has this many samples, however few series they are of: it is in memory as a whole.
const GROUP_SAMPLES: usize = 64 << 10;

/// Appends in large pieces and knows how far it is.
struct Output {
    file: Arc<dyn WriteFile>,
    buffer: Vec<u8>,
    written: u64,
}

impl Output {
    fn offset(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn drain(&mut self, at_least: usize) -> io::Result<()> {
        if self.buffer.len() >= at_least {
            self.file.append(&self.buffer)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// Writes series after series, in the order of their ids, into a file that has its name only once it is whole.
pub(in super::super) struct Writer<'f> {
    files: &'f dyn Files,
    folder: &'f Path,
    name: &'f str,
    temporary: PathBuf,
    out: Output,
    encoder: Encoder,
    /// The group that is being filled; the lists beyond `ids` are spare.
    ids: Vec<u64>,
    runs: Vec<Vec<(i64, u64)>>,
    held: usize,
    names: NameWriter,
    directories: Vec<u8>,
    index: Vec<u8>,
    footer: Footer,
}

impl<'f> Writer<'f> {
    /// Starts the file `name` in a folder, under a name for the time being.
    fn create(files: &'f dyn Files, folder: &'f Path, name: &'f str) -> io::Result<Self> {
        let temporary = folder.join(format!("{name}.tmp"));
        let file = files.create(&temporary)?;
        let mut out = Output { file, buffer: Vec::with_capacity(BUFFER), written: 0 };
        out.buffer.extend_from_slice(MAGIC);
        Ok(Self {
            files,
            folder,
            name,
            temporary,
            out,
            encoder: Encoder::default(),
            ids: Vec::new(),
            runs: Vec::new(),
            held: 0,
            names: NameWriter::default(),
            directories: Vec::new(),
            index: Vec::new(),
            footer: Footer { min_t: i64::MAX, max_t: i64::MIN, ..Footer::default() },
        })
    }

    /// Adds a series, with a larger id than any before, and the samples that `fill` appends to an empty list, in any
    /// order: of several of one moment the first counts.
    pub(in super::super) fn add(
        &mut self,
        id: u64,
        labels: &LabelSet,
        fill: impl FnOnce(&mut Vec<(i64, u64)>),
    ) -> io::Result<()> {
        debug_assert!(self.ids.last().is_none_or(|last| *last < id));
        let place = self.ids.len();
        if self.runs.len() == place {
            self.runs.push(Vec::new());
        }
        let run = &mut self.runs[place];
        run.clear();
        fill(run);
        if !run.is_sorted_by(|a, b| a.0 < b.0) {
            run.sort_by_key(|(t, _)| *t);
            run.dedup_by_key(|(t, _)| *t);
        }
        if run.is_empty() {
            return Ok(());
        }
        self.held += run.len();
        self.ids.push(id);
        self.names.add(id, labels);
        if self.ids.len() == GROUP_SERIES || self.held >= GROUP_SAMPLES {
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> io::Result<()> {
        let Some(first) = self.ids.first() else { return Ok(()) };
        self.index.extend_from_slice(&first.to_le_bytes());
        let start = u32::try_from(self.directories.len())
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.index.extend_from_slice(&start.to_le_bytes());
        debug_assert_eq!(self.index.len() % INDEX_ENTRY, 0);

        let directory = &mut self.directories;
        let begin = directory.len();
        put_varint(directory, self.ids.len() as u64);
        for pair in self.ids.windows(2) {
            put_zigzag(directory, i64::from((pair[1] >> 32) as u32) - i64::from((pair[0] >> 32) as u32));
            put_zigzag(directory, i64::from(pair[1] as u32) - i64::from(pair[0] as u32));
        }
        put_varint(directory, self.out.offset());

        let mut rest: Vec<&[(i64, u64)]> = self.runs[..self.ids.len()].iter().map(Vec::as_slice).collect();
        let mut before = 0i64;
        while let Some(longest) = rest.iter().map(|run| run.len()).max().filter(|len| *len > 0) {
            // Blocks of about the same size, rather than a last one with a few samples.
            let most = longest.div_ceil(longest.div_ceil(MAX_SAMPLES));
            let end = rest.iter().filter_map(|run| run.get(most)).map(|(t, _)| *t).min();
            let mut block = Vec::with_capacity(rest.len());
            let (mut min_t, mut max_t) = (i64::MAX, i64::MIN);
            for run in &mut rest {
                let cut = end.map_or(run.len(), |end| run.partition_point(|(t, _)| *t < end));
                let (now, later) = run.split_at(cut);
                if let (Some(first), Some(last)) = (now.first(), now.last()) {
                    (min_t, max_t) = (min_t.min(first.0), max_t.max(last.0));
                }
                self.footer.samples += now.len() as u64;
                block.push(now);
                *run = later;
            }
            let start = self.out.buffer.len();
            self.encoder.put(&mut self.out.buffer, &block);
            let bytes = &self.out.buffer[start..];
            put_varint(directory, bytes.len() as u64);
            directory.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
            put_zigzag(directory, min_t.wrapping_sub(before));
            put_varint(directory, max_t.wrapping_sub(min_t) as u64);
            before = max_t;
            self.footer.min_t = self.footer.min_t.min(min_t);
            self.footer.max_t = self.footer.max_t.max(max_t);
            self.out.drain(BUFFER / 2)?;
        }
        let crc = crc32fast::hash(&directory[begin..]);
        directory.extend_from_slice(&crc.to_le_bytes());
        self.footer.groups += 1;
        self.footer.series += self.ids.len() as u64;
        self.ids.clear();
        self.held = 0;
        Ok(())
    }

    fn write_end(&mut self) -> io::Result<()> {
        self.end_group()?;
        let names = std::mem::take(&mut self.names).finish()?;
        self.footer.names = self.out.offset();
        self.footer.names_len = names.len() as u64;
        self.footer.names_crc = crc32fast::hash(&names);
        self.out.drain(0)?;
        self.out.file.append(&names)?;
        self.out.written += names.len() as u64;
        self.footer.directories = self.out.offset();
        self.out.file.append(&self.directories)?;
        self.out.written += self.directories.len() as u64;
        self.footer.index = self.out.offset();
        self.footer.index_crc = crc32fast::hash(&self.index);
        self.out.buffer.extend_from_slice(&self.index);
        self.out.buffer.extend_from_slice(&self.footer.to_bytes());
        self.out.drain(0)?;
        self.out.file.sync()
    }

    /// Ends the file, syncs it and gives it its name. When there were no samples there is no file either.
    fn finish(mut self) -> io::Result<bool> {
        self.end_group()?;
        if self.footer.groups == 0 {
            self.files.remove(&self.temporary)?;
            return Ok(false);
        }
        self.write_end()?;
        self.files.rename(&self.temporary, &self.folder.join(self.name))?;
        self.files.sync_folder(self.folder)?;
        Ok(true)
    }
}

/// Writes what `fill` adds into `folder/name`, all or nothing. Gives whether there was anything.
pub(in super::super) fn write<E: From<io::Error>>(
    files: &dyn Files,
    folder: &Path,
    name: &str,
    fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
) -> Result<bool, E> {
    let mut writer = Writer::create(files, folder, name)?;
    let temporary = writer.temporary.clone();
    let written = fill(&mut writer).and_then(|()| Ok(writer.finish()?));
    if written.is_err() {
        // What is left of it would only take space; the next attempt empties it.
        let _left_over = files.remove(&temporary);
    }
    written
}
