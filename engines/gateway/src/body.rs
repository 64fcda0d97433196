//! Bodies on their way through: never held whole, unless somebody asked for it.

mod ahead;
pub mod shared;

pub(crate) use self::ahead::fetch;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use self::ahead::{Ahead, Found, Source};
use crate::filters::cache::Filling;
use crate::finish::Finish;
use crate::pace::Pace;
use crate::upstream::pool::Lease;

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The other side's fault.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// It is larger than it may be.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// Nothing came for too long.
    #[error("nothing came for {0:?}")]
    Idle(Duration),
    /// The caller has taken nothing for too long.
    #[error("the caller stopped reading")]
    Unread,
    /// Too little came for the time it took.
    #[error("the body comes too slowly")]
    Slow,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// None.
    Empty,
    /// All of it, at once.
    Full(Option<Bytes>, Option<Box<Finish>>),
    /// From an endpoint.
    Stream(Streamed),
    /// From an endpoint, over HTTP/2.
    Shared(Arc<shared::Shared>),
}

/// A body that an endpoint sends.
#[derive(Debug)]
pub struct Streamed {
    from: From,
    finish: Box<Finish>,
}

/// Where its parts come from.
#[derive(Debug)]
enum From {
    /// As the caller reads.
    Endpoint(Box<Source>, Idle),
    /// As the endpoint sends.
    Ahead(Ahead, Duration),
    /// It has broken off.
    Nowhere,
}

impl Body {
    /// A body that is there.
    #[must_use]
    pub fn full(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(Some(bytes), None) }
    }

    /// The same, whose end is told.
    #[must_use]
    pub fn finishing(self, finish: Box<Finish>) -> Self {
        match self {
            Self::Empty => Self::Full(None, Some(finish)),
            Self::Full(bytes, _) => Self::Full(bytes, Some(finish)),
            other => other,
        }
    }
}

impl Streamed {
    pub(crate) fn new(
        incoming: Incoming,
        lease: Option<Lease>,
        mut finish: Box<Finish>,
        filling: Option<Box<Filling>>,
        idle: Duration,
    ) -> Self {
        let mut source = Source::new(incoming, lease, filling);
        if source.incoming.is_end_stream() {
            source.complete();
            finish.complete();
        }
        let from = if source.filling.is_some() {
            // Others wait for this answer: they are not to wait for the caller.
            source.place = finish.place.take();
            From::Ahead(Ahead::start(source, idle), idle)
        } else {
            From::Endpoint(Box::new(source), Idle::new(idle))
        };
        Self { from, finish }
    }

    /// The caller takes nothing more of it.
    fn unread(&mut self) {
        self.from = From::Nowhere;
        self.finish.unread();
    }

