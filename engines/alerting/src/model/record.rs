//! What the engine writes down. Each record is the newest state of one thing: a store keeps the last one under its
//! kind and key, so that it never grows with time, only with what there is.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Alert, AttemptId, AttemptRecord, LogEntry, RuleStats, Silence, SilenceId, Totals};

/// An alert as written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// The alert.
    pub alert: Arc<Alert>,
    /// For a resolved alert, the groups that still have to tell that it is; a firing one is in every group that its
    /// labels lead to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Arc<str>>,
    /// For a firing alert that its source tells again and again: until when it counts as firing after a restart. Its
    /// end is moved within that time without being written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A group's timers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// Which group.
    pub identity: Arc<str>,
    /// The labels its alerts share.
    pub labels: Labels,
    /// When it came to be.
    pub created_at: Timestamp,
    /// A tick of its timer, or the end of its `group_wait`.
    pub anchor: Timestamp,
    /// Whether its `group_wait` is over.
    pub flushed: bool,
    /// Alerts that its escalation knows, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalated: Vec<u64>,
}

/// An entry of the notification log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Which group.
    pub group: Arc<str>,
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// The integration's type.
    pub integration: Arc<str>,
    /// Which of the receiver's integrations of that type.
    pub index: u32,
    /// What it was told.
    pub entry: Arc<LogEntry>,
    /// Whether it was told that all of that is acknowledged.
    #[serde(default)]
    pub acknowledged: bool,
}

/// When a dead-man's switch was last heard of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Which switch.
    pub switch: Arc<str>,
    /// When.
    pub at: Timestamp,
}

/// One durable fact: the newest state of one thing, or that it is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The last moment the engine wrote anything: what was due before then has been done.
    Clock(Timestamp),
    /// An alert.
    Alert(AlertRecord),
    /// An alert is forgotten.
    AlertGone(Fingerprint),
    /// A group.
    Group(GroupRecord),
    /// A group is gone.
    GroupGone(Arc<str>),
    /// An entry of the notification log.
    Log(LogRecord),
    /// An entry of the notification log is forgotten: group, receiver, integration, index.
    LogGone(Arc<str>, Arc<str>, Arc<str>, u32),
    /// A notification, under way or done.
    Attempt(Arc<AttemptRecord>),
    /// A notification is forgotten.
    AttemptGone(AttemptId),
    /// A silence.
    Silence(Arc<Silence>),
    /// A silence is forgotten.
    SilenceGone(SilenceId),
    /// A dead-man's switch was heard of.
    Beat(Beat),
    /// The figures of a rule.
    Rule(Arc<str>, RuleStats),
    /// The sums.
    Totals(Totals),
}

/// The kinds of records, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// [`Record::Clock`].
    Clock,
    /// [`Record::Alert`].
    Alert,
    /// [`Record::Group`].
    Group,
    /// [`Record::Log`].
    Log,
    /// [`Record::Attempt`].
    Attempt,
    /// [`Record::Silence`].
    Silence,
    /// [`Record::Beat`].
    Beat,
    /// [`Record::Rule`].
    Rule,
    /// [`Record::Totals`].
    Totals,
}

impl RecordKind {
    /// As stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Alert => "alert",
            Self::Group => "group",
            Self::Log => "log",
            Self::Attempt => "attempt",
            Self::Silence => "silence",
            Self::Beat => "beat",
            Self::Rule => "rule",
            Self::Totals => "totals",
        }
    }
}

impl Record {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> RecordKind {
        match self {
            Self::Clock(_) => RecordKind::Clock,
            Self::Alert(_) | Self::AlertGone(_) => RecordKind::Alert,
            Self::Group(_) | Self::GroupGone(_) => RecordKind::Group,
            Self::Log(_) | Self::LogGone(..) => RecordKind::Log,
            Self::Attempt(_) | Self::AttemptGone(_) => RecordKind::Attempt,
            Self::Silence(_) | Self::SilenceGone(_) => RecordKind::Silence,
            Self::Beat(_) => RecordKind::Beat,
            Self::Rule(..) => RecordKind::Rule,
            Self::Totals(_) => RecordKind::Totals,
        }
    }

    /// What it is about, unique within its kind.
    #[must_use]
    pub fn key(&self) -> String {
        let log = |group: &str, receiver: &str, integration: &str, index: u32| {
            // Lengths in front keep two keys apart whatever the names contain.
            format!("{}:{group}{}:{receiver}{integration}/{index}", group.len(), receiver.len())
        };
        match self {
            Self::Clock(_) | Self::Totals(_) => String::new(),
            Self::Alert(record) => record.alert.fingerprint.to_string(),
            Self::AlertGone(fingerprint) => fingerprint.to_string(),
            Self::Group(record) => record.identity.to_string(),
            Self::GroupGone(identity) => identity.to_string(),
            Self::Log(r) => log(&r.group, &r.receiver, &r.integration, r.index),
            Self::LogGone(group, receiver, integration, index) => log(group, receiver, integration, *index),
            Self::Attempt(record) => record.id.to_string(),
            Self::AttemptGone(id) => id.to_string(),
            Self::Silence(silence) => silence.id.to_string(),
            Self::SilenceGone(id) => id.to_string(),
            Self::Beat(beat) => beat.switch.to_string(),
            Self::Rule(name, _) => name.to_string(),
        }
    }

    /// Whether it says that the thing is gone: a store deletes what it has under the kind and key.
    #[must_use]
    pub const fn is_removal(&self) -> bool {
        matches!(
            self,
            Self::AlertGone(_)
                | Self::GroupGone(_)
                | Self::LogGone(..)
                | Self::AttemptGone(_)
                | Self::SilenceGone(_)
        )
    }
}
