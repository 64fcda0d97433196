//! Values as whole numbers, scaled by a power of ten, written as the change of their difference.

use super::bits::{BitReader, BitWriter, Bits as _};
use super::{Times, get_small, put_small};

/// Tags are this plus the number of decimal places.
const FIRST_TAG: u8 = 16;
pub(crate) const POWERS: [f64; 7] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];
/// Whole numbers up to here are exact in a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn scale_of(tag: u8) -> Option<f64> {
    POWERS.get(usize::from(tag.checked_sub(FIRST_TAG)?)).copied()
}

/// The whole number that stands for a value at a scale, if it gives back the very same bits.
fn whole(bits: u64, scale: f64) -> Option<i64> {
    let value = f64::from_bits(bits);
    if scale == 1.0 {
        let number = value as i64;
        return ((number as f64).to_bits() == bits && value.abs() <= EXACT).then_some(number);
    }
    let scaled = (value * scale).round();
    let number = scaled as i64;
    // By way of the whole number: there is no negative zero among them.
    (scaled.abs() <= EXACT && unscaled(number, scale) == bits).then_some(number)
}

/// The bits of the value that a whole number stands for at a scale.
#[inline]
pub(crate) fn unscaled(number: i64, scale: f64) -> u64 {
    (number as f64 / scale).to_bits()
}

/// The lowest number of decimal places at which every value is a whole number; the numbers go into `numbers`.
pub(crate) fn scaled(values: &(impl Iterator<Item = u64> + Clone), numbers: &mut Vec<i64>) -> Option<usize> {
    let mut place = 0usize;
    loop {
        let scale = *POWERS.get(place)?;
        numbers.clear();
        numbers.extend(values.clone().map_while(|bits| whole(bits, scale)));
        match values.clone().nth(numbers.len()) {
            None => return Some(place),
            // Only a scale that fits the value that stopped this one is worth a try.
            Some(bits) => {
                place = (place + 1..POWERS.len()).find(|p| whole(bits, POWERS[*p]).is_some())?;
            }
        }
    }
}

/// The samples in this codec; `None` when no scale fits them all.
pub(super) fn encode(samples: &[(i64, u64)]) -> Option<Vec<u8>> {
    let mut numbers = Vec::with_capacity(samples.len());
    let place = scaled(&samples.iter().map(|(_, bits)| *bits), &mut numbers)?;
    let mut out = BitWriter::with_capacity(16 + samples.len());
    out.put(u64::from(FIRST_TAG) + place as u64, 8);
    let mut times = Times { t: samples.first()?.0, delta: 0 };
    let mut value = *numbers.first()?;
    let mut slope = 0i64;
    put_small(&mut out, value);
    for ((t, _), next) in samples.iter().zip(&numbers).skip(1) {
        times.put(&mut out, *t);
        put_small(&mut out, (next - value) - slope);
        slope = next - value;
        value = *next;
    }
    Some(out.into_bytes())
}

/// Reads what [`encode`] wrote.
#[derive(Clone)]
pub(crate) struct Decoder<'a> {
    input: BitReader<'a>,
    times: Times,
    value: i64,
    slope: i64,
    scale: f64,
    left: u16,
    first: bool,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(tag: u8, min_t: i64, count: u16, stream: &'a [u8]) -> Self {
        Self {
            input: BitReader::new(stream),
            times: Times { t: min_t, delta: 0 },
            value: 0,
            slope: 0,
            scale: scale_of(tag).unwrap_or(1.0),
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
            self.value = get_small(&mut self.input)?;
        } else {
            self.times.get(&mut self.input)?;
            self.slope = self.slope.wrapping_add(get_small(&mut self.input)?);
            self.value = self.value.wrapping_add(self.slope);
        }
        self.left -= 1;
        Some((self.times.t, unscaled(self.value, self.scale)))
    }
}
