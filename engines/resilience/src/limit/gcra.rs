//! The generic cell rate algorithm, as the governor crate has it, told the time.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::{Decision, Limiter, Rate};
use crate::Moment;

/// A clock that shows what it was last told.
#[derive(Clone, Debug, Default)]
struct Told(Arc<AtomicU64>);

impl Clock for Told {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.0.load(Ordering::Relaxed))
    }
}

type Cells = RateLimiter<NotKeyed, InMemoryState, Told, StateInformationMiddleware>;

/// Calls are spaced evenly at the rate; a burst may come at once if it was quiet before.
#[derive(Debug)]
pub struct Gcra {
    /// None when the rate allows nothing.
    cells: Option<(Cells, Duration, NonZeroU32)>,
    clock: Told,
    /// When it is as if it were new.
    idle_at: Moment,
}

impl Gcra {
    /// A limiter that has seen nothing. Without a burst nothing is allowed.
    #[must_use]
    pub fn new(rate: Rate, burst: u32) -> Self {
        let clock = Told::default();
        let cells = NonZeroU32::new(rate.count).zip(NonZeroU32::new(burst)).and_then(|(count, burst)| {
            let space = (rate.period / count.get()).max(Duration::from_nanos(1));
            let quota = Quota::with_period(space)?.allow_burst(burst);
            let cells = RateLimiter::direct_with_clock(quota, clock.clone());
            Some((cells.with_middleware::<StateInformationMiddleware>(), space, burst))
        });
        Self { cells, clock, idle_at: Moment::ZERO }
    }
}

impl Limiter for Gcra {
    fn take(&mut self, n: u32, now: Moment) -> Decision {
        let never = Decision { allowed: n == 0, remaining: 0, wait: None, reset: Duration::MAX };
        let Some((cells, space, burst)) = &self.cells else { return never };
        let Some(n) = NonZeroU32::new(n) else {
            let reset = self.idle_at.saturating_sub(now);
            let used = u32::try_from(reset.as_nanos().div_ceil(space.as_nanos())).unwrap_or(u32::MAX);
            let remaining = burst.get().saturating_sub(used);
            return Decision { allowed: true, remaining, wait: Some(Duration::ZERO), reset };
        };
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.clock.0.fetch_max(nanos, Ordering::Relaxed);
        match cells.check_n(n) {
            Ok(Ok(state)) => {
                let remaining = state.remaining_burst_capacity();
                self.idle_at = self.idle_at.max(now).saturating_add(space.saturating_mul(n.get()));
                let reset = self.idle_at.saturating_sub(now);
                Decision { allowed: true, remaining, wait: Some(Duration::ZERO), reset }
            }
            Ok(Err(not_yet)) => {
                let wait = not_yet.wait_time_from(self.clock.now());
                let reset = self.idle_at.saturating_sub(now);
                let used = u32::try_from(reset.as_nanos().div_ceil(space.as_nanos())).unwrap_or(u32::MAX);
                let remaining = burst.get().saturating_sub(used);
                Decision { allowed: false, remaining, wait: Some(wait), reset }
            }
            Err(_) => Decision { reset: self.idle_at.saturating_sub(now), ..never },
        }
    }

    fn is_idle(&self, now: Moment) -> bool {
        self.idle_at <= now
    }
}
