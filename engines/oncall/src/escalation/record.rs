//! What is durable: one record per change.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Actor, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::types::{Cause, Escalation, Ladder, Outcome, PageState, Position};
use crate::schedule::Override;

/// How long overrides are kept after their end.
pub(super) const KEEP_OVERRIDES: Duration = Duration::from_secs(90 * 86_400);

/// One durable change. Records read back in the order in which they were made give the same state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// An escalation began.
    Opened {
        /// Names it.
        key: String,
        /// When.
        at: Timestamp,
        /// One line for people.
        title: String,
        /// How bad it is.
        severity: Severity,
        /// The service it is about.
        service: Option<String>,
        /// The policy's steps.
        ladder: Arc<Ladder>,
        /// Where it stands.
        position: Position,
    },
    /// An escalation moved.
    Moved {
        /// Which.
        key: String,
        /// When.
        at: Timestamp,
        /// Why.
        cause: Cause,
        /// Who did it.
        by: Actor,
        /// Where it stands now.
        position: Position,
        /// Who is told of it.
        page: Option<PageState>,
    },
    /// What came of a page on one channel.
    Delivered {
        /// The escalation.
        key: String,
        /// The page.
        number: u32,
        /// The channel.
        channel: String,
        /// What came of it.
        outcome: Outcome,
    },
    /// A page without known outcome is sent once more.
    Resent {
        /// The escalation.
        key: String,
        /// The page.
        number: u32,
        /// When.
        at: Timestamp,
    },
    /// The policy's steps changed.
    LadderChanged {
        /// The escalation.
        key: String,
        /// When.
        at: Timestamp,
        /// The new steps.
        ladder: Arc<Ladder>,
    },
    /// An override was made.
    OverrideMade(Override),
    /// An override was ended.
    OverrideEnded {
        /// Which.
        id: String,
        /// When.
        at: Timestamp,
        /// Who did it.
        by: Actor,
    },
    /// A whole escalation, in place of the records that led to it.
    Saved(Box<Escalation>),
}

impl Record {
    /// The escalation it is about; none for overrides.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Opened { key, .. }
            | Self::Moved { key, .. }
            | Self::Delivered { key, .. }
            | Self::Resent { key, .. }
            | Self::LadderChanged { key, .. } => Some(key),
            Self::Saved(whole) => Some(&whole.key),
            Self::OverrideMade(_) | Self::OverrideEnded { .. } => None,
        }
    }
}
