//! The clients: they watch the feed and send orders as the market day and the seed have it, whether or not earlier
//! ones were answered.

mod pager;
pub(crate) mod trader;
pub(crate) mod visitors;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use self::trader::Trader;
use crate::market::exponential;
use crate::market::quotes::Quotes;
use crate::shell::client::Client;
use crate::shell::log::Log;
use crate::shell::metrics::{FloatGauge, ReasonLabel, durations};
use crate::shell::trace::Trace;
use crate::shell::{Shell, server};
use crate::wire::{OrderRequest, OrderView};
use crate::{DemoError, MarketDay, Options};

/// Orders on their way at once; the clients give up on those beyond.
const IN_FLIGHT: usize = 512;
/// The longest pause between two looks at the rate, so that a change of it is felt soon.
const PAUSE: Duration = Duration::from_millis(250);
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What `/admin/rate` takes and answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Rate {
    /// By how much the usual rate is multiplied, 0 to 20.
    factor: f64,
}

/// What `/admin/split` takes and answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Split {
    /// The share of orders that goes to the second version, 0 to 1.
    v2: f64,
}

struct Load {
    quotes: Quotes,
    client: Client,
    log: Log,
    first: String,
    second: Option<String>,
    rate: Mutex<Rate>,
    split: Mutex<Split>,
    room: Arc<Semaphore>,
    trader: Mutex<Trader>,
    since_report: Mutex<Answered>,
    metrics: Metrics,
}

/// Orders answered since the last report, and the time that they took together.
#[derive(Default)]
struct Answered {
    orders: u32,
    took: Duration,
}

impl Answered {
    fn add(&mut self, took: Duration) {
        self.orders += 1;
        self.took += took;
    }
}

struct Metrics {
    orders: Family<OutcomeLabel, Counter>,
    skipped: Family<ReasonLabel, Counter>,
    latency: Histogram,
    in_flight: Gauge,
    target: FloatGauge,
}

impl Metrics {
    fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            orders: Family::default(),
            skipped: Family::default(),
            latency: durations(),
            in_flight: Gauge::default(),
            target: FloatGauge::default(),
        };
        registry.register("client_orders", "Orders sent, by how they ended", metrics.orders.clone());
        registry.register("client_orders_skipped", "Orders that were not sent", metrics.skipped.clone());
        registry.register_with_unit(
            "client_order_duration",
            "Time from when an order was due to its answer",
            Unit::Seconds,
            metrics.latency.clone(),
        );
        registry.register(
            "client_orders_in_flight",
            "Orders without an answer yet",
            metrics.in_flight.clone(),
        );
        registry.register(
            "client_target_orders_per_second",
            "Rate that the market day asks for now",
            metrics.target.clone(),
        );
        metrics
    }
}

pub(crate) async fn run(mut shell: Shell, options: &Options) -> Result<(), DemoError> {
    let needed = |value: &Option<String>, argument| {
        value.clone().ok_or(DemoError::MissingArgument { role: "load", argument })
    };
    let feed = needed(&options.feed_url, "--feed-url")?;
    let orders = |base: String| format!("{base}/orders");
    let load = Arc::new(Load {
        quotes: Quotes::follow(feed, &mut shell.registry, shell.log.clone(), shell.stop.clone()),
        client: shell.client.clone(),
        log: shell.log.clone(),
        first: orders(needed(&options.orders_url, "--orders-url")?),
        second: options.orders_v2_url.clone().map(orders),
        rate: Mutex::new(Rate { factor: 1.0 }),
        split: Mutex::new(Split { v2: 0.0 }),
        room: Arc::new(Semaphore::new(IN_FLIGHT)),
        trader: Mutex::new(Trader::new(options.seed)),
        since_report: Mutex::default(),
        metrics: Metrics::new(&mut shell.registry),
    });
    let pager = pager::routes(&mut shell.registry, &shell.log);
    let routes = Router::new()
        .route("/admin/rate", get(get_rate).post(set_rate))
        .route("/admin/split", get(get_split).post(set_split))
        .with_state(Arc::clone(&load))
        .merge(pager);
    let visitors = options.reference_url.clone().map(|base| {
        let (client, log, quotes) = (shell.client.clone(), shell.log.clone(), load.quotes.clone());
        let seed = options.seed;
        tokio::spawn(async move {
            // Nobody comes before there is a market.
            while quotes.ready().is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            visitors::visit(client, log, base, seed).await;
        })
    });
    let sender = send_for_ever(Arc::clone(&load), options.seed, options.order_rate, options.day());
    let reporter = report(Arc::clone(&load));
    let quotes = load.quotes.clone();
    let served = server::serve(shell, routes, Arc::new(move || quotes.ready()));
    let ended = tokio::select! {
        result = served => result,
        () = sender => Ok(()),
        () = reporter => Ok(()),
    };
    visitors.inspect(tokio::task::JoinHandle::abort);
    ended
}

