//! The catalogue: every series with its id, as of the newest sealing. The log tells what came after.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::codec::{Reader, put_varint, put_zigzag};
use super::files::{Files, read_all, replace};
use super::index::{Index, Loader};
use super::log::{get_metadata, put_metadata};
use super::segment::{NameReader, NameWriter, inflate};
use super::series::Newest;
use crate::ingest::Metadata;

pub(super) const NAME: &str = "catalogue";
const FAMILY: &[u8; 5] = b"QDCAT";
const VERSION: &[u8; 3] = b"02\n";

/// A series without a sample.
const BORN: u8 = 0;
/// The newest value is a whole number, which follows.
const WHOLE: u8 = 1;
/// The bits of the newest value follow.
const BITS: u8 = 2;

/// What the catalogue holds.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// The first log file that is not sealed yet.
    pub(super) log_floor: u64,
    /// Number of the next segment.
    pub(super) next_segment: u64,
    pub(super) series: Loader,
    pub(super) metadata: BTreeMap<Arc<str>, Metadata>,
}

/// Why there is no catalogue to read.
#[derive(Debug)]
pub(super) enum CatalogueError {
    /// It is not there.
    Absent,
    /// It was written by a newer version of the program.
    Newer,
    /// It is not what was written.
    Damaged,
    /// The file system says no.
    Io(io::Error),
}

/// The catalogue as bytes, ready to be written when no lock is held.
pub(super) struct Encoded {
    parts: [Vec<u8>; 2],
}

impl Encoded {
    /// Writes it in place of the old one.
    pub(super) fn replace(&self, files: &dyn Files, folder: &Path) -> io::Result<()> {
        let mut hash = crc32fast::Hasher::new();
        self.parts.iter().for_each(|part| hash.update(part));
        let [head, body] = &self.parts;
        replace(files, folder, NAME, &[FAMILY, VERSION, head, body, &hash.finalize().to_le_bytes()])
    }
}

/// Makes the catalogue of an index.
pub(super) fn encode(
    index: &Index,
    metadata: &BTreeMap<Arc<str>, Metadata>,
    log_floor: u64,
    next_segment: u64,
) -> io::Result<Encoded> {
    let mut names = NameWriter::default();
    let mut before = 0i64;
    for series in index.iter() {
        let out = names.add(series.id, &series.labels);
        let newest = series.data.lock().newest();
        let (Newest::Born(t) | Newest::At(t, _)) = newest;
        let whole = |bits: u64| {
            let value = f64::from_bits(bits);
            let number = value as i64;
            // Beyond this size the bits themselves are as short.
            ((number as f64).to_bits() == bits && number.unsigned_abs() < 1 << 53).then_some(number)
        };
        out.push(match newest {
            Newest::Born(_) => BORN,
            Newest::At(_, bits) if whole(bits).is_some() => WHOLE,
            Newest::At(..) => BITS,
        });
        put_zigzag(out, t.wrapping_sub(before));
        before = t;
        if let Newest::At(_, bits) = newest {
            match whole(bits) {
                Some(number) => put_zigzag(out, number),
                None => out.extend_from_slice(&bits.to_le_bytes()),
            }
        }
    }
    let mut head = Vec::new();
    put_varint(&mut head, log_floor);
    put_varint(&mut head, u64::from(index.next()));
    put_varint(&mut head, next_segment);
    put_varint(&mut head, metadata.len() as u64);
    for (metric, about) in metadata {
        put_metadata(&mut head, metric, about);
    }
    Ok(Encoded { parts: [head, names.finish()?] })
}

/// Reads the catalogue.
pub(super) fn read(files: &dyn Files, folder: &Path) -> Result<Catalogue, CatalogueError> {
    let bytes = match read_all(files, &folder.join(NAME)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(CatalogueError::Absent),
        Err(error) => return Err(CatalogueError::Io(error)),
    };
    let Some((magic, rest)) = bytes.split_at_checked(8) else { return Err(CatalogueError::Damaged) };
    let Some((body, crc)) = rest.split_last_chunk::<4>() else { return Err(CatalogueError::Damaged) };
    if *crc != crc32fast::hash(body).to_le_bytes() {
        return Err(CatalogueError::Damaged);
    }
    match magic.strip_prefix(FAMILY) {
        Some(version) if version == VERSION => decode(body).ok_or(CatalogueError::Damaged),
        Some(version) if version > &VERSION[..] => Err(CatalogueError::Newer),
        _ => Err(CatalogueError::Damaged),
    }
}

fn decode(body: &[u8]) -> Option<Catalogue> {
    let mut reader = Reader::new(body);
    let log_floor = reader.varint()?;
    let next = u32::try_from(reader.varint()?).ok()?;
    let next_segment = reader.varint()?;
    let mut metadata = BTreeMap::new();
    for _ in 0..reader.count()? {
        let (metric, about) = get_metadata(&mut reader)?;
        metadata.insert(metric.into(), about);
    }
    let names = inflate(reader.rest())?;
    let (pairs, mut names) = NameReader::new(&names)?;
    let mut series = Loader::new(pairs, names.left());
    let mut before = 0i64;
    while names.left() > 0 {
        let (id, places, more) = names.next()?;
        let tag = more.u8()?;
        let t = before.wrapping_add(more.zigzag()?);
        before = t;
        let newest = match tag {
            BORN => Newest::Born(t),
            WHOLE => Newest::At(t, (more.zigzag()? as f64).to_bits()),
            BITS => Newest::At(t, more.u64()?),
            _ => return None,
        };
        series.add(id, places, newest)?;
    }
    series.raise_next(next);
    Some(Catalogue { log_floor, next_segment, series, metadata })
}
