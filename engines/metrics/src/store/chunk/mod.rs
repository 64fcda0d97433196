//! Compressed runs of samples.
//!
//! A live series appends to an [`Encoder`]: timestamps as the change of their difference, values as the bits that
//! differ from the value before (the scheme of Facebook's Gorilla). When a run is closed it is written again as
//! scaled whole numbers, if all its values are such exactly and that is smaller: counters mostly are.
//! Every bit of every value is kept, and times anywhere in `i64`.

mod bits;
mod integers;
mod xor;

use std::sync::Arc;

pub(crate) use xor::Encoder;

use bits::{BitReader, BitWriter};

/// The most samples of one chunk.
pub(crate) const MAX_SAMPLES: u16 = 120;

/// A closed run of samples, oldest first, no time twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) min_t: i64,
    pub(crate) max_t: i64,
    pub(crate) count: u16,
    /// Codec tag, then its bits.
    pub(crate) bytes: Arc<[u8]>,
}

impl Chunk {
    /// A chunk of samples in strictly rising order of time; `None` when there are none.
    pub(crate) fn from_samples(samples: &[(i64, u64)]) -> Option<Self> {
        let mut encoder = Encoder::default();
        for (t, bits) in samples {
            encoder.push(*t, *bits);
        }
        encoder.close()
    }

    /// Its samples. Ends early if the bytes are not what the codec writes.
    pub(crate) fn samples(&self) -> Decoder<'_> {
        Decoder::new(self.min_t, self.count, &self.bytes)
    }

    /// Its bytes in the codec that makes them smallest.
    pub(crate) fn smallest(&self) -> Arc<[u8]> {
        if self.bytes.first() == Some(&xor::TAG) {
            let samples: Vec<(i64, u64)> = self.samples().collect();
            let whole = samples.len() == usize::from(self.count);
            if let Some(bytes) = integers::encode(&samples).filter(|b| whole && b.len() < self.bytes.len()) {
                return bytes.into();
            }
        }
        Arc::clone(&self.bytes)
    }

    pub(crate) fn overlaps(&self, from: i64, to: i64) -> bool {
        self.min_t <= to && self.max_t >= from
    }
}

/// Reads the samples of a chunk.
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
fn put_small(out: &mut BitWriter, value: i64) {
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
    fn put(&mut self, out: &mut BitWriter, t: i64) {
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
