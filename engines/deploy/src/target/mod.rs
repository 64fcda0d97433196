//! What runs the versions of a service, behind one trait: desired state in, observed state out.
//!
//! The trait is shaped for targets that are slow, that refuse, and that somebody else works on too: what is wanted has a
//! generation, what is observed says which generation it is of, and the two may differ for as long as it takes.

pub mod external;
pub mod output;
pub mod probe;
pub mod process;

mod board;
mod targets;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::model::{self, ReplicaState};

pub use board::Board;
pub use output::{OutputLine, Source};
pub use targets::Targets;

/// How many replicas of a version there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The service.
    pub service: String,
    /// The version.
    pub version: String,
    /// How many; 0 stops them all.
    pub replicas: u32,
    /// Grows with every change of what is wanted of this version.
    pub generation: u64,
}

/// Why a target does not take up what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It never will, as things are configured.
    #[error("{0}")]
    Refused(String),
    /// Something newer is wanted already.
    #[error("something newer is wanted already (generation {observed})")]
    Conflict {
        /// The newest generation that it has taken up.
        observed: u64,
    },
    /// It cannot be asked now; asking again later may do.
    #[error("{0}")]
    Unreachable(String),
}

/// A version as observed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedVersion {
    /// How many replicas are wanted.
    pub wanted: u32,
    /// The newest generation that has been taken up.
    pub generation: u64,
    /// What runs them: `process` or `external`.
    pub target: String,
    /// Whether they outlive this console.
    pub outlives: bool,
    /// The replicas, by id; those on their way out too.
    pub replicas: Vec<ReplicaState>,
}

impl ObservedVersion {
    /// How many can take requests.
    #[must_use]
    pub fn ready(&self) -> u32 {
        u32::try_from(self.replicas.iter().filter(|r| r.phase.is_ready()).count()).unwrap_or(u32::MAX)
    }

    /// Addresses of those that can take requests.
    pub fn ready_urls(&self) -> impl Iterator<Item = &str> {
        self.replicas.iter().filter(|r| r.phase.is_ready()).map(|r| r.url.as_str())
    }

    /// Whether it is as wanted: that many replicas, all ready.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.ready() == self.wanted && self.replicas.len() == self.wanted as usize
    }
}

/// Everything that a target observes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Grows with every change.
    pub sequence: u64,
    /// Versions by service. A version without replicas that is not wanted is not there.
    pub services: BTreeMap<String, BTreeMap<String, ObservedVersion>>,
}

impl Observed {
    /// What is observed of a version.
    #[must_use]
    pub fn version(&self, service: &str, version: &str) -> Option<&ObservedVersion> {
        self.services.get(service)?.get(version)
    }

    /// What is observed of a service, as the state machine takes it.
    #[must_use]
    pub fn of(&self, service: &str) -> model::Observed {
        let versions = self.services.get(service).into_iter().flatten();
        model::Observed {
            service: service.to_owned(),
            generation: self.sequence,
            versions: versions.map(|(name, version)| (name.clone(), version.replicas.clone())).collect(),
        }
    }
}

/// Runs the versions of services. Desired state in, observed state out; getting there may be slow, refused or overtaken.
pub trait Target: Send + Sync {
    /// Says what should be. Idempotent; a later call overtakes an earlier one. The answer says that it has been taken up,
    /// not that it is so: that is observed.
    fn ensure(&self, want: Desired) -> BoxFuture<'_, Result<(), TargetError>>;
    /// The newest observation, and its changes.
    fn watch(&self) -> watch::Receiver<Arc<Observed>>;
    /// The newest lines that a replica has written, oldest first. Still there for a while after it is gone.
    fn output(&self, replica: &str, lines: usize) -> Vec<OutputLine>;
    /// What kind it is, in one word.
    fn kind(&self) -> &'static str;
    /// Whether what it runs goes on when this console ends.
    fn outlives(&self) -> bool;
}

/// Lends markers by which whatever is started is found again and ended, should this console end without doing so itself.
pub trait Leases: Send + Sync {
    /// The variable of a process's environment that carries the marker.
    fn variable(&self) -> &str;
    /// A new marker, in force from now on.
    ///
    /// # Errors
    /// When nobody would look after what is started: nothing may be started then.
    fn lease(&self) -> std::io::Result<uuid::Uuid>;
    /// What carried the marker has ended.
    fn release(&self, lease: uuid::Uuid);
}
