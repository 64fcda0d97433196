//! Rate limiters. All answer the same way: yes with what is left, or no with how long to wait.

mod bucket;
mod counter;
mod gcra;
mod log;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Moment;
pub use bucket::TokenBucket;
pub use counter::SlidingCounter;
pub use gcra::Gcra;
pub use log::SlidingLog;

/// So many in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// How many; 0 allows none.
    pub count: u32,
    /// In how long; less than a nanosecond counts as one.
    pub period: Duration,
}

impl Rate {
    /// So many each second.
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self { count, period: Duration::from_secs(1) }
    }

    fn nanos(self) -> u128 {
        self.period.as_nanos().max(1)
    }
}

/// How a limit is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Tokens come at the rate and are saved up to a burst.
    #[default]
    TokenBucket,
    /// Every call of the last period is remembered: exact, and the memory of as many calls.
    SlidingLog,
    /// Two counts, of this period and the one before, which counts for as much as still overlaps.
    SlidingCounter,
    /// The generic cell rate algorithm: calls are spaced, with a burst of tolerance (ITU-T I.371).
    Gcra,
}

/// The answer of a limiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether the call may be made; then it counts.
    pub allowed: bool,
    /// How many more may be made at once.
    pub remaining: u32,
    /// How long until the same would be allowed, if nobody else comes; zero when it is allowed, None when it never will be.
    pub wait: Option<Duration>,
    /// How long until nothing of what was counted counts any more.
    pub reset: Duration,
}

/// A rate limiter.
pub trait Limiter {
    /// Whether `n` calls may be made now; they count if so, and not at all if not.
    fn take(&mut self, n: u32, now: Moment) -> Decision;

    /// Whether it is as if it were new: nothing that was counted counts any more.
    fn is_idle(&self, now: Moment) -> bool;
}

/// A limiter of any algorithm.
#[derive(Debug)]
pub enum AnyLimiter {
    /// See [`TokenBucket`].
    TokenBucket(TokenBucket),
    /// See [`SlidingLog`].
    SlidingLog(SlidingLog),
    /// See [`SlidingCounter`].
    SlidingCounter(SlidingCounter),
    /// See [`Gcra`].
    Gcra(Box<Gcra>),
}

impl AnyLimiter {
    /// A limiter; `burst` is what may come at once where the algorithm has one, by default the rate's count.
    #[must_use]
    pub fn new(algorithm: Algorithm, rate: Rate, burst: Option<u32>, now: Moment) -> Self {
        let burst = burst.unwrap_or(rate.count);
        match algorithm {
            Algorithm::TokenBucket => Self::TokenBucket(TokenBucket::new(rate, burst, now)),
            Algorithm::SlidingLog => Self::SlidingLog(SlidingLog::new(rate)),
            Algorithm::SlidingCounter => Self::SlidingCounter(SlidingCounter::new(rate)),
            Algorithm::Gcra => Self::Gcra(Box::new(Gcra::new(rate, burst))),
        }
    }
}

impl Limiter for AnyLimiter {
    fn take(&mut self, n: u32, now: Moment) -> Decision {
        match self {
            Self::TokenBucket(limiter) => limiter.take(n, now),
            Self::SlidingLog(limiter) => limiter.take(n, now),
            Self::SlidingCounter(limiter) => limiter.take(n, now),
            Self::Gcra(limiter) => limiter.take(n, now),
        }
    }

    fn is_idle(&self, now: Moment) -> bool {
        match self {
            Self::TokenBucket(limiter) => limiter.is_idle(now),
            Self::SlidingLog(limiter) => limiter.is_idle(now),
            Self::SlidingCounter(limiter) => limiter.is_idle(now),
            Self::Gcra(limiter) => limiter.is_idle(now),
        }
    }
}

/// Nanoseconds as a duration; the longest there is if they are too many.
fn duration(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    match u64::try_from(nanos / SECOND) {
        Ok(seconds) => Duration::new(seconds, (nanos % SECOND) as u32),
        Err(_) => Duration::MAX,
    }
}

fn small(n: u128) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
