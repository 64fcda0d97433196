//! After a crash: intents without outcome.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use quarterdeck_kernel::{Actor, Entry, EntryId, Phase, Severity};

use super::dispatcher::Dispatcher;
use super::execute::{How, Reconciled};
use super::run;
use crate::timeline::{NewEntry, TimelineError};

impl Dispatcher {
    /// Takes care of what a crash interrupted: for each intent without outcome writes that it was interrupted, then
    /// asks its engine what became of it and writes the answer. Call it once, when the engines are up and before
    /// the first dispatch. Answers each intent with how it ended.
    ///
    /// # Errors
    /// When the timeline cannot be read or written.
    pub async fn recover(&self) -> Result<Vec<(EntryId, Phase)>, TimelineError> {
        let mut ended = Vec::new();
        for intent in self.timeline().open_intents().await? {
            let phase = self.recover_one(&intent).await?;
            ended.push((intent.id, phase));
        }
        Ok(ended)
    }

    async fn recover_one(&self, intent: &Entry) -> Result<Phase, TimelineError> {
        let outcome = |phase, summary: String| {
            let mut entry = NewEntry::new(intent.kind, Actor::system("recovery"), summary)
                .phase(phase)
                .severity(Severity::Warning)
                .outcome_of(intent.id.clone());
            entry.subject.clone_from(&intent.subject);
            entry.service.clone_from(&intent.service);
            entry.invocation.clone_from(&intent.invocation);
            entry
        };
        let Some(invocation) = &intent.invocation else { return Ok(Phase::Interrupted) };
        let known = self.timeline().of_invocation(invocation.id).await?;
        if !known.iter().any(|e| e.phase == Phase::Interrupted) {
            let text = format!("interrupted by a crash: {}", intent.summary);
            self.timeline().append(outcome(Phase::Interrupted, text)).await?;
        }
        let Ok((_, execute)) = self.registry().find(&invocation.action) else {
            return Ok(Phase::Interrupted);
        };
        let How::External(external) = execute.how() else { return Ok(Phase::Interrupted) };
        let reconciled = AssertUnwindSafe(external.reconcile(invocation)).catch_unwind().await;
        let entry = match reconciled {
            Ok(Reconciled::Done(done)) => {
                run::told(invocation, &done, Phase::Done).outcome_of(intent.id.clone())
            }
            Ok(Reconciled::Failed(why)) => outcome(Phase::Failed, why),
            Ok(Reconciled::Unknown) => return Ok(Phase::Interrupted),
            Err(_) => {
                tracing::error!(action = invocation.action, intent = %intent.id, "the engine panicked when asked what became of it");
                return Ok(Phase::Interrupted);
            }
        };
        Ok(self.timeline().append(entry).await?.phase)
    }
}
