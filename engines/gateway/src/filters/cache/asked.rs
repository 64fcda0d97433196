//! What a request asks for, and by what its answer is known.

use hyper::header::{AUTHORIZATION, COOKIE, HeaderName, IF_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use hyper::{HeaderMap, Method};

use super::believed;
use super::control::directives;
use crate::config::Forwarded;
use crate::config::filters::CacheRule;

/// What a request asks for, as far as the cache goes.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The route.
    pub route: &'a str,
    /// The service's version, where something else than chance chose it.
    pub pinned: Option<&'a str>,
    /// The interface's version that is asked for.
    pub version: Option<&'a str>,
    /// Whether the caller came encrypted.
    pub tls: bool,
    /// What the service is told of those before the caller, where they are believed.
    pub believed: Option<Forwarded>,
    /// The method.
    pub method: &'a Method,
    /// Whether the request has a body.
    pub body: bool,
    /// The host.
    pub host: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The path by which a route is chosen.
    pub plain: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Where an API key would be.
    pub key_header: &'a HeaderName,
    /// Whether it is fetched though it is there: the gateway's own requests, which count neither as hits nor as misses.
    pub anew: bool,
}

impl Asked<'_> {
    pub(super) fn key(&self, rule: &CacheRule) -> Option<(String, bool)> {
        let plain = matches!(*self.method, Method::GET | Method::HEAD);
        // What a body in such a request means is the service's alone to know (RFC 9110, 9.3.1), and so is whether what the
        // caller has is still what there is (RFC 9111, 4.3.2).
        let service = [RANGE, IF_MATCH, IF_UNMODIFIED_SINCE];
        if !plain || self.body || service.iter().any(|name| self.headers.contains_key(name)) {
            return None;
        }
        let control = directives(self.headers);
        if control.no_store {
            return None;
        }
        let credentials = [AUTHORIZATION, COOKIE].iter().any(|name| self.headers.contains_key(name))
            || self.headers.contains_key(self.key_header);
        let scheme = believed::scheme(self.headers, self.tls, self.believed);
        // None of these can have a line end in it, nor be empty where it is there.
        let (pinned, version) = (self.pinned.unwrap_or_default(), self.version.unwrap_or_default());
        let mut key = format!("{}\n{pinned}\n{version}\n{scheme}://{}\n{}", self.route, self.host, self.path);
        if *self.method == Method::HEAD {
            key.push_str("\nHEAD");
        }
        for line in believed::more(self.headers, self.tls, self.believed, &scheme, self.host) {
            key.push_str("\n~");
            key.push_str(&line);
        }
        for name in &rule.vary {
            for value in self.headers.get_all(name) {
                key.push('\n');
                key.push_str(name);
                key.push(':');
                key.push_str(&String::from_utf8_lossy(value.as_bytes()));
            }
        }
        Some((key, credentials))
    }
}
