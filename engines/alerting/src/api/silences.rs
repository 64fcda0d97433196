//! Silences over the API.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quarterdeck_alertmanager::wire::{
    GettableSilence, PostableSilence, PostedSilence, SilenceState, SilenceStatus, WireMatcher,
};
use quarterdeck_kernel::Timestamp;
use uuid::Uuid;

use super::filter::Asked;
use super::{Api, caller, error, json, refused, running, state};
use crate::desk::new_silence;
use crate::model::Silence;
use crate::request::{Answer, Refused, Request};

fn gettable(silence: &Silence, now: Timestamp) -> GettableSilence {
    GettableSilence {
        id: silence.id.to_string(),
        status: SilenceStatus { state: SilenceState::at(silence.starts_at, silence.ends_at, now) },
        updated_at: silence.updated_at.into(),
        annotations: BTreeMap::new(),
        comment: silence.comment.to_string(),
        created_by: silence.created_by.to_string(),
        ends_at: silence.ends_at.into(),
        matchers: silence.matchers.iter().map(WireMatcher::from).collect(),
        starts_at: silence.starts_at.into(),
    }
}

fn body(value: &impl serde::Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => json(StatusCode::OK, text),
        Err(e) => error(StatusCode::INTERNAL_SERVER_ERROR, &e.to_string()),
    }
}

pub(super) async fn list(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let asked = match Asked::parse(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return error(StatusCode::BAD_REQUEST, &why),
    };
    let view = match state(&api).await {
        Ok(view) => view,
        Err(response) => return *response,
    };
    let now = api.now();
    let mut found: Vec<&Arc<Silence>> = view
        .alerts
        .silences
        .iter()
        .filter(|silence| match SilenceState::at(silence.starts_at, silence.ends_at, now) {
            SilenceState::Active => asked.active,
            SilenceState::Pending => asked.pending,
            SilenceState::Expired => asked.expired,
        })
        .filter(|silence| {
            // Of two matchers on one label the last one counts.
            asked.passes(|name| {
                silence.matchers.iter().rev().find(|m| m.name == name).map(|m| m.value.as_str())
            })
        })
        .collect();
    // Active ones first, those that end soonest; then those to come, soonest first; then those that ended, latest first.
    found.sort_by_key(|silence| match SilenceState::at(silence.starts_at, silence.ends_at, now) {
        SilenceState::Active => (0, silence.ends_at.as_millis()),
        SilenceState::Pending => (1, silence.starts_at.as_millis()),
        SilenceState::Expired => (2, -silence.ends_at.as_millis()),
    });
    body(&found.iter().map(|silence| gettable(silence, now)).collect::<Vec<_>>())
}

fn id(text: &str) -> Result<Uuid, Box<Response>> {
    Uuid::parse_str(text).map_err(|_| {
        // The path's format is part of the API's description.
        let why = format!("silenceID in path must be of type uuid: {text:?}");
        Box::new(error(StatusCode::UNPROCESSABLE_ENTITY, &why))
    })
}

pub(super) async fn one(State(api): State<Api>, Path(text): Path<String>) -> Response {
    let (view, id) = match (state(&api).await, id(&text)) {
        (Ok(view), Ok(id)) => (view, id),
        (Err(response), _) | (_, Err(response)) => return *response,
    };
    match view.alerts.silences.iter().find(|silence| silence.id == id) {
        Some(silence) => body(&gettable(silence, api.now())),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) async fn expire(State(api): State<Api>, Path(text): Path<String>) -> Response {
    if api.read_only() {
        return error(StatusCode::FORBIDDEN, "this console is read-only: it ends no silences");
    }
    let (handle, id) = match running(&api).and_then(|handle| Ok((handle, id(&text)?))) {
        Ok(both) => both,
        Err(response) => return *response,
    };
    match handle.ask(Request::ExpireSilence(id), caller("silences API"), false).await {
        Ok(_) => StatusCode::OK.into_response(),
        Err(Refused::Missing(_)) => StatusCode::NOT_FOUND.into_response(),
        // Over already: Alertmanager calls that its own error.
        Err(Refused::Bad(why)) => error(StatusCode::INTERNAL_SERVER_ERROR, &why),
        Err(refusal) => refused(&refusal),
    }
}

pub(super) async fn set(State(api): State<Api>, posted: Bytes) -> Response {
    if api.read_only() {
        return error(StatusCode::FORBIDDEN, "this console is read-only: it takes no silences");
    }
    let posted: PostableSilence = match serde_json::from_slice(&posted) {
        Ok(posted) => posted,
        Err(e) => return error(StatusCode::BAD_REQUEST, &format!("the body is not a silence: {e}")),
    };
    let handle = match running(&api) {
        Ok(handle) => handle,
        Err(response) => return *response,
    };
    let (matchers, starts_at, ends_at) = match posted.check(api.now()) {
        Ok(checked) => checked,
        Err(e) => return error(StatusCode::BAD_REQUEST, &e.to_string()),
    };
    let mut silence = new_silence(matchers, starts_at, ends_at, &posted.created_by, &posted.comment);
    if !posted.id.is_empty() {
        match Uuid::parse_str(&posted.id) {
            Ok(id) => silence.id = id,
            Err(_) => return error(StatusCode::NOT_FOUND, "silence not found"),
        }
        // A change over this API keeps what it cannot tell of: recurring, until resolved, maintenance.
        let view = match state(&api).await {
            Ok(view) => view,
            Err(response) => return *response,
        };
        if let Some(old) = view.alerts.silences.iter().find(|old| old.id == silence.id) {
            silence.kind = old.kind.clone();
        }
    }
    match handle.ask(Request::SetSilence(silence), caller(&posted.created_by), false).await {
        Ok(Answer::Silence(id)) => body(&PostedSilence { silence_id: id.to_string() }),
        Ok(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the silence was made, but its name is not known"),
        Err(refusal) => refused(&refusal),
    }
}
