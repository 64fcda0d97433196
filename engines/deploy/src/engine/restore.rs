//! After a restart: what was durable goes on, or goes back.

use std::time::Duration;

use quarterdeck_kernel::{Severity, Timestamp};

use super::Engine;
use super::input::Effect;
use super::state::Service;
use crate::model::Phase;
use crate::strategy::OnRestart;

/// How long targets may take to say what runs. Until then everything stays as it was.
pub(super) const SETTLE: Duration = Duration::from_secs(10);

impl Engine {
    /// What another console does, to be shown: nothing follows from it here.
    #[must_use]
    pub fn mirror(services: Vec<Service>) -> Self {
        let services = services.into_iter().map(|service| (service.name.clone(), service)).collect();
        Self { services, ..Self::default() }
    }

    /// Goes on from what was durable. Everything that is to be is said again, since nobody knows how much of it was done.
    #[must_use]
    pub fn restore(services: Vec<Service>, now: Timestamp) -> (Self, Vec<Effect>) {
        let mut engine = Self::new();
        let mut effects = Vec::new();
        for mut service in services {
            let name = service.name.clone();
            service.say_again = true;
            service.in_flight.clear();
            if service.versions.values().any(|version| version.wanted > 0) {
                service.settling = Some(now + SETTLE);
            }
            for version in service.versions.values_mut() {
                version.heard = false;
            }
            for run in service.progress.runs.values_mut() {
                run.resumed();
            }
            // Answers that were waited for will not come.
            service.progress.asked = None;
            engine.services.insert(name.clone(), service);
            let done = engine.on(&name, now, |service, out| {
                service.with_rollout(now, out, |active| {
                    let id = active.r.id.clone();
                    match active.r.phase {
                        Phase::Starting | Phase::Progressing | Phase::Paused | Phase::Promoting
                            if active.r.strategy.on_restart == OnRestart::Revert =>
                        {
                            active.begin_back("the console was restarted in the middle of it", None, None);
                        }
                        _ => active.tell(
                            Severity::Info,
                            format!("the console was restarted; {id} goes on ({})", active.r.phase),
                            true,
                        ),
                    }
                });
                Ok(())
            });
            effects.extend(done.unwrap_or_default());
        }
        (engine, effects)
    }
}

impl Service {
    /// Whether enough is known after a restart.
    pub(super) fn settled(&mut self, now: Timestamp) {
        let Some(until) = self.settling else { return };
        let all = self.versions.values().all(|version| version.wanted == 0 || version.heard);
        if !all && now < until {
            return;
        }
        // A target that has said nothing so far runs nothing that could be relied on.
        for version in self.versions.values_mut().filter(|version| !version.heard) {
            version.replicas.clear();
        }
        self.settling = None;
    }
}
