//! Fetching what is missing: who may, and what of it is kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::header::{AGE, SET_COOKIE, VARY};
use hyper::{HeaderMap, StatusCode};
use tokio::sync::watch;

use super::control::{directives, lifetime};
use super::{Answers, Entry};
use crate::config::filters::CacheRule;

/// The right to fetch what is missing: others wait until this is dropped.
#[derive(Debug)]
pub struct Ticket {
    pub(super) answers: Arc<Answers>,
    pub(super) key: Arc<str>,
    /// None when another fetches too and has taken too long.
    pub(super) flight: Option<watch::Sender<()>>,
    pub(super) url: Arc<str>,
    pub(super) credentials: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.flight.is_some() {
            self.answers.flights.lock().remove(&self.key);
        }
    }
}

/// An answer on its way into the cache.
#[derive(Debug)]
pub struct Filling {
    ticket: Ticket,
    entry: Entry,
    body: BytesMut,
}

impl Filling {
    /// The most bytes of a body that are kept.
    pub(crate) fn most(&self) -> usize {
        self.ticket.answers.largest
    }

    /// Keeps a part of the body. False when it has become too large to keep.
    pub(crate) fn push(&mut self, data: &[u8]) -> bool {
        if self.body.len() + data.len() > self.ticket.answers.largest {
            return false;
        }
        self.body.extend_from_slice(data);
        true
    }

    /// All of it has come.
    pub(crate) fn complete(self) {
        let Self { ticket, mut entry, body } = self;
        entry.body = body.freeze();
        entry.stored = Instant::now();
        ticket.answers.entries.insert(Arc::clone(&ticket.key), Arc::new(entry));
    }
}

/// Statuses whose answers may be kept without their saying so.
fn keepable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 301 | 308 | 404 | 410)
}

impl Ticket {
    /// Begins to keep an answer, if it may be kept.
    #[must_use]
    pub fn fill(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        rule: &CacheRule,
        route: &Arc<str>,
    ) -> Option<Box<Filling>> {
        let control = directives(headers);
        let forbidden = control.no_store || control.private || control.no_cache;
        if !keepable(status) || forbidden || headers.contains_key(SET_COOKIE) {
            return None;
        }
        let public = control.public || control.shared_max_age.is_some();
        if self.credentials && !public {
            return None;
        }
        for named in headers.get_all(VARY).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')) {
            if !rule.vary.iter().any(|name| name.eq_ignore_ascii_case(named.trim())) {
                return None;
            }
        }
        let age = headers
            .get(AGE)
            .and_then(|v| v.to_str().ok()?.parse().ok())
            .map_or(Duration::ZERO, Duration::from_secs);
        let own = control.shared_max_age.or(control.max_age).map(Duration::from_secs);
        let own = own.or_else(|| lifetime(headers));
        let fresh = own.map_or(rule.ttl, |own| own.saturating_sub(age).min(rule.ttl));
        if fresh.is_zero() {
            return None;
        }
        let length =
            headers.get(hyper::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.answers.largest) {
            return None;
        }
        let entry = Entry {
            route: Arc::clone(route),
            url: Arc::clone(&self.url),
            status,
            headers: headers.clone(),
            body: Bytes::new(),
            stored: Instant::now(),
            age,
            fresh,
            keep: fresh + if control.revalidate { Duration::ZERO } else { rule.stale },
            public,
        };
        Some(Box::new(Filling { ticket: self, entry, body: BytesMut::new() }))
    }
}
