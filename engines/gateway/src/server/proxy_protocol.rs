//! The PROXY protocol, versions 1 and 2 (W. Tarreau, "The PROXY protocol", 2020): the first bytes of a connection that say
//! who it is from. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The beginning of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;
/// The longest header of version 2 that is taken: addresses and what is told beside them.
const LONGEST_BINARY: usize = 16 + 4096;

/// The most bytes that a header takes.
pub const LONGEST: usize = LONGEST_BINARY;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// More bytes are needed.
    Partial,
    /// The header is so many bytes long, and this is who the connection is from; None when whoever sent it does not know
    /// or speaks for itself (a health check).
    Done(usize, Option<SocketAddr>),
}

/// It is no PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// It begins otherwise.
    #[error("the connection does not begin with the PROXY protocol")]
    Absent,
    /// The line of version 1 is malformed.
    #[error("the line of the PROXY protocol is malformed")]
    Line,
    /// The header of version 2 is malformed, too long, or of another version.
    #[error("the header of the PROXY protocol is malformed")]
    Binary,
}

/// Reads the header at the beginning of `bytes`.
///
/// # Errors
/// When it is not one.
pub fn read(bytes: &[u8]) -> Result<Read, ProxyError> {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes[..common] == SIGNATURE[..common] {
        return binary(bytes);
    }
    let word = b"PROXY ";
    let common = bytes.len().min(word.len());
    if bytes[..common] != word[..common] {
        return Err(ProxyError::Absent);
    }
    let window = &bytes[..bytes.len().min(LONGEST_LINE)];
    match window.iter().position(|b| *b == b'\n') {
        Some(end) => line(&window[..end]).map(|from| Read::Done(end + 1, from)),
        None if window.len() == LONGEST_LINE => Err(ProxyError::Line),
        None => Ok(Read::Partial),
    }
}

fn line(line: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let line = line.strip_suffix(b"\r").ok_or(ProxyError::Line)?;
    let text = std::str::from_utf8(line).map_err(|_| ProxyError::Line)?;
    let mut words = text.split(' ').skip(1);
    let mut next = || words.next().ok_or(ProxyError::Line);
    let family = next()?;
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let (from, to, port, to_port) = (next()?, next()?, next()?, next()?);
    let address = |text: &str| -> Result<IpAddr, ProxyError> {
        match family {
            "TCP4" => text.parse().map(IpAddr::V4).map_err(|_| ProxyError::Line),
            "TCP6" => text.parse().map(IpAddr::V6).map_err(|_| ProxyError::Line),
            _ => Err(ProxyError::Line),
        }
    };
    let number = |text: &str| -> Result<u16, ProxyError> {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or(ProxyError::Line)
    };
    let (from, _, port, _) = (address(from)?, address(to)?, number(port)?, number(to_port)?);
    if words.next().is_some() { Err(ProxyError::Line) } else { Ok(Some(SocketAddr::new(from, port))) }
}

fn binary(bytes: &[u8]) -> Result<Read, ProxyError> {
    let Some(head) = bytes.get(..16) else { return Ok(Read::Partial) };
    let length = 16 + usize::from(u16::from_be_bytes([head[14], head[15]]));
    let (version, command) = (head[12] >> 4, head[12] & 0xf);
    if version != 2 || command > 1 || length > LONGEST_BINARY {
        return Err(ProxyError::Binary);
    }
    let Some(body) = bytes.get(16..length) else { return Ok(Read::Partial) };
    // LOCAL: whoever connects speaks for itself.
    if command == 0 {
        return Ok(Read::Done(length, None));
    }
    let port = |at: usize| body.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let from = match head[13] >> 4 {
        1 => {
            let octets = body.get(..4).and_then(|b| <[u8; 4]>::try_from(b).ok());
            octets.filter(|_| body.len() >= 12).zip(port(8)).map(|(o, p)| (IpAddr::V4(Ipv4Addr::from(o)), p))
        }
        2 => {
            let octets = body.get(..16).and_then(|b| <[u8; 16]>::try_from(b).ok());
            octets.filter(|_| body.len() >= 36).zip(port(32)).map(|(o, p)| (IpAddr::V6(Ipv6Addr::from(o)), p))
        }
        // Unspecified or a path of a Unix socket: nobody that could be named.
        0 | 3 => return Ok(Read::Done(length, None)),
        _ => return Err(ProxyError::Binary),
    };
    from.map(|(ip, port)| Read::Done(length, Some(SocketAddr::new(ip, port)))).ok_or(ProxyError::Binary)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn both_versions_are_read() {
        let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nGET / HTTP/1.1\r\n";
        assert_eq!(read(line), Ok(Read::Done(45, Some("192.0.2.7:56324".parse().unwrap()))));
        let line = b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n";
        assert_eq!(read(line), Ok(Read::Done(line.len(), Some("[2001:db8::7]:1".parse().unwrap()))));
        assert_eq!(read(b"PROXY UNKNOWN whatever\r\n"), Ok(Read::Done(24, None)));
        let body = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb, 9, 9, 9];
        assert_eq!(read(&v2(1, 0x11, &body)), Ok(Read::Done(31, Some("192.0.2.7:56324".parse().unwrap()))));
        assert_eq!(read(&v2(0, 0, b"")), Ok(Read::Done(16, None)));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for bad in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
            b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 +5 443\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 5 443 6\r\n",
            b"PROXY UDP4 192.0.2.7 198.51.100.1 5 443\r\n",
        ] {
            assert!(read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        assert!(read(&[b"PROXY ".to_vec(), vec![b'x'; 200]].concat()).is_err());
        assert!(read(&v2(1, 0x11, &[0; 11])).is_err());
        assert!(read(&v2(2, 0x11, &[0; 12])).is_err());
        assert!(read(&v2(1, 0x51, &[0; 12])).is_err());
        assert!(read(&v2(1, 0x11, &[0; 5000])).is_err());
    }

    proptest! {
        #[test]
        fn nothing_makes_it_fail_and_a_beginning_is_never_more_than_partial(
            from: [u8; 4], port: u16, cut in 0_usize..28, noise in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = read(&noise);
            let mut body = from.to_vec();
            body.extend([127, 0, 0, 1]);
            body.extend(port.to_be_bytes());
            body.extend([0, 80]);
            let whole = v2(1, 0x11, &body);
            prop_assert_eq!(read(&whole[..cut]), Ok(Read::Partial));
            let address = SocketAddr::new(Ipv4Addr::from(from).into(), port);
            prop_assert_eq!(read(&whole), Ok(Read::Done(28, Some(address))));
            let line = format!("PROXY TCP4 {} 127.0.0.1 {port} 80\r\n", Ipv4Addr::from(from));
            prop_assert_eq!(read(line.as_bytes()), Ok(Read::Done(line.len(), Some(address))));
            prop_assert_eq!(read(&line.as_bytes()[..cut.min(line.len() - 1)]), Ok(Read::Partial));
        }
    }
}
