//! What an engine implements for each of its actions.

pub use futures_util::future::BoxFuture;
use quarterdeck_kernel::{ChangeKind, Invocation, Reason, Severity, Subject};

use crate::store::{StoreError, Tx};
use crate::timeline::TimelineError;

/// The function behind an action.
pub trait Execute: Send + Sync {
    /// Whether the action makes sense now, and if not, why. Called for each drawn hint: look at a published
    /// snapshot, never wait. Asked again just before the action runs.
    ///
    /// # Errors
    /// The reason why not, for the operator.
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        let _ = subject;
        Ok(())
    }

    /// What would change, one line each, for the confirmation dialog. Must not wait.
    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let _ = invocation;
        Vec::new()
    }

    /// What kind of change a failure of it is shown as.
    fn kind(&self) -> ChangeKind {
        ChangeKind::Operation
    }

    /// Where its effect is, and so how it is made durable.
    fn how(&self) -> How<'_>;
}

/// How an action is run.
pub enum How<'a> {
    /// Its effect is in the store: one transaction with its timeline entry.
    Stored(&'a dyn Stored),
    /// Its effect is outside: intent before, outcome after.
    External(&'a dyn External),
    /// It changes nothing that is worth an entry (a refresh, a probe). Only for actions with
    /// [`Danger::Safe`](quarterdeck_kernel::Danger::Safe).
    Unrecorded(&'a dyn Unrecorded),
    /// It stands for another invocation, which is run in its stead.
    Redirect(&'a dyn Redirect),
}

/// An action whose whole effect is in the store.
pub trait Stored: Send + Sync {
    /// Makes the change in `tx`. On an error or a panic everything done in `tx` is undone. Do nothing outside of
    /// it, and wait for nothing but it.
    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        tx: &'a mut Tx,
    ) -> BoxFuture<'a, Result<Outcome, Failure>>;

    /// Called when the change is durable, in the order of the timeline and before the answer: take the change over
    /// into memory here. Must be quick and not wait.
    fn committed(&self, invocation: &Invocation, outcome: &Outcome) {
        let _ = (invocation, outcome);
    }
}

/// An action whose effect is outside the store.
pub trait External: Send + Sync {
    /// What the intent says on the timeline before the effect: kind, service, summary ("orders: switching to v2").
    fn intent(&self, invocation: &Invocation) -> Outcome;

    /// Makes the change. `invocation.id` is the identity to hand on to systems that can tell a repetition.
    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>>;

    /// After a crash between intent and outcome: finds out what became of the change, finishes or reverts it.
    fn reconcile<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Reconciled>;

    /// Whether it must be done although the store does not follow: its entries are then waited for no longer than
    /// a moment, and the answer tells that they are missing. Only for what makes things safer.
    fn urgent(&self) -> bool {
        false
    }
}

/// An action that leaves no trace on the timeline.
pub trait Unrecorded: Send + Sync {
    /// Does it and answers the message for the operator.
    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<String, Failure>>;
}

/// An action that stands for another.
pub trait Redirect: Send + Sync {
    /// What is run in its stead. Actor, reason and id are those of `invocation` whatever is answered here.
    fn resolve<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Invocation, Failure>>;

    /// The same from what is in memory, for previews.
    fn resolve_now(&self, invocation: &Invocation) -> Option<Invocation>;
}

/// What an action writes on the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One sentence for people, on the timeline and as the answer: "orders: limit of checkout is now 50 ms (was 80 ms)".
    pub summary: String,
    /// What kind of change.
    pub kind: ChangeKind,
    /// How much it matters.
    pub severity: Severity,
    /// The service it touches.
    pub service: Option<String>,
    /// What the entry is about, if not the invocation's subject.
    pub subject: Option<Subject>,
    /// What undoes it; with `expects` set to what it must find so as not to overwrite a later change.
    pub undo: Option<Invocation>,
}

impl Outcome {
    /// An outcome of no particular weight that nothing undoes.
    pub fn new(kind: ChangeKind, summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            kind,
            severity: Severity::Info,
            service: None,
            subject: None,
            undo: None,
        }
    }

    /// The same, touching a service.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// The same, of another weight.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The same, about another subject than the invocation's.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The same, undone by `inverse`, which must find `expects` (the state this action leaves, in the engine's own
    /// words) when it is run.
    #[must_use]
    pub fn undo(mut self, mut inverse: Invocation, expects: impl Into<String>) -> Self {
        inverse.expects = Some(expects.into());
        self.undo = Some(inverse);
        self
    }
}

/// Why an action did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Things are no longer as the invocation expects. Nothing was changed, nothing is recorded.
    #[error("things have changed since: expected {expected}, found {found}")]
    Conflict {
        /// What the invocation expects.
        expected: String,
        /// What is there.
        found: String,
    },
    /// It makes no sense as asked: a name that does not exist, a value out of range. Nothing was changed, nothing
    /// is recorded.
    #[error("{0}")]
    Refused(String),
    /// It was tried and failed; recorded.
    #[error("{0}")]
    Failed(String),
    /// The timeline or the store failed.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Timeline(error.into())
    }
}

impl Failure {
    /// Compares what an invocation expects with what is there; an invocation that expects nothing always passes.
    ///
    /// # Errors
    /// [`Failure::Conflict`] when they differ.
    pub fn unless_expected(invocation: &Invocation, found: &str) -> Result<(), Self> {
        match &invocation.expects {
            Some(expected) if expected != found => {
                Err(Self::Conflict { expected: expected.clone(), found: found.to_owned() })
            }
            _ => Ok(()),
        }
    }
}

/// What became of a change that a crash interrupted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one of them exists per interrupted action, after a crash")]
pub enum Reconciled {
    /// It is done now.
    Done(Outcome),
    /// It is not done, and will not be.
    Failed(String),
    /// Nobody can tell; the entry stays interrupted and is asked for again at the next start.
    Unknown,
}
