//! The sliding-window log: exact, at the price of remembering.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Decision, Limiter, Rate};
use crate::Moment;

/// In no period, wherever it begins, are there more calls than the rate says. It remembers as many moments as there were
/// calls in the last period, those of one moment as one.
#[derive(Clone, Debug)]
pub struct SlidingLog {
    rate: Rate,
    /// Moments and how many calls they saw, oldest first.
    calls: VecDeque<(Moment, u32)>,
    taken: u32,
}

impl SlidingLog {
    /// An empty log.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, calls: VecDeque::new(), taken: 0 }
    }

    fn leaves(&self, at: Moment) -> Moment {
        at.saturating_add(self.rate.period)
    }

    /// When, from now, so many calls will have left the window.
    fn until_left(&self, mut n: u32, now: Moment) -> Duration {
        for &(at, count) in &self.calls {
            if n <= count {
                return self.leaves(at).saturating_sub(now);
            }
            n -= count;
        }
        Duration::ZERO
    }
}

impl Limiter for SlidingLog {
    fn take(&mut self, n: u32, now: Moment) -> Decision {
        // A clock that another thread read earlier is no reason to forget the order.
        let now = self.calls.back().map_or(now, |(at, _)| now.max(*at));
        while let Some(&(at, count)) = self.calls.front() {
            if self.leaves(at) > now {
                break;
            }
            self.taken -= count;
            self.calls.pop_front();
        }
        let free = self.rate.count - self.taken;
        let allowed = n <= free;
        let wait = if allowed {
            Some(Duration::ZERO)
        } else if n > self.rate.count {
            None
        } else {
            Some(self.until_left(n - free, now))
        };
        if allowed && n > 0 {
            self.taken += n;
            match self.calls.back_mut() {
                Some((at, count)) if *at == now => *count += n,
                _ => self.calls.push_back((now, n)),
            }
        }
        let newest = self.calls.back().map_or(now, |(at, _)| self.leaves(*at));
        Decision { allowed, remaining: self.rate.count - self.taken, wait, reset: newest.saturating_sub(now) }
    }

    fn is_idle(&self, now: Moment) -> bool {
        self.calls.back().is_none_or(|(at, _)| self.leaves(*at) <= now)
    }
}
