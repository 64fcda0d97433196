//! One destination as all deliveries to it see it: its figures, its circuit, and the room for tries.

use std::sync::{Mutex, MutexGuard, PoisonError};

use quarterdeck_kernel::Timestamp;
use quarterdeck_resilience::Moment;
use quarterdeck_resilience::breaker::{Permit, View};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::Instant;

use crate::circuit::{self, Circuit, Found};
use crate::config::Settings;

/// What is known of a destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) waiting: usize,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) retries: u64,
    pub(crate) refused: u64,
    pub(crate) last_delivered: Option<Timestamp>,
    /// Since the last delivery.
    pub(crate) last_failure: Option<(Timestamp, String)>,
}

/// What a destination's worker, its deliveries and the notifier share.
#[derive(Debug)]
pub(crate) struct Line {
    figures: Mutex<Figures>,
    circuit: Mutex<Circuit>,
    /// When the last try began that was taken although others had failed before it.
    news: watch::Sender<Option<Instant>>,
    /// A notification that pauses takes no room: a few that are refused again and again keep no other from being tried.
    room: Semaphore,
    parallel: usize,
    /// When its clock began, and what time it was.
    begun: (Instant, Timestamp),
}

impl Line {
    pub(crate) fn new(settings: &Settings, now: Timestamp) -> Self {
        Self {
            figures: Mutex::default(),
            circuit: Mutex::new(Circuit::new(circuit::settings(), Moment::ZERO)),
            news: watch::Sender::new(None),
            room: Semaphore::new(settings.parallel),
            parallel: settings.parallel,
            begun: (Instant::now(), now),
        }
    }

    /// Changes or reads figures.
    pub(crate) fn figures<T>(&self, work: impl FnOnce(&mut Figures) -> T) -> T {
        work(&mut self.figures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Room for a try, in the order of asking; None once the deadline has come.
    pub(crate) async fn enter(&self, deadline: Instant) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout_at(deadline, self.room.acquire()).await.ok()?.ok()
    }

    /// Tries under way.
    pub(crate) fn running(&self) -> usize {
        self.parallel.saturating_sub(self.room.available_permits())
    }

    /// A try begins.
    pub(crate) fn begin(&self, now: Instant) -> Option<Permit> {
        self.circuit().begin(self.moment(now))
    }

    /// What came of a try that began then.
    pub(crate) fn end(&self, permit: Option<Permit>, began: Instant, found: Found) {
        let news = self.circuit().end(permit, found, self.moment(Instant::now()));
        if news {
            self.news.send_replace(Some(began));
        }
    }

    /// Returns when the destination, of which it was known that it failed, has taken something that was begun after this.
    pub(crate) async fn taken_since(&self, began: Instant) {
        let mut news = self.news.subscribe();
        // The sender lives as long as this does.
        let _ = news.wait_for(|at| at.is_some_and(|at| at > began)).await;
    }

    /// What the breaker has seen, and since when it has not been closed.
    pub(crate) fn breaker(&self, now: Instant) -> (View, Option<Timestamp>) {
        let (view, down) = self.circuit().view(self.moment(now));
        (view, down.map(|since| self.begun.1 + since))
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn moment(&self, at: Instant) -> Moment {
        at.saturating_duration_since(self.begun.0)
    }
}
