//! The write-ahead log: framed, checksummed records in numbered files.
//!
//! A record is its length, the CRC-32 of its body, and the body. Samples name their series by slot: a slot means the
//! series that was last put into it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::codec::{Reader, put_text, put_varint, put_zigzag};
use super::files::{Files, ReadFile, WriteFile, set_aside};
use crate::ingest::{Metadata, MetricType};
use crate::model::Damage;

const MAGIC: &[u8; 8] = b"QDLOG01\n";
const FRAME: usize = 8;
/// Longer records are not written, so a longer one read is damage.
const MAX_RECORD: usize = 256 << 20;

const SERIES: u8 = 1;
const SAMPLES: u8 = 2;
const METADATA: u8 = 3;

/// A record, read back.
pub(super) enum Record<'a> {
    /// Id, labels.
    Series(u64, &'a [(&'a str, &'a str)]),
    /// Slot, time, bits.
    Samples(&'a [(u32, i64, u64)]),
    Metadata(String, Metadata),
}

/// Wraps what `body` writes in a frame.
fn framed(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME]);
    body(out);
    let len = (out.len() - start - FRAME) as u32;
    let crc = crc32fast::hash(&out[start + FRAME..]);
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
}

fn put_labels<'l>(out: &mut Vec<u8>, labels: impl ExactSizeIterator<Item = (&'l str, &'l str)>) {
    put_varint(out, labels.len() as u64);
    for (name, value) in labels {
        put_text(out, name);
        put_text(out, value);
    }
}

pub(super) fn frame_series<'l>(
    out: &mut Vec<u8>,
    id: u64,
    labels: impl ExactSizeIterator<Item = (&'l str, &'l str)>,
) {
    framed(out, |out| {
        out.push(SERIES);
        out.extend_from_slice(&id.to_le_bytes());
        put_labels(out, labels);
    });
}

pub(super) fn frame_samples(out: &mut Vec<u8>, samples: impl ExactSizeIterator<Item = (u32, i64, u64)>) {
    framed(out, |out| {
        out.push(SAMPLES);
        put_varint(out, samples.len() as u64);
        let (mut slot, mut t) = (0i64, 0i64);
        for (next_slot, next_t, bits) in samples {
            put_zigzag(out, i64::from(next_slot) - slot);
            put_zigzag(out, next_t.wrapping_sub(t));
            out.extend_from_slice(&bits.to_le_bytes());
            (slot, t) = (i64::from(next_slot), next_t);
        }
    });
}

pub(super) fn put_metadata(out: &mut Vec<u8>, metric: &str, metadata: &Metadata) {
    put_text(out, metric);
    out.push(kind_code(metadata.kind));
    put_text(out, &metadata.help);
    put_text(out, &metadata.unit);
}

pub(super) fn get_metadata(reader: &mut Reader<'_>) -> Option<(String, Metadata)> {
    let metric = reader.text()?.to_owned();
    let kind = kind_of(reader.u8()?);
    Some((metric, Metadata { kind, help: reader.text()?.to_owned(), unit: reader.text()?.to_owned() }))
}

pub(super) fn frame_metadata(out: &mut Vec<u8>, metric: &str, metadata: &Metadata) {
    framed(out, |out| {
        out.push(METADATA);
        put_metadata(out, metric, metadata);
    });
}

const KINDS: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

fn kind_code(kind: MetricType) -> u8 {
    KINDS.iter().position(|k| *k == kind).unwrap_or(0) as u8
}

fn kind_of(code: u8) -> MetricType {
    KINDS.get(usize::from(code)).copied().unwrap_or_default()
}

