//! The console's own interface: actions, timeline, pictures.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, Query as Params, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use quarterdeck_kernel::action::Via;
use quarterdeck_kernel::{Actor, Danger, EntryId, Invocation, Subject, SubjectKind};
use quarterdeck_panes::world::{Answer, Query, TimelineFilter};
use serde::Deserialize;
use serde_json::json;

use crate::commands::act::Call;
use crate::commands::client::ApiError;
use crate::host::{Backstage, Worlds};
use crate::screenshot::{self, Shot};

/// What the interface is served from.
#[derive(Clone)]
pub struct Api {
    /// Actions and questions.
    pub backstage: Backstage,
    /// What panes are drawn from.
    pub worlds: Worlds,
}

/// The routes.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/api/quarterdeck/v1/actions", get(actions))
        .route("/api/quarterdeck/v1/act", post(act))
        .route("/api/quarterdeck/v1/timeline", get(timeline))
        .route("/api/quarterdeck/v1/screenshot", get(picture))
        .route("/api/quarterdeck/v1/alerts/{alert}/acknowledge", on_alert("alerts.acknowledge"))
        .route("/api/quarterdeck/v1/alerts/{alert}/unacknowledge", on_alert("alerts.unacknowledge"))
        .route("/api/quarterdeck/v1/alerts/{alert}/assign", on_alert("alerts.assign"))
        .route("/api/quarterdeck/v1/alerts/{alert}/escalate", on_alert("alerts.escalate"))
        .route("/api/quarterdeck/v1/alerts/{alert}/resolve", on_alert("alerts.resolve"))
        .route("/api/quarterdeck/v1/alerts/{alert}/silence", on_alert("alerts.silence"))
        .route("/api/quarterdeck/v1/schedules/{schedule}/override", on_schedule("oncall.override"))
        .route("/api/quarterdeck/v1/schedules/{schedule}/end-override", on_schedule("oncall.end-override"))
        .route("/api/quarterdeck/v1/deploy/services/{service}/start", on_deployed("deploy.start"))
        .route("/api/quarterdeck/v1/deploy/services/{service}/promote", on_deployed("deploy.promote"))
        .route("/api/quarterdeck/v1/deploy/services/{service}/skip", on_deployed("deploy.skip"))
        .route("/api/quarterdeck/v1/deploy/services/{service}/freeze", on_deployed("deploy.freeze"))
        .route("/api/quarterdeck/v1/deploy/services/{service}/resume", on_deployed("deploy.resume"))
        .route("/api/quarterdeck/v1/deploy/services/{service}/abort", on_deployed("deploy.abort"))
        .route("/api/quarterdeck/v1/deploy/services/{service}/rollback", on_deployed("deploy.rollback"))
        .route("/api/quarterdeck/v1/deploy/services/{service}/weight", on_deployed("deploy.weight"))
        .route("/-/reload", post(reload).put(reload))
        .with_state(Arc::new(api))
}

fn failed(status: StatusCode, error: impl Into<String>) -> Response {
    let refused = status == StatusCode::CONFLICT || status == StatusCode::FORBIDDEN;
    let usage = status == StatusCode::BAD_REQUEST || status == StatusCode::NOT_FOUND;
    (status, Json(ApiError { error: error.into(), refused, usage })).into_response()
}

async fn actions(State(api): State<Arc<Api>>) -> Response {
    Json(api.backstage.dispatcher.actions()).into_response()
}

async fn act(State(api): State<Arc<Api>>, Json(call): Json<Call>) -> Response {
    if let Some(spec) = api.backstage.dispatcher.registry().spec(&call.action)
        && spec.danger == Danger::Destructive
    {
        let wanted = call.subject.as_ref().map_or(spec.id, |s| s.id.as_str());
        if call.confirm.as_deref() != Some(wanted) {
            let error = format!("{} is destructive: confirm it with --confirm {wanted:?}", spec.id);
            return failed(StatusCode::CONFLICT, error);
        }
    }
    let mut actor = call.actor;
    // What comes over HTTP cannot claim to be a key press or the console itself.
    if !matches!(actor.via, Via::Shell) {
        actor.via = Via::Http;
    }
    if actor.user.is_empty() {
        "http".clone_into(&mut actor.user);
    }
    let mut invocation = Invocation::new(call.action, actor);
    invocation.subject = call.subject;
    invocation.args = call.args;
    invocation.reason = call.reason;
    done(&api, invocation).await
}

