//! The bounded queue between a feed's socket and the digester.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use quarterdeck_kernel::Timestamp;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::config::Overflow;
use crate::scan::cut;

/// Bytes that may wait in one queue, whatever the number of messages (at least one message is always let in).
const MAX_BYTES: usize = 16 << 20;

/// What a message carries.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// Text, apart from the buffer that it was read into, which can be filled anew at once.
    Text(Arc<str>),
    /// A long text where it was read.
    Long(Utf8Bytes),
    /// Bytes that may be anything.
    Binary(Bytes),
}

/// Texts of more bytes than this are not copied.
const LONG: usize = 4096;

impl From<Utf8Bytes> for Payload {
    fn from(text: Utf8Bytes) -> Self {
        if text.len() > LONG { Self::Long(text) } else { Self::Text(text.as_str().into()) }
    }
}

impl Payload {
    /// How many bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Long(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// The start of its text, of at most so many bytes, to be kept.
    pub(crate) fn kept(&self, limit: usize) -> Arc<str> {
        match self {
            Self::Text(text) if text.len() <= limit => Arc::clone(text),
            _ => cut(self.text().unwrap_or_default(), limit).into(),
        }
    }

    /// As text, if it is.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Long(text) => Some(text),
            Self::Binary(bytes) => std::str::from_utf8(bytes).ok(),
        }
    }
}

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    /// When.
    pub(crate) at: Timestamp,
    /// Its payload.
    pub(crate) payload: Payload,
    /// The connection it came over, counted from 0.
    pub(crate) connection: u64,
}

/// Wakes the digester.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    /// A queue is no longer empty.
    pub(crate) pending: Notify,
    /// A queue is half full.
    pub(crate) urgent: Notify,
}

/// What has happened to a queue since it was drained last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Messages that came.
    pub(crate) messages: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Messages that were dropped.
    pub(crate) dropped: u64,
    /// Messages that the protocol layer refused: too large, not UTF-8.
    pub(crate) refused: u64,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Raw>,
    bytes: usize,
    tally: Tally,
}

/// A queue of one feed.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    capacity: usize,
    overflow: Overflow,
    room: Notify,
    signal: Arc<Signal>,
}

impl Queue {
    pub(crate) fn new(capacity: usize, overflow: Overflow, signal: Arc<Signal>) -> Self {
        Self { inner: Mutex::default(), capacity: capacity.max(1), overflow, room: Notify::new(), signal }
    }

    /// Takes a message, or gives it back when the queue is full and the policy is to block.
    pub(crate) fn push(&self, raw: Raw) -> Result<(), Raw> {
        let mut inner = self.inner.lock();
        let full = |i: &Inner| {
            i.items.len() >= self.capacity || !i.items.is_empty() && i.bytes + raw.payload.len() > MAX_BYTES
        };
        if full(&inner) && self.overflow == Overflow::Block {
            return Err(raw);
        }
        inner.tally.messages += 1;
        inner.tally.bytes += raw.payload.len() as u64;
        if full(&inner) && self.overflow == Overflow::DropNewest {
            inner.tally.dropped += 1;
            return Ok(());
        }
        while full(&inner) {
            let Some(oldest) = inner.items.pop_front() else { break };
            inner.bytes -= oldest.payload.len();
            inner.tally.dropped += 1;
        }
        inner.bytes += raw.payload.len();
        inner.items.push_back(raw);
        let waiting = inner.items.len();
        drop(inner);
        if waiting == 1 {
            self.signal.pending.notify_one();
        }
        if waiting == self.capacity.div_ceil(2) {
            self.signal.urgent.notify_one();
        }
        Ok(())
    }

    /// Counts a message that the protocol layer refused.
    pub(crate) fn refuse(&self) {
        self.inner.lock().tally.refused += 1;
        self.signal.pending.notify_one();
    }

    /// Moves at most `max` messages out, oldest first; the rest stays. Says what has happened since the last time and
    /// how many messages still wait.
    pub(crate) fn drain(&self, max: usize, into: &mut Vec<Raw>) -> (Tally, usize) {
        let mut inner = self.inner.lock();
        let count = inner.items.len().min(max);
        into.extend(inner.items.drain(..count));
        inner.bytes = inner.items.iter().map(|r| r.payload.len()).sum();
        let left = inner.items.len();
        let tally = std::mem::take(&mut inner.tally);
        drop(inner);
        if count > 0 {
            self.room.notify_one();
        }
        (tally, left)
    }

    /// Waits until messages have been drained.
    pub(crate) async fn room(&self) {
        self.room.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Raw {
        Raw { at: Timestamp::default(), payload: Payload::Text(text.into()), connection: 0 }
    }

    fn fill(overflow: Overflow) -> (Vec<String>, Tally, usize) {
        let queue = Queue::new(3, overflow, Arc::default());
        let given_back = ["a", "b", "c", "d", "e"].iter().filter(|t| queue.push(raw(t)).is_err()).count();
        let mut out = Vec::new();
        let (tally, left) = queue.drain(10, &mut out);
        assert_eq!(left, 0);
        (out.iter().map(|r| r.payload.text().unwrap().to_owned()).collect(), tally, given_back)
    }

    #[test]
    fn a_full_queue_drops_as_told_and_counts() {
        let (kept, tally, _) = fill(Overflow::DropOldest);
        assert_eq!(
            (kept.concat().as_str(), tally),
            ("cde", Tally { messages: 5, bytes: 5, dropped: 2, refused: 0 })
        );
        let (kept, tally, _) = fill(Overflow::DropNewest);
        assert_eq!((kept.concat().as_str(), tally.dropped), ("abc", 2));
        let (kept, tally, given_back) = fill(Overflow::Block);
        assert_eq!((kept.concat().as_str(), tally.dropped, tally.messages, given_back), ("abc", 0, 3, 2));
    }

    #[test]
    fn payloads_are_kept_up_to_a_limit() {
        for length in [1, LONG, LONG + 1] {
            let payload = Payload::from(Utf8Bytes::from("x".repeat(length)));
            assert_eq!((payload.len(), payload.text().map(str::len)), (length, Some(length)));
            assert_eq!(payload.kept(512).len(), length.min(512));
        }
        let binary = Payload::Binary(Bytes::from_static(&[b'a', 0xff]));
        assert_eq!((binary.len(), binary.text()), (2, None));
    }

    #[test]
    fn large_messages_are_bounded_by_bytes() {
        let queue = Queue::new(1000, Overflow::DropOldest, Arc::default());
        let large = Payload::Binary(Bytes::from(vec![b'x'; 5 << 20]));
        for _ in 0..10 {
            queue.push(Raw { at: Timestamp::default(), payload: large.clone(), connection: 0 }).unwrap();
        }
        let mut out = Vec::new();
        assert_eq!(queue.drain(100, &mut out).0.dropped, 7);
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn draining_in_parts_keeps_the_order() {
        let queue = Queue::new(10, Overflow::Block, Arc::default());
        (0..5).for_each(|i| queue.push(raw(&i.to_string())).unwrap());
        let mut out = Vec::new();
        assert_eq!(queue.drain(2, &mut out).1, 3);
        assert_eq!(queue.drain(9, &mut out).1, 0);
        let order: String = out.iter().filter_map(|r| r.payload.text()).collect();
        assert_eq!(order, "01234");
    }
}
