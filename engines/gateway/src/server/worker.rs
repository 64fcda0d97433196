//! The threads that carry traffic. Each has its own runtime, its own connections to endpoints and its own counters: a request
//! stays on the thread that its connection came to, and threads share what they read, not what they write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::conn::{self, Accepted};
use crate::config::filters::RateLimit;
use crate::filters::access::{Pacer, Samples};
use crate::filters::cache::Answers;
use crate::filters::limit::{Grants, Limits, RouteLimits};
use crate::filters::quota::Quotas;
use crate::filters::trace::Random;
use crate::io::outbox;
use crate::model::VersionUses;
use crate::table::{Table, TableRef};
use crate::upstream::pool::Pool;
use crate::upstream::tunnel::Traffic;

/// How often connections to endpoints are looked through for those that nobody needs.
pub(crate) const SWEEP: Duration = Duration::from_secs(5);

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    table: ArcSwap<Table>,
    /// The version of the table: threads look at this, and take the table itself only when it has changed.
    version: AtomicU64,
    answers: ArcSwap<Answers>,
    pub(crate) samples: Samples,
    pub(crate) tiers: Limits,
    /// Attempts to be known that failed, by address.
    pub(crate) failures: Limits,
    pub(crate) grants: Grants,
    /// The limit of routes that have none, for callers that an operator has granted or cut.
    pub(crate) granted_only: (RateLimit, Arc<RouteLimits>),
    pub(crate) quotas: Quotas,
    pub(crate) versions: VersionUses,
    pub(crate) traffic: Traffic,
    pub(crate) tunnels: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    pub(crate) accepted: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) handshake_errors: AtomicU64,
    /// Connections closed because nobody trusts their address to speak the PROXY protocol.
    pub(crate) strangers: AtomicU64,
    pub(crate) ambiguous: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) unrouted: AtomicU64,
    pub(crate) mirrored: AtomicU64,
    pub(crate) mirrors_skipped: AtomicU64,
    /// Endpoints' ids in use, for the sweep.
    pub(crate) alive: Mutex<Vec<u64>>,
    /// Something has happened since the last snapshot.
    pub(crate) dirty: AtomicBool,
}

impl Shared {
    pub(crate) fn new(table: Table) -> Arc<Self> {
        let answers = Answers::new(&table.config.cache);
        let samples = Samples::new(table.config.limits.samples);
        let version = AtomicU64::new(table.version);
        Arc::new(Self {
            table: ArcSwap::from_pointee(table),
            version,
            answers: ArcSwap::new(answers),
            samples,
            tiers: Limits::default(),
            failures: Limits::default(),
            grants: Grants::default(),
            granted_only: Default::default(),
            quotas: Quotas::default(),
            versions: VersionUses::default(),
            traffic: Traffic::default(),
            tunnels: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            accepted: AtomicU64::new(0),
            accept_errors: AtomicU64::new(0),
            handshake_errors: AtomicU64::new(0),
            strangers: AtomicU64::new(0),
            ambiguous: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            unrouted: AtomicU64::new(0),
            mirrored: AtomicU64::new(0),
            mirrors_skipped: AtomicU64::new(0),
            alive: Mutex::default(),
            dirty: AtomicBool::new(true),
        })
    }

    /// The table in force.
    pub(crate) fn table(&self) -> Arc<Table> {
        self.table.load_full()
    }

    /// Another table is in force from the next request on.
    pub(crate) fn swap(&self, table: Table) {
        let (version, before) = (table.version, self.table.load_full());
        if before.config.cache != table.config.cache {
            self.answers.store(Answers::new(&table.config.cache));
        }
        self.table.store(Arc::new(table));
        // After the table itself: who sees the new version must find the new table.
        self.version.store(version, std::sync::atomic::Ordering::SeqCst);
        self.touch();
    }

    /// Something has happened that a snapshot should show. Written only when it is news: every thread reads this.
    pub(crate) fn touch(&self) {
        if !self.dirty.load(Relaxed) {
            self.dirty.store(true, Relaxed);
        }
    }

