//! Host and path: what the caller asked for, and what the endpoint is asked for.

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
    if parts.headers.get_all(HOST).iter().nth(1).is_some() {
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
    let host = parts.headers.get(HOST).cloned().ok_or_else(|| bad("the request names no host"))?;
    let lawful = |b: &u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']' | b'~' | b'%' | b'!')
    };
    if host.is_empty() || !host.as_bytes().iter().all(lawful) {
        return Err(bad("the host is malformed"));
    }
    Ok(host)
}

/// Paths with `..` in them would be one thing to the route and another to the service.
pub(super) fn check_path(path: &str) -> Result<(), Box<Refusal>> {
    if !path.contains("..") && !path.contains("%2") && !path.contains('\\') {
        return Ok(());
    }
    let plain = path.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/").replace("%2F", "/");
    if plain.split(['/', '\\']).any(|part| part == "..") {
        return Err(bad("the path leads out of itself"));
    }
    Ok(())
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
    fn paths_that_lead_out_of_themselves_are_refused() {
        for good in ["/", "/a..b", "/...", "/a%20b", "/%2fa", "/a/b..", "/v1.2"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in ["/..", "/a/../b", "/%2e%2e/a", "/.%2E/a", "/a%2f..%2fb", "/a\\..\\b"] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
