//! Why a try failed, and whether another may succeed.

use std::error::Error;
use std::time::Duration;

/// The longest reason that is kept, in characters.
const MAX_REASON: usize = 500;

/// A try that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Why, without secrets.
    pub(crate) reason: String,
    /// Whether another try may succeed.
    pub(crate) again: bool,
    /// How long the receiver asked to wait.
    pub(crate) after: Option<Duration>,
}

impl Failure {
    /// Another try may succeed.
    pub(crate) fn later(reason: impl AsRef<str>) -> Self {
        Self { reason: short(reason.as_ref()), again: true, after: None }
    }

    /// No other try will.
    pub(crate) fn never(reason: impl AsRef<str>) -> Self {
        Self { reason: short(reason.as_ref()), again: false, after: None }
    }
}

/// A text on one line, cut where it is long.
pub(crate) fn short(text: &str) -> String {
    let mut out = String::new();
    for (i, c) in text.trim().chars().enumerate() {
        if i >= MAX_REASON {
            out.push('…');
            break;
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}

/// An error and what caused it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut out = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        cause = error.source();
    }
    short(&out)
}
