//! Little charts of one row.

use ratatui::buffer::Buffer;

use crate::text;
use crate::{Look, Role};

/// Bars by eighths of a cell, from the bottom.
pub(crate) const EIGHTHS_UP: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/// How many of them a sparkline uses: the full block is left out, so that lines of rows under each other stay apart.
const LEVELS: f64 = 7.0;

/// The lowest and highest value that sparklines of a column share, so that they can be compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Drawn as the lowest bar.
    pub low: f64,
    /// Drawn as the highest bar.
    pub high: f64,
}

impl Range {
    /// From 0 to the largest value; values that are not finite do not count.
    pub fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let finite = values.into_iter().filter(|v| v.is_finite());
        let (low, high) = finite.fold((0f64, 0f64), |(low, high), v| (low.min(v), high.max(v)));
        Self { low, high }
    }
}

/// Draws the newest `width` values, newest at the right, one per column; unknown values (NaN) are gaps. A row that is
/// flat and low is calm: the lowest bar, never empty.
pub fn sparkline(
    look: &Look,
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    width: u16,
    values: &[f64],
    range: Range,
    role: Role,
) {
    let shown = &values[values.len().saturating_sub(usize::from(width))..];
    let start = x.saturating_add(width - shown.len() as u16);
    for (i, value) in shown.iter().enumerate() {
        if let Some(bar) = bar(*value, range) {
            text::cell(buffer, start.saturating_add(i as u16), y, bar, look.style(role));
        }
    }
}

/// The bar of one value.
#[must_use]
pub fn bar(value: f64, range: Range) -> Option<&'static str> {
    if value.is_nan() {
        return None;
    }
    let height = range.high - range.low;
    let part = if height > 0.0 && height.is_finite() { (value - range.low) / height } else { 0.0 };
    let index = (part.clamp(0.0, 1.0) * (LEVELS - 1.0)).round() as usize;
    Some(EIGHTHS_UP[index])
}

/// Values brought to `width` columns: each is the mean of the known ones that fall on it; a column without any is a gap.
#[must_use]
pub fn resample(values: &[f64], width: usize) -> Vec<f64> {
    (0..width)
        .map(|column| {
            let from = column * values.len() / width;
            let to = ((column + 1) * values.len() / width).max(from + 1).min(values.len());
            let known = values.get(from..to).unwrap_or_default().iter().filter(|v| v.is_finite());
            let (count, sum) = known.fold((0u32, 0.0), |(count, sum), v| (count + 1, sum + v));
            if count == 0 { f64::NAN } else { sum / f64::from(count) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_shared_and_gaps_are_gaps() {
        let range = Range::from_zero([1.0, 8.0, f64::NAN]);
        assert_eq!((bar(8.0, range), bar(0.0, range), bar(f64::NAN, range)), (Some("▇"), Some("▁"), None));
        assert_eq!(bar(5.0, Range::from_zero([])), Some("▁"));
        assert_eq!(bar(f64::INFINITY, range), Some("▇"));
    }

    #[test]
    fn lines_of_adjacent_rows_never_touch() {
        let range = Range::from_zero([100.0]);
        for value in 0..=110 {
            assert_ne!(bar(f64::from(value), range), Some("█"), "{value}");
        }
    }

    #[test]
    fn resampling_takes_means_of_what_is_known() {
        assert_eq!(resample(&[1.0, 3.0, f64::NAN, 5.0], 2), [2.0, 5.0]);
        assert_eq!(resample(&[2.0], 3), [2.0, 2.0, 2.0]);
        assert!(resample(&[], 2).iter().all(|v| v.is_nan()));
    }
}
