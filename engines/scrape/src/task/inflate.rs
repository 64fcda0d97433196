//! Taking pages in: plain or gzip, never more than the limit, however small they were on the wire.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;

/// Bytes with a bound.
#[derive(Debug)]
struct Bounded {
    page: Vec<u8>,
    limit: usize,
    exceeded: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.page.len() + bytes.len() > self.limit {
            self.exceeded = true;
            return Err(io::Error::other("limit"));
        }
        self.page.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why a page was not taken in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InflateError {
    /// Too large.
    #[error("body_size_limit exceeded: the page is larger than {limit} bytes after decompression")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Not gzip.
    #[error("the page says that it is gzip, but it is not: {0}")]
    NotGzip(String),
    /// Another coding.
    #[error("the page is encoded as {0:?}, which was not asked for (gzip or identity)")]
    Encoding(String),
}

enum Kind {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

/// A page on its way in.
pub(super) struct Inflate {
    kind: Kind,
    limit: usize,
}

impl Inflate {
    /// Into `page`, which is emptied first.
    pub(super) fn new(encoding: &str, mut page: Vec<u8>, limit: usize) -> Result<Self, InflateError> {
        page.clear();
        let bounded = Bounded { page, limit, exceeded: false };
        let kind = match encoding.trim() {
            "" => Kind::Plain(bounded),
            e if e.eq_ignore_ascii_case("identity") => Kind::Plain(bounded),
            e if e.eq_ignore_ascii_case("gzip") || e.eq_ignore_ascii_case("x-gzip") => {
                Kind::Gzip(Box::new(MultiGzDecoder::new(bounded)))
            }
            other => return Err(InflateError::Encoding(other.chars().take(40).collect())),
        };
        Ok(Self { kind, limit })
    }

    /// Takes bytes from the wire.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), InflateError> {
        let result = match &mut self.kind {
            Kind::Plain(bounded) => bounded.write_all(bytes),
            Kind::Gzip(decoder) => decoder.write_all(bytes),
        };
        result.map_err(|error| self.told(&error))
    }

    /// How large the page is so far.
    pub(super) fn len(&self) -> usize {
        match &self.kind {
            Kind::Plain(bounded) => bounded.page.len(),
            Kind::Gzip(decoder) => decoder.get_ref().page.len(),
        }
    }

    /// The page.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, InflateError> {
        if let Kind::Gzip(decoder) = &mut self.kind
            && let Err(error) = decoder.try_finish()
        {
            return Err(self.told(&error));
        }
        Ok(match self.kind {
            Kind::Plain(bounded) => bounded.page,
            Kind::Gzip(mut decoder) => std::mem::take(&mut decoder.get_mut().page),
        })
    }

    fn told(&self, error: &io::Error) -> InflateError {
        let exceeded = match &self.kind {
            Kind::Plain(bounded) => bounded.exceeded,
            Kind::Gzip(decoder) => decoder.get_ref().exceeded,
        };
        if exceeded {
            InflateError::TooLarge { limit: self.limit }
        } else {
            InflateError::NotGzip(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_comes_in_any_pieces() {
        let text = "metric 1\n".repeat(1000);
        let packed = gzip(text.as_bytes());
        for size in [1, 7, 4096] {
            let mut inflate = Inflate::new("gzip", Vec::new(), 1 << 20).unwrap();
            for piece in packed.chunks(size) {
                inflate.take(piece).unwrap();
            }
            assert_eq!(inflate.finish().unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit() {
        let bomb = gzip(&vec![b'x'; 8 << 20]);
        assert!(bomb.len() < 100_000);
        let mut inflate = Inflate::new("gzip", Vec::new(), 64 << 10).unwrap();
        let error = bomb.chunks(4096).find_map(|piece| inflate.take(piece).err());
        assert_eq!(error, Some(InflateError::TooLarge { limit: 64 << 10 }));
        assert!(inflate.len() <= 64 << 10);
    }

    #[test]
    fn cut_off_and_foreign_pages_are_told() {
        let packed = gzip(b"metric 1\n");
        let mut inflate = Inflate::new("gzip", Vec::new(), 1000).unwrap();
        inflate.take(&packed[..packed.len() - 4]).unwrap();
        assert!(matches!(inflate.finish(), Err(InflateError::NotGzip(_))));
        let mut inflate = Inflate::new("GZIP", Vec::new(), 1000).unwrap();
        assert!(matches!(inflate.take(b"plain text, no gzip"), Err(InflateError::NotGzip(_))));
        assert!(matches!(Inflate::new("br", Vec::new(), 1000), Err(InflateError::Encoding(_))));
    }
}
