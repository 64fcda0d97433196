//! Values as the bits that changed.

use super::Times;
use super::bits::{BitReader, Bits, put_bits};
use super::tail::Tail;

pub(super) const TAG: u8 = 0;

/// The window of bits that differ between neighbouring values.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    leading: u8,
    /// 0 before the first difference.
    width: u8,
}

impl Window {
    /// Writes a value after the one before it.
    pub(crate) fn put(&mut self, out: &mut impl Bits, before: u64, bits: u64) {
        let changed = bits ^ before;
        if changed == 0 {
            out.put(0, 1);
            return;
        }
        let leading = changed.leading_zeros().min(31) as u8;
        let trailing = changed.trailing_zeros() as u8;
        let Self { leading: l, width: w } = *self;
        if w > 0 && leading >= l && trailing >= 64 - l - w {
            out.put(0b10, 2);
            out.put(changed >> (64 - l - w), w);
            return;
        }
        let width = 64 - leading - trailing;
        out.put(0b11, 2);
        out.put(u64::from(leading), 5);
        out.put(u64::from(width - 1), 6);
        out.put(changed >> trailing, width);
        *self = Self { leading, width };
    }

    /// Reads a value after the one before it.
    #[inline]
    pub(crate) fn get(&mut self, input: &mut BitReader<'_>, before: u64) -> Option<u64> {
        match input.ones(2)? {
            0 => return Some(before),
            1 => {}
            _ => {
                let leading = input.get(5)? as u8;
                let width = input.get(6)? as u8 + 1;
                if leading + width > 64 {
                    return None;
                }
                *self = Self { leading, width };
            }
        }
        let Self { leading, width } = *self;
        let changed = input.get(width)?.checked_shl(u32::from(64 - leading - width))?;
        Some(before ^ changed)
    }
}

/// The newest sample of a series and the state of the run that it is appended to. The bits of the run are elsewhere:
/// there is one of these for every live series, so it is one piece without gaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live {
    /// Time of the newest sample, or when the series was made if it has none.
    pub(crate) t: i64,
    /// Value of the newest sample.
    pub(crate) bits: u64,
    /// First time of the open run.
    pub(crate) min_t: i64,
    delta: i64,
    window: Window,
    free: u8,
    /// Samples of the open run; its last is the newest of the series. 0 when no run is open.
    pub(crate) count: u8,
    /// Whether the series has had a sample.
    pub(crate) begun: bool,
}

struct LiveBits<'a> {
    out: &'a mut Tail,
    free: &'a mut u8,
}

impl Bits for LiveBits<'_> {
    #[inline]
    fn put(&mut self, value: u64, count: u8) {
        put_bits(self.out, self.free, value, count);
    }
}

impl Live {
    /// Appends a sample to the open run at the end of `out`, or opens one there; `t` is after every earlier one of
    /// the run.
    pub(crate) fn push(&mut self, out: &mut Tail, t: i64, bits: u64) {
        if self.count == 0 {
            (self.min_t, self.delta, self.free, self.window) = (t, 0, 0, Window::default());
            LiveBits { out, free: &mut self.free }.put(bits, 64);
        } else {
            let mut out = LiveBits { out, free: &mut self.free };
            let mut times = Times { t: self.t, delta: self.delta };
            times.put(&mut out, t);
            self.delta = times.delta;
            self.window.put(&mut out, self.bits, bits);
        }
        (self.t, self.bits, self.begun) = (t, bits, true);
        self.count += 1;
    }
}

/// Reads what [`Live`] wrote.
#[derive(Clone)]
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
            window: Window::default(),
            left: count,
            first: true,
        }
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
            self.value = self.window.get(&mut self.input, self.value)?;
        }
        self.left -= 1;
        Some((self.times.t, self.value))
    }
}
