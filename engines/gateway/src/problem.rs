//! The one body of every error that the gateway itself answers: RFC 9457, with a code, a severity and the request's id.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::body::Body;

/// Why the gateway itself answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The request is malformed.
    BadRequest,
    /// Nobody serves that.
    NoRoute,
    /// Nobody serves that with this method.
    MethodNotAllowed,
    /// It is not known who calls.
    Unauthenticated,
    /// The caller may not do that.
    Forbidden,
    /// Too many requests.
    RateLimited,
    /// Too many requests today.
    QuotaExceeded,
    /// The body is too large.
    BodyTooLarge,
    /// The header is too long, or has too many fields.
    HeaderTooLarge,
    /// The body is JSON and does not fit the schema.
    InvalidBody,
    /// The issuer's keys have not come yet.
    KeysUnavailable,
    /// The body is of a type that is not taken.
    UnsupportedMediaType,
    /// The version of the interface has ended.
    VersionRetired,
    /// There is no such version of the interface.
    VersionUnknown,
    /// Too many requests at a time.
    Busy,
    /// The service fails; nobody asks it for a while.
    CircuitOpen,
    /// No endpoint is there to take it.
    NoEndpoint,
    /// The endpoint cannot be reached.
    ConnectFailed,
    /// The endpoint broke off or answered nonsense.
    BadGateway,
    /// The endpoint took too long.
    Timeout,
    /// The caller sent nothing for too long.
    RequestTimeout,
    /// What is asked for is not offered.
    NotImplemented,
}

impl Code {
    /// As answers and metrics name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::QuotaExceeded => "quota_exceeded",
            Self::BodyTooLarge => "body_too_large",
            Self::HeaderTooLarge => "header_too_large",
            Self::InvalidBody => "invalid_body",
            Self::KeysUnavailable => "keys_unavailable",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::VersionRetired => "version_retired",
            Self::VersionUnknown => "version_unknown",
            Self::Busy => "busy",
            Self::CircuitOpen => "circuit_open",
            Self::NoEndpoint => "no_endpoint",
            Self::ConnectFailed => "connect_failed",
            Self::BadGateway => "bad_gateway",
            Self::Timeout => "timeout",
            Self::RequestTimeout => "request_timeout",
            Self::NotImplemented => "not_implemented",
        }
    }

    /// Its status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::VersionUnknown => StatusCode::BAD_REQUEST,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::RateLimited | Self::QuotaExceeded => StatusCode::TOO_MANY_REQUESTS,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeaderTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::InvalidBody => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::VersionRetired => StatusCode::GONE,
            Self::Busy | Self::CircuitOpen | Self::NoEndpoint | Self::KeysUnavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ConnectFailed | Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request is malformed",
            Self::NoRoute => "Nothing is served here",
            Self::MethodNotAllowed => "This method is not taken here",
            Self::Unauthenticated => "It is not known who calls",
            Self::Forbidden => "The caller may not do this",
            Self::RateLimited => "Too many requests",
            Self::QuotaExceeded => "Too many requests today",
            Self::BodyTooLarge => "The body is too large",
            Self::HeaderTooLarge => "The header is too long",
            Self::InvalidBody => "The body is not what is asked for",
            Self::KeysUnavailable => "Tokens cannot be verified yet",
            Self::UnsupportedMediaType => "The type of the body is not taken",
            Self::VersionRetired => "This version has ended",
            Self::VersionUnknown => "There is no such version",
            Self::Busy => "Too many requests at a time",
            Self::CircuitOpen => "The service is failing and left alone for a while",
            Self::NoEndpoint => "No endpoint of the service is well",
            Self::ConnectFailed => "The service cannot be reached",
            Self::BadGateway => "The service broke off its answer",
            Self::Timeout => "The service took too long",
            Self::RequestTimeout => "The request took too long to arrive",
            Self::NotImplemented => "This is not offered",
        }
    }

    const fn severity(self) -> &'static str {
        match self {
            Self::CircuitOpen
            | Self::NoEndpoint
            | Self::KeysUnavailable
            | Self::ConnectFailed
            | Self::BadGateway
            | Self::Timeout => "critical",
            Self::Busy | Self::RateLimited | Self::QuotaExceeded => "warning",
            _ => "info",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            // From the IETF draft on RateLimit fields.
            Self::RateLimited | Self::QuotaExceeded => {
                "https://iana.org/assignments/http-problem-types#quota-exceeded"
            }
            _ => "about:blank",
        }
    }
}

/// A place of a body that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Where: a JSON Pointer as a fragment, `#/orders/0/quantity`; `#` is the whole.
    pub pointer: String,
    /// What was expected there.
    pub detail: String,
}

/// Why a request is refused: what every filter says no with.
#[derive(Debug)]
pub struct Refusal {
    /// Which kind of no.
    pub code: Code,
    /// What exactly, for the caller; never anything of the inside.
    pub detail: String,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// Policies that were violated.
    pub violated: Vec<String>,
    /// Where the body does not fit.
    pub mismatches: Vec<Mismatch>,
    /// Headers of the answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// A no.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
            violated: Vec::new(),
            mismatches: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The same, with a time to come back.
    #[must_use]
    pub fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// The same, with a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer.
    #[must_use]
    pub fn response(self, request_id: &HeaderValue) -> Response<Body> {
        #[derive(Serialize)]
        struct Problem<'a> {
            r#type: &'a str,
            title: &'a str,
            status: u16,
            detail: &'a str,
            code: &'a str,
            severity: &'a str,
            request_id: &'a str,
            #[serde(rename = "violated-policies", skip_serializing_if = "<[_]>::is_empty")]
            violated: &'a [String],
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            errors: &'a [Mismatch],
        }
        let problem = Problem {
            r#type: self.code.kind(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            severity: self.code.severity(),
            request_id: request_id.to_str().unwrap_or_default(),
            violated: &self.violated,
            errors: &self.mismatches,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Body::full(Bytes::from(body)));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(crate::headers::X_REQUEST_ID, request_id.clone());
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds(after)));
        }
        for (name, value) in self.headers {
            // One name may be there several times: `Link`, `WWW-Authenticate`.
            headers.append(name, value);
        }
        response
    }
}

/// Whole seconds, rounded up: who waits so long never comes too early.
#[must_use]
pub fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
