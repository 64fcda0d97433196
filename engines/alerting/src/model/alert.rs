//! An alert, from its first firing to resolved.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Labels, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::SilenceId;

/// How many transitions an alert remembers; older ones are forgotten and counted.
pub const MAX_HISTORY: usize = 64;

/// Where an alert stands. What suppresses it comes before what a person did about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It fires and nobody has taken it.
    #[default]
    Firing,
    /// Somebody has taken it: no repeats, no escalation.
    Acknowledged,
    /// Another alert makes it redundant.
    Inhibited,
    /// A silence hides it.
    Silenced,
    /// It no longer fires.
    Resolved,
}

impl AlertState {
    /// Every state, worst first.
    pub const ALL: [Self; 5] =
        [Self::Firing, Self::Acknowledged, Self::Inhibited, Self::Silenced, Self::Resolved];

    /// One word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Acknowledged => "acknowledged",
            Self::Inhibited => "inhibited",
            Self::Silenced => "silenced",
            Self::Resolved => "resolved",
        }
    }

    /// Whether it still fires, suppressed or not.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Resolved)
    }
}

/// Why an alert changed its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It was posted for the first time.
    Posted,
    /// It was posted again after it had ended.
    Refired,
    /// Its source said that it ended.
    SourceResolved,
    /// Its source said nothing for too long.
    TimedOut,
    /// An operator resolved it.
    OperatorResolved,
    /// A silence began to hide it.
    SilenceBegan,
    /// The last silence that hid it ended.
    SilenceEnded,
    /// Another alert began to inhibit it.
    InhibitionBegan,
    /// The last alert that inhibited it ended.
    InhibitionEnded,
    /// An operator acknowledged it.
    Acknowledged,
    /// An operator took the acknowledgement back.
    Unacknowledged,
    /// The acknowledgement ran out.
    AcknowledgementExpired,
}

impl Cause {
    /// Words for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Posted => "fired",
            Self::Refired => "fired again",
            Self::SourceResolved => "resolved by its source",
            Self::TimedOut => "resolved because its source fell silent",
            Self::OperatorResolved => "resolved by an operator",
            Self::SilenceBegan => "silenced",
            Self::SilenceEnded => "no longer silenced",
            Self::InhibitionBegan => "inhibited",
            Self::InhibitionEnded => "no longer inhibited",
            Self::Acknowledged => "acknowledged",
            Self::Unacknowledged => "acknowledgement taken back",
            Self::AcknowledgementExpired => "acknowledgement ran out",
        }
    }
}

/// Who or what made a transition, and their words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Detail {
    /// The operator, the silence or the inhibiting alert.
    pub by: Arc<str>,
    /// The operator's note; empty when there is none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub note: Arc<str>,
}

/// One change of an alert's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// The state from then on.
    pub state: AlertState,
    /// Why.
    pub cause: Cause,
    /// Who or what, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Arc<Detail>>,
}

/// An acknowledgement: somebody has taken the alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Their words; empty when there are none.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub note: Arc<str>,
    /// When it runs out and the alert pages again; `None` holds until the alert resolves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// That an operator resolved an alert which its source still says fires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorResolve {
    /// Who.
    pub by: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Their words.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub note: Arc<str>,
    /// Until when the source last said that it fires: a post before then belongs to the same firing.
    pub source_ends_at: Timestamp,
}

/// What operators did about an alert's present firing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorState {
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Arc<str>>,
    /// The acknowledgement in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<Ack>,
    /// When somebody first acknowledged this firing; stays when the acknowledgement ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ack: Option<Timestamp>,
    /// When the last acknowledgement ran out: notifications older than that no longer count as told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repage_since: Option<Timestamp>,
    /// That an operator resolved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<OperatorResolve>,
}

