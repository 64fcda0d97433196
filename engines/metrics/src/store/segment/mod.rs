//! Sealed segments: immutable files of compressed samples, every byte under a checksum, read by position.
//!
//! ```text
//! magic | blobs: the chunks of one series each | names: labels of every series | pages of 64 entries | page index | footer
//! ```
//! Entries are sorted by series id. The names are there so that a lost catalogue can be made again; queries do not
//! read them. Only the page index (eight bytes per 64 series) stays in memory.

mod read;
mod write;

pub(super) use read::{Segment, SegmentError};
pub(super) use write::write;

pub(super) const MAGIC: &[u8; 8] = b"QDSEG01\n";
const END_MAGIC: &[u8; 8] = b"QDSEGEND";
const PAGE_ENTRIES: usize = 64;
const ENTRY_LEN: usize = 40;
const FOOTER_LEN: usize = 96;

/// Where the chunks of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: u64,
    offset: u64,
    len: u32,
    crc: u32,
    pub(super) min_t: i64,
    pub(super) max_t: i64,
}

impl Entry {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.min_t.to_le_bytes());
        out.extend_from_slice(&self.max_t.to_le_bytes());
    }

    fn get(reader: &mut super::codec::Reader<'_>) -> Option<Self> {
        Some(Self {
            id: reader.u64()?,
            offset: reader.u64()?,
            len: reader.u32()?,
            crc: reader.u32()?,
            min_t: reader.i64()?,
            max_t: reader.i64()?,
        })
    }

    pub(super) const fn overlaps(&self, from: i64, to: i64) -> bool {
        self.min_t <= to && self.max_t >= from
    }
}

/// The last bytes of a segment: where everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Footer {
    names: u64,
    names_len: u64,
    names_crc: u32,
    pages: u64,
    entries: u64,
    index: u64,
    index_crc: u32,
    min_t: i64,
    max_t: i64,
    samples: u64,
}

impl Footer {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_LEN);
        for number in [self.names, self.names_len, self.pages, self.entries, self.index, self.samples] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.min_t.to_le_bytes());
        out.extend_from_slice(&self.max_t.to_le_bytes());
        out.extend_from_slice(&self.names_crc.to_le_bytes());
        out.extend_from_slice(&self.index_crc.to_le_bytes());
        // Room for later fields; checked like the rest.
        out.resize(FOOTER_LEN - 12, 0);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.extend_from_slice(END_MAGIC);
        out
    }

    fn from_bytes(bytes: &[u8; FOOTER_LEN]) -> Option<Self> {
        let (body, end) = bytes.split_at(FOOTER_LEN - 12);
        let mut end = super::codec::Reader::new(end);
        if end.u32()? != crc32fast::hash(body) || end.take(8)? != END_MAGIC {
            return None;
        }
        let mut reader = super::codec::Reader::new(body);
        Some(Self {
            names: reader.u64()?,
            names_len: reader.u64()?,
            pages: reader.u64()?,
            entries: reader.u64()?,
            index: reader.u64()?,
            samples: reader.u64()?,
            min_t: reader.i64()?,
            max_t: reader.i64()?,
            names_crc: reader.u32()?,
            index_crc: reader.u32()?,
        })
    }

    /// Where page `n` starts, and how many entries it has.
    fn page(&self, n: u64) -> (u64, usize) {
        let full = (PAGE_ENTRIES * ENTRY_LEN + 4) as u64;
        let left = self.entries.saturating_sub(n * PAGE_ENTRIES as u64);
        (self.pages + n * full, usize::try_from(left).unwrap_or(usize::MAX).min(PAGE_ENTRIES))
    }

    const fn page_count(&self) -> u64 {
        self.entries.div_ceil(PAGE_ENTRIES as u64)
    }
}
