//! What Alertmanager's API does not have.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Labels, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Api, caller, error, refused, running, state};
use crate::engine::Explanation;
use crate::model::{AttemptRecord, Outcome, PostedAlert};
use crate::request::{Answer, Request};

/// An alert in plain words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    /// `critical`, `warning` or `info`, or a word that the configuration maps to one of them.
    severity: String,
    /// What is wrong, in a few words: its name.
    title: String,
    /// More about it.
    #[serde(default)]
    description: String,
    /// Who says so.
    #[serde(default)]
    source: String,
    /// Further labels.
    #[serde(default)]
    metadata: std::collections::BTreeMap<String, String>,
    /// Alerts with the same key are one.
    #[serde(default)]
    group_key: String,
    /// How long it fires unless it is created again; the configuration's `resolve_timeout` if it is not given.
    #[serde(default)]
    hold: Option<String>,
}

pub(super) async fn create(State(api): State<Api>, body: axum::body::Bytes) -> Response {
    let create: Create = match serde_json::from_slice(&body) {
        Ok(create) => create,
        Err(e) => return error(StatusCode::BAD_REQUEST, &format!("the body is not an alert: {e}")),
    };
    if create.title.trim().is_empty() {
        return error(StatusCode::BAD_REQUEST, "title is empty: say in a few words what is wrong");
    }
    let hold = match create.hold.as_deref().map(quarterdeck_kernel::time::parse_duration).transpose() {
        Ok(hold) => hold.filter(|hold| *hold > Duration::ZERO),
        Err(e) => return error(StatusCode::BAD_REQUEST, &format!("hold: {e}")),
    };
    let handle = match running(&api) {
        Ok(handle) => handle,
        Err(response) => return *response,
    };
    let mut labels = create.metadata;
    labels.insert("alertname".to_owned(), create.title);
    labels.insert("severity".to_owned(), create.severity);
    for (name, value) in [("source", create.source), ("group_key", create.group_key)] {
        if !value.is_empty() {
            labels.insert(name.to_owned(), value);
        }
    }
    let annotations = Some(create.description)
        .filter(|d| !d.is_empty())
        .map(|description| (Arc::from("description"), Arc::from(description)));
    let fingerprint = Fingerprint::of(&Labels::from_pairs(
        labels.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.as_str(), v.as_str())),
    ));
    let alert = PostedAlert {
        labels: labels.into_iter().map(|(n, v)| (Arc::from(n), Arc::from(v))).collect(),
        annotations: annotations.into_iter().collect(),
        ends_at: hold.map(|hold| api.now() + hold),
        ..PostedAlert::default()
    };
    match handle.ask(Request::Post(vec![alert]), caller("alerts API"), false).await {
        Ok(Answer::Posted { refused, .. }) => match refused.first() {
            Some((_, why)) => error(StatusCode::BAD_REQUEST, why),
            None => (StatusCode::CREATED, Json(json!({ "alert": fingerprint.to_string() }))).into_response(),
        },
        Ok(_) => StatusCode::CREATED.into_response(),
        Err(refusal) => refused(&refusal),
    }
}

pub(super) async fn explain(State(api): State<Api>, Path(text): Path<String>) -> Response {
    let Ok(alert) = text.parse::<Fingerprint>() else {
        let why = format!("{text:?} is not an alert's fingerprint: 16 hexadecimal digits");
        return error(StatusCode::BAD_REQUEST, &why);
    };
    let handle = match running(&api) {
        Ok(handle) => handle,
        Err(response) => return *response,
    };
    match handle.explain(alert).await {
        Ok(Some(found)) => Json(explanation(&found)).into_response(),
        Ok(None) => error(StatusCode::NOT_FOUND, &format!("there is no alert {text}")),
        Err(refusal) => refused(&refusal),
    }
}

