//! Webhooks that write down what they are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, SystemClock, Timestamp};
use serde_json::Value;
use tokio::task::JoinSet;

use super::server::serve;

/// What a webhook does about what it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hook {
    /// Takes everything.
    Good,
    /// Answers well, but forgets what comes before this many milliseconds after the case's beginning.
    Forgets(u64),
    /// Until then answers this much too late, and forgets.
    Late(u64, Duration),
}

/// A webhook: what came and when.
pub(crate) struct Webhook {
    hook: Hook,
    /// The case's beginning, in milliseconds since 1970.
    beginning: AtomicU64,
    pub(crate) told: Mutex<Vec<(Timestamp, Value)>>,
}

impl Webhook {
    pub(crate) async fn start(hook: Hook, tasks: &mut JoinSet<()>) -> (Arc<Self>, SocketAddr) {
        let webhook = Arc::new(Self { hook, beginning: AtomicU64::new(u64::MAX), told: Mutex::default() });
        let router = Router::new().route("/", post(take)).with_state(Arc::clone(&webhook));
        (webhook, serve(router, tasks).await)
    }

    pub(crate) fn begins(&self, at: Timestamp) {
        self.beginning.store(at.as_millis().unsigned_abs(), Ordering::SeqCst);
    }
}

async fn take(State(webhook): State<Arc<Webhook>>, body: Bytes) -> StatusCode {
    let now = SystemClock.now();
    let since = now.as_millis().unsigned_abs().saturating_sub(webhook.beginning.load(Ordering::SeqCst));
    match webhook.hook {
        Hook::Forgets(until) if since < until => return StatusCode::OK,
        Hook::Late(until, pause) if since < until => {
            tokio::time::sleep(pause).await;
            return StatusCode::OK;
        }
        Hook::Good | Hook::Forgets(_) | Hook::Late(..) => {}
    }
    webhook.told.lock().push((now, serde_json::from_slice(&body).expect("JSON")));
    StatusCode::OK
}
