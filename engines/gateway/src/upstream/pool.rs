//! Connections to endpoints: each thread keeps its own, the newest is used first, and those that were not used for a while
//! go.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::Either;
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use hyper::client::conn::{TrySendError, http2};
use hyper::header::UPGRADE;
use hyper::rt::Executor;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;

use super::Endpoint;
use super::connection::Connection;
use super::streams::{SharedConnection, StreamPlace};
use crate::body::RequestBody;
use crate::config::Protocol;
use crate::filters::validate::idempotent;
use crate::io::Stream;

/// How long a connection that has answered may take to be ready for the next request.
const TURNAROUND: Duration = Duration::from_secs(1);

/// Runs what hyper spawns on this thread's runtime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::spawn(future);
    }
}

/// The connections of one thread.
#[derive(Debug, Default)]
pub struct Pool {
    endpoints: Mutex<HashMap<u64, Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    idle: Vec<(Connection, Instant)>,
    shared: Vec<SharedConnection>,
    /// Held by whoever opens a connection for many: others that come meanwhile use it too.
    opening: Arc<tokio::sync::Mutex<()>>,
}

/// A connection that a request goes over. Dropped, it is closed; HTTP/2 goes on for others.
#[derive(Debug)]
pub enum Lease {
    /// One request's at a time.
    Own(Own),
    /// One of many requests'.
    Stream(StreamPlace),
}

/// A connection of HTTP/1.1.
#[derive(Debug)]
pub struct Own {
    pool: Arc<Pool>,
    endpoint: u64,
    connection: Connection,
    most: usize,
}

impl Lease {
    /// The answer has come whole: the connection is free.
    pub(crate) fn give_back(self) {
        let Self::Own(Own { pool, endpoint, mut connection, most }) = self else { return };
        if connection.is_ready() {
            pool.keep(endpoint, connection, most);
        } else if !connection.is_closed() {
            // The answer came before all of the request had gone out, or hyper has not turned round yet.
            tokio::spawn(async move {
                if let Ok(true) = tokio::time::timeout(TURNAROUND, connection.ready()).await {
                    pool.keep(endpoint, connection, most);
                }
            });
        }
    }

    /// The connection speaks another protocol from here on.
    pub(crate) fn switched(self) {
        if let Self::Own(own) = self {
            own.connection.leave();
        }
    }

    /// Something still goes up, whether anybody waits for what comes down or not.
    pub(crate) fn detach(&mut self) {
        if let Self::Own(own) = self {
            own.connection.detach();
        }
    }
}

/// The next part of an answer, over the connection that it comes over, where that is one request's at a time.
pub(crate) fn poll_body(
    lease: Option<&mut Lease>,
    incoming: &mut Incoming,
    cx: &mut Context<'_>,
) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
    let own = lease.and_then(|lease| if let Lease::Own(own) = lease { Some(own) } else { None });
    match own {
        Some(own) => own.connection.poll_body(incoming, cx),
        None => Pin::new(incoming).poll_frame(cx),
    }
}

/// Why a request could not be sent, or was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection to the endpoint.
    #[error("connecting failed: {0}")]
    Connect(std::io::Error),
    /// The gateway itself has no room for another connection; nothing is known of the endpoint.
    #[error("there is no room for another connection: {0}")]
    NoRoom(std::io::Error),
    /// Connecting took too long.
    #[error("connecting took longer than {0:?}")]
    ConnectTimeout(Duration),
    /// The handshake of HTTP failed.
    #[error("the handshake failed: {0}")]
    Handshake(hyper::Error),
    /// It was sent, or part of it was, and then it broke off.
    #[error("the endpoint broke off: {0}")]
    Broken(hyper::Error),
}

impl SendError {
    /// Why an endpoint could not be called that has, or has not, been reached before.
    fn calling(error: std::io::Error, reached: bool) -> Self {
        // What was never reached may have an address that this machine cannot call at all.
        if !reached && error.kind() == std::io::ErrorKind::AddrNotAvailable {
            return Self::Connect(error);
        }
        error.into()
    }
}

impl From<std::io::Error> for SendError {
    fn from(error: std::io::Error) -> Self {
        // Out of file descriptors, of this process (EMFILE) or of the machine (ENFILE): the same numbers on every Unix.
        let descriptors = cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24));
        // No port is left to call from.
        let ports = error.kind() == std::io::ErrorKind::AddrNotAvailable;
        if descriptors || ports { Self::NoRoom(error) } else { Self::Connect(error) }
    }
}

/// An answer, and the connection it comes over, where that is one request's at a time.
pub type Answer = (Response<Incoming>, Option<Lease>);

/// Why there is no answer, and whether the request is where it was and may be sent elsewhere: nothing of it has gone out, or it does
/// no harm to ask twice.
pub type Unsent = (SendError, bool);

