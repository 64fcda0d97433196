//! The sliding-window counter: two numbers, and a good guess.

use super::{Decision, Limiter, Rate, duration, small};
use crate::Moment;

/// Counts per period; of the period before, as much counts as the window that ends now still overlaps it. Wrong only as
/// far as the calls of the period before were not spread evenly.
#[derive(Clone, Debug)]
pub struct SlidingCounter {
    rate: Rate,
    /// Which period the counts are of, from the beginning of time.
    period: u128,
    before: u32,
    current: u32,
}

impl SlidingCounter {
    /// A counter of nothing.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, period: 0, before: 0, current: 0 }
    }

    /// The counts of the period before and of this one, this one's number, and how far into it now is.
    fn at(&self, now: Moment) -> (u32, u32, u128, u128) {
        let (length, now) = (self.rate.nanos(), now.as_nanos());
        let period = (now / length).max(self.period);
        let within = now.saturating_sub(period * length);
        match period - self.period {
            0 => (self.before, self.current, period, within),
            1 => (self.current, 0, period, within),
            _ => (0, 0, period, within),
        }
    }

    /// How far into a period it must be for a count of the period before to weigh no more than `room` (both in calls).
    fn light(&self, before: u32, room: u32) -> u128 {
        if before <= room {
            return 0;
        }
        let length = self.rate.nanos();
        length - u128::from(room) * length / u128::from(before)
    }
}

impl Limiter for SlidingCounter {
    fn take(&mut self, n: u32, now: Moment) -> Decision {
        let (before, current, period, within) = self.at(now);
        let (limit, length) = (self.rate.count, self.rate.nanos());
        // What still counts of the period before, rounded up: in doubt it is no.
        let weight = |before: u32| small((u128::from(before) * (length - within)).div_ceil(length));
        let used = weight(before).saturating_add(current);
        let allowed = u64::from(used) + u64::from(n) <= u64::from(limit);
        let wait = if allowed {
            Some(0)
        } else if n > limit {
            None
        } else if let Some(room) = (limit - n).checked_sub(current) {
            Some(self.light(before, room).saturating_sub(within))
        } else {
            // Not in this period; in the next, this one's count is the one before.
            Some(length - within + self.light(current, limit - n))
        };
        (self.before, self.current, self.period) = (before, current, period);
        if allowed {
            self.current += n;
        }
        let reset = match (self.before, self.current) {
            (0, 0) => 0,
            (_, 0) => length - within,
            _ => 2 * length - within,
        };
        Decision {
            allowed,
            remaining: limit.saturating_sub(used).saturating_sub(if allowed { n } else { 0 }),
            wait: wait.map(duration),
            reset: duration(reset),
        }
    }

    fn is_idle(&self, now: Moment) -> bool {
        let (before, current, ..) = self.at(now);
        before == 0 && current == 0
    }
}
