//! The two kinds of connections as one, for callers and endpoints alike.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// As much as this is put together before it is sent: the system takes longer over a list of parts than over one.
const TOGETHER: usize = 768;

/// The parts as one, where there is one only or where they fit into the room.
fn together<'a>(bufs: &'a [IoSlice<'_>], room: &'a mut [u8; TOGETHER]) -> Option<&'a [u8]> {
    if let [one] = bufs {
        return Some(one);
    }
    let whole = bufs.iter().map(|part| part.len()).fold(0_usize, usize::saturating_add);
    let mut rest = room.get_mut(..whole)?;
    for part in bufs {
        let (own, behind) = rest.split_at_mut(part.len());
        own.copy_from_slice(part);
        rest = behind;
    }
    Some(&room[..whole])
}

/// A connection, encrypted or not.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Plain.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! either {
    ($self:ident, $stream:ident => $what:expr) => {
        match $self.get_mut() {
            Self::Plain($stream) => $what,
            Self::Tls($stream) => $what,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => match together(bufs, &mut [0; TOGETHER]) {
                Some(whole) => Pin::new(stream).poll_write(cx, whole),
                None => Pin::new(stream).poll_write_vectored(cx, bufs),
            },
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_together_where_they_fit() {
        let put = |parts: &[&[u8]]| {
            let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            together(&slices, &mut [0; TOGETHER]).map(<[u8]>::to_vec)
        };
        assert_eq!(put(&[]), Some(Vec::new()));
        assert_eq!(put(&[b"", b""]), Some(Vec::new()));
        assert_eq!(put(&[b"a", b"", b"bc"]), Some(b"abc".to_vec()));
        let full = [b'x'; TOGETHER];
        assert_eq!(put(&[&full[1..], b"y"]).map(|whole| whole.len()), Some(TOGETHER));
        assert_eq!(put(&[&full, b"y"]), None);
        assert_eq!(put(&[b"head", &[0; 4 * TOGETHER]]), None);
        assert_eq!(
            put(&[&[1; 4 * TOGETHER]]).map(|whole| whole.len()),
            Some(4 * TOGETHER),
            "one part needs no room"
        );
    }
}
