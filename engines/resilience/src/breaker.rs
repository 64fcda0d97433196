//! The circuit breaker: after enough failures nobody is called for a while, then a few try, and when they succeed all may
//! again (M. Nygard, "Release It!", 2007).

mod window;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Moment, Outcome};
use window::Window;

/// What makes a closed breaker open.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trip {
    /// So many failures one after the other.
    Consecutive {
        /// How many.
        failures: u32,
    },
    /// So many failures among the last calls.
    Count {
        /// How many.
        failures: u32,
        /// Of how many calls.
        calls: u32,
    },
    /// So many failures within the last while.
    Time {
        /// How many.
        failures: u32,
        /// How long a failure counts.
        window: Duration,
    },
}

/// The most failures or calls that a breaker looks back on; more are cut to this.
pub const MAX_LOOK_BACK: u32 = 10_000;

/// How a breaker behaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What makes it open.
    pub trip: Trip,
    /// How long it stays open before the first may try.
    pub open_for: Duration,
    /// How many must succeed while it is half-open for it to close.
    pub successes_to_close: u32,
    /// How many may try at the same time while it is half-open.
    pub probes: u32,
    /// How long a try may go unanswered before its place is given to another: its caller may be gone.
    pub probe_for: Duration,
}

impl Default for Settings {
    /// Five failures in 300 s open it for 60 s; three successes close it.
    fn default() -> Self {
        Self {
            trip: Trip::Time { failures: 5, window: Duration::from_secs(300) },
            open_for: Duration::from_secs(60),
            successes_to_close: 3,
            probes: 1,
            probe_for: Duration::from_secs(60),
        }
    }
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// All calls go through.
    Closed,
    /// None does.
    Open,
    /// A few do, to see.
    HalfOpen,
}

/// Why a breaker is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It began so.
    New,
    /// Failures reached the limit.
    Failures,
    /// It has been open long enough.
    Rested,
    /// A try failed.
    ProbeFailed,
    /// Enough tries succeeded.
    Recovered,
    /// Somebody wants it so.
    Forced,
    /// Nobody wants it forced any more.
    Released,
}

/// From one state to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// Before.
    pub from: State,
    /// Since.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

/// That a call may be made. What came of it must be told with it, by [`Breaker::tell`] or [`Breaker::forget`].
#[derive(Debug)]
#[must_use = "the breaker waits to hear what came of the call"]
pub struct Permit {
    /// Which period of the breaker's life the call belongs to: an answer from before an opening says nothing of now.
    period: u64,
    probe: Option<u64>,
}

impl Permit {
    /// Whether this call finds out if the other side is well again.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }
}

/// That no call may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the circuit is open{}", retry_text(*retry_after))]
pub struct Refused {
    /// When to ask again; None while somebody forces it open.
    pub retry_after: Option<Duration>,
}

fn retry_text(after: Option<Duration>) -> String {
    after.map_or_else(|| ", forced by an operator".to_owned(), |after| format!("; try again in {after:?}"))
}

/// What a breaker has seen and does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct View {
    /// The state.
    pub state: State,
    /// Why it is in it.
    pub reason: Reason,
    /// Since when.
    pub since: Moment,
    /// Whether somebody forces the state.
    pub forced: bool,
    /// Failures that count towards opening now.
    pub failures: u32,
    /// How many of them open it.
    pub limit: u32,
    /// Calls let through since the beginning.
    pub calls: u64,
    /// Of them, those that ended well.
    pub succeeded: u64,
    /// Of them, those that failed.
    pub failed: u64,
    /// Calls refused since the beginning.
    pub refused: u64,
    /// The last failure.
    pub last_failure: Option<Moment>,
    /// How long until the next may try, while it is open.
    pub next_probe_in: Option<Duration>,
    /// Successes so far, while it is half-open.
    pub successes: u32,
}

