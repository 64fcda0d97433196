use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, Request, header};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::metrics::{DurationFamily, duration_family};
use super::trace::Trace;
use crate::wire::Problem;

/// How long a call may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const RESPONSE_LIMIT: usize = 1024 * 1024;

/// Why a call to another service brought no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{peer} did not answer within {} s", TIMEOUT.as_secs())]
    Timeout { peer: &'static str },
    #[error("{peer} cannot be reached: {reason}")]
    Unreachable { peer: &'static str, reason: String },
    #[error("{peer} answered {status}: {reason}")]
    Refused { peer: &'static str, status: u16, reason: String },
    #[error("{peer} answered what cannot be read: {reason}")]
    Unreadable { peer: &'static str, reason: String },
}

impl CallError {
    /// Whether the peer said that it has no room.
    pub(crate) fn is_overload(&self) -> bool {
        matches!(self, Self::Refused { status: 503, .. })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    peer_service: &'static str,
    http_request_method: &'static str,
    /// The status, or the kind of failure when there was none.
    outcome: String,
}

/// Calls to the other services: kept-alive connections, trace context passed on, every call measured.
#[derive(Clone)]
pub(crate) struct Client {
    http: HyperClient<HttpConnector, Body>,
    duration: DurationFamily<CallLabels>,
    /// The API key that is shown.
    key: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(1)));
        let http = HyperClient::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEEP_ALIVE)
            .build(connector);
        let duration = duration_family();
        registry.register_with_unit(
            "http_client_request_duration",
            "Duration of calls to other services",
            Unit::Seconds,
            duration.clone(),
        );
        Self { http, duration, key: None }
    }

    /// The same client, who shows an API key.
    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { key: HeaderValue::from_str(key).ok(), ..self.clone() }
    }

    /// Posts `body`; answers below 500 that carry a `T` are answers, whatever their status.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        peer: &'static str,
        url: &str,
        trace: &Trace,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body)
            .map_err(|error| CallError::Unreadable { peer, reason: error.to_string() })?;
        let request = Request::builder()
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/json")
            .uri(url)
            .header("traceparent", trace.to_string())
            .body(Body::from(body));
        self.call(peer, "POST", request).await
    }

    /// Gets a `T`.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        peer: &'static str,
        url: &str,
        trace: &Trace,
    ) -> Result<T, CallError> {
        let request =
            Request::builder().uri(url).header("traceparent", trace.to_string()).body(Body::empty());
        self.call(peer, "GET", request).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        peer: &'static str,
        method: &'static str,
        request: Result<Request<Body>, axum::http::Error>,
    ) -> Result<T, CallError> {
        let request = request.map_err(|error| CallError::Unreachable { peer, reason: error.to_string() })?;
        let began = Instant::now();
        let result = match tokio::time::timeout(TIMEOUT, self.exchange(peer, request)).await {
            Ok(result) => result,
            Err(_) => Err(CallError::Timeout { peer }),
        };
        let (outcome, result) = match result {
            Ok((status, body)) => (status.to_string(), read(peer, status, &body)),
            Err(error) => {
                let word = if matches!(error, CallError::Timeout { .. }) { "timeout" } else { "unreachable" };
                (word.to_owned(), Err(error))
            }
        };
        let labels = CallLabels { peer_service: peer, http_request_method: method, outcome };
        self.duration.get_or_create(&labels).observe(began.elapsed().as_secs_f64());
        result
    }

    async fn exchange(
        &self,
        peer: &'static str,
        mut request: Request<Body>,
    ) -> Result<(u16, axum::body::Bytes), CallError> {
        if let Some(key) = &self.key {
            request.headers_mut().insert("x-api-key", key.clone());
        }
        let unreachable = |reason: String| CallError::Unreachable { peer, reason };
        let response = self.http.request(request).await.map_err(|error| unreachable(error.to_string()))?;
        let status = response.status().as_u16();
        let body = to_bytes(Body::new(response.into_body()), RESPONSE_LIMIT)
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        Ok((status, body))
    }
}

fn read<T: DeserializeOwned>(peer: &'static str, status: u16, body: &[u8]) -> Result<T, CallError> {
    if status < 500
        && let Ok(answer) = serde_json::from_slice(body)
    {
        return Ok(answer);
    }
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return Err(CallError::Refused { peer, status, reason: problem.error });
    }
    if status >= 400 {
        let reason = String::from_utf8_lossy(body).chars().take(200).collect();
        return Err(CallError::Refused { peer, status, reason });
    }
    Err(CallError::Unreadable { peer, reason: format!("status {status}, {} bytes", body.len()) })
}
