//! What stands between the socket and the parser: it watches the framing of HTTP/1 requests, how long a header takes, and
//! whether a caller reads what it is sent.
//!
//! A header is handed on when all of it is there and lawful. What is not is replaced by a request that the gateway answers with
//! the refusal, in its turn, after the answers before it; nothing behind it is read. Where a body's framing breaks, its request
//! has been handed on: there the bytes are replaced by one that no parser takes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Ambiguity, Framing};
use crate::io::Stream;
use crate::problem::Code;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Waits {
    /// Nothing: something is under way.
    No,
    /// A request.
    Request,
    /// The rest of a request's header.
    Header,
    /// The caller to read.
    Writing,
}

/// What the watch over a connection needs to know of it.
#[derive(Debug)]
pub(crate) struct Watched {
    waits: AtomicU8,
    /// Milliseconds since the connection began.
    since: AtomicU64,
    began: Instant,
    /// Requests that are being answered.
    pub(crate) busy: AtomicU64,
    /// The protocol has been switched: what comes is no HTTP any more.
    pub(crate) tunnel: AtomicBool,
    /// The watch wants the connection to end with an error.
    pub(crate) expired: AtomicBool,
    /// Requests that were refused for their framing.
    pub(crate) ambiguous: AtomicBool,
    /// Why the request that stands for what was not handed on is refused.
    refusal: OnceLock<(Code, String)>,
}

/// The method of that request. Nobody can guess it, so nobody can ask for it.
fn stand_in() -> &'static str {
    static METHOD: OnceLock<String> = OnceLock::new();
    METHOD.get_or_init(|| {
        let mut bytes = [0_u8; 16];
        // Without chance nothing encrypted would work either; the method is then merely one that nobody uses.
        let _ = ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes);
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        format!("REFUSED-{hex}")
    })
}

/// What a header that is not lawful is refused with.
fn code_of(what: Ambiguity) -> Code {
    match what {
        Ambiguity::TooLong | Ambiguity::TooMany => Code::HeaderTooLarge,
        _ => Code::BadRequest,
    }
}

impl Watched {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            waits: AtomicU8::new(Waits::Request as u8),
            since: AtomicU64::new(0),
            began: Instant::now(),
            busy: AtomicU64::new(0),
            tunnel: AtomicBool::new(false),
            expired: AtomicBool::new(false),
            ambiguous: AtomicBool::new(false),
            refusal: OnceLock::new(),
        })
    }

    /// Whether something was not handed on.
    pub(crate) fn has_refused(&self) -> bool {
        self.refusal.get().is_some()
    }

    /// Why this request is refused, if it stands for one that was not handed on.
    pub(crate) fn refusal_of(&self, method: &hyper::Method) -> Option<(Code, String)> {
        let refusal = self.refusal.get()?;
        (method.as_str() == stand_in()).then(|| refusal.clone())
    }

    /// Milliseconds since the connection began.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn set(&self, waits: Waits) {
        // Only a change is worth the look at the clock.
        if self.waits.load(Relaxed) != waits as u8 {
            self.waits.store(waits as u8, Relaxed);
            if waits != Waits::No {
                self.since.store(self.now(), Relaxed);
            }
        }
    }

    /// What the connection waits for, and for how many milliseconds.
    pub(crate) fn waits(&self) -> (Waits, u64) {
        let waits = match self.waits.load(Relaxed) {
            1 => Waits::Request,
            2 => Waits::Header,
            3 => Waits::Writing,
            _ => Waits::No,
        };
        (waits, self.now().saturating_sub(self.since.load(Relaxed)))
    }

    /// Nothing has come: unless something is being answered or written, it waits for a request.
    fn rests(&self) {
        if self.busy.load(Relaxed) == 0 && self.waits.load(Relaxed) != Waits::Writing as u8 {
            self.set(Waits::Request);
        }
    }
}

/// How reading has ended.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// With a request that the gateway refuses.
    Header,
    /// In the middle of a body.
    Body,
}

/// A caller's connection under watch.
#[derive(Debug)]
pub(crate) struct Guard {
    inner: Stream,
    /// None for HTTP/2, whose frames have lengths.
    framing: Option<Framing>,
    watched: Arc<Watched>,
    refused: Option<Refused>,
    /// The beginning of a header whose end has not come.
    begun: Vec<u8>,
    /// What may be handed on and has not been yet.
    ready: Bytes,
}

