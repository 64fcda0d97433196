//! The pager of whoever is on call: takes webhooks as Alertmanager sends them, remembers the newest, says so in the log.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};

use crate::shell::log::Log;

/// Pages remembered.
const KEPT: usize = 100;

struct Pager {
    latest: Mutex<VecDeque<Value>>,
    received: Counter,
    log: Log,
}

/// `POST /pages` takes one, `GET /pages` answers the newest, oldest first.
pub(super) fn routes(registry: &mut Registry, log: &Log) -> Router {
    let pager = Arc::new(Pager { latest: Mutex::default(), received: Counter::default(), log: log.clone() });
    registry.register("pager_pages", "Pages received", pager.received.clone());
    Router::new().route("/pages", get(pages).post(take)).with_state(pager)
}

async fn pages(State(pager): State<Arc<Pager>>) -> Json<Vec<Value>> {
    Json(pager.latest.lock().iter().cloned().collect())
}

async fn take(State(pager): State<Arc<Pager>>, Json(page): Json<Value>) -> StatusCode {
    let alerts = page["alerts"].as_array().map_or(0, Vec::len);
    pager.log.warn(
        None,
        "page received",
        json!({ "status": page["status"], "group": page["groupKey"], "alerts": alerts }),
    );
    pager.received.inc();
    let mut latest = pager.latest.lock();
    if latest.len() >= KEPT {
        latest.pop_front();
    }
    latest.push_back(page);
    StatusCode::OK
}
