//! How well something does, and how bad something is.

use serde::{Deserialize, Serialize};

/// The state of a thing that should be well. Ordered from best to worst, so that `max` is the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Within its limits.
    Ok,
    /// Nothing is known, or what is known is too old.
    #[default]
    Unknown,
    /// A limit is broken but it works.
    Degraded,
    /// It does not work.
    Down,
}

impl Health {
    /// One word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// How much something matters. Ordered from least to most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    #[default]
    Info,
    /// Needs a person soon.
    Warning,
    /// Needs a person now.
    Critical,
}

impl Severity {
    /// One word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}
