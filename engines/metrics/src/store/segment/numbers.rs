//! Columns of whole numbers and of values.
//!
//! A column is written as what is left when the commonest step is taken from each step, zigzag, in Rice codes: `q` ones
//! and a zero for the high part, `k` bits for the low part, `k` chosen for the column. Steady columns take no bits at
//! all. Times are such columns; values are too, if all of them are whole numbers at one scale, of steps or of changes of
//! steps, whichever is smaller; else they are the bits that changed from value to value.

use super::super::chunk::bits::{BitReader, BitWriter, Bits as _};
use super::super::chunk::integers::{POWERS, scaled, unscaled};
use super::super::chunk::xor::Window;
use super::super::codec::{Reader, put_zigzag};

/// A high part of so many ones is followed by the whole number instead.
const ESCAPE: u8 = 24;
/// The most low bits of a Rice code.
const MAX_K: u8 = 57;

/// All values have the same bits.
const SAME: u8 = 0;
/// Bits that changed.
const CHANGED: u8 = 1;
/// Whole numbers: this plus four times the scale plus the shape.
const WHOLE: u8 = 32;
/// All steps are equal.
const STEADY: u8 = 0;
/// Steps.
const STEPS: u8 = 1;
/// Changes of steps.
const CHANGES: u8 = 2;
const SHAPES: u8 = 4;

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn cost(numbers: &[u64], k: u8) -> u64 {
    let bits = |z: &u64| match z >> k {
        q if q < u64::from(ESCAPE) => q + 1 + u64::from(k),
        _ => u64::from(ESCAPE) + 64,
    };
    numbers.iter().map(bits).sum()
}

/// The `k` that makes numbers smallest, about, and the bits that they take.
fn best(numbers: &[u64]) -> (u8, u64) {
    let sum: u128 = numbers.iter().map(|z| u128::from(*z)).sum();
    let mean = sum / numbers.len().max(1) as u128;
    let about = (128 - mean.leading_zeros()) as u8;
    (about.saturating_sub(3)..=about)
        .filter(|k| *k <= MAX_K)
        .map(|k| (k, cost(numbers, k)))
        .min_by_key(|(_, bits)| *bits)
        .unwrap_or((MAX_K, cost(numbers, MAX_K)))
}

/// The step that most others are near.
fn middle(steps: &mut [i64]) -> i64 {
    let middle = steps.len() / 2;
    if steps.is_empty() { 0 } else { *steps.select_nth_unstable(middle).1 }
}

fn put_rice(out: &mut Vec<u8>, numbers: &[u64], k: u8) {
    let mut bits = BitWriter::default();
    for z in numbers {
        let q = z >> k;
        if q < u64::from(ESCAPE) {
            bits.put(((1u64 << q) - 1) << 1, q as u8 + 1);
            bits.put(*z, k);
        } else {
            bits.put((1 << ESCAPE) - 1, ESCAPE);
            bits.put(*z, 64);
        }
    }
    out.extend_from_slice(&bits.into_bytes());
}

#[inline]
fn get_rice(input: &mut BitReader<'_>, k: u8) -> Option<u64> {
    match input.ones(ESCAPE)? {
        ESCAPE => input.get(64),
        q => Some(u64::from(q) << k | input.get(k)?),
    }
}

/// What the encoders need again and again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    numbers: Vec<i64>,
    steps: Vec<i64>,
    sorted: Vec<i64>,
    first: Vec<u64>,
    second: Vec<u64>,
}

/// Appends a column of times. Its length is told elsewhere.
pub(super) fn put_times(out: &mut Vec<u8>, times: &[i64], scratch: &mut Scratch) {
    let Some(start) = times.first() else { return };
    put_zigzag(out, *start);
    let Scratch { steps, sorted, first, .. } = scratch;
    steps.clear();
    steps.extend(times.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])));
    sorted.clone_from(steps);
    let centre = middle(sorted);
    put_zigzag(out, centre);
    first.clear();
    first.extend(steps.iter().map(|step| zigzag(step.wrapping_sub(centre))));
    if first.iter().all(|z| *z == 0) {
        return;
    }
    let (k, _) = best(first);
    out.push(k);
    put_rice(out, first, k);
}

