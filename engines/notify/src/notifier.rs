//! The handle: hands attempts to the workers of their destinations.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quarterdeck_kernel::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::config::Settings;
use crate::deliver::Shared;
use crate::guard::Guard;
use crate::line::Line;
use crate::model::{Attempt, Report, Ring};
use crate::status::DestinationStatus;
use crate::worker;

/// Sounds the bell of whoever looks at the console; says whether anybody does.
pub type Bell = Arc<dyn Fn(Ring) -> bool + Send + Sync>;

/// Why an attempt was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many as may wait for the destination wait already.
    #[error("{waiting} notifications wait for {destination} already")]
    Full {
        /// The destination.
        destination: Arc<str>,
        /// How many wait for it.
        waiting: usize,
    },
}

struct Worker {
    queue: mpsc::UnboundedSender<Attempt>,
    line: Arc<Line>,
    task: JoinHandle<()>,
}

/// Delivers attempts. When it is dropped, deliveries under way are cut off: their outcome stays unknown.
pub struct Notifier {
    shared: Arc<Shared>,
    reports: mpsc::UnboundedSender<Report>,
    workers: Mutex<HashMap<Arc<str>, Worker>>,
    /// Of destinations that are gone; they finish what they have.
    leaving: Mutex<Vec<JoinHandle<()>>>,
}

impl Notifier {
    /// A notifier and what it reports: one [`Report`] for each attempt that it takes. Unread reports are as many as
    /// attempts without a known outcome, which queues bound.
    #[must_use]
    pub fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        bell: Option<Bell>,
    ) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let guard = Guard::new(&settings.allow_hosts);
        let (reports, receiver) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { settings, guard, clock, bell });
        let notifier = Self { shared, reports, workers: Mutex::default(), leaving: Mutex::default() };
        (notifier, receiver)
    }

    /// Takes an attempt. Must be called within a Tokio runtime; never waits.
    ///
    /// # Errors
    /// When too many wait for its destination.
    pub fn send(&self, attempt: Attempt) -> Result<(), Refused> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let destination = Arc::clone(&attempt.destination);
        let worker = workers.entry(Arc::clone(&destination)).or_insert_with(|| self.start());
        let most = self.shared.settings.queue;
        let full = worker.line.figures(|f| {
            if f.waiting >= most {
                f.refused += 1;
                return Some(f.waiting);
            }
            f.waiting += 1;
            None
        });
        if let Some(waiting) = full {
            return Err(Refused::Full { destination, waiting });
        }
        if let Err(mpsc::error::SendError(attempt)) = worker.queue.send(attempt) {
            // The worker is gone, which only a panic explains: another takes its place.
            *worker = self.start();
            worker.line.figures(|f| f.waiting = 1);
            let _ = worker.queue.send(attempt);
        }
        Ok(())
    }

    fn start(&self) -> Worker {
        let (queue, receiver) = mpsc::unbounded_channel();
        let line = Arc::new(Line::new(&self.shared.settings, self.shared.clock.now()));
        let (shared, reports) = (Arc::clone(&self.shared), self.reports.clone());
        let task = tokio::spawn(worker::run(receiver, shared, Arc::clone(&line), reports));
        Worker { queue, line, task }
    }

    /// Lets go of destinations that the configuration no longer has; what waits for them is still delivered.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Arc<str>> = workers.keys().filter(|name| !keep(name)).cloned().collect();
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        leaving.retain(|task| !task.is_finished());
        for name in gone {
            if let Some(worker) = workers.remove(&name) {
                leaving.push(worker.task);
            }
        }
    }

    /// Forgets everything that waits and cuts off what is under way; none of it is reported any more.
    pub fn withdraw(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        workers.drain().map(|(_, worker)| worker.task).chain(leaving.drain(..)).for_each(|task| task.abort());
    }

    /// How all destinations do, sorted by name.
    #[must_use]
    pub fn destinations(&self) -> Vec<DestinationStatus> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<DestinationStatus> =
            workers.iter().map(|(name, worker)| DestinationStatus::of(name, &worker.line)).collect();
        all.sort_by(|a, b| a.destination.cmp(&b.destination));
        all
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.withdraw();
    }
}
