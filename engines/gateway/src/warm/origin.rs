//! Whom a path is asked for as: scheme and host are a part of what an answer is known by.

use std::fmt;
use std::net::SocketAddr;

use hyper::Uri;
use hyper::header::HeaderValue;

use crate::config::RouteConfig;

/// Scheme and host as callers name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) tls: bool,
    pub(crate) host: HeaderValue,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host.to_str().unwrap_or_default())
    }
}

impl Origin {
    /// Reads `https://shop.example.com` or `http://127.0.0.1:8080`. None if it is something else.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?.as_str();
        // A path, a query or a user would go unheard.
        let plain = uri.path() == "/" && uri.query().is_none() && !text.ends_with(['?', '#']);
        if !plain || text.contains(['@', '#']) {
            return None;
        }
        Some(Self { tls, host: HeaderValue::from_str(authority).ok()? })
    }

    /// As who calls a route by itself does: its hosts, behind the first listener that is encrypted, or else the first one.
    pub(crate) fn of(
        route: Option<&RouteConfig>,
        listeners: &[(SocketAddr, bool)],
    ) -> Result<Vec<Self>, String> {
        let encrypted = listeners.iter().find(|(_, tls)| *tls);
        let Some((address, tls)) = encrypted.or(listeners.first()).copied() else {
            return Err("the gateway listens nowhere".to_owned());
        };
        let named = route.into_iter().flat_map(|route| &route.hosts).filter(|host| !host.starts_with('*'));
        let usual = if tls { 443 } else { 80 };
        let with_port = |host: &str| match address.port() {
            port if port == usual => host.to_owned(),
            port => format!("{host}:{port}"),
        };
        let mut hosts: Vec<String> = named.map(|host| with_port(host)).collect();
        if hosts.is_empty() {
            if address.ip().is_unspecified() || route.is_some_and(|route| !route.hosts.is_empty()) {
                return Err("it is not known by which host callers ask: say it with warm_as".to_owned());
            }
            let address = address.to_string();
            hosts.push(address.strip_suffix(&format!(":{usual}")).unwrap_or(&address).to_owned());
        }
        let origin = |host: String| HeaderValue::from_str(&host).map(|host| Self { tls, host });
        hosts.into_iter().map(origin).collect::<Result<_, _>>().map_err(|e| e.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_and_found() {
        for text in ["https://a.test", "http://127.0.0.1:8080", "https://[::1]:8443"] {
            assert_eq!(Origin::read(text).unwrap().to_string(), text);
        }
        for bad in
            ["a.test", "ftp://a.test", "https://a.test/x", "https://u@a.test", "https://a.test?b", "/a", ""]
        {
            assert_eq!(Origin::read(bad), None, "{bad}");
        }
        let (plain, tls): (SocketAddr, SocketAddr) =
            ("127.0.0.1:8080".parse().unwrap(), "0.0.0.0:443".parse().unwrap());
        let route = |hosts: &[&str]| RouteConfig {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            ..RouteConfig::default()
        };
        let of = |hosts: &[&str], listeners: &[(SocketAddr, bool)]| {
            let origins = Origin::of(Some(&route(hosts)), listeners)?;
            Ok::<_, String>(origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        let both = [(plain, false), (tls, true)];
        assert_eq!(of(&["a.test", "*.b.test"], &both).unwrap(), "https://a.test");
        assert_eq!(of(&["a.test"], &both[..1]).unwrap(), "http://a.test:8080");
        assert_eq!(of(&[], &both[..1]).unwrap(), "http://127.0.0.1:8080");
        assert!(of(&[], &both).is_err() && of(&["*.b.test"], &both[..1]).is_err() && of(&[], &[]).is_err());
    }
}
