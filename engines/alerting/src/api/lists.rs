//! Lists of alerts, written out piece by piece.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use quarterdeck_alertmanager::wire::{
    AlertState as WireState, AlertStatus, GettableAlert, ReceiverReference,
};
use quarterdeck_kernel::Timestamp;

use super::filter::Asked;
use super::{Api, error, state};
use crate::model::{Alert, Group, Muted, Snapshot};

/// Bytes after which a piece is handed on.
const PIECE: usize = 64 << 10;

/// An alert as it is answered.
fn gettable(alert: &Alert, receivers: Vec<ReceiverReference>, muted_by: Vec<String>) -> GettableAlert {
    let silenced_by: Vec<String> = alert.silences().iter().map(ToString::to_string).collect();
    let inhibited_by: Vec<String> = alert.inhibitors().iter().map(ToString::to_string).collect();
    let suppressed = !silenced_by.is_empty() || !inhibited_by.is_empty() || !muted_by.is_empty();
    GettableAlert {
        annotations: alert.annotations.clone(),
        ends_at: alert.ends_at.into(),
        fingerprint: alert.fingerprint.to_string(),
        receivers,
        starts_at: alert.starts_at.into(),
        status: AlertStatus {
            inhibited_by,
            muted_by,
            silenced_by,
            state: if suppressed { WireState::Suppressed } else { WireState::Active },
        },
        updated_at: alert.updated_at.into(),
        generator_url: alert.generator_url.to_string(),
        labels: alert.labels.clone(),
    }
}

fn references(alert: &Alert) -> Vec<ReceiverReference> {
    alert.receivers.iter().map(|name| ReceiverReference { name: name.to_string() }).collect()
}

/// Whether an alert is asked for.
fn wanted(asked: &Asked, alert: &Alert, now: Timestamp) -> bool {
    let (silenced, inhibited) = (!alert.silences().is_empty(), !alert.inhibitors().is_empty());
    alert.state.is_open()
        && !alert.resolved_at(now)
        && (asked.active || silenced || inhibited)
        && (asked.silenced || !silenced)
        && (asked.inhibited || !inhibited)
        && asked.passes(|name| alert.labels.get(name))
}

/// A list whose items are made when they are written.
fn list<T: Send + 'static>(
    items: Vec<T>,
    write: impl Fn(&T, &mut Vec<u8>) -> serde_json::Result<()> + Send + 'static,
) -> Response {
    let mut items = items.into_iter();
    let mut begun = false;
    let mut over = false;
    let pieces = std::iter::from_fn(move || {
        if over {
            return None;
        }
        let mut piece = Vec::with_capacity(PIECE + 4096);
        if !begun {
            piece.push(b'[');
        }
        loop {
            let Some(item) = items.next() else {
                piece.extend_from_slice(b"]\n");
                over = true;
                break;
            };
            if std::mem::replace(&mut begun, true) {
                piece.push(b',');
            }
            if let Err(error) = write(&item, &mut piece) {
                over = true;
                return Some(Err(std::io::Error::other(error)));
            }
            if piece.len() >= PIECE {
                break;
            }
        }
        Some(Ok::<_, std::io::Error>(Bytes::from(piece)))
    });
    let body = Body::from_stream(futures_util::stream::iter(pieces));
    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) async fn alerts(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let asked = match Asked::parse(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return error(StatusCode::BAD_REQUEST, &why),
    };
    let view = match state(&api).await {
        Ok(view) => view,
        Err(response) => return *response,
    };
    let now = api.now();
    let mut found: Vec<Arc<Alert>> = view
        .alerts
        .alerts
        .iter()
        .filter(|alert| wanted(&asked, alert, now))
        .filter(|alert| asked.wants_receiver(alert.receivers.iter().map(|name| &**name)))
        .cloned()
        .collect();
    found.sort_unstable_by_key(|alert| alert.fingerprint);
    list(found, |alert, out| serde_json::to_writer(out, &gettable(alert, references(alert), Vec::new())))
}

/// A group with those of its alerts that are asked for.
struct Shown {
    group: Arc<Group>,
    alerts: Vec<Arc<Alert>>,
    muted_by: Vec<String>,
}

fn muted_by(group: &Group) -> Vec<String> {
    match &group.muted {
        Some(Muted::Interval(names)) => names.iter().map(ToString::to_string).collect(),
        Some(Muted::Inactive) | None => Vec::new(),
    }
}

pub(super) async fn groups(State(api): State<Api>, RawQuery(query): RawQuery) -> Response {
    let asked = match Asked::parse(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return error(StatusCode::BAD_REQUEST, &why),
    };
    let view = match state(&api).await {
        Ok(view) => view,
        Err(response) => return *response,
    };
    list(shown(&view.alerts, &asked, api.now()), |shown, out| {
        out.extend_from_slice(b"{\"alerts\":[");
        for (n, alert) in shown.alerts.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            let alert = gettable(alert, references(alert), shown.muted_by.clone());
            serde_json::to_writer(&mut *out, &alert)?;
        }
        out.extend_from_slice(b"],\"labels\":");
        serde_json::to_writer(&mut *out, &shown.group.labels)?;
        out.extend_from_slice(b",\"receiver\":");
        let receiver = ReceiverReference { name: shown.group.receiver.to_string() };
        serde_json::to_writer(&mut *out, &receiver)?;
        out.push(b'}');
        Ok(())
    })
}

fn shown(snapshot: &Snapshot, asked: &Asked, now: Timestamp) -> Vec<Shown> {
    let by_print: std::collections::HashMap<_, _> =
        snapshot.alerts.iter().map(|alert| (alert.fingerprint, alert)).collect();
    let mut groups: Vec<Shown> = snapshot
        .groups
        .iter()
        .filter(|group| asked.wants_receiver(std::iter::once(&*group.receiver)))
        .filter(|group| asked.muted || group.muted.is_none())
        .filter_map(|group| {
            let mut alerts: Vec<Arc<Alert>> = group
                .alerts
                .iter()
                .filter_map(|print| by_print.get(print))
                .filter(|alert| wanted(asked, alert, now))
                .map(|alert| Arc::clone(alert))
                .collect();
            alerts.sort_unstable_by_key(|alert| alert.fingerprint);
            (!alerts.is_empty()).then(|| Shown {
                group: Arc::clone(group),
                alerts,
                muted_by: muted_by(group),
            })
        })
        .collect();
    groups.sort_by(|a, b| {
        a.group
            .labels
            .pairs()
            .cmp(b.group.labels.pairs())
            .then_with(|| a.group.receiver.cmp(&b.group.receiver))
    });
    groups
}
