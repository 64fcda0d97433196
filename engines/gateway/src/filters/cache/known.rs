//! What is known of answers that are not there: whether waiting for one another is of any use.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;

/// For so long nobody waits for an answer that could not be kept.
const UNKEPT: Duration = Duration::from_secs(10);
/// For so long it is remembered that an answer was for all.
const PUBLIC: Duration = Duration::from_secs(3600);
/// Of so many keys; a few bytes each.
const MOST: u64 = 16_384;

/// What the last answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It could not be kept.
    Unkept,
    /// It was for all, also for those who say who they are.
    Public,
}

/// By the hash of a key: where two have the same, one is waited for in vain or not at all, and nothing worse.
#[derive(Debug)]
pub(super) struct Known {
    kinds: Cache<u64, Kind>,
    hasher: RandomState,
}

struct ByKind;

impl Expiry<u64, Kind> for ByKind {
    fn expire_after_create(&self, _: &u64, kind: &Kind, _: Instant) -> Option<Duration> {
        Some(match kind {
            Kind::Unkept => UNKEPT,
            Kind::Public => PUBLIC,
        })
    }

    fn expire_after_update(
        &self,
        key: &u64,
        kind: &Kind,
        now: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, kind, now)
    }
}

impl Default for Known {
    fn default() -> Self {
        let kinds = Cache::builder().max_capacity(MOST).expire_after(ByKind).build();
        Self { kinds, hasher: RandomState::new() }
    }
}

impl Known {
    pub(super) fn of(&self, key: &str) -> Option<Kind> {
        self.kinds.get(&self.hasher.hash_one(key))
    }

    /// None: as if nothing had been asked yet.
    pub(super) fn set(&self, key: &str, kind: Option<Kind>) {
        let hash = self.hasher.hash_one(key);
        match kind {
            Some(kind) => self.kinds.insert(hash, kind),
            None => self.kinds.invalidate(&hash),
        }
    }
}
