//! Writes a segment.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::super::chunk::Chunk;
use super::super::codec::{put_varint, put_zigzag};
use super::super::files::{Files, WriteFile};
use super::super::log::put_labels;
use super::super::packed::Lying;
use super::super::series::Series;
use super::{Entry, Footer, MAGIC, PAGE_ENTRIES};

const BUFFER: usize = 1 << 20;

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

/// Writes what the series are sealing into `folder/name`, all or nothing. Gives whether there was anything.
pub(in super::super) fn write(
    files: &dyn Files,
    folder: &Path,
    name: &str,
    series: &[Arc<Series>],
) -> io::Result<bool> {
    let temporary = folder.join(format!("{name}.tmp"));
    let written = write_file(files, &temporary, series).and_then(|footer| {
        if footer.entries == 0 {
            files.remove(&temporary)?;
            return Ok(false);
        }
        files.rename(&temporary, &folder.join(name))?;
        files.sync_folder(folder)?;
        Ok(true)
    });
    if written.is_err() {
        // What is left of it would only take space; the next attempt empties it.
        let _left_over = files.remove(&temporary);
    }
    written
}

fn write_file(files: &dyn Files, path: &Path, series: &[Arc<Series>]) -> io::Result<Footer> {
    let mut out = Output { file: files.create(path)?, buffer: Vec::with_capacity(BUFFER + 4096), written: 0 };
    out.buffer.extend_from_slice(MAGIC);
    let mut footer = Footer { min_t: i64::MAX, max_t: i64::MIN, ..Footer::default() };
    let mut sorted: Vec<&Arc<Series>> = series.iter().collect();
    sorted.sort_unstable_by_key(|series| series.id);

    let mut entries = Vec::with_capacity(sorted.len());
    let mut names = Vec::new();
    for series in sorted {
        let chunks: Vec<Chunk> = series.data.lock().sealing().map(Lying::to_chunk).collect();
        if chunks.is_empty() {
            continue;
        }
        let offset = out.offset();
        let start = out.buffer.len();
        let (mut min_t, mut max_t) = (i64::MAX, i64::MIN);
        let mut before = 0i64;
        for chunk in &chunks {
            put_varint(&mut out.buffer, u64::from(chunk.count));
            put_zigzag(&mut out.buffer, chunk.min_t.wrapping_sub(before));
            put_varint(&mut out.buffer, chunk.max_t.wrapping_sub(chunk.min_t) as u64);
            let bytes = chunk.smallest();
            put_varint(&mut out.buffer, bytes.len() as u64);
            out.buffer.extend_from_slice(&bytes);
            before = chunk.max_t;
            (min_t, max_t) = (min_t.min(chunk.min_t), max_t.max(chunk.max_t));
            footer.samples += u64::from(chunk.count);
        }
        let blob = &out.buffer[start..];
        let len = u32::try_from(blob.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        entries.push(Entry { id: series.id, offset, len, crc: crc32fast::hash(blob), min_t, max_t });
        (footer.min_t, footer.max_t) = (footer.min_t.min(min_t), footer.max_t.max(max_t));
        names.extend_from_slice(&series.id.to_le_bytes());
        put_labels(&mut names, &series.labels);
        out.drain(BUFFER)?;
    }

    // Label sets repeat each other: compressed they take a fraction.
    let names = snap::raw::Encoder::new().compress_vec(&names).map_err(io::Error::other)?;
    footer.names = out.offset();
    footer.names_len = names.len() as u64;
    footer.names_crc = crc32fast::hash(&names);
    out.buffer.extend_from_slice(&names);

    footer.pages = out.offset();
    footer.entries = entries.len() as u64;
    let mut index = Vec::with_capacity(entries.len() / PAGE_ENTRIES * 8 + 8);
    for page in entries.chunks(PAGE_ENTRIES) {
        index.extend_from_slice(&page[0].id.to_le_bytes());
        let start = out.buffer.len();
        page.iter().for_each(|entry| entry.put(&mut out.buffer));
        let crc = crc32fast::hash(&out.buffer[start..]);
        out.buffer.extend_from_slice(&crc.to_le_bytes());
    }
    footer.index = out.offset();
    footer.index_crc = crc32fast::hash(&index);
    out.buffer.extend_from_slice(&index);
    out.buffer.extend_from_slice(&footer.to_bytes());
    out.drain(0)?;
    out.file.sync()?;
    Ok(footer)
}
