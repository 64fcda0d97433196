//! Headers on their way through: what belongs to one hop is taken out, who called is put in.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{
    self, CONNECTION, FORWARDED, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::config::Forwarded;

/// `X-Forwarded-For`
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// `X-Request-Id`
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `traceparent`
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// `tracestate`
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// What is between two neighbours only.
static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TRAILER,
    TE,
    // What is asked for with `Upgrade: h2c`.
    HeaderName::from_static("http2-settings"),
];

/// Takes out what is between two neighbours only (RFC 9110, 7.6.1), and what `Connection` names. Gives back the protocol
/// that is asked for or switched to, if `Connection` speaks of an upgrade.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    // One look at each name: to look each of these up costs more, and most messages have one of them at most.
    let mut there = [false; HOP_BY_HOP.len()];
    for name in headers.keys() {
        if let Some(place) = hop_by_hop(name) {
            there[place] = true;
        }
    }
    let mut upgrade = None;
    if there[0] {
        let mut named: Vec<HeaderName> = Vec::new();
        let mut upgrades = false;
        for token in
            headers.get_all(CONNECTION).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','))
        {
            let token = token.trim();
            if token.eq_ignore_ascii_case("upgrade") {
                upgrades = true;
            } else if !token.is_empty()
                && !token.eq_ignore_ascii_case("keep-alive")
                && !token.eq_ignore_ascii_case("close")
            {
                // What must reach the other side is not given up because a caller names it.
                named.extend(
                    HeaderName::from_bytes(token.as_bytes()).ok().filter(|name| !is_end_to_end(name)),
                );
            }
        }
        if upgrades {
            upgrade = headers.get(UPGRADE).cloned();
        }
        for name in named {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP.iter().zip(there).filter_map(|(name, there)| there.then_some(name)) {
        let value = headers.remove(name);
        if name == TE
            && value
                .as_ref()
                .and_then(|te| te.to_str().ok())
                .is_some_and(|te| te.split(',').any(|token| token.trim().eq_ignore_ascii_case("trailers")))
        {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
    upgrade
}

/// Where among them a name is.
fn hop_by_hop(name: &HeaderName) -> Option<usize> {
    // The length rules out nearly all others.
    match name.as_str().len() {
        2 | 7 | 10 | 14 | 16..=19 => HOP_BY_HOP.iter().position(|own| own == name),
        _ => None,
    }
}

/// HTTP/2 lets callers send a cookie a field; a service that speaks HTTP/1.1 gets them as one (RFC 9113, 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for cookie in [second].into_iter().chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Headers that `Connection` must not take away: who is asked for, who asks, and how the body is read.
fn is_end_to_end(name: &HeaderName) -> bool {
    [
        header::HOST,
        header::CONTENT_LENGTH,
        header::AUTHORIZATION,
        header::COOKIE,
        FORWARDED,
        X_FORWARDED_FOR,
        X_FORWARDED_HOST,
        X_FORWARDED_PROTO,
    ]
    .contains(name)
}

/// What is said of the caller.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The neighbour's address, as a header's value.
    pub peer: &'a HeaderValue,
    /// The same.
    pub peer_ip: IpAddr,
    /// Whether the neighbour is believed what it says of those before it.
    pub trusted: bool,
    /// Whether it came encrypted.
    pub tls: bool,
    /// What it asked for.
    pub host: Option<&'a HeaderValue>,
}

/// Whether a header says who somebody else is or what they asked for: `Forwarded`, `X-Forwarded-*`, `X-Real-IP`, and the same
/// with underscores, which CGI, WSGI and their kin read as the same name.
pub(crate) fn speaks_for_another(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    let is = |wanted: &[u8], name: &[u8]| {
        name.len() == wanted.len()
            && name.iter().zip(wanted).all(|(b, w)| b == w || (*b == b'_' && *w == b'-'))
    };
    match name {
        [b'f', ..] => name == b"forwarded",
        [b'x', ..] => {
            const FAMILY: &[u8] = b"x-forwarded-";
            is(b"x-real-ip", name) || (name.len() > FAMILY.len() && is(FAMILY, &name[..FAMILY.len()]))
        }
        _ => false,
    }
}

/// Tells who called. What a caller that is not believed says of itself is taken out.
pub fn forward(headers: &mut HeaderMap, caller: Caller<'_>, kind: Forwarded) {
    let proto = HeaderValue::from_static(if caller.tls { "https" } else { "http" });
    if !caller.trusted || kind == Forwarded::None {
        // Most requests have none of these: one look at each name then, and nothing is allocated.
        let lies: Vec<HeaderName> = headers.keys().filter(|name| speaks_for_another(name)).cloned().collect();
        for name in lies {
            headers.remove(name);
        }
    }
    if matches!(kind, Forwarded::X | Forwarded::Both) {
        let before = if caller.trusted { join(headers, &X_FORWARDED_FOR, caller.peer) } else { None };
        headers.insert(X_FORWARDED_FOR, before.unwrap_or_else(|| caller.peer.clone()));
        // The first proxy that saw the caller knows best what it asked for.
        if !caller.trusted || !headers.contains_key(X_FORWARDED_PROTO) {
            headers.insert(X_FORWARDED_PROTO, proto.clone());
        }
        if let Some(host) = caller.host.filter(|_| !caller.trusted || !headers.contains_key(X_FORWARDED_HOST))
        {
            headers.insert(X_FORWARDED_HOST, host.clone());
        }
    }
    if matches!(kind, Forwarded::Standard | Forwarded::Both) {
        let own = element(caller, &proto);
        let before = if caller.trusted { join(headers, &FORWARDED, &own) } else { None };
        headers.insert(FORWARDED, before.unwrap_or(own));
    }
}

/// What is there already, and `own` behind it.
fn join(headers: &HeaderMap, name: &HeaderName, own: &HeaderValue) -> Option<HeaderValue> {
    let mut all = Vec::new();
    for value in headers.get_all(name) {
        all.extend_from_slice(value.as_bytes());
        all.extend_from_slice(b", ");
    }
    if all.is_empty() {
        return None;
    }
    all.extend_from_slice(own.as_bytes());
    HeaderValue::from_bytes(&all).ok()
}

/// One element of `Forwarded` (RFC 7239, section 4): an IPv6 address is in brackets, and what is no token in quotes.
fn element(caller: Caller<'_>, proto: &HeaderValue) -> HeaderValue {
    let mut text = match caller.peer_ip {
        IpAddr::V4(ip) => format!("for={ip}"),
        IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
    };
    if let Some(host) = caller.host.and_then(|h| h.to_str().ok()) {
        let lawful = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.chars().all(lawful) {
            text.push_str(&format!(";host={host}"));
        } else if !host.contains(['"', '\\']) {
            text.push_str(&format!(";host=\"{host}\""));
        }
    }
    text.push_str(";proto=");
    text.push_str(proto.to_str().unwrap_or("http"));
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("for=unknown"))
}

