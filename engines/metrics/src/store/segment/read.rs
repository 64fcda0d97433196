//! Reads a segment by position.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quarterdeck_kernel::Labels;

use super::super::chunk::{Chunk, Decoder};
use super::super::codec::Reader;
use super::super::files::{Files, ReadFile};
use super::{ENTRY_LEN, Entry, FOOTER_LEN, Footer, MAGIC};

/// Neighbouring blobs are read together up to this size.
const READ_AHEAD: u64 = 256 << 10;

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum SegmentError {
    /// The file system says no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bytes are not those that were written.
    #[error("{what} at offset {offset} is not what was written")]
    Damaged { what: &'static str, offset: u64 },
}

impl SegmentError {
    /// Whether the file itself is bad, rather than out of reach.
    pub(in super::super) fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Io(error) => error.kind() == io::ErrorKind::UnexpectedEof,
        }
    }
}

/// An open segment.
pub(in super::super) struct Segment {
    pub(in super::super) name: String,
    pub(in super::super) bytes: u64,
    file: Arc<dyn ReadFile>,
    footer: Footer,
    /// First id of each page.
    index: Vec<u64>,
    /// Found damaged since it was opened: no longer read.
    pub(in super::super) bad: AtomicBool,
}

/// Reads blobs, neighbouring ones at once.
#[derive(Default)]
struct Ahead {
    start: u64,
    buffer: Vec<u8>,
}

impl Segment {
    pub(in super::super) fn open(files: &dyn Files, folder: &Path, name: &str) -> Result<Self, SegmentError> {
        let file = files.open(&folder.join(name))?;
        let bytes = file.len()?;
        let damaged = |what, offset| SegmentError::Damaged { what, offset };
        let mut magic = [0; 8];
        file.read_at(&mut magic, 0)?;
        if &magic != MAGIC {
            return Err(damaged("the first line", 0));
        }
        let footer_at = bytes.checked_sub(FOOTER_LEN as u64).ok_or_else(|| damaged("the footer", 0))?;
        let mut footer = [0; FOOTER_LEN];
        file.read_at(&mut footer, footer_at)?;
        let footer = Footer::from_bytes(&footer).ok_or_else(|| damaged("the footer", footer_at))?;
        let index_len = footer.page_count() * 8;
        if footer.index.checked_add(index_len) != Some(footer_at) {
            return Err(damaged("the footer", footer_at));
        }
        let mut index = vec![0; usize::try_from(index_len).unwrap_or(0)];
        file.read_at(&mut index, footer.index)?;
        if crc32fast::hash(&index) != footer.index_crc {
            return Err(damaged("the page index", footer.index));
        }
        let mut reader = Reader::new(&index);
        let index = std::iter::from_fn(|| reader.u64()).collect();
        Ok(Self { name: name.to_owned(), bytes, file, footer, index, bad: AtomicBool::new(false) })
    }

    pub(in super::super) const fn min_t(&self) -> i64 {
        self.footer.min_t
    }

    pub(in super::super) const fn max_t(&self) -> i64 {
        self.footer.max_t
    }

    pub(in super::super) const fn samples(&self) -> u64 {
        self.footer.samples
    }

