//! Those who read reference data through the platform's gateway, each with an API key of its own: within its limit, beyond
//! it now and then, or still on the old version of the interface.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::trader::ACCOUNTS;
use crate::market::exponential;
use crate::market::symbols::SYMBOLS;
use crate::shell::client::Client;
use crate::shell::log::Log;
use crate::shell::trace::Trace;

/// Somebody who reads reference data.
#[derive(Debug)]
struct Visitor {
    /// Its name in the console's configuration.
    name: &'static str,
    /// The version of the interface that it knows.
    version: &'static str,
    /// Requests a second, on average.
    rate: f64,
    /// How many it sends at once, and how often it does.
    page: Option<(u32, Duration)>,
}

static VISITORS: [Visitor; 4] = [
    // Its users' screens are loaded all at once: more than the free tier has.
    Visitor { name: "chart-app", version: "v2", rate: 0.4, page: Some((30, Duration::from_secs(30))) },
    Visitor { name: "newsletter", version: "v2", rate: 0.4, page: None },
    // Nobody dares to touch it.
    Visitor { name: "back-office", version: "v1", rate: 0.4, page: None },
    Visitor { name: "research", version: "v2", rate: 4.0, page: None },
];

/// An answer, as far as a visitor cares; a refusal is none.
#[derive(Deserialize)]
struct Read {
    #[serde(rename = "instruments", alias = "symbol", alias = "name")]
    _what: IgnoredAny,
}

/// Everybody who has an API key: those who order, and those who read.
pub(crate) fn consumers() -> impl Iterator<Item = &'static str> {
    ACCOUNTS.into_iter().chain(VISITORS.iter().map(|visitor| visitor.name))
}

/// The API key of a consumer. It is good for nothing but the demo.
pub(crate) fn key(consumer: &str) -> String {
    format!("demo-key-of-{consumer}")
}

/// Lets all of them read below `base`, for ever.
pub(super) async fn visit(client: Client, log: Log, base: String, seed: u64) {
    let base = format!("{base}/reference");
    let each = VISITORS.iter().enumerate().map(|(place, visitor)| {
        let rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7669_7369 ^ place as u64);
        visitor.run(client.with_key(&key(visitor.name)), log.clone(), &base, rng)
    });
    futures_util::future::join_all(each).await;
}

impl Visitor {
    async fn run(&self, client: Client, log: Log, base: &str, mut rng: ChaCha8Rng) {
        let mut page = self.page.map(|(_, every)| tokio::time::interval(every));
        loop {
            let next = Duration::from_secs_f64(exponential(&mut rng, self.rate));
            let many = tokio::select! {
                () = tokio::time::sleep(next) => 1,
                () = due(page.as_mut()) => self.page.map_or(1, |(many, _)| many),
            };
            let mut refused = 0;
            for _ in 0..many {
                let trace = Trace::root(rng.random());
                // Some look through all of it.
                let symbol = SYMBOLS.get(rng.random_range(0..=SYMBOLS.len()));
                let one = symbol.map_or_else(String::new, |symbol| format!("/{}", symbol.name));
                let url = format!("{base}/{}/instruments{one}", self.version);
                refused += u32::from(client.get::<Read>("reference", &url, &trace).await.is_err());
            }
            if refused > 0 {
                let fields = json!({ "visitor": self.name, "asked": many, "unanswered": refused });
                log.info(None, "reference data not answered", fields);
            }
        }
    }
}

/// When a page is loaded next; never for those who load none.
async fn due(page: Option<&mut tokio::time::Interval>) {
    match page {
        Some(page) => drop(page.tick().await),
        None => std::future::pending().await,
    }
}
