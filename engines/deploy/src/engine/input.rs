//! What the state machine is told, and what it wants done.

use std::time::Duration;

use quarterdeck_kernel::{Actor, Severity, Timestamp};

use crate::analysis::{JudgeRequest, Value};
use crate::model::{
    Change, CheckState, JudgeState, LedgerEntry, Mirror, ReplicaState, Rollout, RoutedHeader, Shares,
};
use crate::strategy::{Gradual, Strategy};

/// A service as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServicePlan {
    /// Its name.
    pub name: String,
    /// Replicas of its stable version.
    pub replicas: u32,
    /// The version that is stable when nothing else has been rolled out yet.
    pub stable: Option<String>,
}

/// A rollout about to begin.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The service.
    pub service: String,
    /// The version that it is to have.
    pub to: String,
    /// How.
    pub strategy: Strategy,
    /// Who.
    pub actor: Actor,
    /// Why.
    pub reason: String,
    /// What differs between the configurations of the two versions.
    pub diff: Vec<Change>,
    /// What is known of the change: `commit_time` (milliseconds since the epoch), `unplanned` (`true`), anything else.
    pub metadata: Vec<(String, String)>,
    /// The rollout that this one takes back.
    pub rollback_of: Option<String>,
}

/// When checks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before anything is changed.
    Before,
    /// When the new version is up, before its first request.
    Started,
}

/// What the state machine is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// The services as configured now. Those that are not named any more are let go of, unless a rollout is under way.
    Configure(Vec<ServicePlan>),
    /// Begin a rollout.
    Start(Box<Plan>),
    /// What came of the checks of a stage.
    Checked {
        /// The service.
        service: String,
        /// The rollout; answers for another one are dropped.
        rollout: String,
        /// The stage.
        stage: Stage,
        /// Each check.
        results: Vec<CheckState>,
    },
    /// What a target sees of a version.
    Observed {
        /// The service.
        service: String,
        /// The version.
        version: String,
        /// All its replicas.
        replicas: Vec<ReplicaState>,
    },
    /// Requests under way, by version.
    Traffic {
        /// The service.
        service: String,
        /// Version and requests under way.
        in_flight: Vec<(String, u64)>,
    },
    /// What came of a measurement.
    Measured {
        /// The service.
        service: String,
        /// The rollout.
        rollout: String,
        /// The analysis.
        analysis: String,
        /// The metric.
        metric: String,
        /// What the query gave, or why it gave nothing.
        result: Result<Value, String>,
    },
    /// What the judge says.
    Judged {
        /// The service.
        service: String,
        /// The rollout.
        rollout: String,
        /// The analysis.
        analysis: String,
        /// What it says, or why it cannot say anything.
        result: Box<Result<JudgeState, String>>,
    },
    /// An alert began to fire.
    Alert {
        /// The service it is about, if it says so.
        service: Option<String>,
        /// Its labels.
        labels: Vec<(String, String)>,
    },
    /// Go on from where it waits, or (full) to the end without the steps that are left.
    Promote {
        /// The service.
        service: String,
        /// Whether all steps that are left are skipped.
        full: bool,
        /// Who.
        by: Actor,
    },
    /// End the pause now.
    SkipPause {
        /// The service.
        service: String,
        /// Who.
        by: Actor,
    },
    /// Stand still.
    Freeze {
        /// The service.
        service: String,
        /// Why.
        reason: String,
        /// Who.
        by: Actor,
    },
    /// Go on after a freeze; what failed is tried again.
    Resume {
        /// The service.
        service: String,
        /// Who.
        by: Actor,
    },
    /// Take the rollout back.
    Abort {
        /// The service.
        service: String,
        /// Why.
        reason: String,
        /// Who.
        by: Actor,
    },
    /// Take the rollout back, or, when none is under way, go back to the version before or to a named one.
    Rollback {
        /// The service.
        service: String,
        /// The version; the one before when not given.
        to: Option<String>,
        /// In steps; at once when not given.
        gradual: Option<Gradual>,
        /// Why.
        reason: String,
        /// Who.
        by: Actor,
    },
    /// Give the new version of a blue-green deployment so many of 100 requests.
    SetWeight {
        /// The service.
        service: String,
        /// So many; more than 100 is 100.
        weight: u32,
        /// Who.
        by: Actor,
    },
    /// Time passed.
    Tick,
}