/// Reads what [`put_times`] wrote; all bytes are the column's. `None` when they are not one.
pub(super) fn get_times(bytes: &[u8], count: usize, out: &mut Vec<i64>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let mut t = reader.zigzag()?;
    let centre = reader.zigzag()?;
    out.clear();
    out.reserve(count);
    out.push(t);
    let Some(k) = reader.u8() else {
        out.extend((1..count).map(|_| {
            t = t.wrapping_add(centre);
            t
        }));
        return Some(());
    };
    let mut input = BitReader::new(reader.rest());
    for _ in 1..count {
        let step = unzigzag(get_rice(&mut input, k.min(MAX_K))?);
        t = t.wrapping_add(centre.wrapping_add(step));
        out.push(t);
    }
    Some(())
}

/// Appends a column of values, whose length is told elsewhere.
pub(super) fn put_values(
    out: &mut Vec<u8>,
    values: impl Iterator<Item = u64> + Clone,
    scratch: &mut Scratch,
) {
    let Some(start) = values.clone().next() else { return };
    let place = scaled(&values, &mut scratch.numbers);
    let Some(place) = place else {
        if values.clone().all(|bits| bits == start) {
            out.push(SAME);
            out.extend_from_slice(&start.to_le_bytes());
        } else {
            put_changed(out, start, values);
        }
        return;
    };
    let Scratch { numbers, steps, sorted, first, second } = scratch;
    let tag = WHOLE + place as u8 * SHAPES;
    let begin = out.len();
    steps.clear();
    steps.extend(numbers.windows(2).map(|pair| pair[1] - pair[0]));
    sorted.clone_from(steps);
    let centre = middle(sorted);
    first.clear();
    first.extend(steps.iter().map(|step| zigzag(step - centre)));
    if first.iter().all(|z| *z == 0) {
        out.push(tag + STEADY);
        put_zigzag(out, numbers[0]);
        if centre != 0 {
            put_zigzag(out, centre);
        }
        return;
    }
    second.clear();
    second.extend(steps.windows(2).map(|pair| zigzag(pair[1] - pair[0])));
    let ((k1, bits1), (k2, bits2)) = (best(first), best(second));
    let (shape, lead, k, codes) =
        if bits1 <= bits2 + 8 { (STEPS, centre, k1, first) } else { (CHANGES, steps[0], k2, second) };
    out.push(tag + shape);
    put_zigzag(out, numbers[0]);
    put_zigzag(out, lead);
    out.push(k);
    put_rice(out, codes, k);
    let taken = out.len() - begin;
    if taken > numbers.len() * 2 {
        // Noise: perhaps fewer bits change than the numbers have.
        put_changed(out, start, values);
        if out.len() - begin < taken * 2 {
            out.drain(begin..begin + taken);
        } else {
            out.truncate(begin + taken);
        }
    }
}

fn put_changed(out: &mut Vec<u8>, start: u64, values: impl Iterator<Item = u64>) {
    out.push(CHANGED);
    out.extend_from_slice(&start.to_le_bytes());
    let (mut bits, mut window, mut before) = (BitWriter::default(), Window::default(), start);
    for value in values.skip(1) {
        window.put(&mut bits, before, value);
        before = value;
    }
    out.extend_from_slice(&bits.into_bytes());
}

/// Reads the first `count` values of what [`put_values`] wrote; `None` when the bytes are not that.
pub(super) fn get_values(bytes: &[u8], count: usize, out: &mut Vec<u64>) -> Option<()> {
    out.clear();
    if count == 0 {
        return Some(());
    }
    out.reserve(count);
    let mut reader = Reader::new(bytes);
    let tag = reader.u8()?;
    match tag {
        SAME => {
            let value = reader.u64()?;
            out.resize(count, value);
        }
        CHANGED => {
            let mut value = reader.u64()?;
            out.push(value);
            let (mut input, mut window) = (BitReader::new(reader.rest()), Window::default());
            for _ in 1..count {
                value = window.get(&mut input, value)?;
                out.push(value);
            }
        }
        _ => {
            let tag = tag.checked_sub(WHOLE)?;
            let scale = *POWERS.get(usize::from(tag / SHAPES))?;
            get_whole(tag % SHAPES, scale, &mut reader, count, out)?;
        }
    }
    Some(())
}

