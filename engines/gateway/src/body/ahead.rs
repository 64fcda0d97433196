//! Reading ahead of a caller: an answer that others wait for, because it is to be kept, comes in as fast as the service sends
//! it, however slowly the one who asked for it reads. What is held is bounded: beyond it the caller reads for itself again.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::poll_fn;
use hyper::body::{Body as HttpBody, Frame, Incoming};
use tokio::sync::mpsc;

use super::BodyError;
use crate::filters::bulkhead::Place;
use crate::filters::cache::Filling;
use crate::upstream::pool::{Lease, poll_body};

/// What a part that is held costs beside its bytes.
const OVERHEAD: usize = 128;

/// A body from an endpoint, and what comes with it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) incoming: Incoming,
    /// Given back when all of it has come.
    pub(super) lease: Option<Lease>,
    /// Kept for the cache on the way.
    pub(super) filling: Option<Box<Filling>>,
    /// The room that it takes up in the bulkhead, while nobody else holds that.
    pub(super) place: Option<Place>,
    /// It has broken off, which is not told yet.
    broken: Option<hyper::Error>,
}

impl Source {
    pub(super) fn new(incoming: Incoming, lease: Option<Lease>, filling: Option<Box<Filling>>) -> Self {
        Self { incoming, lease, filling, place: None, broken: None }
    }

    /// The next part. What came before an error goes out before it is told: who sends it on writes when nothing more comes.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = poll_body(self.lease.as_mut(), &mut self.incoming, cx);
        if let Poll::Ready(Some(Err(error))) = polled {
            self.broken = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    }

    /// All of it has come.
    pub(super) fn complete(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
        if let Some(filling) = self.filling.take() {
            filling.complete();
        }
        self.place = None;
    }

    /// A part of it has come: it is kept, or nothing of it is any more.
    pub(super) fn keep(&mut self, data: &[u8]) {
        if let Some(filling) = &mut self.filling
            && !filling.push(data)
        {
            self.filling = None;
        }
    }
}

enum Part {
    Frame(Frame<Bytes>),
    /// More than may be held: the caller reads the rest.
    Rest(Box<Source>),
    Failed(BodyError),
}

/// What the caller reads.
#[derive(Debug)]
pub(super) struct Ahead {
    parts: mpsc::UnboundedReceiver<Part>,
    /// Bytes that are still to come, where that is known.
    pub(super) left: Option<u64>,
}

/// What the caller finds there.
pub(super) enum Found {
    Frame(Frame<Bytes>),
    Rest(Box<Source>),
    Failed(BodyError),
    End,
}

impl Ahead {
    /// Begins to read, on this thread.
    pub(super) fn start(source: Source, idle: Duration) -> Self {
        let left = source.incoming.size_hint().exact();
        let (send, parts) = mpsc::unbounded_channel();
        tokio::spawn(read(source, idle, send));
        Self { parts, left }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Found> {
        self.parts.poll_recv(cx).map(|part| match part {
            Some(Part::Frame(frame)) => {
                if let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) {
                    *left = left.saturating_sub(data.len() as u64);
                }
                Found::Frame(frame)
            }
            Some(Part::Rest(rest)) => Found::Rest(rest),
            Some(Part::Failed(error)) => Found::Failed(error),
            None => Found::End,
        })
    }
}

/// Reads what others wait for though the caller takes nothing of it. What nobody waits for is given up.
pub(crate) fn fetch(
    incoming: Incoming,
    lease: Option<Lease>,
    filling: Option<Box<Filling>>,
    place: Option<Place>,
    idle: Duration,
) {
    let mut source = Source::new(incoming, lease, filling);
    source.place = place;
    if source.incoming.is_end_stream() {
        source.complete();
    } else if source.filling.is_some() {
        drop(Ahead::start(source, idle));
    }
}

/// Reads to the end, or as far as may be held. The caller may have gone: others wait for the answer still.
async fn read(mut source: Source, idle: Duration, send: mpsc::UnboundedSender<Part>) {
    let most = source.filling.as_ref().map_or(0, |filling| filling.most()) + OVERHEAD;
    let mut held = 0;
    loop {
        let frame = poll_fn(|cx| source.poll(cx));
        let failed = match tokio::time::timeout(idle, frame).await {
            Ok(Some(Ok(frame))) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                held += data.len() + OVERHEAD;
                source.keep(data);
                // An error says that the caller has gone, which changes nothing.
                let _ = send.send(Part::Frame(frame));
                if source.incoming.is_end_stream() {
                    return source.complete();
                }
                if source.filling.is_some() && held <= most {
                    continue;
                }
                let _ = send.send(Part::Rest(Box::new(source)));
                return;
            }
            Ok(Some(Err(error))) => error.into(),
            Ok(None) => return source.complete(),
            Err(_) => BodyError::Idle(idle),
        };
        let _ = send.send(Part::Failed(failed));
        return;
    }
}
