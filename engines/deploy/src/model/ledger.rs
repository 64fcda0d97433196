//! What is kept of ended rollouts for good, and DORA's measures of it.

use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use serde::{Deserialize, Serialize};

use super::Outcome;

/// One ended rollout, in the few words that are kept when the rollout itself is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The rollout.
    pub id: String,
    /// The service.
    pub service: String,
    /// The stable version before.
    pub from: Option<String>,
    /// The version that it was to bring.
    pub to: String,
    /// When it began.
    pub started: Timestamp,
    /// When the new version took its first request; none when it never did.
    pub first_traffic: Option<Timestamp>,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// For people: why it ended so.
    pub reason: String,
    /// Who started it.
    pub actor: String,
    /// The rollout that this one took back.
    pub rollback_of: Option<String>,
    /// When the change was committed, where that was said: for the lead time.
    pub committed: Option<Timestamp>,
    /// Whether it was not planned but mends what a deployment broke: a rollback, or so declared by whoever started it.
    pub unplanned: bool,
    /// When users began to suffer from it, where that is known: when what failed was well last, or else when the version took
    /// its first request; of an alert, when it was heard of.
    pub broke: Option<Timestamp>,
    /// When they no longer did: the stable version had all the traffic again.
    pub restored: Option<Timestamp>,
}

/// DORA's five measures over a window. What is not known is none, never 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dora {
    /// The window that ends when the snapshot was taken.
    pub window: Duration,
    /// Deployments that reached users in it.
    pub deployments: usize,
    /// Change lead time: from commit to running for everybody, the median of those whose commit time is known.
    pub lead_time: Option<Duration>,
    /// Deployment frequency: deployments a day.
    pub frequency: Option<f64>,
    /// Failed deployment recovery time: the median.
    pub recovery: Option<Duration>,
    /// Change fail rate, from 0 to 1.
    pub fail_rate: Option<f64>,
    /// Rework rate: unplanned deployments among all, from 0 to 1.
    pub rework_rate: Option<f64>,
}
