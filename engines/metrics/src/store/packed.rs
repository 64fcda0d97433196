//! Closed chunks of one series, one after the other in one allocation.
//!
//! A chunk of a steady series takes a few dozen bytes: a structure and an allocation of its own would be larger than
//! what it holds, and there are hundreds of thousands of them.

use super::chunk::{Chunk, Decoder};
use super::codec::{Reader, put_varint, put_zigzag};

/// The most that stands before the bits of a chunk.
const HEADER: usize = 3 + 10 + 10 + 5;

/// Chunks in the order in which they were closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    /// Per chunk: count, oldest time, span, length, codec and its bits.
    bytes: Vec<u8>,
}

/// A chunk where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lying<'a> {
    pub(super) min_t: i64,
    pub(super) max_t: i64,
    pub(super) count: u16,
    pub(super) bytes: &'a [u8],
}

impl<'a> Lying<'a> {
    pub(super) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.min_t <= to && self.max_t >= from
    }

    pub(super) fn samples(&self) -> Decoder<'a> {
        Decoder::new(self.min_t, self.count, self.bytes)
    }

    pub(super) fn to_chunk(self) -> Chunk {
        Chunk { min_t: self.min_t, max_t: self.max_t, count: self.count, bytes: self.bytes.into() }
    }
}

impl Packed {
    pub(super) fn push(&mut self, chunk: &Chunk) {
        let mut header = Vec::with_capacity(HEADER);
        put_varint(&mut header, u64::from(chunk.count));
        put_zigzag(&mut header, chunk.min_t);
        put_varint(&mut header, chunk.max_t.wrapping_sub(chunk.min_t) as u64);
        put_varint(&mut header, chunk.bytes.len() as u64);
        let more = header.len() + chunk.bytes.len();
        if self.bytes.capacity() - self.bytes.len() < more {
            // Little more room than this one needs: the next comes much later, and there is one of these per series.
            self.bytes.reserve_exact(more.max(self.bytes.len() / 16));
        }
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(&chunk.bytes);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of all chunks: where the next one will start.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes on the heap.
    pub(super) const fn heap_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Lying<'_>> + Clone {
        Self::parse(&self.bytes)
    }

    /// The chunks before a place that [`Packed::len`] has told.
    pub(super) fn before(&self, place: usize) -> impl Iterator<Item = Lying<'_>> + Clone {
        Self::parse(&self.bytes[..place.min(self.bytes.len())])
    }

    /// Drops the chunks before a place.
    pub(super) fn drop_before(&mut self, place: usize) {
        self.bytes.drain(..place.min(self.bytes.len()));
        self.bytes.shrink_to_fit();
    }

    /// Keeps only some.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Lying<'_>) -> bool) {
        let mut kept = Self::default();
        for chunk in self.iter().filter(|chunk| keep(chunk)) {
            kept.push(&chunk.to_chunk());
        }
        *self = kept;
    }

    fn parse(bytes: &[u8]) -> impl Iterator<Item = Lying<'_>> + Clone {
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(move || {
            let count = u16::try_from(reader.varint()?).ok()?;
            let min_t = reader.zigzag()?;
            let max_t = min_t.wrapping_add(reader.varint()? as i64);
            let len = usize::try_from(reader.varint()?).ok()?;
            Some(Lying { min_t, max_t, count, bytes: reader.take(len)? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_lie_as_they_were_put() {
        let runs: [&[(i64, u64)]; 4] =
            [&[(5, 1), (6, 2)], &[(i64::MIN, 9), (i64::MAX, 8)], &[(-7, 0)], &[(100, 1), (200, 1), (300, 1)]];
        let chunks: Vec<Chunk> = runs.iter().map(|run| Chunk::from_samples(run).unwrap()).collect();
        let mut packed = Packed::default();
        let mut places = vec![0];
        for chunk in &chunks {
            packed.push(chunk);
            places.push(packed.len());
        }
        let read = |packed: &Packed| packed.iter().map(Lying::to_chunk).collect::<Vec<_>>();
        assert_eq!(read(&packed), chunks);
        assert_eq!(packed.before(places[2]).map(Lying::to_chunk).collect::<Vec<_>>(), chunks[..2]);
        packed.drop_before(places[1]);
        assert_eq!(read(&packed), chunks[1..]);
        packed.retain(|chunk| chunk.count != 1);
        assert_eq!(read(&packed), [chunks[1].clone(), chunks[3].clone()]);
        packed.drop_before(usize::MAX);
        assert!(packed.is_empty() && packed.iter().next().is_none());
    }
}
