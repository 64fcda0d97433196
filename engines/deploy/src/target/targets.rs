//! All targets as one: what is configured says which of them runs a version.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::external::ExternalTarget;
use super::probe::Http;
use super::process::{Places, ProcessTarget};
use super::{Board, Desired, Leases, Observed, OutputLine, Target, TargetError};
use crate::config::Config;

/// Runs each version where the configuration says: versions with endpoints are somebody else's, all others are processes.
pub struct Targets {
    config: RwLock<Arc<Config>>,
    board: Board,
    http: Http,
    process: ProcessTarget,
    external: ExternalTarget,
}

impl Targets {
    /// Takes over what an earlier console has left running. To be called within a runtime.
    ///
    /// # Errors
    /// When what was written down about it cannot be read, or no HTTP client can be made.
    pub fn open(config: Arc<Config>, leases: Arc<dyn Leases>, places: Places) -> std::io::Result<Self> {
        let board = Board::default();
        let http = Http::new().map_err(std::io::Error::other)?;
        Ok(Self {
            process: ProcessTarget::open(Arc::clone(&config), board.clone(), http.clone(), leases, places)?,
            external: ExternalTarget::new(Arc::clone(&config), board.clone(), http.clone()),
            config: RwLock::new(config),
            board,
            http,
        })
    }

    /// New settings: for what is started from now on.
    pub fn reload(&self, config: &Arc<Config>) {
        *self.config.write() = Arc::clone(config);
        self.process.reload(Arc::clone(config));
        self.external.reload(Arc::clone(config));
    }

    /// What asks replicas whether they are well; checks ask by it too.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// The processes.
    #[must_use]
    pub fn processes(&self) -> &ProcessTarget {
        &self.process
    }

    /// Stops what does not outlive the console, within so long.
    pub async fn close(&self, within: Duration) {
        self.process.close(within).await;
    }

    fn is_external(&self, want: &Desired) -> bool {
        let config = self.config.read();
        config.services.get(&want.service).is_some_and(|s| s.endpoints_of(&want.version).is_some())
    }
}

impl Target for Targets {
    fn ensure(&self, want: Desired) -> BoxFuture<'_, Result<(), TargetError>> {
        async move {
            // The settings may have made a process of what was somebody else's, or the other way round.
            let (now, before): (&dyn Target, &dyn Target) = if self.is_external(&want) {
                (&self.external, &self.process)
            } else {
                (&self.process, &self.external)
            };
            let runs = self.board.now().version(&want.service, &want.version).map(|v| v.target.clone());
            if runs.is_some_and(|runs| runs == before.kind()) {
                before.ensure(Desired { replicas: 0, ..want.clone() }).await?;
            }
            now.ensure(want).await
        }
        .boxed()
    }

    fn watch(&self) -> watch::Receiver<Arc<Observed>> {
        self.board.watch()
    }

    fn output(&self, replica: &str, lines: usize) -> Vec<OutputLine> {
        self.process.output(replica, lines)
    }

    fn kind(&self) -> &'static str {
        "all"
    }

    fn outlives(&self) -> bool {
        self.process.outlives()
    }
}
