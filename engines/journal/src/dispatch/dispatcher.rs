//! The dispatcher.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quarterdeck_kernel::action::Done;
use quarterdeck_kernel::{ActionSpec, Danger, Invocation, Phase};

use super::error::DispatchError;
use super::execute::{Execute, Failure, How};
use super::inflight::{Answer, Entrance, InFlight, same};
use super::registry::{REDIRECTS, Registry};
use super::run;
use super::validate::validate;
use crate::timeline::{Timeline, TimelineError};

/// Takes every invocation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) registry: Registry,
    pub(super) timeline: Timeline,
    read_only: AtomicBool,
    in_flight: InFlight,
}

impl Dispatcher {
    /// A dispatcher for these actions, which writes on this timeline.
    #[must_use]
    pub fn new(registry: Registry, timeline: Timeline) -> Self {
        let (read_only, in_flight) = (AtomicBool::new(false), InFlight::default());
        Self { shared: Arc::new(Shared { registry, timeline, read_only, in_flight }) }
    }

    /// Every action that there is, in read-only mode too.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// The timeline that it writes on.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.shared.timeline
    }

    /// In read-only mode only safe actions exist.
    pub fn set_read_only(&self, read_only: bool) {
        self.shared.read_only.store(read_only, Ordering::Relaxed);
    }

    /// Whether only safe actions exist.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.shared.read_only.load(Ordering::Relaxed)
    }

    /// The actions that can be invoked now: in read-only mode the safe ones.
    #[must_use]
    pub fn actions(&self) -> Vec<Arc<ActionSpec>> {
        let read_only = self.is_read_only();
        let specs = self.shared.registry.specs();
        specs.filter(|spec| !read_only || spec.danger == Danger::Safe).cloned().collect()
    }

    /// Does what is asked and answers when it is durable. Once begun it is finished, even if the caller stops
    /// waiting. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// Why it was not done; see [`DispatchError`].
    pub async fn dispatch(&self, invocation: Invocation) -> Result<Done, DispatchError> {
        let mut answer = match self.shared.in_flight.enter(&invocation) {
            Entrance::Refuse(error) => return Err(error),
            Entrance::Wait(answer) => answer,
            Entrance::Run(sender, answer) => {
                let shared = Arc::clone(&self.shared);
                tokio::spawn(async move {
                    let id = invocation.id;
                    let done = shared.perform(invocation).await;
                    shared.in_flight.leave(id, &done);
                    sender.send_replace(Some(done));
                });
                answer
            }
        };
        let answered = answer.wait_for(Option::is_some).await;
        answered.ok().and_then(|a| a.clone()).unwrap_or(Err(TimelineError::Closed.into()))
    }

    /// Waits until nothing is under way, for at most `limit`; answers how many invocations still are.
    pub async fn drain(&self, limit: Duration) -> usize {
        let deadline = tokio::time::Instant::now() + limit;
        while self.shared.in_flight.running() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.shared.in_flight.running()
    }
}

impl Shared {
    async fn perform(&self, invocation: Invocation) -> Answer {
        let (id, action) = (invocation.id, invocation.action.clone());
        let actor = invocation.actor.to_string();
        let answer = self.attempt(invocation).await;
        match &answer {
            Ok(done) => {
                tracing::info!(action, invocation = %id, actor, entry = ?done.entry.as_ref().map(ToString::to_string), "{}", done.message);
            }
            Err(error) => tracing::warn!(action, invocation = %id, actor, %error, "action was not done"),
        }
        answer
    }

    async fn attempt(&self, mut invocation: Invocation) -> Answer {
        for round in 0..=REDIRECTS {
            let (spec, execute) = self.registry.find(&invocation.action)?;
            if round == 0
                && let Some(answer) = self.earlier(&invocation, &**execute).await?
            {
                return answer;
            }
            validate(spec, &invocation)?;
            if spec.danger != Danger::Safe && self.read_only.load(Ordering::Relaxed) {
                return Err(DispatchError::ReadOnly { action: spec.id.to_owned(), danger: spec.danger });
            }
            run::available(&**execute, &invocation)?;
            let How::Redirect(redirect) = execute.how() else {
                return run::run(&self.timeline, spec, execute, invocation).await;
            };
            let next = run::guard(redirect.resolve(&invocation)).await.map_err(refusal)?;
            invocation =
                Invocation { id: invocation.id, actor: invocation.actor, reason: invocation.reason, ..next };
        }
        Err(DispatchError::Refused(format!("{} stands for too many others", invocation.action)))
    }

    /// The answer that an invocation with this id got before, in this run of the program or an earlier one.
    async fn earlier(
        &self,
        invocation: &Invocation,
        execute: &dyn Execute,
    ) -> Result<Option<Answer>, DispatchError> {
        let entries = match execute.how() {
            // What is urgent is done although the store cannot be asked: to do it twice does no harm.
            How::External(external) if external.urgent() => {
                let asked = self.timeline.of_invocation(invocation.id);
                match tokio::time::timeout(run::PATIENCE, asked).await {
                    Ok(Ok(entries)) => entries,
                    Ok(Err(_)) | Err(_) => return Ok(None),
                }
            }
            _ => self.timeline.of_invocation(invocation.id).await?,
        };
        let Some(first) = entries.first() else { return Ok(None) };
        // What an undo stands for is written under the undo's id.
        let stands_in = matches!(execute.how(), How::Redirect(_));
        if !stands_in && !first.invocation.as_ref().is_some_and(|i| same(i, invocation)) {
            return Ok(Some(Err(DispatchError::Reused(first.summary.clone()))));
        }
        let last = entries.iter().rfind(|e| matches!(e.phase, Phase::Done | Phase::Failed));
        Ok(Some(match last {
            Some(e) if e.phase == Phase::Done => {
                Ok(Done { message: e.summary.clone(), entry: Some(e.id.clone()), at: e.at })
            }
            Some(e) => Err(DispatchError::Failed { message: e.summary.clone(), entry: Some(e.id.clone()) }),
            None => Err(DispatchError::Interrupted(first.id.clone())),
        }))
    }
}

/// A failure from before anything was tried.
pub(super) fn refusal(failure: Failure) -> DispatchError {
    match failure {
        Failure::Conflict { expected, found } => DispatchError::Conflict { expected, found },
        Failure::Refused(why) => DispatchError::Refused(why),
        Failure::Failed(message) => DispatchError::Failed { message, entry: None },
        Failure::Timeline(error) => DispatchError::Timeline(error),
    }
}
