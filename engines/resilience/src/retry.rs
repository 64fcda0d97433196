//! Retries: how long to wait before each, and a budget, so that retries cannot become the load that keeps a service down.

mod random;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Moment;
pub use random::Random;

/// How waits grow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Always the base.
    Fixed,
    /// The base, twice it, three times it, …
    Linear,
    /// The base, times the factor, times the factor again, …
    Exponential {
        /// By what each wait is longer than the one before.
        factor: f64,
    },
    /// The base times 1, 1, 2, 3, 5, 8, …
    Fibonacci,
}

/// How waits are spread, so that those who failed together do not come back together (M. Brooker, "Exponential Backoff And
/// Jitter", AWS Architecture Blog, 2015).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Not at all.
    None,
    /// Anything from nothing to the wait.
    #[default]
    Full,
    /// Half of the wait, and anything up to the other half.
    Equal,
    /// The wait, or anything down to a share of it less.
    Below {
        /// The share, from 0 to 1: with 0.2 at least four fifths are waited.
        share: f64,
    },
    /// The wait, or anything up to a share of it less or more: it may be longer than the cap by as much.
    Around {
        /// The share, from 0 to 1: with 0.5 half of the wait is waited at least, and one and a half at most.
        share: f64,
    },
}

/// How a call is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// How often it is tried in all; 1 is no retry, [`Policy::FOREVER`] no end.
    pub attempts: u32,
    /// How waits grow.
    pub backoff: Backoff,
    /// The first wait.
    pub base: Duration,
    /// The longest wait, before it is spread.
    pub cap: Duration,
    /// How waits are spread.
    pub jitter: Jitter,
    /// Whether calls are tried again that may have been carried out and are not the same when carried out twice.
    pub not_idempotent: bool,
}

impl Default for Policy {
    /// Three attempts in all; 1 s, doubled each time, at most 30 s.
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff::Exponential { factor: 2.0 },
            base: Duration::from_secs(1),
            cap: Duration::from_secs(30),
            jitter: Jitter::Full,
            not_idempotent: false,
        }
    }
}

impl Policy {
    /// As many attempts as it takes.
    pub const FOREVER: u32 = u32::MAX;

    /// The wait before the next attempt, when `made` attempts have been made and failed; None when no more is due.
    /// `random` is evenly spread in [0, 1).
    #[must_use]
    pub fn wait(&self, made: u32, idempotent: bool, random: f64) -> Option<Duration> {
        let over = made >= self.attempts && self.attempts != Self::FOREVER;
        if made == 0 || over || !(idempotent || self.not_idempotent) {
            return None;
        }
        let times = match self.backoff {
            Backoff::Fixed => 1.0,
            Backoff::Linear => f64::from(made),
            Backoff::Exponential { factor } => factor.powi(i32::try_from(made - 1).unwrap_or(i32::MAX)),
            Backoff::Fibonacci => fibonacci(made),
        };
        let wait = self.base.as_secs_f64() * times;
        // A factor that is not a number, or below nothing, waits as long as may be: never less.
        let wait = if wait >= 0.0 { wait.min(self.cap.as_secs_f64()) } else { self.cap.as_secs_f64() };
        let random = if (0.0..1.0).contains(&random) { random } else { 0.0 };
        let (wait, longest) = match self.jitter {
            Jitter::None => (wait, self.cap),
            Jitter::Full => (wait * random, self.cap),
            Jitter::Equal => (wait.mul_add(0.5, wait * 0.5 * random), self.cap),
            Jitter::Below { share } => (wait * (1.0 - share.clamp(0.0, 1.0) * random), self.cap),
            Jitter::Around { share } => {
                let share = share.clamp(0.0, 1.0);
                (wait * (1.0 - share + 2.0 * share * random), self.cap.saturating_mul(2))
            }
        };
        Some(Duration::try_from_secs_f64(wait).unwrap_or(self.cap).min(longest))
    }
}

fn fibonacci(n: u32) -> f64 {
    let (mut a, mut b) = (0.0_f64, 1.0_f64);
    // From the 1,477th on they are infinite.
    for _ in 0..n.min(1_477) {
        (a, b) = (b, a + b);
    }
    a
}

/// How many retries there may be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSettings {
    /// Retries per first attempt, over the window.
    pub ratio: f64,
    /// Retries per second that are allowed however few calls there are.
    pub per_second: f64,
    /// How long calls count.
    pub window: Duration,
}

impl Default for BudgetSettings {
    /// One retry for five calls and ten each second beside, over 10 s: as Finagle has it.
    fn default() -> Self {
        Self { ratio: 0.2, per_second: 10.0, window: Duration::from_secs(10) }
    }
}

/// The parts that a window is counted in: calls leave it part by part.
const SLICES: usize = 10;

/// A retry budget: retries are a share of calls (Finagle's and Linkerd's RetryBudget).
#[derive(Debug)]
pub struct Budget {
    settings: BudgetSettings,
    /// Calls and retries of each part of the window.
    slices: [(u64, u64); SLICES],
    /// The newest part, counted from the beginning of time.
    newest: u128,
    refused: u64,
}

impl Budget {
    /// A fresh budget.
    #[must_use]
    pub fn new(settings: BudgetSettings) -> Self {
        Self { settings, slices: [(0, 0); SLICES], newest: 0, refused: 0 }
    }

    /// A first attempt is made.
    pub fn call(&mut self, now: Moment) {
        let slice = self.slice(now);
        self.slices[slice].0 += 1;
    }

    /// Whether a retry may be made; it counts if so.
    pub fn retry(&mut self, now: Moment) -> bool {
        let slice = self.slice(now);
        let (calls, retries) = self.slices.iter().fold((0, 0), |sum, s| (sum.0 + s.0, sum.1 + s.1));
        let allowed = (calls as f64)
            .mul_add(self.settings.ratio, self.settings.per_second * self.settings.window.as_secs_f64());
        if (retries + 1) as f64 <= allowed {
            self.slices[slice].1 += 1;
            true
        } else {
            self.refused += 1;
            false
        }
    }

    /// How many retries were refused since the beginning.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The part of now; parts that have left the window are emptied.
    fn slice(&mut self, now: Moment) -> usize {
        let length = (self.settings.window.as_nanos() / SLICES as u128).max(1);
        let at = (now.as_nanos() / length).max(self.newest);
        let passed = at - self.newest;
        for step in 0..passed.min(SLICES as u128) {
            self.slices[((at - step) % SLICES as u128) as usize] = (0, 0);
        }
        self.newest = at;
        (at % SLICES as u128) as usize
    }
}
