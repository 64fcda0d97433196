//! Host and path: what the caller asked for, and what the endpoint is asked for.

use std::borrow::Cow;

use hyper::Uri;
use hyper::header::{HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};

use crate::config::Protocol;
use crate::problem::{Code, Refusal};
use crate::table::Route;
use crate::upstream::Endpoint;

fn bad(detail: &str) -> Box<Refusal> {
    Box::new(Refusal::new(Code::BadRequest, detail))
}

/// Who is asked for: exactly one host, the URI's before the header's (RFC 9112, 3.2).
pub(super) fn host(parts: &mut Parts) -> Result<HeaderValue, Box<Refusal>> {
    let mut named = parts.headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return Err(bad("the request names its host twice"));
    }
    if let Some(authority) = parts.uri.authority() {
        if authority.as_str().contains('@') {
            return Err(bad("the host has a user in it"));
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| bad("the host is malformed"))?;
        parts.headers.insert(HOST, host.clone());
        return Ok(host);
    }
    let host = first.cloned().ok_or_else(|| bad("the request names no host"))?;
    let lawful = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'~' | b'%' | b'!')
    };
    if host.is_empty() || !host.as_bytes().iter().all(lawful) {
        return Err(bad("the host is malformed"));
    }
    Ok(host)
}

/// The path by which a route is chosen: as a service may read it, whatever way it is written, so that no spelling of a
/// path escapes what its route asks for. What is passed on is what the caller wrote.
///
/// Characters that need no escape are unescaped, `//` is `/`, `.` parts and `;parameters` go (RFC 3986, 6.2.2). A path with
/// `..` is refused: it would be one thing here and another there.
pub(super) fn plain_path(path: &str) -> Result<Cow<'_, str>, Box<Refusal>> {
    if !path.starts_with('/') {
        return Err(bad("the target is no path"));
    }
    let mut before = b'-';
    let plain = path.bytes().all(|b| {
        let behind = std::mem::replace(&mut before, b);
        !(matches!(b, b'%' | b'\\' | b';') || (behind == b'/' && matches!(b, b'/' | b'.')))
    });
    if plain {
        return Ok(Cow::Borrowed(path));
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        let escaped = match (first, behind) {
            (b'%', [a, b, ..]) => hex(*a).zip(hex(*b)).map(|(a, b)| a * 16 + b),
            _ => None,
        };
        match escaped {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~/\\;".contains(&byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut parts = Vec::new();
    let folder = text.ends_with(['/', '\\']);
    for part in text.split(['/', '\\']) {
        match part.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => return Err(bad("the path leads out of itself")),
            part => parts.push(part),
        }
    }
    let mut found = format!("/{}", parts.join("/"));
    if folder && found.len() > 1 {
        found.push('/');
    }
    Ok(Cow::Owned(found))
}

/// The URI that an endpoint is asked for.
pub(super) fn uri(
    original: &Uri,
    route: &Route,
    endpoint: &Endpoint,
    host: &HeaderValue,
) -> Result<Uri, Box<Refusal>> {
    let cut = if route.strip { route.prefix.as_str() } else { "" };
    let plain = endpoint.protocol == Protocol::Http1;
    if plain && cut.is_empty() && endpoint.base.is_empty() && original.scheme().is_none() {
        return Ok(original.clone());
    }
    let path_and_query = if cut.is_empty() && endpoint.base.is_empty() {
        original.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
    } else {
        let rest = original.path().strip_prefix(cut).unwrap_or(original.path());
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let text = match original.query() {
            Some(query) => format!("{}{slash}{rest}?{query}", endpoint.base),
            None => format!("{}{slash}{rest}", endpoint.base),
        };
        PathAndQuery::try_from(text).map_err(|_| bad("the path is malformed"))?
    };
    let mut parts = hyper::http::uri::Parts::default();
    parts.path_and_query = Some(path_and_query);
    if !plain {
        parts.scheme = Some(if endpoint.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority =
            Some(Authority::try_from(host.as_bytes()).map_err(|_| bad("the host is malformed"))?);
    }
    Uri::from_parts(parts).map_err(|_| bad("the path is malformed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_the_same_however_it_is_written() {
        for way in ["//admin", "/./admin", "/%61dmin", "/%2e/admin", "/;x/admin;y=1", "/%2Fadmin", "\\/admin"]
        {
            let way = way.trim_start_matches('\\');
            assert_eq!(plain_path(way).unwrap_or_default(), "/admin", "{way}");
        }
        for (way, plain) in [("/a/", "/a/"), ("/a%20b", "/a%20b"), ("//", "/"), ("/a%2fb", "/a/b")] {
            assert_eq!(plain_path(way).unwrap_or_default(), plain);
        }
        for bad in ["", "secret.html", "*", "/x/..;/admin", "/..%5cadmin", "/%2e%2e%2fadmin"] {
            assert!(plain_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_that_lead_out_of_themselves_are_refused() {
        for good in ["/", "/a..b", "/...", "/a%20b", "/%2fa", "/a/b..", "/v1.2"] {
            assert!(plain_path(good).is_ok(), "{good}");
        }
        for bad in ["/..", "/a/../b", "/%2e%2e/a", "/.%2E/a", "/a%2f..%2fb", "/a\\..\\b"] {
            assert!(plain_path(bad).is_err(), "{bad}");
        }
    }
}
