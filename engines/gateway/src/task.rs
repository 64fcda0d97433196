//! Starting and ending the gateway, and what it does beside traffic: snapshots, health checks, the return of endpoints that
//! were left out.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, Diagnostic};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use crate::filters::health::Checker;
use crate::handle::{Control, Handle, Problems};
use crate::model::Snapshot;
use crate::server::accept::{Acceptor, Ask, wanted};
use crate::server::worker::{self, Shared, Worker};
use crate::table::Learnt;
use crate::view::Viewer;
use crate::warm::Warmer;

/// The shortest time between two snapshots, while there is traffic.
const FRAME: Duration = Duration::from_millis(100);

/// What was durable before the start.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Splits that operators have set: service, shares by version.
    pub splits: Vec<(String, Vec<(String, u32)>)>,
    /// What operators allow consumers: requests a minute.
    pub grants: Vec<(String, u32)>,
    /// The day (since 1970) of the quotas, and who has used how much of it.
    pub quotas: (i64, Vec<(String, u64)>),
}

/// A gateway that takes traffic.
pub struct Engine {
    control: Arc<Control>,
    publish: watch::Sender<Arc<Snapshot>>,
    clock: Arc<dyn Clock>,
    /// Ends the threads.
    stop: CancellationToken,
    threads: Vec<JoinHandle<()>>,
    /// The thread that listens.
    accepting: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Checks the configuration, starts the threads and listens. Traffic is taken from here on.
    ///
    /// # Errors
    /// Every mistake of the configuration, or what cannot be listened on; nothing runs then.
    pub async fn start(
        config: Config,
        stored: Stored,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Handle), Problems> {
        let wrong = config::validate(&config);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let fail = |key: &str, why: String| vec![(key.to_owned(), Diagnostic::new(why))];
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if config.threads == 0 { processors() } else { config.threads };
        let config = Arc::new(config);
        let mut learnt = Learnt::new(threads);
        learnt.splits = stored.splits.into_iter().collect();
        let table = learnt.table(&config).map_err(|why| fail("services", why))?;
        let shared = Shared::new(table);
        *shared.alive.lock() = learnt.alive();
        for (consumer, per_minute) in &stored.grants {
            shared.grants.set(consumer, Some(*per_minute));
        }
        shared.quotas.load(stored.quotas.0, stored.quotas.1);
        let stop = CancellationToken::new();
        // Whatever fails from here on, the threads end.
        let started_or_not = stop.clone().drop_guard();
        let started = worker::start(threads, &shared, &stop);
        let started = started.map_err(|e| fail("threads", format!("the threads cannot be started: {e}")))?;
        let mut handles = Vec::new();
        let mut workers = Vec::new();
        for (worker, send, thread) in started {
            workers.push((worker, send));
            handles.push(thread);
        }
        let (ask, asked) = mpsc::channel::<Ask>(4);
        let pools: Vec<Arc<Worker>> = workers.iter().map(|(worker, _)| Arc::clone(worker)).collect();
        let acceptor = Acceptor::new(Arc::clone(&shared), workers.into(), config.limits.connections);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| fail("threads", format!("the accepting thread cannot be started: {e}")))?;
        let own_stop = stop.clone();
        let accepting = std::thread::Builder::new()
            .name("gateway-accept".to_owned())
            .spawn(move || runtime.block_on(acceptor.run(asked, own_stop)))
            .map_err(|e| fail("threads", format!("the accepting thread cannot be started: {e}")))?;
        let (answer, answered) = oneshot::channel();
        let gone = || fail("listen", "the accepting thread has ended".to_owned());
        ask.send((wanted(&config), answer)).await.map_err(|_| gone())?;
        let listening = match answered.await.map_err(|_| gone())? {
            Ok(listening) => listening,
            Err((key, why)) => return Err(fail(&key, why)),
        };
        let own = Worker::new(0, Arc::clone(&shared), stop.clone());
        let control = Arc::new(Control {
            shared,
            learnt: Mutex::new(learnt),
            config: Mutex::new(config),
            former: Mutex::default(),
            listening: Mutex::new(listening),
            ask,
            own,
            pools,
            warming: Mutex::default(),
        });
        let first = Viewer::new().view(&control, &*clock);
        let (publish, snapshots) = watch::channel(Arc::new(first));
        let handle = Handle { control: Arc::clone(&control), snapshots };
        started_or_not.disarm();
        Ok((Self { control, publish, clock, stop, threads: handles, accepting: Some(accepting) }, handle))
    }

    /// Runs until `stop` completes; then nothing new is taken, requests under way finish, and the threads end.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut viewer = Viewer::new();
        let mut checker = Checker::new(Arc::clone(&self.control.own));
        let mut warmer = Warmer::new(Arc::clone(&self.control));
        let mut table = 0;
        let mut swept = Instant::now();
        let mut frame = tokio::time::interval(FRAME);
        frame.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                _ = frame.tick() => {}
                () = &mut stop => break,
            }
            let newest = self.control.shared.table();
            if newest.version != table {
                table = newest.version;
                checker.follow(&newest);
                warmer.follow(&newest);
            }
            if let Some(keys) = &newest.auth.remote {
                keys.tick(&self.control.own);
            }
            // Connections that checks keep, where they are shared (HTTP/2).
            if swept.elapsed() >= worker::SWEEP {
                swept = Instant::now();
                let alive = self.control.shared.alive.lock().clone();
                self.control
                    .own
                    .pool
                    .sweep(newest.config.timeouts.keep, |endpoint| alive.contains(&endpoint));
            }
            let changed = checker.tick() | warmer.tick();
            for version in newest.services.iter().flat_map(|service| &service.versions) {
                version.tick();
            }
            let dirty = self.control.shared.dirty.swap(false, Relaxed);
            if dirty || changed || viewer.is_moving() {
                self.publish.send_replace(Arc::new(viewer.view(&self.control, &*self.clock)));
            }
        }
        self.end().await;
    }

    async fn end(&mut self) {
        self.stop.cancel();
        let mut threads = std::mem::take(&mut self.threads);
        threads.extend(self.accepting.take());
        let ended = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread of the gateway has failed");
                }
            }
        });
        if ended.await.is_err() {
            tracing::error!("the threads of the gateway could not be waited for");
        }
    }
}

impl Drop for Engine {
    /// Given up before its end, as when it is to be started again: the next one must find the addresses free. Requests under
    /// way have their time still.
    fn drop(&mut self) {
        self.stop.cancel();
        // It looks at nothing but its listeners: this takes a moment.
        if self.accepting.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the accepting thread of the gateway has failed");
        }
    }
}