/// An alert. Its labels are its identity; everything else is its newest state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Hash of the labels.
    pub fingerprint: Fingerprint,
    /// What it is.
    pub labels: Labels,
    /// What people should know about it.
    pub annotations: Labels,
    /// When this firing began.
    pub starts_at: Timestamp,
    /// When it ends: in the future while it fires.
    pub ends_at: Timestamp,
    /// When its source last spoke of it.
    pub updated_at: Timestamp,
    /// Since when it has been in its state.
    pub since: Timestamp,
    /// Where its source explains it; empty when it said nothing.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub generator_url: Arc<str>,
    /// Whether `ends_at` is only a time-out, not what the source said.
    pub timeout: bool,
    /// Where it stands.
    pub state: AlertState,
    /// How much it matters, from its severity label.
    #[serde(skip)]
    pub severity: Severity,
    /// The service it touches, from its service label.
    #[serde(skip)]
    pub service: Option<Arc<str>>,
    /// The silences that hide it now; `None` for none.
    #[serde(skip)]
    pub silenced_by: Option<Arc<[SilenceId]>>,
    /// Alerts that inhibit it now, at most eight of them; `None` for none.
    #[serde(skip)]
    pub inhibited_by: Option<Arc<[Fingerprint]>>,
    /// Names of the receivers its routes lead to.
    #[serde(skip)]
    pub receivers: Arc<[Arc<str>]>,
    /// What operators did about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<Arc<OperatorState>>,
    /// Its transitions, oldest first, at most [`MAX_HISTORY`].
    pub history: Vec<Transition>,
    /// How many older transitions were forgotten.
    #[serde(default)]
    pub forgotten: u32,
}

impl Alert {
    /// Its name: the label `alertname`, or the empty string.
    #[must_use]
    pub fn name(&self) -> &str {
        self.labels.get("alertname").unwrap_or_default()
    }

    /// Whether it has ended by `now`.
    #[must_use]
    pub fn resolved_at(&self, now: Timestamp) -> bool {
        self.ends_at <= now
    }

    /// The acknowledgement in force.
    #[must_use]
    pub fn ack(&self) -> Option<&Ack> {
        self.operator.as_ref().and_then(|o| o.ack.as_ref())
    }

    /// When its newest firing was heard of, whatever its source says of the beginning.
    #[must_use]
    pub fn fired_at(&self) -> Timestamp {
        let heard = self.history.iter().rev().find(|t| matches!(t.cause, Cause::Posted | Cause::Refired));
        heard.map_or(self.starts_at, |t| t.at)
    }

    /// Who owns it.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.operator.as_ref().and_then(|o| o.owner.as_deref())
    }

    /// The silences that hide it now.
    #[must_use]
    pub fn silences(&self) -> &[SilenceId] {
        self.silenced_by.as_deref().unwrap_or_default()
    }

    /// Alerts that inhibit it now.
    #[must_use]
    pub fn inhibitors(&self) -> &[Fingerprint] {
        self.inhibited_by.as_deref().unwrap_or_default()
    }

    /// Its state at a past moment, as far as its history reaches; `None` before it was first known or when that
    /// part of its history was forgotten.
    #[must_use]
    pub fn state_at(&self, at: Timestamp) -> Option<AlertState> {
        self.history.iter().rev().find(|t| t.at <= at).map(|t| t.state)
    }

    /// The operator part, made if there is none, for changing.
    pub(crate) fn operator_mut(&mut self) -> &mut OperatorState {
        Arc::make_mut(self.operator.get_or_insert_default())
    }

    /// Goes to a state and remembers it.
    pub(crate) fn enter(
        &mut self,
        at: Timestamp,
        state: AlertState,
        cause: Cause,
        detail: Option<Arc<Detail>>,
    ) {
        self.state = state;
        self.since = at;
        if self.history.len() >= MAX_HISTORY {
            self.history.remove(0);
            self.forgotten = self.forgotten.saturating_add(1);
        }
        if self.history.is_empty() {
            self.history.reserve_exact(1);
        }
        self.history.push(Transition { at, state, cause, detail });
    }
}

/// An alert as a source posts it. `None` stands for what the source left out (or, as some clients write it, the
/// year 1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedAlert {
    /// Labels as they came: empty values allowed, they are dropped.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// Annotations as they came.
    pub annotations: Vec<(Arc<str>, Arc<str>)>,
    /// When it began.
    pub starts_at: Option<Timestamp>,
    /// When it ended or will end.
    pub ends_at: Option<Timestamp>,
    /// Where its source explains it.
    pub generator_url: Option<Arc<str>>,
}
