//! What a target exposed last time: from the series as written on the page to the store's id.
//!
//! Pages come in the same order scrape after scrape, so the entry behind the last hit is tried first: one
//! comparison of bytes and no hash. Only what is not there is looked up, and only what is new is taken apart.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};
use quarterdeck_metrics::SeriesId;

/// What a series as written comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// A series of the store.
    Series(SeriesId),
    /// Metric relabelling drops it.
    Dropped,
    /// Not resolved, or its series has gone: to be resolved when it is seen next.
    Unresolved,
}

/// Never given out by the store as long as fewer than 2⁶⁴ − 2 series were made.
const DROPPED: u64 = u64::MAX;
const UNRESOLVED: u64 = u64::MAX - 1;

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    len: u32,
    id: u64,
    /// The scrape that saw it last.
    seen: u32,
    /// It has a sample that no stale marker has ended.
    live: bool,
    /// It takes part in staleness: its samples carry the scrape's own time.
    tracked: bool,
}

/// The memory of one target.
#[derive(Debug, Default)]
pub(crate) struct SeriesCache {
    /// Series as written, one after the other.
    text: String,
    entries: Vec<Entry>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Where the next series is expected.
    cursor: usize,
    /// The scrape under way.
    scrape: u32,
    /// Live series whose text no longer counts: their job's rules changed. They end unless they are seen again.
    orphans: Vec<SeriesId>,
}

/// Scrapes for which an entry that vanished is still no news when it returns, as in Prometheus.
const FORGET_AFTER: u32 = 2;

impl SeriesCache {
    /// A scrape begins.
    pub(crate) fn begin(&mut self) {
        self.scrape = self.scrape.wrapping_add(1);
        self.cursor = 0;
    }

    fn written(&self, index: usize) -> &str {
        self.entries.get(index).map_or("", |e| &self.text[e.start as usize..(e.start + e.len) as usize])
    }

    /// The entry of a series as written.
    pub(crate) fn find(&mut self, series: &str) -> Option<usize> {
        if self.written(self.cursor) == series && self.cursor < self.entries.len() {
            self.cursor += 1;
            return Some(self.cursor - 1);
        }
        let hash = self.hasher.hash_one(series);
        let found = *self.table.find(hash, |index| self.written(*index as usize) == series)?;
        self.cursor = found as usize + 1;
        Some(found as usize)
    }

    /// Adds a series that [`SeriesCache::find`] did not find. None when the memory is full (4 GiB of text).
    pub(crate) fn insert(&mut self, series: &str) -> Option<usize> {
        let (start, len) = (u32::try_from(self.text.len()).ok()?, u32::try_from(series.len()).ok()?);
        start.checked_add(len)?;
        let index = u32::try_from(self.entries.len()).ok()?;
        self.text.push_str(series);
        self.entries.push(Entry { start, len, id: UNRESOLVED, seen: 0, live: false, tracked: false });
        let hash = self.hasher.hash_one(series);
        let (text, entries, hasher) = (&self.text, &self.entries, &self.hasher);
        self.table.insert_unique(hash, index, |i| {
            entries
                .get(*i as usize)
                .map_or(0, |e| hasher.hash_one(&text[e.start as usize..(e.start + e.len) as usize]))
        });
        Some(index as usize)
    }

    /// Marks an entry as seen. Says whether this scrape had seen it before.
    pub(crate) fn see(&mut self, index: usize, tracked: bool) -> bool {
        let Some(entry) = self.entries.get_mut(index) else { return false };
        let again = entry.seen == self.scrape;
        entry.seen = self.scrape;
        // A page that gives the series both with and without a time of its own counts as tracked.
        entry.tracked = tracked || (again && entry.tracked);
        again
    }

