//! The async shell: evaluates every few seconds and publishes snapshots.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use quarterdeck_kernel::{Clock, Diagnostic};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::catalogue::Plan;
use crate::config::{Catalogue, SignalsConfig, validate};
use crate::core::Core;
use crate::handle::{Handle, Shared};
use crate::model::Snapshot;
use crate::overrides::Overrides;
use crate::source::Source;

/// Between two evaluations at least, however often something changes.
const LEAST: Duration = Duration::from_millis(250);

/// The services engine. Nothing happens until [`Engine::run`].
pub struct Engine {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    publish: watch::Sender<Arc<Snapshot>>,
}

impl Engine {
    /// An engine and the handle to it. `overrides` are the rows stored for limits that were set at run time.
    ///
    /// # Errors
    /// Every mistake of the configuration, as [`validate::validate`] finds it.
    pub fn new(
        catalogue: Catalogue,
        signals: SignalsConfig,
        overrides: impl IntoIterator<Item = (String, String)>,
        source: Arc<dyn Source>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Handle), Vec<(String, Diagnostic)>> {
        let wrong = validate::validate(&catalogue, &signals);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let shared = Arc::new(Shared {
            source,
            plan: RwLock::new(Arc::new(Plan::new(catalogue, signals))),
            overrides: Mutex::new(Overrides::from_rows(overrides)),
            changed: Notify::new(),
        });
        let (publish, snapshots) = watch::channel(Arc::default());
        let handle = Handle { shared: Arc::clone(&shared), snapshots };
        Ok((Self { shared, clock, publish }, handle))
    }

    /// Runs until `stop`. Queries run where blocking is allowed; a panic among them is passed on.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        let mut stop = std::pin::pin!(stop);
        let mut plan = Arc::clone(&self.shared.plan.read());
        let mut core = Core::new(Arc::clone(&plan));
        loop {
            let started = Instant::now();
            let newest = Arc::clone(&self.shared.plan.read());
            if !Arc::ptr_eq(&plan, &newest) {
                plan = newest;
                core.replan(Arc::clone(&plan));
            }
            let overrides = self.shared.overrides.lock().clone();
            let (shared, now) = (Arc::clone(&self.shared), self.clock.now());
            let evaluation = tokio::task::spawn_blocking(move || {
                let snapshot = core.evaluate(&*shared.source, &overrides, now);
                (core, snapshot)
            });
            let evaluated = tokio::select! {
                () = &mut stop => return,
                evaluated = evaluation => evaluated,
            };
            match evaluated {
                Ok((back, snapshot)) => {
                    core = back;
                    for problem in &snapshot.problems {
                        tracing::debug!(problem, "a query of the services' signals failed");
                    }
                    self.publish.send_replace(Arc::new(snapshot));
                }
                Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
                Err(_) => return,
            }
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep_until(started + plan.signals.interval) => {}
                () = self.shared.changed.notified() => {
                    tokio::time::sleep_until(started + LEAST).await;
                }
            }
        }
    }
}
