//! Alertmanager's API v2, as its OpenAPI description has it, and beside it what Alertmanager does not have: explanations,
//! on-call, creating an alert in plain words.
//!
//! Thin: what is asked is translated, done by the task, and translated back. Lists are written out piece by piece, so that
//! a hundred thousand alerts never stand in memory twice.

mod batch;
mod filter;
mod lists;
mod own;
mod silences;
mod statistics;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use quarterdeck_alertmanager::wire::{
    ClusterState, ClusterStatus, ConfigStatus, PeerStatus, Status, VersionInfo,
};
use quarterdeck_kernel::action::Via;
use quarterdeck_kernel::{Actor, Timestamp};

use crate::request::{Answer, Refused, Request};
use crate::task::{Handle, Role, Room, View};

/// The version of Alertmanager whose API this is.
const API_VERSION: &str = "0.28.1";
/// The longest batch of alerts taken, in bytes: ten thousand alerts with long annotations. Other bodies have axum's own
/// limit of 2 MB.
const MAX_BODY: usize = 64 << 20;
/// How long a client may take to send a batch: what it has sent so far takes the room of others.
const BODY_TIME: std::time::Duration = std::time::Duration::from_secs(30);
/// How long a question waits until the state is read back after a start.
const READ_BACK: std::time::Duration = std::time::Duration::from_secs(10);

/// What the configuration says that the API repeats.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// `alertmanager.yml` without its secrets.
    pub original: Arc<str>,
    /// Receivers in order.
    pub receivers: Arc<[Arc<str>]>,
    /// When the console started.
    pub started: Timestamp,
    /// This program's version.
    pub version: Arc<str>,
}

/// Where the API finds what it needs.
pub trait Source: Send + Sync {
    /// Running alerting; why not, while it does not run.
    ///
    /// # Errors
    /// Why it does not run.
    fn handle(&self) -> Result<Handle, String>;

    /// What the configuration in force says.
    fn facts(&self) -> Facts;

    /// Whether nothing may be done that changes who is told.
    fn read_only(&self) -> bool;

    /// The time.
    fn now(&self) -> Timestamp;
}

/// Shared by every route.
pub(crate) type Api = Arc<dyn Source>;

/// The routes.
pub fn router(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/api/v2/status", get(status))
        .route("/api/v2/receivers", get(receivers))
        .route("/api/v2/alerts", get(lists::alerts).post(post_alerts))
        .route("/api/v2/alerts/groups", get(lists::groups))
        .route("/api/v2/silences", get(silences::list).post(silences::set))
        .route("/api/v2/silence/{id}", get(silences::one).delete(silences::expire))
        .route("/api/quarterdeck/v1/alerts", post(own::create))
        .route("/api/quarterdeck/v1/alerts/{alert}/explain", get(own::explain))
        .route("/api/quarterdeck/v1/notifications", get(own::notifications))
        .route("/api/quarterdeck/v1/oncall", get(own::oncall))
        .route("/api/quarterdeck/v1/alerting/statistics", get(statistics::statistics))
        .route("/api/quarterdeck/v1/alerting/openapi.json", get(own::openapi))
        .with_state(source)
}

/// An answer as JSON.
pub(crate) fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An error as Alertmanager answers it: the sentence as a JSON string.
pub(crate) fn error(status: StatusCode, why: &str) -> Response {
    json(status, serde_json::Value::from(why).to_string())
}

/// What a refusal is over HTTP.
pub(crate) fn refused(refusal: &Refused) -> Response {
    let status = match refusal {
        Refused::Bad(_) => StatusCode::BAD_REQUEST,
        Refused::Missing(_) => StatusCode::NOT_FOUND,
        Refused::NotSaved(_) | Refused::NotRead(_) => StatusCode::INTERNAL_SERVER_ERROR,
        Refused::Unreachable(_) | Refused::Busy | Refused::Stopped => StatusCode::SERVICE_UNAVAILABLE,
    };
    error(status, &refusal.to_string())
}

/// Running alerting, or the answer that it does not run.
pub(crate) fn running(api: &Api) -> Result<Handle, Box<Response>> {
    api.handle().map_err(|why| Box::new(error(StatusCode::SERVICE_UNAVAILABLE, &why)))
}

/// The state of running alerting, once what was written down is read back.
pub(crate) async fn state(api: &Api) -> Result<Arc<View>, Box<Response>> {
    let handle = running(api)?;
    let read = tokio::time::timeout(READ_BACK, handle.read_back()).await;
    match read.unwrap_or(Err(Refused::Unreachable("alerting is still reading its state".to_owned()))) {
        Ok(view) => Ok(view),
        Err(refusal) => Err(Box::new(refused(&refusal))),
    }
}