fn get_whole(shape: u8, scale: f64, reader: &mut Reader<'_>, count: usize, out: &mut Vec<u64>) -> Option<()> {
    let mut value = reader.zigzag()?;
    out.push(unscaled(value, scale));
    if shape == STEADY {
        let step = if reader.is_empty() { 0 } else { reader.zigzag()? };
        if step == 0 {
            out.resize(count, out[0]);
            return Some(());
        }
        out.extend((1..count).map(|_| {
            value = value.wrapping_add(step);
            unscaled(value, scale)
        }));
        return Some(());
    }
    let lead = reader.zigzag()?;
    let k = reader.u8()?.min(MAX_K);
    let mut input = BitReader::new(reader.rest());
    match shape {
        STEPS => {
            for _ in 1..count {
                let step = lead.wrapping_add(unzigzag(get_rice(&mut input, k)?));
                value = value.wrapping_add(step);
                out.push(unscaled(value, scale));
            }
        }
        CHANGES => {
            let mut step = lead;
            for i in 1..count {
                if i > 1 {
                    step = step.wrapping_add(unzigzag(get_rice(&mut input, k)?));
                }
                value = value.wrapping_add(step);
                out.push(unscaled(value, scale));
            }
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quarterdeck_kernel::sample::STALE_NAN_BITS;

    use super::*;

    fn values_back(values: &[u64]) -> usize {
        let (mut out, mut back) = (Vec::new(), Vec::new());
        put_values(&mut out, values.iter().copied(), &mut Scratch::default());
        for count in [values.len(), values.len() / 2, 1] {
            get_values(&out, count, &mut back).unwrap();
            assert_eq!(back, values[..count], "{count} of {}", values.len());
        }
        out.len()
    }

    fn floats(values: impl Iterator<Item = f64>) -> Vec<u64> {
        values.map(f64::to_bits).collect()
    }

    #[test]
    fn steady_columns_take_a_few_bytes() {
        assert!(values_back(&floats((0..120).map(|_| 4096.0))) <= 3);
        assert!(values_back(&floats((0..120).map(|i| 1e6 + 37.0 * f64::from(i)))) <= 6);
        assert!(values_back(&floats((0..120).map(|i| f64::from(1_000_000 + 37 * i) / 100.0))) <= 6);
        assert!(values_back(&floats((0..120).map(|_| 0.1 + 0.2))) <= 9);
        // Now and then one more: a bit each, and a few for the change.
        assert!(values_back(&floats((0..120).map(|i| f64::from(i / 30)))) <= 24);
    }

    #[test]
    fn noise_takes_what_it_holds() {
        let mut state = 7u64;
        let mut noise = |bits: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> (64 - bits)
        };
        let counter: Vec<f64> = (0..120).map(|i| f64::from(i) * 37.0 + noise(3) as f64).collect();
        assert!(values_back(&floats(counter.into_iter())) <= 75);
        let gauge: Vec<f64> = (0..120).map(|_| noise(53) as f64 / 9_007_199_254_740_992.0).collect();
        assert!(values_back(&floats(gauge.into_iter())) <= 120 * 8);
    }

    #[test]
    fn odd_values_come_back() {
        let odd =
            [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, f64::NAN, f64::INFINITY, 0.1, -1.5e-300, 9e15, -9e15];
        let mut values = floats(odd.into_iter());
        values.push(STALE_NAN_BITS);
        values_back(&values);
        values_back(&floats([9_007_199_254_740_992.0, -9_007_199_254_740_992.0, 0.0].into_iter()));
        values_back(&[STALE_NAN_BITS]);
        values_back(&floats([-0.0; 9].into_iter()));
        values_back(&floats([-0.0, 1.5, 0.0, -0.0, 2.25].into_iter()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn any_times_come_back(times in proptest::collection::btree_set(any::<i64>(), 1..150), near in any::<bool>()) {
            let mut times: Vec<i64> = times.into_iter().map(|t| if near { t % 100_000 } else { t }).collect();
            times.sort_unstable();
            let (mut out, mut back) = (Vec::new(), Vec::new());
            put_times(&mut out, &times, &mut Scratch::default());
            get_times(&out, times.len(), &mut back).unwrap();
            prop_assert_eq!(back, times);
        }

        #[test]
        fn any_values_come_back(
            start in -1_000_000i64..1_000_000,
            steps in proptest::collection::vec((0u8..6, any::<i32>()), 1..130),
            scale in 0usize..7,
            bad in proptest::option::of((any::<prop::sample::Index>(), any::<u64>())),
        ) {
            let mut number = start;
            let mut values: Vec<u64> = steps.iter().map(|(kind, step)| {
                number += match kind { 0 => 0, 1 | 2 => i64::from(*step % 10), 3 => 100, 4 => i64::from(*step), _ => -number };
                (number as f64 / POWERS[scale]).to_bits()
            }).collect();
            if let Some((at, bits)) = bad {
                let at = at.index(values.len());
                values[at] = bits;
            }
            values_back(&values);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), count in 0usize..200) {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            let _ = get_times(&bytes, count, &mut times);
            let _ = get_values(&bytes, count, &mut values);
            prop_assert!(times.len() <= count.max(1) && values.len() <= count);
        }
    }
}
