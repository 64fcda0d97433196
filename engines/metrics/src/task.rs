//! The engine at work: sync, upkeep, this host's metrics, the console's own, and the snapshot that others watch.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Clock;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::gather::Appender;
use crate::host::Host;
use crate::model::MetricsSnapshot;
use crate::{Ingest, Store, instruments, own};

/// How often a changed store publishes a snapshot, at most. It takes a pass over all series.
const SNAPSHOT_INTERVAL: Duration = Duration::from_millis(500);
/// A snapshot may take one part in this many of the time: with a million series they come less often.
const SNAPSHOT_SHARE: u32 = 100;
/// How often the console's own metrics go into the store.
const OWN_INTERVAL: Duration = Duration::from_secs(5);
/// At the end the log is sealed if it is larger than this, so that the next start is quick.
const SEAL_AT_END: u64 = 32 << 20;

/// Runs a store.
pub struct Engine {
    store: Store,
    clock: Arc<dyn Clock>,
    publish: watch::Sender<Arc<MetricsSnapshot>>,
}

impl Engine {
    /// An engine for a store, with the store's configuration, and the snapshots it will publish.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> (Self, watch::Receiver<Arc<MetricsSnapshot>>) {
        let first = store.snapshot(clock.now());
        let (publish, watch) = watch::channel(Arc::new(first));
        instruments::global().collect("process", own::process_families);
        let shown = store.clone();
        instruments::global().collect("metrics", move || own::store_families(&shown));
        (Self { store, clock, publish }, watch)
    }

    /// Runs until `stop` completes; then everything is synced.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            ((), (), (), (), ()) = async { tokio::join!(self.sync(), self.upkeep(), self.host(), self.own(), self.snapshots()) } => {}
        }
        let store = self.store.clone();
        blocking("the last sync", move || {
            if let Err(error) = store.sync() {
                tracing::error!(%error, "the metrics log could not be synced at the end");
            }
            if store.stats().log_bytes > SEAL_AT_END
                && let Err(error) = store.seal()
            {
                tracing::warn!(%error, "the metrics could not be sealed at the end; the next start reads the log");
            }
        })
        .await;
    }

    async fn sync(&self) {
        let mut ticks = every(self.store.config().sync_interval);
        loop {
            ticks.tick().await;
            let store = self.store.clone();
            // The store remembers the error and tells it in its figures.
            blocking("a sync", move || store.sync().is_ok()).await;
        }
    }

    async fn upkeep(&self) {
        let mut ticks = every(self.store.config().maintenance_interval);
        loop {
            ticks.tick().await;
            let (store, now) = (self.store.clone(), self.clock.now());
            blocking("upkeep", move || {
                let done = store.maintain(now);
                if let Some(segment) = &done.sealed {
                    tracing::info!(segment, "metrics sealed");
                }
                if let Some(segment) = &done.merged {
                    tracing::info!(segment, "segments of metrics merged");
                }
                if let Some(why) = &done.failed {
                    tracing::error!(why, "upkeep of the metrics store failed; it will be tried again");
                }
            })
            .await;
        }
    }

    async fn host(&self) {
        let config = self.store.config().host.clone();
        if !config.enabled {
            return std::future::pending().await;
        }
        let host = Host::new();
        let appender = Appender::new(config.job, host.name().to_owned());
        let mut state = Some((host, appender));
        let mut ticks = every(config.interval);
        loop {
            ticks.tick().await;
            let (store, now) = (self.store.clone(), self.clock.now());
            let Some((mut host, mut appender)) = state.take() else { return };
            state = blocking("reading the host", move || {
                let families = host.gather();
                told("this host's metrics", appender.append(&store as &dyn Ingest, &families, now));
                (host, appender)
            })
            .await;
        }
    }

    async fn own(&self) {
        let instance = sysinfo::System::host_name().unwrap_or_else(|_| "localhost".to_owned());
        let mut state = Some(Appender::new("quarterdeck", instance));
        let mut ticks = every(OWN_INTERVAL);
        loop {
            ticks.tick().await;
            let (store, now) = (self.store.clone(), self.clock.now());
            let Some(mut appender) = state.take() else { return };
            state = blocking("reading own metrics", move || {
                let families = instruments::global().gather();
                told("the console's own metrics", appender.append(&store as &dyn Ingest, &families, now));
                appender
            })
            .await;
        }
    }

    async fn snapshots(&self) {
        loop {
            let started = Instant::now();
            if self.store.version() != self.publish.borrow().version {
                let (store, now) = (self.store.clone(), self.clock.now());
                if let Some(snapshot) = blocking("a snapshot", move || store.snapshot(now)).await {
                    self.publish.send_replace(Arc::new(snapshot));
                }
            }
            let rest = started.elapsed() * SNAPSHOT_SHARE;
            tokio::time::sleep(rest.max(SNAPSHOT_INTERVAL)).await;
        }
    }
}

fn told<T>(what: &str, result: Result<T, crate::IngestError>) {
    if let Err(error) = result {
        tracing::warn!(%error, what, "not everything could be taken");
    }
}

/// Ticks that never bunch up.
fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Runs what may wait for the disk where waiting is allowed. `None` when it panicked.
async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) => {
            tracing::error!(%error, what, "failed");
            None
        }
    }
}
