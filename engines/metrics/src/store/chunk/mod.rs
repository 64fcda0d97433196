//! Compressed runs of samples in memory.
//!
//! A live series appends to the open run at the end of its [`Tail`]: timestamps as the change of their difference,
//! values as the bits that differ from the value before (the scheme of Facebook's Gorilla). When a run is closed it is
//! written again as scaled whole numbers, if all its values are such exactly and that is smaller: counters mostly are.
//! Every bit of every value is kept, and times anywhere in `i64`. Segments have a codec of their own.

pub(crate) mod bits;
pub(crate) mod integers;
mod tail;
pub(crate) mod xor;

pub(crate) use tail::Tail;
pub(crate) use xor::Live;

use bits::{BitReader, Bits};

/// The most samples of one chunk.
pub(crate) const MAX_SAMPLES: u8 = 120;

/// The codec tag and the bits of an open run that is closed: as whole numbers if that is asked for and smaller.
pub(crate) fn close(min_t: i64, count: u16, stream: &[u8], try_integers: bool) -> Vec<u8> {
    if try_integers {
        let samples: Vec<(i64, u64)> = open_samples(min_t, count, stream).collect();
        if let Some(bytes) = integers::encode(&samples).filter(|bytes| bytes.len() <= stream.len()) {
            return bytes;
        }
    }
    let mut bytes = Vec::with_capacity(1 + stream.len());
    bytes.push(xor::TAG);
    bytes.extend_from_slice(stream);
    bytes
}

/// The samples of an open run.
pub(crate) fn open_samples(min_t: i64, count: u16, stream: &[u8]) -> Decoder<'_> {
    Decoder::Xor(xor::Decoder::new(min_t, count, stream))
}

/// Reads the samples of a chunk. Ends early if the bytes are not what the codec writes.
#[derive(Clone)]
pub(crate) enum Decoder<'a> {
    Xor(xor::Decoder<'a>),
    Integers(integers::Decoder<'a>),
    Unreadable,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(min_t: i64, count: u16, bytes: &'a [u8]) -> Self {
        match bytes.split_first() {
            Some((&xor::TAG, stream)) => Self::Xor(xor::Decoder::new(min_t, count, stream)),
            Some((tag, stream)) if integers::scale_of(*tag).is_some() => {
                Self::Integers(integers::Decoder::new(*tag, min_t, count, stream))
            }
            _ => Self::Unreadable,
        }
    }
}

impl Iterator for Decoder<'_> {
    type Item = (i64, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Xor(decoder) => decoder.next(),
            Self::Integers(decoder) => decoder.next(),
            Self::Unreadable => None,
        }
    }
}

/// Widths of the classes of numbers near zero, each announced by one more leading 1.
const WIDTHS: [u8; 6] = [0, 4, 7, 11, 20, 64];

/// Writes a number that is mostly near zero.
#[inline]
fn put_small(out: &mut impl Bits, value: i64) {
    if value == 0 {
        out.put(0, 1);
        return;
    }
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    // Class n is n ones and a zero; the last needs no zero.
    for (ones, width) in (1u8..).zip(&WIDTHS[1..5]) {
        if zigzag >> width == 0 {
            let prefix = ((1u64 << ones) - 1) << 1;
            out.put(prefix << width | zigzag, ones + 1 + width);
            return;
        }
    }
    out.put(0b1_1111, 5);
    out.put(zigzag, 64);
}

fn get_small(input: &mut BitReader<'_>) -> Option<i64> {
    let class = input.ones(5)?;
    let zigzag = input.get(WIDTHS[usize::from(class)])?;
    Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
}

/// Times as the change of their difference, in wrapping arithmetic: no time is out of reach.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    t: i64,
    delta: i64,
}

impl Times {
    fn put(&mut self, out: &mut impl Bits, t: i64) {
        let delta = t.wrapping_sub(self.t);
        put_small(out, delta.wrapping_sub(self.delta));
        *self = Self { t, delta };
    }

    #[inline]
    fn get(&mut self, input: &mut BitReader<'_>) -> Option<i64> {
        self.delta = self.delta.wrapping_add(get_small(input)?);
        self.t = self.t.wrapping_add(self.delta);
        Some(self.t)
    }
}

#[cfg(test)]
mod tests;
