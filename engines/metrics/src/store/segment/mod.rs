//! Sealed segments: immutable files of compressed samples, every byte under a checksum, read by position.
//!
//! ```text
//! magic | blocks | names | directories | index | footer
//! ```
//! Series are sorted by id and stand in groups of up to 64. The samples of a group are cut by time into blocks of up to
//! 120 samples a series. In a block, series that have the same moments share one column of times: those of one scrape
//! do. A directory tells the ids of a group and where its blocks are; the index tells where the directories are, and is
//! all of a segment that stays in memory: twelve bytes for 64 series. The names are there so that a lost catalogue can
//! be made again; queries do not read them.
//!
//! A segment's file name tells which sealings it holds: `0000000007.seg` the seventh, `0000000003-0000000006.seg` the
//! third to the sixth, merged. A merged segment stands for those within its span that are still there: whoever finds
//! them together was interrupted between writing the one and deleting the others.

mod block;
mod names;
mod numbers;
mod read;
mod write;

pub(super) use names::{NameReader, NameWriter, inflate};
pub(super) use read::{Cursor, Segment, SegmentError};
pub(super) use write::write;

pub(super) const MAGIC: &[u8; 8] = b"QDSEG02\n";
const END_MAGIC: &[u8; 8] = b"QDSEGEND";
/// The most series of a group.
const GROUP_SERIES: usize = 64;
const FOOTER_LEN: usize = 128;
/// Bytes of the index for one group.
const INDEX_ENTRY: usize = 12;

/// Which sealings a segment holds, the first and the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Span {
    pub(super) const fn one(number: u64) -> Self {
        Self { first: number, last: number }
    }

    /// The file that holds them.
    pub(super) fn file_name(self) -> String {
        if self.first == self.last {
            format!("{:010}.seg", self.first)
        } else {
            format!("{:010}-{:010}.seg", self.first, self.last)
        }
    }

    /// What a file of that name holds; `None` when it is no segment.
    pub(super) fn of_file(name: &str) -> Option<Self> {
        let stem = name.strip_suffix(".seg")?;
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.len() >= 10);
        match stem.split_once('-') {
            None => Some(Self::one(number(stem)?)),
            Some((first, last)) => {
                let span = Self { first: number(first)?, last: number(last)? };
                (span.first < span.last).then_some(span)
            }
        }
    }

    /// Whether another segment lies within this one and is smaller.
    pub(super) fn replaces(self, other: Self) -> bool {
        self != other && self.first <= other.first && other.last <= self.last
    }
}

/// The last bytes of a segment: where everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Footer {
    names: u64,
    names_len: u64,
    directories: u64,
    index: u64,
    groups: u64,
    series: u64,
    samples: u64,
    min_t: i64,
    max_t: i64,
    names_crc: u32,
    index_crc: u32,
}

impl Footer {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FOOTER_LEN);
        for number in [
            self.names,
            self.names_len,
            self.directories,
            self.index,
            self.groups,
            self.series,
            self.samples,
            self.min_t as u64,
            self.max_t as u64,
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
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
            directories: reader.u64()?,
            index: reader.u64()?,
            groups: reader.u64()?,
            series: reader.u64()?,
            samples: reader.u64()?,
            min_t: reader.i64()?,
            max_t: reader.i64()?,
            names_crc: reader.u32()?,
            index_crc: reader.u32()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_segment_holds() {
        for span in [Span::one(7), Span { first: 3, last: 6 }, Span::one(12_345_678_901)] {
            assert_eq!(Span::of_file(&span.file_name()), Some(span));
        }
        assert_eq!(Span { first: 3, last: 6 }.file_name(), "0000000003-0000000006.seg");
        for other in
            ["1.seg", "0000000001.seg.tmp", "0000000005-0000000003.seg", "0000000001.seg.damaged", "x.seg"]
        {
            assert_eq!(Span::of_file(other), None, "{other}");
        }
        let (wide, narrow) = (Span { first: 3, last: 6 }, Span { first: 4, last: 6 });
        assert!(wide.replaces(narrow) && !narrow.replaces(wide) && !wide.replaces(wide));
        assert!(!wide.replaces(Span::one(7)) && wide.replaces(Span::one(3)));
    }
}
