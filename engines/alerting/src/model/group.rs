//! Alerts that are told together.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AttemptId, Members, NotifyReason};

/// Alerts of one route that share the labels of its `group_by`, and when they are told next.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Unique among groups of one configuration; survives reloads and restarts.
    pub identity: Arc<str>,
    /// As Alertmanager writes it: `routeKey:labels`.
    pub key: Arc<str>,
    /// The labels its alerts share.
    pub labels: Labels,
    /// The receiver of its route.
    pub receiver: Arc<str>,
    /// Which route of the configuration in use.
    pub route: usize,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it is looked at next.
    pub next_flush: Timestamp,
    /// A tick of its timer; the others are whole `group_interval`s away from it.
    pub anchor: Timestamp,
    /// Whether its `group_wait` is over.
    pub flushed: bool,
    /// When it was last looked at.
    pub last_flush: Option<Timestamp>,
    /// Its alerts.
    pub alerts: Members,
    /// Why none of it was told at the last look.
    pub muted: Option<Muted>,
    /// Whether its escalation has begun and not ended.
    pub fired: bool,
    /// One per integration of the receiver, in order.
    pub integrations: Vec<IntegrationState>,
}

/// Why a whole group is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Muted {
    /// None of its route's `active_time_intervals` contains the moment.
    Inactive,
    /// The moment lies in one of its route's `mute_time_intervals`: their names.
    Interval(Arc<[Arc<str>]>),
}

/// How one integration stands with a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntegrationState {
    /// What the receiver was last told.
    pub entry: Option<Arc<LogEntry>>,
    /// The notification under way.
    pub in_flight: Option<AttemptId>,
    /// Whether a tick found one under way: it is made up for when the outcome is known.
    pub missed: bool,
    /// Notifications given up in a row.
    pub failures: u32,
    /// Whether what may have reached the receiver is uncertain, so that the next may be a repetition.
    pub uncertain: bool,
    /// Whether it was told that all of what it knows as firing is acknowledged.
    pub acknowledged: bool,
    /// Why the last one was due.
    pub last_reason: Option<NotifyReason>,
}

/// What an integration was last told about a group: Alertmanager's notification log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When.
    pub at: Timestamp,
    /// When it may be forgotten once the group is gone.
    pub expires_at: Timestamp,
    /// Alerts told as firing, sorted.
    pub firing: Arc<[u64]>,
    /// Alerts told (or counted) as resolved, sorted.
    pub resolved: Arc<[u64]>,
}

impl LogEntry {
    /// Whether the receiver knows the alert as firing.
    #[must_use]
    pub fn has_firing(&self, alert: Fingerprint) -> bool {
        self.firing.binary_search(&alert.0).is_ok()
    }

    /// Whether the receiver knows the alert as resolved.
    #[must_use]
    pub fn has_resolved(&self, alert: Fingerprint) -> bool {
        self.resolved.binary_search(&alert.0).is_ok()
    }
}
