//! Figures: what is open, how fast people were, which rules cry wolf.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Sums over everything since the state began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Alerts posted, good and bad.
    pub received: u64,
    /// Alerts refused.
    pub refused: u64,
    /// Firings begun.
    pub fired: u64,
    /// Firings ended.
    pub resolved: u64,
    /// Firings that somebody acknowledged.
    pub acknowledged: u64,
    /// Sum of the times from firing to first acknowledgement, in ms.
    pub to_acknowledge_ms: u64,
    /// Sum of the times from firing to resolved, in ms.
    pub to_resolve_ms: u64,
    /// Notifications delivered.
    pub sent: u64,
    /// Notifications given up.
    pub failed: u64,
    /// Notifications whose outcome nobody knows.
    pub unknown: u64,
    /// Notifications handed over a second time after a restart.
    pub resent: u64,
}

/// How one rule (alert name) behaved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleStats {
    /// Firings begun.
    pub fired: u64,
    /// Firings somebody acknowledged.
    pub acknowledged: u64,
    /// Firings that ended by themselves, nobody having acknowledged or resolved them.
    pub self_resolved: u64,
    /// Times a silence began to hide one of its alerts.
    pub silenced: u64,
}

/// The figures of a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Open alerts (firing in any state) by severity: info, warning, critical.
    pub open: [usize; 3],
    /// Alerts by state, in the order of [`AlertState::ALL`](super::AlertState::ALL).
    pub states: [usize; 5],
    /// Sums.
    pub totals: Totals,
    /// By alert name; at most a thousand names, the others under `(other)`.
    pub rules: Arc<BTreeMap<Arc<str>, RuleStats>>,
}

impl Stats {
    /// Mean time to acknowledge.
    #[must_use]
    pub fn mtta(&self) -> Option<Duration> {
        mean(self.totals.to_acknowledge_ms, self.totals.acknowledged)
    }

    /// Mean time to resolve.
    #[must_use]
    pub fn mttr(&self) -> Option<Duration> {
        mean(self.totals.to_resolve_ms, self.totals.resolved)
    }
}

fn mean(sum_ms: u64, count: u64) -> Option<Duration> {
    sum_ms.checked_div(count).map(Duration::from_millis)
}
