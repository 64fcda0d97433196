//! Writing: the state of services, ended rollouts and timeline entries in one transaction, before what follows is done.

use std::time::Duration;

use quarterdeck_journal::NewEntry;
use quarterdeck_journal::lease::{Lease, LeaseError};
use quarterdeck_journal::store::StoreError;
use quarterdeck_journal::{Timeline, TimelineError};
use quarterdeck_kernel::{Actor, ChangeKind, Invocation, Subject, SubjectKind, Timestamp};

use super::{Refused, Runner};
use crate::actions;
use crate::engine::{Effect, Fact, Input, Service};
use crate::store::Unwritten;

/// Entries that wait at most while the store fails; more are dropped and counted.
const MAX_ENTRIES: usize = 1_000;

/// How long the store may take; an operator who wants the traffic back waits behind it.
const WRITE: Duration = Duration::from_secs(2);

/// What waits to be written, and what follows it.
#[derive(Default)]
pub(super) struct Waiting {
    rows: Unwritten,
    entries: Vec<NewEntry>,
    effects: Vec<Effect>,
    /// Why the store does not follow.
    stuck: Option<String>,
    recovered: bool,
    dropped: usize,
}

impl Waiting {
    /// Whether the store does not take what is to be written: nothing moves then.
    pub(super) const fn is_stuck(&self) -> bool {
        self.stuck.is_some()
    }

