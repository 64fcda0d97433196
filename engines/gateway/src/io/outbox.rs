//! Small parts go out together: when a thread of the gateway has done what was to be done when the first of them came, or when
//! enough of them are there.
//!
//! A send wakes whoever waits for it, which may be on another processor. Sent one by one between other work, each finds its reader
//! asleep again; sent one after the other, the first wakes a reader that is still at work when the last comes. With one endpoint and
//! one caller on another processor that is a fifth of what the system takes for a request.

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use tokio::net::tcp::OwnedWriteHalf;

/// A part up to this length waits for others. What is longer is sent at once: to copy it would cost more.
const SMALL: usize = 4096;
/// As soon as so many parts wait, they go: the first of them is not to wait for long.
const MOST: usize = 16;
/// Or so many bytes of them, which one connection alone may bring; room for so much is kept.
const KEPT: usize = MOST * SMALL;

thread_local! {
    static OUTBOX: RefCell<Option<Outbox>> = const { RefCell::new(None) };
}

/// What waits on this thread.
#[derive(Debug)]
struct Outbox {
    bytes: Vec<u8>,
    parts: Vec<Part>,
    /// Wakes the task that empties it.
    waker: Waker,
}

/// A part that waits: whose it is, where it lies, and who is to know if it does not go out whole.
#[derive(Debug)]
struct Part {
    writer: Arc<Mutex<Writer>>,
    range: Range<usize>,
    waker: Waker,
}

/// Lets small parts wait on this thread, and empties its outbox: a task of the thread's runtime, which takes turns with all others.
/// It is woken by the first part that waits, and so comes behind those tasks that have something to do by then.
pub(crate) async fn serve() {
    std::future::poll_fn(|cx| {
        OUTBOX.with_borrow_mut(|outbox| match outbox {
            Some(outbox) => outbox.waker.clone_from(cx.waker()),
            None => {
                *outbox = Some(Outbox { bytes: Vec::new(), parts: Vec::new(), waker: cx.waker().clone() });
            }
        });
        flush();
        Poll::<()>::Pending
    })
    .await;
}

/// Sends what waits on this thread. What a connection does not take is kept with it, and its task is woken.
pub(crate) fn flush() {
    let take = |outbox: &mut Outbox| (std::mem::take(&mut outbox.bytes), std::mem::take(&mut outbox.parts));
    let taken = OUTBOX.with_borrow_mut(|outbox| outbox.as_mut().filter(|o| !o.parts.is_empty()).map(take));
    let Some((mut bytes, mut parts)) = taken else { return };
    for part in parts.drain(..) {
        if !part.writer.lock().send(&bytes[part.range]) {
            part.waker.wake();
        }
    }
    bytes.clear();
    bytes.shrink_to(KEPT);
    OUTBOX.with_borrow_mut(|outbox| {
        if let Some(outbox) = outbox {
            (outbox.bytes, outbox.parts) = (bytes, parts);
        }
    });
}

/// The sending half of a connection.
#[derive(Debug)]
pub(super) struct Writer {
    half: OwnedWriteHalf,
    /// Something of it is in the outbox.
    waits: bool,
    /// What was in the outbox and was not taken.
    rest: Vec<u8>,
    error: Option<io::Error>,
}

impl Writer {
    pub(super) fn new(half: OwnedWriteHalf) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { half, waits: false, rest: Vec::new(), error: None }))
    }

    /// Sends what was in the outbox; whether all of it has gone.
    fn send(&mut self, bytes: &[u8]) -> bool {
        self.waits = false;
        let gone = if self.rest.is_empty() && self.error.is_none() {
            match self.half.try_write(bytes) {
                Ok(gone) => gone,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    self.error = Some(error);
                    0
                }
            }
        } else {
            0
        };
        if self.error.is_none() {
            self.rest.extend_from_slice(&bytes[gone..]);
        }
        self.error.is_none() && self.rest.is_empty()
    }

    /// Ready when nothing of what was in the outbox is left.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Err(error));
        }
        while !self.rest.is_empty() {
            let gone = ready!(Pin::new(&mut self.half).poll_write(cx, &self.rest))?;
            if gone == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.rest.drain(..gone);
        }
        self.rest = Vec::new();
        Poll::Ready(Ok(()))
    }
}

