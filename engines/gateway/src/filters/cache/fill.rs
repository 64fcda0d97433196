//! Fetching what is missing: who may, and what of it is kept.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::header::{AGE, SET_COOKIE, VARY};
use hyper::{HeaderMap, StatusCode};

use super::control::{directives, lifetime};
use super::{Answers, End, Entry, Kind, Seat};
use crate::config::filters::CacheRule;
use crate::problem::Code;

/// The right to fetch what is missing: where others wait for it, it is the next one's when this is dropped.
#[derive(Debug)]
pub struct Ticket {
    pub(super) answers: Arc<Answers>,
    pub(super) key: Arc<str>,
    /// How long the answer is good, and how much longer it may be given when the service fails.
    pub(super) times: (Duration, Duration),
    /// None where nobody waits: those who would get nothing by it.
    pub(super) seat: Option<Seat>,
    pub(super) url: Arc<str>,
    pub(super) credentials: bool,
    /// There is an answer past its time.
    pub(super) stale: bool,
    /// Purges until it was asked for.
    pub(super) generation: u64,
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

    /// For how long it will be good.
    pub(crate) fn fresh(&self) -> Duration {
        self.entry.fresh
    }

    /// Keeps a part of the body. False when it has become too large to keep.
    pub(crate) fn push(&mut self, data: &[u8]) -> bool {
        if self.body.len() + data.len() > self.ticket.answers.largest {
            self.ticket.unkept(true);
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
        let answers = &ticket.answers;
        // What was purged while it was on its way is as old as what was there.
        if answers.purges.took(ticket.generation, &entry.route, &entry.url) {
            return;
        }
        let entry = Arc::new(entry);
        answers.entries.insert(Arc::clone(&ticket.key), Arc::clone(&entry));
        if answers.purges.took(ticket.generation, &entry.route, &entry.url) {
            return answers.entries.invalidate(&ticket.key);
        }
        answers.known.set(&ticket.key, entry.public.then_some(Kind::Public));
        if let Some(seat) = &ticket.seat {
            seat.end(End::Kept);
        }
    }
}

/// Statuses whose answers may be kept without their saying so.
fn keepable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 301 | 308 | 404 | 410)
}

impl Ticket {
    /// Whether others may wait for what comes of this.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.seat.is_some()
    }

    /// The service has failed; what the gateway would say of it.
    pub fn fail(&self, code: Code) {
        if let Some(seat) = &self.seat {
            seat.fail(code, self.stale);
        }
    }

    /// What has come cannot be kept, nor will the next one as a rule.
    fn unkept(&self, as_a_rule: bool) {
        match (self.credentials, &self.seat) {
            // What one gets who says who it is tells nothing of what others get: one of these is the next.
            (true, Some(_)) => self.answers.known.set(&self.key, None),
            (true, None) => {}
            (false, seat) => {
                if as_a_rule {
                    self.answers.known.set(&self.key, Some(Kind::Unkept));
                }
                if let Some(seat) = seat {
                    seat.end(End::Unkept);
                }
            }
        }
    }

    /// Begins to keep an answer, if it may be kept.
    #[must_use]
    pub fn fill(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        rule: &CacheRule,
        route: &Arc<str>,
    ) -> Option<Box<Filling>> {
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            self.fail(Code::BadGateway);
            return None;
        }
        let Some(entry) = self.entry(status, headers, rule, route) else {
            // That nothing has changed says nothing of what it would be.
            self.unkept(status != StatusCode::NOT_MODIFIED);
            return None;
        };
        if let Some(seat) = &self.seat {
            seat.flows();
        }
        Some(Box::new(Filling { ticket: self, entry, body: BytesMut::new() }))
    }

    /// The answer as it is kept, but for its body. None when it may not be kept.
    fn entry(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        rule: &CacheRule,
        route: &Arc<str>,
    ) -> Option<Entry> {
        let (ttl, stale) = self.times;
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
        let fresh = own.map_or(ttl, |own| own.saturating_sub(age).min(ttl));
        if fresh.is_zero() {
            return None;
        }
        let length =
            headers.get(hyper::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.answers.largest) {
            return None;
        }
        Some(Entry {
            route: Arc::clone(route),
            url: Arc::clone(&self.url),
            status,
            headers: headers.clone(),
            body: Bytes::new(),
            stored: Instant::now(),
            age,
            fresh,
            keep: fresh + if control.revalidate { Duration::ZERO } else { stale },
            public,
        })
    }
}
