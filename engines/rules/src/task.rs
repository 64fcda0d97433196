//! The async shell: evaluates groups at their moments over a store, each where blocking is allowed, a few at a time.

mod backend;

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Clock, Timestamp};
use quarterdeck_metrics::Ingest;
use quarterdeck_promql::{Engine as Evaluator, Storage};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::Plan;
use crate::engine::{Context, Group, Schedule};
use crate::model::{GroupView, Snapshot};
pub use backend::StoreBackend;

/// How many groups are evaluated at once.
const CONCURRENCY: usize = 4;
/// The shortest time between two snapshots.
const FRAME: Duration = Duration::from_millis(33);
/// The longest sleep: the clock may be set meanwhile.
const NAP: Duration = Duration::from_secs(1);

/// Why a request to the engine was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the evaluation of rules has stopped")]
pub struct Stopped;

/// What the handle asks of the engine.
enum Request {
    Reload { plan: Box<Plan>, answer: oneshot::Sender<()> },
}

/// A running rule engine. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Handle {
    /// Follows the engine's state.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// The newest state.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Evaluates other rules from now on. Groups that both plans have keep their alerts and moments; series of rules
    /// that are gone end.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn reload(&self, plan: Plan) -> Result<(), Stopped> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Reload { plan: Box::new(plan), answer };
        self.requests.send(request).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}

/// The engine, to be run.
pub struct Engine {
    backend: Arc<StoreBackend>,
    clock: Arc<dyn Clock>,
    requests: mpsc::Receiver<Request>,
    publish: watch::Sender<Arc<Snapshot>>,
    slots: Vec<Slot>,
    /// Evaluations under way; each gives its group back.
    running: JoinSet<(usize, Group)>,
    dirty: bool,
    published: Instant,
}

/// A group's place.
struct Slot {
    /// None while it is being evaluated.
    group: Option<Group>,
    view: Arc<GroupView>,
    schedule: Schedule,
    next: Timestamp,
    last: Option<Timestamp>,
    /// Evaluations until the state from before a restart is read back; none when it has been.
    restore_after: Option<u8>,
}

impl Engine {
    /// An engine for a plan; [`Engine::run`] sets it to work. Alerts' state from before a restart is read back from
    /// the store.
    #[must_use]
    pub fn new(
        plan: &Plan,
        storage: Arc<dyn Storage>,
        ingest: Arc<dyn Ingest>,
        evaluator: Arc<Evaluator>,
        clock: Arc<dyn Clock>,
    ) -> (Self, Handle) {
        let (ask, requests) = mpsc::channel(16);
        let (publish, snapshots) = watch::channel(Arc::default());
        let mut engine = Self {
            backend: Arc::new(StoreBackend::new(storage, ingest, evaluator)),
            clock,
            requests,
            publish,
            slots: Vec::new(),
            running: JoinSet::new(),
            dirty: true,
            published: Instant::now(),
        };
        engine.slots = engine.slots_of(plan, Vec::new(), false);
        engine.show();
        (engine, Handle { requests: ask, snapshots })
    }

