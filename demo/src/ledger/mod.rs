//! The ledger: every fill in a SQLite transaction that is on disk before it is confirmed; positions and profit.

mod position;
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde_json::json;

use self::position::Positions;
use self::store::Store;
use crate::shell::log::Log;
use crate::shell::metrics::{FloatGauge, SymbolLabel, durations};
use crate::shell::pool::{Pool, PoolMetrics};
use crate::shell::trace::Trace;
use crate::shell::{Shell, server};
use crate::wire::{Booking, PositionView};
use crate::{DemoError, Options};

/// Bookings that may wait for the one writer that SQLite allows.
const QUEUE: usize = 256;
/// Trades in one booking.
const FILLS: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

struct Ledger {
    store: Store,
    writer: Arc<Pool>,
    positions: Mutex<Positions>,
    log: Log,
    metrics: Metrics,
}

struct Metrics {
    bookings: Counter,
    fills: Counter,
    repeated: Counter,
    commit: Histogram,
    position: Family<SymbolLabel, Gauge>,
    profit: Family<KindLabel, FloatGauge>,
    database: Gauge,
}

pub(crate) async fn run(mut shell: Shell, options: &Options) -> Result<(), DemoError> {
    let dir = options
        .data_dir
        .as_ref()
        .ok_or(DemoError::MissingArgument { role: "ledger", argument: "--data-dir" })?;
    let store = Store::open(dir).await?;
    let pools = PoolMetrics::new(&mut shell.registry);
    let positions = Positions::new(store.positions().await?);
    let ledger = Arc::new(Ledger {
        store,
        writer: Pool::new("writer", 1, QUEUE, &pools),
        positions: Mutex::new(positions),
        log: shell.log.clone(),
        metrics: Metrics::new(&mut shell.registry),
    });
    let routes = Router::new()
        .route("/bookings", post(book))
        .route("/positions", get(positions_now))
        .route("/pnl", get(profit))
        .with_state(Arc::clone(&ledger));
    let result = server::serve(shell, routes, server::always()).await;
    ledger.store.close().await;
    result
}

impl Metrics {
    fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            bookings: Counter::default(),
            fills: Counter::default(),
            repeated: Counter::default(),
            commit: durations(),
            position: Family::default(),
            profit: Family::default(),
            database: Gauge::default(),
        };
        registry.register("ledger_bookings", "Orders booked", metrics.bookings.clone());
        registry.register("ledger_fills", "Trades booked", metrics.fills.clone());
        registry.register(
            "ledger_bookings_repeated",
            "Bookings that were there already",
            metrics.repeated.clone(),
        );
        registry.register_with_unit(
            "ledger_commit_duration",
            "Time from the first statement of a booking until it is on disk",
            Unit::Seconds,
            metrics.commit.clone(),
        );
        registry.register("position_shares", "Shares held, all accounts", metrics.position.clone());
        registry.register("pnl_dollars", "Profit and loss, all accounts", metrics.profit.clone());
        registry.register_with_unit(
            "ledger_database_size",
            "Size of the database file",
            Unit::Bytes,
            metrics.database.clone(),
        );
        metrics
    }
}

async fn book(
    State(ledger): State<Arc<Ledger>>,
    Extension(trace): Extension<Trace>,
    Json(booking): Json<Booking>,
) -> Response {
    let sane = |price: f64| (0.01..=1_000_000.0).contains(&price);
    let fills = &booking.fills;
    if fills.is_empty()
        || fills.len() > FILLS
        || fills.iter().any(|fill| !(1..=1_000_000).contains(&fill.quantity) || !sane(fill.price))
    {
        return server::problem(
            StatusCode::BAD_REQUEST,
            "a booking has 1 to 64 fills of sane size and price",
        );
    }
    let pass = match ledger.writer.enter().await {
        Ok(pass) => pass,
        Err(full) => return server::overloaded(full),
    };
    // A client that hangs up must not leave a booking half done in memory: the task outlives the request.
    let task = tokio::spawn(async move {
        let _pass = pass;
        ledger.commit(&trace, &booking).await
    });
    task.await.unwrap_or_else(|error| server::problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

impl Ledger {
    async fn commit(&self, trace: &Trace, booking: &Booking) -> Response {
        let began = Instant::now();
        let (position, made) = self.positions.lock().after(booking);
        match self.store.book(booking, &position).await {
            Ok(true) => {}
            Ok(false) => {
                self.metrics.repeated.inc();
                return Json(json!({ "booked": 0 })).into_response();
            }
            Err(error) => {
                let fields = json!({ "order_id": booking.order_id, "error": error.to_string() });
                self.log.error(Some(trace), "booking failed", fields);
                return server::problem(StatusCode::INTERNAL_SERVER_ERROR, "the database failed");
            }
        }
        let took = began.elapsed();
        self.positions.lock().set(booking, position);
        self.measure(booking, took).await;
        let fields = json!({
            "order_id": booking.order_id,
            "account": booking.account,
            "symbol": booking.symbol,
            "fills": booking.fills.len(),
            "realized": made,
            "commit_ms": server::millis(took),
        });
        self.log.info(Some(trace), "order booked", fields);
        Json(json!({ "booked": booking.fills.len() })).into_response()
    }

    async fn measure(&self, booking: &Booking, took: Duration) {
        let metrics = &self.metrics;
        metrics.fills.inc_by(booking.fills.len() as u64);
        metrics.commit.observe(took.as_secs_f64());
        {
            let positions = self.positions.lock();
            let label = SymbolLabel { symbol: booking.symbol.clone() };
            metrics.position.get_or_create(&label).set(positions.net(&booking.symbol));
            let profit = positions.profit();
            metrics.profit.get_or_create(&KindLabel { kind: "realized" }).set(profit.realized);
            metrics.profit.get_or_create(&KindLabel { kind: "unrealized" }).set(profit.unrealized);
        }
        // Housekeeping that need not be done for every booking.
        if metrics.bookings.inc().is_multiple_of(500) {
            metrics.database.set(i64::try_from(self.store.size()).unwrap_or(i64::MAX));
            if let Err(error) = self.store.prune().await {
                self.log.warn(None, "old fills not removed", json!({ "error": error.to_string() }));
            }
        }
    }
}

async fn positions_now(State(ledger): State<Arc<Ledger>>) -> Json<Vec<PositionView>> {
    Json(ledger.positions.lock().views())
}

async fn profit(State(ledger): State<Arc<Ledger>>) -> Json<serde_json::Value> {
    let profit = ledger.positions.lock().profit();
    Json(json!({ "realized": profit.realized, "unrealized": profit.unrealized }))
}
