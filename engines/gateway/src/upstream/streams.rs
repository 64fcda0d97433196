//! Connections of HTTP/2 to endpoints, each for many requests at a time, and how many those are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hyper::client::conn::http2::SendRequest;

use crate::body::RequestBody;

/// Requests that one connection has at a time: what servers allow at least, as a rule (RFC 9113, 6.5.2, asks for no fewer than
/// this). hyper does not tell what a server allows; what is beyond that waits within hyper, behind the others.
pub(super) const MOST: usize = 100;

/// A connection that many requests go over.
#[derive(Debug)]
pub(super) struct SharedConnection {
    sender: SendRequest<RequestBody>,
    streams: Arc<AtomicUsize>,
    /// Since when nothing has been found to go over it.
    rests: Option<Instant>,
}

/// The place of a request on such a connection, until its answer has come or was given up.
#[derive(Debug)]
pub struct StreamPlace(Arc<AtomicUsize>);

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl SharedConnection {
    /// A new one, with a place for whoever opened it.
    pub(super) fn new(sender: SendRequest<RequestBody>) -> (Self, StreamPlace) {
        let streams = Arc::new(AtomicUsize::new(1));
        let place = StreamPlace(Arc::clone(&streams));
        (Self { sender, streams, rests: None }, place)
    }

    /// A place on it, if there is one.
    pub(super) fn take(&self) -> Option<(SendRequest<RequestBody>, StreamPlace)> {
        if !self.sender.is_ready() || self.streams.load(Relaxed) >= MOST {
            return None;
        }
        self.streams.fetch_add(1, Relaxed);
        Some((self.sender.clone(), StreamPlace(Arc::clone(&self.streams))))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether nothing has gone over it for so long. To be asked from time to time.
    pub(super) fn rested(&mut self, now: Instant, keep: Duration) -> bool {
        if self.streams.load(Relaxed) > 0 {
            self.rests = None;
            return false;
        }
        now.duration_since(*self.rests.get_or_insert(now)) >= keep
    }
}
