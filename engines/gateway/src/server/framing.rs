//! A strict reader of the framing of HTTP/1 requests, beside the parser: what is ambiguous there, so that two servers could
//! see two different requests in it, is refused before the parser sees it (RFC 9112, sections 2.2, 5.2, 6.1 and 7.1).
//!
//! What no parser would take is refused here as well, so that whoever sent it is told why: a request line, names and values of
//! fields that are none, and headers that are too long.
//!
//! Refused are: line ends without a carriage return, and carriage returns without a line end; folded header lines; a
//! space before the colon; `Content-Length` and `Transfer-Encoding` together; more than one of either; a length that is not plain digits; a
//! transfer coding that is not exactly `chunked`; chunk sizes that are not plain hexadecimal. Pure: bytes in, verdict out.

/// Where in a request the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the request line; how many empty lines were skipped.
    Start(u8),
    /// In the header, after the request line.
    Header,
    /// So many bytes of the body are left.
    Length(u64),
    /// In the line that gives a chunk's size.
    ChunkSize,
    /// So many bytes of the chunk and its line end are left.
    Chunk(u64),
    /// In the lines after the last chunk.
    Trailer,
}

/// What is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguity {
    /// A line end without a carriage return, or one within a line.
    #[error("a line does not end with CR LF")]
    LineEnd,
    /// A header line that goes on in the next.
    #[error("a header line is folded")]
    Folded,
    /// A header line without a name and a colon right behind it.
    #[error("a header line has no name")]
    Name,
    /// The request line is none, or of another HTTP.
    #[error("the request line is malformed")]
    Line,
    /// A control character in a header line.
    #[error("a header has a character in it that none can have")]
    Field,
    /// `Content-Length` is malformed or given twice.
    #[error("Content-Length is malformed or given twice")]
    Length,
    /// `Transfer-Encoding` is not `chunked`, or given twice.
    #[error("Transfer-Encoding is not chunked, or given twice")]
    Coding,
    /// Both.
    #[error("both Content-Length and Transfer-Encoding are given")]
    Both,
    /// A chunk's size is malformed.
    #[error("the size of a chunk is malformed")]
    Chunk,
    /// The header is too long.
    #[error("the header is too long")]
    TooLong,
    /// The header has too many fields.
    #[error("the header has too many fields")]
    TooMany,
}

/// Reads the framing of one connection.
#[derive(Debug)]
pub struct Framing {
    place: Place,
    /// The beginning of a line whose end has not come yet.
    carry: Vec<u8>,
    /// Bytes of the header so far.
    head: usize,
    longest: usize,
    /// Fields of the header so far.
    fields: usize,
    most: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    /// Before the first request; a header may be so long and have so many fields.
    #[must_use]
    pub fn new(longest: usize, most: usize) -> Self {
        let (place, carry) = (Place::Start(0), Vec::new());
        Self { place, carry, head: 0, longest, fields: 0, most, length: None, chunked: false }
    }

    /// Whether a request's header has begun and not ended.
    #[must_use]
    pub fn within_head(&self) -> bool {
        self.place == Place::Header || (matches!(self.place, Place::Start(_)) && !self.carry.is_empty())
    }

    /// Whether a request's header has ended and its body has not.
    #[must_use]
    pub fn within_body(&self) -> bool {
        !matches!(self.place, Place::Start(_) | Place::Header)
    }

