//! Holds jobs, discoveries and targets together, and publishes snapshots.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Shared;
use super::pool::Pool;
use super::sources::{Found, Source};
use super::worker::{Slot, Stop};
use crate::config::{Discovery, Job, Plan};
use crate::handle::{Handle, HandleError, Request};
use crate::model::{DroppedTarget, JobStatus, MAX_DROPPED_SHOWN, Snapshot};

/// Snapshots are published at most this often.
const FRAME: Duration = Duration::from_millis(33);

/// How long targets may take to stop at the end.
const GRACE: Duration = Duration::from_secs(5);

struct Manager {
    shared: Arc<Shared>,
    pools: Vec<Pool>,
    notes: Arc<[String]>,
    tasks: JoinSet<()>,
    found: mpsc::Sender<Found>,
    next_source: u64,
    snapshots: watch::Sender<Arc<Snapshot>>,
    version: u64,
    /// The targets in the order they are shown.
    order: Vec<Arc<Slot>>,
    jobs: Arc<[JobStatus]>,
    dropped: Arc<[DroppedTarget]>,
    dropped_count: usize,
}

pub(super) fn start(plan: Plan, shared: Arc<Shared>) -> Handle {
    let (requests, receiver) = mpsc::channel(64);
    let (found, discoveries) = mpsc::channel(64);
    let (snapshots, watcher) = watch::channel(Arc::new(Snapshot::default()));
    let mut manager = Manager {
        shared,
        pools: Vec::new(),
        notes: Arc::from([]),
        tasks: JoinSet::new(),
        found,
        next_source: 0,
        snapshots,
        version: 0,
        order: Vec::new(),
        jobs: Arc::from([]),
        dropped: Arc::from([]),
        dropped_count: 0,
    };
    manager.apply(plan);
    manager.publish();
    tokio::spawn(manager.run(receiver, discoveries));
    Handle { requests, snapshots: watcher }
}