/// Reads a record and hands it on; `None` when it is not one. Nothing is handed on then.
fn read_record(
    body: &[u8],
    samples: &mut Vec<(u32, i64, u64)>,
    take: &mut impl FnMut(Record<'_>),
) -> Option<()> {
    let mut reader = Reader::new(body);
    match reader.u8()? {
        SERIES => {
            let id = reader.u64()?;
            let count = reader.count()?;
            let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(count);
            for _ in 0..count {
                pairs.push((reader.text()?, reader.text()?));
            }
            pairs.is_sorted_by(|a, b| a.0 < b.0).then(|| take(Record::Series(id, &pairs)))
        }
        SAMPLES => {
            let count = reader.count()?;
            samples.clear();
            samples.reserve(count);
            let (mut slot, mut t) = (0i64, 0i64);
            for _ in 0..count {
                slot = slot.wrapping_add(reader.zigzag()?);
                t = t.wrapping_add(reader.zigzag()?);
                samples.push((u32::try_from(slot).ok()?, t, reader.u64()?));
            }
            take(Record::Samples(samples));
            Some(())
        }
        METADATA => {
            let (metric, metadata) = get_metadata(&mut reader)?;
            take(Record::Metadata(metric, metadata));
            Some(())
        }
        _ => None,
    }
}

/// The name of a log file.
fn file_name(number: u64) -> String {
    format!("{number:010}.log")
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}

/// The log being written.
pub(super) struct Log {
    files: Arc<dyn Files>,
    folder: PathBuf,
    number: u64,
    file: Option<Arc<dyn WriteFile>>,
    len: u64,
    /// Bytes of older files that are still needed.
    older: u64,
    /// Records that go out with the next append.
    pub(super) pending: Vec<u8>,
}

impl Log {
    /// A log that goes on in a new file, `number`.
    pub(super) fn new(files: Arc<dyn Files>, folder: PathBuf, number: u64, older: u64) -> Self {
        Self { files, folder, number, file: None, len: 0, older, pending: Vec::new() }
    }

    /// Bytes of all files that are needed.
    pub(super) const fn bytes(&self) -> u64 {
        self.older + self.len
    }

    fn current(&mut self) -> io::Result<Arc<dyn WriteFile>> {
        if let Some(file) = &self.file {
            return Ok(Arc::clone(file));
        }
        let file = self.files.create(&self.folder.join(file_name(self.number)))?;
        file.append(MAGIC)?;
        self.files.sync_folder(&self.folder)?;
        self.len = MAGIC.len() as u64;
        self.file = Some(Arc::clone(&file));
        Ok(file)
    }

    /// Writes the pending records. They have reached the file when it returns. If that fails none has, and the first
    /// `keep_on_failure` bytes of them stay pending.
    pub(super) fn flush(&mut self, keep_on_failure: usize) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = match self.current() {
            Ok(file) => {
                let written = file.append(&self.pending);
                if written.is_err() && file.truncate(self.len).is_err() {
                    // Half a record may stand at the end of this file: it ends there.
                    self.cut();
                }
                written
            }
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {
                self.len += self.pending.len() as u64;
                self.pending.clear();
                if self.pending.capacity() > 4 << 20 {
                    self.pending.shrink_to(1 << 20);
                }
                Ok(())
            }
            Err(error) => {
                self.pending.truncate(keep_on_failure);
                Err(error)
            }
        }
    }

    /// Goes on in a new file; gives its number.
    pub(super) fn cut(&mut self) -> u64 {
        if self.file.take().is_some() {
            self.older += self.len;
            self.len = 0;
            self.number += 1;
        }
        self.number
    }

    /// What to sync so that everything written so far is on the disk.
    pub(super) fn handle(&self) -> Option<Arc<dyn WriteFile>> {
        self.file.clone()
    }

    /// Deletes the files before `number`.
    pub(super) fn forget_before(&mut self, number: u64) -> io::Result<()> {
        remove_before(&*self.files, &self.folder, number)?;
        if number >= self.number {
            self.older = 0;
        }
        Ok(())
    }
}

/// The names of the log files before `number`.
pub(super) fn names_before(files: &dyn Files, folder: &Path, number: u64) -> io::Result<Vec<String>> {
    let mut names = files.list(folder)?;
    names.retain(|name| number_of(name).is_some_and(|n| n < number));
    Ok(names)
}

/// Deletes the log files before `number`.
pub(super) fn remove_before(files: &dyn Files, folder: &Path, number: u64) -> io::Result<()> {
    for name in names_before(files, folder, number)? {
        files.remove(&folder.join(name))?;
    }
    files.sync_folder(folder)
}

/// What reading the log back came to.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// Number of the next file.
    pub(super) next: u64,
    /// Bytes of the files read.
    pub(super) bytes: u64,
    pub(super) damage: Vec<Damage>,
}

