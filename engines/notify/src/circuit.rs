//! Whether a destination takes what it is told: a circuit breaker over all that is told there.
//!
//! It holds nothing back. An open breaker spares who calls a wait and who is called a load; but a page has nowhere else to
//! go, and tries that are ever further apart are no load. So its overrides let every try be the probe: the first of the next
//! notification, or the one that is due of another. What is learned by one helps all: when a try is taken while the breaker is
//! not closed, those that pause are made at once, and those that have hung since before are cut off and made anew.

use std::time::Duration;

use quarterdeck_resilience::breaker::{Breaker, Permit, Settings, State, View};
use quarterdeck_resilience::{Moment, Outcome};

/// The usual breaker, with what is said above: it rests for no time, and any number may find out.
pub(crate) fn settings() -> Settings {
    Settings { open_for: Duration::ZERO, probes: u32::MAX, ..Settings::default() }
}

/// What a try tells of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is well.
    Taken,
    /// It is not.
    Failed,
    /// Nothing: the notification itself was no good, or nothing was sent.
    Unknown,
}

/// The breaker of a destination. Pure.
#[derive(Debug)]
pub(crate) struct Circuit {
    breaker: Breaker,
    /// Since when it is not closed.
    down: Option<Moment>,
}

impl Circuit {
    pub(crate) fn new(settings: Settings, now: Moment) -> Self {
        Self { breaker: Breaker::new(settings, now), down: None }
    }

    /// A try begins. It is made whatever the breaker says; without a permit the breaker learns nothing of it.
    pub(crate) fn begin(&mut self, now: Moment) -> Option<Permit> {
        self.breaker.ask(now).ok().map(|(permit, _)| permit)
    }

    /// What came of a try. True when it is news to all that wait: it was taken though others failed before.
    pub(crate) fn end(&mut self, permit: Option<Permit>, found: Found, now: Moment) -> bool {
        let before = self.breaker.view(now).state;
        match (permit, found) {
            (Some(permit), Found::Taken) => drop(self.breaker.tell(permit, Outcome::Success, now)),
            (Some(permit), Found::Failed) => drop(self.breaker.tell(permit, Outcome::Failure, now)),
            (Some(permit), Found::Unknown) => self.breaker.forget(permit),
            (None, _) => {}
        }
        self.down = match self.breaker.view(now).state {
            State::Closed => None,
            State::Open | State::HalfOpen => self.down.or(Some(now)),
        };
        found == Found::Taken && before != State::Closed
    }

    /// What it has seen, and since when it is not closed.
    pub(crate) fn view(&self, now: Moment) -> (View, Option<Moment>) {
        (self.breaker.view(now), self.down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn one(circuit: &mut Circuit, found: Found, now: u64) -> bool {
        let permit = circuit.begin(at(now));
        assert!(permit.is_some(), "nothing is held back, at {now} s");
        circuit.end(permit, found, at(now))
    }

    #[test]
    fn five_failures_open_it_and_three_that_are_taken_close_it() {
        let mut circuit = Circuit::new(settings(), at(0));
        for now in 1..=4 {
            assert!(!one(&mut circuit, Found::Failed, now));
        }
        assert!(!one(&mut circuit, Found::Taken, 5), "no news: it was not known to be down");
        assert_eq!(circuit.view(at(5)).0.state, State::Closed);
        assert!(!one(&mut circuit, Found::Failed, 6));
        assert_eq!((circuit.view(at(6)).0.state, circuit.view(at(6)).1), (State::Open, Some(at(6))));
        // Each further one is the probe; since when it is down stays.
        assert!(!one(&mut circuit, Found::Failed, 7) && !one(&mut circuit, Found::Unknown, 8));
        assert_eq!(circuit.view(at(8)).1, Some(at(6)));
        for now in 9..=11 {
            assert!(one(&mut circuit, Found::Taken, now), "news at {now} s");
        }
        assert_eq!((circuit.view(at(11)).0.state, circuit.view(at(11)).1), (State::Closed, None));
        assert!(!one(&mut circuit, Found::Taken, 12));
    }

    #[test]
    fn failures_of_long_ago_do_not_count_and_what_is_no_good_says_nothing() {
        let mut circuit = Circuit::new(settings(), at(0));
        for now in (0..4_000).step_by(100) {
            one(&mut circuit, Found::Failed, now);
            one(&mut circuit, Found::Unknown, now + 1);
            assert_eq!(circuit.view(at(now + 1)).0.state, State::Closed, "at {now} s");
        }
    }

    #[test]
    fn however_many_hang_the_next_may_try() {
        let mut circuit = Circuit::new(settings(), at(0));
        for now in 0..5 {
            one(&mut circuit, Found::Failed, now);
        }
        let hang: Vec<_> = (0..1_000).map(|_| circuit.begin(at(10))).collect();
        assert!(hang.iter().all(Option::is_some));
        assert!(one(&mut circuit, Found::Taken, 11));
    }
}
