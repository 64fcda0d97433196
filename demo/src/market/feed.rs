use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::wire::Quote;

/// Messages that may wait for a slow subscriber. Beyond that it misses quotes, and sees so in the sequence.
const BACKLOG: usize = 2_048;
/// Connections at once.
const SUBSCRIBERS: usize = 256;

/// Hands every quote to every connection that asked for it.
#[derive(Clone)]
pub(crate) struct Feed {
    connections: Arc<Mutex<Vec<Connection>>>,
    next_id: Arc<AtomicU64>,
    subscribers: Gauge,
    sent: Counter,
    dropped: Counter,
}

struct Connection {
    id: u64,
    /// Nothing before it subscribed.
    wanted: Option<BTreeSet<&'static str>>,
    /// Numbers the quotes of this connection without a hole: a hole that it sees is a quote that it missed.
    sequence: u64,
    queue: Sender<String>,
}

/// One connection's end of the feed; leaves the feed when dropped.
pub(crate) struct Subscription {
    id: u64,
    feed: Feed,
    pub(crate) messages: Receiver<String>,
}

impl Feed {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let feed = Self {
            connections: Arc::default(),
            next_id: Arc::default(),
            subscribers: Gauge::default(),
            sent: Counter::default(),
            dropped: Counter::default(),
        };
        registry.register("feed_subscribers", "Open connections to the feed", feed.subscribers.clone());
        registry.register("feed_messages", "Messages handed to connections", feed.sent.clone());
        registry.register(
            "feed_messages_dropped",
            "Messages that a connection was too slow to take",
            feed.dropped.clone(),
        );
        feed
    }

    /// A new connection, which gets nothing until it subscribes; none when there are too many.
    pub(crate) fn connect(&self) -> Option<Subscription> {
        let mut connections = self.connections.lock();
        if connections.len() >= SUBSCRIBERS {
            return None;
        }
        let (queue, messages) = channel(BACKLOG);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        connections.push(Connection { id, wanted: None, sequence: 0, queue });
        self.subscribers.set(connections.len() as i64);
        Some(Subscription { id, feed: self.clone(), messages })
    }

    pub(crate) fn publish(&self, quote: &Quote) {
        let Ok(body) = serde_json::to_string(quote) else { return };
        for connection in self.connections.lock().iter_mut() {
            if !connection.wanted.as_ref().is_some_and(|wanted| wanted.contains(quote.symbol.as_str())) {
                continue;
            }
            connection.sequence += 1;
            // The quote is written once; only its number differs from connection to connection.
            let message = format!(r#"{{"type":"quote","seq":{},{}"#, connection.sequence, &body[1..]);
            self.hand(connection, message);
        }
    }

    /// Tells every subscriber something that is not a quote and has no number.
    pub(crate) fn announce(&self, message: &Value) {
        let message = message.to_string();
        for connection in self.connections.lock().iter().filter(|connection| connection.wanted.is_some()) {
            self.hand(connection, message.clone());
        }
    }

    fn hand(&self, connection: &Connection, message: String) {
        match connection.queue.try_send(message) {
            Ok(()) => {
                self.sent.inc();
            }
            Err(TrySendError::Full(_)) => {
                self.dropped.inc();
            }
            // It is on its way out: its subscription removes it.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}

impl Subscription {
    /// Asks for these symbols on top of those asked for before.
    pub(crate) fn add(&self, symbols: impl IntoIterator<Item = &'static str>) -> Vec<&'static str> {
        let mut connections = self.feed.connections.lock();
        let Some(connection) = connections.iter_mut().find(|connection| connection.id == self.id) else {
            return Vec::new();
        };
        let wanted = connection.wanted.get_or_insert_default();
        wanted.extend(symbols);
        wanted.iter().copied().collect()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut connections = self.feed.connections.lock();
        connections.retain(|connection| connection.id != self.id);
        self.feed.subscribers.set(connections.len() as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(symbol: &str) -> Quote {
        Quote { symbol: symbol.into(), bid: 1.0, ask: 1.02, last: 1.02, volume: 100, ts: 5 }
    }

    fn sequence(message: &str) -> u64 {
        serde_json::from_str::<Value>(message).unwrap()["seq"].as_u64().unwrap()
    }

    #[test]
    fn only_what_was_asked_for_numbered_without_holes() {
        let feed = Feed::new(&mut Registry::default());
        let mut subscription = feed.connect().unwrap();
        feed.publish(&quote("HELM"));
        assert!(subscription.messages.try_recv().is_err());
        assert_eq!(subscription.add(["HELM"]), ["HELM"]);
        for symbol in ["HELM", "KEEL", "HELM"] {
            feed.publish(&quote(symbol));
        }
        let first = subscription.messages.try_recv().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&first).unwrap(),
            serde_json::json!({"type": "quote", "seq": 1, "symbol": "HELM", "bid": 1.0, "ask": 1.02,
                "last": 1.02, "volume": 100, "ts": 5})
        );
        assert_eq!(sequence(&subscription.messages.try_recv().unwrap()), 2);
        assert!(subscription.messages.try_recv().is_err());
    }

    #[test]
    fn a_slow_connection_misses_quotes_and_can_tell() {
        let feed = Feed::new(&mut Registry::default());
        let mut subscription = feed.connect().unwrap();
        subscription.add(["HELM"]);
        for _ in 0..BACKLOG + 3 {
            feed.publish(&quote("HELM"));
        }
        assert_eq!(feed.dropped.get(), 3);
        while subscription.messages.try_recv().is_ok() {}
        feed.publish(&quote("HELM"));
        let next = sequence(&subscription.messages.try_recv().unwrap());
        assert_eq!(next, BACKLOG as u64 + 4, "the hole is as wide as what was dropped");
    }

    #[test]
    fn connections_are_bounded_and_leave() {
        let feed = Feed::new(&mut Registry::default());
        let held: Vec<_> = (0..SUBSCRIBERS).map(|_| feed.connect().unwrap()).collect();
        assert!(feed.connect().is_none());
        drop(held);
        assert_eq!(feed.subscribers.get(), 0);
        assert!(feed.connect().is_some());
    }
}
