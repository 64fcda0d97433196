//! What a breaker looks back on. Exact: failures are remembered one by one, never more than open it.

use std::collections::VecDeque;
use std::time::Duration;

use super::{MAX_LOOK_BACK, Trip};
use crate::{Moment, Outcome};

#[derive(Debug)]
pub(super) struct Window {
    limit: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Consecutive {
        failures: u32,
    },
    /// The last calls, oldest first, true for a failure; and how many of them failed.
    Count {
        calls: usize,
        last: VecDeque<bool>,
        failures: u32,
    },
    /// The last failures, oldest first.
    Time {
        window: Duration,
        failures: VecDeque<Moment>,
    },
}

impl Window {
    pub(super) fn new(trip: Trip) -> Self {
        let bound = |n: u32| n.clamp(1, MAX_LOOK_BACK);
        match trip {
            Trip::Consecutive { failures } => {
                Self { limit: bound(failures), kind: Kind::Consecutive { failures: 0 } }
            }
            Trip::Count { failures, calls } => {
                let calls = bound(calls);
                let last = VecDeque::with_capacity(calls as usize);
                // More failures than calls would never open it.
                let limit = bound(failures).min(calls);
                Self { limit, kind: Kind::Count { calls: calls as usize, last, failures: 0 } }
            }
            Trip::Time { failures, window } => {
                let limit = bound(failures);
                let failures = VecDeque::with_capacity(limit as usize);
                Self { limit, kind: Kind::Time { window, failures } }
            }
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) fn push(&mut self, outcome: Outcome, now: Moment) {
        let failed = outcome == Outcome::Failure;
        match &mut self.kind {
            Kind::Consecutive { failures } => *failures = if failed { failures.saturating_add(1) } else { 0 },
            Kind::Count { calls, last, failures } => {
                if last.len() == *calls && last.pop_front() == Some(true) {
                    *failures -= 1;
                }
                last.push_back(failed);
                *failures += u32::from(failed);
            }
            Kind::Time { failures, .. } => {
                if failed {
                    if failures.len() == self.limit as usize {
                        failures.pop_front();
                    }
                    failures.push_back(now);
                }
            }
        }
    }

    /// Failures that count now; a failure counts while it is younger than the window.
    pub(super) fn failures(&self, now: Moment) -> u32 {
        match &self.kind {
            Kind::Consecutive { failures } | Kind::Count { failures, .. } => *failures,
            Kind::Time { window, failures } => {
                // The newest are at the back: in the usual case of none nothing is looked at.
                let counts = |at: &&Moment| now.saturating_sub(**at) < *window;
                u32::try_from(failures.iter().rev().take_while(counts).count()).unwrap_or(u32::MAX)
            }
        }
    }

    pub(super) fn clear(&mut self) {
        match &mut self.kind {
            Kind::Consecutive { failures } => *failures = 0,
            Kind::Count { last, failures, .. } => {
                last.clear();
                *failures = 0;
            }
            Kind::Time { failures, .. } => failures.clear(),
        }
    }
}