/// Who a call over HTTP is by.
pub(crate) fn caller(name: &str) -> Actor {
    let user = if name.is_empty() { "http" } else { name };
    Actor { user: user.chars().take(200).collect(), via: Via::Http, ..Actor::default() }
}

async fn status(State(api): State<Api>) -> Response {
    let facts = api.facts();
    let role = api.handle().map(|handle| handle.view().role.clone()).unwrap_or_default();
    let (name, state) = match &role {
        Role::Notifying => ("notifying", ClusterState::Ready),
        Role::Standby { .. } => ("standby", ClusterState::Ready),
        Role::Starting => ("", ClusterState::Disabled),
    };
    let peers = match &role {
        Role::Standby { holder, address } => {
            vec![PeerStatus { name: holder.to_string(), address: address.to_string() }]
        }
        Role::Notifying | Role::Starting => Vec::new(),
    };
    let body = Status {
        cluster: ClusterStatus { name: name.to_owned(), peers, status: state },
        config: ConfigStatus { original: facts.original.to_string() },
        uptime: facts.started.into(),
        version_info: VersionInfo {
            version: API_VERSION.to_owned(),
            revision: format!("quarterdeck-{}", facts.version),
            branch: "quarterdeck".to_owned(),
            build_user: String::new(),
            build_date: String::new(),
            go_version: String::new(),
        },
    };
    match serde_json::to_string(&body) {
        Ok(body) => json(StatusCode::OK, body),
        Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
    }
}

async fn receivers(State(api): State<Api>) -> Response {
    let names: Vec<_> =
        api.facts().receivers.iter().map(|name| serde_json::json!({ "name": &**name })).collect();
    json(StatusCode::OK, serde_json::Value::from(names).to_string())
}

/// Reads a batch, as far as there is room for it among those of others.
async fn batch(headers: &HeaderMap, body: Body, room: &mut Room) -> Result<Vec<u8>, (StatusCode, String)> {
    let too_long =
        || (StatusCode::PAYLOAD_TOO_LARGE, format!("a batch of alerts has at most {MAX_BODY} bytes"));
    let busy = |refusal: Refused| (StatusCode::SERVICE_UNAVAILABLE, refusal.to_string());
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > MAX_BODY) {
        return Err(too_long());
    }
    room.hold(length.unwrap_or(0)).map_err(busy)?;
    let mut read = Vec::with_capacity(length.unwrap_or(0));
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|e| (StatusCode::BAD_REQUEST, format!("the body breaks off: {e}")))?;
        if read.len() + piece.len() > MAX_BODY {
            return Err(too_long());
        }
        room.hold(read.len() + piece.len()).map_err(busy)?;
        read.extend_from_slice(&piece);
    }
    Ok(read)
}

async fn post_alerts(State(api): State<Api>, headers: HeaderMap, body: Body) -> Response {
    let handle = match running(&api) {
        Ok(handle) => handle,
        Err(response) => return *response,
    };
    // Until the answer: what was read from it is held as long.
    let mut room = handle.room();
    let read = tokio::time::timeout(BODY_TIME, batch(&headers, body, &mut room)).await;
    let body = match read {
        Ok(Ok(body)) => body,
        Ok(Err((status, why))) => return error(status, &why),
        Err(_) => {
            let why = format!("the body did not come within {} s", BODY_TIME.as_secs());
            return error(StatusCode::REQUEST_TIMEOUT, &why);
        }
    };
    let alerts = match batch::read(&body) {
        Ok(alerts) => alerts,
        Err(e) => {
            let why = format!("the body is not a list of alerts: {e}");
            return error(StatusCode::BAD_REQUEST, &why);
        }
    };
    drop(body);
    match handle.ask(Request::Post(alerts), caller("alerts API"), false).await {
        // The good ones of the batch are taken all the same.
        Ok(Answer::Posted { refused, .. }) if !refused.is_empty() => {
            let many: Vec<String> =
                refused.iter().take(20).map(|(place, why)| format!("alert {place}: {why}")).collect();
            let more = match refused.len().saturating_sub(20) {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            error(StatusCode::BAD_REQUEST, &format!("{}{more}", many.join("; ")))
        }
        Ok(_) => StatusCode::OK.into_response(),
        Err(refusal) => refused(&refusal),
    }
}
