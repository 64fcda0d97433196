//! `streams.reconnect`, `streams.pause`, `streams.resume`

use std::sync::Arc;

use quarterdeck_journal::dispatch::{BoxFuture, External, Reconciled, RegisterError, Unrecorded};
use quarterdeck_journal::{Execute, Failure, How, Outcome, Registry};
use quarterdeck_kernel::{ActionSpec, ChangeKind, Danger, Invocation, Reason, Subject};
use quarterdeck_streams::Handle;

use super::named;
use crate::live::Live;

struct OnFeed {
    spec: ActionSpec,
    handle: Live<Handle>,
}

pub(super) fn register(registry: &mut Registry, handle: &Live<Handle>) -> Result<(), RegisterError> {
    for spec in quarterdeck_streams::actions() {
        registry.register(spec.clone(), Arc::new(OnFeed { spec, handle: handle.clone() }))?;
    }
    Ok(())
}

impl Execute for OnFeed {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        match subject {
            Some(subject) => {
                quarterdeck_streams::available(&self.handle.get()?.snapshot(), self.spec.id, &subject.id)
            }
            None => Ok(()),
        }
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let Ok(handle) = self.handle.get() else { return Vec::new() };
        let snapshot = handle.snapshot();
        let Some(feed) = snapshot.feed(named(invocation)) else { return Vec::new() };
        let rate = feed.stats.message_rate;
        match self.spec.inverse {
            Some(_) if feed.state.connected() => {
                vec![format!("{:.0} messages a second are no longer received", rate)]
            }
            _ => Vec::new(),
        }
    }

    fn how(&self) -> How<'_> {
        // What changes nothing for good leaves no entry.
        if self.spec.danger == Danger::Safe { How::Unrecorded(self) } else { How::External(self) }
    }
}

impl OnFeed {
    async fn perform(&self, invocation: &Invocation) -> Result<String, Failure> {
        let refused = |reason: Reason| Failure::Refused(reason.0);
        self.handle.get().map_err(refused)?.perform(invocation).await.map_err(refused)
    }
}

impl Unrecorded for OnFeed {
    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(self.perform(invocation))
    }
}

impl External for OnFeed {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        Outcome::new(ChangeKind::Operation, format!("{}: {}", named(invocation), self.spec.title))
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let message = self.perform(invocation).await?;
            let outcome = Outcome::new(ChangeKind::Operation, message);
            let Some(inverse) = self.spec.inverse else { return Ok(outcome) };
            let mut undo = Invocation::new(inverse, invocation.actor.clone());
            undo.subject = invocation.subject.clone();
            // Whether the feed is still as it was left is asked by `available`: it expects nothing more.
            Ok(Outcome { undo: Some(undo), ..outcome })
        })
    }

    fn reconcile<'a>(&'a self, _invocation: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async {
            Reconciled::Failed(
                "the console was started again: every feed runs as it is configured".to_owned(),
            )
        })
    }
}
