//! Errors as Prometheus reports them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use quarterdeck_promql::{QueryError, StorageError};

/// An error on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    kind: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn bad_data(message: impl Into<String>) -> Self {
        Self { kind: "bad_data", message: message.into() }
    }

    pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {why}"))
    }

    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self { kind: "internal", message: message.into() }
    }

    pub(super) fn timeout(message: impl Into<String>) -> Self {
        Self { kind: "timeout", message: message.into() }
    }

    /// A query that failed; `text` is the query, for the place of the mistake.
    pub(super) fn query(error: &QueryError, text: &str) -> Self {
        match error {
            QueryError::Parse(parse) => Self::parameter("query", parse.with_position(text)),
            other => Self { kind: other.error_type(), message: told(other) },
        }
    }

    fn status(&self) -> StatusCode {
        match self.kind {
            "bad_data" => StatusCode::BAD_REQUEST,
            "execution" => StatusCode::UNPROCESSABLE_ENTITY,
            "timeout" | "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "canceled" => StatusCode::from_u16(499).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

fn told(error: &QueryError) -> String {
    match error {
        QueryError::Storage(StorageError::TimedOut) => "query timed out in expression evaluation".to_owned(),
        QueryError::Storage(StorageError::Cancelled) => {
            "query was canceled in expression evaluation".to_owned()
        }
        other => other.to_string(),
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        Self::query(&QueryError::Storage(error), "")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "status": "error", "errorType": self.kind, "error": self.message });
        (self.status(), [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
    }
}
