//! The bulkhead: so many at a time, so many in a queue for so long, and no more (Nygard, "Release It!"; named after the
//! walls that keep one leak from sinking the ship).

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Moment;

/// How much there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How many may run at a time.
    pub concurrency: u32,
    /// How many may wait.
    pub queue: u32,
    /// How long one may wait.
    pub wait: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { concurrency: 100, queue: 100, wait: Duration::from_secs(1) }
    }
}

/// Names one who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The answer to one who wants to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Go. Say [`Bulkhead::leave`] when done.
    Run,
    /// Wait until the ticket is called, at the longest until this moment.
    Wait(Ticket, Moment),
    /// No room, not even to wait.
    Full,
}

/// What a bulkhead holds and has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    /// How many run.
    pub running: u32,
    /// How many wait.
    pub waiting: u32,
    /// How many may run.
    pub concurrency: u32,
    /// How many may wait.
    pub queue: u32,
    /// How many were let in since the beginning.
    pub entered: u64,
    /// How many were sent away because there was no room.
    pub refused: u64,
    /// How many waited in vain.
    pub expired: u64,
}

/// A bulkhead. First come, first served.
#[derive(Debug)]
pub struct Bulkhead {
    settings: Settings,
    running: u32,
    waiting: VecDeque<(Ticket, Moment)>,
    next: u64,
    entered: u64,
    refused: u64,
    expired: u64,
}

impl Bulkhead {
    /// An empty one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let waiting = VecDeque::new();
        Self { settings, running: 0, waiting, next: 0, entered: 0, refused: 0, expired: 0 }
    }

    /// Somebody wants to run.
    pub fn enter(&mut self, now: Moment) -> Entry {
        // Those whose time is up make way even before somebody has told them.
        let alive = self.waiting.iter().any(|(_, until)| *until > now);
        if self.running < self.settings.concurrency && !alive {
            self.running += 1;
            self.entered += 1;
            return Entry::Run;
        }
        if self.waiting.len() >= self.settings.queue as usize {
            self.refused += 1;
            return Entry::Full;
        }
        self.next += 1;
        let (ticket, until) = (Ticket(self.next), now.saturating_add(self.settings.wait));
        self.waiting.push_back((ticket, until));
        Entry::Wait(ticket, until)
    }

    /// One is done. Whoever is called next runs from now on; those whose time was up before are passed over, and will be
    /// told by [`Bulkhead::expire`].
    pub fn leave(&mut self, now: Moment) -> Option<Ticket> {
        self.running = self.running.saturating_sub(1);
        self.call(now)
    }

    /// The next who may run, if there is room: after a change of the settings there may be room for more than one.
    pub fn call(&mut self, now: Moment) -> Option<Ticket> {
        if self.running >= self.settings.concurrency {
            return None;
        }
        let next = self.waiting.iter().position(|(_, until)| *until > now)?;
        let (ticket, _) = self.waiting.remove(next)?;
        self.running += 1;
        self.entered += 1;
        Some(ticket)
    }

    /// Those who waited in vain.
    pub fn expire(&mut self, now: Moment) -> Vec<Ticket> {
        let mut gone = Vec::new();
        self.waiting.retain(|(ticket, until)| {
            let stays = *until > now;
            if !stays {
                gone.push(*ticket);
            }
            stays
        });
        self.expired += gone.len() as u64;
        gone
    }

    /// One who waited went away. False when it does not wait: it has been called, and must leave.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|(other, _)| *other != ticket);
        self.waiting.len() < before
    }

    /// When the next waits in vain.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Moment> {
        self.waiting.iter().map(|(_, until)| *until).min()
    }

    /// Takes new settings: nobody who runs or waits is sent away.
    pub fn configure(&mut self, settings: Settings) {
        self.settings = settings;
    }

    /// What it holds and has seen.
    #[must_use]
    pub fn view(&self) -> View {
        View {
            running: self.running,
            waiting: u32::try_from(self.waiting.len()).unwrap_or(u32::MAX),
            concurrency: self.settings.concurrency,
            queue: self.settings.queue,
            entered: self.entered,
            refused: self.refused,
            expired: self.expired,
        }
    }
}
