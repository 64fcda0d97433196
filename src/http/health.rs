//! Probes: is it alive, has it started, does it take work.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::watch;

use crate::lifecycle::{Life, State};

/// The probes' paths: Kubernetes's names, and Prometheus's.
pub const PATHS: [&str; 5] = ["/livez", "/readyz", "/startupz", "/-/healthy", "/-/ready"];

/// The routes of the probes.
pub fn router(life: &watch::Receiver<Arc<Life>>) -> Router {
    let probe = |good: fn(State) -> bool| {
        let life = life.clone();
        get(move || {
            let life = life.borrow().clone();
            async move { answer(&life, good) }
        })
    };
    let alive: fn(State) -> bool = |state| state != State::Stopped;
    let started: fn(State) -> bool = |state| state != State::Starting;
    let ready: fn(State) -> bool = |state| state == State::Running;
    Router::new()
        .route(PATHS[0], probe(alive))
        .route(PATHS[1], probe(ready))
        .route(PATHS[2], probe(started))
        .route(PATHS[3], probe(alive))
        .route(PATHS[4], probe(ready))
}

fn answer(life: &Life, good: fn(State) -> bool) -> Response {
    let status = if good(life.state) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(life)).into_response()
}
