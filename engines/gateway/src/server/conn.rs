//! One connection of a caller's: who it is from, encryption, HTTP/1.1 or HTTP/2, and the watch over it.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;

use super::accept::Listening;
use super::alarm::Alarms;
use super::framing::Framing;
use super::guard::{Guard, Waits, Watched};
use super::proxy_protocol::{self, Read};
use super::worker::Worker;
use crate::body::shared::Streams;
use crate::config::Config;
use crate::io::Stream;
use crate::upstream::pool::Local;
use crate::warm::Own;

/// What HTTP/2 begins with, where nobody has agreed on it before.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How soon more bytes are looked for, while the beginning of a connection does not yet say what it is; doubled up to the most.
const LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_millis(250);
/// Fields of a header that hyper's parser takes unless it is told a number.
const PARSED: usize = 100;

/// A connection on its way to a thread.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) listening: Arc<Listening>,
    pub(crate) place: OwnedSemaphorePermit,
}

/// A connection that requests come over.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) worker: Arc<Worker>,
    pub(crate) peer: SocketAddr,
    /// The peer's address as a header's value: made once, not per request.
    pub(crate) peer_value: HeaderValue,
    pub(crate) tls: bool,
    pub(crate) http2: bool,
    pub(crate) certificate: Option<CertificateDer<'static>>,
    pub(crate) watched: Arc<Watched>,
    /// Answers under way, where the connection is one of HTTP/2.
    pub(crate) streams: Streams,
    /// The timer of requests' timeouts.
    pub(crate) alarms: Alarms,
    /// It carries a request of the gateway's own.
    pub(crate) own: Option<Arc<Own>>,
}

struct Counted(Arc<Worker>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
        self.0.shared.connections.fetch_sub(1, Relaxed);
        self.0.shared.touch();
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(worker: Arc<Worker>, accepted: Accepted) {
    worker.shared.connections.fetch_add(1, Relaxed);
    worker.shared.touch();
    let _counted = Counted(Arc::clone(&worker));
    let Accepted { stream, peer, listening, place: _place } = accepted;
    if !listening.settings.load().admits(peer.ip()) {
        worker.shared.strangers.fetch_add(1, Relaxed);
        tracing::debug!(%peer, "a connection from an address that may not say who it is from");
        return;
    }
    let config = Arc::clone(&worker.table().config);
    let begun = tokio::select! {
        begun = begin(stream, peer, &listening, &config) => begun,
        () = listening.stop.cancelled() => return,
    };
    let Some(Begun { stream, peer, http2, certificate }) = begun else {
        worker.shared.handshake_errors.fetch_add(1, Relaxed);
        return;
    };
    let watched = Watched::new();
    let peer_value = HeaderValue::from_str(&peer.ip().to_canonical().to_string());
    let conn = Arc::new(Conn {
        worker,
        peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
        peer_value: peer_value.unwrap_or_else(|_| HeaderValue::from_static("unknown")),
        tls: matches!(stream, Stream::Tls(_)),
        http2,
        certificate,
        streams: Streams::new(&watched),
        alarms: Alarms::default(),
        own: None,
        watched: Arc::clone(&watched),
    });
    let limits = &config.limits;
    let service = {
        let conn = Arc::clone(&conn);
        service_fn(move |request| crate::pipeline::handle(Arc::clone(&conn), request))
    };
    let watch = Watch::new(&listening, &config, &conn);
    let ended = if http2 {
        let io = TokioIo::new(Guard::new(stream, None, watched));
        let connection = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(config.timeouts.idle)
            .keep_alive_timeout(config.timeouts.header)
            // A caller that opens streams and resets them at once (CVE-2023-44487), or makes the gateway reset them.
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(256)
            .serve_connection(io, service);
        watch.over(pin!(connection)).await
    } else {
        // The parser takes a little more: what is too long or too much is refused before it, with a reason.
        let framing = Framing::new(limits.header_bytes, limits.headers);
        let io = TokioIo::new(Guard::new(stream, Some(framing), watched));
        let mut builder = http1::Builder::new();
        builder.max_buf_size(limits.header_bytes.saturating_add(4096).max(8192));
        // Told a number, the parser allocates room for so many with every request; what it takes by itself is on its stack.
        if limits.headers > PARSED {
            builder.max_headers(limits.headers.saturating_add(8));
        }
        let connection = builder.serve_connection(io, service).with_upgrades();
        watch.over(pin!(connection)).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended badly");
    }
    if conn.watched.ambiguous.load(Relaxed) {
        conn.worker.shared.ambiguous.fetch_add(1, Relaxed);
    }
}

struct Begun {
    stream: Stream,
    peer: SocketAddr,
    http2: bool,
    certificate: Option<CertificateDer<'static>>,
}

/// Who it is from, encryption, and which HTTP. None when it comes to nothing.
async fn begin(
    stream: std::net::TcpStream,
    mut peer: SocketAddr,
    listening: &Listening,
    config: &Config,
) -> Option<Begun> {
    let mut stream = TcpStream::from_std(stream).ok()?;
    stream.set_nodelay(true).ok()?;
    let settings = listening.settings.load_full();
    if settings.proxy_protocol {
        let read = tokio::time::timeout(config.timeouts.header, proxied(&mut stream)).await;
        match read {
            Ok(Ok(named)) => peer = named.unwrap_or(peer),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection without the PROXY protocol");
                return None;
            }
            Err(_) => return None,
        }
    }
    let Some(tls) = settings.tls.clone() else {
        // Until the first byte it is an idle connection; the rest of a preface is a header's beginning.
        tokio::time::timeout(config.timeouts.idle, stream.readable()).await.ok()?.ok()?;
        let http2 = tokio::time::timeout(config.timeouts.header, is_http2(&stream)).await.ok()??;
        return Some(Begun { stream: Stream::from(stream), peer, http2, certificate: None });
    };
    let shaken = tokio::time::timeout(config.timeouts.header, TlsAcceptor::from(tls).accept(stream)).await;
    let stream = match shaken {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            return None;
        }
        Err(_) => return None,
    };
    let (_, session) = stream.get_ref();
    let http2 = session.alpn_protocol() == Some(b"h2");
    let certificate =
        session.peer_certificates().and_then(|chain| chain.first()).map(|c| c.clone().into_owned());
    Some(Begun { stream: Stream::Tls(Box::new(stream.into())), peer, http2, certificate })
}

