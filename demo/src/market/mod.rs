//! The market-data service: a feed of quotes over WebSocket, in fast motion.

pub(crate) mod day;
mod feed;
pub(crate) mod quotes;
mod reference;
mod socket;
pub(crate) mod symbols;
pub(crate) mod walk;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use self::feed::Feed;
use self::symbols::SYMBOLS;
use self::walk::Walk;
use crate::shell::metrics::{FloatGauge, SymbolLabel};
use crate::shell::{Shell, server};
use crate::wire::Quote;
use crate::{DemoError, MarketDay, Options};

/// How often the feed says which phase of the day it is.
const SESSION_INTERVAL: Duration = Duration::from_secs(5);

struct Market {
    feed: Feed,
    day: MarketDay,
    shell_stop: tokio_util::sync::CancellationToken,
}

pub(crate) async fn run(mut shell: Shell, options: &Options) -> Result<(), DemoError> {
    let day = options.day();
    let registry = &mut shell.registry;
    let feed = Feed::new(registry);
    let quotes: Family<SymbolLabel, Counter> = Family::default();
    let prices: Family<SymbolLabel, FloatGauge> = Family::default();
    let spreads: Family<SymbolLabel, FloatGauge> = Family::default();
    let activity = FloatGauge::default();
    let phase = Gauge::<i64>::default();
    registry.register("market_quotes", "Quotes published", quotes.clone());
    registry.register("market_price_dollars", "Price of the last trade", prices.clone());
    registry.register("market_spread_dollars", "Distance between bid and ask", spreads.clone());
    registry.register("market_activity_ratio", "Activity of the market day, 1 on average", activity.clone());
    registry.register(
        "market_phase",
        "Phase of the market day: 0 pre-open, 1 open, 2 morning, 3 lunch, 4 afternoon, 5 close, 6 after hours",
        phase.clone(),
    );

    let market = Arc::new(Market { feed: feed.clone(), day, shell_stop: shell.stop.clone() });
    let ticker = tick(options.seed, options.quote_rate, day, feed, move |quote| {
        let label = SymbolLabel { symbol: quote.symbol.clone() };
        quotes.get_or_create(&label).inc();
        prices.get_or_create(&label).set(quote.last);
        spreads.get_or_create(&label).set(quote.ask - quote.bid);
        let fraction = day.fraction(quote.ts);
        activity.set(MarketDay::activity(fraction));
        phase.set(MarketDay::phase(fraction) as i64);
    });
    let routes = Router::new()
        .route("/feed", get(subscribe))
        .route("/symbols", get(symbols))
        .merge(reference::routes())
        .with_state(market);
    let stop = shell.stop.clone();
    let served = server::serve(shell, routes, server::always());
    tokio::select! {
        result = served => result,
        () = ticker => { stop.cancel(); Ok(()) }
    }
}

/// Publishes quotes for ever: which symbol, when and where to is drawn from the seed.
async fn tick(seed: u64, rate: f64, day: MarketDay, feed: Feed, mut observe: impl FnMut(&Quote)) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut walks: Vec<Walk> = SYMBOLS.iter().map(Walk::new).collect();
    let mut today = None;
    let mut next = Instant::now();
    let mut session = next;
    loop {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let fraction = day.fraction(now_ms);
        let activity = MarketDay::activity(fraction);
        if today != Some(day.number(now_ms)) {
            today = Some(day.number(now_ms));
            walks.iter_mut().for_each(Walk::open);
        }
        if Instant::now() >= session {
            session += SESSION_INTERVAL;
            feed.announce(&json!({
                "type": "session",
                "phase": MarketDay::phase(fraction).as_str(),
                "activity": activity,
                "ts": now_ms,
            }));
        }
        let index = rng.random_range(0..walks.len());
        let quote = walks[index].step(&mut rng, activity, now_ms);
        observe(&quote);
        feed.publish(&quote);
        // Quotes do not fall as far as orders do when the market sleeps.
        let per_second = rate.max(0.1) * activity.sqrt();
        next += Duration::from_secs_f64(exponential(&mut rng, per_second));
        // After a pause of the whole process (a suspended machine), what was missed is not made up for.
        next = next.max(Instant::now() - Duration::from_millis(200));
        sleep_until(next).await;
    }
}

/// Seconds to the next of independent arrivals at `per_second`.
pub(crate) fn exponential(rng: &mut impl Rng, per_second: f64) -> f64 {
    let uniform: f64 = rng.random();
    (-(1.0 - uniform).ln() / per_second).min(10.0)
}

async fn subscribe(State(market): State<Arc<Market>>, request: Request) -> Response {
    socket::accept(&market.feed, market.shell_stop.clone(), request)
}

async fn symbols(State(market): State<Arc<Market>>) -> Json<serde_json::Value> {
    let fraction = market.day.fraction(jiff::Timestamp::now().as_millisecond());
    let listed: Vec<_> = SYMBOLS.iter().map(|symbol| symbol.name).collect();
    Json(json!({ "phase": MarketDay::phase(fraction).as_str(), "symbols": listed }))
}
