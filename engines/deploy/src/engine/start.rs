//! How rollouts begin, by plan or as a way back.

use std::time::Duration;

use quarterdeck_kernel::{Actor, Severity, Timestamp};

use super::Engine;
use super::active::ladder;
use super::input::{Effect, Fact, Plan, Refusal, span};
use super::state::{Progress, Service};
use crate::model::{Phase, Rollout, Shares, StepStatus};
use crate::strategy::{Gradual, Step, Strategy};

impl Engine {
    /// Begins a rollout.
    pub(super) fn start(&mut self, plan: Plan, now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        let name = plan.service.clone();
        self.on(&name, now, |service, out| service.begin(plan, now, out))
    }

    /// Back to the version before, or to a named one.
    pub(super) fn rollback(
        &mut self,
        service: &str,
        to: Option<String>,
        gradual: Option<Gradual>,
        reason: String,
        by: Actor,
        now: Timestamp,
    ) -> Result<Vec<Effect>, Refusal> {
        let Some(known) = self.services.get(service) else { return Err(self.unknown(service)) };
        if let Some(rollout) = &known.rollout {
            // Another version than the one it came from is a rollout of its own.
            if to.as_ref().is_none_or(|to| rollout.from.as_ref() == Some(to)) {
                return self.operate(service, now, |active| active.abort(&reason, &by, gradual));
            }
            return Err(known.busy(rollout, now));
        }
        let none = |why: &str| Refusal::NoPrevious { service: service.to_owned(), why: why.to_owned() };
        let last = known.last_change.clone();
        let to = match (to, &last) {
            (Some(to), _) => to,
            (None, Some((_, Some(from)))) => from.clone(),
            (None, Some((_, None))) => return Err(none("its first rollout brought the version that it has")),
            (None, None) => return Err(none("nothing has been rolled out yet")),
        };
        let plan = Plan {
            service: service.to_owned(),
            to,
            strategy: Strategy::back(gradual),
            actor: by,
            reason,
            diff: Vec::new(),
            metadata: Vec::new(),
            rollback_of: Some(last.map_or_else(String::new, |(id, _)| id)),
        };
        self.start(plan, now)
    }
}

impl Service {
    /// That another rollout is under way.
    fn busy(&self, rollout: &Rollout, now: Timestamp) -> Refusal {
        Refusal::Busy {
            service: self.name.clone(),
            title: rollout.title(),
            phase: rollout.phase.to_string(),
            by: rollout.actor.user.clone(),
            ago: span(rollout.started, now),
        }
    }

    fn begin(&mut self, plan: Plan, now: Timestamp, out: &mut Vec<Effect>) -> Result<(), Refusal> {
        if let Some(rollout) = &self.rollout {
            return Err(self.busy(rollout, now));
        }
        if self.stable.as_ref() == Some(&plan.to) {
            return Err(Refusal::Stable { service: self.name.clone(), version: plan.to });
        }
        // Versions that were kept for ever are kept until the next rollout.
        for version in self.versions.values_mut() {
            if let Some(retire) = &mut version.retire {
                retire.keep_until.get_or_insert(now);
            }
        }
        self.revision += 1;
        let mut steps = ladder(&plan.strategy.kind);
        // The first version of all, and one that was stable a short while ago, need no trying out.
        let known = plan.strategy.rollback_window.is_some_and(|window| self.was_stable(&plan.to, window));
        if known || self.stable.is_none() {
            for state in &mut steps {
                if !matches!(state.step, Step::Promote | Step::Switch | Step::Replace | Step::Preview(_)) {
                    state.status = StepStatus::Skipped;
                    state.message =
                        if known { "within the rollback window" } else { "the first version" }.to_owned();
                }
            }
        }
        let rollout = Rollout {
            id: format!("{}-{:04}", self.name, self.revision),
            revision: self.revision,
            service: self.name.clone(),
            from: self.stable.clone(),
            to: plan.to,
            strategy: plan.strategy,
            actor: plan.actor,
            reason: plan.reason,
            started: now,
            ended: None,
            outcome: None,
            phase: Phase::Validating,
            message: String::new(),
            until: None,
            frozen: None,
            step: None,
            steps,
            weight: 0,
            shares: Shares::new(),
            headers: Vec::new(),
            mirror: None,
            checks: Vec::new(),
            analyses: Vec::new(),
            first_traffic: None,
            reached: 0,
            waited: Duration::ZERO,
            diff: plan.diff,
            rollback_of: plan.rollback_of,
            metadata: plan.metadata,
        };
        let words = rollout.strategy.to_string();
        out.push(Effect::Tell(Fact {
            service: self.name.clone(),
            rollout: Some(rollout.id.clone()),
            severity: Severity::Info,
            summary: format!("{}: {} begins ({words})", self.name, rollout.title()),
            reason: Some(rollout.reason.clone()).filter(|reason| !reason.is_empty()),
            actor: Some(rollout.actor.clone()),
            undo: true,
        }));
        self.progress = Progress::default();
        self.rollout = Some(rollout);
        Ok(())
    }

    /// Whether a version was stable within so many changes of the stable version.
    fn was_stable(&self, version: &str, window: u32) -> bool {
        let window = usize::try_from(window).unwrap_or(usize::MAX);
        // The newest is the stable one itself.
        self.past.iter().rev().skip(1).take(window).any(|(past, _)| past == version)
    }
}
