//! The state machine of deployment control: `(state, input, now) → effects`, without I/O, clock or chance.
//!
//! What is meant (phases, steps, weights) is moved on by [`active`](self), one file per strategy; what is in force
//! (replicas, shares) follows from it in one place, where the rules that always hold are kept. The shell makes the new
//! state durable, then does the effects in their order.

mod active;
mod analyses;
mod back;
mod blue_green;
mod canary;
mod guard;
mod input;
mod operator;
mod restore;
mod rolling;
mod settle;
mod start;
mod state;
mod steps;
mod wake;

use std::collections::{BTreeMap, BTreeSet};

use quarterdeck_kernel::Timestamp;
use quarterdeck_kernel::suggest::nearest;

pub(crate) use analyses::bound as analysis_bound;
pub use input::{Effect, Fact, Input, Plan, Refusal, ServicePlan, Stage};
pub use state::{Retire, Service, Version};

use active::Active;

/// Rounds from what is meant to what is in force and back, in one go; a few are enough.
const MAX_ROUNDS: usize = 32;

/// All services and their rollouts.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    services: BTreeMap<String, Service>,
    /// Services whose durable state changed since it was asked for.
    dirty: BTreeSet<String>,
    /// Until when each service has been thought through.
    seen: BTreeMap<String, Timestamp>,
}

