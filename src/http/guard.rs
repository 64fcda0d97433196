//! Who may call what.
//!
//! Loopback is not authentication: any web page that the operator has open can send requests to it. So a call that
//! changes something needs the token; `Host` must name this listener (against DNS rebinding) and `Origin`, if a
//! browser sends one, must be this listener's own.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use quarterdeck_kernel::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::exit::Failure;

/// Paths of ingest and compatibility protocols: their unmodified clients know of no token. Each can be closed by
/// `[listen] closed`. POST to the query paths reads only: Prometheus's clients send long queries in a form.
pub const OPEN_PATHS: &[&str] = &[
    "/api/v1/query",
    "/api/v1/query_range",
    "/api/v1/query_exemplars",
    "/api/v1/format_query",
    "/api/v1/parse_query",
    "/api/v1/series",
    "/api/v1/labels",
    "/api/v1/write",
    "/api/v2/alerts",
    "/api/v2/silences",
];

/// Alertmanager's clients end a silence by its path.
const OPEN_FOLDER: &str = "/api/v2/silence/";

/// The one listener that serves every HTTP interface.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// Address and port. An address that is not loopback needs `tls` and `token`.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// Names by which clients may call this listener, beside its address and `localhost`.
    pub hosts: Vec<String>,
    /// Ingest and compatibility paths to close.
    pub closed: Vec<String>,
    /// The token that clients send as `Authorization: Bearer …`; on loopback a fresh one is made at each start and left
    /// in the runtime directory.
    pub token: Option<quarterdeck_journal::configuration::SecretRef>,
    /// Certificate and key, in PEM files.
    pub tls: Option<TlsConfig>,
}

/// Certificate and key of the listener, in PEM files.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificate chain.
    pub cert: std::path::PathBuf,
    /// Private key.
    pub key: std::path::PathBuf,
}

/// Reads an address, and says how one is written.
fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| {
        serde::de::Error::custom(format!(
            "{text:?} is not an address with a port; write one as in 127.0.0.1:9990 or [::1]:9990"
        ))
    })
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 9990)),
            hosts: Vec::new(),
            closed: Vec::new(),
            token: None,
            tls: None,
        }
    }
}

impl ListenConfig {
    /// The configured token, or a fresh one.
    ///
    /// # Errors
    /// When the configured token is too short to be one.
    pub fn token_or_new(&self) -> Result<Secret, Failure> {
        match &self.token {
            Some(token) if token.secret().expose().len() < 16 => Err(Failure::Failed(
                "[listen] token is shorter than 16 characters: make one with, say, openssl rand -hex 32"
                    .to_owned(),
            )),
            Some(token) => Ok(token.secret().clone()),
            None => Ok(crate::paths::new_token()),
        }
    }
}

/// What the guard knows.
#[derive(Debug)]
pub struct Guard {
    token: Secret,
    hosts: Vec<String>,
    closed: Vec<String>,
    /// Whether even reading needs the token: so on addresses that are not loopback.
    private: bool,
}

/// Why a call was refused; the body says what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    status: StatusCode,
    error: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "status": "error", "errorType": "unauthorized", "error": self.error });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl Guard {
    /// A guard of the listener at `address`.
    pub fn new(config: &ListenConfig, address: SocketAddr, token: Secret) -> Self {
        let mut hosts: Vec<String> = config.hosts.iter().map(|h| h.to_ascii_lowercase()).collect();
        hosts.push(address.ip().to_string());
        hosts.push(format!("[{}]", address.ip()));
        hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(str::to_owned));
        Self { token, hosts, closed: config.closed.clone(), private: !address.ip().is_loopback() }
    }

    /// Whether a call may pass.
    ///
    /// # Errors
    /// The answer to give instead.
    pub fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = |status, error: &str| Err(Refusal { status, error: error.to_owned() });
        if let Some(host) = text(headers, &header::HOST)
            && !self.knows(host)
        {
            return refuse(StatusCode::FORBIDDEN, "this Host is not served here; add it to [listen] hosts");
        }
        if let Some(origin) = text(headers, &header::ORIGIN) {
            let host = origin.split_once("://").map_or(origin, |(_, host)| host);
            if !self.knows(host) {
                return refuse(StatusCode::FORBIDDEN, "calls from other origins are refused");
            }
        }
        if self
            .closed
            .iter()
            .any(|closed| path.strip_prefix(&**closed).is_some_and(|r| r.is_empty() || r.starts_with('/')))
        {
            return refuse(StatusCode::FORBIDDEN, "this path is closed by [listen] closed");
        }
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let open = reads || OPEN_PATHS.contains(&path) || path.starts_with(OPEN_FOLDER);
        let probe = reads && super::health::PATHS.contains(&path);
        if probe || (open && !self.private) {
            return Ok(());
        }
        let given = text(headers, &header::AUTHORIZATION).and_then(|v| v.strip_prefix("Bearer "));
        match given {
            Some(given) if same(given.trim().as_bytes(), self.token.expose().as_bytes()) => Ok(()),
            Some(_) => refuse(StatusCode::UNAUTHORIZED, "this token is not the one of this console"),
            None => refuse(
                StatusCode::UNAUTHORIZED,
                "this call needs the console's token as Authorization: Bearer …; quarterdeck act finds it by itself",
            ),
        }
    }

    fn knows(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        let name = name.to_ascii_lowercase();
        self.hosts.contains(&name)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).map(|v| v.to_str().unwrap_or("?"))
}

