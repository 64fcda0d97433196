//! What a believed proxy says of what its caller asked for. The service hears it and may answer by it, as with a redirect to
//! https or links to its own host: it is a part of what an answer is known by.

use std::borrow::Cow;

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderValue};

use crate::config::Forwarded;
use crate::headers::{X_FORWARDED_PROTO, speaks_for_another};

fn texts(values: hyper::header::GetAll<'_, HeaderValue>) -> impl Iterator<Item = Cow<'_, str>> {
    values.into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// The scheme that the service is told: the first proxy's word where it is believed, else the connection's own.
pub(super) fn scheme(headers: &HeaderMap, tls: bool, believed: Option<Forwarded>) -> Cow<'static, str> {
    let own = if tls { "https" } else { "http" };
    let told = match believed {
        None | Some(Forwarded::None) => None,
        Some(Forwarded::X | Forwarded::Both) => {
            let all: Vec<_> = texts(headers.get_all(X_FORWARDED_PROTO)).collect();
            (!all.is_empty()).then(|| all.join(","))
        }
        Some(Forwarded::Standard) => {
            let first = texts(headers.get_all(FORWARDED)).next();
            let pair = |pair: &str| {
                let (name, value) = pair.split_once('=')?;
                name.trim().eq_ignore_ascii_case("proto").then(|| value.trim().trim_matches('"').to_owned())
            };
            first.and_then(|first| first.split(',').next()?.split(';').find_map(pair))
        }
    };
    told.map_or(Cow::Borrowed(own), Cow::Owned)
}

/// Everything else of it that may make another answer, a line each, in an order that is always the same. What says the same
/// as the scheme and the host is left out, and so is who called: that is not what was asked for.
pub(super) fn more(
    headers: &HeaderMap,
    tls: bool,
    believed: Option<Forwarded>,
    scheme: &str,
    host: &str,
) -> Vec<String> {
    let Some(kind) = believed.filter(|kind| *kind != Forwarded::None) else { return Vec::new() };
    let mut more = Vec::new();
    // The element of `Forwarded` that the gateway adds says how the proxy came, not how its caller did.
    if matches!(kind, Forwarded::Standard | Forwarded::Both) && tls != (scheme == "https") {
        more.push(format!("via:{tls}"));
    }
    for (name, value) in headers.iter().filter(|(name, _)| speaks_for_another(name)) {
        let name = name.as_str().replace('_', "-");
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = value.trim();
        let told = match name.as_str() {
            "x-forwarded-for" | "x-real-ip" => true,
            "x-forwarded-proto" => value == scheme,
            "x-forwarded-host" => value == host,
            "x-forwarded-port" => matches!((scheme, value), ("https", "443") | ("http", "80")),
            "forwarded" => {
                let pieces = value.split([',', ';']).map(str::trim);
                let pieces = pieces.filter(|piece| !piece.is_empty() && !is_told(piece, scheme, host));
                more.extend(pieces.map(|piece| format!("{name}:{piece}")));
                true
            }
            _ => false,
        };
        if !told {
            more.push(format!("{name}:{value}"));
        }
    }
    // The values of one name stay in their order: services take the first of them, or the last.
    let name = |line: &String| line.split(':').next().map(str::to_owned);
    more.sort_by_key(name);
    more
}

/// Whether a pair of `Forwarded` says who called, or what is known already. A piece of something that is quoted is kept.
fn is_told(piece: &str, scheme: &str, host: &str) -> bool {
    let Some((name, value)) = piece.split_once('=') else { return false };
    let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    if bare.contains(['"', '\\']) {
        return false;
    }
    match name.to_ascii_lowercase().as_str() {
        "for" => true,
        "host" => bare == host,
        "proto" => bare == scheme,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn of(pairs: &[(&str, &str)], tls: bool, believed: Option<Forwarded>) -> (String, String) {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let scheme = scheme(&map, tls, believed);
        let more = more(&map, tls, believed, &scheme, "a.test");
        (scheme.into_owned(), more.join("|"))
    }

    #[test]
    fn a_believed_proxy_says_what_was_asked_for() {
        let https =
            [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("x-forwarded-port", "443")];
        let plain = |scheme: &str| (scheme.to_owned(), String::new());
        assert_eq!(of(&https, false, None), plain("http"), "nobody believes it");
        assert_eq!(of(&https, false, Some(Forwarded::None)), plain("http"), "nobody is told of it");
        assert_eq!(of(&https, false, Some(Forwarded::X)), plain("https"));
        assert_eq!(of(&[], true, Some(Forwarded::X)), plain("https"));
        let host = [("x-forwarded-host", "b.test"), ("x_forwarded_prefix", "/x"), ("accept", "x")];
        let told = "x-forwarded-host:b.test|x-forwarded-prefix:/x";
        assert_eq!(of(&host, false, Some(Forwarded::X)), ("http".to_owned(), told.to_owned()));
        assert_eq!(of(&[("x-forwarded-host", "a.test")], false, Some(Forwarded::X)), plain("http"));
    }

    #[test]
    fn forwarded_is_taken_apart() {
        let one = [("forwarded", "for=1.2.3.4;host=a.test;proto=https, for=\"[::1]\"")];
        // The gateway says to the service that its own neighbour came over http.
        let (scheme, more) = of(&one, false, Some(Forwarded::Standard));
        assert_eq!((scheme.as_str(), more.as_str()), ("https", "via:false"));
        let (scheme, more) = of(&one, false, Some(Forwarded::X));
        assert_eq!((scheme.as_str(), more.as_str()), ("http", "forwarded:proto=https"));
        // What looks like a caller may be a piece of a host.
        let (_, more) = of(&[("forwarded", "host=\"a;for=b\"")], false, Some(Forwarded::X));
        assert_eq!(more, "forwarded:host=\"a|forwarded:for=b\"");
    }
}
