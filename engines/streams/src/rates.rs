//! Rates: what happened second by second.

use std::collections::VecDeque;
use std::sync::Arc;

use quarterdeck_kernel::Timestamp;

use crate::model::{HISTORY, RatePoint};

/// Seconds that a rate is the mean of.
const WINDOW: usize = 3;

/// Seconds that the largest lag is of.
const LAG_WINDOW: usize = 10;

/// Counts per second and their history.
#[derive(Debug)]
pub(crate) struct Rates {
    /// The second that is being counted, since 1970.
    second: i64,
    current: RatePoint,
    points: VecDeque<RatePoint>,
    shared: Arc<[RatePoint]>,
}

fn empty(second: i64) -> RatePoint {
    RatePoint {
        t: Timestamp::from_millis(second.saturating_add(1).saturating_mul(1000)),
        messages: 0,
        bytes: 0,
        dropped: 0,
        missing: 0,
        lag_ms: f64::NAN,
    }
}

impl Rates {
    pub(crate) fn new(now: Timestamp) -> Self {
        let second = now.as_millis().div_euclid(1000);
        Self { second, current: empty(second), points: VecDeque::new(), shared: Arc::from([]) }
    }

    /// Closes the seconds that have ended; says whether there was one.
    pub(crate) fn tick(&mut self, now: Timestamp) -> bool {
        let second = now.as_millis().div_euclid(1000);
        if second == self.second {
            return false;
        }
        let closed = std::mem::replace(&mut self.current, empty(second));
        // A clock that steps back begins anew; after a long pause the seconds between are missing, not zero.
        if second > self.second {
            self.points.push_back(closed);
            let skipped = second - self.second - 1;
            if skipped <= 5 {
                self.points.extend((self.second + 1..second).map(empty));
            }
        } else {
            self.points.retain(|p| p.t < self.current.t);
        }
        self.second = second;
        while self.points.len() > HISTORY {
            self.points.pop_front();
        }
        self.shared = self.points.iter().copied().collect();
        true
    }

    pub(crate) fn count(&mut self, messages: u64, bytes: u64, dropped: u64) {
        let point = &mut self.current;
        point.messages = point.messages.saturating_add(u32::try_from(messages).unwrap_or(u32::MAX));
        point.bytes = point.bytes.saturating_add(bytes);
        point.dropped = point.dropped.saturating_add(u32::try_from(dropped).unwrap_or(u32::MAX));
    }

    pub(crate) fn lag(&mut self, lag_ms: f64) {
        // `max` prefers a number to NaN.
        self.current.lag_ms = self.current.lag_ms.max(lag_ms);
    }

    pub(crate) fn missing(&mut self, missing: u64) {
        let more = u32::try_from(missing).unwrap_or(u32::MAX);
        self.current.missing = self.current.missing.saturating_add(more);
    }

    /// Messages and bytes per second over the last full seconds.
    pub(crate) fn rates(&self) -> (f64, f64) {
        let last = self.points.iter().rev().take(WINDOW);
        let (count, messages, bytes) = last
            .fold((0u32, 0.0, 0.0), |(n, m, b), p| (n + 1, m + f64::from(p.messages), b + p.bytes as f64));
        let seconds = f64::from(count.max(1));
        (messages / seconds, bytes / seconds)
    }

    /// The largest lag of the last seconds.
    pub(crate) fn lag_max(&self) -> Option<f64> {
        let recent = self.points.iter().rev().take(LAG_WINDOW).map(|p| p.lag_ms);
        Some(recent.fold(self.current.lag_ms, f64::max)).filter(|lag| !lag.is_nan())
    }

    /// The history, oldest first.
    pub(crate) fn history(&self) -> Arc<[RatePoint]> {
        Arc::clone(&self.shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn rates_are_means_of_full_seconds() {
        let mut r = Rates::new(at(500));
        for second in 0..5 {
            r.tick(at(second * 1000));
            r.count(10 * (second as u64 + 1), 1000, 0);
        }
        // Seconds 1, 2 and 3 are the last full ones.
        assert_eq!(r.rates(), (30.0, 1000.0));
        assert_eq!(r.history().len(), 4);
        assert_eq!(r.history()[0].t, at(1000));
    }

    #[test]
    fn quiet_seconds_count_as_zero_and_long_pauses_are_missing() {
        let mut r = Rates::new(at(0));
        r.count(5, 5, 1);
        assert!(!r.tick(at(999)));
        assert!(r.tick(at(3_000)));
        assert_eq!(r.history().iter().map(|p| p.messages).collect::<Vec<_>>(), [5, 0, 0]);
        r.tick(at(100_000));
        assert_eq!(r.history().len(), 4);
        assert_eq!(r.history()[3].t, at(4_000));
    }

    #[test]
    fn the_history_is_bounded_and_a_clock_that_steps_back_is_survived() {
        let mut r = Rates::new(at(0));
        (1..2_000).for_each(|s| {
            r.tick(at(s * 1000));
        });
        assert_eq!(r.history().len(), HISTORY);
        r.tick(at(1_500_000));
        assert!(r.history().iter().all(|p| p.t <= at(1_500_000)));
        assert!(r.history().windows(2).all(|w| w[0].t < w[1].t));
    }

    #[test]
    fn the_largest_lag_is_remembered_for_ten_seconds() {
        let mut r = Rates::new(at(0));
        assert_eq!(r.lag_max(), None);
        r.lag(12.0);
        r.lag(7.0);
        assert_eq!(r.lag_max(), Some(12.0));
        r.tick(at(5_000));
        r.lag(3.0);
        assert_eq!(r.lag_max(), Some(12.0));
        for s in 6..16 {
            r.tick(at(s * 1000));
        }
        assert_eq!(r.lag_max(), Some(3.0));
    }
}
