use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use parking_lot::RwLock;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::shell::log::Log;
use crate::wire::Quote;

/// A feed that is silent for this long is as good as gone.
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// The latest quote of every symbol, kept up to date over the feed by a task that reconnects for as long as it lives.
#[derive(Clone)]
pub(crate) struct Quotes {
    latest: Arc<RwLock<Latest>>,
    received: Counter,
    missed: Counter,
    connected: Gauge,
}

#[derive(Default)]
struct Latest {
    by_symbol: HashMap<String, Quote>,
    at: Option<Instant>,
}

#[derive(Deserialize)]
struct Incoming {
    seq: u64,
    #[serde(flatten)]
    quote: Quote,
}

#[derive(Deserialize)]
struct Kind<'a> {
    r#type: &'a str,
}

impl Quotes {
    /// Follows the feed at `url` until `stop`.
    pub(crate) fn follow(url: String, registry: &mut Registry, log: Log, stop: CancellationToken) -> Self {
        let quotes = Self {
            latest: Arc::default(),
            received: Counter::default(),
            missed: Counter::default(),
            connected: Gauge::default(),
        };
        registry.register("feed_quotes_received", "Quotes that came over the feed", quotes.received.clone());
        registry.register("feed_quotes_missed", "Holes in the feed's sequence", quotes.missed.clone());
        registry.register("feed_connected", "Whether the feed is connected", quotes.connected.clone());
        let follower = quotes.clone();
        tokio::spawn(async move {
            let mut backoff = FIRST_BACKOFF;
            loop {
                let outcome = tokio::select! {
                    () = stop.cancelled() => return,
                    outcome = follower.session(&url) => outcome,
                };
                follower.connected.set(0);
                if follower.age().is_some_and(|age| age < STALE_AFTER) {
                    backoff = FIRST_BACKOFF;
                }
                let fields = json!({ "reason": outcome, "retry_in_ms": backoff.as_millis() as u64 });
                log.warn(None, "feed lost", fields);
                let jitter = 0.5 + rand::random::<f64>();
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(backoff.mul_f64(jitter)) => {}
                }
                backoff = (backoff * 2).min(LAST_BACKOFF);
            }
        });
        quotes
    }

    /// The latest quote of a symbol, unless the feed has gone stale.
    pub(crate) fn latest(&self, symbol: &str) -> Option<Quote> {
        let latest = self.latest.read();
        let fresh = latest.at.is_some_and(|at| at.elapsed() < STALE_AFTER);
        fresh.then(|| latest.by_symbol.get(symbol).cloned()).flatten()
    }

    /// Time since the last quote of all; nothing before the first.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.latest.read().at.map(|at| at.elapsed())
    }

    /// Whether quotes flow, and if not, why.
    pub(crate) fn ready(&self) -> Result<(), String> {
        match self.age() {
            None => Err("no quotes yet".into()),
            Some(age) if age >= STALE_AFTER => Err(format!("no quotes for {} s", age.as_secs())),
            Some(_) => Ok(()),
        }
    }

    /// One connection, from its beginning to its end; tells how it ended.
    async fn session(&self, url: &str) -> String {
        let (mut socket, _) = match connect_async(url).await {
            Ok(connected) => connected,
            Err(error) => return error.to_string(),
        };
        let ask = json!({ "type": "subscribe", "symbols": ["*"] }).to_string();
        if let Err(error) = socket.send(Message::text(ask)).await {
            return error.to_string();
        }
        self.connected.set(1);
        let mut expected = 1;
        loop {
            match tokio::time::timeout(STALE_AFTER, socket.next()).await {
                Err(_) => return format!("silent for {} s", STALE_AFTER.as_secs()),
                Ok(None) => return "closed".into(),
                Ok(Some(Err(error))) => return error.to_string(),
                Ok(Some(Ok(Message::Text(text)))) => self.take(&text, &mut expected),
                Ok(Some(Ok(_))) => {}
            }
        }
    }

    fn take(&self, text: &str, expected: &mut u64) {
        if serde_json::from_str::<Kind<'_>>(text).map_or(true, |kind| kind.r#type != "quote") {
            return;
        }
        let Ok(Incoming { seq, quote }) = serde_json::from_str(text) else { return };
        self.received.inc();
        self.missed.inc_by(seq.saturating_sub(*expected));
        *expected = seq + 1;
        let mut latest = self.latest.write();
        latest.at = Some(Instant::now());
        match latest.by_symbol.get_mut(&quote.symbol) {
            Some(slot) => *slot = quote,
            None => {
                latest.by_symbol.insert(quote.symbol.clone(), quote);
            }
        }
    }
}
