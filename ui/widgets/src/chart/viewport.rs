//! The time that a chart shows: zoom and pan.

use quarterdeck_kernel::Timestamp;

/// The shortest time that can be shown, in milliseconds.
const LEAST: i64 = 1_000;

/// The longest: a hundred years.
const MOST: i64 = 100 * 365 * 86_400_000;

/// A span of time; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewport {
    from: i64,
    to: i64,
}

impl Viewport {
    /// From one time to another; turned round and widened to a second where needed.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        let (from, to) = (from.as_millis().min(to.as_millis()), from.as_millis().max(to.as_millis()));
        let span = to.saturating_sub(from).clamp(LEAST, MOST);
        Self { from: to.saturating_sub(span), to: to.saturating_sub(span).saturating_add(span) }
    }

    /// The last `range` milliseconds before `now`.
    #[must_use]
    pub fn last(range: i64, now: Timestamp) -> Self {
        Self::new(now.plus_millis(-range.clamp(LEAST, MOST)), now)
    }

    /// Its beginning.
    #[must_use]
    pub const fn from(self) -> Timestamp {
        Timestamp::from_millis(self.from)
    }

    /// Its end.
    #[must_use]
    pub const fn to(self) -> Timestamp {
        Timestamp::from_millis(self.to)
    }

    /// How long it is, in milliseconds.
    #[must_use]
    pub const fn span(self) -> i64 {
        self.to.saturating_sub(self.from)
    }

    /// Whether a time is in it.
    #[must_use]
    pub const fn contains(self, at: Timestamp) -> bool {
        self.from <= at.as_millis() && at.as_millis() <= self.to
    }

    /// Made longer (`factor` above 1) or shorter around a time that stays where it is.
    #[must_use]
    pub fn zoom(self, factor: f64, around: Timestamp) -> Self {
        if !factor.is_finite() || factor <= 0.0 {
            return self;
        }
        let span = (self.span() as f64 * factor).clamp(LEAST as f64, MOST as f64);
        let part = self.part_of(around).clamp(0.0, 1.0);
        let at = around.as_millis().clamp(self.from, self.to);
        let from = at.saturating_sub((span * part) as i64);
        Self::new(Timestamp::from_millis(from), Timestamp::from_millis(from.saturating_add(span as i64)))
    }

    /// Moved by a part of its length; negative is into the past.
    #[must_use]
    pub fn pan(self, part: f64) -> Self {
        let by = (self.span() as f64 * if part.is_finite() { part } else { 0.0 }) as i64;
        let (from, to) = (self.from.saturating_add(by), self.to.saturating_add(by));
        if to.saturating_sub(from) == self.span() { Self { from, to } } else { self }
    }

    /// Where a time stands, 0 at the beginning and 1 at the end.
    #[must_use]
    pub fn part_of(self, at: Timestamp) -> f64 {
        (at.as_millis() as f64 - self.from as f64) / self.span() as f64
    }

    /// The column of a time, when `width` columns show the whole; none outside.
    #[must_use]
    pub fn column_of(self, at: Timestamp, width: u16) -> Option<u16> {
        if width == 0 || !self.contains(at) {
            return None;
        }
        Some(((self.part_of(at) * f64::from(width)) as u16).min(width - 1))
    }

    /// The time in the middle of a column.
    #[must_use]
    pub fn time_at(self, column: u16, width: u16) -> Timestamp {
        let part = (f64::from(column) + 0.5) / f64::from(width.max(1));
        Timestamp::from_millis(self.from.saturating_add((self.span() as f64 * part.min(1.0)) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn zooming_keeps_the_time_under_the_cursor() {
        let view = Viewport::new(at(0), at(100_000));
        let zoomed = view.zoom(0.5, at(20_000));
        assert_eq!((zoomed.from(), zoomed.to()), (at(10_000), at(60_000)));
        assert_eq!(view.zoom(0.000_001, at(50_000)).span(), LEAST);
        assert_eq!(view.zoom(1e30, at(50_000)).span(), MOST);
        assert_eq!(view.zoom(f64::NAN, at(0)), view);
    }

    #[test]
    fn columns_and_times_agree() {
        let view = Viewport::new(at(0), at(10_000));
        for column in 0..10 {
            assert_eq!(view.column_of(view.time_at(column, 10), 10), Some(column));
        }
        assert_eq!(view.column_of(at(10_000), 10), Some(9));
        assert_eq!(view.column_of(at(10_001), 10), None);
        assert_eq!(view.pan(-0.5).from(), at(-5_000));
    }

    #[test]
    fn the_ends_of_time_do_no_harm() {
        let view = Viewport::new(Timestamp::MIN, Timestamp::MAX);
        assert!(view.span() > 0);
        let _ = view.pan(5.0).pan(-9.0).zoom(4.0, Timestamp::MIN).time_at(9, 3);
    }
}
