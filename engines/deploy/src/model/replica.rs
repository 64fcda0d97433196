//! What a target says of the replicas of a version.

use std::fmt;

use quarterdeck_kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// What a replica is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaPhase {
    /// Nothing is known: it has not been looked at yet, or cannot be.
    #[default]
    Unknown,
    /// It was started and has not been ready yet.
    Starting,
    /// Its readiness probe says that it takes requests.
    Ready,
    /// It was ready, or should be, and its probe says no.
    NotReady,
    /// It was told to stop and ends what is under way.
    Draining,
    /// It ended and will be started again after a pause that grows, if it is still wanted.
    Exited {
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
    },
}

impl ReplicaPhase {
    /// Whether it takes requests.
    #[must_use]
    pub const fn is_ready(self) -> bool {
        matches!(self, Self::Ready)
    }
}

impl fmt::Display for ReplicaPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Starting => f.write_str("starting"),
            Self::Ready => f.write_str("ready"),
            Self::NotReady => f.write_str("not ready"),
            Self::Draining => f.write_str("draining"),
            Self::Exited { code: Some(code), .. } => write!(f, "exited with code {code}"),
            Self::Exited { signal: Some(signal), .. } => write!(f, "ended by signal {signal}"),
            Self::Exited { .. } => f.write_str("exited"),
        }
    }
}

/// One replica as a target sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaState {
    /// Names it within its service; a replica that is started anew in the place of one that crashed keeps it.
    pub id: String,
    /// What it is doing.
    pub phase: ReplicaPhase,
    /// Since when.
    pub since: Timestamp,
    /// Where it takes requests, as in `http://127.0.0.1:8081`; empty as long as it has no address.
    pub url: String,
    /// How often it was started again after it had ended by itself.
    pub restarts: u32,
    /// Its process, where it is one of this machine.
    pub pid: Option<u32>,
    /// For people: what the probe said last, why it ended, when it is started again.
    pub message: String,
}

/// What a target sees of the versions of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The service.
    pub service: String,
    /// Grows with every change.
    pub generation: u64,
    /// Versions by name, with their replicas; a version that is not wanted and has no replica is not there.
    pub versions: Vec<(String, Vec<ReplicaState>)>,
}
