//! What can be asked about rollouts over HTTP. What is done goes through the console's actions, with their token.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::actions::Live;

/// Lines of output that are answered at most.
const MAX_LINES: usize = 5_000;

/// The routes, to be mounted as they are.
pub fn router(live: Live) -> axum::Router {
    axum::Router::new()
        .route("/api/quarterdeck/v1/deploy", get(status))
        .route("/api/quarterdeck/v1/deploy/services/{service}", get(service))
        .route("/api/quarterdeck/v1/deploy/rollouts/{rollout}", get(rollout))
        .route("/api/quarterdeck/v1/deploy/history", get(history))
        .route("/api/quarterdeck/v1/deploy/output/{replica}", get(output))
        .with_state(live)
}

fn failed(status: StatusCode, error: impl Into<String>) -> Response {
    let error: String = error.into();
    (status, Json(json!({ "error": error, "refused": false, "usage": status == StatusCode::NOT_FOUND })))
        .into_response()
}

fn answer(value: &impl Serialize) -> Response {
    match serde_json::to_value(value) {
        Ok(value) => Json(value).into_response(),
        Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn status(State(live): State<Live>) -> Response {
    match live() {
        Ok(handle) => answer(&*handle.snapshot()),
        Err(reason) => failed(StatusCode::SERVICE_UNAVAILABLE, reason.0),
    }
}

async fn service(State(live): State<Live>, Path(name): Path<String>) -> Response {
    let snapshot = match live() {
        Ok(handle) => handle.snapshot(),
        Err(reason) => return failed(StatusCode::SERVICE_UNAVAILABLE, reason.0),
    };
    match snapshot.service(&name) {
        Some(view) => {
            let last = snapshot.history.iter().find(|rollout| rollout.service == name);
            Json(json!({ "service": &**view, "rollout": snapshot.rollout_of(&name), "last": last }))
                .into_response()
        }
        None => {
            let names: Vec<&str> = snapshot.services.iter().map(|s| s.name.as_str()).collect();
            failed(
                StatusCode::NOT_FOUND,
                format!("{name:?} is not deployed here; services: {}", names.join(", ")),
            )
        }
    }
}

async fn rollout(State(live): State<Live>, Path(id): Path<String>) -> Response {
    match live() {
        Ok(handle) => match handle.snapshot().rollout(&id) {
            Some(rollout) => answer(&**rollout),
            None => {
                failed(StatusCode::NOT_FOUND, format!("there is no rollout {id:?} among those that are kept"))
            }
        },
        Err(reason) => failed(StatusCode::SERVICE_UNAVAILABLE, reason.0),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    service: Option<String>,
    limit: Option<usize>,
}

async fn history(State(live): State<Live>, Query(asked): Query<Asked>) -> Response {
    match live() {
        Ok(handle) => {
            let snapshot = handle.snapshot();
            let of = |rollout: &&std::sync::Arc<crate::model::Rollout>| {
                asked.service.as_ref().is_none_or(|service| *service == rollout.service)
            };
            let rollouts: Vec<_> =
                snapshot.history.iter().filter(of).take(asked.limit.unwrap_or(50)).collect();
            answer(&rollouts)
        }
        Err(reason) => failed(StatusCode::SERVICE_UNAVAILABLE, reason.0),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    lines: Option<usize>,
}

async fn output(
    State(live): State<Live>,
    Path(replica): Path<String>,
    Query(asked): Query<Lines>,
) -> Response {
    match live() {
        Ok(handle) => answer(&handle.output(&replica, asked.lines.unwrap_or(200).min(MAX_LINES))),
        Err(reason) => failed(StatusCode::SERVICE_UNAVAILABLE, reason.0),
    }
}