impl Pool {
    fn keep(&self, endpoint: u64, connection: Connection, most: usize) {
        let mut endpoints = self.endpoints.lock();
        let kept = endpoints.entry(endpoint).or_default();
        if kept.idle.len() < most {
            kept.idle.push((connection, Instant::now()));
        }
    }

    fn idle(&self, endpoint: u64) -> Option<Connection> {
        let mut endpoints = self.endpoints.lock();
        let kept = endpoints.get_mut(&endpoint)?;
        while let Some((connection, _)) = kept.idle.pop() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn shared(&self, endpoint: u64) -> Option<(http2::SendRequest<RequestBody>, StreamPlace)> {
        let mut endpoints = self.endpoints.lock();
        let kept = endpoints.get_mut(&endpoint)?;
        kept.shared.retain(|connection| !connection.is_closed());
        kept.shared.iter().find_map(SharedConnection::take)
    }

    /// Closes what was not used for so long, and forgets endpoints that nobody names any more.
    pub(crate) fn sweep(&self, keep: Duration, alive: impl Fn(u64) -> bool) {
        let now = Instant::now();
        let mut endpoints = self.endpoints.lock();
        endpoints.retain(|endpoint, kept| {
            kept.idle.retain_mut(|(connection, since)| {
                connection.look();
                !connection.is_closed() && now.duration_since(*since) < keep
            });
            kept.shared.retain_mut(|connection| !connection.is_closed() && !connection.rested(now, keep));
            alive(*endpoint)
        });
    }

    /// How many connections are kept.
    pub(crate) fn kept(&self) -> usize {
        self.endpoints.lock().values().map(|kept| kept.idle.len() + kept.shared.len()).sum()
    }

    /// Sends a request and waits for the head of the answer. The request is taken from where it is, and put back if it may be sent
    /// elsewhere: a future that has it would be moved with it. Otherwise what stays there means nothing.
    pub(crate) fn send<'a>(
        self: &'a Arc<Self>,
        endpoint: &'a Endpoint,
        request: &'a mut Request<RequestBody>,
        connect: Duration,
        most: usize,
    ) -> impl Future<Output = Result<Answer, Unsent>> + 'a {
        match endpoint.protocol {
            Protocol::Http1 => Either::Left(self.send1(endpoint, request, connect, most)),
            // Kept out of the way of the other, for the same reason.
            Protocol::Http2 => Either::Right(Box::pin(self.send2(endpoint, request, connect))),
        }
    }

    async fn send1(
        self: &Arc<Self>,
        endpoint: &Endpoint,
        request: &mut Request<RequestBody>,
        connect: Duration,
        most: usize,
    ) -> Result<Answer, Unsent> {
        let lease =
            |connection| Lease::Own(Own { pool: Arc::clone(self), endpoint: endpoint.id, connection, most });
        // A protocol is switched by a task that outlives the request.
        let switches = request.headers().contains_key(UPGRADE);
        while let Some(mut connection) = self.idle(endpoint.id) {
            if switches {
                connection.detach();
            }
            let (asked, again) = leaving_a_spare(request);
            match connection.ask(asked).await {
                Ok(response) => return Ok((response, Some(lease(connection)))),
                Err(failed) => match over_kept(failed, again, request).map_err(|error| (error, false))? {
                    Unkept::Untouched => {}
                    Unkept::Repeat => break,
                },
            }
        }
        let opening = async {
            let stream = open(endpoint, connect).await?;
            Connection::new(stream).await.map_err(SendError::Handshake)
        };
        let mut connection = match Box::pin(opening).await {
            Ok(connection) => connection,
            Err(error) => return Err((error, true)),
        };
        if switches {
            connection.detach();
        }
        match connection.ask(std::mem::take(request)).await {
            Ok(response) => Ok((response, Some(lease(connection)))),
            Err(failed) => Err(over_fresh(failed, request)),
        }
    }

    async fn send2(
        &self,
        endpoint: &Endpoint,
        request: &mut Request<RequestBody>,
        connect: Duration,
    ) -> Result<Answer, Unsent> {
        if let Some((mut sender, place)) = self.shared(endpoint.id) {
            let (asked, again) = leaving_a_spare(request);
            match sender.try_send_request(asked).await {
                Ok(response) => return Ok((response, Some(Lease::Stream(place)))),
                // Where the connection goes on, it is this one request that the endpoint does not want.
                Err(failed) => {
                    let again = again && sender.is_closed();
                    over_kept(failed, again, request).map_err(|error| (error, false))?;
                }
            }
        }
        let (mut sender, place) = match self.another(endpoint, connect).await {
            Ok(found) => found,
            Err(error) => return Err((error, true)),
        };
        match sender.try_send_request(std::mem::take(request)).await {
            Ok(response) => Ok((response, Some(Lease::Stream(place)))),
            Err(failed) => Err(over_fresh(failed, request)),
        }
    }

    /// A place on a connection of HTTP/2 that has room for it: one that somebody else has opened meanwhile, or a new one.
    async fn another(
        &self,
        endpoint: &Endpoint,
        connect: Duration,
    ) -> Result<(http2::SendRequest<RequestBody>, StreamPlace), SendError> {
        let began = Instant::now();
        let opening = Arc::clone(&self.endpoints.lock().entry(endpoint.id).or_default().opening);
        let Ok(_turn) = tokio::time::timeout(connect, opening.lock()).await else {
            return Err(SendError::ConnectTimeout(connect));
        };
        if let Some(found) = self.shared(endpoint.id) {
            return Ok(found);
        }
        let stream =
            open(endpoint, connect.saturating_sub(began.elapsed())).await.map_err(|error| match error {
                // Waiting for its turn was a part of it.
                SendError::ConnectTimeout(_) => SendError::ConnectTimeout(connect),
                other => other,
            })?;
        let shaken = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .adaptive_window(true)
            .keep_alive_interval(Duration::from_secs(30))
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = shaken.map_err(SendError::Handshake)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to an endpoint ended badly");
            }
        });
        let (connection, place) = SharedConnection::new(sender.clone());
        self.endpoints.lock().entry(endpoint.id).or_default().shared.push(connection);
        Ok((sender, place))
    }
}

