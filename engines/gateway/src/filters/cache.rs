//! The memory of answers (RFC 9111, as a shared cache): only what may be kept is kept, one request at a time fetches what is
//! missing, and an answer that is past its time may still be given when the service fails.

mod asked;
mod believed;
mod control;
mod entry;
mod fill;
mod pattern;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use moka::notification::RemovalCause;
use moka::sync::Cache;
use parking_lot::Mutex;
use tokio::sync::watch;

pub use self::asked::Asked;
use self::entry::ByEntry;
pub use self::entry::Entry;
pub use self::fill::{Filling, Ticket};
pub use self::pattern::matches;
use self::pattern::path_of;
use crate::config::CacheConfig;
use crate::config::filters::CacheRule;

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
    flights: Mutex<HashMap<Arc<str>, watch::Receiver<()>>>,
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
            flights: Mutex::default(),
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

    /// Looks for an answer; waits while another request fetches it, at the longest for `patience`.
    pub async fn look(self: &Arc<Self>, asked: &Asked<'_>, rule: &CacheRule, patience: Duration) -> Lookup {
        let Some((key, credentials)) = asked.key(rule) else { return Lookup::Bypass };
        let key: Arc<str> = key.into();
        let mut waited = false;
        loop {
            let found = self.entries.get(&key).filter(|entry| entry.public || !credentials);
            if let Some(entry) = &found
                && entry.is_fresh()
            {
                self.hits.fetch_add(1, Relaxed);
                return Lookup::Hit(Arc::clone(entry));
            }
            // Callers that say who they are get nobody else's answer: there is nothing to wait for.
            let ahead = if credentials { None } else { self.flights.lock().get(&key).cloned() };
            if let Some(mut ahead) = ahead.filter(|_| !waited) {
                waited = true;
                self.waited.fetch_add(1, Relaxed);
                // It ends when the one that fetches has done so, or has given up.
                let _ = tokio::time::timeout(patience, ahead.changed()).await;
                continue;
            }
            self.misses.fetch_add(1, Relaxed);
            let flight = if credentials { None } else { self.take_off(&key) };
            let url = Arc::from(format!("{}{}", asked.host, asked.path));
            let ticket = Ticket { answers: Arc::clone(self), key, flight, url, credentials };
            return Lookup::Miss(ticket, found);
        }
    }

    fn take_off(&self, key: &Arc<str>) -> Option<watch::Sender<()>> {
        let mut flights = self.flights.lock();
        if flights.contains_key(key) {
            return None;
        }
        let (flight, waiting) = watch::channel(());
        flights.insert(Arc::clone(key), waiting);
        Some(flight)
    }

    /// An answer past its time was given.
    pub fn gave_stale(&self) {
        self.stale.fetch_add(1, Relaxed);
    }

    /// Takes out every answer of a route (None: of all) whose host and path match a pattern with `*`. How many there were.
    pub fn purge(&self, route: Option<&str>, pattern: &str) -> u64 {
        let matching = self.entries.iter().filter(|(_, entry)| {
            route.is_none_or(|route| &*entry.route == route)
                && (matches(pattern, &entry.url) || matches(pattern, path_of(&entry.url)))
        });
        let keys: Vec<Arc<str>> = matching.map(|(key, _)| (*key).clone()).collect();
        for key in &keys {
            self.entries.invalidate(key);
        }
        self.purged.fetch_add(keys.len() as u64, Relaxed);
        keys.len() as u64
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