    pub(in super::super) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.footer.min_t <= to && self.footer.max_t >= from && !self.bad.load(Ordering::Relaxed)
    }

    fn page(&self, n: u64) -> Result<Vec<Entry>, SegmentError> {
        let (offset, count) = self.footer.page(n);
        let mut bytes = vec![0; count * ENTRY_LEN + 4];
        self.file.read_at(&mut bytes, offset)?;
        let (body, crc) = bytes.split_at(count * ENTRY_LEN);
        if crc != crc32fast::hash(body).to_le_bytes() {
            return Err(SegmentError::Damaged { what: "a page of entries", offset });
        }
        let mut reader = Reader::new(body);
        Ok(std::iter::from_fn(|| Entry::get(&mut reader)).collect())
    }

    /// The entries of the series among `ids` (sorted) that overlap a range, each with its place in `ids`.
    pub(in super::super) fn entries(
        &self,
        ids: &[u64],
        from: i64,
        to: i64,
    ) -> Result<Vec<(usize, Entry)>, SegmentError> {
        let mut found = Vec::new();
        let mut i = 0;
        while i < ids.len() {
            // The last page that starts at or before this id.
            let Some(page) = self.index.partition_point(|first| *first <= ids[i]).checked_sub(1) else {
                i += 1;
                continue;
            };
            let end = self.index.get(page + 1).copied().unwrap_or(u64::MAX);
            let entries = self.page(page as u64)?;
            let mut at = 0;
            while let Some(id) = ids.get(i).filter(|id| **id < end || end == u64::MAX) {
                at += entries[at..].partition_point(|entry| entry.id < *id);
                if let Some(entry) = entries.get(at).filter(|e| e.id == *id && e.overlaps(from, to)) {
                    found.push((i, *entry));
                }
                i += 1;
            }
        }
        Ok(found)
    }

    fn blob<'b>(&self, entry: &Entry, ahead: &'b mut Ahead) -> Result<&'b [u8], SegmentError> {
        let damaged = || SegmentError::Damaged { what: "samples", offset: entry.offset };
        let end = entry.offset.checked_add(u64::from(entry.len)).ok_or_else(damaged)?;
        if end > self.footer.names {
            return Err(damaged());
        }
        let held = ahead.start..ahead.start + ahead.buffer.len() as u64;
        if !(held.start <= entry.offset && end <= held.end) {
            // Only a reader that goes through the file profits from reading more than it asked for.
            let sequential = entry.offset >= held.end && entry.offset - held.end < READ_AHEAD / 4;
            let until =
                if sequential { (entry.offset + READ_AHEAD).min(self.footer.names).max(end) } else { end };
            ahead.buffer.resize(usize::try_from(until - entry.offset).unwrap_or(0), 0);
            ahead.start = entry.offset;
            self.file.read_at(&mut ahead.buffer, entry.offset)?;
        }
        let at = (entry.offset - ahead.start) as usize;
        let blob = ahead.buffer.get(at..at + entry.len as usize).ok_or_else(damaged)?;
        if crc32fast::hash(blob) != entry.crc {
            return Err(damaged());
        }
        Ok(blob)
    }

    /// Hands the chunks of the entries that overlap a range to `take`, with the entry's place in `ids`, until it says
    /// `false`.
    pub(in super::super) fn chunks(
        &self,
        entries: &[(usize, Entry)],
        from: i64,
        to: i64,
        mut take: impl FnMut(usize, i64, i64, Decoder<'_>) -> bool,
    ) -> Result<(), SegmentError> {
        let mut ahead = Ahead::default();
        for (place, entry) in entries {
            let blob = self.blob(entry, &mut ahead)?;
            let mut reader = Reader::new(blob);
            let mut before = 0i64;
            while !reader.is_empty() {
                let Some((chunk, bytes)) = next_chunk(&mut reader, before) else {
                    return Err(SegmentError::Damaged { what: "samples", offset: entry.offset });
                };
                before = chunk.max_t;
                if chunk.overlaps(from, to) {
                    let samples = Decoder::new(chunk.min_t, chunk.count, bytes);
                    if !take(*place, chunk.min_t, chunk.max_t, samples) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Every series with its labels and its newest time: how a lost catalogue is made again.
    pub(in super::super) fn names(&self) -> Result<Vec<(u64, Labels, i64)>, SegmentError> {
        let damaged = || SegmentError::Damaged { what: "the names", offset: self.footer.names };
        let mut bytes = vec![0; usize::try_from(self.footer.names_len).map_err(|_| damaged())?];
        self.file.read_at(&mut bytes, self.footer.names)?;
        if crc32fast::hash(&bytes) != self.footer.names_crc {
            return Err(damaged());
        }
        let bytes = snap::raw::Decoder::new().decompress_vec(&bytes).map_err(|_| damaged())?;
        let mut reader = Reader::new(&bytes);
        let mut names = Vec::new();
        for n in 0..self.footer.page_count() {
            for entry in self.page(n)? {
                let (id, labels) =
                    next_name(&mut reader).filter(|(id, _)| *id == entry.id).ok_or_else(damaged)?;
                names.push((id, labels, entry.max_t));
            }
        }
        Ok(names)
    }

    /// Reads every byte and checks it.
    pub(in super::super) fn verify(&self) -> Result<(), SegmentError> {
        self.names()?;
        for n in 0..self.footer.page_count() {
            let entries: Vec<(usize, Entry)> = self.page(n)?.into_iter().enumerate().collect();
            self.chunks(&entries, i64::MIN, i64::MAX, |_, _, _, _| true)?;
        }
        Ok(())
    }
}

fn next_name(reader: &mut Reader<'_>) -> Option<(u64, Labels)> {
    let id = reader.u64()?;
    let count = reader.count()?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((reader.text()?, reader.text()?));
    }
    Some((id, Labels::from_pairs(pairs)))
}

/// Header and bytes of the next chunk; the header's own bytes are left empty.
fn next_chunk<'a>(reader: &mut Reader<'a>, before: i64) -> Option<(Chunk, &'a [u8])> {
    let count = u16::try_from(reader.varint()?).ok()?;
    let min_t = before.wrapping_add(reader.zigzag()?);
    let max_t = min_t.wrapping_add(reader.varint()? as i64);
    let len = reader.count()?;
    Some((Chunk { min_t, max_t, count, bytes: Arc::from([]) }, reader.take(len)?))
}
