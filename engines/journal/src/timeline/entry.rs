//! What is handed in to be written.

use quarterdeck_kernel::{
    Actor, ChangeKind, Entry, EntryId, Invocation, Phase, Severity, Subject, Timestamp,
};

/// The longest summary kept, in characters; the rest is cut and marked so.
const SUMMARY_CHARS: usize = 2000;

/// An entry before it has its place on the chain.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// When it happened; now, if nothing else is said.
    pub at: Option<Timestamp>,
    /// What kind of change.
    pub kind: ChangeKind,
    /// How far it has come.
    pub phase: Phase,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub subject: Option<Subject>,
    /// The service it touches.
    pub service: Option<String>,
    /// Who.
    pub actor: Actor,
    /// One sentence for people.
    pub summary: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// The invocation that made it.
    pub invocation: Option<Invocation>,
    /// The intent whose outcome this is.
    pub outcome_of: Option<EntryId>,
    /// What undoes it.
    pub undo: Option<Invocation>,
}

impl NewEntry {
    /// Something that is done, of no particular weight, about nothing in particular.
    pub fn new(kind: ChangeKind, actor: Actor, summary: impl Into<String>) -> Self {
        Self {
            at: None,
            kind,
            phase: Phase::Done,
            severity: Severity::Info,
            subject: None,
            service: None,
            actor,
            summary: summary.into(),
            reason: None,
            invocation: None,
            outcome_of: None,
            undo: None,
        }
    }

    /// The same, at another time than now.
    #[must_use]
    pub fn at(mut self, at: Timestamp) -> Self {
        self.at = Some(at);
        self
    }

    /// The same, in another phase.
    #[must_use]
    pub fn phase(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }

    /// The same, of another weight.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The same, about `subject`; a service is then also the service it touches.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        if subject.kind == quarterdeck_kernel::SubjectKind::Service && self.service.is_none() {
            self.service = Some(subject.id.clone());
        }
        self.subject = Some(subject);
        self
    }

    /// The same, touching a service.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// The same, with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// The same, made by an invocation: its actor, subject and reason are taken over.
    #[must_use]
    pub fn invoked(mut self, invocation: &Invocation) -> Self {
        self.actor = invocation.actor.clone();
        if let Some(subject) = &invocation.subject {
            self = self.about(subject.clone());
        }
        self.reason.clone_from(&invocation.reason);
        self.invocation = Some(invocation.clone());
        self
    }

    /// The same, as the outcome of an intent.
    #[must_use]
    pub fn outcome_of(mut self, intent: EntryId) -> Self {
        self.outcome_of = Some(intent);
        self
    }

    /// The same, undone by `invocation`.
    #[must_use]
    pub fn undo(mut self, invocation: Invocation) -> Self {
        self.undo = Some(invocation);
        self
    }

    /// The entry at its place.
    pub(super) fn placed(self, id: EntryId, now: Timestamp) -> Entry {
        let mut summary = self.summary;
        if let Some((cut, _)) = summary.char_indices().nth(SUMMARY_CHARS) {
            summary.truncate(cut);
            summary.push_str(" […]");
        }
        Entry {
            id,
            at: self.at.unwrap_or(now),
            kind: self.kind,
            phase: self.phase,
            severity: self.severity,
            subject: self.subject,
            service: self.service,
            actor: self.actor,
            summary,
            reason: self.reason,
            invocation: self.invocation,
            outcome_of: self.outcome_of,
            undo: self.undo,
            undone_by: None,
        }
    }
}
