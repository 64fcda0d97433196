//! The memory of answers (RFC 9111, as a shared cache): only what may be kept is kept, one request at a time fetches what is
//! missing, and an answer that is past its time may still be given when the service fails.

mod asked;
mod believed;
mod condition;
mod control;
mod entry;
mod fill;
mod flight;
mod known;
mod pattern;
mod purge;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use moka::notification::RemovalCause;
use moka::sync::Cache;

pub use self::asked::Asked;
pub use self::condition::Conditions;
pub(crate) use self::condition::TOLD;
use self::entry::ByEntry;
pub use self::entry::Entry;
pub use self::fill::{Filling, Ticket};
use self::flight::{End, Flights, Seat, Turn};
use self::known::{Kind, Known};
pub use self::pattern::matches;
use self::purge::Purges;
use crate::config::CacheConfig;
use crate::config::filters::CacheRule;
use crate::problem::Code;

/// What the cache has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Answers from it.
    pub hits: u64,
    /// Requests that had to be passed on.
    pub misses: u64,
    /// Answers past their time, because the service failed.
    pub stale: u64,
    /// Requests that waited for another's answer.
    pub waited: u64,
    /// Answers that made way for others.
    pub evictions: u64,
    /// Answers taken out by an operator.
    pub purged: u64,
    /// Answers it holds.
    pub entries: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// Bytes they may take.
    pub capacity: u64,
}

/// The cache, shared by all threads.
#[derive(Debug)]
pub struct Answers {
    entries: Cache<Arc<str>, Arc<Entry>>,
    known: Known,
    flights: Arc<Flights>,
    purges: Purges,
    largest: usize,
    capacity: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    waited: AtomicU64,
    purged: AtomicU64,
    evictions: Arc<AtomicU64>,
}

/// What the cache says to a request.
#[derive(Debug)]
pub enum Lookup {
    /// Here it is.
    Hit(Arc<Entry>),
    /// It must be fetched, and may be kept. What is past its time may be given if that fails.
    Miss(Ticket, Option<Arc<Entry>>),
    /// It is past its time, but who went to fetch it found the service failing.
    Stale(Arc<Entry>),
    /// Those who went to fetch it found the service failing, and there is nothing to give instead.
    Failed(Code),
    /// It is none of the cache's business.
    Bypass,
}

impl Answers {
    /// An empty cache.
    #[must_use]
    pub fn new(config: &CacheConfig) -> Arc<Self> {
        let evictions = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&evictions);
        let entries = Cache::builder()
            .max_capacity(config.bytes)
            .weigher(|_: &Arc<str>, entry: &Arc<Entry>| u32::try_from(entry.size()).unwrap_or(u32::MAX))
            .expire_after(ByEntry)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counted.fetch_add(1, Relaxed);
                }
            })
            .build();
        Arc::new(Self {
            entries,
            known: Known::default(),
            flights: Arc::default(),
            purges: Purges::default(),
            largest: config.largest,
            capacity: config.bytes,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            purged: AtomicU64::new(0),
            evictions,
        })
    }

    /// Looks for an answer; waits while another request fetches it, at the longest for `patience`. Of all who ask for the same
    /// at a time one goes to the service. When it comes back with nothing the next one goes, and when what it brings cannot be
    /// kept they all do, and so do those who come in the next seconds.
    pub async fn look(self: &Arc<Self>, asked: &Asked<'_>, rule: &CacheRule, patience: Duration) -> Lookup {
        let Some(times) = rule.times(asked.plain) else { return Lookup::Bypass };
        let Some((key, credentials)) = asked.key(rule) else { return Lookup::Bypass };
        let key: Arc<str> = key.into();
        let until = crate::server::alarm::deadline(patience);
        let mut seat: Option<Seat> = None;
        let mut waited = false;
        let began = std::time::Instant::now();
        loop {
            let found = self.entries.get(&key).filter(|entry| entry.public || !credentials);
            if let Some(entry) = &found
                && entry.is_fresh()
                && (!asked.anew || entry.stored > began)
            {
                self.hits.fetch_add(u64::from(!asked.anew), Relaxed);
                return Lookup::Hit(Arc::clone(entry));
            }
            // Callers that say who they are get nobody else's answer, unless it is for all: what would they wait for?
            let together = match self.known.of(&key) {
                Some(Kind::Unkept) => false,
                Some(Kind::Public) => true,
                None => !credentials,
            };
            if !together {
                return self.miss(asked, (key, times), None, credentials, found);
            }
            // The turn in hand, it has been looked for once more: whoever had it before may have brought the answer.
            if let Some(own) = seat.take_if(|seat| seat.leads()) {
                return self.miss(asked, (key, times), Some(own), credentials, found);
            }
            let own = seat.get_or_insert_with(|| self.flights.join(&key));
            if own.leads() {
                continue;
            }
            if !std::mem::replace(&mut waited, true) {
                self.waited.fetch_add(1, Relaxed);
            }
            match own.wait(until).await {
                Turn::Mine => {}
                Turn::Ended(End::Kept) => seat = None,
                Turn::Ended(End::Unkept) | Turn::TooLong(true) => {
                    return self.miss(asked, (key, times), None, credentials, found);
                }
                Turn::Ended(End::Failed(code)) => return self.failed(found, code),
                Turn::TooLong(false) => return self.failed(found, Code::Timeout),
            }
        }
    }

    fn miss(
        self: &Arc<Self>,
        asked: &Asked<'_>,
        (key, times): (Arc<str>, (Duration, Duration)),
        seat: Option<Seat>,
        credentials: bool,
        found: Option<Arc<Entry>>,
    ) -> Lookup {
        self.misses.fetch_add(u64::from(!asked.anew), Relaxed);
        let ticket = Ticket {
            answers: Arc::clone(self),
            key,
            times,
            seat,
            url: Arc::from(format!("{}{}", asked.host, asked.path)),
            credentials,
            stale: found.is_some(),
            generation: self.purges.now(),
        };
        Lookup::Miss(ticket, found)
    }

    fn failed(&self, found: Option<Arc<Entry>>, code: Code) -> Lookup {
        match found {
            Some(entry) => {
                self.gave_stale();
                Lookup::Stale(entry)
            }
            None => {
                self.misses.fetch_add(1, Relaxed);
                Lookup::Failed(code)
            }
        }
    }

    /// An answer past its time was given.
    pub fn gave_stale(&self) {
        self.stale.fetch_add(1, Relaxed);
    }

    /// What it has done and holds.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.entries.run_pending_tasks();
        CacheCounts {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            stale: self.stale.load(Relaxed),
            waited: self.waited.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
            purged: self.purged.load(Relaxed),
            entries: self.entries.entry_count(),
            bytes: self.entries.weighted_size(),
            capacity: self.capacity,
        }
    }
}
