//! Closed chunks of one series, one after the other, with the open run after the last.
//!
//! A chunk of a steady series takes a few dozen bytes: a structure and an allocation of its own would be larger than
//! what it holds, and there are hundreds of thousands of them.

use super::chunk::{Decoder, Tail};
use super::codec::{Reader, put_varint, put_zigzag};

/// The most that stands before the bits of a chunk.
const HEADER: usize = 3 + 10 + 10 + 5;

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

    /// Appends it to closed chunks.
    pub(super) fn put(&self, out: &mut Tail) {
        let mut header = Vec::with_capacity(HEADER);
        put_varint(&mut header, u64::from(self.count));
        put_zigzag(&mut header, self.min_t);
        put_varint(&mut header, self.max_t.wrapping_sub(self.min_t) as u64);
        put_varint(&mut header, self.bytes.len() as u64);
        out.extend(&header);
        out.extend(self.bytes);
    }
}

/// The chunks in some bytes, in the order in which they were closed.
pub(super) fn chunks(bytes: &[u8]) -> impl Iterator<Item = Lying<'_>> + Clone {
    let mut reader = Reader::new(bytes);
    std::iter::from_fn(move || {
        let count = u16::try_from(reader.varint()?).ok()?;
        let min_t = reader.zigzag()?;
        let max_t = min_t.wrapping_add(reader.varint()? as i64);
        let len = usize::try_from(reader.varint()?).ok()?;
        Some(Lying { min_t, max_t, count, bytes: reader.take(len)? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_lie_as_they_were_put() {
        let all = [
            Lying { min_t: 5, max_t: 6, count: 2, bytes: &[1, 2, 3] },
            Lying { min_t: i64::MIN, max_t: i64::MAX, count: 120, bytes: &[9; 300] },
            Lying { min_t: -7, max_t: -7, count: 1, bytes: &[0] },
        ];
        let mut tail = Tail::default();
        all.iter().for_each(|chunk| chunk.put(&mut tail));
        assert_eq!(chunks(tail.bytes()).collect::<Vec<_>>(), all);
        assert_eq!(chunks(&[]).next(), None);
    }
}
