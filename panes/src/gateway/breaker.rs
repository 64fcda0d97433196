//! What a circuit breaker does, in words.

use quarterdeck_gateway::model::BreakerView;
use quarterdeck_kernel::Timestamp;
use quarterdeck_resilience::breaker::{Reason, State};
use quarterdeck_widgets::{Glyph, Role, format};

/// Its state in a word or two, and the time until the next probe while it is open: `open 0:41`.
pub(super) fn word(breaker: Option<&BreakerView>, now: Timestamp) -> (Glyph, String, Role) {
    let Some(breaker) = breaker else { return (Glyph::Missing, "none".to_owned(), Role::Faint) };
    let forced = breaker.view.forced;
    match breaker.view.state {
        State::Open if forced => (Glyph::Frozen, "forced open".to_owned(), Role::Critical),
        State::Open => {
            let wait = breaker.next_probe.map(|at| at.as_millis() - now.as_millis());
            let wait = match wait {
                Some(wait) if wait > 0 => format!(" {}", format::countdown(wait)),
                _ => String::new(),
            };
            (Glyph::Critical, format!("open{wait}"), Role::Critical)
        }
        State::HalfOpen => (Glyph::Running, "half-open".to_owned(), Role::Warning),
        State::Closed if forced => (Glyph::Frozen, "forced closed".to_owned(), Role::Warning),
        State::Closed if breaker.view.failures > 0 => {
            (Glyph::Ok, format!("closed {}/{}", breaker.view.failures, breaker.view.limit), Role::Text)
        }
        State::Closed => (Glyph::Ok, "closed".to_owned(), Role::Muted),
    }
}

/// Why it is in its state.
pub(super) const fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::New => "since it began",
        Reason::Failures => "too much failed",
        Reason::Rested => "it has been open long enough; a few requests try",
        Reason::ProbeFailed => "a try failed",
        Reason::Recovered => "enough tries succeeded",
        Reason::Forced => "an operator wants it so",
        Reason::Released => "an operator gave it back",
    }
}

/// When the next request may try, in a sentence.
pub(super) fn next(breaker: &BreakerView, now: Timestamp) -> Option<String> {
    if breaker.view.state != State::Open {
        return None;
    }
    Some(match breaker.next_probe {
        None => "nothing is sent until it is given back (A)".to_owned(),
        Some(at) if at > now => {
            format!("the next try in {}", format::countdown(at.as_millis() - now.as_millis()))
        }
        Some(_) => "the next request tries".to_owned(),
    })
}
