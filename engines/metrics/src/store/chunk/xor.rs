//! Values as the bits that changed.

use super::bits::{BitReader, BitWriter};
use super::{Chunk, Times, integers};

pub(super) const TAG: u8 = 0;

/// The window of bits that differ between neighbouring values.
#[derive(Clone, Copy, Debug)]
struct Window {
    leading: u8,
    /// 0 before the first difference.
    width: u8,
}

/// A run of samples being appended to.
#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    out: BitWriter,
    times: Times,
    min_t: i64,
    value: u64,
    count: u16,
    window: Window,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            out: BitWriter::default(),
            times: Times::default(),
            min_t: 0,
            value: 0,
            count: 0,
            window: Window { leading: 0, width: 0 },
        }
    }
}

impl Encoder {
    /// Appends a sample; `t` is after every earlier one.
    pub(crate) fn push(&mut self, t: i64, bits: u64) {
        if self.count == 0 {
            self.min_t = t;
            self.times = Times { t, delta: 0 };
            self.out.put(bits, 64);
        } else {
            self.times.put(&mut self.out, t);
            self.put_value(bits);
        }
        self.value = bits;
        self.count += 1;
    }

    fn put_value(&mut self, bits: u64) {
        let changed = bits ^ self.value;
        if changed == 0 {
            self.out.put(0, 1);
            return;
        }
        let leading = changed.leading_zeros().min(31) as u8;
        let trailing = changed.trailing_zeros() as u8;
        let Window { leading: l, width: w } = self.window;
        if w > 0 && leading >= l && trailing >= 64 - l - w {
            self.out.put(0b10, 2);
            self.out.put(changed >> (64 - l - w), w);
            return;
        }
        let width = 64 - leading - trailing;
        self.out.put(0b11, 2);
        self.out.put(u64::from(leading), 5);
        self.out.put(u64::from(width - 1), 6);
        self.out.put(changed >> trailing, width);
        self.window = Window { leading, width };
    }

    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    pub(crate) fn min_t(&self) -> i64 {
        self.min_t
    }

    pub(crate) fn max_t(&self) -> i64 {
        self.times.t
    }

    /// Bytes that it holds on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.out.capacity()
    }

    /// The samples so far.
    pub(crate) fn samples(&self) -> Decoder<'_> {
        Decoder::new(self.min_t, self.count, self.out.bytes())
    }

    /// The finished chunk, in the codec that makes it smallest; `None` when it is empty.
    pub(crate) fn close(self) -> Option<Chunk> {
        if self.count == 0 {
            return None;
        }
        let samples: Vec<(i64, u64)> = self.samples().collect();
        match integers::encode(&samples).filter(|bytes| bytes.len() <= self.out.bytes().len()) {
            Some(bytes) => {
                Some(Chunk { min_t: self.min_t, max_t: self.times.t, count: self.count, bytes: bytes.into() })
            }
            None => self.close_quickly(),
        }
    }

    /// The finished chunk as it is; `None` when it is empty.
    pub(crate) fn close_quickly(self) -> Option<Chunk> {
        if self.count == 0 {
            return None;
        }
        let mut bytes = Vec::with_capacity(1 + self.out.bytes().len());
        bytes.push(TAG);
        bytes.extend_from_slice(self.out.bytes());
        Some(Chunk { min_t: self.min_t, max_t: self.times.t, count: self.count, bytes: bytes.into() })
    }
}

/// Reads what [`Encoder`] wrote.
pub(crate) struct Decoder<'a> {
    input: BitReader<'a>,
    times: Times,
    value: u64,
    window: Window,
    left: u16,
    first: bool,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(min_t: i64, count: u16, stream: &'a [u8]) -> Self {
        Self {
            input: BitReader::new(stream),
            times: Times { t: min_t, delta: 0 },
            value: 0,
            window: Window { leading: 0, width: 0 },
            left: count,
            first: true,
        }
    }

    fn value(&mut self) -> Option<u64> {
        match self.input.ones(2)? {
            0 => return Some(self.value),
            1 => {}
            _ => {
                let leading = self.input.get(5)? as u8;
                let width = self.input.get(6)? as u8 + 1;
                if leading + width > 64 {
                    return None;
                }
                self.window = Window { leading, width };
            }
        }
        let Window { leading, width } = self.window;
        let changed = self.input.get(width)?.checked_shl(u32::from(64 - leading - width))?;
        Some(self.value ^ changed)
    }
}

impl Iterator for Decoder<'_> {
    type Item = (i64, u64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        if self.first {
            self.first = false;
            self.value = self.input.get(64)?;
        } else {
            self.times.get(&mut self.input)?;
            self.value = self.value()?;
        }
        self.left -= 1;
        Some((self.times.t, self.value))
    }
}
