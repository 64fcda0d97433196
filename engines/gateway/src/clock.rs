//! The time, as the state machines take it: since the first look at it.

use std::sync::LazyLock;
use std::time::Instant;

use quarterdeck_resilience::Moment;

static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Now.
#[must_use]
pub fn now() -> Moment {
    BEGAN.elapsed()
}

/// The same, of an instant that was looked at already.
#[must_use]
pub fn at(instant: Instant) -> Moment {
    instant.saturating_duration_since(*BEGAN)
}

/// Seconds since 1970.
#[must_use]
pub fn unix() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
