//! The TCP connection under a feed, which can be taken out of the runtime's sight.
//!
//! A watched connection wakes its reader for every packet: right for feeds that speak now and then, and half of all
//! the work for one that speaks hundreds of times a second. An unwatched one wakes nobody; its reader looks from time to
//! time ([`crate::pace`]) and finds everything that has come since.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection, watched or not.
#[derive(Debug)]
pub(crate) struct Wire {
    /// None only after a change between the two has failed.
    inner: Option<Inner>,
    /// Whether the last read took all that was there: until the next look, there is nothing to ask the system for.
    empty: bool,
}

#[derive(Debug)]
enum Inner {
    Watched(TcpStream),
    Unwatched(std::net::TcpStream),
}

impl Wire {
    /// A connection that is watched.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { inner: Some(Inner::Watched(stream)), empty: false }
    }

    /// Lets arrivals wake the reader.
    ///
    /// # Errors
    /// When the runtime does not take the connection; it is closed then.
    pub(crate) fn watch(&mut self) -> io::Result<()> {
        self.inner = match self.inner.take() {
            Some(Inner::Unwatched(stream)) => Some(Inner::Watched(TcpStream::from_std(stream)?)),
            other => other,
        };
        Ok(())
    }

    /// Lets arrivals wait until the reader looks. A read that finds nothing stays pending and nobody is woken.
    ///
    /// # Errors
    /// When the runtime does not give the connection back; it is closed then.
    pub(crate) fn unwatch(&mut self) -> io::Result<()> {
        self.inner = match self.inner.take() {
            Some(Inner::Watched(stream)) => Some(Inner::Unwatched(stream.into_std()?)),
            other => other,
        };
        self.look();
        Ok(())
    }

    /// The next read of an unwatched connection asks the system again.
    pub(crate) fn look(&mut self) {
        self.empty = false;
    }

    /// The connection, watched from now on.
    fn watched(&mut self) -> io::Result<&mut TcpStream> {
        self.watch()?;
        match &mut self.inner {
            Some(Inner::Watched(stream)) => Ok(stream),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.inner {
            Some(Inner::Watched(stream)) => Pin::new(stream).poll_read(cx, buf),
            Some(Inner::Unwatched(_)) if this.empty => Poll::Pending,
            Some(Inner::Unwatched(stream)) => loop {
                let room = buf.initialize_unfilled();
                let size = room.len();
                match stream.read(room) {
                    Ok(n) => {
                        buf.advance(n);
                        // The end (0) has to be seen as often as it is asked for.
                        this.empty = n > 0 && n < size;
                        return Poll::Ready(Ok(()));
                    }
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        this.empty = true;
                        return Poll::Pending;
                    }
                    Err(e) => return Poll::Ready(Err(e)),
                }
            },
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(Inner::Unwatched(stream)) = &mut this.inner {
            match stream.write(buf) {
                // Whoever writes has to be woken when there is room.
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                done => return Poll::Ready(done),
            }
        }
        match this.watched() {
            Ok(stream) => Pin::new(stream).poll_write(cx, buf),
            Err(e) => Poll::Ready(Err(e)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is held back here.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().inner {
            Some(Inner::Watched(stream)) => Pin::new(stream).poll_shutdown(cx),
            Some(Inner::Unwatched(stream)) => Poll::Ready(stream.shutdown(Shutdown::Write)),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Wire::new(ours), listener.accept().await.unwrap().0)
    }

    /// Looks until something has come: what was sent is on its way for a moment.
    async fn found(wire: &mut Wire) -> Vec<u8> {
        let mut buffer = [0; 64];
        for _ in 0..1000 {
            wire.look();
            if let Some(n) = wire.read(&mut buffer).now_or_never() {
                return buffer[..n.unwrap()].to_vec();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("nothing came");
    }

    #[tokio::test]
    async fn what_came_unwatched_is_there_at_the_next_look_and_after() {
        let (mut wire, mut peer) = pair().await;
        wire.unwatch().unwrap();
        peer.write_all(b"one").await.unwrap();
        assert_eq!(found(&mut wire).await, b"one");
        assert!(wire.empty, "a read that left room has found everything");
        peer.write_all(b"two").await.unwrap();
        // Watched again, what came before the change is told of too.
        wire.watch().unwrap();
        let mut buffer = [0; 3];
        tokio::time::timeout(Duration::from_secs(10), wire.read_exact(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(&buffer, b"two");
    }

    #[tokio::test]
    async fn writing_unwatched_waits_for_room_and_loses_nothing() {
        let (mut wire, mut peer) = pair().await;
        wire.unwatch().unwrap();
        let much = vec![7; 16 << 20];
        let expected = much.len();
        let writing = tokio::spawn(async move {
            wire.write_all(&much).await.unwrap();
            wire.shutdown().await.unwrap();
            wire
        });
        let mut all = Vec::new();
        tokio::time::timeout(Duration::from_secs(30), peer.read_to_end(&mut all)).await.unwrap().unwrap();
        assert_eq!(all.len(), expected);
        drop(writing.await.unwrap());
    }

    #[tokio::test]
    async fn the_end_is_seen_unwatched() {
        let (mut wire, peer) = pair().await;
        wire.unwatch().unwrap();
        drop(peer);
        assert_eq!(found(&mut wire).await, b"");
        assert_eq!(found(&mut wire).await, b"");
    }
}
