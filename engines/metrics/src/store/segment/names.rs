//! Names of a segment: id and labels of every series. Texts stand once, and a label is told by how far its place in the
//! list of texts is from that of the series before: neighbours differ in one or two labels, so most of that is zeros,
//! and a general compressor takes them away.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use hashbrown::HashMap;

use super::super::codec::{Reader, put_text, put_varint, put_zigzag};
use super::super::labels::{LabelSet, Pair};

/// Names longer than this are not written, so longer ones read are damage.
const MAX_BYTES: u64 = 1 << 30;

/// Collects series and their labels.
#[derive(Debug, Default)]
pub(in super::super) struct NameWriter {
    /// Places of pairs, by their address: they are shared, and the series that hold them stay.
    places: HashMap<usize, u64>,
    /// Held so that no address is used again meanwhile.
    pairs: Vec<Arc<Pair>>,
    names: HashMap<Arc<str>, u64>,
    name_texts: Vec<u8>,
    pair_texts: Vec<u8>,
    series: Vec<u8>,
    count: u64,
    id: u64,
    before: Vec<u64>,
}

impl NameWriter {
    /// Adds a series; what else is to be told of it goes into the bytes that it gives.
    pub(in super::super) fn add(&mut self, id: u64, labels: &LabelSet) -> &mut Vec<u8> {
        put_zigzag(&mut self.series, i64::from((id >> 32) as u32) - i64::from((self.id >> 32) as u32));
        put_zigzag(&mut self.series, i64::from(id as u32) - i64::from(self.id as u32));
        self.id = id;
        self.count += 1;
        put_varint(&mut self.series, labels.pairs().len() as u64);
        self.before.resize(self.before.len().max(labels.pairs().len()), 0);
        for (at, pair) in labels.pairs().iter().enumerate() {
            let place = self.place(pair);
            put_zigzag(&mut self.series, place as i64 - self.before[at] as i64);
            self.before[at] = place;
        }
        &mut self.series
    }

    fn place(&mut self, pair: &Arc<Pair>) -> u64 {
        let address = Arc::as_ptr(pair) as usize;
        if let Some(place) = self.places.get(&address) {
            return *place;
        }
        let next = self.names.len() as u64;
        let name = *self.names.entry(Arc::clone(&pair.name)).or_insert_with(|| {
            put_text(&mut self.name_texts, &pair.name);
            next
        });
        put_varint(&mut self.pair_texts, name);
        put_text(&mut self.pair_texts, &pair.value);
        let place = self.pairs.len() as u64;
        self.pairs.push(Arc::clone(pair));
        self.places.insert(address, place);
        place
    }

    /// All of it, compressed.
    pub(in super::super) fn finish(self) -> std::io::Result<Vec<u8>> {
        let mut out = DeflateEncoder::new(Vec::new(), Compression::new(4));
        let mut count = Vec::new();
        put_varint(&mut count, self.names.len() as u64);
        out.write_all(&count)?;
        out.write_all(&self.name_texts)?;
        count.clear();
        put_varint(&mut count, self.pairs.len() as u64);
        out.write_all(&count)?;
        out.write_all(&self.pair_texts)?;
        count.clear();
        put_varint(&mut count, self.count);
        out.write_all(&count)?;
        out.write_all(&self.series)?;
        let mut out = out.finish()?;
        out.shrink_to_fit();
        Ok(out)
    }
}

/// Takes the compression off what [`NameWriter::finish`] gave; `None` when the bytes are not that.
pub(in super::super) fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    DeflateDecoder::new(bytes).take(MAX_BYTES).read_to_end(&mut out).ok()?;
    Some(out)
}

/// Reads what [`NameWriter`] wrote: first the pairs, then series after series.
pub(in super::super) struct NameReader<'a> {
    reader: Reader<'a>,
    left: usize,
    id: u64,
    before: Vec<u64>,
    places: Vec<usize>,
}

impl<'a> NameReader<'a> {
    /// The pairs and a reader for the series.
    pub(in super::super) fn new(bytes: &'a [u8]) -> Option<(Vec<Arc<Pair>>, Self)> {
        let mut reader = Reader::new(bytes);
        let count = reader.count()?;
        let mut names: Vec<Arc<str>> = Vec::with_capacity(count);
        for _ in 0..count {
            names.push(reader.text()?.into());
        }
        let count = reader.count()?;
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            let name = Arc::clone(names.get(usize::try_from(reader.varint()?).ok()?)?);
            pairs.push(Arc::new(Pair { name, value: reader.text()?.into() }));
        }
        let left = reader.count()?;
        Some((pairs, Self { reader, left, id: 0, before: Vec::new(), places: Vec::new() }))
    }

    /// How many series are left.
    pub(in super::super) const fn left(&self) -> usize {
        self.left
    }

    /// Id of the next series, the places of its labels among the pairs, and the reader for what else is told of it.
    pub(in super::super) fn next(&mut self) -> Option<(u64, &[usize], &mut Reader<'a>)> {
        self.left = self.left.checked_sub(1)?;
        let half = |before: u32, reader: &mut Reader<'a>| {
            u32::try_from(i64::from(before).checked_add(reader.zigzag()?)?).ok()
        };
        let high = half((self.id >> 32) as u32, &mut self.reader)?;
        let low = half(self.id as u32, &mut self.reader)?;
        self.id = u64::from(high) << 32 | u64::from(low);
        let count = self.reader.count()?;
        self.before.resize(self.before.len().max(count), 0);
        self.places.clear();
        for at in 0..count {
            self.before[at] = self.before[at].checked_add_signed(self.reader.zigzag()?)?;
            self.places.push(usize::try_from(self.before[at]).ok()?);
        }
        Some((self.id, &self.places, &mut self.reader))
    }
}
