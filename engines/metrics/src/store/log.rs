//! The write-ahead log: framed, checksummed records in numbered files.
//!
//! A record is its length, the CRC-32 of its body, and the body. Samples name their series by slot: a slot means the
//! series that was last put into it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quarterdeck_kernel::Labels;

use super::codec::{Reader, put_text, put_varint, put_zigzag};
use super::files::{Files, WriteFile, read_all, set_aside};
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
pub(super) enum Record {
    Series(u64, Labels),
    /// Slot, time, bits.
    Samples(Vec<(u32, i64, u64)>),
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

pub(super) fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_varint(out, labels.len() as u64);
    for (name, value) in labels.iter() {
        put_text(out, name);
        put_text(out, value);
    }
}

pub(super) fn frame_series(out: &mut Vec<u8>, id: u64, labels: &Labels) {
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

fn read_record(body: &[u8]) -> Option<Record> {
    let mut reader = Reader::new(body);
    match reader.u8()? {
        SERIES => {
            let id = reader.u64()?;
            let count = reader.count()?;
            let mut pairs = Vec::with_capacity(count);
            for _ in 0..count {
                pairs.push((reader.text()?, reader.text()?));
            }
            Some(Record::Series(id, Labels::from_pairs(pairs)))
        }
        SAMPLES => {
            let count = reader.count()?;
            let mut samples = Vec::with_capacity(count);
            let (mut slot, mut t) = (0i64, 0i64);
            for _ in 0..count {
                slot = slot.wrapping_add(reader.zigzag()?);
                t = t.wrapping_add(reader.zigzag()?);
                samples.push((u32::try_from(slot).ok()?, t, reader.u64()?));
            }
            Some(Record::Samples(samples))
        }
        METADATA => get_metadata(&mut reader).map(|(metric, metadata)| Record::Metadata(metric, metadata)),
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
    mut take: impl FnMut(Record),
) -> io::Result<Replay> {
    let mut result = Replay { next: floor, ..Replay::default() };
    for name in files.list(folder)? {
        let Some(number) = number_of(&name).filter(|n| *n >= floor) else { continue };
        result.next = result.next.max(number + 1);
        let path = folder.join(&name);
        let bytes = read_all(files, &path)?;
        let (good, records, torn) = scan(&bytes, &mut take);
        result.bytes += good as u64;
        if good == bytes.len() {
            continue;
        }
        let lost = bytes.len() - good;
        let file = format!("log/{name}");
        if torn {
            files.truncate(&path, good as u64)?;
            let what =
                format!("the last record was torn: {lost} bytes after {records} whole records were cut off");
            result.damage.push(Damage { file, what });
        } else {
            // The whole file is kept aside; its good part is written again under its own name.
            let aside = set_aside(files, folder, &name)?;
            let rewritten = files.create(&path)?;
            rewritten.append(&bytes[..good])?;
            rewritten.sync()?;
            files.sync_folder(folder)?;
            let what = format!(
                "damaged after {records} whole records: the {lost} bytes from offset {good} on are not read; the file is kept as log/{aside}"
            );
            result.damage.push(Damage { file, what });
        }
    }
    Ok(result)
}

/// Reads the records of one file: the length of its good part, how many there are, and whether what follows is no
/// more than a record cut short.
fn scan(bytes: &[u8], take: &mut impl FnMut(Record)) -> (usize, usize, bool) {
    if !bytes.starts_with(MAGIC) {
        return (0, 0, bytes.len() <= MAGIC.len() && MAGIC.starts_with(bytes));
    }
    let (mut good, mut records) = (MAGIC.len(), 0);
    loop {
        let rest = &bytes[good..];
        let mut header = Reader::new(rest);
        let (Some(len), Some(crc)) = (header.u32(), header.u32()) else { return (good, records, true) };
        let len = len as usize;
        let Some(body) = header.take(len) else { return (good, records, len <= MAX_RECORD) };
        if crc32fast::hash(body) != crc {
            // A write that was cut short by a power cut may leave zeros or old blocks up to the file's end.
            let last = good + FRAME + len == bytes.len();
            return (good, records, last || rest.iter().all(|b| *b == 0));
        }
        let Some(record) = read_record(body) else { return (good, records, false) };
        take(record);
        records += 1;
        good += FRAME + len;
    }
}