fn explanation(found: &Explanation) -> Value {
    let alert = &found.alert;
    let time = |at: Timestamp| at.to_string();
    let history: Vec<Value> = alert
        .history
        .iter()
        .map(|t| {
            json!({
                "at": time(t.at),
                "state": t.state.as_str(),
                "cause": t.cause.as_str(),
                "by": t.detail.as_ref().map(|d| d.by.to_string()),
                "note": t.detail.as_ref().map(|d| d.note.to_string()).filter(|n| !n.is_empty()),
            })
        })
        .collect();
    let routes: Vec<Value> = found
        .routes
        .iter()
        .map(|route| {
            let integrations: Vec<Value> = route
                .integrations
                .iter()
                .map(|i| {
                    json!({
                        "name": i.name,
                        "verdict": i.verdict.to_string(),
                        "lastTold": i.entry.as_ref().map(|e| time(e.at)),
                        "attempts": i.attempts.iter().map(|a| attempt(a)).collect::<Vec<_>>(),
                    })
                })
                .collect();
            json!({
                "path": route.path,
                "key": &*route.key,
                "receiver": &*route.receiver,
                "group": route.group.as_ref().map(|g| json!({
                    "key": &*g.key,
                    "labels": &g.labels,
                    "nextLook": time(g.next_flush),
                })),
                "integrations": integrations,
            })
        })
        .collect();
    json!({
        "alert": alert.fingerprint.to_string(),
        "labels": &alert.labels,
        "state": alert.state.as_str(),
        "since": time(alert.since),
        "owner": alert.owner(),
        "silencedBy": found.silences.iter().map(|s| json!({
            "id": s.id.to_string(), "matchers": s.matchers.to_string(), "comment": &*s.comment, "until": time(s.ends_at),
        })).collect::<Vec<_>>(),
        "inhibitedBy": found.inhibitors.iter().map(|a| a.fingerprint.to_string()).collect::<Vec<_>>(),
        "history": history,
        "routes": routes,
    })
}

fn attempt(record: &AttemptRecord) -> Value {
    let (outcome, why, at, tries) = match &record.outcome {
        None => ("under way", None, None, None),
        Some(done) => {
            let (word, why) = match &done.outcome {
                Outcome::Delivered => ("delivered", None),
                Outcome::Failed(why) => ("failed", Some(why.to_string())),
                Outcome::Unknown => ("unknown", None),
            };
            (word, why, Some(done.at.to_string()), Some(done.tries))
        }
    };
    json!({
        "id": record.id.to_string(),
        "at": record.at.to_string(),
        "to": record.destination(),
        "group": &*record.group_key,
        "reason": record.reason.as_str(),
        "alerts": record.alerts.len() + record.truncated as usize,
        "outcome": outcome,
        "why": why,
        "ended": at,
        "tries": tries,
        "possiblyDuplicate": record.possibly_duplicate || record.resent > 0,
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    limit: Option<usize>,
}

pub(super) async fn notifications(State(api): State<Api>, Query(page): Query<Page>) -> Response {
    let view = match state(&api).await {
        Ok(view) => view,
        Err(response) => return *response,
    };
    let limit = page.limit.unwrap_or(200).min(5000);
    Json(view.alerts.log.iter().rev().take(limit).map(|a| attempt(a)).collect::<Vec<_>>()).into_response()
}

pub(super) async fn oncall(State(api): State<Api>) -> Response {
    let view = match state(&api).await {
        Ok(view) => view,
        Err(response) => return *response,
    };
    let now = api.now();
    let schedules: Vec<Value> = view
        .oncall
        .schedules
        .iter()
        .map(|s| {
            let shifts: Vec<Value> = s
                .shifts
                .iter()
                .take(50)
                .map(|shift| {
                    json!({
                        "person": shift.person.as_deref(),
                        "from": shift.from.to_string(),
                        "until": shift.until.to_string(),
                        "because": shift.origin,
                    })
                })
                .collect();
            json!({
                "name": &*s.name,
                "timeZone": s.time_zone,
                "now": s.who.now.person.as_deref(),
                "until": s.hand_over().map(|at| at.to_string()),
                "shifts": shifts,
            })
        })
        .collect();
    let escalations: Vec<Value> = view
        .oncall
        .escalations
        .iter()
        .map(|e| {
            json!({
                "group": e.key,
                "title": e.title,
                "service": e.service,
                "state": e.words(now),
                "nextIn": e.countdown(now).map(|d| d.as_secs()),
            })
        })
        .collect();
    Json(json!({ "schedules": schedules, "escalations": escalations })).into_response()
}

pub(super) async fn openapi() -> Response {
    super::json(StatusCode::OK, include_str!("openapi.json").to_owned())
}