/// Reads the PROXY protocol and nothing behind it.
async fn proxied(stream: &mut TcpStream) -> std::io::Result<Option<SocketAddr>> {
    let mut buffer = vec![0; 1024];
    let mut look = LOOK;
    loop {
        let n = stream.peek(&mut buffer).await?;
        if n == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match proxy_protocol::read(&buffer[..n]).map_err(std::io::Error::other)? {
            Read::Done(length, from) => {
                stream.read_exact(&mut buffer[..length]).await?;
                return Ok(from);
            }
            Read::Partial => {
                if n == buffer.len() {
                    buffer.resize(proxy_protocol::LONGEST, 0);
                }
                sleep(look).await;
                look = (look * 2).min(LONGEST_LOOK);
            }
        }
    }
}

/// Whether a plain connection begins with HTTP/2's preface. None when it ends before.
async fn is_http2(stream: &TcpStream) -> Option<bool> {
    let mut buffer = [0; PREFACE.len()];
    let mut look = LOOK;
    loop {
        let n = stream.peek(&mut buffer).await.ok().filter(|n| *n > 0)?;
        if buffer[..n] != PREFACE[..n] {
            return Some(false);
        }
        if n == PREFACE.len() {
            return Some(true);
        }
        sleep(look).await;
        look = (look * 2).min(LONGEST_LOOK);
    }
}

/// Ends a connection that waits too long, and lets it finish when its listener goes.
struct Watch<'a> {
    listening: &'a Listening,
    conn: &'a Conn,
    header: u64,
    idle: u64,
    drain: Duration,
    beat: Duration,
}

/// What both kinds of connections can be told.
trait Ending: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

impl<I, S, B> Ending for http1::UpgradeableConnection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Ending for http2::Connection<I, S, Local>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Local: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<'a> Watch<'a> {
    fn new(listening: &'a Listening, config: &Config, conn: &'a Conn) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let timeouts = &config.timeouts;
        let beat =
            (timeouts.header.min(timeouts.idle) / 4).clamp(Duration::from_millis(20), Duration::from_secs(1));
        Self {
            listening,
            conn,
            header: millis(timeouts.header),
            idle: millis(timeouts.idle),
            drain: timeouts.drain,
            beat,
        }
    }

    /// Looks after a connection until it ends.
    async fn over<C: Ending>(self, mut connection: Pin<&mut C>) -> hyper::Result<()> {
        let mut beat = pin!(sleep(self.beat));
        let mut gone = pin!(self.listening.stop.cancelled());
        let mut first = true;
        let mut ending: Option<Instant> = None;
        std::future::poll_fn(|cx| {
            // The token wakes this task whoever polls it: looked at once, and from then on only when the flag says so.
            if std::mem::take(&mut first) {
                let _ = gone.as_mut().poll(cx);
            }
            if ending.is_none() && self.listening.draining.load(Relaxed) {
                ending = Some(Instant::now() + self.drain);
                connection.as_mut().finish();
            }
            while beat.as_mut().poll(cx).is_ready() {
                beat.as_mut().reset(Instant::now() + self.beat);
                match self.beat(cx, connection.as_mut()) {
                    Poll::Ready(()) => return Poll::Ready(Ok(())),
                    Poll::Pending if ending.is_some_and(|until| Instant::now() >= until) => {
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Pending => {}
                }
            }
            connection.as_mut().poll(cx)
        })
        .await
    }

    /// Ready when the connection is to be dropped.
    fn beat<C: Ending>(&self, _: &mut Context<'_>, connection: Pin<&mut C>) -> Poll<()> {
        let answering = self.conn.http2 && self.conn.streams.expire(self.idle);
        match self.conn.watched.waits() {
            (Waits::Request, since) if since >= self.idle && !answering => connection.finish(),
            (Waits::Header, since) if since >= self.header && self.conn.watched.busy.load(Relaxed) == 0 => {
                // The parser is given something to refuse, so that the caller hears of it.
                if self.conn.watched.expired.swap(true, Relaxed) {
                    return Poll::Ready(());
                }
                self.conn.worker.shared.expired.fetch_add(1, Relaxed);
            }
            (Waits::Writing, since) if since >= self.idle => return Poll::Ready(()),
            _ => {}
        }
        Poll::Pending
    }
}