    fn failed(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.from = From::Nowhere;
        match &error {
            BodyError::Http(error) => self.finish.broken(error),
            _ => self.finish.stalled(),
        }
        Poll::Ready(Some(Err(error)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            match &mut self.from {
                From::Endpoint(source, idle) => match source.poll(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        idle.progress();
                        if let Some(data) = frame.data_ref() {
                            self.finish.sent(data.len());
                            source.keep(data);
                        }
                        // An answer whose length is known is at its end before anybody asks for more, and behind trailers
                        // nobody asks; the connection is free from then on.
                        if source.incoming.is_end_stream() || frame.is_trailers() {
                            source.complete();
                            self.finish.complete();
                        }
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Poll::Ready(Some(Err(error))) => return self.failed(error.into()),
                    Poll::Ready(None) => {
                        source.complete();
                        self.finish.complete();
                        return Poll::Ready(None);
                    }
                    Poll::Pending => match idle.poll(cx) {
                        Poll::Ready(after) => return self.failed(BodyError::Idle(after)),
                        Poll::Pending => return Poll::Pending,
                    },
                },
                From::Ahead(ahead, idle) => match std::task::ready!(ahead.poll(cx)) {
                    Found::Frame(frame) => {
                        if let Some(data) = frame.data_ref() {
                            self.finish.sent(data.len());
                        }
                        if ahead.left == Some(0) || frame.is_trailers() {
                            self.finish.complete();
                        }
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Found::Rest(mut rest) => {
                        self.finish.place = rest.place.take();
                        self.from = From::Endpoint(rest, Idle::new(*idle));
                    }
                    Found::Failed(error) => return self.failed(error),
                    Found::End => {
                        self.finish.complete();
                        return Poll::Ready(None);
                    }
                },
                From::Nowhere => return Poll::Ready(None),
            }
        }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_done(&self) -> bool {
        match &self.from {
            From::Endpoint(source, _) => source.incoming.is_end_stream(),
            From::Ahead(ahead, _) => ahead.left == Some(0),
            From::Nowhere => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.from {
            From::Endpoint(source, _) => source.incoming.size_hint(),
            From::Ahead(ahead, _) => ahead.left.map_or_else(SizeHint::default, SizeHint::with_exact),
            From::Nowhere => SizeHint::default(),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes, finish) => {
                let bytes = bytes.take();
                if let (Some(bytes), Some(finish)) = (&bytes, finish) {
                    finish.sent(bytes.len());
                    finish.complete();
                }
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Self::Stream(streamed) => streamed.poll(cx),
            Self::Shared(shared) => shared.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes, _) => bytes.is_none(),
            Self::Stream(streamed) => streamed.is_done(),
            Self::Shared(shared) => shared.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(streamed) => streamed.size_hint(),
            Self::Shared(shared) => shared.size_hint(),
        }
    }
}

/// Counts down while nothing moves. The timer is made when something first stands still: most bodies never do.
#[derive(Debug)]
struct Idle {
    after: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    moved: bool,
}

impl Idle {
    fn new(after: Duration) -> Self {
        Self { after, sleep: None, moved: false }
    }

    fn progress(&mut self) {
        self.moved = true;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let after = self.after;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
        if std::mem::take(&mut self.moved) {
            sleep.as_mut().reset(tokio::time::Instant::now() + after);
        }
        sleep.as_mut().poll(cx).map(|()| after)
    }
}

/// The body of a request on its way to an endpoint.
#[derive(Debug, Default)]
pub enum RequestBody {
    /// None.
    #[default]
    Empty,
    /// All of it, kept so that it can be sent again.
    Full(Option<Bytes>),
    /// As it comes from the caller.
    Stream(Box<Upload>),
}

/// A body that a caller sends.
#[derive(Debug)]
pub struct Upload {
    incoming: Incoming,
    seen: u64,
    most: u64,
    idle: Idle,
    pace: Pace,
    /// What the caller's fault was, for the answer.
    told: Option<std::sync::Arc<Fault>>,
}

/// What went wrong with a caller's body: the answer tells it, not what the endpoint made of it.
#[derive(Debug, Default)]
pub struct Fault {
    kind: std::sync::atomic::AtomicU8,
    seen: std::sync::atomic::AtomicU64,
    /// Whether the body is still to come, or a part of it.
    open: std::sync::atomic::AtomicBool,
    /// The endpoint would take more, and the caller has not sent it.
    awaited: std::sync::atomic::AtomicBool,
    /// The answer has begun: what still goes up is a conversation, which may be slow.
    answered: std::sync::atomic::AtomicBool,
}

impl Fault {
    /// The code of the fault, if there was one.
    #[must_use]
    pub fn code(&self) -> Option<crate::problem::Code> {
        use crate::problem::Code;
        match self.kind.load(std::sync::atomic::Ordering::Relaxed) {
            1 => Some(Code::BodyTooLarge),
            2 => Some(Code::BadRequest),
            3 => Some(Code::RequestTimeout),
            _ => None,
        }
    }

    /// Bytes that came.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether the caller has still to send something.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether it is the caller that is waited for, and not an endpoint that takes nothing.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.is_open() && self.awaited.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The answer begins.
    pub fn answered(&self) {
        self.answered.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    fn set(&self, kind: u8) {
        self.kind.store(kind, std::sync::atomic::Ordering::Relaxed);
    }
}

impl RequestBody {
    /// A body as it comes, of at most so many bytes, that does not stand still for so long and brings at least so many bytes a
    /// second over that time.
    #[must_use]
    pub fn stream(
        incoming: Incoming,
        most: u64,
        idle: Duration,
        least: u64,
        told: std::sync::Arc<Fault>,
    ) -> Self {
        if incoming.is_end_stream() {
            return Self::Empty;
        }
        told.open.store(true, std::sync::atomic::Ordering::Relaxed);
        let pace = Pace::new(least, idle);
        Self::Stream(Box::new(Upload {
            incoming,
            seen: 0,
            most,
            idle: Idle::new(idle),
            pace,
            told: Some(told),
        }))
    }

    /// The same body once more, if it is there to be sent again.
    #[must_use]
    pub fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Full(bytes) => Some(Self::Full(bytes.clone())),
            Self::Stream(_) => None,
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(upload) => {
                let upload = &mut **upload;
                let fault = |kind| {
                    if let Some(told) = &upload.told {
                        told.set(kind);
                    }
                };
                let polled = Pin::new(&mut upload.incoming).poll_frame(cx);
                if let Some(told) = &upload.told {
                    told.awaited.store(polled.is_pending(), std::sync::atomic::Ordering::Relaxed);
                }
                match polled {
                    Poll::Ready(Some(Ok(frame))) => {
                        upload.idle.progress();
                        if let Some(data) = frame.data_ref() {
                            upload.seen += data.len() as u64;
                            if let Some(told) = &upload.told {
                                told.seen.store(upload.seen, std::sync::atomic::Ordering::Relaxed);
                            }
                            if upload.seen > upload.most {
                                fault(1);
                                return Poll::Ready(Some(Err(BodyError::TooLarge(upload.most))));
                            }
                            let answered = |told: &std::sync::Arc<Fault>| {
                                told.answered.load(std::sync::atomic::Ordering::Relaxed)
                            };
                            if !upload.pace.came(data.len(), std::time::Instant::now())
                                && !upload.told.as_ref().is_some_and(answered)
                            {
                                fault(3);
                                return Poll::Ready(Some(Err(BodyError::Slow)));
                            }
                        }
                        // Whoever reads may not ask again once it knows that this was the last.
                        if (upload.incoming.is_end_stream() || frame.is_trailers())
                            && let Some(told) = &upload.told
                        {
                            told.open.store(false, std::sync::atomic::Ordering::Relaxed);
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                    Poll::Ready(Some(Err(error))) => {
                        fault(2);
                        Poll::Ready(Some(Err(error.into())))
                    }
                    Poll::Ready(None) => {
                        if let Some(told) = &upload.told {
                            told.open.store(false, std::sync::atomic::Ordering::Relaxed);
                        }
                        Poll::Ready(None)
                    }
                    Poll::Pending => match upload.idle.poll(cx) {
                        Poll::Ready(after) => {
                            fault(3);
                            Poll::Ready(Some(Err(BodyError::Idle(after))))
                        }
                        Poll::Pending => {
                            upload.pace.wait(std::time::Instant::now());
                            Poll::Pending
                        }
                    },
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_none(),
            Self::Stream(upload) => upload.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Stream(upload) => upload.incoming.size_hint(),
        }
    }
}
