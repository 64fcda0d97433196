//! The rules that always hold, checked from outside: from inputs and effects, not from what the state machine thinks.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_deploy::engine::{Effect, Engine, Input, Service};
use quarterdeck_deploy::model::{Outcome, Phase, Rollout, Shares, share_of};
use quarterdeck_deploy::strategy::StrategyKind;
use quarterdeck_kernel::Timestamp;

#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) context: String,
    seed: u64,
    /// Replicas that are ready, as heard since the last restart.
    ready: BTreeMap<String, usize>,
    wanted: BTreeMap<String, u32>,
    shares: Shares,
    restarted: Option<Timestamp>,
    /// Of the rollout under way: restarts, and failures that were tried again.
    restarts: u32,
    retries: u32,
}

impl Rules {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// What the state machine is about to hear.
    pub(crate) fn hear(&mut self, input: &Input, _now: Timestamp) {
        match input {
            Input::Observed { version, replicas, .. } => {
                let ready = replicas.iter().filter(|replica| replica.phase.is_ready()).count();
                self.ready.insert(version.clone(), ready);
            }
            Input::Start(_) if self.restarts > 0 => {}
            Input::Resume { .. } | Input::Promote { .. } => self.retries += 1,
            _ => {}
        }
    }

    /// Started again from what was durable, which says how traffic goes.
    pub(crate) fn restarted(&mut self, engine: &Engine, now: Timestamp) {
        self.shares.clone_from(&engine.service("orders").unwrap().shares);
        self.restarted = Some(now);
        self.restarts += 1;
        self.ready.clear();
        self.wanted.clear();
    }

    fn is_ready(&self, version: &str) -> bool {
        self.wanted.get(version).copied().unwrap_or(0) > 0
            && self.ready.get(version).copied().unwrap_or(0) > 0
    }

    /// Whether the state machine may still wait for targets to speak after a restart.
    fn settling(&self, now: Timestamp) -> bool {
        let Some(since) = self.restarted else { return false };
        let silent =
            self.wanted.iter().any(|(version, wanted)| *wanted > 0 && !self.ready.contains_key(version));
        silent && now.since(since) < Duration::from_secs(10)
    }

    pub(crate) fn check(&mut self, engine: &Engine, effects: &[Effect], now: Timestamp) {
        let service = engine.service("orders").unwrap();
        let context = self.context.clone();
        let whole = |shares: &Shares, what: &str| {
            let sum: u32 = shares.iter().map(|(_, share)| *share).sum();
            assert!(shares.is_empty() || sum == 100, "{context}: {what} {shares:?}");
            assert!(shares.iter().all(|(_, share)| *share <= 100), "{context}: {what} {shares:?}");
        };
        whole(&service.shares, "shares");
        whole(&service.intended, "intended");
        for effect in effects {
            match effect {
                Effect::Ensure { version, replicas, .. } => {
                    let before = self.wanted.insert(version.clone(), *replicas).unwrap_or(0);
                    if *replicas < before {
                        self.may_shrink(service, version, *replicas, &context);
                    }
                }
                Effect::Steer { shares, headers, mirror, .. } => {
                    whole(shares, "steered");
                    assert!(!shares.is_empty(), "{context}: steered nowhere");
                    for (version, share) in shares {
                        let before = share_of(&self.shares, version);
                        assert!(
                            *share <= before || self.is_ready(version),
                            "{context}: {version} is not ready and gets {share} % after {before} %: {service:#?}"
                        );
                    }
                    if !self.settling(now) {
                        for route in headers {
                            assert!(self.is_ready(&route.version), "{context}: {route:?}");
                        }
                        if let Some(mirror) = mirror {
                            assert!(self.is_ready(&mirror.version), "{context}: {mirror:?}");
                        }
                    }
                    self.shares.clone_from(shares);
                }
                _ => {}
            }
        }
        assert_eq!(self.shares, service.shares, "{context}: steered otherwise than thought");
        let some = self.wanted.keys().any(|version| self.is_ready(version));
        if some && !self.settling(now) {
            for (version, share) in &self.shares {
                assert!(
                    *share == 0 || self.is_ready(version),
                    "{context}: {version} is not ready and has {share} %, although another is: {service:#?}"
                );
            }
        }
    }

    /// A version gives up replicas only when it has no traffic, or when its strategy replaces them one by one.
    fn may_shrink(&self, service: &Service, version: &str, replicas: u32, context: &str) {
        let share = share_of(&service.shares, version);
        assert!(replicas > 0 || share == 0, "{context}: {version} has {share} % and is stopped");
        let Some(rollout) = &service.rollout else { return };
        let gives_way = match &rollout.strategy.kind {
            StrategyKind::Rolling(_) => true,
            StrategyKind::Canary(kind) => kind.shared.is_some(),
            StrategyKind::BlueGreen(_) => false,
        };
        // A strategy may want fewer replicas than the service had.
        let full = rollout.strategy.replicas.unwrap_or(service.full());
        if rollout.from.as_deref() == Some(version) && !gives_way && !rollout.phase.ended() {
            assert!(
                share_of(&service.shares, &rollout.to) == 100 || replicas >= full,
                "{context}: the stable version gives up replicas with {share} %"
            );
        }
    }

    /// A rollout has ended: the part of its time that it took.
    pub(crate) fn ended(&mut self, rollout: &Rollout, service: &Service) -> f64 {
        let took = rollout.ended.unwrap().since(rollout.started).saturating_sub(rollout.waited);
        let allowed = rollout.strategy.busy(service.full().max(rollout.strategy.replicas.unwrap_or(0)));
        // What failed and was tried again has its time again; after a restart targets have theirs to speak.
        let granted = allowed * (1 + self.retries) + Duration::from_secs(31) * self.restarts;
        assert!(
            took <= granted,
            "{}: {took:?} of {granted:?} ({} retries, {} restarts): {rollout:#?}",
            self.context,
            self.retries,
            self.restarts
        );
        let context = &self.context;
        assert!(rollout.phase.ended() && rollout.frozen.is_none() && rollout.step.is_none(), "{context}");
        assert!(!rollout.message.is_empty(), "{context}: nothing is said: {rollout:#?}");
        let stable = if rollout.outcome == Some(Outcome::Promoted) {
            Some(&rollout.to)
        } else {
            rollout.from.as_ref()
        };
        assert_eq!(service.stable.as_ref(), stable, "{context}: {:?} of seed {}", rollout.outcome, self.seed);
        assert_eq!(share_of(&service.intended, stable.unwrap()), 100, "{context}");
        assert_eq!(rollout.phase == Phase::Healthy, rollout.outcome == Some(Outcome::Promoted), "{context}");
        let ratio = if self.retries == 0 && self.restarts == 0 {
            took.as_secs_f64() / allowed.as_secs_f64()
        } else {
            0.0
        };
        (self.retries, self.restarts) = (0, 0);
        ratio
    }
}
