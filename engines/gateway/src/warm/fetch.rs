//! A request of the gateway's own, through everything that a caller's goes through but for what asks who calls. It comes over
//! no socket: whatever listens, it is asked as callers ask.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::poll_fn;
use hyper::body::Body as _;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use hyper::service::service_fn;
use hyper::{Request, client, server};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::origin::Origin;
use crate::body::RequestBody;
use crate::body::shared::Streams;
use crate::server::alarm::Alarms;
use crate::server::conn::Conn;
use crate::server::guard::Watched;
use crate::server::worker::Worker;

/// How long an answer may take.
const LONGEST: Duration = Duration::from_secs(30);
/// What is between the two ends.
const BETWEEN: usize = 64 << 10;

/// What a request of the gateway's own knows of itself.
#[derive(Debug)]
pub(crate) struct Own {
    /// The route that it is for: it goes to no other.
    pub(crate) route: Arc<str>,
    /// Milliseconds for which its answer is good; 0 when it is not kept.
    fresh: AtomicU64,
}

impl Own {
    /// The answer is kept for so long.
    pub(crate) fn keeps(&self, fresh: Duration) {
        self.fresh.store(u64::try_from(fresh.as_millis()).unwrap_or(u64::MAX).max(1), Relaxed);
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    /// For how long its answer is good; None when it is not kept.
    pub(crate) fresh: Option<Duration>,
    pub(crate) took: Duration,
}

impl Fetched {
    /// Why callers get nothing by it.
    pub(crate) fn problem(&self) -> Option<String> {
        match (self.status, self.fresh) {
            (400.., _) => Some(format!("it is answered with {}", self.status)),
            (_, None) => Some("its answer may not be kept".to_owned()),
            _ => None,
        }
    }
}

/// Fetches a path for the cache, whether its answer is there or not.
pub(crate) async fn fetch(
    worker: &Arc<Worker>,
    route: &Arc<str>,
    origin: &Origin,
    path: &str,
) -> Result<Fetched, String> {
    let asked = tokio::time::timeout(LONGEST, ask(worker, route, origin, path)).await;
    asked.unwrap_or_else(|_| Err(format!("no answer within {LONGEST:?}")))
}

async fn ask(worker: &Arc<Worker>, route: &Arc<str>, origin: &Origin, path: &str) -> Result<Fetched, String> {
    let began = Instant::now();
    let own = Arc::new(Own { route: Arc::clone(route), fresh: AtomicU64::new(0) });
    let watched = Watched::new();
    let conn = Arc::new(Conn {
        worker: Arc::clone(worker),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        peer_value: HeaderValue::from_static("127.0.0.1"),
        tls: origin.tls,
        http2: false,
        certificate: None,
        streams: Streams::new(&watched),
        alarms: Alarms::default(),
        watched,
        own: Some(Arc::clone(&own)),
    });
    let (near, far) = tokio::io::duplex(BETWEEN);
    let service = service_fn(move |request| crate::pipeline::handle(Arc::clone(&conn), request));
    // Both ends go when this does.
    let mut ends = JoinSet::new();
    ends.spawn(async move {
        let _ = server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service).await;
    });
    let (mut sender, connection) =
        client::conn::http1::handshake(TokioIo::new(near)).await.map_err(|e| e.to_string())?;
    ends.spawn(async move {
        let _ = connection.await;
    });
    let mut request = Request::new(RequestBody::Empty);
    *request.uri_mut() = path.parse().map_err(|e| format!("{path}: {e}"))?;
    request.headers_mut().insert(HOST, origin.host.clone());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("quarterdeck"));
    let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    while let Some(part) = poll_fn(|cx| std::pin::Pin::new(&mut body).poll_frame(cx)).await {
        let _: Bytes = part.map_err(|e| e.to_string())?.into_data().unwrap_or_default();
    }
    let fresh = Some(own.fresh.load(Relaxed)).filter(|millis| *millis > 0).map(Duration::from_millis);
    Ok(Fetched { status, fresh, took: began.elapsed() })
}
