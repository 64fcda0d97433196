//! What is asked of alerting: by operators, clients and other consoles. Plain data, so that one console can hand it to
//! another through the store.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Actor, Timestamp};
use quarterdeck_oncall::Target;
use serde::{Deserialize, Serialize};

use crate::model::{AttemptId, PostedAlert, Silence, SilenceDraft, SilenceId};

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Alerts come in.
    Post(Vec<PostedAlert>),
    /// A silence is made (its `id` is nil) or changed.
    SetSilence(Silence),
    /// A silence ends now.
    ExpireSilence(SilenceId),
    /// Somebody takes alerts.
    Acknowledge {
        /// Which.
        alerts: Vec<Fingerprint>,
        /// Why or how, in the operator's words.
        note: Option<Arc<str>>,
        /// For how long; until they resolve if it is not given.
        hold: Option<Duration>,
    },
    /// They are taken no longer.
    Unacknowledge {
        /// Which.
        alerts: Vec<Fingerprint>,
        /// Why.
        note: Option<Arc<str>>,
    },
    /// Somebody shall take care of alerts, and is told.
    Assign {
        /// Which.
        alerts: Vec<Fingerprint>,
        /// A person of `[oncall]`, `schedule:NAME`, or any name; nobody if it is not given.
        to: Option<Arc<str>>,
        /// Words for them.
        note: Option<Arc<str>>,
    },
    /// Alerts are over although their source says that they fire.
    Resolve {
        /// Which.
        alerts: Vec<Fingerprint>,
        /// Why.
        note: Option<Arc<str>>,
    },
    /// The next step of the escalations of these alerts comes at once.
    Escalate {
        /// Which.
        alerts: Vec<Fingerprint>,
    },
    /// A notification is sent again.
    Retry(AttemptId),
    /// A schedule changes for a while.
    Override {
        /// Which schedule.
        schedule: String,
        /// Who is on call instead.
        person: String,
        /// Only while this person would be on call.
        replaces: Option<String>,
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: Option<String>,
    },
    /// An override ends now.
    EndOverride(String),
}

/// A request with whoever asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// What.
    pub request: Request,
    /// Who.
    pub by: Actor,
    /// Whether whoever asks writes the timeline entry of what an operator does.
    pub told: bool,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Alerts were taken; some may have been refused.
    Posted {
        /// How many were taken.
        accepted: usize,
        /// Place in the batch and why.
        refused: Vec<(usize, String)>,
    },
    /// The silence that is in force now.
    Silence(SilenceId),
    /// An override was made.
    Override(String),
    /// It is done: one sentence.
    Done(String),
}

/// Why a request was not carried out. Nothing was changed unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// It makes no sense as asked.
    #[error("{0}")]
    Bad(String),
    /// There is no such thing.
    #[error("{0}")]
    Missing(String),
    /// It was taken but could not be saved yet; it is tried again until it is.
    #[error("it is not saved yet and is tried again: {0}")]
    NotSaved(String),
    /// What was asked about cannot be read.
    #[error("it cannot be read: {0}")]
    NotRead(String),
    /// The console that notifies did not answer.
    #[error("{0}")]
    Unreachable(String),
    /// There is too much waiting.
    #[error("too many requests are waiting; try again")]
    Busy,
    /// The engine has stopped.
    #[error("alerting has stopped")]
    Stopped,
}

/// A silence as asked for, from what travels.
#[must_use]
pub fn draft(silence: Silence) -> SilenceDraft {
    SilenceDraft {
        id: Some(silence.id).filter(|id| !id.is_nil()),
        kind: silence.kind,
        matchers: silence.matchers,
        starts_at: silence.starts_at,
        ends_at: silence.ends_at,
        created_by: silence.created_by,
        comment: silence.comment,
    }
}

/// Whom a name means: `person:NAME`, `schedule:NAME`, or the bare name of a person.
#[must_use]
pub fn target(name: &str) -> Target {
    name.parse().unwrap_or_else(|_| Target::Person(name.to_owned()))
}
