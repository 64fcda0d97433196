//! What deployment control shows of itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Dora, ReplicaState, Rollout};

/// Deployment control as of one version.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// See [`quarterdeck_kernel::Snapshot::version`].
    pub version: u64,
    /// When it was taken.
    pub taken: Timestamp,
    /// Services by name.
    pub services: Vec<Arc<ServiceView>>,
    /// Rollouts that have not ended, by service.
    pub rollouts: Vec<Arc<Rollout>>,
    /// Ended rollouts, newest first, at most 200.
    pub history: Vec<Arc<Rollout>>,
    /// DORA's measures over all services.
    pub dora: Dora,
    /// Times in which nothing is rolled out, as configured: those that hold.
    pub freezes: Vec<FreezeView>,
    /// Strategies that can be used by name.
    pub strategies: Vec<StrategyView>,
    /// The console that does the rollouts, when it is another one on the same store: this one shows them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<Elsewhere>,
}

/// Another console that does the rollouts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The name by which it holds the lease.
    pub console: String,
    /// Where its API is; empty when it has none.
    pub address: String,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.is_empty() {
            write!(f, "console {}", self.console)
        } else {
            write!(f, "the console at {}", self.address)
        }
    }
}

impl Elsewhere {
    /// Why nothing can be changed here, and where it can.
    #[must_use]
    pub fn refusal(&self) -> String {
        format!("{self} does the rollouts on this store, and this one shows them: do it there")
    }
}

impl quarterdeck_kernel::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}

impl Snapshot {
    /// The service of a name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Arc<ServiceView>> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The rollout of a service that has not ended.
    #[must_use]
    pub fn rollout_of(&self, service: &str) -> Option<&Arc<Rollout>> {
        self.rollouts.iter().find(|rollout| rollout.service == service)
    }

    /// The rollout of an id, ended or not.
    #[must_use]
    pub fn rollout(&self, id: &str) -> Option<&Arc<Rollout>> {
        self.rollouts.iter().chain(&self.history).find(|rollout| rollout.id == id)
    }
}

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ServiceView {
    /// Its name.
    pub name: String,
    /// The version that is stable now.
    pub stable: Option<String>,
    /// The version that a rollback returns to when none is named and no rollout is under way.
    pub previous: Option<String>,
    /// Replicas of the stable version, as configured.
    pub replicas: u32,
    /// What runs its versions: `process` or `external`.
    pub target: &'static str,
    /// Whether its processes go on when the console ends.
    pub outlives: bool,
    /// Its versions: the stable one first, then the new one, then those that are on their way out.
    pub versions: Vec<VersionView>,
    /// The strategy that is used when none is named.
    pub strategy: String,
    /// DORA's measures of it.
    pub dora: Dora,
    /// For people: what is wrong, such as no version being ready; empty when nothing is.
    pub trouble: String,
}

/// What a version is to its service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionRole {
    /// The stable one.
    Stable,
    /// The one that is being rolled out.
    New,
    /// One that was stable or new and is kept for a while, to return to.
    #[default]
    Old,
    /// One that is known and not running.
    Stopped,
}

/// One version of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct VersionView {
    /// Its name.
    pub name: String,
    /// What it is to the service.
    pub role: VersionRole,
    /// Its share of traffic, in per cent.
    pub share: u32,
    /// Replicas that are to be.
    pub wanted: u32,
    /// Replicas that are ready.
    pub ready: u32,
    /// Its replicas.
    pub replicas: Vec<ReplicaState>,
    /// Requests routed to it since the gateway started.
    pub requests: u64,
    /// Requests a second.
    pub rate: f64,
    /// Requests under way.
    pub in_flight: u64,
    /// Until when one can return to it at once; none when there is no end to that, or no way back.
    pub return_until: Option<Timestamp>,
    /// How long it took to come up the last time.
    pub last_start: Option<Duration>,
    /// What runs it: `process` or `external`.
    pub target: &'static str,
}

/// A time in which nothing is rolled out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FreezeView {
    /// Why.
    pub reason: String,
    /// Services it holds for; all when empty.
    pub services: Vec<String>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
}

/// A strategy that can be used by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StrategyView {
    /// Its name: that of its file without the ending.
    pub name: String,
    /// The file.
    pub source: String,
    /// For people: what it does, in one line.
    pub summary: String,
    /// Why it cannot be used; empty when it can.
    pub problem: String,
    /// How long it takes at most; none when it waits for a key.
    pub longest: Option<Duration>,
}