    /// Why.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.stuck.as_deref()
    }

    /// Whether the store has begun to follow again since this was asked last.
    pub(super) fn recovered(&mut self) -> bool {
        std::mem::take(&mut self.recovered)
    }

    async fn write(
        &self,
        timeline: &Timeline,
        lease: &mut Option<Lease>,
        now: Timestamp,
    ) -> Result<(), SaveError> {
        if self.rows.is_empty() && self.entries.is_empty() {
            return Ok(());
        }
        let (rows, entries, held) = (self.rows.clone(), self.entries.clone(), lease.clone());
        let written = timeline
            .transact::<Option<Lease>, SaveError, _>(move |tx| {
                Box::pin(async move {
                    let renewed = match held {
                        Some(lease) => Some(lease.prove(tx, now).await?),
                        None => None,
                    };
                    rows.write(tx).await?;
                    Ok((renewed, entries))
                })
            })
            .await;
        (*lease, _) = written?;
        Ok(())
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum SaveError {
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Timeline(#[from] TimelineError),
    #[error("the store has not answered for {} s", WRITE.as_secs())]
    Late,
}

impl From<StoreError> for SaveError {
    fn from(error: StoreError) -> Self {
        Self::Timeline(error.into())
    }
}

impl Runner {
    /// Takes effects in, to be done when everything so far is durable.
    pub(super) fn take(&mut self, effects: Vec<Effect>) {
        self.take_but(effects, false);
    }

    /// The same; with `told`, what an operator did is told by the action that they did it with.
    fn take_but(&mut self, effects: Vec<Effect>, told: bool) -> Vec<Fact> {
        let mut facts = Vec::new();
        for effect in effects {
            match effect {
                Effect::Tell(fact) => {
                    if !(told && fact.actor.is_some()) {
                        self.waiting.entries.push(entry(&fact));
                    }
                    facts.push(fact);
                }
                Effect::Ended { rollout, ledger } => {
                    self.waiting.rows.ended.push(((*rollout).clone(), ledger.clone()));
                    self.history.insert(0, std::sync::Arc::new(*rollout));
                    self.history.truncate(crate::store::SHOWN as usize);
                    self.ledger.push(ledger);
                }
                other => self.waiting.effects.push(other),
            }
        }
        let over = self.waiting.entries.len().saturating_sub(MAX_ENTRIES);
        self.waiting.entries.truncate(MAX_ENTRIES);
        self.waiting.dropped += over;
        for name in self.engine.take_dirty() {
            match self.engine.service(&name).map(serde_json::to_string) {
                Some(Ok(body)) => drop(self.waiting.rows.services.insert(name, Some(body))),
                Some(Err(error)) => {
                    tracing::error!(service = name, %error, "a service cannot be written down");
                }
                None => drop(self.waiting.rows.services.insert(name, None)),
            }
        }
        self.dirty = true;
        facts
    }

    /// Makes what waits durable and does what follows.
    pub(super) async fn flush(&mut self) {
        let now = self.now();
        let write = self.waiting.write(&self.seams.timeline, &mut self.lease, now);
        let written = tokio::time::timeout(WRITE, write).await.unwrap_or(Err(SaveError::Late));
        match written {
            // What another console does now is not to be done here too.
            Err(SaveError::Lease(LeaseError::Lost)) => {
                self.lost = true;
                for entry in &self.waiting.entries {
                    tracing::error!(
                        entry.summary,
                        "another console does the rollouts now: this stays unsaved"
                    );
                }
                self.waiting = Waiting::default();
            }
            Ok(()) => {
                self.waiting.rows = Unwritten::default();
                self.waiting.entries.clear();
                if std::mem::take(&mut self.waiting.dropped) > 0 {
                    tracing::warn!("timeline entries of deployments were dropped while the store failed");
                }
                if self.waiting.stuck.take().is_some() {
                    tracing::info!("deployment control can be saved again");
                    self.waiting.recovered = true;
                    self.dirty = true;
                }
                let effects = std::mem::take(&mut self.waiting.effects);
                self.perform(effects).await;
            }
            Err(error) => {
                let why = error.to_string();
                if self.waiting.stuck.as_ref() != Some(&why) {
                    tracing::error!(why, "deployment control cannot be saved: nothing moves until it can");
                }
                self.waiting.stuck = Some(why);
                self.dirty = true;
            }
        }
    }

    /// Does what an operator wants: durable before it is done. What takes traffic back is done even if nothing can be saved.
    pub(super) async fn operate(&mut self, input: Input) -> Result<Vec<Fact>, Refused> {
        let urgent = matches!(input, Input::Abort { .. } | Input::Rollback { .. } | Input::Freeze { .. });
        if let (Some(why), false) = (self.waiting.trouble(), urgent) {
            return Err(Refused::NotSaved(why.to_owned()));
        }
        // What stood before must be durable first, so that a failure now is one of this request. Who wants the traffic
        // back does not wait for a store that is known to fail.
        if !self.waiting.is_stuck() {
            self.flush().await;
            if self.lost {
                return Err(lost());
            }
        }
        let stuck = self.waiting.is_stuck();
        if let (Some(why), false) = (self.waiting.trouble(), urgent) {
            return Err(Refused::NotSaved(why.to_owned()));
        }
        let before = self.engine.clone();
        let kept = (self.history.clone(), self.ledger.clone());
        let now = self.now();
        let effects = self.engine.handle(input, now)?;
        let facts = self.take_but(effects, true);
        if stuck {
            self.perform_urgent().await;
        }
        self.flush().await;
        if self.lost {
            // Nobody knows of it, nor will: it is not to be seen here either until the other console's state is.
            self.engine = before;
            (self.history, self.ledger) = kept;
            return Err(lost());
        }
        let Some(why) = self.waiting.trouble().map(str::to_owned) else { return Ok(facts) };
        if urgent {
            self.perform_urgent().await;
            return Err(Refused::DoneUnsaved(why));
        }
        self.engine = before;
        (self.history, self.ledger) = kept;
        // What stands is written once more: when that is taken, the store follows again, and until then that is shown.
        let touched = std::mem::take(&mut self.waiting).rows.services.into_keys();
        let rows = touched.map(|name| {
            let body = self.engine.service(&name).and_then(|service| serde_json::to_string(service).ok());
            (name, body)
        });
        let rows = Unwritten { services: rows.collect(), ended: Vec::new() };
        self.waiting = Waiting { rows, stuck: Some(why.clone()), ..Waiting::default() };
        Err(Refused::NotSaved(why))
    }

    /// Does what takes traffic back, unsaved: it first, then what it needs.
    async fn perform_urgent(&mut self) {
        let (mut now, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting.effects)
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Steer { .. } | Effect::Ensure { .. }));
        now.sort_by_key(|effect| !matches!(effect, Effect::Steer { .. }));
        self.waiting.effects = later;
        self.perform(now).await;
    }

    /// The state of a service.
    pub(super) fn state(&self, service: &str) -> Option<&Service> {
        self.engine.service(service)
    }
}

fn lost() -> Refused {
    Refused::Elsewhere(
        "another console does the rollouts now: this one was away for longer than its lease".to_owned(),
    )
}

/// A fact as the timeline has it.
fn entry(fact: &Fact) -> NewEntry {
    let actor = fact.actor.clone().unwrap_or_else(|| Actor::system("deploy"));
    let subject = match &fact.rollout {
        Some(rollout) => Subject::new(SubjectKind::Deployment, rollout.clone()),
        None => Subject::new(SubjectKind::Service, fact.service.clone()),
    };
    let mut entry = NewEntry::new(ChangeKind::Deployment, actor.clone(), fact.summary.clone())
        .severity(fact.severity)
        .service(fact.service.as_str())
        .about(subject);
    entry.reason.clone_from(&fact.reason);
    if let (true, Some(rollout)) = (fact.undo, &fact.rollout) {
        let mut undo = Invocation::new(actions::ROLLBACK, actor)
            .on(Subject::new(SubjectKind::Service, fact.service.clone()));
        undo.expects = Some(rollout.clone());
        entry.undo = Some(undo);
    }
    entry
}