/// Lets parts wait, if all of them together are small and this thread has an outbox: their length.
fn hold(writer: &Arc<Mutex<Writer>>, cx: &Context<'_>, parts: &[io::IoSlice<'_>]) -> Option<usize> {
    let length = parts.iter().map(|part| part.len()).fold(0_usize, usize::saturating_add);
    if length > SMALL {
        return None;
    }
    let full = OUTBOX.with_borrow_mut(|outbox| {
        let outbox = outbox.as_mut()?;
        if outbox.parts.is_empty() {
            outbox.waker.wake_by_ref();
        }
        let from = outbox.bytes.len();
        for part in parts {
            outbox.bytes.extend_from_slice(part);
        }
        let to = outbox.bytes.len();
        match outbox.parts.last_mut() {
            Some(last) if Arc::ptr_eq(&last.writer, writer) => last.range.end = to,
            _ => outbox.parts.push(Part {
                writer: Arc::clone(writer),
                range: from..to,
                waker: cx.waker().clone(),
            }),
        }
        Some(outbox.parts.len() >= MOST || outbox.bytes.len() >= KEPT)
    })?;
    writer.lock().waits = true;
    if full {
        flush();
    }
    Some(length)
}

/// Takes parts: to wait if they are small, else to be sent at once, behind what waits.
pub(super) fn poll_write(
    writer: &Arc<Mutex<Writer>>,
    cx: &mut Context<'_>,
    parts: &[io::IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    ready!(writer.lock().poll_rest(cx))?;
    if let Some(length) = hold(writer, cx, parts) {
        return Poll::Ready(Ok(length));
    }
    if writer.lock().waits {
        flush();
    }
    let mut writer = writer.lock();
    ready!(writer.poll_rest(cx))?;
    match parts {
        [one] => Pin::new(&mut writer.half).poll_write(cx, one),
        _ => Pin::new(&mut writer.half).poll_write_vectored(cx, parts),
    }
}

/// Ready when everything has gone, or is in the outbox.
pub(super) fn poll_flush(writer: &Arc<Mutex<Writer>>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    writer.lock().poll_rest(cx)
}

/// Ends it behind everything that was to be sent.
pub(super) fn poll_shutdown(writer: &Arc<Mutex<Writer>>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    if writer.lock().waits {
        flush();
    }
    let mut writer = writer.lock();
    ready!(writer.poll_rest(cx))?;
    Pin::new(&mut writer.half).poll_shutdown(cx)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::super::Stream;
    use super::*;

    /// Does something as a thread of the gateway does: with an outbox, which a task empties if so wanted.
    fn on_a_thread<F: Future>(emptied: bool, work: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        if emptied {
            runtime.spawn(serve());
        } else {
            assert!(std::pin::pin!(serve()).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        runtime.block_on(work)
    }

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        (ours.expect("it connects").into(), theirs.expect("a caller").0)
    }

    async fn waiting(stream: &TcpStream) -> Option<Vec<u8>> {
        tokio::time::timeout(Duration::from_millis(50), stream.readable()).await.ok()?.ok()?;
        let mut bytes = vec![0; 65_536];
        let n = stream.try_read(&mut bytes).ok()?;
        bytes.truncate(n);
        Some(bytes)
    }

    #[test]
    fn small_parts_go_together_when_the_outbox_is_emptied() {
        on_a_thread(false, async {
            let (mut one, its) = pair().await;
            let (mut other, others) = pair().await;
            one.write_all(b"a").await.expect("it waits");
            one.write_all(b"b").await.expect("it waits");
            other.write_all(b"c").await.expect("it waits");
            one.write_all(b"d").await.expect("it waits");
            one.flush().await.expect("it goes before the thread sleeps");
            assert_eq!(waiting(&its).await, None);
            flush();
            assert_eq!(waiting(&its).await.as_deref(), Some(&b"abd"[..]));
            assert_eq!(waiting(&others).await.as_deref(), Some(&b"c"[..]));
        });
    }

    #[test]
    fn what_waits_goes_before_what_is_long_before_the_end_and_when_enough_wait() {
        on_a_thread(false, async {
            let (mut one, its) = pair().await;
            one.write_all(b"short").await.expect("it waits");
            one.write_all(&[b'x'; SMALL + 1]).await.expect("it goes");
            let came = waiting(&its).await.expect("both");
            assert!(came.starts_with(b"shortx"), "{}", String::from_utf8_lossy(&came));
            one.write_all(b"the last").await.expect("it waits");
            one.shutdown().await.expect("it ends");
            let mut rest = Vec::new();
            let mut its = its;
            its.read_to_end(&mut rest).await.expect("the rest");
            assert!(rest.ends_with(b"xthe last") || rest == b"the last", "{}", rest.len());

            let (mut dropped, its) = pair().await;
            dropped.write_all(b"farewell").await.expect("it waits");
            drop(dropped);
            let mut many = Vec::new();
            for _ in 1..MOST {
                let (mut stream, other) = pair().await;
                stream.write_all(b"!").await.expect("it waits");
                many.push((stream, other));
            }
            assert_eq!(waiting(&its).await.as_deref(), Some(&b"farewell"[..]), "enough wait");
            assert_eq!(waiting(&many[MOST - 2].1).await.as_deref(), Some(&b"!"[..]));
        });
    }

    #[test]
    fn one_who_writes_without_end_takes_no_room_without_end() {
        on_a_thread(false, async {
            let (mut one, _its) = pair().await;
            // Nobody empties the outbox, and nobody reads.
            let writing = async {
                loop {
                    one.write_all(&[b'x'; 1024]).await.expect("it waits, or goes");
                    let waits = OUTBOX.with_borrow(|outbox| outbox.as_ref().map_or(0, |o| o.bytes.len()));
                    assert!(waits <= KEPT, "{waits} bytes wait");
                }
            };
            let stopped = tokio::time::timeout(Duration::from_secs(2), writing).await;
            assert!(stopped.is_err(), "it is held up by who does not read");
        });
    }

    #[test]
    fn who_is_always_at_work_keeps_nobody_waiting() {
        on_a_thread(true, async {
            tokio::spawn(std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }));
            tokio::task::yield_now().await;
            let (mut one, mut its) = pair().await;
            one.write_all(b"soon").await.expect("it waits");
            let mut came = [0; 4];
            let reading = tokio::time::timeout(Duration::from_secs(5), its.read_exact(&mut came));
            reading.await.expect("not as long as others work").expect("what was sent");
            assert_eq!(&came, b"soon");
        });
    }

    #[test]
    fn who_is_gone_is_told_at_the_next_part() {
        on_a_thread(true, async {
            let (mut one, its) = pair().await;
            its.set_zero_linger().expect("it will be reset");
            drop(its);
            let mut failed = false;
            for _ in 0..100 {
                failed |= one.write_all(b"to nobody").await.is_err();
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(failed);
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn readers_that_take_their_time_get_everything_in_its_order(
            parts in prop::collection::vec((0usize..4, prop_oneof![4 => 0usize..300, 1 => 0usize..300_000], any::<bool>()), 1..120),
            takes in prop::collection::vec(1usize..50_000, 4),
        ) {
            let (wanted, got) = on_a_thread(true, async {
                let mut wanted = vec![Vec::new(); takes.len()];
                let (mut writing, mut reading) = (Vec::new(), Vec::new());
                for (at, take) in takes.iter().enumerate() {
                    let (mut ours, mut theirs) = pair().await;
                    let mut own = Vec::new();
                    for (number, (_, length, flushed)) in parts.iter().enumerate().filter(|(_, part)| part.0 == at) {
                        let part = vec![(number % 251) as u8; *length];
                        wanted[at].extend_from_slice(&part);
                        own.push((part, *flushed));
                    }
                    writing.push(tokio::spawn(async move {
                        for (part, flushed) in own {
                            ours.write_all(&part).await?;
                            if flushed {
                                ours.flush().await?;
                            }
                        }
                        ours.shutdown().await
                    }));
                    let mut room = vec![0; *take];
                    reading.push(tokio::spawn(async move {
                        let mut got = Vec::new();
                        loop {
                            tokio::task::yield_now().await;
                            let n = theirs.read(&mut room).await.expect("what was sent");
                            if n == 0 {
                                return got;
                            }
                            got.extend_from_slice(&room[..n]);
                        }
                    }));
                }
                for task in writing {
                    task.await.expect("no panic").expect("all of it goes");
                }
                let mut got = Vec::new();
                for task in reading {
                    got.push(task.await.expect("no panic"));
                }
                (wanted, got)
            });
            prop_assert!(wanted == got);
        }
    }
}