/// Takes a request. What stays is the same once more, if it does no harm to ask twice and the body is there to be sent again:
/// whether it is.
fn leaving_a_spare(request: &mut Request<RequestBody>) -> (Request<RequestBody>, bool) {
    let body = if idempotent(request.method()) { request.body().again() } else { None };
    let asked = std::mem::take(request);
    let Some(body) = body else { return (asked, false) };
    *request.body_mut() = body;
    *request.method_mut() = asked.method().clone();
    *request.uri_mut() = asked.uri().clone();
    *request.headers_mut() = asked.headers().clone();
    (asked, true)
}

/// What became of a request over a fresh connection; what comes back of it is put where it was.
fn over_fresh(mut failed: TrySendError<Request<RequestBody>>, request: &mut Request<RequestBody>) -> Unsent {
    let message = failed.take_message();
    let untouched = message.is_some();
    *request = message.unwrap_or_default();
    (SendError::Broken(failed.into_error()), untouched)
}

/// A request that a kept connection failed, and that is to be sent over another.
enum Unkept {
    /// None of it went out.
    Untouched,
    /// It may have gone out, and may be repeated.
    Repeat,
}

/// A kept connection may be closed by the endpoint in the very moment that it is used. hyper gives the request back if none of
/// it went out; if some of it did, an idempotent one is asked once more (RFC 9112, 9.3.1), over a fresh connection. It is no
/// failure of the endpoint's.
fn over_kept(
    mut failed: TrySendError<Request<RequestBody>>,
    again: bool,
    request: &mut Request<RequestBody>,
) -> Result<Unkept, SendError> {
    if let Some(message) = failed.take_message() {
        *request = message;
        return Ok(Unkept::Untouched);
    }
    let error = failed.into_error();
    // An answer that makes no sense is an answer.
    if again && !error.is_parse() {
        tracing::debug!(%error, "a kept connection was closed; asking once more");
        return Ok(Unkept::Repeat);
    }
    Err(SendError::Broken(error))
}

/// Connects, encrypted if the endpoint wants it.
async fn open(endpoint: &Endpoint, connect: Duration) -> Result<Stream, SendError> {
    let opening = async {
        let stream = TcpStream::connect((&*endpoint.host, endpoint.port)).await;
        let reached = endpoint.connections.load(Relaxed) > 0;
        let stream = stream.map_err(|error| SendError::calling(error, reached))?;
        stream.set_nodelay(true)?;
        endpoint.connections.fetch_add(1, Relaxed);
        let Some(tls) = &endpoint.tls else { return Ok(Stream::from(stream)) };
        let name = ServerName::try_from(endpoint.host.to_string()).map_err(std::io::Error::other)?;
        let stream = tokio_rustls::TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
        Ok(Stream::Tls(Box::new(stream.into())))
    };
    match tokio::time::timeout(connect, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(SendError::ConnectTimeout(connect)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_called_is_the_endpoints_unless_it_was_reached_before() {
        let error = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        assert!(matches!(SendError::calling(error(), false), SendError::Connect(_)));
        assert!(matches!(SendError::calling(error(), true), SendError::NoRoom(_)), "no port is left");
        let full = || std::io::Error::from_raw_os_error(24);
        assert!(matches!(SendError::calling(full(), false), SendError::NoRoom(_)));
    }
}
