//! When a notification that was not taken is tried again: pauses grow by half each time, up to a minute, and vary by half, as
//! Alertmanager's do.
//!
//! A try may also be made before its time, because the destination has just taken something else. Such a try is one more: those
//! of the schedule stay where they are, so that hurrying never makes a notification later.

use std::time::Duration;

use quarterdeck_resilience::retry::{Backoff, Jitter, Policy, Random};
use tokio::time::Instant;

/// The longest pause, before it varies.
const MOST: Duration = Duration::from_secs(60);

/// The tries of one notification. Pure.
#[derive(Debug)]
pub(crate) struct Schedule {
    policy: Policy,
    random: Random,
    /// Tries that failed, but for those before their time.
    made: u32,
    /// When the next try of the schedule is due, while one before its time is made.
    planned: Option<Instant>,
}

/// The next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// When it is due.
    pub(crate) at: Instant,
    /// Whether it may be made before: not when the receiver asked for the pause, and not twice in one.
    pub(crate) sooner: bool,
}

impl Schedule {
    pub(crate) fn new(first: Duration, seed: u64) -> Self {
        let policy = Policy {
            attempts: Policy::FOREVER,
            backoff: Backoff::Exponential { factor: 1.5 },
            base: first,
            cap: MOST,
            jitter: Jitter::Around { share: 0.5 },
            // A repeated notification carries the name of the first, and one that is told twice is better than none.
            not_idempotent: true,
        };
        Self { policy, random: Random::new(seed), made: 0, planned: None }
    }

    /// A try failed; `asked` is how long the receiver asked to wait.
    pub(crate) fn failed(&mut self, asked: Option<Duration>, now: Instant) -> Next {
        let (planned, sooner) = match self.planned.take() {
            Some(planned) => (planned, false),
            None => {
                self.made = self.made.saturating_add(1);
                let random = self.random.unit();
                (now + self.policy.wait(self.made, true, random).unwrap_or(MOST), true)
            }
        };
        Next { at: planned.max(now + asked.unwrap_or_default()), sooner: sooner && asked.is_none() }
    }

    /// A try is made before its time.
    pub(crate) fn hurry(&mut self, next: Next) {
        self.planned = Some(next.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);

    #[test]
    fn pauses_grow_to_a_minute() {
        let now = Instant::now();
        for seed in 0..100 {
            let mut schedule = Schedule::new(FIRST, seed);
            let mut middle = 0.5;
            for _ in 0..30 {
                let pause = schedule.failed(None, now).at.duration_since(now).as_secs_f64();
                assert!(
                    pause >= middle * 0.499 && pause <= middle * 1.501,
                    "seed {seed}: {pause} around {middle}"
                );
                middle = f64::min(middle * 1.5, 60.0);
            }
        }
    }

    #[test]
    fn a_try_before_its_time_makes_no_other_later() {
        let start = Instant::now();
        for seed in 0..100 {
            let (mut plain, mut hurried) = (Schedule::new(FIRST, seed), Schedule::new(FIRST, seed));
            let mut now = start;
            for turn in 0..30 {
                let due = plain.failed(None, now);
                let next = hurried.failed(None, now);
                assert_eq!(next, due, "seed {seed}, try {turn}");
                if turn % 3 > 0 {
                    hurried.hurry(next);
                    let halfway = now + next.at.duration_since(now) / 2;
                    let again = hurried.failed(None, halfway);
                    assert_eq!(again, Next { at: next.at, sooner: false }, "seed {seed}, try {turn}");
                }
                now = due.at;
            }
        }
    }

    #[test]
    fn who_asks_to_wait_is_not_asked_before() {
        let now = Instant::now();
        let mut schedule = Schedule::new(FIRST, 1);
        let asked = Duration::from_secs(30);
        assert_eq!(schedule.failed(Some(asked), now), Next { at: now + asked, sooner: false });
        // Nor because it asks for less than the pause would be.
        let next = schedule.failed(Some(Duration::from_millis(1)), now);
        assert!(next.at > now + Duration::from_millis(300) && !next.sooner);
    }
}
