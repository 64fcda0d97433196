//! Active health checks: who is found unwell takes no requests until it is well again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use quarterdeck_resilience::Outcome;
use quarterdeck_resilience::health::{Checks, Kind, Monitor, Settings};
use tokio::sync::mpsc;

use crate::clock;
use crate::config::HealthConfig;
use crate::pipeline::{Unanswered, ask};
use crate::server::worker::Worker;
use crate::table::Table;
use crate::upstream::Endpoint;

/// Watches the health of every endpoint that is to be checked.
#[derive(Debug)]
pub(crate) struct Checker {
    worker: Arc<Worker>,
    watched: HashMap<u64, Watched>,
    told: (mpsc::Sender<Told>, mpsc::Receiver<Told>),
}

/// Of which endpoint, which check, and what it found; nothing, if it could not be made.
type Told = (u64, Kind, Option<Outcome>, Option<String>);

#[derive(Debug)]
struct Watched {
    endpoint: Arc<Endpoint>,
    config: HealthConfig,
    monitor: Monitor,
}

fn settings(config: &HealthConfig) -> Settings {
    Settings {
        period: config.period,
        timeout: config.timeout,
        successes: config.successes,
        failures: config.failures,
        ..Settings::default()
    }
}

impl Checker {
    /// Watches nobody yet. The worker's connections are used: it is one that carries no traffic.
    pub(crate) fn new(worker: Arc<Worker>) -> Self {
        Self { worker, watched: HashMap::new(), told: mpsc::channel(256) }
    }

    /// Watches the endpoints of a table; what is known of those that stay, stays.
    pub(crate) fn follow(&mut self, table: &Table) {
        let mut old = std::mem::take(&mut self.watched);
        for service in &table.services {
            for endpoint in service.versions.iter().flat_map(|version| &version.endpoints) {
                let Some(config) = &service.health else {
                    endpoint.unready.store(false, Relaxed);
                    continue;
                };
                let watched = match old.remove(&endpoint.id) {
                    Some(known) if known.config == *config => known,
                    _ => Watched::new(endpoint, config),
                };
                self.watched.insert(endpoint.id, watched);
            }
        }
    }

    /// Makes the checks that are due, and takes what others found. True if an endpoint's health is another.
    pub(crate) fn tick(&mut self) -> bool {
        let mut changed = false;
        while let Ok((id, kind, outcome, why)) = self.told.1.try_recv() {
            let Some(watched) = self.watched.get_mut(&id) else { continue };
            match outcome {
                Some(outcome) => changed |= watched.tell(kind, outcome, why.as_deref()),
                None => watched.monitor.unmade(kind, clock::now()),
            }
        }
        let now = clock::now();
        for watched in self.watched.values_mut() {
            for (kind, timeout) in watched.monitor.due(now) {
                let path = match kind {
                    Kind::Startup => watched.config.startup_path.clone(),
                    Kind::Liveness => watched.config.liveness_path.clone(),
                    Kind::Readiness => None,
                };
                let path = path.unwrap_or_else(|| watched.config.path.clone());
                let (worker, endpoint, tell) =
                    (Arc::clone(&self.worker), Arc::clone(&watched.endpoint), self.told.0.clone());
                tokio::spawn(async move {
                    let found = ask(&worker, &endpoint, &path, timeout).await;
                    let (outcome, why) = match found {
                        Ok(status) if status.as_u16() < 400 => (Some(Outcome::Success), None),
                        Ok(status) => (Some(Outcome::Failure), Some(format!("it answered {status}"))),
                        Err(Unanswered::Failed(why)) => (Some(Outcome::Failure), Some(why)),
                        // How it is stays as it was known; the next check is due as if this had been none.
                        Err(Unanswered::NoRoom(error)) => {
                            tracing::warn!(endpoint = &*endpoint.url, %error, "a health check could not be made");
                            (None, None)
                        }
                    };
                    // When nobody listens any more the engine has ended.
                    let _ = tell.send((endpoint.id, kind, outcome, why)).await;
                });
            }
        }
        changed
    }
}

impl Watched {
    fn new(endpoint: &Arc<Endpoint>, config: &HealthConfig) -> Self {
        let checks = Checks {
            startup: config.startup_path.as_ref().map(|_| settings(config)),
            readiness: Some(settings(config)),
            liveness: config.liveness_path.as_ref().map(|_| settings(config)),
        };
        // One that takes requests goes on taking them until a check says otherwise: it was found well under other settings,
        // was not checked before, or whoever added it has looked itself.
        let monitor = if endpoint.unready.load(Relaxed) {
            Monitor::new(checks, clock::now())
        } else {
            Monitor::well(checks, clock::now())
        };
        Self { endpoint: Arc::clone(endpoint), config: config.clone(), monitor }
    }

    fn tell(&mut self, kind: Kind, outcome: Outcome, why: Option<&str>) -> bool {
        if outcome == Outcome::Failure {
            self.endpoint.unchecked.store(false, Relaxed);
        }
        let Some(health) = self.monitor.tell(kind, outcome, clock::now()) else { return false };
        let endpoint = &*self.endpoint.url;
        let why = why.unwrap_or_default();
        if health.ready && health.live {
            tracing::info!(endpoint, "endpoint is well");
        } else {
            tracing::warn!(endpoint, ready = health.ready, live = health.live, why, "endpoint is unwell");
        }
        self.endpoint.unready.store(!(health.ready && health.live), Relaxed);
        self.endpoint.unchecked.store(false, Relaxed);
        true
    }
}