impl Manager {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut discoveries: mpsc::Receiver<Found>) {
        let shared = Arc::clone(&self.shared);
        let (mut dirty, mut not_before) = (false, Instant::now());
        let mut answer: Option<oneshot::Sender<()>> = None;
        loop {
            tokio::select! {
                request = requests.recv() => match request {
                    None => break,
                    Some(Request::Shutdown { answer: waiting }) => {
                        answer = Some(waiting);
                        break;
                    }
                    Some(Request::Reload { plan, answer }) => {
                        self.apply(*plan);
                        self.publish();
                        dirty = false;
                        // Nobody waiting any more is no reason to do anything else.
                        let _ = answer.send(());
                    }
                    Some(Request::Retry { job, instance, answer }) => {
                        let _ = answer.send(self.retry(&job, &instance));
                    }
                },
                Some(found) = discoveries.recv() => {
                    self.discovered(found);
                    dirty = true;
                }
                Some(ended) = self.tasks.join_next_with_id() => {
                    if let Err(error) = ended {
                        self.restart(&error);
                        dirty = true;
                    }
                }
                () = shared.dirty.notified() => dirty = true,
                () = tokio::time::sleep_until(not_before), if dirty => {
                    self.publish();
                    dirty = false;
                    not_before = Instant::now() + FRAME;
                }
            }
        }
        self.stop().await;
        if let Some(answer) = answer {
            let _ = answer.send(());
        }
    }

    /// Runs a plan; what is the same as before goes on.
    fn apply(&mut self, plan: Plan) {
        let mut old = std::mem::take(&mut self.pools);
        for job in plan.jobs {
            let pool = old.iter().position(|p| p.runtime.job.name == job.name).map(|i| old.swap_remove(i));
            let mut pool = match pool {
                Some(mut pool) => {
                    pool.adopt(Arc::clone(&job));
                    pool
                }
                None => Pool::new(Arc::clone(&job)),
            };
            self.set_sources(&mut pool, &job);
            pool.sync(&mut self.tasks, &self.shared);
            self.pools.push(pool);
        }
        for pool in old {
            pool.stop(Stop::Gone);
        }
        self.notes = plan.notes.into();
        self.arrange();
    }

    /// Keeps the discoveries that are the same, starts the others.
    fn set_sources(&mut self, pool: &mut Pool, job: &Job) {
        let mut old = std::mem::take(&mut pool.sources);
        let wanted: &[Discovery] = if job.blocked { &[] } else { &job.discoveries };
        for discovery in wanted {
            let source = match old.iter().position(|s| s.discovery == *discovery) {
                Some(index) => old.swap_remove(index),
                None => {
                    self.next_source += 1;
                    Source::start(self.next_source, discovery.clone(), &self.found, &self.shared)
                }
            };
            pool.sources.push(source);
        }
    }

    fn discovered(&mut self, found: Found) {
        let owner = self.pools.iter_mut().find(|p| p.sources.iter().any(|s| s.id == found.source));
        // The discovery may have been stopped while its answer was on the way.
        let Some(pool) = owner else { return };
        let changed = found.groups.is_some();
        if let Some(source) = pool.sources.iter_mut().find(|s| s.id == found.source) {
            source.errors = found.errors;
            source.groups = found.groups.or(source.groups.take());
        }
        if changed {
            pool.sync(&mut self.tasks, &self.shared);
        }
        self.arrange();
    }

    /// A loop has panicked: its target starts anew at its next tick.
    fn restart(&mut self, error: &tokio::task::JoinError) {
        for pool in &mut self.pools {
            if pool.ended(error.id()) {
                tracing::error!(job = %pool.runtime.job.name, %error, "a scrape loop failed and is started again");
                pool.sync(&mut self.tasks, &self.shared);
            }
        }
        self.arrange();
    }

    fn retry(&self, job: &str, instance: &str) -> Result<(), HandleError> {
        let mut found = false;
        for running in self.pools.iter().flat_map(|p| p.running.values()) {
            let status = running.slot.get();
            if &*status.job == job && &*status.instance == instance {
                running.orders.send_modify(|o| o.retry += 1);
                found = true;
            }
        }
        if found {
            Ok(())
        } else {
            Err(HandleError::NoTarget { job: job.to_owned(), instance: instance.to_owned() })
        }
    }

    /// Puts what only changes with discoveries and reloads into the form that is published.
    fn arrange(&mut self) {
        let mut order: Vec<_> = self
            .pools
            .iter()
            .flat_map(|p| p.running.values())
            .map(|r| (r.slot.get(), Arc::clone(&r.slot)))
            .collect();
        order.sort_by(|(a, _), (b, _)| {
            (&a.job, &a.instance, &a.url)
                .cmp(&(&b.job, &b.instance, &b.url))
                .then_with(|| a.labels.cmp(&b.labels))
        });
        self.order = order.into_iter().map(|(_, slot)| slot).collect();
        self.jobs = self.pools.iter().map(Pool::status).collect();
        self.dropped_count = self.pools.iter().map(|p| p.dropped_count).sum();
        self.dropped = self
            .pools
            .iter()
            .flat_map(|p| p.dropped.iter().map(|l| (Arc::clone(&p.runtime.job.name), l.clone())))
            .take(MAX_DROPPED_SHOWN)
            .map(|(job, discovered)| DroppedTarget { job, discovered })
            .collect();
    }

    fn publish(&mut self) {
        self.version += 1;
        self.snapshots.send_replace(Arc::new(Snapshot {
            version: self.version,
            taken: self.shared.clock.now(),
            targets: self.order.iter().map(|slot| slot.get()).collect(),
            jobs: Arc::clone(&self.jobs),
            dropped: Arc::clone(&self.dropped),
            dropped_count: self.dropped_count,
            notes: Arc::clone(&self.notes),
        }));
    }

    async fn stop(&mut self) {
        for pool in &mut self.pools {
            pool.sources.clear();
            pool.stop(Stop::Shutdown);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "scrapes did not end in time and are cut off");
            self.tasks.shutdown().await;
        }
    }
}
