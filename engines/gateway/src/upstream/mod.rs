//! Endpoints: where services run.

pub(crate) mod connection;
pub mod pool;
mod streams;
pub mod tls;
pub mod tunnel;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use hyper::header::HeaderValue;

use crate::config::Protocol;

/// One endpoint of a version. What is known of it stays over a reload.
#[derive(Debug)]
pub struct Endpoint {
    /// Names it for as long as the gateway runs.
    pub id: u64,
    /// As configured.
    pub url: Arc<str>,
    /// Host to connect to, without brackets.
    pub host: Arc<str>,
    /// Port.
    pub port: u16,
    /// What `Host` says, when the endpoint is asked for by its own name.
    pub authority: HeaderValue,
    /// What is put before every path; without a slash at its end.
    pub base: Arc<str>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// How it is encrypted, if it is.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// For the hash that spreads callers.
    pub point: u64,
    /// A check found it unwell.
    pub unready: AtomicBool,
    /// No check has failed yet, nor found it well: it is asked where there is no other.
    pub unchecked: AtomicBool,
    /// It is left out because it failed.
    pub ejected: AtomicBool,
    /// Connections opened since the start.
    pub connections: AtomicU64,
    /// Requests sent.
    pub requests: AtomicU64,
    /// Of them, those that failed.
    pub failures: AtomicU64,
}

impl Endpoint {
    /// One that is asked over HTTP/1.1 by the gateway itself, beside traffic.
    pub(crate) fn new(
        id: u64,
        url: Arc<str>,
        host: Arc<str>,
        port: u16,
        authority: HeaderValue,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Self {
        Self {
            id,
            url,
            host,
            port,
            authority,
            base: "".into(),
            protocol: Protocol::Http1,
            tls,
            point: 0,
            unready: AtomicBool::new(false),
            unchecked: AtomicBool::new(false),
            ejected: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Whether it takes requests.
    #[must_use]
    pub fn available(&self) -> bool {
        !self.unready.load(Relaxed) && !self.ejected.load(Relaxed)
    }

    /// Whether it may be asked where none is available: nothing bad is known of it.
    pub(crate) fn untried(&self) -> bool {
        self.unchecked.load(Relaxed) && !self.ejected.load(Relaxed)
    }
}
