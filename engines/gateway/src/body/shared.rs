//! Answers over HTTP/2. Nobody asks such a body for more while the caller's window is closed, so its own timer never runs:
//! the watch over the connection looks at all of them, and lets go of the endpoint where a caller has taken nothing for too
//! long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use parking_lot::Mutex;

use super::{BodyError, Streamed};

/// A body that the watch can let go of.
#[derive(Debug)]
pub struct Shared {
    body: Mutex<Option<Streamed>>,
    /// Milliseconds since the connection began when something last moved.
    moved: AtomicU64,
    /// It waits for the endpoint, whose time is its own timer's business.
    waits: AtomicBool,
    clock: Arc<crate::server::guard::Watched>,
}

impl Shared {
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut body = self.body.lock();
        let Some(streamed) = &mut *body else { return Poll::Ready(Some(Err(BodyError::Unread))) };
        let polled = streamed.poll(cx);
        self.waits.store(polled.is_pending(), Relaxed);
        if polled.is_ready() {
            self.moved.store(self.clock.now(), Relaxed);
        }
        polled
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.body.lock().as_ref().is_some_and(Streamed::is_done)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.lock().as_ref().map_or_else(SizeHint::default, Streamed::size_hint)
    }

    /// Lets go of the endpoint if nothing has moved for so many milliseconds. Whether it still has one.
    fn expire(&self, now: u64, idle: u64) -> bool {
        let still = now.saturating_sub(self.moved.load(Relaxed));
        // The endpoint's own time ends with an error that the caller is to be told; if it never takes that, it goes too.
        let most = if self.waits.load(Relaxed) { idle.saturating_mul(2) } else { idle };
        let mut body = self.body.lock();
        if still < most {
            return body.is_some();
        }
        if let Some(mut unread) = body.take() {
            unread.unread();
        }
        false
    }
}

/// The bodies of one connection.
#[derive(Debug)]
pub(crate) struct Streams {
    held: Mutex<Vec<Weak<Shared>>>,
    clock: Arc<crate::server::guard::Watched>,
}

impl Streams {
    pub(crate) fn new(clock: &Arc<crate::server::guard::Watched>) -> Self {
        Self { held: Mutex::default(), clock: Arc::clone(clock) }
    }

    /// Holds a body for as long as somebody reads it.
    pub(crate) fn hold(&self, body: Streamed) -> Arc<Shared> {
        let shared = Arc::new(Shared {
            body: Mutex::new(Some(body)),
            moved: AtomicU64::new(self.clock.now()),
            waits: AtomicBool::new(false),
            clock: Arc::clone(&self.clock),
        });
        let mut held = self.held.lock();
        if held.len() == held.capacity() {
            held.retain(|one| one.strong_count() > 0);
        }
        held.push(Arc::downgrade(&shared));
        shared
    }

    /// Lets go of what nobody has taken anything of for so many milliseconds. Whether any is left.
    pub(crate) fn expire(&self, idle: u64) -> bool {
        let now = self.clock.now();
        let mut held = self.held.lock();
        held.retain(|one| one.upgrade().is_some_and(|shared| shared.expire(now, idle)));
        !held.is_empty()
    }
}
