//! The broker: a matching simulator behind a venue that takes so many messages a second and no more.

pub(crate) mod matching;
mod venue;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::venue::Venue;
use crate::market::symbols;
use crate::shell::log::Log;
use crate::shell::metrics::{FloatCounter, FloatGauge, SymbolLabel};
use crate::shell::pool::{Pool, PoolMetrics};
use crate::shell::trace::Trace;
use crate::shell::{Shell, server};
use crate::wire::{Execution, ExecutionRequest, ExecutionStatus, to_dollars, to_ticks};
use crate::{DemoError, Options};

/// Orders that may wait for a venue session.
const QUEUE: usize = 128;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

struct Broker {
    venue: Venue,
    log: Log,
    slowdown: FloatGauge,
    /// Whether the line to the venue stands.
    line: AtomicBool,
    connected: Gauge,
    executions: Family<StatusLabel, Counter>,
    fills: Family<SymbolLabel, Counter>,
    shares: Family<SymbolLabel, Counter>,
    notional: FloatCounter,
}

/// What `POST /admin/slowdown` takes and answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Slowdown {
    /// How many times longer than usual each message takes, 0.1 to 100.
    factor: f64,
}

/// What `POST /admin/connection` takes and answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Connection {
    /// Whether the line to the venue stands.
    connected: bool,
}

pub(crate) async fn run(mut shell: Shell, options: &Options) -> Result<(), DemoError> {
    let pools = PoolMetrics::new(&mut shell.registry);
    let sessions = Pool::new("sessions", options.sessions.max(1), QUEUE, &pools);
    let slot = Duration::from_micros(options.slot_us.max(1));
    let broker = Arc::new(Broker::new(&mut shell.registry, &shell.log, Venue::new(sessions, slot)));
    let routes = Router::new()
        .route("/executions", post(execute))
        .route("/admin/slowdown", post(set_slowdown).get(get_slowdown))
        .route("/admin/connection", post(set_connection).get(get_connection))
        .with_state(broker);
    server::serve(shell, routes, server::always()).await
}

impl Broker {
    fn new(registry: &mut Registry, log: &Log, venue: Venue) -> Self {
        let broker = Self {
            venue,
            log: log.clone(),
            slowdown: FloatGauge::default(),
            line: AtomicBool::new(true),
            connected: Gauge::default(),
            executions: Family::default(),
            fills: Family::default(),
            shares: Family::default(),
            notional: FloatCounter::default(),
        };
        broker.slowdown.set(1.0);
        broker.connected.set(1);
        registry.register(
            "broker_connected",
            "Whether the line to the venue stands",
            broker.connected.clone(),
        );
        registry.register("broker_executions", "Orders, by what the venue did", broker.executions.clone());
        registry.register("fills", "Trades made", broker.fills.clone());
        registry.register("volume_shares", "Shares traded", broker.shares.clone());
        registry.register("volume_dollars", "Value traded", broker.notional.clone());
        registry.register(
            "broker_slowdown_ratio",
            "How many times longer than usual the venue takes",
            broker.slowdown.clone(),
        );
        broker
    }

    fn count(&self, request: &ExecutionRequest, execution: &Execution) {
        let status = match execution.status {
            ExecutionStatus::Filled => "filled",
            ExecutionStatus::PartiallyFilled => "partially_filled",
            ExecutionStatus::Unfilled => "unfilled",
            ExecutionStatus::Rejected => "rejected",
        };
        self.executions.get_or_create(&StatusLabel { status }).inc();
        if execution.fills.is_empty() {
            return;
        }
        let label = SymbolLabel { symbol: request.symbol.clone() };
        let shares: i64 = execution.fills.iter().map(|fill| fill.quantity).sum();
        self.fills.get_or_create(&label).inc_by(execution.fills.len() as u64);
        self.shares.get_or_create(&label).inc_by(shares.unsigned_abs());
        self.notional
            .inc_by(execution.fills.iter().map(|fill| fill.price * fill.quantity as f64).sum::<f64>());
    }
}

async fn execute(
    State(broker): State<Arc<Broker>>,
    Extension(trace): Extension<Trace>,
    Json(request): Json<ExecutionRequest>,
) -> Response {
    let Some(symbol) = symbols::find(&request.symbol) else {
        return server::problem(StatusCode::BAD_REQUEST, format!("no symbol `{}`", request.symbol));
    };
    let sane = |price: f64| (0.01..=1_000_000.0).contains(&price);
    if !(1..=1_000_000).contains(&request.quantity)
        || ![request.limit, request.bid, request.ask].into_iter().all(sane)
    {
        return server::problem(StatusCode::BAD_REQUEST, "quantity or price is out of range");
    }
    if !broker.line.load(Ordering::Relaxed) {
        broker.executions.get_or_create(&StatusLabel { status: "disconnected" }).inc();
        broker.log.warn(Some(&trace), "no line to the venue", json!({ "order_id": request.order_id }));
        return server::problem(StatusCode::BAD_GATEWAY, "the line to the venue is down");
    }
    let order = matching::Order {
        symbol,
        side: request.side,
        quantity: request.quantity,
        limit: to_ticks(request.limit),
        bid: to_ticks(request.bid),
        ask: to_ticks(request.ask),
    };
    let execution = matching::execute(&order, &request.order_id);
    // The order itself is one message, each trade is confirmed by another.
    let messages = 1 + execution.fills.len() as u32;
    if let Err(full) = broker.venue.transmit(messages).await {
        broker.executions.get_or_create(&StatusLabel { status: "overloaded" }).inc();
        broker.log.warn(
            Some(&trace),
            "no room for the order",
            json!({ "order_id": request.order_id, "queue": full.limit }),
        );
        return server::overloaded(full);
    }
    broker.count(&request, &execution);
    let fields = json!({
        "order_id": request.order_id,
        "symbol": request.symbol,
        "status": execution.status,
        "fills": execution.fills.len(),
        "best": execution.fills.first().map(|fill| fill.price),
        "touch": to_dollars(order.touch()),
    });
    match execution.status {
        ExecutionStatus::Rejected => broker.log.warn(Some(&trace), "venue refused the order", fields),
        _ => broker.log.info(Some(&trace), "order executed", fields),
    }
    Json(execution).into_response()
}

async fn set_slowdown(State(broker): State<Arc<Broker>>, Json(wanted): Json<Slowdown>) -> Response {
    if !(0.1..=100.0).contains(&wanted.factor) {
        let error = format!("factor {} is not between 0.1 and 100", wanted.factor);
        return server::problem(StatusCode::BAD_REQUEST, error);
    }
    broker.venue.set_slowdown(wanted.factor);
    broker.slowdown.set(wanted.factor);
    broker.log.warn(None, "slowdown set", json!({ "factor": wanted.factor }));
    Json(wanted).into_response()
}

async fn get_slowdown(State(broker): State<Arc<Broker>>) -> Json<Slowdown> {
    Json(Slowdown { factor: broker.venue.slowdown() })
}

async fn set_connection(
    State(broker): State<Arc<Broker>>,
    Json(wanted): Json<Connection>,
) -> Json<Connection> {
    broker.line.store(wanted.connected, Ordering::Relaxed);
    broker.connected.set(i64::from(wanted.connected));
    broker.log.warn(None, "line to the venue set", json!({ "connected": wanted.connected }));
    Json(wanted)
}

async fn get_connection(State(broker): State<Arc<Broker>>) -> Json<Connection> {
    Json(Connection { connected: broker.line.load(Ordering::Relaxed) })
}
