//! The one listener that serves every HTTP interface.

pub mod api;
pub mod guard;
pub mod health;
pub mod listener;
pub mod prometheus;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use quarterdeck_metrics::Store;
use quarterdeck_promql::Engine;
use tokio::sync::watch;
use tracing::Instrument;

use crate::lifecycle::{Life, panic_text};
use guard::Guard;

/// What the interfaces are made of.
pub struct Parts {
    /// Who may call what.
    pub guard: Arc<Guard>,
    /// For the probes.
    pub life: watch::Receiver<Arc<Life>>,
    /// The metrics store.
    pub store: Store,
    /// The evaluator.
    pub engine: Arc<Engine>,
    /// Limits of queries.
    pub query: quarterdeck_metrics::config::QueryConfig,
    /// Targets and configuration as Prometheus tells them.
    pub prometheus: prometheus::Sources,
    /// Rules and alerts.
    pub rules: quarterdeck_rules::api::Current,
    /// Alertmanager's API.
    pub alerting: Arc<dyn quarterdeck_alerting::api::Source>,
    /// Deployment control.
    pub deploy: quarterdeck_deploy::actions::Live,
    /// The console's own interface.
    pub api: api::Api,
    /// Counts requests.
    pub requests: Arc<AtomicU64>,
}

/// Every route, behind the guard.
pub fn router(parts: Parts) -> Router {
    let counted = Arc::clone(&parts.requests);
    Router::new()
        .merge(health::router(&parts.life))
        .merge(quarterdeck_metrics::api::router(parts.store, parts.engine, &parts.query))
        .merge(prometheus::router(parts.prometheus))
        .merge(quarterdeck_rules::api::router(parts.rules))
        .merge(quarterdeck_alerting::api::router(parts.alerting))
        .merge(quarterdeck_deploy::api::router(parts.deploy))
        .merge(api::router(parts.api))
        .layer(middleware::from_fn_with_state(parts.guard, guard::layer))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            counted.fetch_add(1, Ordering::Relaxed);
            traced(request, next)
        }))
}

/// Gives every request an id that stands in every log line of it, and keeps a panic from taking the connection along.
async fn traced(request: Request, next: Next) -> Response {
    let id = uuid::Uuid::now_v7();
    let span = tracing::info_span!("request", request = %id, method = %request.method(), path = request.uri().path());
    let answered =
        std::panic::AssertUnwindSafe(next.run(request)).catch_unwind().instrument(span.clone()).await;
    let mut response = answered.unwrap_or_else(|panic| {
        span.in_scope(|| tracing::error!(panic = panic_text(&*panic), "a request panicked"));
        (StatusCode::INTERNAL_SERVER_ERROR, "this request failed inside the console; its log tells more\n")
            .into_response()
    });
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    if let Ok(value) = id.to_string().parse() {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