    /// Whether an entry that has just been found counts as new: it has been away for several scrapes.
    pub(crate) fn is_forgotten(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|e| self.scrape.wrapping_sub(e.seen) > FORGET_AFTER)
    }

    /// What the entry comes to.
    pub(crate) fn known(&self, index: usize) -> Known {
        match self.entries.get(index).map_or(UNRESOLVED, |e| e.id) {
            UNRESOLVED => Known::Unresolved,
            DROPPED => Known::Dropped,
            id => Known::Series(SeriesId(id)),
        }
    }

    /// Sets what the entry comes to.
    pub(crate) fn resolve(&mut self, index: usize, known: Known) {
        if let Some(entry) = self.entries.get_mut(index) {
            entry.id = match known {
                Known::Series(id) => id.0,
                Known::Dropped => DROPPED,
                Known::Unresolved => UNRESOLVED,
            };
        }
    }

    /// A series that two different texts of this scrape come to, if there is one.
    pub(crate) fn collision(&self) -> Option<(&str, &str)> {
        let mut seen: Vec<(u64, usize)> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| e.seen == self.scrape && e.tracked && e.id < UNRESOLVED)
            .map(|(index, e)| (e.id, index))
            .collect();
        seen.sort_unstable();
        seen.windows(2).find(|w| w[0].0 == w[1].0).map(|w| (self.written(w[0].1), self.written(w[1].1)))
    }

    /// The series to end: after a good page those it did not have, after a bad one (`all`) every one.
    pub(crate) fn ended(&self, all: bool, mut each: impl FnMut(SeriesId)) {
        for entry in &self.entries {
            if entry.live && entry.id < UNRESOLVED && (all || entry.seen != self.scrape) {
                each(SeriesId(entry.id));
            }
        }
        if self.orphans.is_empty() {
            return;
        }
        let mut kept: Vec<u64> = Vec::new();
        if !all {
            kept.extend(self.entries.iter().filter(|e| e.seen == self.scrape).map(|e| e.id));
            kept.sort_unstable();
        }
        for id in self.orphans.iter().filter(|id| kept.binary_search(&id.0).is_err()) {
            each(*id);
        }
    }

    /// The scrape is in the store: what it saw is live, what it did not has ended.
    pub(crate) fn commit(&mut self, failed: bool) {
        self.orphans.clear();
        let mut dead = 0;
        for entry in &mut self.entries {
            entry.live = !failed && entry.seen == self.scrape && entry.tracked && entry.id < UNRESOLVED;
            dead += usize::from(self.scrape.wrapping_sub(entry.seen) > FORGET_AFTER);
        }
        // A target that is down keeps its memory, so that its return is cheap.
        if !failed && dead > 64 && dead * 2 > self.entries.len() {
            self.compact();
        }
    }

    /// Forgets ids that the store no longer has.
    ///
    /// `ids` is sorted.
    pub(crate) fn forget(&mut self, ids: &[SeriesId]) {
        for entry in &mut self.entries {
            if ids.binary_search(&SeriesId(entry.id)).is_ok() {
                entry.id = UNRESOLVED;
                entry.live = false;
            }
        }
    }

    /// The rules that led from texts to series have changed: every text is looked at anew. Live series stay known
    /// until the next scrape has shown which of them are still there.
    pub(crate) fn reset(&mut self) {
        let live = self.entries.iter().filter(|e| e.live && e.id < UNRESOLVED).map(|e| SeriesId(e.id));
        self.orphans.extend(live);
        self.text.clear();
        self.entries.clear();
        self.table.clear();
        self.cursor = 0;
    }

    /// Drops what has been away for long, keeping the order.
    fn compact(&mut self) {
        let text = std::mem::take(&mut self.text);
        let entries = std::mem::take(&mut self.entries);
        self.table = HashTable::new();
        for entry in entries {
            if self.scrape.wrapping_sub(entry.seen) > FORGET_AFTER {
                continue;
            }
            let written = &text[entry.start as usize..(entry.start + entry.len) as usize];
            if let Some(index) = self.insert(written)
                && let Some(new) = self.entries.get_mut(index)
            {
                *new = Entry { start: new.start, len: new.len, ..entry };
            }
        }
        self.cursor = 0;
    }

    /// How many texts are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(cache: &mut SeriesCache, series: &[&str]) -> Vec<u64> {
        cache.begin();
        for text in series {
            let index = cache.find(text).or_else(|| cache.insert(text)).unwrap();
            cache.see(index, true);
            if cache.known(index) == Known::Unresolved {
                let id = text.bytes().fold(7u64, |h, b| h * 31 + u64::from(b));
                cache.resolve(index, Known::Series(SeriesId(id)));
            }
        }
        let mut ended = Vec::new();
        cache.ended(false, |id| ended.push(id.0));
        cache.commit(false);
        ended
    }

    #[test]
    fn vanished_series_end_once() {
        let mut cache = SeriesCache::default();
        assert!(scrape(&mut cache, &["a", "b", "c"]).is_empty());
        assert_eq!(scrape(&mut cache, &["a", "c"]).len(), 1);
        assert!(scrape(&mut cache, &["a", "c"]).is_empty());
        assert!(
            scrape(&mut cache, &["c", "b", "a"]).is_empty(),
            "order does not matter, returning is no end"
        );
    }

    #[test]
    fn a_failure_ends_all_and_the_return_is_remembered() {
        let mut cache = SeriesCache::default();
        scrape(&mut cache, &["a", "b"]);
        cache.begin();
        let mut ended = 0;
        cache.ended(true, |_| ended += 1);
        cache.commit(true);
        assert_eq!(ended, 2);
        cache.begin();
        cache.ended(true, |_| ended += 1);
        assert_eq!(ended, 2, "what has ended does not end again");
        assert!(cache.find("a").is_some());
    }

    #[test]
    fn memory_is_given_back_when_series_churn() {
        let mut cache = SeriesCache::default();
        for round in 0..50 {
            let names: Vec<String> = (0..100).map(|i| format!("series_{round}_{i}")).collect();
            scrape(&mut cache, &names.iter().map(String::as_str).collect::<Vec<_>>());
        }
        assert!(cache.len() <= 600, "{} entries", cache.len());
        let index = cache.find("series_49_99").unwrap();
        assert_ne!(cache.known(index), Known::Unresolved, "what is still exposed keeps its id");
    }

    #[test]
    fn after_a_reset_only_what_is_gone_ends() {
        let mut cache = SeriesCache::default();
        scrape(&mut cache, &["a", "b"]);
        cache.reset();
        assert_eq!(scrape(&mut cache, &["b", "c"]).len(), 1);
    }
}
