//! Bit streams, most significant bit first.

/// Where bits go.
pub(crate) trait Bits {
    /// Appends the low `count` bits of `value`, 64 at most.
    fn put(&mut self, value: u64, count: u8);
}

/// Where whole bytes go.
pub(super) trait Bytes {
    fn push(&mut self, byte: u8);
    fn last_mut(&mut self) -> Option<&mut u8>;
}

impl Bytes for Vec<u8> {
    fn push(&mut self, byte: u8) {
        Self::push(self, byte);
    }

    fn last_mut(&mut self) -> Option<&mut u8> {
        <[u8]>::last_mut(self)
    }
}

/// Appends the low `count` bits of `value`; `free` is how many bits of the last byte are unused.
#[inline]
pub(super) fn put_bits(out: &mut impl Bytes, free: &mut u8, value: u64, count: u8) {
    if count <= *free
        && let Some(last) = out.last_mut()
    {
        // What fits into the last byte: most of what a steady series appends.
        *free -= count;
        *last |= ((value & ((1u64 << count) - 1)) as u8) << *free;
        return;
    }
    let mut left = count;
    while left > 0 {
        if *free == 0 {
            out.push(0);
            *free = 8;
        }
        let take = left.min(*free);
        let bits = (value >> (left - take)) & ((1u64 << take) - 1);
        if let Some(last) = out.last_mut() {
            *last |= (bits as u8) << (*free - take);
        }
        *free -= take;
        left -= take;
    }
}

/// Appends bits to bytes of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Unused bits of the last byte.
    free: u8,
}

impl BitWriter {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), free: 0 }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Bits for BitWriter {
    #[inline]
    fn put(&mut self, value: u64, count: u8) {
        put_bits(&mut self.bytes, &mut self.free, value, count);
    }
}

/// Reads bits back.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    /// The next `count` bits, 64 at most; `None` when there are fewer.
    #[inline]
    pub(crate) fn get(&mut self, count: u8) -> Option<u64> {
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

    /// How many ones come before the next zero, `most` (56 at most) if there are more; both are consumed.
    #[inline]
    pub(crate) fn ones(&mut self, most: u8) -> Option<u8> {
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
    #[inline]
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