/// Compares in a time that tells nothing about where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    !b.is_empty() && a.len() == b.len() && a.iter().zip(b).fold(0, |acc, (x, y)| acc | (x ^ y)) == 0
}

/// The guard as axum middleware.
pub async fn layer(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.check(request.method(), request.uri().path(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(address: &str) -> Guard {
        let config = ListenConfig {
            hosts: vec!["Deck.example".to_owned()],
            closed: vec!["/api/v1/write".to_owned()],
            ..ListenConfig::default()
        };
        Guard::new(&config, address.parse().unwrap(), Secret::new("right"))
    }

    fn status(guard: &Guard, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        let headers: HeaderMap = headers
            .iter()
            .map(|(n, v)| {
                (n.parse::<header::HeaderName>().unwrap(), v.parse::<header::HeaderValue>().unwrap())
            })
            .collect();
        guard.check(&method.parse().unwrap(), path, &headers).map_or_else(|r| r.status.as_u16(), |()| 200)
    }

    #[test]
    fn reading_is_open_on_loopback_and_changing_needs_the_token() {
        let g = guard("127.0.0.1:9990");
        assert_eq!(status(&g, "GET", "/api/v1/query", &[("host", "127.0.0.1:9990")]), 200);
        assert_eq!(status(&g, "POST", "/api/v1/query", &[("host", "localhost:9990")]), 200);
        assert_eq!(status(&g, "POST", "/api/quarterdeck/v1/act", &[]), 401);
        assert_eq!(status(&g, "POST", "/api/quarterdeck/v1/act", &[("authorization", "Bearer wrong")]), 401);
        assert_eq!(status(&g, "POST", "/api/quarterdeck/v1/act", &[("authorization", "Bearer right")]), 200);
        assert_eq!(status(&g, "POST", "/api/v1/write", &[("authorization", "Bearer right")]), 403, "closed");
    }

    #[test]
    fn foreign_hosts_and_origins_are_refused_even_with_the_token() {
        let g = guard("127.0.0.1:9990");
        let token = ("authorization", "Bearer right");
        assert_eq!(status(&g, "GET", "/metrics", &[("host", "evil.example:9990"), token]), 403);
        assert_eq!(status(&g, "GET", "/metrics", &[("host", "deck.example")]), 200);
        assert_eq!(status(&g, "POST", "/x", &[("origin", "https://evil.example"), token]), 403);
        assert_eq!(status(&g, "POST", "/x", &[("origin", "http://127.0.0.1:9990"), token]), 200);
        assert_eq!(status(&g, "POST", "/x", &[("origin", "null"), token]), 403);
        assert_eq!(status(&g, "GET", "/x", &[("host", "[::1]:9990")]), 200);
    }

    #[test]
    fn beyond_loopback_even_reading_needs_the_token_but_probes_do_not() {
        let g = guard("192.0.2.1:9990");
        assert_eq!(status(&g, "GET", "/metrics", &[("host", "192.0.2.1:9990")]), 401);
        assert_eq!(status(&g, "GET", "/metrics", &[("authorization", "Bearer right")]), 200);
        assert_eq!(status(&g, "GET", "/livez", &[]), 200);
    }

    #[test]
    fn an_empty_token_opens_nothing() {
        let g = Guard::new(&ListenConfig::default(), "127.0.0.1:1".parse().unwrap(), Secret::default());
        assert_eq!(status(&g, "POST", "/x", &[("authorization", "Bearer ")]), 401);
    }
}
