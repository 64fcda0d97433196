//! Taking answers out, also those that are still on their way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Answers;
use super::pattern::{matches, path_of};

/// So many purges are remembered; an answer that has been on its way for longer is not kept.
const REMEMBERED: usize = 64;

/// What has been purged lately.
#[derive(Debug, Default)]
pub(super) struct Purges {
    /// How many there have been.
    count: AtomicU64,
    recent: Mutex<VecDeque<Purge>>,
}

#[derive(Debug)]
struct Purge {
    route: Option<String>,
    pattern: String,
}

impl Purge {
    fn takes(&self, route: &str, url: &str) -> bool {
        self.route.as_ref().is_none_or(|own| own == route)
            && (matches(&self.pattern, url) || matches(&self.pattern, path_of(url)))
    }
}

impl Purges {
    /// The generation: how many purges there have been.
    pub(super) fn now(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    fn record(&self, purge: Purge) {
        let mut recent = self.recent.lock();
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(purge);
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether something has been purged since a generation.
    pub(super) fn took(&self, since: u64, route: &str, url: &str) -> bool {
        if self.now() == since {
            return false;
        }
        let recent = self.recent.lock();
        let behind = usize::try_from(self.now().saturating_sub(since)).unwrap_or(usize::MAX);
        behind > recent.len() || recent.iter().rev().take(behind).any(|purge| purge.takes(route, url))
    }
}

impl Answers {
    /// How many purges there have been.
    pub(crate) fn purges(&self) -> u64 {
        self.purges.now()
    }

    /// Whether an answer of a route has been purged since there were so many.
    pub(crate) fn purged(&self, since: u64, route: &str, url: &str) -> bool {
        self.purges.took(since, route, url)
    }

    /// Takes out every answer of a route (None: of all) whose host and path match a pattern with `*`, and those that are being
    /// fetched. How many there were of the former.
    pub fn purge(&self, route: Option<&str>, pattern: &str) -> u64 {
        let purge = || Purge { route: route.map(str::to_owned), pattern: pattern.to_owned() };
        // First: what comes from here on has been fetched before, and is not kept.
        self.purges.record(purge());
        let purge = purge();
        let matching = self.entries.iter().filter(|(_, entry)| purge.takes(&entry.route, &entry.url));
        let keys: Vec<Arc<str>> = matching.map(|(key, _)| (*key).clone()).collect();
        for key in &keys {
            self.entries.invalidate(key);
        }
        self.purged.fetch_add(keys.len() as u64, Ordering::Relaxed);
        keys.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_purged_since_is_known() {
        let purges = Purges::default();
        let purge =
            |pattern: &str| purges.record(Purge { route: Some("r".to_owned()), pattern: pattern.to_owned() });
        purge("/a*");
        let since = purges.now();
        assert!(!purges.took(since, "r", "h/a"), "that was before");
        purge("/b*");
        assert!(purges.took(since, "r", "h/b/1"));
        assert!(!purges.took(since, "r", "h/a") && !purges.took(since, "s", "h/b/1"));
        for _ in 0..REMEMBERED {
            purge("/c");
        }
        assert!(purges.took(since, "r", "h/a"), "nobody remembers so much");
    }
}
