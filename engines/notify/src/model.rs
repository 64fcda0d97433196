//! What is delivered, where to, and what became of it.

use std::sync::Arc;

use quarterdeck_alertmanager::config::{Integration, ReceiverKind, Settings};
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_templates::notification::{self as templates, Templates};
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::{Command, LogFile};

/// One alert in a notification.
#[derive(Clone, Debug, PartialEq)]
pub struct NotifiedAlert {
    /// Labels.
    pub labels: Labels,
    /// Annotations.
    pub annotations: Labels,
    /// Since when it fires.
    pub starts_at: Timestamp,
    /// When it ended; none while it fires.
    pub ends_at: Option<Timestamp>,
    /// What links back to its source; may be empty.
    pub generator_url: Arc<str>,
    /// FNV-1a of its labels, as Alertmanager has it.
    pub fingerprint: u64,
}

/// What a notification says.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// The group's key as Alertmanager writes it: `{}/{severity="x"}:{alertname="y"}`.
    pub group_key: Arc<str>,
    /// What the alerts are grouped by.
    pub group_labels: Labels,
    /// The alerts.
    pub alerts: Vec<NotifiedAlert>,
    /// Where this console is reached from outside.
    pub external_url: Arc<str>,
}

impl Notification {
    /// Whether any alert fires.
    #[must_use]
    pub fn firing(&self) -> bool {
        self.alerts.iter().any(|alert| alert.ends_at.is_none())
    }

    /// Labels that all alerts have with the same value.
    #[must_use]
    pub fn common_labels(&self) -> Labels {
        common(self.alerts.iter().map(|alert| &alert.labels))
    }

    /// Annotations that all alerts have with the same value.
    #[must_use]
    pub fn common_annotations(&self) -> Labels {
        common(self.alerts.iter().map(|alert| &alert.annotations))
    }

    /// What templates see.
    #[must_use]
    pub fn data(&self) -> templates::Data {
        templates::Data {
            receiver: Arc::clone(&self.receiver),
            firing: self.firing(),
            alerts: self.alerts.iter().map(seen).collect(),
            group_labels: self.group_labels.pairs().to_vec(),
            common_labels: self.common_labels().pairs().to_vec(),
            common_annotations: self.common_annotations().pairs().to_vec(),
            external_url: Arc::clone(&self.external_url),
        }
    }
}

fn seen(alert: &NotifiedAlert) -> templates::Alert {
    templates::Alert {
        firing: alert.ends_at.is_none(),
        labels: alert.labels.pairs().to_vec(),
        annotations: alert.annotations.pairs().to_vec(),
        starts_at: moment(alert.starts_at),
        ends_at: alert.ends_at.map(moment),
        generator_url: Arc::clone(&alert.generator_url),
        fingerprint: format!("{:016x}", alert.fingerprint).into(),
    }
}

/// The kernel's time as templates have it; what lies outside the calendar is its end.
pub(crate) fn moment(at: Timestamp) -> jiff::Timestamp {
    let edge = if at.as_millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(edge)
}

fn common<'a>(mut sets: impl Iterator<Item = &'a Labels>) -> Labels {
    let Some(first) = sets.next() else { return Labels::default() };
    let mut pairs = first.pairs().to_vec();
    for labels in sets {
        pairs.retain(|(name, value)| labels.get(name) == Some(value));
        if pairs.is_empty() {
            break;
        }
    }
    Labels::from_pairs(pairs)
}

/// By what way.
#[derive(Clone, Debug)]
pub enum Channel {
    /// An integration of Alertmanager's configuration.
    Receiver(Arc<Integration>),
    /// A program.
    Command(Arc<Command>),
    /// A file.
    LogFile(Arc<LogFile>),
    /// The terminal's bell.
    Bell,
}

/// The channel as people name it: `webhook[0]`, `command`.
#[must_use]
pub fn channel_name(channel: &Channel) -> String {
    match channel {
        Channel::Receiver(integration) => integration.name(),
        Channel::Command(_) => "command".to_owned(),
        Channel::LogFile(_) => "log file".to_owned(),
        Channel::Bell => "bell".to_owned(),
    }
}

/// What is to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// The group's alerts.
    #[default]
    Notify,
    /// That somebody took all of the group's alerts. PagerDuty knows it; others are not told.
    Acknowledge,
}

/// One notification to one destination.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Names it; the same when it is repeated after a restart, and told to the receiver.
    pub id: Uuid,
    /// Which queue: all attempts with one name go by one worker. `team-x/webhook[0]` is a good one.
    pub destination: Arc<str>,
    /// By what way.
    pub channel: Channel,
    /// What to say.
    pub action: Action,
    /// The data.
    pub notification: Arc<Notification>,
    /// The templates of the configuration that it belongs to.
    pub templates: Arc<Templates>,
    /// When to give up.
    pub deadline: Instant,
    /// Whether the receiver may have had it already.
    pub possibly_duplicate: bool,
    /// What the last delivery about this group to this destination gave back, for channels that change what they have
    /// sent before ([`Outcome::Delivered`]).
    pub receipt: Option<Arc<str>>,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered {
        /// What the next attempt about the group should bring.
        receipt: Option<Arc<str>>,
    },
    /// There was nothing to say on this channel: a resolved notice that it does not want, or an acknowledgement that it
    /// does not know.
    Nothing,
    /// It was not delivered, in words without secrets.
    Failed {
        /// Why.
        reason: Arc<str>,
        /// Whether it was refused for good; otherwise the deadline came first.
        permanent: bool,
    },
}

/// An outcome, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The attempt's name.
    pub id: Uuid,
    /// What became of it.
    pub outcome: Outcome,
    /// How often delivery was tried.
    pub tries: u32,
}

/// That the bell should sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// One line that says what it is.
    pub title: Arc<str>,
    /// Whether an alert fires.
    pub firing: bool,
}

/// Whether a type of receiver is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deliverability {
    /// It is.
    Delivered,
    /// It is checked when the configuration is read, but nothing is sent.
    NotByThisVersion(ReceiverKind),
}

/// Whether an integration is delivered.
#[must_use]
pub fn deliverability(integration: &Integration) -> Deliverability {
    match integration.settings {
        Settings::Webhook(_) | Settings::Email(_) | Settings::PagerDuty(_) | Settings::Slack(_) => {
            Deliverability::Delivered
        }
        Settings::NotDelivered => Deliverability::NotByThisVersion(integration.kind),
    }
}
