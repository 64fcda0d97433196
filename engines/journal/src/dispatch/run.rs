//! Running one action that has passed every check.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use quarterdeck_kernel::action::Done;
use quarterdeck_kernel::{ActionSpec, Entry, Invocation, Phase, Reason, Severity};

use super::dispatcher::refusal;
use super::error::DispatchError;
use super::execute::{Execute, External, Failure, How, Outcome};
use super::inflight::Answer;
use crate::timeline::{NewEntry, Timeline};

/// How long something urgent waits for the store.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

pub(super) fn available(execute: &dyn Execute, invocation: &Invocation) -> Result<(), DispatchError> {
    catch_unwind(AssertUnwindSafe(|| execute.available(invocation.subject.as_ref())))
        .unwrap_or_else(|p| Err(Reason(panicked(&*p))))
        .map_err(DispatchError::Unavailable)
}

pub(super) async fn run(
    timeline: &Timeline,
    spec: &ActionSpec,
    execute: &Arc<dyn Execute>,
    invocation: Invocation,
) -> Answer {
    match execute.how() {
        How::Stored(_) => stored(timeline, spec, execute, invocation).await,
        How::External(external) => self::external(timeline, spec, &**execute, external, &invocation).await,
        How::Unrecorded(unrecorded) => {
            let message = guard(unrecorded.run(&invocation)).await.map_err(refusal)?;
            Ok(Done { message, entry: None, at: timeline.clock().now() })
        }
        How::Redirect(_) => Err(DispatchError::Refused(format!("{} stands for another action", spec.id))),
    }
}

async fn stored(
    timeline: &Timeline,
    spec: &ActionSpec,
    execute: &Arc<dyn Execute>,
    invocation: Invocation,
) -> Answer {
    let (inner, outer) =
        ((Arc::clone(execute), invocation.clone()), (Arc::clone(execute), invocation.clone()));
    let ran = timeline
        .transact_then(
            move |tx| {
                Box::pin(async move {
                    let (execute, invocation) = inner;
                    let How::Stored(stored) = execute.how() else {
                        return Err(Failure::Refused("the action changed its kind".to_owned()));
                    };
                    let outcome = guard(stored.run(&invocation, tx)).await?;
                    let entry = told(&invocation, &outcome, Phase::Done);
                    Ok((outcome, vec![entry]))
                })
            },
            move |outcome: &Outcome, _: &[Entry]| {
                let (execute, invocation) = outer;
                let noted = catch_unwind(AssertUnwindSafe(|| {
                    if let How::Stored(stored) = execute.how() {
                        stored.committed(&invocation, outcome);
                    }
                }));
                if let Err(p) = noted {
                    tracing::error!(action = invocation.action, "after the commit: {}", panicked(&*p));
                }
            },
        )
        .await;
    match ran {
        Ok((outcome, entries)) => {
            let entry = entries.into_iter().next();
            let at = entry.as_ref().map_or_else(|| timeline.clock().now(), |e| e.at);
            Ok(Done { message: outcome.summary, entry: entry.map(|e| e.id), at })
        }
        Err(Failure::Failed(message)) => {
            let failed = failure(spec, &**execute, &invocation, &message);
            let entry = timeline.append(failed).await?;
            Err(DispatchError::Failed { message, entry: Some(entry.id) })
        }
        Err(other) => Err(refusal(other)),
    }
}

async fn external(
    timeline: &Timeline,
    spec: &ActionSpec,
    execute: &dyn Execute,
    external: &dyn External,
    invocation: &Invocation,
) -> Answer {
    let intent = catch_unwind(AssertUnwindSafe(|| external.intent(invocation)))
        .map_err(|p| DispatchError::Failed { message: panicked(&*p), entry: None })?;
    let intent = told(invocation, &intent, Phase::Intent);
    if external.urgent() {
        return urgent(timeline, spec, execute, external, invocation, intent).await;
    }
    let intent = timeline.append(intent).await?;
    match guard(external.run(invocation)).await {
        Ok(outcome) => {
            let entry = told(invocation, &outcome, Phase::Done).outcome_of(intent.id);
            let entry = timeline.append(entry).await?;
            Ok(Done { message: outcome.summary, entry: Some(entry.id), at: entry.at })
        }
        Err(error) => {
            let entry = untold(spec, execute, invocation, &error, &intent);
            let entry = timeline.append(entry).await?;
            Err(match error {
                Failure::Failed(message) => DispatchError::Failed { message, entry: Some(entry.id) },
                other => refusal(other),
            })
        }
    }
}

