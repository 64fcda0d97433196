//! Reads a segment by position.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::codec::Reader;
use super::super::files::{Files, ReadFile};
use super::super::labels::Pair;
use super::block::Block;
use super::names::{NameReader, inflate};
use super::{FOOTER_LEN, Footer, GROUP_SERIES, INDEX_ENTRY, MAGIC, Span};

/// Neighbouring pieces are read together up to this size.
const READ_AHEAD: u64 = 96 << 10;

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
    pub(in super::super) span: Span,
    pub(in super::super) bytes: u64,
    file: Arc<dyn ReadFile>,
    footer: Footer,
    /// First id of each group.
    firsts: Box<[u64]>,
    /// Where the directory of each group starts, counted from the first.
    starts: Box<[u32]>,
    /// Found damaged since it was opened: no longer read.
    pub(in super::super) bad: AtomicBool,
}

/// Reads pieces of a file, neighbouring ones at once.
#[derive(Default)]
struct Ahead {
    start: u64,
    buffer: Vec<u8>,
}

impl Ahead {
    /// The bytes from `offset` on; none of those read ahead lies at or after `end`.
    fn get(&mut self, file: &dyn ReadFile, offset: u64, len: usize, end: u64) -> io::Result<&[u8]> {
        let held = self.start..self.start + self.buffer.len() as u64;
        let until = offset + len as u64;
        if !(held.start <= offset && until <= held.end) {
            // Only a reader that goes through the file profits from reading more than it asked for.
            let sequential = offset >= held.end && offset - held.end < READ_AHEAD / 4;
            let until = if sequential { (offset + READ_AHEAD).min(end).max(until) } else { until };
            self.buffer.resize(usize::try_from(until - offset).unwrap_or(0), 0);
            self.start = offset;
            file.read_at(&mut self.buffer, offset)?;
        }
        let at = (offset - self.start) as usize;
        Ok(&self.buffer[at..at + len])
    }
}

/// Where a block is, and which moments it holds.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    len: usize,
    crc: u32,
    min_t: i64,
    max_t: i64,
}

/// The directory of a group.
#[derive(Debug, Default)]
struct Directory {
    ids: Vec<u64>,
    blocks: Vec<Place>,
}

impl Directory {
    fn read(&mut self, bytes: &[u8], first: u64, end: u64) -> Option<()> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if *crc != crc32fast::hash(body).to_le_bytes() {
            return None;
        }
        let mut reader = Reader::new(body);
        let count = usize::try_from(reader.varint()?).ok().filter(|n| (1..=GROUP_SERIES).contains(n))?;
        self.ids.clear();
        self.ids.push(first);
        let (mut high, mut low) = (i64::from((first >> 32) as u32), i64::from(first as u32));
        for _ in 1..count {
            (high, low) = (high.checked_add(reader.zigzag()?)?, low.checked_add(reader.zigzag()?)?);
            self.ids.push(u64::from(u32::try_from(high).ok()?) << 32 | u64::from(u32::try_from(low).ok()?));
        }
        self.blocks.clear();
        let (mut offset, mut before) = (reader.varint()?, 0i64);
        while !reader.is_empty() {
            let len = reader.varint()?;
            let crc = reader.u32()?;
            let min_t = before.wrapping_add(reader.zigzag()?);
            let max_t = min_t.wrapping_add(reader.varint()? as i64);
            let next = offset.checked_add(len).filter(|next| *next <= end)?;
            self.blocks.push(Place { offset, len: usize::try_from(len).ok()?, crc, min_t, max_t });
            (offset, before) = (next, max_t);
        }
        Some(())
    }
}

