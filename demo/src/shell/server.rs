use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::log::Log;
use super::metrics::{RequestLabels, ServerMetrics};
use super::trace::Trace;
use super::{Shell, pool::Full};
use crate::DemoError;
use crate::wire::Problem;

/// What may still be finished after the order to end.
const GRACE: Duration = Duration::from_millis(1_200);
/// No request of the platform is larger.
const BODY_LIMIT: usize = 64 * 1024;

/// Says whether the service can do its work, and if not, why.
pub(crate) type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A check for services that can work as soon as they listen.
pub(crate) fn always() -> Ready {
    Arc::new(|| Ok(()))
}

#[derive(Clone)]
struct Observed {
    metrics: ServerMetrics,
    log: Log,
}

#[derive(Clone)]
struct Probes {
    registry: Arc<Registry>,
    ready: Ready,
    stop: CancellationToken,
}

/// Serves `routes`, the probes and `/metrics` until the shell is told to stop.
pub(crate) async fn serve(shell: Shell, routes: Router, ready: Ready) -> Result<(), DemoError> {
    let Shell { listener, log, mut registry, stop, .. } = shell;
    let observed = Observed { metrics: ServerMetrics::new(&mut registry), log: log.clone() };
    let probes = Probes { registry: Arc::new(registry), ready, stop: stop.clone() };
    let app =
        routes.layer(from_fn_with_state(observed, observe)).layer(DefaultBodyLimit::max(BODY_LIMIT)).merge(
            Router::new()
                .route("/livez", get(async || "ok"))
                .route("/readyz", get(readyz))
                .route("/metrics", get(metrics))
                .with_state(probes),
        );
    // Without this, a response that spans two writes waits for the peer's delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let server = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let ended = tokio::select! {
        ended = server => ended,
        () = overdue => {
            log.warn(None, "ended with requests still open", json!({}));
            Ok(())
        }
    };
    ended.map_err(|source| DemoError::Io { doing: "serving HTTP", source })
}

/// Continues the caller's trace, measures the request, and logs it when the service itself failed.
async fn observe(State(observed): State<Observed>, mut request: Request, next: Next) -> Response {
    let header = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    let trace =
        header.and_then(Trace::parse).map_or_else(|| Trace::root(rand::random()), |caller| caller.child());
    let method = method_name(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(trace);
    observed.metrics.active.inc();
    let began = Instant::now();
    // A client that hangs up drops this future: the guard keeps the gauge true.
    let guard = Active(&observed.metrics);
    let response = next.run(request).await;
    drop(guard);
    let took = began.elapsed();
    let status = response.status();
    let labels = RequestLabels {
        http_request_method: method,
        http_route: route,
        http_response_status_code: u32::from(status.as_u16()),
    };
    observed.metrics.observe(&labels, took, trace.trace_id());
    if status.is_server_error() {
        let fields = json!({
            "method": method,
            "route": labels.http_route,
            "status": status.as_u16(),
            "duration_ms": millis(took),
        });
        observed.log.error(Some(&trace), "request failed", fields);
    }
    response
}

struct Active<'a>(&'a ServerMetrics);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.0.active.dec();
    }
}

/// Milliseconds with microseconds behind the point, as log fields have them.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

// The conventions bound the label: whatever is not a known method is `_OTHER`.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        _ => "_OTHER",
    }
}

async fn readyz(State(probes): State<Probes>) -> Response {
    if probes.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping").into_response();
    }
    match (probes.ready)() {
        Ok(()) => "ok".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}

async fn metrics(State(probes): State<Probes>) -> Response {
    let mut page = String::with_capacity(16 * 1024);
    match prometheus_client::encoding::text::encode(&mut page, &probes.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], page).into_response()
        }
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// An answer that says what went wrong.
pub(crate) fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    (status, Json(Problem { error: error.into() })).into_response()
}

/// The answer to a request for which there was no room.
pub(crate) fn overloaded(full: Full) -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, full.to_string());
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
}
