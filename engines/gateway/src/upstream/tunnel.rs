//! Tunnels: after `101 Switching Protocols`, bytes go both ways until one side is done. A tunnel through which nothing goes
//! holds no buffer: bytes are read into one that the thread's tunnels share, and kept only when they cannot be written at
//! once.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What is read at once.
const CHUNK: usize = 16 << 10;
/// How often a direction goes on without letting others on the thread run.
const TURNS: usize = 8;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Bytes that went through.
#[derive(Debug, Default)]
pub struct Traffic {
    /// From the caller.
    pub up: AtomicU64,
    /// To the caller.
    pub down: AtomicU64,
}

#[derive(Debug, Default)]
struct Direction {
    /// Read, but not written yet.
    held: Vec<u8>,
    written: usize,
    ended: bool,
    shut: bool,
}

impl Direction {
    /// Moves what can be moved. Ready when this direction is done.
    fn poll<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        count: &AtomicU64,
        moved: &mut bool,
    ) -> Poll<io::Result<()>> {
        for _ in 0..TURNS {
            while self.written < self.held.len() {
                let n = ready!(Pin::new(&mut *to).poll_write(cx, &self.held[self.written..]))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.written += n;
                *moved = true;
            }
            self.held = Vec::new();
            self.written = 0;
            if self.ended {
                if !self.shut {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.shut = true;
                }
                return Poll::Ready(Ok(()));
            }
            let step = BUFFER.with_borrow_mut(|buffer| {
                let mut read = ReadBuf::new(buffer);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut read))?;
                let bytes = read.filled();
                *moved = true;
                if bytes.is_empty() {
                    self.ended = true;
                    return Poll::Ready(Ok(()));
                }
                count.fetch_add(bytes.len() as u64, Relaxed);
                match Pin::new(&mut *to).poll_write(cx, bytes) {
                    Poll::Ready(Ok(n)) if n == bytes.len() => {}
                    Poll::Ready(Ok(n)) => self.held = bytes[n..].to_vec(),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => self.held = bytes.to_vec(),
                }
                Poll::Ready(Ok(()))
            });
            match step {
                Poll::Ready(done) => done?,
                Poll::Pending => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    return Poll::Pending;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Lets bytes through until both directions are done, one fails, or nothing went through for `idle`.
pub(crate) async fn run<A, B>(
    mut caller: A,
    mut endpoint: B,
    idle: Duration,
    traffic: &Traffic,
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut up, mut down) = (Direction::default(), Direction::default());
    let mut sleep: Pin<Box<Sleep>> = Box::pin(tokio::time::sleep(idle));
    let mut last = Instant::now();
    std::future::poll_fn(|cx| {
        let mut moved = false;
        let a = up.poll(cx, &mut caller, &mut endpoint, &traffic.up, &mut moved)?;
        let b = down.poll(cx, &mut endpoint, &mut caller, &traffic.down, &mut moved)?;
        if a.is_ready() && b.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if moved {
            last = Instant::now();
        }
        while sleep.as_mut().poll(cx).is_ready() {
            // The timer is set anew only when it has run: a busy tunnel does not touch it.
            if last.elapsed() >= idle {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            sleep.as_mut().reset(last + idle);
        }
        Poll::Pending
    })
    .await
}
