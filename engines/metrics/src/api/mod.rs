//! The Prometheus HTTP API over the store and the evaluator, `/metrics`, and the remote-write receiver.
//!
//! Thin translation: parameters in, JSON out, errors as Prometheus reports them. Queries run where blocking is
//! allowed, a few at a time, and stop when their client goes away.

mod compress;
mod error;
mod export;
mod meta;
mod params;
mod parse;
mod query;
mod render;
mod run;
mod status;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use quarterdeck_promql::{Engine, EngineOptions};

use crate::Store;
use crate::config::QueryConfig;
use crate::exposition::Format;
use crate::instruments::{self, LATENCY_SECONDS};
pub use render::render_value;
use run::Runner;

/// Form bodies larger than this are refused.
const MAX_FORM_BYTES: usize = 1 << 20;

/// What every handler needs.
#[derive(Clone)]
struct Api(Arc<Shared>);

struct Shared {
    store: Store,
    engine: Arc<Engine>,
    query: QueryConfig,
    runner: Runner,
}

/// How many float samples a remote-write message (protobuf, after decompression) holds.
///
/// # Errors
/// Why it is no such message.
pub fn remote_write_samples(message: &[u8]) -> Result<usize, String> {
    let request = write::wire::WriteRequest::decode(message)?;
    Ok(request.series.iter().map(|series| series.samples.len()).sum())
}

/// An evaluator with the limits of the configuration.
#[must_use]
pub fn engine(config: &QueryConfig) -> Engine {
    Engine::new(EngineOptions {
        lookback: config.lookback,
        max_samples: config.max_samples,
        timeout: config.timeout,
        ..EngineOptions::default()
    })
}

/// `/api/v1/…` as Prometheus has it, and `/metrics`.
pub fn router(store: Store, engine: Arc<Engine>, config: &QueryConfig) -> Router {
    let api = Api(Arc::new(Shared { store, engine, query: config.clone(), runner: Runner::new(config) }));
    Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/query_exemplars", get(query::exemplars).post(query::exemplars))
        .route("/api/v1/format_query", get(query::format).post(query::format))
        .route("/api/v1/parse_query", get(parse::parse).post(parse::parse))
        .route("/api/quarterdeck/v1/export", get(export::export))
        .route("/api/v1/series", get(meta::series).post(meta::series))
        .route("/api/v1/labels", get(meta::labels).post(meta::labels))
        .route("/api/v1/label/{name}/values", get(meta::label_values))
        .route("/api/v1/metadata", get(meta::metadata))
        .route("/api/v1/status/buildinfo", get(status::buildinfo))
        .route("/api/v1/status/runtimeinfo", get(status::runtimeinfo))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/tsdb", get(status::tsdb))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .layer(middleware::from_fn(compress::layer))
        .route("/api/v1/write", post(write::write).layer(DefaultBodyLimit::max(config.max_write_bytes)))
        .route("/metrics", get(metrics).layer(middleware::from_fn(compress::layer)))
        .with_state(api)
}

async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format = Format::negotiate(accept);
    let page = api.0.runner.blocking(move || instruments::global().page(format)).await;
    match page {
        Ok(page) => ([(header::CONTENT_TYPE, format.content_type())], page).into_response(),
        Err(error) => error.into_response(),
    }
}

/// How long requests of one kind take, and how many there are.
fn latency(handler: &str) -> instruments::Histogram {
    instruments::global().histogram(
        "quarterdeck_http_request_duration_seconds",
        "How long requests to the Prometheus API took.",
        &[("handler", handler)],
        &LATENCY_SECONDS,
    )
}
