//! What keeps a fault of one part from becoming the fault of all: circuit breakers, retries with a budget, rate limiters,
//! bulkheads, outlier ejection, health checks. Each is a pure state machine: time and randomness are passed in, decisions
//! come out; a decision costs nanoseconds and does not allocate, but for what a sliding-window log must remember. The gateway
//! stands on them, and so do the console's own calls: notifications, feeds, the keys of issuers, the checks of deployments.
//!
//! Time is a [`Moment`]: how long something that never stands still and never goes back has run.

pub mod breaker;
pub mod bulkhead;
pub mod health;
pub mod keyed;
pub mod limit;
pub mod outlier;
pub mod retry;

/// A moment on a monotonic clock: the time since any fixed beginning, the same for all calls on one value.
pub type Moment = std::time::Duration;

/// How a call ended, as far as the health of who was called goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered as it should be. An answer that refuses a bad request is one.
    Success,
    /// It failed, or it took too long.
    Failure,
}
