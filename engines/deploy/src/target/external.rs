//! Versions that somebody else runs: they are probed here, and nothing more.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::probe::{Http, Prober, effective};
use super::{Board, Desired, Observed, OutputLine, Target, TargetError};
use crate::config::Config;
use crate::model::ReplicaPhase;

const KIND: &str = "external";

/// Probes versions at addresses that are configured. Every address is a replica; wanting any means watching all of them.
pub struct ExternalTarget {
    board: Board,
    http: Http,
    config: RwLock<Arc<Config>>,
    versions: Mutex<BTreeMap<(String, String), Version>>,
}

#[derive(Default)]
struct Version {
    generation: u64,
    /// Watchers by address.
    watched: BTreeMap<String, AbortOnDropHandle<()>>,
}

impl ExternalTarget {
    /// Watches nobody yet.
    #[must_use]
    pub fn new(config: Arc<Config>, board: Board, http: Http) -> Self {
        Self { board, http, config: RwLock::new(config), versions: Mutex::default() }
    }

    /// New settings: for what is wanted from now on.
    pub fn reload(&self, config: Arc<Config>) {
        *self.config.write() = config;
    }

    fn take_up(&self, want: &Desired) -> Result<(), TargetError> {
        let (service, version) = (want.service.as_str(), want.version.as_str());
        let config = Arc::clone(&self.config.read());
        let known = config.services.get(service);
        let endpoints = known.and_then(|s| s.endpoints_of(version)).unwrap_or_default();
        if want.replicas > 0 && endpoints.is_empty() {
            return Err(TargetError::Refused(format!(
                "nobody runs {service} {version}: write [deploy.services.{service}.versions.{version}] with endpoints"
            )));
        }
        if want.replicas as usize > endpoints.len() {
            return Err(TargetError::Refused(format!(
                "{} replicas of {service} {version} are wanted, but there are {} endpoints, and somebody else runs them",
                want.replicas,
                endpoints.len()
            )));
        }
        let mut versions = self.versions.lock();
        let known_version = versions.entry((want.service.clone(), want.version.clone())).or_default();
        if want.generation < known_version.generation {
            return Err(TargetError::Conflict { observed: known_version.generation });
        }
        known_version.generation = want.generation;
        let wanted: &[String] = if want.replicas == 0 { &[] } else { endpoints };
        self.board.version(service, version, |observed| {
            observed.wanted = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
            observed.generation = want.generation;
            KIND.clone_into(&mut observed.target);
            observed.outlives = true;
        });
        let id = |endpoint: &str| format!("{service}/{version}/{endpoint}");
        known_version.watched.retain(|endpoint, _| {
            let stays = wanted.contains(endpoint);
            if !stays {
                self.board.gone(service, version, &id(endpoint));
            }
            stays
        });
        let probes = Arc::new(effective(&known.map(|s| s.probes.clone()).unwrap_or_default()));
        for endpoint in wanted {
            if known_version.watched.contains_key(endpoint) {
                continue;
            }
            let prober = Prober::new(self.http.clone(), endpoint.clone(), Arc::clone(&probes));
            let watcher = Watcher {
                board: self.board.clone(),
                service: want.service.clone(),
                version: want.version.clone(),
                id: id(endpoint),
                endpoint: endpoint.clone(),
            };
            watcher.publish(ReplicaPhase::Unknown, String::new());
            let task = AbortOnDropHandle::new(tokio::spawn(watcher.run(prober)));
            known_version.watched.insert(endpoint.clone(), task);
        }
        Ok(())
    }
}

struct Watcher {
    board: Board,
    service: String,
    version: String,
    id: String,
    endpoint: String,
}

impl Watcher {
    async fn run(self, mut prober: Prober) {
        loop {
            prober.answered().await;
            let health = prober.health();
            let phase =
                if health.ready && health.live { ReplicaPhase::Ready } else { ReplicaPhase::NotReady };
            self.publish(phase, prober.why());
        }
    }

    fn publish(&self, phase: ReplicaPhase, message: String) {
        self.board.watched(&self.service, &self.version, &self.id, |replica| {
            replica.url.clone_from(&self.endpoint);
            replica.phase = phase;
            replica.message = message;
        });
    }
}

impl Target for ExternalTarget {
    fn ensure(&self, want: Desired) -> BoxFuture<'_, Result<(), TargetError>> {
        async move { self.take_up(&want) }.boxed()
    }

    fn watch(&self) -> watch::Receiver<Arc<Observed>> {
        self.board.watch()
    }

    fn output(&self, _replica: &str, _lines: usize) -> Vec<OutputLine> {
        Vec::new()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn outlives(&self) -> bool {
        true
    }
}