/// The addresses that `X-Forwarded-For` or `Forwarded` name, nearest last: those of the kind that is written too, or else of the
/// other. With both or none of them it is `X-Forwarded-For` first.
pub fn forwarded_for(headers: &HeaderMap, kind: Forwarded) -> Vec<IpAddr> {
    let (x, standard) = (|| family(headers), || standard(headers));
    let first = if kind == Forwarded::Standard { standard() } else { x() };
    if !first.is_empty() {
        return first;
    }
    if kind == Forwarded::Standard { x() } else { standard() }
}

fn texts(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers.get_all(name).into_iter().filter_map(|v| v.to_str().ok())
}

fn family(headers: &HeaderMap) -> Vec<IpAddr> {
    texts(headers, X_FORWARDED_FOR).flat_map(|v| v.split(',')).filter_map(|part| node(part.trim())).collect()
}

fn standard(headers: &HeaderMap) -> Vec<IpAddr> {
    let pair = |pair: &str| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| node(value.trim().trim_matches('"')))?
    };
    texts(headers, FORWARDED)
        .flat_map(|v| v.split(','))
        .filter_map(|element| element.split(';').find_map(pair))
        .collect()
}

/// An address with or without brackets and port.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split(']').next()?.parse().ok().map(IpAddr::V6);
    }
    text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip())
}

