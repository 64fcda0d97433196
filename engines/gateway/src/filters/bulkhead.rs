//! The bulkhead of a route: so many requests at a time, so many in a queue, shared by all threads.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use quarterdeck_resilience::Moment;
use quarterdeck_resilience::bulkhead::{Bulkhead, Entry, Settings, Ticket, View};
use tokio::sync::oneshot;

use crate::clock;

/// A bulkhead and those who wait before it.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bulkhead: Bulkhead,
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

/// A place within. It is free again when this is dropped.
#[derive(Debug)]
pub struct Place(Arc<Gate>);

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// Not even to wait.
    Full,
    /// It was waited for in vain.
    Waited,
}

impl Gate {
    /// An empty one.
    #[must_use]
    pub fn new(settings: Settings) -> Arc<Self> {
        let state = State { bulkhead: Bulkhead::new(settings), waiting: HashMap::new() };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// Goes in, or waits for a place.
    ///
    /// # Errors
    /// When there is none.
    pub async fn enter(self: &Arc<Self>) -> Result<Place, NoRoom> {
        let now = clock::now();
        let (mut waiting, called, until) = {
            let mut state = self.state.lock();
            match state.bulkhead.enter(now) {
                Entry::Run => return Ok(Place(Arc::clone(self))),
                Entry::Full => return Err(NoRoom::Full),
                Entry::Wait(ticket, until) => {
                    let (call, called) = oneshot::channel();
                    state.waiting.insert(ticket, call);
                    (Waiting { gate: Arc::clone(self), ticket: Some(ticket) }, called, until)
                }
            }
        };
        if let Ok(Ok(())) = tokio::time::timeout(until.saturating_sub(now), called).await {
            waiting.ticket = None;
            return Ok(Place(Arc::clone(self)));
        }
        waiting.give_up(clock::now()).ok_or(NoRoom::Waited)
    }

    fn call(state: &mut State, mut called: Option<Ticket>, now: Moment) {
        while let Some(ticket) = called {
            if state.waiting.remove(&ticket).is_some_and(|call| call.send(()).is_ok()) {
                return;
            }
            // Whoever was called has gone away meanwhile: the next.
            called = state.bulkhead.leave(now);
        }
    }

    /// Takes new settings.
    pub fn configure(&self, settings: Settings) {
        let now = clock::now();
        let mut state = self.state.lock();
        state.bulkhead.configure(settings);
        while let Some(ticket) = state.bulkhead.call(now) {
            Self::call(&mut state, Some(ticket), now);
        }
    }

    /// What it holds and has seen.
    #[must_use]
    pub fn view(&self) -> View {
        self.state.lock().bulkhead.view()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = clock::now();
        let mut state = self.0.state.lock();
        let called = state.bulkhead.leave(now);
        Gate::call(&mut state, called, now);
    }
}

/// One who waits. Gives its place in the queue up when it is dropped.
struct Waiting {
    gate: Arc<Gate>,
    ticket: Option<Ticket>,
}

impl Waiting {
    /// Stops waiting. The place, if one was given in the very moment.
    fn give_up(&mut self, now: Moment) -> Option<Place> {
        let ticket = self.ticket.take()?;
        let mut state = self.gate.state.lock();
        // Who still stands here was never called. Others whose time is up look for themselves.
        if state.waiting.remove(&ticket).is_some() {
            state.bulkhead.expire(now);
            state.bulkhead.cancel(ticket);
            return None;
        }
        Some(Place(Arc::clone(&self.gate)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A place that came too late goes to the next.
        drop(self.give_up(clock::now()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn gate(wait: Duration) -> Arc<Gate> {
        Gate::new(Settings { concurrency: 1, queue: 1, wait })
    }

    #[tokio::test]
    async fn places_go_to_who_waits() {
        let gate = gate(Duration::from_secs(60));
        let place = gate.enter().await.unwrap();
        let other = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter().await.map(drop) }
        });
        while gate.view().waiting == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(gate.enter().await.unwrap_err(), NoRoom::Full);
        drop(place);
        assert_eq!(other.await.unwrap(), Ok(()));
        assert_eq!((gate.view().running, gate.view().waiting, gate.view().refused), (0, 0, 1));
    }

    #[tokio::test]
    async fn two_whose_time_is_up_at_once_both_wait_in_vain() {
        let wait = Duration::from_millis(20);
        let gate = Gate::new(Settings { concurrency: 1, queue: 2, wait });
        let place = gate.enter().await.unwrap();
        let (one, two) = tokio::join!(gate.enter(), gate.enter());
        assert!(one.is_err() && two.is_err());
        assert_eq!((gate.view().running, gate.view().waiting), (1, 0));
        drop(place);
        assert_eq!(gate.view().running, 0);
    }

    #[tokio::test]
    async fn who_waits_in_vain_or_goes_away_leaves_nothing_behind() {
        let gate = gate(Duration::from_millis(20));
        let place = gate.enter().await.unwrap();
        assert_eq!(gate.enter().await.unwrap_err(), NoRoom::Waited);
        let gone = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter().await.map(drop) }
        });
        while gate.view().waiting == 0 {
            tokio::task::yield_now().await;
        }
        gone.abort();
        let _ = gone.await;
        drop(place);
        let view = gate.view();
        assert_eq!((view.running, view.waiting, view.expired), (0, 0, 1));
        assert!(gate.enter().await.is_ok());
    }
}
