//! The engine's published state: immutable, shared with the engine page by page.

use std::collections::VecDeque;
use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Timestamp, snapshot};

use super::{Alert, AttemptRecord, Group, Pages, Silence, Stats};

/// Everything that panes and interfaces show of alerting, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Grows with every change.
    pub version: u64,
    /// When it was taken.
    pub at: Timestamp,
    /// Alerts: open, and recently resolved.
    pub alerts: Pages<Alert>,
    /// Groups.
    pub groups: Pages<Group>,
    /// Silences, newest first, expired ones last.
    pub silences: Arc<[Arc<Silence>]>,
    /// Notifications under way and done, newest last, bounded.
    pub log: Arc<VecDeque<Arc<AttemptRecord>>>,
    /// Figures.
    pub stats: Stats,
    /// Receivers' names, in the order of the configuration.
    pub receivers: Arc<[Arc<str>]>,
    /// When something happens next by itself, if anything does.
    pub next_wake: Option<Timestamp>,
}

impl snapshot::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.at
    }
}

impl Snapshot {
    /// The alert with a fingerprint. The first question of a version looks at all of them, the others do not.
    #[must_use]
    pub fn alert(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        self.alerts.find(fingerprint)
    }

    /// The groups that hold an alert.
    pub fn groups_of(&self, fingerprint: Fingerprint) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.iter().filter(move |group| group.alerts.contains(&fingerprint))
    }

    /// Alerts that were open at a past moment, each with the state it was in then, as far as histories reach.
    pub fn at_moment(&self, moment: Timestamp) -> impl Iterator<Item = (&Arc<Alert>, super::AlertState)> {
        self.alerts.iter().filter_map(move |alert| {
            alert.state_at(moment).filter(|state| state.is_open()).map(|state| (alert, state))
        })
    }
}