    /// Reads on. How many of the bytes are not of a header that has not ended yet: those may be acted on.
    ///
    /// # Errors
    /// What is ambiguous, and how many of the bytes may be acted on before it.
    pub fn read(&mut self, bytes: &[u8]) -> Result<usize, (usize, Ambiguity)> {
        let mut at = 0;
        let mut whole = 0;
        while at < bytes.len() {
            match self.place {
                Place::Length(left) => at += self.skip(left, bytes.len() - at, Place::Length),
                Place::Chunk(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    // The last two bytes are the line end behind the data.
                    for (i, b) in bytes[at..at + take].iter().enumerate().skip(take.saturating_sub(2)) {
                        let behind = left - i as u64;
                        if (behind == 2 && *b != b'\r') || (behind == 1 && *b != b'\n') {
                            return Err((at, Ambiguity::Chunk));
                        }
                    }
                    at += take;
                    let left = left - take as u64;
                    self.place = if left == 0 { Place::ChunkSize } else { Place::Chunk(left) };
                }
                Place::Start(_) | Place::Header | Place::ChunkSize | Place::Trailer => {
                    let rest = &bytes[at..];
                    let safe = if self.within_head() { whole } else { at };
                    let Some(end) = memchr::memchr(b'\n', rest) else {
                        self.keep(rest).map_err(|what| (safe, what))?;
                        return Ok(if self.within_head() { safe } else { bytes.len() });
                    };
                    let verdict = if self.carry.is_empty() {
                        self.line(&rest[..end])
                    } else {
                        let mut line = std::mem::take(&mut self.carry);
                        line.extend_from_slice(&rest[..end]);
                        let verdict = self.line(&line);
                        line.clear();
                        self.carry = line;
                        verdict
                    };
                    verdict.map_err(|what| (safe, what))?;
                    at += end + 1;
                }
            }
            if !self.within_head() {
                whole = at;
            }
        }
        Ok(whole)
    }

    fn skip(&mut self, left: u64, there: usize, next: fn(u64) -> Place) -> usize {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        let left = left - take as u64;
        self.place = if left == 0 { Place::Start(0) } else { next(left) };
        take
    }

    fn keep(&mut self, rest: &[u8]) -> Result<(), Ambiguity> {
        let most = if self.place == Place::ChunkSize { 256 } else { self.longest };
        if self.carry.len() + rest.len() > most {
            return Err(Ambiguity::TooLong);
        }
        self.carry.extend_from_slice(rest);
        Ok(())
    }

    /// A line without its line feed.
    fn line(&mut self, line: &[u8]) -> Result<(), Ambiguity> {
        let line = line.strip_suffix(b"\r").ok_or(Ambiguity::LineEnd)?;
        // Without a way out in the middle the compiler looks at many bytes at once.
        let control = line.iter().fold(false, |found, b| found | ((*b < b' ') & (*b != b'\t')) | (*b == 127));
        if control && memchr::memchr(b'\r', line).is_some() {
            return Err(Ambiguity::LineEnd);
        }
        match self.place {
            Place::Start(skipped) => {
                if line.is_empty() {
                    // RFC 9112, 2.2: a server should ignore at least one empty line before a request.
                    self.place = Place::Start(skipped + 1);
                    return if skipped >= 4 { Err(Ambiguity::LineEnd) } else { Ok(()) };
                }
                (self.length, self.chunked, self.head, self.fields) = (None, false, line.len() + 2, 0);
                self.place = Place::Header;
                if self.head > self.longest {
                    return Err(Ambiguity::TooLong);
                }
                if control || !is_request_line(line) { Err(Ambiguity::Line) } else { Ok(()) }
            }
            Place::Header => {
                self.head += line.len() + 2;
                if self.head > self.longest {
                    return Err(Ambiguity::TooLong);
                }
                if line.is_empty() {
                    self.place = match (self.chunked, self.length) {
                        (true, _) => Place::ChunkSize,
                        (false, Some(length)) if length > 0 => Place::Length(length),
                        (false, _) => Place::Start(0),
                    };
                    return Ok(());
                }
                self.fields += 1;
                if self.fields > self.most {
                    return Err(Ambiguity::TooMany);
                }
                self.field(line, control)
            }
            Place::ChunkSize => {
                let size = chunk_size(line).ok_or(Ambiguity::Chunk)?;
                self.head = 0;
                self.place = if size == 0 { Place::Trailer } else { Place::Chunk(size + 2) };
                Ok(())
            }
            Place::Trailer => {
                self.head += line.len() + 2;
                if self.head > self.longest {
                    return Err(Ambiguity::TooLong);
                }
                if line.is_empty() {
                    self.place = Place::Start(0);
                } else if matches!(line.first(), Some(b' ' | b'\t')) {
                    return Err(Ambiguity::Folded);
                }
                Ok(())
            }
            Place::Length(_) | Place::Chunk(_) => Ok(()),
        }
    }

