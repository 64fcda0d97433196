//! Bit streams, most significant bit first.

/// Appends bits to bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Unused bits of the last byte.
    free: u8,
}

impl BitWriter {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), free: 0 }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends the low `count` bits of `value`, 64 at most.
    #[inline]
    pub(super) fn put(&mut self, value: u64, count: u8) {
        if count <= self.free
            && let Some(last) = self.bytes.last_mut()
        {
            // What fits into the last byte: most of what a steady series appends.
            self.free -= count;
            *last |= ((value & ((1u64 << count) - 1)) as u8) << self.free;
            return;
        }
        self.put_across(value, count);
    }

    fn put_across(&mut self, value: u64, count: u8) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                // Growing in small steps wastes less than doubling: there is one of these per live series.
                if self.bytes.len() == self.bytes.capacity() {
                    self.bytes.reserve_exact(24);
                }
                self.bytes.push(0);
                self.free = 8;
            }
            let take = left.min(self.free);
            let bits = (value >> (left - take)) & ((1u64 << take) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (bits as u8) << (self.free - take);
            }
            self.free -= take;
            left -= take;
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Reads bits back.
#[derive(Clone, Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    /// The next `count` bits, 64 at most; `None` when there are fewer.
    pub(super) fn get(&mut self, count: u8) -> Option<u64> {
        if count > 32 {
            let high = self.get(count - 32)?;
            return Some(high << 32 | self.get(32)?);
        }
        if self.pos + usize::from(count) > self.bytes.len() * 8 {
            return None;
        }
        if count == 0 {
            return Some(0);
        }
        let window = self.window();
        let value = window << (self.pos % 8) >> (64 - u32::from(count));
        self.pos += usize::from(count);
        Some(value)
    }

    /// How many ones come before the next zero, `most` at most; both are consumed.
    pub(super) fn ones(&mut self, most: u8) -> Option<u8> {
        let window = self.window() << (self.pos % 8);
        let ones = (window.leading_ones() as u8).min(most);
        let used = usize::from(ones) + usize::from(ones < most);
        if self.pos + used > self.bytes.len() * 8 {
            return None;
        }
        self.pos += used;
        Some(ones)
    }

    /// The eight bytes from the current one on, zeros after the end.
    fn window(&self) -> u64 {
        let at = self.pos / 8;
        if let Some(eight) = self.bytes.get(at..at + 8).and_then(|s| <[u8; 8]>::try_from(s).ok()) {
            return u64::from_be_bytes(eight);
        }
        let mut eight = [0u8; 8];
        let rest = self.bytes.get(at..).unwrap_or_default();
        eight[..rest.len()].copy_from_slice(rest);
        u64::from_be_bytes(eight)
    }
}