/// As [`external`], for what must be done even if nothing can be written down.
async fn urgent(
    timeline: &Timeline,
    spec: &ActionSpec,
    execute: &dyn Execute,
    external: &dyn External,
    invocation: &Invocation,
    intent: NewEntry,
) -> Answer {
    let intent = soon(timeline, intent).await;
    let outcome = guard(external.run(invocation)).await;
    let entry = match (&outcome, &intent) {
        (Ok(outcome), Ok(intent)) => told(invocation, outcome, Phase::Done).outcome_of(intent.id.clone()),
        (Ok(outcome), Err(_)) => told(invocation, outcome, Phase::Done),
        (Err(error), Ok(intent)) => untold(spec, execute, invocation, error, intent),
        (Err(error), Err(_)) => failure(spec, execute, invocation, &error.to_string()),
    };
    let written = soon(timeline, entry).await;
    let now = || timeline.clock().now();
    match outcome {
        Ok(outcome) => {
            let message = match &written {
                Ok(_) => outcome.summary,
                Err(why) => format!("{} (not on the timeline: {why})", outcome.summary),
            };
            let (entry, at) = written.map_or_else(|_| (None, now()), |entry| (Some(entry.id), entry.at));
            Ok(Done { message, entry, at })
        }
        Err(Failure::Failed(message)) => {
            Err(DispatchError::Failed { message, entry: written.ok().map(|entry| entry.id) })
        }
        Err(other) => Err(refusal(other)),
    }
}

/// Writes an entry if the store follows at once. One that comes later than that is written all the same.
async fn soon(timeline: &Timeline, entry: NewEntry) -> Result<Entry, String> {
    match tokio::time::timeout(PATIENCE, timeline.append(entry)).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the store has not answered for {} ms", PATIENCE.as_millis())),
    }
}

/// The entry that tells why what was intended was not done.
fn untold(
    spec: &ActionSpec,
    execute: &dyn Execute,
    invocation: &Invocation,
    error: &Failure,
    intent: &Entry,
) -> NewEntry {
    let mut entry = failure(spec, execute, invocation, &error.to_string()).outcome_of(intent.id.clone());
    entry.kind = intent.kind;
    entry.service.clone_from(&intent.service);
    entry
}

/// The entry that tells of an outcome.
pub(super) fn told(invocation: &Invocation, outcome: &Outcome, phase: Phase) -> NewEntry {
    let mut entry = NewEntry::new(outcome.kind, invocation.actor.clone(), outcome.summary.clone())
        .phase(phase)
        .severity(outcome.severity)
        .invoked(invocation);
    if let Some(service) = &outcome.service {
        entry = entry.service(service.clone());
    }
    if let Some(subject) = &outcome.subject {
        entry = entry.about(subject.clone());
    }
    if phase == Phase::Done {
        entry.undo.clone_from(&outcome.undo);
    }
    entry
}

/// The entry that tells of a failure.
pub(super) fn failure(
    spec: &ActionSpec,
    execute: &dyn Execute,
    invocation: &Invocation,
    message: &str,
) -> NewEntry {
    let summary = format!("{} failed: {message}", spec.title);
    NewEntry::new(execute.kind(), invocation.actor.clone(), summary)
        .phase(Phase::Failed)
        .severity(Severity::Warning)
        .invoked(invocation)
}

/// Turns a panic into a failure.
pub(super) async fn guard<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(p) => Err(Failure::Failed(panicked(&*p))),
    }
}

fn panicked(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    format!("it panicked: {text}")
}
