//! The targets of one job that are being scraped.

use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_kernel::Labels;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Shared;
use super::fetch::JobRuntime;
use super::sources::Source;
use super::worker::{self, Orders, Slot, Stop};
use crate::config::Job;
use crate::engine::target::{self, TargetKey};
use crate::model::JobStatus;

/// A target being scraped.
pub(super) struct Running {
    pub(super) orders: watch::Sender<Orders>,
    pub(super) slot: Arc<Slot>,
    /// The task that scrapes it.
    task: tokio::task::Id,
}

/// One job.
pub(super) struct Pool {
    pub(super) runtime: Arc<JobRuntime>,
    pub(super) sources: Vec<Source>,
    pub(super) running: HashMap<TargetKey, Running>,
    pub(super) dropped: Vec<Labels>,
    pub(super) dropped_count: usize,
    errors: Vec<String>,
}

impl Pool {
    pub(super) fn new(job: Arc<Job>) -> Self {
        Self {
            runtime: Arc::new(JobRuntime::new(job)),
            sources: Vec::new(),
            running: HashMap::new(),
            dropped: Vec::new(),
            dropped_count: 0,
            errors: Vec::new(),
        }
    }

    /// Goes on as another form of the job.
    pub(super) fn adopt(&mut self, job: Arc<Job>) {
        if *self.runtime.job != *job {
            self.runtime = Arc::new(JobRuntime::new(job));
        }
    }

    /// Starts and stops loops until they are what the sources say.
    pub(super) fn sync(&mut self, tasks: &mut JoinSet<()>, shared: &Arc<Shared>) {
        let job = Arc::clone(&self.runtime.job);
        let groups = self.sources.iter().filter_map(|s| s.groups.as_ref()).flatten();
        let built = if job.blocked { target::Built::default() } else { target::build(&job, groups) };
        self.dropped = built.dropped;
        self.dropped_count = built.dropped_count;
        self.errors = built.errors;

        let mut wanted = HashMap::with_capacity(built.targets.len());
        for target in built.targets {
            let target = Arc::new(target);
            let orders = Orders {
                target: Arc::clone(&target),
                job: Arc::clone(&self.runtime),
                over_limit: built.over_limit.clone(),
                retry: 0,
                stop: None,
            };
            wanted.insert(target.key(), orders);
        }
        // A discovery that has not answered yet says nothing about the targets that are there.
        let certain = self.sources.iter().all(|s| s.groups.is_some());
        self.running.retain(|key, running| {
            let keep = wanted.contains_key(key) || !certain;
            if !keep {
                running.orders.send_modify(|o| o.stop = Some(Stop::Gone));
            }
            keep
        });
        for (key, wanted) in wanted {
            match self.running.get(&key) {
                Some(running) => {
                    running.orders.send_if_modified(|orders| {
                        let same = Arc::ptr_eq(&orders.job, &wanted.job)
                            && orders.target == wanted.target
                            && orders.over_limit == wanted.over_limit;
                        if !same {
                            *orders = Orders { retry: orders.retry, ..wanted };
                        }
                        !same
                    });
                }
                None => {
                    let slot = Arc::new(Slot::new(&wanted.target));
                    let (orders, receiver) = watch::channel(wanted);
                    let task = tasks.spawn(worker::run(receiver, Arc::clone(&slot), Arc::clone(shared))).id();
                    self.running.insert(key, Running { orders, slot, task });
                }
            }
        }
    }

    /// Tells every loop to stop.
    pub(super) fn stop(&self, stop: Stop) {
        for running in self.running.values() {
            running.orders.send_modify(|o| o.stop = Some(stop));
        }
    }

    /// Forgets the target whose task has ended of itself, so that the next sync starts it again. Says whether it
    /// was one of this job's.
    pub(super) fn ended(&mut self, task: tokio::task::Id) -> bool {
        let before = self.running.len();
        self.running.retain(|_, running| running.task != task);
        self.running.len() != before
    }

    pub(super) fn status(&self) -> JobStatus {
        let mut discovery_errors: Vec<String> =
            self.sources.iter().flat_map(|s| s.errors.iter().cloned()).collect();
        discovery_errors.extend(self.errors.iter().cloned());
        JobStatus {
            name: Arc::clone(&self.runtime.job.name),
            active: self.running.len(),
            dropped: self.dropped_count,
            unavailable: self.runtime.job.unavailable.clone(),
            discovery_errors,
        }
    }
}
