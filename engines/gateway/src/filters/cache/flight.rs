//! One fetches and the others wait: how the turn is taken, handed on and ended.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::problem::Code;

/// So many fetches in a row may fail before all who wait are told so: whoever comes next tries anew.
const TRIES: u32 = 3;

/// How a fetch has ended for those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The answer is there.
    Kept,
    /// It cannot be kept: each fetches its own.
    Unkept,
    /// The service fails.
    Failed(Code),
}

/// What somebody who waited finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is theirs to fetch.
    Mine,
    /// Nobody has to wait any more.
    Ended(End),
    /// It has taken too long; whether the answer is on its way.
    TooLong(bool),
}

/// A fetch, and those who wait for it in the order in which they came.
#[derive(Debug)]
struct Flight {
    /// One permit: who has it fetches. Closed when nobody has to wait any more.
    turn: Arc<Semaphore>,
    failed: AtomicU32,
    end: OnceLock<End>,
    flowing: AtomicBool,
}

/// A fetch and how many are at it.
type Attended = (Arc<Flight>, usize);

/// The fetches under way. No more than there are requests.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Arc<str>, Attended>>);

/// A place at a fetch: whose turn it is when this is dropped, the next has it.
#[derive(Debug)]
pub(super) struct Seat {
    flights: Arc<Flights>,
    key: Arc<str>,
    flight: Arc<Flight>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Flights {
    /// Takes a place at the fetch of a key, and the turn if it is free.
    pub(super) fn join(self: &Arc<Self>, key: &Arc<str>) -> Seat {
        let mut all = self.0.lock();
        let (flight, seats) = all.entry(Arc::clone(key)).or_insert_with(|| {
            let flight = Flight {
                turn: Arc::new(Semaphore::new(1)),
                failed: AtomicU32::new(0),
                end: OnceLock::new(),
                flowing: AtomicBool::new(false),
            };
            (Arc::new(flight), 0)
        });
        *seats += 1;
        let turn = Arc::clone(&flight.turn).try_acquire_owned().ok();
        Seat { flights: Arc::clone(self), key: Arc::clone(key), flight: Arc::clone(flight), turn }
    }

    /// How many keys are being fetched.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.0.lock().len()
    }
}

impl Seat {
    /// Whether it is the turn of this one.
    pub(super) fn leads(&self) -> bool {
        self.turn.is_some()
    }

    /// Waits for the turn or the end.
    pub(super) async fn wait(&mut self, until: Instant) -> Turn {
        if self.turn.is_some() {
            return Turn::Mine;
        }
        match timeout_at(until, Arc::clone(&self.flight.turn).acquire_owned()).await {
            Ok(Ok(turn)) => {
                self.turn = Some(turn);
                Turn::Mine
            }
            Ok(Err(_)) => Turn::Ended(self.flight.end.get().copied().unwrap_or(End::Unkept)),
            Err(_) => Turn::TooLong(self.flight.flowing.load(Relaxed)),
        }
    }

    /// The answer has begun to come and will be kept.
    pub(super) fn flows(&self) {
        self.flight.flowing.store(true, Relaxed);
    }

    /// Nobody has to wait any more. Who comes from here on begins anew.
    pub(super) fn end(&self, end: End) {
        // Only once: the first says how it was.
        let _ = self.flight.end.set(end);
        let mut all = self.flights.0.lock();
        if all.get(&self.key).is_some_and(|(flight, _)| Arc::ptr_eq(flight, &self.flight)) {
            all.remove(&self.key);
        }
        drop(all);
        self.flight.turn.close();
    }

    /// The fetch has failed: the next may try, unless all have something else to give or it has failed too often.
    pub(super) fn fail(&self, code: Code, stale: bool) {
        let failed = self.flight.failed.fetch_add(1, Relaxed) + 1;
        if stale || failed >= TRIES {
            self.end(End::Failed(code));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut all = self.flights.0.lock();
        if let Some((flight, seats)) = all.get_mut(&self.key)
            && Arc::ptr_eq(flight, &self.flight)
        {
            *seats -= 1;
            if *seats == 0 {
                all.remove(&self.key);
            }
        }
        drop(all);
        // Before another looks at what is on its way: nothing is any more.
        if self.turn.is_some() {
            self.flight.flowing.store(false, Relaxed);
        }
    }
}