impl Engine {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A service.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name)
    }

    /// All services, by name.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Services whose state must be stored before the effects are done; each is named once. One that is not there any
    /// more is to be removed.
    pub fn take_dirty(&mut self) -> Vec<String> {
        std::mem::take(&mut self.dirty).into_iter().collect()
    }

    /// Takes an input; the effects are to be done in their order, after the new state is durable.
    ///
    /// # Errors
    /// Why what an operator wants is not done; then nothing was changed. Other inputs never fail: what does not fit any
    /// more is dropped.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Result<Vec<Effect>, Refusal> {
        match input {
            Input::Configure(plans) => Ok(self.configure(plans, now)),
            Input::Tick => Ok(self.each(now, |_| true, |_| {})),
            Input::Alert { service, labels } => Ok(self.alert(service.as_deref(), &labels, now)),
            Input::Observed { service, version, replicas } => {
                Ok(self.quietly(&service, now, |s| s.observe(&version, replicas, now)))
            }
            Input::Traffic { service, in_flight } => Ok(self.quietly(&service, now, |s| {
                s.in_flight = in_flight.into_iter().map(|(version, count)| (version, (count, now))).collect();
            })),
            Input::Checked { service, rollout, stage, results } => {
                Ok(self.heard(&service, &rollout, now, |active| active.checked(stage, results)))
            }
            Input::Measured { service, rollout, analysis, metric, result } => {
                Ok(self.heard(&service, &rollout, now, |active| {
                    if let Some(run) = active.p.runs.get_mut(&analysis) {
                        run.measured(&metric, &result, active.now);
                    }
                }))
            }
            Input::Judged { service, rollout, analysis, result } => {
                Ok(self.heard(&service, &rollout, now, |active| {
                    if let Some(run) = active.p.runs.get_mut(&analysis) {
                        run.judged(*result, active.now);
                    }
                }))
            }
            Input::Start(plan) => self.start(*plan, now),
            Input::Promote { service, full, by } => self.operate(&service, now, |a| a.promote(full, &by)),
            Input::SkipPause { service, by } => self.operate(&service, now, |a| a.skip_pause(&by)),
            Input::Freeze { service, reason, by } => {
                self.operate(&service, now, |a| a.freeze_by(&reason, &by))
            }
            Input::Resume { service, by } => self.operate(&service, now, |a| a.resume(&by)),
            Input::Abort { service, reason, by } => {
                self.operate(&service, now, |a| a.abort(&reason, &by, None))
            }
            Input::Rollback { service, to, gradual, reason, by } => {
                self.rollback(&service, to, gradual, reason, by, now)
            }
            Input::SetWeight { service, weight, by } => self.operate(&service, now, |a| a.weigh(weight, &by)),
        }
    }

    /// When time alone changes something next: then [`Input::Tick`] is due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        let of = |service: &Service| {
            let seen = self.seen.get(&service.name).copied().unwrap_or(Timestamp::MIN);
            service.wakes().into_iter().filter(|at| *at > seen).min()
        };
        self.services.values().filter_map(of).min()
    }

    fn unknown(&self, service: &str) -> Refusal {
        let names = || self.services.keys().map(String::as_str);
        let known = match nearest(service, names()) {
            Some(name) => format!("did you mean {name:?}?"),
            None if self.services.is_empty() => "none is configured".to_owned(),
            None => format!("those that are: {}", names().take(12).collect::<Vec<_>>().join(", ")),
        };
        Refusal::Unknown { service: service.to_owned(), known }
    }

    /// Changes a service, thinks it through, and notes whether that changed what is durable.
    fn on(
        &mut self,
        name: &str,
        now: Timestamp,
        change: impl FnOnce(&mut Service, &mut Vec<Effect>) -> Result<(), Refusal>,
    ) -> Result<Vec<Effect>, Refusal> {
        let Some(service) = self.services.get_mut(name) else { return Err(self.unknown(name)) };
        let mut before = service.clone();
        let mut out = Vec::new();
        if let Err(refusal) = change(service, &mut out) {
            *service = before;
            return Err(refusal);
        }
        service.go(now, &mut out);
        // What is not durable makes no difference.
        before.in_flight.clone_from(&service.in_flight);
        before.say_again = service.say_again;
        if before != *service || !out.is_empty() {
            self.dirty.insert(name.to_owned());
        }
        self.seen.insert(name.to_owned(), now);
        Ok(out)
    }

    /// The same for what cannot be refused; of a service that is not there any more nothing is heard.
    fn quietly(&mut self, name: &str, now: Timestamp, change: impl FnOnce(&mut Service)) -> Vec<Effect> {
        self.on(name, now, |service, _| {
            change(service);
            Ok(())
        })
        .unwrap_or_default()
    }

    /// Changes every service that is meant.
    fn each(
        &mut self,
        now: Timestamp,
        meant: impl Fn(&Service) -> bool,
        mut change: impl FnMut(&mut Active<'_>),
    ) -> Vec<Effect> {
        let names: Vec<String> =
            self.services.values().filter(|s| meant(s)).map(|s| s.name.clone()).collect();
        let mut effects = Vec::new();
        for name in names {
            let done = self.on(&name, now, |service, out| {
                service.with_rollout(now, out, &mut change);
                Ok(())
            });
            effects.extend(done.unwrap_or_default());
        }
        effects
    }

    /// Something for the rollout of an id, if that has not ended.
    fn heard(
        &mut self,
        service: &str,
        rollout: &str,
        now: Timestamp,
        change: impl FnOnce(&mut Active<'_>),
    ) -> Vec<Effect> {
        let current = self.services.get(service).and_then(|s| s.rollout.as_ref());
        if current.is_none_or(|current| current.id != rollout) {
            return Vec::new();
        }
        self.on(service, now, |service, out| {
            service.with_rollout(now, out, change);
            Ok(())
        })
        .unwrap_or_default()
    }

    /// Something that an operator wants of the rollout of a service.
    fn operate(
        &mut self,
        service: &str,
        now: Timestamp,
        change: impl FnOnce(&mut Active<'_>) -> Result<(), Refusal>,
    ) -> Result<Vec<Effect>, Refusal> {
        self.on(service, now, |service, out| {
            let name = service.name.clone();
            service.with_rollout(now, out, change).unwrap_or(Err(Refusal::Idle(name)))
        })
    }

    /// An alert began to fire: it takes back the rollouts whose strategy says so.
    fn alert(&mut self, service: Option<&str>, labels: &[(String, String)], now: Timestamp) -> Vec<Effect> {
        let concerns = |s: &Service| {
            s.rollout.as_ref().is_some_and(|rollout| {
                rollout.first_traffic.is_some() && rollout.strategy.aborts_on(&s.name, service, labels)
            })
        };
        let name = labels.iter().find(|(label, _)| label == "alertname").map_or("an alert", |(_, name)| name);
        let why = format!("alert {name} fires");
        self.each(now, concerns, |active| {
            use crate::model::Phase;
            match active.r.phase {
                Phase::Starting | Phase::Progressing | Phase::Paused | Phase::Promoting => active.fail(&why),
                // Frozen: told, and nothing else; on its way back already: nothing.
                Phase::Frozen => {
                    active.tell(
                        quarterdeck_kernel::Severity::Warning,
                        format!("{why}, and it is frozen"),
                        true,
                    );
                }
                _ => {}
            }
        })
    }

    /// Services as configured.
    fn configure(&mut self, plans: Vec<ServicePlan>, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let names: BTreeSet<String> = plans.iter().map(|plan| plan.name.clone()).collect();
        let gone: Vec<String> = self
            .services
            .values()
            .filter(|service| !names.contains(&service.name) && service.rollout.is_none())
            .map(|service| service.name.clone())
            .collect();
        for name in gone {
            self.services.remove(&name);
            self.seen.remove(&name);
            self.dirty.insert(name);
        }
        for plan in plans {
            self.services
                .entry(plan.name.clone())
                .or_insert_with(|| Service { name: plan.name.clone(), ..Service::default() });
            effects.extend(self.quietly(&plan.name.clone(), now, |service| {
                if service.replicas != plan.replicas {
                    service.replicas = plan.replicas;
                    service.scale = None;
                }
                if service.stable.is_none() && service.rollout.is_none() {
                    service.intended = plan.stable.iter().map(|stable| (stable.clone(), 100)).collect();
                    service.stable = plan.stable;
                }
            }));
        }
        effects
    }
}

impl Service {
    /// Does something with the rollout under way.
    fn with_rollout<T>(
        &mut self,
        now: Timestamp,
        out: &mut Vec<Effect>,
        change: impl FnOnce(&mut Active<'_>) -> T,
    ) -> Option<T> {
        let rollout = self.rollout.take()?;
        let progress = std::mem::take(&mut self.progress);
        let mut active = Active { s: self, r: rollout, p: progress, now, out };
        let done = change(&mut active);
        let (rollout, progress) = (active.r, active.p);
        self.rollout = Some(rollout);
        self.progress = progress;
        Some(done)
    }

    /// What a target sees of a version.
    fn observe(&mut self, version: &str, replicas: Vec<crate::model::ReplicaState>, now: Timestamp) {
        /// Versions that nobody asked for are not kept beyond these.
        const MAX_VERSIONS: usize = 200;
        if !self.versions.contains_key(version)
            && (replicas.is_empty() || self.versions.len() >= MAX_VERSIONS)
        {
            return;
        }
        let seen = self.versions.entry(version.to_owned()).or_default();
        seen.replicas = replicas;
        seen.heard = true;
        if let Some(since) = seen.starting
            && seen.ready() >= seen.wanted
        {
            seen.last_start = Some(now.since(since));
            seen.starting = None;
        }
    }

    /// Thinks it through: moves the rollout on, puts in force what follows, until nothing more follows.
    fn go(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        self.settled(now);
        for _ in 0..MAX_ROUNDS {
            let before = (self.generation, self.shares.clone(), out.len());
            let mut wanted = Vec::new();
            let mut full = self.full();
            let ended = self.with_rollout(now, out, |active| {
                active.advance();
                wanted = active.wanted();
                full = if active.r.phase.ended() { active.s.full() } else { active.full() };
                active.r.phase.ended()
            });
            let rollout = if ended == Some(true) { self.rollout.take() } else { None };
            self.settle(&wanted, full, now, out);
            if let Some(mut rollout) = rollout {
                rollout.shares.clone_from(&self.shares);
                self.close(rollout, now, out);
                continue;
            }
            if let Some(rollout) = &mut self.rollout {
                rollout.shares.clone_from(&self.shares);
                rollout.reached = rollout.reached.max(crate::model::share_of(&self.shares, &rollout.to));
                if rollout.first_traffic.is_none() && crate::model::share_of(&self.shares, &rollout.to) > 0 {
                    rollout.first_traffic = Some(now);
                }
            }
            if before == (self.generation, self.shares.clone(), out.len()) {
                return;
            }
        }
    }

    /// A rollout has ended: it goes to the history.
    fn close(&mut self, rollout: crate::model::Rollout, now: Timestamp, out: &mut Vec<Effect>) {
        let outcome = rollout.outcome.unwrap_or(crate::model::Outcome::Failed);
        let progress = std::mem::take(&mut self.progress);
        let active = Active { s: self, r: rollout, p: progress, now, out };
        let ledger = active.ledger(outcome);
        let rollout = Box::new(active.r);
        out.push(Effect::Ended { rollout, ledger });
    }
}