    /// Evaluates until `stop` completes.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            self.start_due();
            let nap = self.until_next();
            let frame = self.published + FRAME;
            tokio::select! {
                () = &mut stop => break,
                Some(done) = self.running.join_next() => self.take(done),
                () = tokio::time::sleep(nap) => {}
                () = tokio::time::sleep_until(frame), if self.dirty => self.show(),
                request = self.requests.recv() => match request {
                    Some(Request::Reload { plan, answer }) => {
                        self.reload(&plan).await;
                        // Nobody waits any more: no matter.
                        let _ = answer.send(());
                    }
                    None => break,
                },
            }
        }
        while let Some(done) = self.running.join_next().await {
            self.take(done);
        }
        self.show();
    }

    fn slots_of(&self, plan: &Plan, mut old: Vec<Slot>, restored: bool) -> Vec<Slot> {
        let now = self.clock.now();
        let context = Arc::new(Context {
            external_labels: plan.external_labels.clone(),
            external_url: plan.external_url.clone(),
        });
        let mut slots = Vec::new();
        for file in &plan.files {
            for spec in &file.groups {
                let mut group =
                    Group::new(spec, &file.path, plan.interval, plan.query_offset, &context, restored);
                let schedule = Schedule::new(&group.name, &group.file, group.interval);
                let mut slot = Slot {
                    view: Arc::new(group.view()),
                    group: None,
                    schedule,
                    next: schedule.after(now),
                    last: None,
                    restore_after: (!restored).then_some(2),
                };
                let same = |s: &Slot| s.view.name == group.name && s.view.file == group.file;
                if let Some(place) = old.iter().position(same) {
                    let before = old.swap_remove(place);
                    if before.schedule == schedule {
                        slot.next = before.next;
                    }
                    (slot.last, slot.restore_after) = (before.last, before.restore_after);
                    if let Some(state) = before.group {
                        group.inherit(state);
                    }
                    slot.view = Arc::new(group.view());
                }
                slot.group = Some(group);
                slots.push(slot);
            }
        }
        let gone = old.into_iter().filter_map(|slot| slot.group);
        for mut group in gone {
            if let Err(error) = group.end(now, &*self.backend) {
                tracing::warn!(group = &*group.name, %error, "series of a removed group could not be ended");
            }
        }
        slots.sort_by(|a, b| (&a.view.file, &a.view.name).cmp(&(&b.view.file, &b.view.name)));
        slots
    }

    async fn reload(&mut self, plan: &Plan) {
        while let Some(done) = self.running.join_next().await {
            self.take(done);
        }
        let old = std::mem::take(&mut self.slots);
        self.slots = self.slots_of(plan, old, true);
        self.show();
    }

    fn until_next(&self) -> Duration {
        let now = self.clock.now();
        let idle = self.slots.iter().filter(|slot| slot.group.is_some());
        let next = idle.map(|slot| slot.next).min();
        // A clock that steps must not make anyone wait: look again soon.
        next.map_or(NAP, |next| next.since(now).max(Duration::from_millis(1)).min(NAP))
    }

    fn start_due(&mut self) {
        let now = self.clock.now();
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if self.running.len() >= CONCURRENCY {
                return;
            }
            // A clock that was set back: the next moment is never further than one interval.
            slot.next = slot.next.min(slot.schedule.after(now));
            if slot.next > now {
                continue;
            }
            let Some(mut group) = slot.group.take() else { continue };
            let at = slot.schedule.at_or_before(now);
            if let Some(last) = slot.last {
                group.missed += slot.schedule.missed(last, at);
            }
            slot.last = Some(at);
            slot.next = slot.schedule.after(now);
            let restore = match &mut slot.restore_after {
                Some(1) => {
                    slot.restore_after = None;
                    true
                }
                Some(left) => {
                    *left -= 1;
                    false
                }
                None => false,
            };
            let (backend, clock) = (Arc::clone(&self.backend), Arc::clone(&self.clock));
            self.running.spawn_blocking(move || {
                group.evaluate(at, &*backend);
                if restore {
                    group.restore(clock.now(), &*backend);
                }
                (index, group)
            });
        }
    }

    fn take(&mut self, done: Result<(usize, Group), tokio::task::JoinError>) {
        match done {
            Ok((index, group)) => {
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.view = Arc::new(group.view());
                    slot.group = Some(group);
                    self.dirty = true;
                }
            }
            // The supervisor sees it, tells it and starts the engine again.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => tracing::error!(%error, "the evaluation of a group was cut off"),
            },
        }
    }

    fn show(&mut self) {
        let version = self.publish.borrow().version + 1;
        let groups = self.slots.iter().map(|slot| Arc::clone(&slot.view)).collect();
        self.publish.send_replace(Arc::new(Snapshot { version, taken: self.clock.now(), groups }));
        (self.dirty, self.published) = (false, Instant::now());
    }
}

#[cfg(test)]
mod tests;