impl Guard {
    pub(crate) fn new(inner: Stream, framing: Option<Framing>, watched: Arc<Watched>) -> Self {
        Self { inner, framing, watched, refused: None, begun: Vec::new(), ready: Bytes::new() }
    }

    /// The connection, and what has been read of it but not handed on.
    pub(crate) fn into_inner(self) -> (Stream, Bytes) {
        let mut early = BytesMut::from(self.ready);
        early.extend_from_slice(&self.begun);
        (self.inner, early.freeze())
    }

    fn hand_on(&mut self, buf: &mut ReadBuf<'_>) {
        let n = self.ready.len().min(buf.remaining());
        buf.put_slice(&self.ready.split_to(n));
    }

    /// Nothing more is read. Where no request has been handed on yet, one that the gateway refuses stands in for it.
    fn refuse(&mut self, within_body: bool, code: Code, why: String) {
        self.refused = Some(if within_body { Refused::Body } else { Refused::Header });
        self.begun = Vec::new();
        let mut ready = BytesMut::from(std::mem::take(&mut self.ready));
        if !within_body && self.watched.refusal.set((code, why)).is_ok() {
            ready.extend_from_slice(stand_in().as_bytes());
            ready.extend_from_slice(b" / HTTP/1.1\r\nhost: refused\r\n\r\n");
        } else {
            ready.extend_from_slice(b"\0");
        }
        self.ready = ready.freeze();
        self.watched.set(Waits::No);
    }

    /// What has just been read of HTTP/1: what may be handed on stays in `buf`, if nothing else comes before it.
    fn sift(&mut self, before: usize, buf: &mut ReadBuf<'_>) {
        let Some(framing) = &mut self.framing else { return };
        let fresh = &buf.filled()[before..];
        let read = framing.read(fresh);
        let safe = match &read {
            Ok(safe) | Err((safe, _)) => *safe,
        };
        // A header that comes in drops is the same header still: its time goes on.
        let within_body = framing.within_body();
        self.watched.set(if framing.within_head() { Waits::Header } else { Waits::No });
        if self.begun.is_empty() {
            self.begun.extend_from_slice(&fresh[safe..]);
            buf.set_filled(before + safe);
        } else {
            let mut ready = BytesMut::new();
            if safe > 0 {
                ready.extend_from_slice(&std::mem::take(&mut self.begun));
                ready.extend_from_slice(&fresh[..safe]);
            }
            self.begun.extend_from_slice(&fresh[safe..]);
            buf.set_filled(before);
            self.ready = ready.freeze();
        }
        if let Err((_, what)) = read {
            tracing::debug!(%what, "a request is refused");
            self.watched.ambiguous.store(true, Relaxed);
            self.refuse(within_body, code_of(what), what.to_string());
        }
    }
}

impl AsyncRead for Guard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.ready.is_empty() {
                this.hand_on(buf);
                return Poll::Ready(Ok(()));
            }
            // Nothing behind a refusal is looked at; the connection is closed after the answer.
            match this.refused {
                Some(Refused::Body) => return Poll::Ready(Ok(())),
                // The end would be taken for the caller's, who is then told nothing.
                Some(Refused::Header) => {
                    this.watched.rests();
                    return Poll::Pending;
                }
                None => {}
            }
            let tunnel = this.watched.tunnel.load(Relaxed);
            let within = this.framing.as_ref().is_some_and(Framing::within_head);
            if this.watched.expired.load(Relaxed) && !tunnel {
                this.refuse(!within, Code::RequestTimeout, "the header did not come in time".to_owned());
                continue;
            }
            let before = buf.filled().len();
            let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
            match &polled {
                Poll::Ready(Ok(())) if this.framing.is_some() && !tunnel && buf.filled().len() > before => {
                    this.sift(before, buf);
                    // All of it may be a header that has not ended: then there is nothing to hand on yet.
                    if buf.filled().len() == before {
                        continue;
                    }
                }
                Poll::Ready(_) => this.watched.set(Waits::No),
                Poll::Pending if within => this.watched.set(Waits::Header),
                Poll::Pending => this.watched.rests(),
            }
            return polled;
        }
    }
}

impl Guard {
    fn wrote<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Pending => self.watched.set(Waits::Writing),
            Poll::Ready(_) => {
                if self.watched.waits.load(Relaxed) == Waits::Writing as u8 {
                    self.watched.set(Waits::No);
                }
            }
        }
        polled
    }
}

impl AsyncWrite for Guard {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.wrote(polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_flush(cx);
        this.wrote(polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_shutdown(cx);
        this.wrote(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.wrote(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
