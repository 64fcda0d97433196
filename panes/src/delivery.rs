//! What became of a notification, in words.

use quarterdeck_alerting::DestinationStatus;
use quarterdeck_alerting::model::{AttemptRecord, Outcome};
use quarterdeck_kernel::Timestamp;
use quarterdeck_resilience::breaker::{Reason, State};
use quarterdeck_widgets::{Glyph, Role, format};

/// Whether a notification went there: the log has `team webhook[0]` for `team/webhook[0]`.
pub(crate) fn is_to(record: &AttemptRecord, to: &DestinationStatus) -> bool {
    *to.destination == format!("{}/{}[{}]", record.receiver, record.integration, record.index)
}

/// What a destination's circuit breaker says while it is not closed: its state, since when, and why.
pub(crate) fn trouble(to: &DestinationStatus, now: Timestamp) -> Option<String> {
    let down = format::age(now.as_millis() - to.down_since?.as_millis());
    let why = to.last_failure.as_ref().map_or("", |(_, why)| why.as_str());
    Some(match (to.breaker.state, to.breaker.reason) {
        (State::HalfOpen, _) if to.breaker.successes > 0 => {
            format!("breaker half-open: it takes notifications again, after {down}")
        }
        (State::HalfOpen, _) => format!("breaker half-open after {down}: one is being tried"),
        (_, reason) => {
            let words = match reason {
                Reason::ProbeFailed => "the last try failed too",
                _ => "too many tries failed",
            };
            let waiting = format::grouped(to.waiting as u64);
            format!("breaker open for {down}, {words}: {why}; {waiting} wait, each is tried in its time")
        }
    })
}

/// A sign, how much it matters, and words.
pub(crate) fn outcome(record: &AttemptRecord) -> (Glyph, Role, String) {
    let again = if record.possibly_duplicate { ", possibly duplicate" } else { "" };
    match record.outcome.as_ref().map(|o| &o.outcome) {
        None => (Glyph::Running, Role::Running, format!("under way{again}")),
        Some(Outcome::Delivered) => (Glyph::Done, Role::Muted, format!("delivered{again}")),
        Some(Outcome::Failed(why)) => (Glyph::Failed, Role::Critical, format!("failed: {why}{again}")),
        Some(Outcome::Unknown) => (Glyph::Warning, Role::Warning, format!("outcome unknown{again}")),
    }
}