/// Sends orders at the times that the seed and the day ask for. An order that comes late is sent at once and its
/// latency counts from when it was due, so that a stall shows in full.
async fn send_for_ever(load: Arc<Load>, seed: u64, base: f64, day: MarketDay) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x6c6f_6164);
    let mut due = Instant::now();
    // What is left of the way to the next order, in orders: rates may change while it is waited for.
    let mut left = exponential(&mut rng, 1.0);
    loop {
        let fraction = day.fraction(jiff::Timestamp::now().as_millisecond());
        let rate = base * load.rate.lock().factor * MarketDay::activity(fraction);
        load.metrics.target.set(rate);
        let step = if rate > 0.0 { left / rate } else { f64::INFINITY };
        if step > PAUSE.as_secs_f64() {
            due += PAUSE;
            left -= rate * PAUSE.as_secs_f64();
        } else {
            due += Duration::from_secs_f64(step);
            left = exponential(&mut rng, 1.0);
            sleep_until(due).await;
            load.send_one(&mut rng, due);
        }
        // After a pause of the whole process, at most a second of orders is made up for.
        due = due.max(Instant::now() - Duration::from_secs(1));
        sleep_until(due).await;
    }
}

impl Load {
    fn send_one(self: &Arc<Self>, rng: &mut ChaCha8Rng, due: Instant) {
        let skip = |reason| {
            self.metrics.skipped.get_or_create(&ReasonLabel { reason }).inc();
        };
        let Some(order) = self.trader.lock().next(rng, |symbol| self.quotes.latest(symbol)) else {
            return skip("no_market");
        };
        let trace = Trace::root(rng.random());
        let to_second = rng.random::<f64>() < self.split.lock().v2;
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            return skip("too_many_in_flight");
        };
        let load = Arc::clone(self);
        tokio::spawn(async move { load.send(order, trace, to_second, due, room).await });
    }

    async fn send(
        &self,
        order: OrderRequest,
        trace: Trace,
        to_second: bool,
        due: Instant,
        _room: OwnedSemaphorePermit,
    ) {
        let url = self.second.as_ref().filter(|_| to_second).unwrap_or(&self.first);
        self.metrics.in_flight.inc();
        let client = self.client.with_key(&visitors::key(&order.account));
        let answer = client.post::<OrderView>("orders", url, &trace, &order).await;
        self.metrics.in_flight.dec();
        let took = due.elapsed();
        self.metrics.latency.observe(took.as_secs_f64());
        self.since_report.lock().add(took);
        let outcome = match answer {
            Ok(view) => {
                self.trader.lock().traded(&order.account, &order.symbol, order.side, view.filled);
                view.status.as_str()
            }
            Err(error) => {
                let fields = json!({ "client_order_id": order.client_order_id, "error": error.to_string() });
                self.log.warn(Some(&trace), "order not answered", fields);
                "unanswered"
            }
        };
        self.metrics.orders.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}

/// Says now and then how it goes.
async fn report(load: Arc<Load>) {
    loop {
        tokio::time::sleep(REPORT_INTERVAL).await;
        let answered = std::mem::take(&mut *load.since_report.lock());
        let mean = answered.took.checked_div(answered.orders).unwrap_or_default();
        let fields = json!({
            "orders": answered.orders,
            "mean_ms": server::millis(mean),
            "in_flight": load.metrics.in_flight.get(),
            "target_per_second": load.metrics.target.get().round(),
        });
        load.log.info(None, "orders since the last report", fields);
    }
}

async fn get_rate(State(load): State<Arc<Load>>) -> Json<Rate> {
    Json(*load.rate.lock())
}

async fn set_rate(State(load): State<Arc<Load>>, Json(wanted): Json<Rate>) -> Response {
    if !(0.0..=20.0).contains(&wanted.factor) {
        let error = format!("factor {} is not between 0 and 20", wanted.factor);
        return server::problem(StatusCode::BAD_REQUEST, error);
    }
    *load.rate.lock() = wanted;
    load.log.warn(None, "rate set", json!({ "factor": wanted.factor }));
    Json(wanted).into_response()
}

async fn get_split(State(load): State<Arc<Load>>) -> Json<Split> {
    Json(*load.split.lock())
}

async fn set_split(State(load): State<Arc<Load>>, Json(wanted): Json<Split>) -> Response {
    if !(0.0..=1.0).contains(&wanted.v2) {
        return server::problem(
            StatusCode::BAD_REQUEST,
            format!("share {} is not between 0 and 1", wanted.v2),
        );
    }
    if load.second.is_none() && wanted.v2 > 0.0 {
        return server::problem(StatusCode::CONFLICT, "no second version was named (--orders-v2-url)");
    }
    *load.split.lock() = wanted;
    load.log.warn(None, "split set", json!({ "v2": wanted.v2 }));
    Json(wanted).into_response()
}