/// A host without its port.
#[must_use]
pub fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        // `[::1]` has colons that begin no port.
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        map
    }

    #[test]
    fn what_belongs_to_one_hop_stays_there() {
        let mut headers = map(&[
            ("connection", "close, X-Private, host, Upgrade"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("host", "a"),
            ("upgrade", "websocket"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "x"),
            ("x-kept", "1"),
        ]);
        assert_eq!(strip_hop_by_hop(&mut headers).unwrap(), "websocket");
        assert_eq!(headers, map(&[("host", "a"), ("te", "trailers"), ("x-kept", "1")]));
        let mut headers = map(&[("upgrade", "h2c"), ("te", "gzip")]);
        assert_eq!(strip_hop_by_hop(&mut headers), None);
        assert!(headers.is_empty());
    }

    fn told(headers: &mut HeaderMap, trusted: bool, kind: Forwarded, peer: &str) {
        let (value, host) = (HeaderValue::from_str(peer).unwrap(), HeaderValue::from_static("a:1"));
        let peer_ip = peer.parse().unwrap();
        forward(headers, Caller { peer: &value, peer_ip, trusted, tls: true, host: Some(&host) }, kind);
    }

    #[test]
    fn who_called_is_told() {
        let lies =
            [("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6"), ("x-forwarded-proto", "http")];
        let mut headers = map(&lies);
        told(&mut headers, false, Forwarded::Both, "::1");
        let truth = [
            ("forwarded", "for=\"[::1]\";host=\"a:1\";proto=https"),
            ("x-forwarded-for", "::1"),
            ("x-forwarded-host", "a:1"),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(headers, map(&truth));
        let mut headers = map(&lies);
        told(&mut headers, true, Forwarded::X, "10.0.0.1");
        assert_eq!(headers["x-forwarded-for"], "6.6.6.6, 10.0.0.1");
        assert_eq!(headers["x-forwarded-proto"], "http");
        let mut headers = map(&lies);
        told(&mut headers, true, Forwarded::None, "10.0.0.1");
        assert!(headers.is_empty());
    }

    #[test]
    fn nobody_speaks_for_another_in_other_words() {
        let other = [
            ("x-real-ip", "6.6.6.6"),
            ("x_real_ip", "6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-forwarded_for", "6.6.6.6"),
            ("x_forwarded_proto", "https"),
            ("x-forwarded-port", "443"),
            ("x-forwarded-prefix", "/admin"),
            ("x-realistic", "1"),
            ("x-forwarded", "1"),
            ("forwarded-by", "1"),
            ("x_user", "1"),
        ];
        let mut headers = map(&other);
        told(&mut headers, false, Forwarded::None, "10.0.0.1");
        assert_eq!(headers, map(&other[7..]));
        let mut headers = map(&other);
        told(&mut headers, true, Forwarded::X, "10.0.0.1");
        assert_eq!((headers["x-real-ip"].as_bytes(), headers.len()), (&b"6.6.6.6"[..], other.len() + 3));
    }

    #[test]
    fn hosts_lose_their_ports() {
        let pairs = [("a", "a"), ("a:1", "a"), ("[::1]", "[::1]"), ("[::1]:8", "[::1]"), ("", "")];
        for (host, bare) in pairs {
            assert_eq!(without_port(host), bare);
        }
    }

    #[test]
    fn what_is_written_is_what_is_believed_first() {
        let mut headers = HeaderMap::new();
        headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("6.6.6.6"));
        headers.insert(FORWARDED, HeaderValue::from_static("for=10.0.0.1"));
        let named = |kind| forwarded_for(&headers, kind).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(named(Forwarded::Standard), ["10.0.0.1"]);
        assert_eq!(named(Forwarded::X), ["6.6.6.6"]);
        assert_eq!(named(Forwarded::Both), ["6.6.6.6"]);
    }

    proptest! {
        #[test]
        fn forwarded_reads_back(ips in proptest::collection::vec(any::<u128>(), 1..4), v4: bool) {
            let ips: Vec<IpAddr> = ips
                .into_iter()
                .map(|n| if v4 { IpAddr::V4((n as u32).into()) } else { IpAddr::V6(n.into()) })
                .collect();
            let (mut x, mut standard) = (HeaderMap::new(), HeaderMap::new());
            for ip in &ips {
                told(&mut x, true, Forwarded::X, &ip.to_string());
                told(&mut standard, true, Forwarded::Standard, &ip.to_string());
            }
            prop_assert_eq!(forwarded_for(&x, Forwarded::Standard), ips.clone());
            prop_assert_eq!(forwarded_for(&standard, Forwarded::X), ips);
        }

        #[test]
        fn whatever_is_there_does_no_harm(bytes in proptest::collection::vec(32_u8..255, 0..60)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                for name in ["forwarded", "x-forwarded-for", "connection", "te"] {
                    let mut headers = HeaderMap::new();
                    headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.clone());
                    let _ = forwarded_for(&headers, Forwarded::Both);
                    told(&mut headers, true, Forwarded::Both, "10.0.0.1");
                    strip_hop_by_hop(&mut headers);
                }
            }
        }
    }
}
