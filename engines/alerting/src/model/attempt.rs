//! Notifications: what is handed to the deliverer, and what is written down about it.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Labels, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Alert, Group};

/// Names an attempt; the same before and after a restart, so that a receiver can tell a repetition.
pub type AttemptId = Uuid;

/// What a notification says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptAction {
    /// The group's alerts, firing and resolved.
    #[default]
    Notify,
    /// That somebody took all of the group's firing alerts: for receivers that know acknowledgements.
    Acknowledge,
}

/// Why a notification is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    /// The receiver knows nothing of the group yet.
    First,
    /// Alerts fire that the receiver does not know as firing.
    NewlyFiring,
    /// No alert of the group fires any more.
    AllResolved,
    /// Alerts are resolved that the receiver does not know as resolved.
    NewlyResolved,
    /// `repeat_interval` has passed.
    Repeat,
    /// An acknowledgement ran out.
    AcknowledgementExpired,
    /// All firing alerts were acknowledged.
    Acknowledged,
    /// An operator asked for it.
    Asked,
}

impl NotifyReason {
    /// Words for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first notification of the group",
            Self::NewlyFiring => "new firing alerts",
            Self::AllResolved => "all alerts resolved",
            Self::NewlyResolved => "newly resolved alerts",
            Self::Repeat => "repeat interval passed",
            Self::AcknowledgementExpired => "acknowledgement ran out",
            Self::Acknowledged => "all firing alerts acknowledged",
            Self::Asked => "asked for by an operator",
        }
    }
}

/// One alert in a notification, as it stood when the notification was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Notified {
    /// The alert.
    pub alert: Arc<Alert>,
    /// When it ended; `None` while it fires.
    pub ends_at: Option<Timestamp>,
}

impl Notified {
    /// Whether the notification says that it is resolved.
    #[must_use]
    pub const fn resolved(&self) -> bool {
        self.ends_at.is_some()
    }
}

/// A notification to deliver: to one integration of one receiver, about one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// What is written down about it.
    pub record: Arc<AttemptRecord>,
    /// Labels that the group shares by its route's `group_by`.
    pub group_labels: Labels,
    /// Its alerts, in order of fingerprint.
    pub alerts: Vec<Notified>,
    /// Whether the receiver may have had it already: it was under way when the console died, or its outcome never
    /// became known.
    pub possibly_duplicate: bool,
}

impl Attempt {
    /// Labels that all its alerts have with the same value.
    #[must_use]
    pub fn common_labels(&self) -> Labels {
        common(self.alerts.iter().map(|n| &n.alert.labels))
    }

    /// Annotations that all its alerts have with the same value.
    #[must_use]
    pub fn common_annotations(&self) -> Labels {
        common(self.alerts.iter().map(|n| &n.alert.annotations))
    }

    /// Whether any of its alerts fires.
    #[must_use]
    pub fn firing(&self) -> bool {
        self.alerts.iter().any(|n| !n.resolved())
    }
}

fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = sets.next() else { return Labels::default() };
    let mut pairs = first.pairs().to_vec();
    for labels in sets {
        if pairs.is_empty() {
            break;
        }
        pairs.retain(|(name, value)| labels.get(name) == Some(value));
    }
    Labels::from_pairs(pairs)
}

/// An alert's place in a notification, as written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Which alert.
    pub alert: Fingerprint,
    /// When it ended; `None` while it fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

/// An attempt as written down: durable before it is handed over, kept as the notification log after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Its name.
    pub id: AttemptId,
    /// What it says.
    #[serde(default)]
    pub action: AttemptAction,
    /// Why it was due.
    pub reason: NotifyReason,
    /// Which group: unique among groups of one configuration, survives reloads.
    pub group: Arc<str>,
    /// The group's key as Alertmanager writes it; receivers de-duplicate by it.
    pub group_key: Arc<str>,
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// The integration's type: `webhook`, `slack`, ….
    pub integration: Arc<str>,
    /// Which of the receiver's integrations of that type, from 0.
    pub index: u32,
    /// When it was made.
    pub at: Timestamp,
    /// When the deliverer gives up.
    pub deadline: Timestamp,
    /// What it tells.
    pub alerts: Arc<[Sent]>,
    /// How many alerts the log no longer names.
    #[serde(default)]
    pub truncated: u32,
    /// Alerts that fire, for de-duplication, sorted; empty once the outcome is known.
    #[serde(default)]
    pub firing: Arc<[u64]>,
    /// Alerts that are resolved, likewise.
    #[serde(default)]
    pub resolved: Arc<[u64]>,
    /// How often it was handed over again after a restart.
    #[serde(default)]
    pub resent: u32,
    /// Whether the receiver may have had the like of it already.
    #[serde(default)]
    pub possibly_duplicate: bool,
    /// What became of it; `None` while it is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeRecord>,
}

impl AttemptRecord {
    /// The integration as people name it: `webhook[0]`.
    #[must_use]
    pub fn destination(&self) -> String {
        format!("{} {}[{}]", self.receiver, self.integration, self.index)
    }

    /// Whether it is about the group.
    #[must_use]
    pub fn is_of(&self, group: &Group) -> bool {
        self.group == group.identity
    }
}

/// What became of an attempt, as the deliverer tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It was given up: refused for good, or still failing at its deadline. In words.
    Failed(Arc<str>),
    /// Nobody knows: no outcome came by its deadline, or the console died twice with it under way.
    Unknown,
}

/// An outcome, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// What.
    pub outcome: Outcome,
    /// When.
    pub at: Timestamp,
    /// How often delivery was tried.
    #[serde(default)]
    pub tries: u32,
}
