//! The token bucket, in whole numbers: no token is lost or won by rounding.

use super::{Decision, Limiter, Rate, duration, small};
use crate::Moment;

/// A token bucket: tokens come evenly at the rate, and as many as the burst are saved. It begins full.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    rate: Rate,
    burst: u32,
    /// Tokens, in parts of which the period's nanoseconds make one: each nanosecond brings as many as the rate's count.
    level: u128,
    at: Moment,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(rate: Rate, burst: u32, now: Moment) -> Self {
        Self { rate, burst, level: u128::from(burst) * rate.nanos(), at: now }
    }

    fn capacity(&self) -> u128 {
        u128::from(self.burst) * self.rate.nanos()
    }

    fn level_at(&self, now: Moment) -> u128 {
        let passed = now.saturating_sub(self.at).as_nanos();
        self.capacity().min(self.level.saturating_add(passed.saturating_mul(u128::from(self.rate.count))))
    }

    /// How long until there are so many parts of tokens more.
    fn until(&self, parts: u128) -> Option<u128> {
        (self.rate.count > 0).then(|| parts.div_ceil(u128::from(self.rate.count)))
    }
}

impl Limiter for TokenBucket {
    fn take(&mut self, n: u32, now: Moment) -> Decision {
        self.level = self.level_at(now);
        self.at = self.at.max(now);
        let cost = u128::from(n) * self.rate.nanos();
        let allowed = cost <= self.level;
        let wait = if allowed {
            self.level -= cost;
            Some(0)
        } else if cost > self.capacity() {
            None
        } else {
            self.until(cost - self.level)
        };
        Decision {
            allowed,
            remaining: small(self.level / self.rate.nanos()),
            wait: wait.map(duration),
            reset: self.until(self.capacity() - self.level).map_or(std::time::Duration::MAX, duration),
        }
    }

    fn is_idle(&self, now: Moment) -> bool {
        self.level_at(now) == self.capacity()
    }
}