    /// The cache.
    pub(crate) fn answers(&self) -> Arc<Answers> {
        self.answers.load_full()
    }
}

/// What one thread has.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Arc<Pool>,
    table: Mutex<(u64, TableRef)>,
    pub(crate) random: Mutex<Random>,
    pub(crate) pacer: Pacer,
    pub(crate) refusals: Pacer,
    /// Copies under way.
    pub(crate) mirrors: AtomicUsize,
    /// Connections of callers.
    pub(crate) connections: AtomicUsize,
    /// Ends tunnels.
    pub(crate) stop: CancellationToken,
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<Shared>, stop: CancellationToken) -> Arc<Self> {
        let table = shared.table();
        // Different on every thread and at every start; it need not be secret.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let seed = (now.as_nanos() as u64) ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Arc::new(Self {
            index,
            pool: Arc::default(),
            table: Mutex::new((table.version, Arc::new(table))),
            random: Mutex::new(Random::new(seed)),
            pacer: Pacer::new(),
            refusals: Pacer::new(),
            mirrors: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            stop,
            shared,
        })
    }

    /// The table in force.
    pub(crate) fn table(&self) -> TableRef {
        let newest = self.shared.version.load(std::sync::atomic::Ordering::Acquire);
        let mut own = self.table.lock();
        if own.0 != newest {
            let table = self.shared.table();
            *own = (table.version, Arc::new(table));
        }
        Arc::clone(&own.1)
    }

    /// The table in force, under which a request begins: until it has chosen its version it counts as undecided there
    /// ([`crate::finish::Finish::decide`]).
    pub(crate) fn enter(&self) -> TableRef {
        loop {
            let table = self.table();
            table.undecided.enter(self.index);
            // Whoever swaps tables looks at the count after it has set the version: either it sees this request, or this
            // request sees the new version.
            if self.shared.version.load(std::sync::atomic::Ordering::SeqCst) == table.version {
                return table;
            }
            table.undecided.end(self.index);
        }
    }

    /// Carries connections until told to stop, then lets requests under way finish.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut incoming: mpsc::Receiver<Accepted>,
        stop: CancellationToken,
    ) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                accepted = incoming.recv() => match accepted {
                    Some(accepted) => drop(tokio::spawn(conn::serve(Arc::clone(&self), accepted))),
                    None => break,
                },
                _ = sweep.tick() => {
                    let keep = self.table().config.timeouts.keep;
                    let alive = self.shared.alive.lock().clone();
                    self.pool.sweep(keep, |endpoint| alive.contains(&endpoint));
                }
                () = stop.cancelled() => break,
            }
        }
        // Those that were handed over already are ended as others are, and counted.
        incoming.close();
        while let Ok(accepted) = incoming.try_recv() {
            tokio::spawn(conn::serve(Arc::clone(&self), accepted));
        }
        let until = Instant::now() + self.table().config.timeouts.drain;
        while self.connections.load(Relaxed) > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let left = self.connections.load(Relaxed);
        if left > 0 {
            tracing::warn!(left, "connections were cut off at the end");
        }
    }
}

/// A thread, what it has, and where its connections are handed over.
pub(crate) type Started = (Arc<Worker>, mpsc::Sender<Accepted>, std::thread::JoinHandle<()>);

/// Starts the threads. Each ends when its channel does, or at the stop.
pub(crate) fn start(
    threads: usize,
    shared: &Arc<Shared>,
    stop: &CancellationToken,
) -> std::io::Result<Vec<Started>> {
    (0..threads.max(1))
        .map(|index| {
            let (send, receive) = mpsc::channel(1024);
            let worker = Worker::new(index, Arc::clone(shared), stop.clone());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (own, stop) = (Arc::clone(&worker), stop.clone());
            let thread = std::thread::Builder::new()
                .name(format!("gateway-{index}"))
                .stack_size(crate::filters::schema::STACK)
                .spawn(move || {
                    runtime.spawn(outbox::serve());
                    runtime.block_on(async {
                        own.run(receive, stop).await;
                        outbox::flush();
                    });
                })?;
            Ok((worker, send, thread))
        })
        .collect()
}
