//! The order API: validates, has risk check, has the broker execute, has the ledger book.

pub(crate) mod band;
mod flow;
mod house;
mod margin;
mod recent;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::flow::{Flow, Outcome};
use self::recent::Recent;
use crate::shell::metrics::{FloatCounter, ReasonLabel};
use crate::shell::pool::{Pool, PoolMetrics};
use crate::shell::trace::Trace;
use crate::shell::{Shell, server};
use crate::wire::{OrderRequest, OrderStatus, OrderView};
use crate::{DemoError, Options};

/// Orders worked on at once, and orders that may wait for that.
const WORKERS: usize = 24;
const QUEUE: usize = 256;
/// An order that takes longer is worth a line that says so.
const SLOW: Duration = Duration::from_millis(250);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrderLabels {
    side: &'static str,
    status: &'static str,
    reason: &'static str,
    version: String,
}

/// What `POST /admin/kill-switch` takes and answers.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct KillSwitch {
    /// Whether no order is taken.
    active: bool,
}

struct Orders {
    flow: Flow,
    pipeline: Arc<Pool>,
    recent: Recent,
    version: String,
    log: crate::shell::log::Log,
    orders: Family<OrderLabels, Counter>,
    rejects: Family<ReasonLabel, Counter>,
    notional: FloatCounter,
}

pub(crate) async fn run(mut shell: Shell, options: &Options) -> Result<(), DemoError> {
    let pools = PoolMetrics::new(&mut shell.registry);
    let flow = Flow::new(&mut shell, options, &pools)?;
    let quotes = flow.quotes.clone();
    let orders = Arc::new(Orders::new(&mut shell.registry, &shell.log, options, flow, &pools));
    let routes = Router::new()
        .route("/orders", post(place))
        .route("/orders/{id}", get(show))
        .route("/admin/kill-switch", get(get_kill_switch).post(set_kill_switch))
        .with_state(orders);
    server::serve(shell, routes, Arc::new(move || quotes.ready())).await
}

impl Orders {
    fn new(
        registry: &mut Registry,
        log: &crate::shell::log::Log,
        options: &Options,
        flow: Flow,
        pools: &PoolMetrics,
    ) -> Self {
        let orders = Self {
            flow,
            pipeline: Pool::new("pipeline", WORKERS, QUEUE, pools),
            recent: Recent::new(&options.release),
            version: options.release.clone(),
            log: log.clone(),
            orders: Family::default(),
            rejects: Family::default(),
            notional: FloatCounter::default(),
        };
        registry.register("orders", "Orders taken, by how they ended", orders.orders.clone());
        registry.register("rejects", "Orders that a check refused", orders.rejects.clone());
        registry.register("orders_notional_dollars", "Value of what was ordered", orders.notional.clone());
        orders
    }

    fn record(&self, trace: &Trace, view: &OrderView, reason: &'static str, took: Duration) {
        let labels = OrderLabels {
            side: view.request.side.as_str(),
            status: view.status.as_str(),
            reason,
            version: self.version.clone(),
        };
        self.orders.get_or_create(&labels).inc();
        if view.status == OrderStatus::Rejected {
            self.rejects.get_or_create(&ReasonLabel { reason }).inc();
        }
        let fields = json!({
            "order_id": view.id,
            "account": view.request.account,
            "symbol": view.request.symbol,
            "side": view.request.side,
            "quantity": view.request.quantity,
            "limit": view.request.limit,
            "status": view.status,
            "reason": reason,
            "filled": view.filled,
            "duration_ms": server::millis(took),
        });
        match view.status {
            OrderStatus::Failed => self.log.error(Some(trace), "order failed", fields),
            OrderStatus::Rejected => self.log.warn(Some(trace), "order rejected", fields),
            _ if took >= SLOW => self.log.warn(Some(trace), "order was slow", fields),
            _ => self.log.info(Some(trace), "order done", fields),
        }
    }
}

async fn place(
    State(orders): State<Arc<Orders>>,
    Extension(trace): Extension<Trace>,
    Json(request): Json<OrderRequest>,
) -> Response {
    let began = Instant::now();
    let pass = match orders.pipeline.enter().await {
        Ok(pass) => pass,
        Err(full) => {
            let labels = OrderLabels {
                side: request.side.as_str(),
                status: "failed",
                reason: "overloaded",
                version: orders.version.clone(),
            };
            orders.orders.get_or_create(&labels).inc();
            return server::overloaded(full);
        }
    };
    let id = orders.recent.next_id();
    orders.notional.inc_by(request.limit.max(0.0) * request.quantity.max(0) as f64);
    let Outcome { status, reason, fills, http } = orders.flow.work(&trace, &id, &request).await;
    drop(pass);
    let filled: i64 = fills.iter().map(|fill| fill.quantity).sum();
    let paid: f64 = fills.iter().map(|fill| fill.price * fill.quantity as f64).sum();
    let view = OrderView {
        id,
        version: orders.version.clone(),
        request,
        status,
        reason: reason.to_owned(),
        filled,
        average_price: (filled > 0).then(|| paid / filled as f64),
    };
    orders.record(&trace, &view, reason, began.elapsed());
    orders.recent.keep(view.clone());
    (http, Json(view)).into_response()
}

async fn show(State(orders): State<Arc<Orders>>, Path(id): Path<String>) -> Response {
    match orders.recent.get(&id) {
        Some(view) => Json(view).into_response(),
        None => server::problem(StatusCode::NOT_FOUND, format!("no order `{id}` among the latest")),
    }
}

async fn get_kill_switch(State(orders): State<Arc<Orders>>) -> Json<KillSwitch> {
    Json(KillSwitch { active: orders.flow.house.stopped() })
}

async fn set_kill_switch(
    State(orders): State<Arc<Orders>>,
    Json(wanted): Json<KillSwitch>,
) -> Json<KillSwitch> {
    orders.flow.house.stop(wanted.active);
    orders.log.warn(None, "kill switch set", json!({ "active": wanted.active }));
    Json(wanted)
}