    fn field(&mut self, line: &[u8], control: bool) -> Result<(), Ambiguity> {
        if matches!(line[0], b' ' | b'\t') {
            return Err(Ambiguity::Folded);
        }
        let colon = line.iter().position(|b| !TOKEN[usize::from(*b)]).ok_or(Ambiguity::Name)?;
        if colon == 0 || line[colon] != b':' {
            return Err(Ambiguity::Name);
        }
        if control {
            return Err(Ambiguity::Field);
        }
        // The two names that matter begin with these.
        if !matches!(line[0], b'c' | b'C' | b't' | b'T') {
            return Ok(());
        }
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Ambiguity::Length);
            }
            let digits = !value.is_empty() && value.len() <= 19 && value.iter().all(u8::is_ascii_digit);
            let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|v| v.parse().ok());
            self.length = Some(length.ok_or(Ambiguity::Length)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Ambiguity::Coding);
            }
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() { Err(Ambiguity::Both) } else { Ok(()) }
    }
}

/// What names are made of (RFC 9110, 5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = 0;
    while b < 128 {
        table[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut m = 0;
    while m < marks.len() {
        table[marks[m] as usize] = true;
        m += 1;
    }
    table
};

/// A method, a target and the version, with one space between (RFC 9112, 3).
fn is_request_line(line: &[u8]) -> bool {
    let Some(rest) = line.strip_suffix(b" HTTP/1.1").or_else(|| line.strip_suffix(b" HTTP/1.0")) else {
        return false;
    };
    let Some(space) = memchr::memchr(b' ', rest) else { return false };
    let (method, target) = (&rest[..space], &rest[space + 1..]);
    let is_method = !method.is_empty() && method.iter().all(|b| TOKEN[usize::from(*b)]);
    // A path of unreserved characters needs no second look; most are.
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/-._~?=&%+,;:@!$'()*".contains(b);
    is_method
        && match target {
            [b'/', rest @ ..] if rest.iter().all(plain) => true,
            target => hyper::Uri::try_from(target).is_ok(),
        }
}

/// The size that a chunk's line gives; what follows a semicolon is an extension.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().position(|b| *b == b';').map_or(line, |at| &line[..at]);
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict(bytes: &[u8]) -> Option<Ambiguity> {
        Framing::new(4096, 100).read(bytes).err().map(|(_, what)| what)
    }

    #[test]
    fn lawful_requests_pass_one_after_the_other() {
        let requests = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab\ncd\
             POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=\"y\"\r\na\nb\r\n0\r\nX: y\r\n\r\n\
             GET / HTTP/1.1\r\n\r\n";
        assert_eq!(verdict(requests.as_bytes()), None);
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let with = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        for (bytes, what) in [
            ("GET / HTTP/1.1\nHost: a\r\n\r\n".to_owned(), Ambiguity::LineEnd),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n".to_owned(), Ambiguity::LineEnd),
            ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n".to_owned(), Ambiguity::LineEnd),
            (with("X: a\r\n b"), Ambiguity::Folded),
            (with("Content-Length: 1\r\nTransfer-Encoding: chunked"), Ambiguity::Both),
            (with("Transfer-Encoding: chunked\r\nContent-Length: 1"), Ambiguity::Both),
            (with("Content-Length: 1\r\nContent-Length: 1"), Ambiguity::Length),
            (with("Content-Length: 1, 1"), Ambiguity::Length),
            (with("Content-Length: +1"), Ambiguity::Length),
            (with("Content-Length: 0x1"), Ambiguity::Length),
            (with("Content-Length:"), Ambiguity::Length),
            (with("Content-Length : 1"), Ambiguity::Name),
            (with("Transfer-Encoding: gzip, chunked"), Ambiguity::Coding),
            (with("Transfer-Encoding: chunked, chunked"), Ambiguity::Coding),
            (with("Transfer-Encoding: xchunked"), Ambiguity::Coding),
            (with("Transfer-Encoding: identity"), Ambiguity::Coding),
            (with("Transfer-Encoding : chunked"), Ambiguity::Name),
            (with("Transfer-Encoding"), Ambiguity::Name),
            (with("Transfer-Encoding: chunked") + "0x1\r\na\r\n", Ambiguity::Chunk),
            (with("Transfer-Encoding: chunked") + "-1\r\na\r\n", Ambiguity::Chunk),
            (with("Transfer-Encoding: chunked") + "1 \r\na\r\n", Ambiguity::Chunk),
            (with("Transfer-Encoding: chunked") + "1\na\r\n", Ambiguity::LineEnd),
            (with("Transfer-Encoding: chunked") + "1\r\nab\r\n", Ambiguity::Chunk),
            (with("Transfer-Encoding: chunked") + "fffffffffffffffff\r\n", Ambiguity::Chunk),
            (with(&format!("X: {}", "y".repeat(5000))), Ambiguity::TooLong),
            (with(&"X: y\r\n".repeat(101)), Ambiguity::TooMany),
            (with("X\0Y: b"), Ambiguity::Name),
            (with(": b"), Ambiguity::Name),
            (with("X: \0"), Ambiguity::Field),
            (with("X: \u{7f}"), Ambiguity::Field),
            ("GET / HTTP/9.9\r\n".to_owned(), Ambiguity::Line),
            ("GET /\r\n".to_owned(), Ambiguity::Line),
            ("GET  / HTTP/1.1\r\n".to_owned(), Ambiguity::Line),
            ("GET /\u{7} HTTP/1.1\r\n".to_owned(), Ambiguity::Line),
            ("G@T / HTTP/1.1\r\n".to_owned(), Ambiguity::Line),
            ("GET http://[ HTTP/1.1\r\n".to_owned(), Ambiguity::Line),
        ] {
            assert_eq!(verdict(bytes.as_bytes()), Some(what), "{bytes:?}");
            // However it is cut, the verdict is the same.
            let mut framing = Framing::new(4096, 100);
            let found = bytes.as_bytes().iter().find_map(|b| framing.read(&[*b]).err());
            assert_eq!(found.map(|(_, what)| what), Some(what), "{bytes:?}, byte by byte");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail(bytes in proptest::collection::vec(any::<u8>(), 0..600), cut in 0_usize..600) {
            let cut = cut.min(bytes.len());
            let mut framing = Framing::new(4096, 100);
            let parts = framing.read(&bytes[..cut]).and_then(|_| framing.read(&bytes[cut..]));
            prop_assert_eq!(parts.is_ok(), Framing::new(4096, 100).read(&bytes).is_ok());
        }

        #[test]
        fn cuts_change_nothing(sizes in proptest::collection::vec(0_usize..40, 0..6), cut in 0_usize..400) {
            let mut text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
            for size in sizes.into_iter().filter(|s| *s > 0) {
                text += &format!("{size:x}\r\n{}\r\n", "\n".repeat(size));
            }
            text += "0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
            let cut = cut.min(text.len());
            let mut framing = Framing::new(4096, 100);
            let first = framing.read(&text.as_bytes()[..cut]);
            // Nothing of a header may be acted on before its end.
            let heads = [text.find("\r\n\r\n").unwrap() + 4, text.rfind("GET").unwrap()];
            let whole = if cut < heads[0] { 0 } else { cut.min(heads[1]) };
            prop_assert_eq!(first, Ok(if cut == text.len() { cut } else { whole }));
            prop_assert_eq!(framing.read(&text.as_bytes()[cut..]), Ok(text.len() - cut));
            prop_assert!(!framing.within_head());
        }
    }
}
