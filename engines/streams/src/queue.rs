//! The bounded queue between a feed's socket and the digester.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use quarterdeck_kernel::Timestamp;
use tokio::sync::Notify;

use crate::config::Overflow;

/// Bytes that may wait in one queue, whatever the number of messages (at least one message is always let in).
const MAX_BYTES: usize = 16 << 20;

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    /// When.
    pub(crate) at: Timestamp,
    /// Its payload.
    pub(crate) payload: Bytes,
    /// Whether it was a binary message.
    pub(crate) binary: bool,
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
        Raw {
            at: Timestamp::default(),
            payload: Bytes::copy_from_slice(text.as_bytes()),
            binary: false,
            connection: 0,
        }
    }

    fn fill(overflow: Overflow) -> (Vec<String>, Tally, usize) {
        let queue = Queue::new(3, overflow, Arc::default());
        let given_back = ["a", "b", "c", "d", "e"].iter().filter(|t| queue.push(raw(t)).is_err()).count();
        let mut out = Vec::new();
        let (tally, left) = queue.drain(10, &mut out);
        assert_eq!(left, 0);
        (out.iter().map(|r| String::from_utf8_lossy(&r.payload).into_owned()).collect(), tally, given_back)
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
    fn large_messages_are_bounded_by_bytes() {
        let queue = Queue::new(1000, Overflow::DropOldest, Arc::default());
        let large = Bytes::from(vec![b'x'; 5 << 20]);
        for _ in 0..10 {
            queue
                .push(Raw { at: Timestamp::default(), payload: large.clone(), binary: true, connection: 0 })
                .unwrap();
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
        let order: Vec<_> = out.iter().map(|r| r.payload[0]).collect();
        assert_eq!(order, b"01234");
    }
}
