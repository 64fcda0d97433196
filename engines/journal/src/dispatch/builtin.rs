//! Actions of the timeline itself.

use std::sync::Arc;

use quarterdeck_kernel::{
    ActionSpec, ArgKind, ArgSpec, ChangeKind, Danger, Entry, EntryId, Invocation, Phase, Reason, Subject,
    SubjectKind,
};

use super::execute::{BoxFuture, Execute, Failure, How, Outcome, Redirect, Stored};
use crate::store::Tx;
use crate::timeline::Timeline;

/// The timeline's own actions, as data: `timeline.undo` and `timeline.note`.
#[must_use]
pub fn specs() -> [ActionSpec; 2] {
    [
        ActionSpec {
            id: "timeline.undo",
            title: "Undo",
            description: "Undo what an entry of the timeline tells, unless things have changed since.",
            subject: Some(SubjectKind::Entry),
            args: Vec::new(),
            danger: Danger::Disruptive,
            inverse: None,
        },
        ActionSpec {
            id: "timeline.note",
            title: "Add a note",
            description: "Write a note on the timeline, for instance what was found out or decided.",
            subject: None,
            args: vec![
                ArgSpec { name: "text", description: "the note", kind: ArgKind::Text, required: true },
                ArgSpec {
                    name: "service",
                    description: "the service it is about",
                    kind: ArgKind::Text,
                    required: false,
                },
            ],
            danger: Danger::Safe,
            inverse: None,
        },
    ]
}

impl Timeline {
    /// The timeline's own actions with their functions; see [`specs`].
    #[must_use]
    pub fn actions(&self) -> Vec<(ActionSpec, Arc<dyn Execute>)> {
        let [undo, note] = specs();
        vec![(undo, Arc::new(Undo(self.clone()))), (note, Arc::new(Note))]
    }
}

struct Undo(Timeline);

/// The inverse that an entry carries, or why it cannot be undone.
fn inverse(entry: &Entry) -> Result<Invocation, String> {
    if let Some(by) = &entry.undone_by {
        return Err(format!("entry {} was already undone by {by}", entry.id));
    }
    if entry.phase != Phase::Done {
        return Err(format!(
            "entry {} is {}: only what is done can be undone",
            entry.id,
            entry.phase.as_str()
        ));
    }
    let undo = entry.undo.clone();
    undo.map(|undo| Invocation { undoes: Some(entry.id.clone()), ..undo })
        .ok_or_else(|| format!("entry {} has no inverse: it cannot be undone", entry.id))
}

fn named(subject: Option<&Subject>) -> Option<EntryId> {
    subject.and_then(|s| s.id.parse().ok())
}

impl Execute for Undo {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        // Older entries than those in memory are looked at when the action runs.
        match named(subject).and_then(|id| self.0.recent_entry(&id)) {
            Some(entry) => inverse(&entry).map(|_| ()).map_err(Reason),
            None => Ok(()),
        }
    }

    fn how(&self) -> How<'_> {
        How::Redirect(self)
    }
}

impl Redirect for Undo {
    fn resolve<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Invocation, Failure>> {
        Box::pin(async move {
            let subject = invocation.subject.as_ref();
            let shown = subject.map(|s| s.id.clone()).unwrap_or_default();
            let id = named(subject).ok_or_else(|| {
                Failure::Refused(format!("{shown:?} is not a timeline entry: write WRITER/NUMBER"))
            })?;
            let entry = self.0.entry(&id).await?;
            let entry = entry.ok_or_else(|| {
                Failure::Refused(format!("there is no timeline entry {id}: it may have been pruned"))
            })?;
            inverse(&entry).map_err(Failure::Refused)
        })
    }

    fn resolve_now(&self, invocation: &Invocation) -> Option<Invocation> {
        let entry = self.0.recent_entry(&named(invocation.subject.as_ref())?)?;
        inverse(&entry).ok()
    }
}

struct Note;

impl Execute for Note {
    fn how(&self) -> How<'_> {
        How::Stored(self)
    }
}

impl Stored for Note {
    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        _tx: &'a mut Tx,
    ) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let text = invocation.args.get("text").map(String::as_str).unwrap_or_default();
            let mut outcome = Outcome::new(ChangeKind::Operation, text);
            outcome.service = invocation.args.get("service").filter(|s| !s.is_empty()).cloned();
            Ok(outcome)
        })
    }
}
