//! What happened: entries of the timeline.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Actor, Invocation, Severity, Subject, Timestamp};

/// Names an entry: the writer's chain and the place in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId {
    /// The writer: one per console and data directory.
    pub writer: String,
    /// Place in the writer's chain, from 1.
    pub seq: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.writer, self.seq)
    }
}

impl FromStr for EntryId {
    type Err = crate::Reason;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.rsplit_once('/').and_then(|(writer, seq)| Some((writer, seq.parse().ok()?)));
        match parts {
            Some((writer, seq)) if !writer.is_empty() => Ok(Self { writer: writer.to_owned(), seq }),
            _ => Err(crate::Reason(format!("{text:?} is not a timeline entry: write WRITER/NUMBER"))),
        }
    }
}

/// What kind of change an entry tells of. Each has a mark on charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A deployment step, promotion or rollback.
    Deployment,
    /// A feature flag.
    Flag,
    /// A chaos fault begun or ended.
    Chaos,
    /// An acknowledgement, silence or assignment.
    Acknowledgement,
    /// An alert fired or resolved.
    Alert,
    /// Configuration loaded, refused or changed at run time.
    Configuration,
    /// The console or an engine started, stopped, failed.
    Lifecycle,
    /// A job ran.
    Job,
    /// Anything else that an operator did.
    Operation,
}

impl ChangeKind {
    /// Every kind, in the order shown to people.
    pub const ALL: [Self; 9] = [
        Self::Deployment,
        Self::Flag,
        Self::Chaos,
        Self::Acknowledgement,
        Self::Alert,
        Self::Configuration,
        Self::Lifecycle,
        Self::Job,
        Self::Operation,
    ];

    /// As stored and as shown in filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Flag => "flag",
            Self::Chaos => "chaos",
            Self::Acknowledgement => "acknowledgement",
            Self::Alert => "alert",
            Self::Configuration => "configuration",
            Self::Lifecycle => "lifecycle",
            Self::Job => "job",
            Self::Operation => "operation",
        }
    }
}

/// How far the change of an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Decided and durable; the effect outside the store is still to come.
    Intent,
    /// Done.
    Done,
    /// Tried and failed.
    Failed,
    /// An intent that a crash left without an outcome.
    Interrupted,
}

impl Phase {
    /// As stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// One entry of the timeline: who did what to what, when, why, how it went, how to undo it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place.
    pub id: EntryId,
    /// When.
    pub at: Timestamp,
    /// What kind of change.
    pub kind: ChangeKind,
    /// How far it has come.
    pub phase: Phase,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub subject: Option<Subject>,
    /// The service it touches, if it touches one.
    pub service: Option<String>,
    /// Who.
    pub actor: Actor,
    /// One sentence for people: "orders v2 canary → 10 %".
    pub summary: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// The invocation that made it, if an action did.
    pub invocation: Option<Invocation>,
    /// The entry whose outcome this is (an outcome follows its intent on the chain).
    pub outcome_of: Option<EntryId>,
    /// What undoes it, if anything does.
    pub undo: Option<Invocation>,
    /// The entry that undid it, filled in when read.
    #[serde(default)]
    pub undone_by: Option<EntryId>,
}
