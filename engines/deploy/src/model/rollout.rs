//! One rollout: all that is stored of it, and all that a screen shows.

use std::fmt;
use std::time::Duration;

use quarterdeck_kernel::{Actor, Timestamp};
use serde::{Deserialize, Serialize};

use super::{AnalysisState, Shares};
use crate::strategy::{Step, Strategy};

/// Where a rollout is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The checks before it run; nothing has been changed yet.
    #[default]
    Validating,
    /// The new version comes up and takes no traffic yet.
    Starting,
    /// Its steps are being done.
    Progressing,
    /// A step, or an analysis without an answer, makes it wait; see [`Rollout::until`].
    Paused,
    /// It stands still, whatever happens, until it is resumed; see [`Rollout::frozen`].
    Frozen,
    /// All steps are done: the new version is brought to full size and takes all the traffic.
    Promoting,
    /// Traffic goes back to the stable version, at once or gradually.
    RollingBack,
    /// The version that lost takes no new requests; those under way end.
    Draining,
    /// Ended: the new version is the stable one.
    Healthy,
    /// Ended: the new version is not the stable one.
    Degraded,
}

impl Phase {
    /// Whether it has ended.
    #[must_use]
    pub const fn ended(self) -> bool {
        matches!(self, Self::Healthy | Self::Degraded)
    }

    /// As shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Starting => "starting",
            Self::Progressing => "progressing",
            Self::Paused => "paused",
            Self::Frozen => "frozen",
            Self::Promoting => "promoting",
            Self::RollingBack => "rolling back",
            Self::Draining => "draining",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new version is the stable one.
    Promoted,
    /// It was taken back by itself: a verdict, a probe, an alert or a deadline.
    RolledBack,
    /// An operator took it back.
    Aborted,
    /// It was refused before anything was changed: a check failed.
    Refused,
    /// It failed and could not be taken back: there is no stable version that is ready.
    Failed,
}

impl Outcome {
    /// As shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled back",
            Self::Aborted => "aborted",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a step is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Its turn has not come.
    #[default]
    Waiting,
    /// It is being done.
    Running,
    /// Done.
    Done,
    /// Not done: an operator, or the rollback window, skipped it.
    Skipped,
    /// It is why the rollout failed.
    Failed,
    /// Not done: the rollout ended before.
    Dropped,
}

/// One rung of the ladder. Rolling updates and blue-green have rungs as well: what they do, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepState {
    /// What it does.
    pub step: Step,
    /// How far it is.
    pub status: StepStatus,
    /// When its turn came.
    pub started: Option<Timestamp>,
    /// When it was over.
    pub ended: Option<Timestamp>,
    /// When it is over by itself, where that is known.
    pub until: Option<Timestamp>,
    /// For people: what it waits for, or why it failed; empty when there is nothing to say.
    pub message: String,
}

impl StepState {
    /// A step whose turn has not come.
    #[must_use]
    pub fn new(step: Step) -> Self {
        Self {
            step,
            status: StepStatus::Waiting,
            started: None,
            ended: None,
            until: None,
            message: String::new(),
        }
    }
}

/// That a rollout stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Since when.
    pub since: Timestamp,
    /// Who, or the part of the console that did it.
    pub by: String,
    /// Why.
    pub why: String,
    /// The phase that it goes on from.
    pub was: Phase,
    /// Whether a failure froze it instead of rolling it back.
    pub failure: bool,
}

/// A header that sends requests to a version whatever the shares are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutedHeader {
    /// The name by which a later step takes it away.
    pub name: String,
    /// The header.
    pub header: String,
    /// Its value, exactly.
    pub value: String,
    /// The version.
    pub version: String,
}

/// A copy of requests goes to a version; its answers are dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// The name by which a later step takes it away.
    pub name: String,
    /// The version.
    pub version: String,
    /// Of 100 requests, how many are copied.
    pub percent: u32,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckVerdict {
    /// It holds.
    Ok,
    /// It does not hold: the rollout is refused.
    Failed,
    /// It could not be asked, or does not apply; it stops nothing.
    Skipped,
}

/// One check and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckState {
    /// Its name.
    pub name: String,
    /// What came of it.
    pub verdict: CheckVerdict,
    /// For people: what was found.
    pub message: String,
}

/// One difference between the configurations of two versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The setting.
    pub key: String,
    /// What the stable version has; none when it has no such setting.
    pub before: Option<String>,
    /// What the new version has.
    pub after: Option<String>,
}

/// One rollout. Its serialised form is what the store keeps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Names it: the service and its number there (`orders-0031`); sorts by age within a service.
    pub id: String,
    /// The number of this rollout of its service, from 1.
    pub revision: u64,
    /// The service.
    pub service: String,
    /// The stable version when it began; none when the service had none.
    pub from: Option<String>,
    /// The new version.
    pub to: String,
    /// How, as it was when the rollout began: a file that changes later changes nothing here.
    pub strategy: Strategy,
    /// Who started it.
    pub actor: Actor,
    /// Why, in the operator's words.
    pub reason: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Where it is.
    pub phase: Phase,
    /// For people: what it does, waits for or failed of, in one sentence.
    pub message: String,
    /// When a pause is over by itself; none when it waits for a key, or does not wait.
    pub until: Option<Timestamp>,
    /// That it stands still.
    pub frozen: Option<Freeze>,
    /// The step that is being done; none before the first and after the last.
    pub step: Option<usize>,
    /// The ladder.
    pub steps: Vec<StepState>,
    /// The share of traffic that the new version is to have now, in per cent. What it really has is in
    /// [`Rollout::shares`]: none as long as it is not ready.
    pub weight: u32,
    /// Shares in force.
    pub shares: Shares,
    /// Headers that choose a version now.
    pub headers: Vec<RoutedHeader>,
    /// The mirror in force.
    pub mirror: Option<Mirror>,
    /// What came of the checks before it and of those before its first request.
    pub checks: Vec<CheckState>,
    /// Its analyses, in the order they began.
    pub analyses: Vec<AnalysisState>,
    /// When the new version took its first request by share.
    pub first_traffic: Option<Timestamp>,
    /// The largest share of traffic that the new version has had.
    #[serde(default)]
    pub reached: u32,
    /// How long it stood still or waited for a key in all; not part of what its strategy allows it.
    pub waited: Duration,
    /// What differs between the configurations of the two versions.
    pub diff: Vec<Change>,
    /// The rollout that this one takes back.
    pub rollback_of: Option<String>,
    /// What is known of the change, as in `commit_time` (RFC 3339): for the ledger.
    pub metadata: Vec<(String, String)>,
}

impl Rollout {
    /// Whether it has ended.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.phase.ended()
    }

    /// The moment at which countdowns are read: they stand while it is frozen, and go on from there.
    #[must_use]
    pub fn countdowns_at(&self, now: Timestamp) -> Timestamp {
        self.frozen.as_ref().map_or(now, |freeze| freeze.since)
    }

    /// "canary v1 → v2", as titles have it.
    #[must_use]
    pub fn title(&self) -> String {
        let kind = if self.rollback_of.is_some() { "rollback" } else { self.strategy.kind.as_str() };
        match &self.from {
            Some(from) => format!("{kind} {from} → {}", self.to),
            None => format!("{kind} of {}, its first version", self.to),
        }
    }

    /// The analysis of an id.
    #[must_use]
    pub fn analysis(&self, id: &str) -> Option<&AnalysisState> {
        self.analyses.iter().find(|analysis| analysis.id == id)
    }
}
