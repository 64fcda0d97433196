//! What is durable: services, their versions, and how far a rollout has come beyond what is shown of it.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::{Actor, Timestamp};
use serde::{Deserialize, Serialize};

use crate::analysis::Run;
use crate::model::{Mirror, ReplicaPhase, ReplicaState, Rollout, RoutedHeader, Shares, share_of};
use crate::strategy::{CanaryScale, Gradual};

/// A service and all that deployment control knows of it. Its serialised form is what the store keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Replicas of a version that takes all the traffic.
    pub replicas: u32,
    /// Replicas that the last strategy asked for instead.
    pub scale: Option<u32>,
    /// The stable version.
    pub stable: Option<String>,
    /// Rollouts so far.
    pub revision: u64,
    /// Versions that run, are to run, or ran.
    pub versions: BTreeMap<String, Version>,
    /// Shares as they should be.
    pub intended: Shares,
    /// Shares in force: those intended, as far as the versions are ready.
    pub shares: Shares,
    /// Headers in force.
    pub headers: Vec<RoutedHeader>,
    /// The mirror in force.
    pub mirror: Option<Mirror>,
    /// The rollout that has not ended.
    pub rollout: Option<Rollout>,
    /// Versions that became stable, and the number of the rollout that made them so; oldest first, bounded.
    pub past: Vec<(String, u64)>,
    /// The last rollout that changed the stable version: its id, and the version before.
    pub last_change: Option<(String, Option<String>)>,
    /// What is wrong, for people; empty when nothing is.
    pub trouble: String,
    /// Grows with every change of what is to run.
    pub generation: u64,
    pub(super) progress: Progress,
    /// After a restart: until when the targets may take to say what runs. Nothing is decided before.
    pub(super) settling: Option<Timestamp>,
    /// Requests under way by version, and when that was heard.
    #[serde(skip)]
    pub(super) in_flight: BTreeMap<String, (u64, Timestamp)>,
    /// After a restart: what is in force must be said again.
    #[serde(skip)]
    pub(super) say_again: bool,
}

/// A version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Replicas that are to be.
    pub wanted: u32,
    /// Replicas that are, as heard last.
    pub replicas: Vec<ReplicaState>,
    /// Set when it lost: when it is stopped.
    pub retire: Option<Retire>,
    /// How long it took to come up the last time.
    pub last_start: Option<Duration>,
    /// Since when it comes up.
    pub(super) starting: Option<Timestamp>,
    /// Whether its target has said anything since the console started.
    #[serde(skip)]
    pub(super) heard: bool,
}

/// When a version that lost is stopped: when it has no share, and the later of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retire {
    /// Since when it has lost.
    pub since: Timestamp,
    /// It is kept until then, to return to; none is until the next rollout begins.
    pub keep_until: Option<Timestamp>,
    /// Requests under way have until then to end.
    pub drain_until: Timestamp,
}

/// How far a rollout has come, beyond what is shown of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The weight that replicas are brought up for.
    pub goal: u32,
    /// Replicas as a step said.
    pub scale: Option<CanaryScale>,
    /// Replicas that a preview is to have.
    pub preview: Option<u32>,
    /// Since when replicas are waited for.
    pub waiting: Option<Timestamp>,
    /// The most that a rolling update had come to: new ones available, and old ones gone.
    pub best: u32,
    /// Since when the new version has had no ready replica although it is to have traffic.
    pub unready: Option<Timestamp>,
    /// How often replicas had ended before the rollout, by id.
    pub crashes: BTreeMap<String, u32>,
    /// Since when checks are waited for.
    pub asked: Option<Timestamp>,
    /// Whether the checks of the running version are done.
    pub smoked: bool,
    /// Why it waits for a key although no step says so.
    pub held: Option<String>,
    /// Since when it waits for a key or is frozen.
    pub idle: Option<Timestamp>,
    /// When a pause would have been over that is frozen.
    pub until: Option<Timestamp>,
    /// Analyses that run.
    pub runs: BTreeMap<String, Run>,
    /// When analyses of steps are over, whatever they say themselves.
    pub ends: BTreeMap<String, Timestamp>,
    /// Names the next analysis.
    pub next_run: u32,
    /// The analysis of the step that is being done.
    pub step_run: Option<String>,
    /// The analysis beside the steps.
    pub background: Option<String>,
    /// The way back.
    pub back: Option<Back>,
    /// Since when the version that lost drains.
    pub draining: Option<Timestamp>,
    /// When users began to suffer.
    pub broke: Option<Timestamp>,
    /// When they no longer did.
    pub restored: Option<Timestamp>,
}

/// A way back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Back {
    /// Why.
    pub why: String,
    /// The operator, if one wanted it.
    pub by: Option<Actor>,
    /// Steps that are left, and how long each lasts.
    pub gradual: Option<Gradual>,
    /// When the next step is due.
    pub next: Option<Timestamp>,
    /// Since when it goes back.
    pub since: Timestamp,
}

impl Version {
    /// Replicas that take requests; none of those of a version that is not wanted.
    #[must_use]
    pub fn ready(&self) -> u32 {
        let ready = self.replicas.iter().filter(|replica| replica.phase.is_ready()).count();
        if self.wanted == 0 { 0 } else { u32::try_from(ready).unwrap_or(u32::MAX) }
    }

    /// Whether anything of it may still be answering requests.
    pub(super) fn answers(&self) -> bool {
        let may =
            |phase| matches!(phase, ReplicaPhase::Ready | ReplicaPhase::NotReady | ReplicaPhase::Draining);
        self.replicas.iter().any(|replica| may(replica.phase))
    }

    /// Replicas that have been ready for so long.
    #[must_use]
    pub fn available(&self, min_ready: Duration, now: Timestamp) -> u32 {
        let long = |replica: &&ReplicaState| replica.phase.is_ready() && replica.since + min_ready <= now;
        let available = self.replicas.iter().filter(long).count();
        if self.wanted == 0 { 0 } else { u32::try_from(available).unwrap_or(u32::MAX) }
    }
}

impl Service {
    /// Replicas of a version that take requests.
    #[must_use]
    pub fn ready(&self, version: &str) -> u32 {
        self.versions.get(version).map_or(0, Version::ready)
    }

    /// The share of a version in force.
    #[must_use]
    pub fn share(&self, version: &str) -> u32 {
        share_of(&self.shares, version)
    }

    /// Requests under way to a version, as heard last.
    #[must_use]
    pub fn requests_under_way(&self, version: &str) -> u64 {
        self.in_flight.get(version).map_or(0, |(count, _)| *count)
    }

    /// Until when one can return to a version at once; none when it is not on its way out.
    #[must_use]
    pub fn return_until(&self, version: &str) -> Option<Timestamp> {
        let kept = self.versions.get(version)?;
        if kept.wanted == 0 { None } else { kept.retire?.keep_until }
    }

    /// Replicas of a version that takes all the traffic.
    #[must_use]
    pub fn full(&self) -> u32 {
        self.scale.unwrap_or(self.replicas).max(1)
    }

    pub(super) fn is_settling(&self) -> bool {
        self.settling.is_some()
    }
}