/// What is done about a thing that its path names: the action's arguments are the body's fields, all of them texts.
fn on(kind: SubjectKind, action: &'static str) -> MethodRouter<Arc<Api>> {
    post(move |State(api): State<Arc<Api>>, Path(name): Path<String>, body: Bytes| async move {
        let args = if body.is_empty() { Ok(BTreeMap::new()) } else { serde_json::from_slice(&body) };
        let args: BTreeMap<String, String> = match args {
            Ok(args) => args,
            Err(e) => {
                return failed(StatusCode::BAD_REQUEST, format!("the body is not an object of texts: {e}"));
            }
        };
        let actor = Actor { user: "http".to_owned(), via: Via::Http, ..Actor::default() };
        let mut invocation = Invocation::new(action, actor);
        invocation.subject = Some(Subject::new(kind, name));
        invocation.args = args.into_iter().collect();
        done(&api, invocation).await
    })
}

fn on_alert(action: &'static str) -> MethodRouter<Arc<Api>> {
    on(SubjectKind::Alert, action)
}

fn on_schedule(action: &'static str) -> MethodRouter<Arc<Api>> {
    on(SubjectKind::Schedule, action)
}

fn on_deployed(action: &'static str) -> MethodRouter<Arc<Api>> {
    on(SubjectKind::Service, action)
}

async fn reload(State(api): State<Arc<Api>>) -> Response {
    let actor = Actor { user: "http".to_owned(), via: Via::Http, ..Default::default() };
    done(&api, Invocation::new("console.reload", actor)).await
}

async fn done(api: &Api, invocation: Invocation) -> Response {
    use quarterdeck_journal::DispatchError as E;
    match api.backstage.dispatcher.dispatch(invocation).await {
        Ok(done) => Json(done).into_response(),
        Err(error) => {
            let status = match &error {
                E::UnknownAction { .. } => StatusCode::NOT_FOUND,
                E::Subject { .. } | E::Arguments { .. } => StatusCode::BAD_REQUEST,
                E::ReadOnly { .. } => StatusCode::FORBIDDEN,
                E::Unavailable(_) | E::Refused(_) | E::Conflict { .. } | E::Reused(_) => StatusCode::CONFLICT,
                E::Failed { .. } | E::Interrupted(_) | E::Timeline(_) => StatusCode::INTERNAL_SERVER_ERROR,
            };
            failed(status, error.to_string())
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimelineParams {
    limit: Option<usize>,
    service: Option<String>,
    text: Option<String>,
    before: Option<String>,
}

async fn timeline(State(api): State<Arc<Api>>, Params(params): Params<TimelineParams>) -> Response {
    let before = match params.before.map(|id| id.parse::<EntryId>()).transpose() {
        Ok(before) => before,
        Err(reason) => return failed(StatusCode::BAD_REQUEST, reason.0),
    };
    let filter = TimelineFilter { service: params.service, text: params.text, ..TimelineFilter::default() };
    let query = Query::Timeline { filter, before, limit: params.limit.unwrap_or(50).min(1000) };
    let budget = api.backstage.sources.engine.budget();
    let now = api.worlds.borrow().now;
    match api.backstage.sources.answer(query, budget, now).await {
        Ok(Answer::Timeline(entries, more)) => {
            Json(json!({ "entries": entries, "more": more })).into_response()
        }
        Ok(_) => failed(StatusCode::INTERNAL_SERVER_ERROR, "the timeline gave another answer"),
        Err(error) => failed(StatusCode::INTERNAL_SERVER_ERROR, error),
    }
}

async fn picture(State(api): State<Arc<Api>>, Params(shot): Params<Shot>) -> Response {
    let world = api.worlds.borrow().clone();
    match screenshot::take(&api.backstage, world, shot).await {
        Ok((kind, bytes)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        Err(error) => failed(StatusCode::BAD_REQUEST, error),
    }
}