/// What is to be done, in the order given, after the new state is durable.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A version is to have so many replicas.
    Ensure {
        /// The service.
        service: String,
        /// The version.
        version: String,
        /// So many; 0 stops it.
        replicas: u32,
        /// Grows with every change of what a service is to have.
        generation: u64,
    },
    /// From the next request on traffic goes like this.
    Steer {
        /// The service.
        service: String,
        /// Shares; their sum is 100.
        shares: Shares,
        /// Headers that choose a version.
        headers: Vec<RoutedHeader>,
        /// The copy of requests.
        mirror: Option<Mirror>,
    },
    /// Run the checks of a stage and tell [`Input::Checked`].
    RunChecks {
        /// The service.
        service: String,
        /// The rollout.
        rollout: String,
        /// The stage.
        stage: Stage,
    },
    /// Ask this PromQL as of now and tell [`Input::Measured`].
    Measure {
        /// The service.
        service: String,
        /// The rollout.
        rollout: String,
        /// The analysis.
        analysis: String,
        /// The metric.
        metric: String,
        /// The query.
        query: String,
    },
    /// Compare both versions and tell [`Input::Judged`].
    Judge {
        /// The service.
        service: String,
        /// The rollout.
        rollout: String,
        /// The analysis.
        analysis: String,
        /// What is compared.
        request: Box<JudgeRequest>,
    },
    /// Something for the timeline.
    Tell(Fact),
    /// A rollout ended: for the history and the ledger.
    Ended {
        /// All of it.
        rollout: Box<Rollout>,
        /// What is kept for good.
        ledger: LedgerEntry,
    },
}

/// Something for the timeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The service.
    pub service: String,
    /// The rollout, if it is about one.
    pub rollout: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence for people.
    pub summary: String,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Who; the console itself when nobody did.
    pub actor: Option<Actor>,
    /// Whether a rollback of the service undoes it.
    pub undo: bool,
}

/// Why what an operator asked for is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such service.
    #[error("{service:?} is not a service that is deployed here; {known}")]
    Unknown {
        /// What was asked for.
        service: String,
        /// Those that are, in words.
        known: String,
    },
    /// One at a time.
    #[error(
        "{service} has a rollout already: {title}, {phase}, started by {by} {ago} ago; wait until it has ended, or abort it"
    )]
    Busy {
        /// The service.
        service: String,
        /// What runs.
        title: String,
        /// Where it is.
        phase: String,
        /// Who started it.
        by: String,
        /// How long ago.
        ago: String,
    },
    /// Nothing to do.
    #[error("{version} is the stable version of {service} already")]
    Stable {
        /// The service.
        service: String,
        /// The version.
        version: String,
    },
    /// Nothing is under way.
    #[error("{0} has no rollout under way")]
    Idle(String),
    /// It makes no sense now.
    #[error("{what}: the rollout of {service} is {phase}; {advice}")]
    NotNow {
        /// What was asked for, in words: "there is no pause to skip".
        what: &'static str,
        /// The service.
        service: String,
        /// Where it is.
        phase: String,
        /// What can be done instead.
        advice: &'static str,
    },
    /// There is nothing to go back to.
    #[error("{service} has no version to go back to: {why}; name one")]
    NoPrevious {
        /// The service.
        service: String,
        /// Why.
        why: String,
    },
    /// A version that is not ready is never given traffic.
    #[error("{version} of {service} is not ready, and takes no traffic before it is")]
    NotReady {
        /// The service.
        service: String,
        /// The version.
        version: String,
    },
}

/// For people: how long ago, to the second.
pub(crate) fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.since(from).as_secs();
    quarterdeck_kernel::time::format_duration(Duration::from_secs(seconds))
}
