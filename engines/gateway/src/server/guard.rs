//! What stands between the socket and the parser: it watches the framing of HTTP/1 requests, how long a header takes, and
//! whether a caller reads what it is sent.
//!
//! Where the framing is ambiguous, the bytes from there on are replaced by one that no request may contain: the parser
//! answers 400 in its turn, after the answers before it, and closes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;
use crate::io::Stream;

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
        })
    }

    fn now(&self) -> u64 {
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
}

/// A caller's connection under watch.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) inner: Stream,
    /// None for HTTP/2, whose frames have lengths.
    framing: Option<Framing>,
    watched: Arc<Watched>,
    refused: bool,
}

impl Guard {
    pub(crate) fn new(inner: Stream, framing: Option<Framing>, watched: Arc<Watched>) -> Self {
        Self { inner, framing, watched, refused: false }
    }
}

impl AsyncRead for Guard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.refused {
            // Nothing behind the refusal is looked at; the parser closes after its answer.
            return Poll::Ready(Ok(()));
        }
        if this.watched.expired.load(Relaxed) && !this.watched.tunnel.load(Relaxed) {
            this.refused = true;
            buf.put_slice(b"\0");
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let watched = &this.watched;
        match (&polled, &mut this.framing) {
            (Poll::Ready(Ok(())), Some(framing)) if !watched.tunnel.load(Relaxed) => {
                let read = framing.read(&buf.filled()[before..]);
                // A header that comes in drops is the same header still: its time goes on.
                watched.set(if framing.within_head() { Waits::Header } else { Waits::No });
                if let Err((lawful, what)) = read {
                    tracing::debug!(%what, "a request is refused");
                    watched.ambiguous.store(true, Relaxed);
                    this.refused = true;
                    buf.set_filled(before + lawful);
                    buf.put_slice(b"\0");
                }
            }
            (Poll::Ready(_), _) => watched.set(Waits::No),
            (Poll::Pending, framing) => {
                let within = framing.as_ref().is_some_and(Framing::within_head);
                if within {
                    watched.set(Waits::Header);
                } else if watched.busy.load(Relaxed) == 0 && watched.waits().0 != Waits::Writing {
                    watched.set(Waits::Request);
                }
            }
        }
        polled
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
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
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
