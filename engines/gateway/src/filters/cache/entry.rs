//! An answer that is kept, and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};
use moka::Expiry;

/// An answer that is kept.
#[derive(Debug)]
pub struct Entry {
    /// Its route.
    pub route: Arc<str>,
    /// Host and path with query, for purging.
    pub url: Arc<str>,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    pub(super) stored: Instant,
    /// How old it was when it came.
    pub(super) age: Duration,
    pub(super) fresh: Duration,
    pub(super) keep: Duration,
    /// It may be given to callers that say who they are.
    pub(super) public: bool,
}

impl Entry {
    /// Whether it is within its time.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.stored.elapsed() < self.fresh
    }

    /// How much longer it is within its time.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.fresh.saturating_sub(self.stored.elapsed())
    }

    /// What `Age` says.
    #[must_use]
    pub fn age(&self) -> HeaderValue {
        HeaderValue::from(self.age.saturating_add(self.stored.elapsed()).as_secs())
    }

    pub(super) fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 64).sum();
        self.body.len() + headers + self.url.len() + 256
    }
}

/// Each goes when it may not even be given past its time.
pub(super) struct ByEntry;

impl Expiry<Arc<str>, Arc<Entry>> for ByEntry {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.keep)
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep)
    }
}