impl View {
    /// The share of ended calls that ended well; None when none has ended.
    #[must_use]
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.succeeded + self.failed;
        (ended > 0).then(|| self.succeeded as f64 / ended as f64)
    }
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    window: Window,
    state: State,
    reason: Reason,
    since: Moment,
    forced: bool,
    /// Grows with each transition.
    period: u64,
    successes: u32,
    /// Tries under way: their number and when their place is free again.
    probes: Vec<(u64, Moment)>,
    next_probe: u64,
    calls: u64,
    succeeded: u64,
    failed: u64,
    refused: u64,
    last_failure: Option<Moment>,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: Settings, now: Moment) -> Self {
        Self {
            window: Window::new(settings.trip),
            settings,
            state: State::Closed,
            reason: Reason::New,
            since: now,
            forced: false,
            period: 0,
            successes: 0,
            probes: Vec::new(),
            next_probe: 0,
            calls: 0,
            succeeded: 0,
            failed: 0,
            refused: 0,
            last_failure: None,
        }
    }

    /// Whether a call may be made now.
    ///
    /// # Errors
    /// That it may not, and when to ask again.
    pub fn ask(&mut self, now: Moment) -> Result<(Permit, Option<Transition>), Refused> {
        let mut moved = None;
        if self.state == State::Open {
            let Some(left) = self.rest(now) else {
                self.refused += 1;
                return Err(Refused { retry_after: None });
            };
            if !left.is_zero() {
                self.refused += 1;
                return Err(Refused { retry_after: Some(left) });
            }
            moved = Some(self.turn(State::HalfOpen, Reason::Rested, now));
        }
        let mut probe = None;
        if self.state == State::HalfOpen {
            self.probes.retain(|(_, until)| *until > now);
            if self.probes.len() >= self.settings.probes.max(1) as usize {
                self.refused += 1;
                let free = self.probes.iter().map(|(_, until)| *until).min().unwrap_or(now);
                return Err(Refused { retry_after: Some(free.saturating_sub(now)) });
            }
            self.next_probe += 1;
            self.probes.push((self.next_probe, now.saturating_add(self.settings.probe_for)));
            probe = Some(self.next_probe);
        }
        self.calls += 1;
        Ok((Permit { period: self.period, probe }, moved))
    }

    /// What came of a call.
    #[expect(clippy::needless_pass_by_value, reason = "a permit is used up: nobody can tell twice")]
    pub fn tell(&mut self, permit: Permit, outcome: Outcome, now: Moment) -> Option<Transition> {
        let Permit { period, probe } = permit;
        match outcome {
            Outcome::Success => self.succeeded += 1,
            Outcome::Failure => {
                self.failed += 1;
                self.last_failure = Some(now);
            }
        }
        self.release(probe);
        // Forced, it stays; and what was asked before the last transition says nothing of now.
        if self.forced || period != self.period {
            return None;
        }
        match (self.state, outcome) {
            (State::Closed, outcome) => {
                self.window.push(outcome, now);
                (self.window.failures(now) >= self.window.limit())
                    .then(|| self.turn(State::Open, Reason::Failures, now))
            }
            (State::HalfOpen, Outcome::Failure) => Some(self.turn(State::Open, Reason::ProbeFailed, now)),
            (State::HalfOpen, Outcome::Success) => {
                self.successes += 1;
                (self.successes >= self.settings.successes_to_close)
                    .then(|| self.turn(State::Closed, Reason::Recovered, now))
            }
            (State::Open, _) => None,
        }
    }

    /// That a call was given up before anything was known: its caller went away.
    #[expect(clippy::needless_pass_by_value, reason = "a permit is used up: nobody can tell twice")]
    pub fn forget(&mut self, permit: Permit) {
        let Permit { probe, .. } = permit;
        self.release(probe);
    }

    /// Forces it open or closed, until [`Breaker::unforce`].
    pub fn force(&mut self, state: Forced, now: Moment) -> Option<Transition> {
        let to = match state {
            Forced::Open => State::Open,
            Forced::Closed => State::Closed,
        };
        self.forced = true;
        if self.state == to {
            self.reason = Reason::Forced;
            return None;
        }
        Some(self.turn(to, Reason::Forced, now))
    }

    /// Lets it decide for itself again: from open it asks at once whether calls go well, for whoever gives it back believes that
    /// they do; from closed it goes on as if it were new.
    pub fn unforce(&mut self, now: Moment) -> Option<Transition> {
        if !std::mem::take(&mut self.forced) {
            return None;
        }
        let state = if self.state == State::Open { State::HalfOpen } else { self.state };
        Some(self.turn(state, Reason::Released, now)).filter(|turn| turn.from != turn.to)
    }

    /// Takes new settings; the state stays, and failures are counted anew.
    pub fn configure(&mut self, settings: Settings) {
        if settings.trip != self.settings.trip {
            self.window = Window::new(settings.trip);
        }
        self.settings = settings;
    }

    /// What it has seen and does.
    #[must_use]
    pub fn view(&self, now: Moment) -> View {
        View {
            state: self.state,
            reason: self.reason,
            since: self.since,
            forced: self.forced,
            failures: self.window.failures(now),
            limit: self.window.limit(),
            calls: self.calls,
            succeeded: self.succeeded,
            failed: self.failed,
            refused: self.refused,
            last_failure: self.last_failure,
            next_probe_in: if self.state == State::Open { self.rest(now) } else { None },
            successes: self.successes,
        }
    }

    /// How long an open breaker still rests; None when it is forced.
    fn rest(&self, now: Moment) -> Option<Duration> {
        (!self.forced).then(|| self.since.saturating_add(self.settings.open_for).saturating_sub(now))
    }

    fn release(&mut self, probe: Option<u64>) {
        if let Some(probe) = probe {
            self.probes.retain(|(id, _)| *id != probe);
        }
    }

    fn turn(&mut self, to: State, reason: Reason, now: Moment) -> Transition {
        let from = std::mem::replace(&mut self.state, to);
        self.reason = reason;
        self.since = now;
        self.period += 1;
        self.successes = 0;
        self.probes.clear();
        self.window.clear();
        Transition { from, to, reason }
    }
}

/// What a breaker can be forced to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// No call goes through.
    Open,
    /// All do.
    Closed,
}
