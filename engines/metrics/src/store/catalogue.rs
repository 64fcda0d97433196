//! The catalogue: every series with its id, as of the newest sealing. The log tells what came after.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashMap;
use quarterdeck_kernel::Labels;

use super::codec::{Reader, put_text, put_varint};
use super::files::{Files, read_all, replace};
use super::index::Index;
use super::log::{get_metadata, put_metadata};
use super::series::Newest;
use crate::ingest::Metadata;

pub(super) const NAME: &str = "catalogue";
const FAMILY: &[u8; 5] = b"QDCAT";
const VERSION: &[u8; 3] = b"01\n";

/// What the catalogue holds.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    /// The first log file that is not sealed yet.
    pub(super) log_floor: u64,
    /// High half of the next series id.
    pub(super) next: u32,
    /// Number of the next segment.
    pub(super) next_segment: u64,
    pub(super) series: Vec<(u64, Labels, Newest)>,
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
    parts: [Vec<u8>; 3],
}

impl Encoded {
    /// Writes it in place of the old one.
    pub(super) fn replace(&self, files: &dyn Files, folder: &Path) -> io::Result<()> {
        let mut hash = crc32fast::Hasher::new();
        self.parts.iter().for_each(|part| hash.update(part));
        let [head, texts, body] = &self.parts;
        replace(files, folder, NAME, &[FAMILY, VERSION, head, texts, body, &hash.finalize().to_le_bytes()])
    }
}

/// Makes the catalogue of an index.
pub(super) fn encode(
    index: &Index,
    metadata: &BTreeMap<Arc<str>, Metadata>,
    log_floor: u64,
    next_segment: u64,
) -> Encoded {
    let mut symbols: HashMap<Arc<str>, u64> = HashMap::new();
    let mut texts = Vec::new();
    let mut body = Vec::with_capacity(index.len() * 48);
    put_varint(&mut body, index.len() as u64);
    for series in index.iter() {
        body.extend_from_slice(&series.id.to_le_bytes());
        let (tag, t, bits) = match series.data.lock().newest {
            Newest::Born(t) => (0, t, 0),
            Newest::At(t, bits) => (1, t, bits),
        };
        body.push(tag);
        body.extend_from_slice(&t.to_le_bytes());
        body.extend_from_slice(&bits.to_le_bytes());
        put_varint(&mut body, series.labels.len() as u64);
        for text in series.labels.pairs().iter().flat_map(|(name, value)| [name, value]) {
            let next = symbols.len() as u64;
            let symbol = *symbols.entry(Arc::clone(text)).or_insert_with(|| {
                put_text(&mut texts, text);
                next
            });
            put_varint(&mut body, symbol);
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
    put_varint(&mut head, symbols.len() as u64);
    Encoded { parts: [head, texts, body] }
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
    let mut catalogue = Catalogue {
        log_floor: reader.varint()?,
        next: u32::try_from(reader.varint()?).ok()?,
        next_segment: reader.varint()?,
        ..Catalogue::default()
    };
    for _ in 0..reader.count()? {
        let (metric, metadata) = get_metadata(&mut reader)?;
        catalogue.metadata.insert(metric.into(), metadata);
    }
    let count = reader.count()?;
    let mut symbols: Vec<Arc<str>> = Vec::with_capacity(count);
    for _ in 0..count {
        symbols.push(reader.text()?.into());
    }
    let count = reader.count()?;
    catalogue.series.reserve(count);
    let symbol = |reader: &mut Reader<'_>| symbols.get(usize::try_from(reader.varint()?).ok()?).cloned();
    for _ in 0..count {
        let id = reader.u64()?;
        let (tag, t, bits) = (reader.u8()?, reader.i64()?, reader.u64()?);
        let newest = if tag == 0 { Newest::Born(t) } else { Newest::At(t, bits) };
        let labels = reader.count()?;
        let mut pairs = Vec::with_capacity(labels);
        for _ in 0..labels {
            pairs.push((symbol(&mut reader)?, symbol(&mut reader)?));
        }
        catalogue.series.push((id, Labels::from_pairs(pairs), newest));
    }
    reader.is_empty().then_some(catalogue)
}