impl Segment {
    pub(in super::super) fn open(files: &dyn Files, folder: &Path, name: &str) -> Result<Self, SegmentError> {
        let damaged = |what, offset| SegmentError::Damaged { what, offset };
        let span = Span::of_file(name).ok_or_else(|| damaged("the name", 0))?;
        let file = files.open(&folder.join(name))?;
        let bytes = file.len()?;
        let mut magic = [0; 8];
        file.read_at(&mut magic, 0)?;
        if &magic != MAGIC {
            return Err(damaged("the first line", 0));
        }
        let footer_at = bytes.checked_sub(FOOTER_LEN as u64).ok_or_else(|| damaged("the footer", 0))?;
        let mut footer = [0; FOOTER_LEN];
        file.read_at(&mut footer, footer_at)?;
        let footer = Footer::from_bytes(&footer).ok_or_else(|| damaged("the footer", footer_at))?;
        let index_len = footer.groups.checked_mul(INDEX_ENTRY as u64);
        let sections = [MAGIC.len() as u64, footer.names, footer.directories, footer.index, footer_at];
        if !sections.is_sorted()
            || footer.names.checked_add(footer.names_len) != Some(footer.directories)
            || index_len.and_then(|len| footer.index.checked_add(len)) != Some(footer_at)
        {
            return Err(damaged("the footer", footer_at));
        }
        let mut index = vec![0; usize::try_from(footer_at - footer.index).unwrap_or(0)];
        file.read_at(&mut index, footer.index)?;
        if crc32fast::hash(&index) != footer.index_crc {
            return Err(damaged("the index", footer.index));
        }
        let mut reader = Reader::new(&index);
        let (firsts, starts): (Vec<u64>, Vec<u32>) =
            std::iter::from_fn(|| Some((reader.u64()?, reader.u32()?))).unzip();
        let (firsts, starts) = (firsts.into_boxed_slice(), starts.into_boxed_slice());
        Ok(Self {
            name: name.to_owned(),
            span,
            bytes,
            file,
            footer,
            firsts,
            starts,
            bad: AtomicBool::new(false),
        })
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

    fn directory(&self, group: usize, ahead: &mut Ahead, out: &mut Directory) -> Result<(), SegmentError> {
        let base = self.footer.directories;
        let start = base + u64::from(self.starts[group]);
        let end = self.starts.get(group + 1).map_or(self.footer.index, |next| base + u64::from(*next));
        let damaged = || SegmentError::Damaged { what: "a directory", offset: start };
        if start >= end || end > self.footer.index {
            return Err(damaged());
        }
        let bytes = ahead.get(&*self.file, start, (end - start) as usize, self.footer.index)?;
        out.read(bytes, self.firsts[group], self.footer.names).ok_or_else(damaged)
    }

    /// Walks through what the series among `ids` (sorted) have from `from` to `to`. `take` is given the place of the
    /// series in `ids`, the block, its bytes and the run in it, and says whether to go on. Blocks of one series come
    /// in the order of time.
    fn walk(
        &self,
        ids: &[u64],
        from: i64,
        to: i64,
        mut take: impl FnMut(usize, &mut Block, &[u8], usize) -> Option<bool>,
    ) -> Result<(), SegmentError> {
        let (mut directories, mut blocks) = (Ahead::default(), Ahead::default());
        let (mut directory, mut block) = (Directory::default(), Block::default());
        let mut wanted: Vec<(usize, usize)> = Vec::new();
        let mut i = 0;
        while i < ids.len() {
            // The last group that starts at or before this id.
            let Some(group) = self.firsts.partition_point(|first| *first <= ids[i]).checked_sub(1) else {
                i += 1;
                continue;
            };
            let next = self.firsts.get(group + 1);
            self.directory(group, &mut directories, &mut directory)?;
            wanted.clear();
            let mut at = 0;
            while let Some(id) = ids.get(i).filter(|id| next.is_none_or(|next| *id < next)) {
                at += directory.ids[at..].partition_point(|held| held < id);
                if directory.ids.get(at) == Some(id) {
                    wanted.push((at, i));
                }
                i += 1;
            }
            if wanted.is_empty() {
                continue;
            }
            for place in directory.blocks.iter().filter(|place| place.min_t <= to && place.max_t >= from) {
                let damaged = || SegmentError::Damaged { what: "samples", offset: place.offset };
                let bytes = blocks.get(&*self.file, place.offset, place.len, self.footer.names)?;
                if crc32fast::hash(bytes) != place.crc {
                    return Err(damaged());
                }
                block.read(bytes, directory.ids.len()).ok_or_else(damaged)?;
                for (series, asked) in &wanted {
                    let Some(run) = block.find(*series) else { continue };
                    if !take(*asked, &mut block, bytes, run).ok_or_else(damaged)? {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands the samples from `from` to `to` of the series among `ids` (sorted) to `take`, with the place of the
    /// series in `ids`, until it says `false`. Those of one series come in pieces, in the order of time.
    pub(in super::super) fn samples_of(
        &self,
        ids: &[u64],
        from: i64,
        to: i64,
        mut take: impl FnMut(usize, &[i64], &[u64]) -> bool,
    ) -> Result<(), SegmentError> {
        self.walk(ids, from, to, |place, block, bytes, run| {
            let (times, values) = block.samples(bytes, run, from, to)?;
            Some(times.is_empty() || take(place, times, values))
        })
    }

    /// Tells `found` which of the series among `ids` (sorted) have a sample from `from` to `to`, some of them more than
    /// once. No value is decoded.
    pub(in super::super) fn present(
        &self,
        ids: &[u64],
        from: i64,
        to: i64,
        mut found: impl FnMut(usize),
    ) -> Result<(), SegmentError> {
        self.walk(ids, from, to, |place, block, bytes, run| {
            if !block.times(bytes, run, from, to)?.1.is_empty() {
                found(place);
            }
            Some(true)
        })
    }

    /// The newest sample from `from` to `to` of each of the series among `ids` (sorted), if `wanted` wants one of its
    /// time; it is told for each block anew, later ones after earlier ones.
    pub(in super::super) fn newest_of(
        &self,
        ids: &[u64],
        from: i64,
        to: i64,
        mut wanted: impl FnMut(usize, i64) -> bool,
        mut take: impl FnMut(usize, i64, u64) -> bool,
    ) -> Result<(), SegmentError> {
        self.walk(ids, from, to, |place, block, bytes, run| {
            let (start, times) = block.times(bytes, run, from, to)?;
            let Some(t) = times.last().copied().filter(|t| wanted(place, *t)) else { return Some(true) };
            let end = start + times.len();
            let value = block.values(bytes, run, end)?.last().copied()?;
            Some(take(place, t, value))
        })
    }

    fn name_bytes(&self) -> Result<Vec<u8>, SegmentError> {
        let damaged = || SegmentError::Damaged { what: "the names", offset: self.footer.names };
        let mut bytes = vec![0; usize::try_from(self.footer.names_len).map_err(|_| damaged())?];
        self.file.read_at(&mut bytes, self.footer.names)?;
        if crc32fast::hash(&bytes) != self.footer.names_crc {
            return Err(damaged());
        }
        Ok(bytes)
    }

    /// Hands the id, the labels and a time not before the newest of every series to `take`: how a lost catalogue is
    /// made again.
    pub(in super::super) fn names(
        &self,
        mut take: impl FnMut(u64, &[Arc<Pair>], i64),
    ) -> Result<(), SegmentError> {
        let damaged = || SegmentError::Damaged { what: "the names", offset: self.footer.names };
        let bytes = inflate(&self.name_bytes()?).ok_or_else(damaged)?;
        let (pairs, mut reader) = NameReader::new(&bytes).ok_or_else(damaged)?;
        if reader.left() as u64 != self.footer.series {
            return Err(damaged());
        }
        let mut labels: Vec<Arc<Pair>> = Vec::new();
        let mut cursor = Cursor::new(self);
        while cursor.fill()? {
            for at in 0..cursor.directory.ids.len() {
                let (id, places, _) = reader.next().ok_or_else(damaged)?;
                labels.clear();
                for place in places {
                    labels.push(Arc::clone(pairs.get(*place).ok_or_else(damaged)?));
                }
                if id != cursor.directory.ids[at] || !labels.is_sorted_by(|a, b| a.name < b.name) {
                    return Err(damaged());
                }
                take(id, &labels, cursor.newest_of(at)?);
            }
            cursor.next_group();
        }
        Ok(())
    }

    /// Reads every byte and checks it.
    pub(in super::super) fn verify(&self) -> Result<(), SegmentError> {
        let mut samples = 0u64;
        let mut run = Vec::new();
        self.names(|_, _, _| {})?;
        let mut cursor = Cursor::new(self);
        while cursor.id()?.is_some() {
            run.clear();
            cursor.take(&mut run)?;
            samples += run.len() as u64;
        }
        if samples != self.footer.samples {
            return Err(SegmentError::Damaged { what: "the number of samples", offset: self.footer.index });
        }
        Ok(())
    }
}

/// Goes through the series of a segment in the order of their ids. One group is in memory at a time, compressed.
pub(in super::super) struct Cursor<'s> {
    segment: &'s Segment,
    group: usize,
    at: usize,
    filled: bool,
    directories: Ahead,
    directory: Directory,
    blocks: Vec<(Vec<u8>, Block)>,
}

impl<'s> Cursor<'s> {
    pub(in super::super) fn new(segment: &'s Segment) -> Self {
        Self {
            segment,
            group: 0,
            at: 0,
            filled: false,
            directories: Ahead::default(),
            directory: Directory::default(),
            blocks: Vec::new(),
        }
    }

    /// Checks the bytes that going through the series does not touch.
    pub(in super::super) fn check_names(&self) -> Result<(), SegmentError> {
        self.segment.name_bytes().map(|_| ())
    }

    /// Reads the group if that has not been done; says whether there is one.
    fn fill(&mut self) -> Result<bool, SegmentError> {
        if self.filled {
            return Ok(true);
        }
        if self.group >= self.segment.firsts.len() {
            return Ok(false);
        }
        self.segment.directory(self.group, &mut self.directories, &mut self.directory)?;
        let Self { directory, blocks, segment, .. } = self;
        blocks.resize_with(directory.blocks.len(), Default::default);
        for (place, (bytes, block)) in directory.blocks.iter().zip(blocks) {
            let damaged = || SegmentError::Damaged { what: "samples", offset: place.offset };
            bytes.resize(place.len, 0);
            segment.file.read_at(bytes, place.offset)?;
            if crc32fast::hash(bytes) != place.crc {
                return Err(damaged());
            }
            block.read(bytes, directory.ids.len()).ok_or_else(damaged)?;
        }
        self.filled = true;
        Ok(true)
    }

    fn next_group(&mut self) {
        (self.group, self.at, self.filled) = (self.group + 1, 0, false);
    }

    /// The id of the series that is next; `None` after the last.
    pub(in super::super) fn id(&mut self) -> Result<Option<u64>, SegmentError> {
        Ok(if self.fill()? { self.directory.ids.get(self.at).copied() } else { None })
    }

    fn newest_of(&mut self, series: usize) -> Result<i64, SegmentError> {
        for (n, (bytes, block)) in self.blocks.iter_mut().enumerate().rev() {
            let offset = self.directory.blocks[n].offset;
            let Some(run) = block.find(series) else { continue };
            let times = block.times(bytes, run, i64::MIN, i64::MAX);
            let (_, times) = times.ok_or(SegmentError::Damaged { what: "samples", offset })?;
            if let Some(t) = times.last() {
                return Ok(*t);
            }
        }
        Ok(i64::MIN)
    }

    /// Appends all samples of the series that is next, and goes on to the one after it.
    pub(in super::super) fn take(&mut self, out: &mut Vec<(i64, u64)>) -> Result<(), SegmentError> {
        if !self.fill()? {
            return Ok(());
        }
        for (n, (bytes, block)) in self.blocks.iter_mut().enumerate() {
            let offset = self.directory.blocks[n].offset;
            let damaged = || SegmentError::Damaged { what: "samples", offset };
            let Some(run) = block.find(self.at) else { continue };
            let (times, values) = block.samples(bytes, run, i64::MIN, i64::MAX).ok_or_else(damaged)?;
            out.extend(times.iter().copied().zip(values.iter().copied()));
        }
        self.at += 1;
        if self.at == self.directory.ids.len() {
            self.next_group();
        }
        Ok(())
    }
}