/// Reads every record from file `floor` on, in order. A torn end is cut off; anything else that is damaged is set
/// aside from where it starts.
pub(super) fn replay(
    files: &dyn Files,
    folder: &Path,
    floor: u64,
    mut take: impl FnMut(Record<'_>),
) -> io::Result<Replay> {
    let mut result = Replay { next: floor, ..Replay::default() };
    for name in files.list(folder)? {
        let Some(number) = number_of(&name).filter(|n| *n >= floor) else { continue };
        result.next = result.next.max(number + 1);
        let path = folder.join(&name);
        let file = files.open(&path)?;
        let len = file.len()?;
        let (good, records, torn) = scan(&*file, len, &mut take)?;
        result.bytes += good;
        if good == len {
            continue;
        }
        let lost = len - good;
        let told = format!("log/{name}");
        if torn {
            files.truncate(&path, good)?;
            let what =
                format!("the last record was torn: {lost} bytes after {records} whole records were cut off");
            result.damage.push(Damage { file: told, what });
        } else {
            // The whole file is kept aside; its good part is written again under its own name.
            let aside = set_aside(files, folder, &name)?;
            let rewritten = files.create(&path)?;
            let mut window = Window::new(&*file, len);
            let mut at = 0;
            while at < good {
                let part = (good - at).min(WINDOW as u64);
                let Some(bytes) = window.get(at, part as usize)? else { break };
                rewritten.append(bytes)?;
                at += part;
            }
            rewritten.sync()?;
            files.sync_folder(folder)?;
            let what = format!(
                "damaged after {records} whole records: the {lost} bytes from offset {good} on are not read; the file is kept as log/{aside}"
            );
            result.damage.push(Damage { file: told, what });
        }
    }
    Ok(result)
}

/// A log is read in pieces of so many bytes, or of one record if that is longer.
const WINDOW: usize = 1 << 20;

/// Reads a file from its start to its end with bounded memory.
struct Window<'f> {
    file: &'f dyn ReadFile,
    len: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl<'f> Window<'f> {
    const fn new(file: &'f dyn ReadFile, len: u64) -> Self {
        Self { file, len, start: 0, buffer: Vec::new() }
    }

    /// `count` bytes from an offset on; `None` when the file ends before.
    fn get(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let end = offset.saturating_add(count as u64);
        if end > self.len {
            return Ok(None);
        }
        if offset < self.start || end > self.start + self.buffer.len() as u64 {
            let until = offset.saturating_add(count.max(WINDOW) as u64).min(self.len);
            self.buffer.resize((until - offset) as usize, 0);
            self.file.read_at(&mut self.buffer, offset)?;
            self.start = offset;
        }
        let at = (offset - self.start) as usize;
        Ok(self.buffer.get(at..at + count))
    }

    /// Whether everything from an offset on is zeros.
    fn ends_in_zeros(&mut self, mut offset: u64) -> io::Result<bool> {
        while offset < self.len {
            let part = (self.len - offset).min(WINDOW as u64);
            match self.get(offset, part as usize)? {
                Some(bytes) if bytes.iter().all(|byte| *byte == 0) => offset += part,
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Reads the records of one file: the length of its good part, how many there are, and whether what follows is no
/// more than a record cut short.
fn scan(file: &dyn ReadFile, len: u64, take: &mut impl FnMut(Record<'_>)) -> io::Result<(u64, usize, bool)> {
    let mut window = Window::new(file, len);
    let start = (MAGIC.len() as u64).min(len);
    let magic = window.get(0, start as usize)?.unwrap_or_default();
    if magic != MAGIC {
        return Ok((0, 0, len <= MAGIC.len() as u64 && MAGIC.starts_with(magic)));
    }
    let (mut good, mut records, mut samples) = (start, 0, Vec::new());
    loop {
        let Some(frame) = window.get(good, FRAME)? else { return Ok((good, records, true)) };
        let mut header = Reader::new(frame);
        let (Some(body_len), Some(crc)) = (header.u32(), header.u32()) else {
            return Ok((good, records, true));
        };
        let body_len = body_len as usize;
        if body_len > MAX_RECORD {
            return Ok((good, records, false));
        }
        let after = good + (FRAME + body_len) as u64;
        let Some(body) = window.get(good + FRAME as u64, body_len)? else { return Ok((good, records, true)) };
        if crc32fast::hash(body) != crc {
            // A write that was cut short by a power cut may leave zeros or old blocks up to the file's end.
            let torn = after == len || window.ends_in_zeros(good)?;
            return Ok((good, records, torn));
        }
        if read_record(body, &mut samples, take).is_none() {
            return Ok((good, records, window.ends_in_zeros(good)?));
        }
        records += 1;
        good = after;
    }
}
