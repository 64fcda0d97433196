//! Which route a request takes: the most specific that fits. Exact host before a wildcard (longer before shorter) before
//! any host; then an exact path before a prefix, longer before shorter; then more headers before fewer; then methods
//! before none; then by name. Pure, and without allocation per request.

use std::collections::HashMap;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Method};

/// What a route asks of a request.
#[derive(Clone, Debug, Default)]
pub struct Pattern {
    /// Host names in lower case, `*.` before those that take every name below; none takes all.
    pub hosts: Vec<String>,
    /// The path.
    pub path: PathPattern,
    /// Methods; none takes all.
    pub methods: Vec<Method>,
    /// Headers that must be there, with this value if one is given.
    pub headers: Vec<(HeaderName, Option<HeaderValue>)>,
}

/// Which paths a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// This one.
    Exact(String),
    /// This one and those below it; without a slash at its end.
    Prefix(String),
}

impl Default for PathPattern {
    fn default() -> Self {
        Self::Prefix(String::new())
    }
}

impl PathPattern {
    fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(own) => own == path,
            // `/orders` takes `/orders/1` but not `/orders-old`.
            Self::Prefix(own) => path
                .strip_prefix(own.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || own.is_empty()),
        }
    }

    fn weight(&self) -> (bool, usize) {
        match self {
            Self::Exact(own) => (true, own.len()),
            Self::Prefix(own) => (false, own.len()),
        }
    }
}

/// Routes, ready to be asked. A route is known by its place in the list it was made from.
#[derive(Debug, Default)]
pub struct Router {
    patterns: Vec<Pattern>,
    exact: HashMap<String, Vec<usize>>,
    /// Longest first; with the dot before.
    wildcards: Vec<(String, Vec<usize>)>,
    any: Vec<usize>,
}

impl Router {
    /// A router of these, in the order in which equals are tried.
    #[must_use]
    pub fn new(patterns: Vec<Pattern>) -> Self {
        let mut order: Vec<usize> = (0..patterns.len()).collect();
        order.sort_by_key(|i| {
            let p = &patterns[*i];
            std::cmp::Reverse((
                p.path.weight(),
                p.headers.len(),
                !p.methods.is_empty(),
                std::cmp::Reverse(*i),
            ))
        });
        let mut router = Self::default();
        for i in order {
            if patterns[i].hosts.is_empty() {
                router.any.push(i);
            }
            for host in &patterns[i].hosts {
                match host.strip_prefix('*') {
                    None => router.exact.entry(host.clone()).or_default().push(i),
                    Some(suffix) => match router.wildcards.iter_mut().find(|(s, _)| s == suffix) {
                        Some((_, routes)) => routes.push(i),
                        None => router.wildcards.push((suffix.to_owned(), vec![i])),
                    },
                }
            }
        }
        router.wildcards.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        router.patterns = patterns;
        router
    }

    /// The methods that would be taken for a host and path.
    #[must_use]
    pub fn methods(&self, host: &str, path: &str, headers: &HeaderMap) -> Vec<&str> {
        let host = host.to_ascii_lowercase();
        let takes = |pattern: &&Pattern| {
            let fits_host = |own: &String| match own.strip_prefix('*') {
                Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
                None => *own == host,
            };
            (pattern.hosts.is_empty() || pattern.hosts.iter().any(fits_host))
                && pattern.path.takes(path)
                && fits(&pattern.headers, headers)
        };
        let mut all: Vec<&str> =
            self.patterns.iter().filter(takes).flat_map(|p| &p.methods).map(Method::as_str).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The route of a request; `host` is without port.
    ///
    /// # Errors
    /// Why there is none.
    pub fn find(
        &self,
        host: &str,
        path: &str,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<usize, NoRoute> {
        let mut why = NoRoute::Path;
        let lower;
        // Hosts are written in lower case nearly always.
        let host = if host.bytes().any(|b| b.is_ascii_uppercase()) {
            lower = host.to_ascii_lowercase();
            &lower
        } else {
            host
        };
        let exact = if self.exact.is_empty() { None } else { self.exact.get(host) };
        let wild = self
            .wildcards
            .iter()
            .filter(|(suffix, _)| host.len() > suffix.len() && host.ends_with(suffix.as_str()));
        let lists = exact.into_iter().chain(wild.map(|(_, routes)| routes)).chain([&self.any]);
        for i in lists.flatten() {
            let pattern = &self.patterns[*i];
            if !pattern.path.takes(path) || !fits(&pattern.headers, headers) {
                continue;
            }
            if pattern.methods.is_empty() || pattern.methods.contains(method) {
                return Ok(*i);
            }
            why = NoRoute::Method;
        }
        Err(why)
    }
}

fn fits(wanted: &[(HeaderName, Option<HeaderValue>)], headers: &HeaderMap) -> bool {
    wanted.iter().all(|(name, value)| match value {
        None => headers.contains_key(name),
        Some(value) => headers.get_all(name).iter().any(|found| found == value),
    })
}

/// Why no route takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoute {
    /// None takes its host, path and headers.
    Path,
    /// One would, but for its method.
    Method,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[(&str, &str, &str, &str)]) -> Router {
        let pattern = |(hosts, path, methods, header): &(&str, &str, &str, &str)| Pattern {
            hosts: hosts.split_whitespace().map(str::to_owned).collect(),
            path: match path.strip_prefix('=') {
                Some(exact) => PathPattern::Exact(exact.to_owned()),
                None => PathPattern::Prefix(path.trim_end_matches('/').to_owned()),
            },
            methods: methods.split_whitespace().map(|m| m.parse().unwrap()).collect(),
            headers: header
                .split_once('=')
                .map(|(n, v)| (n.parse().unwrap(), (!v.is_empty()).then(|| v.parse().unwrap())))
                .into_iter()
                .collect(),
        };
        Router::new(routes.iter().map(pattern).collect())
    }

    #[test]
    fn the_most_specific_route_takes_the_request() {
        let router = router(&[
            ("", "/", "", ""),
            ("", "/orders", "", ""),
            ("", "=/orders/health", "", ""),
            ("a.example.com", "/", "", ""),
            ("*.example.com", "/", "", ""),
            ("*.b.example.com", "/", "", ""),
            ("", "/orders", "", "x-beta=yes"),
            ("", "/orders", "", "x-beta="),
        ]);
        let find = |host: &str, path: &str, beta: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(beta) = beta {
                headers.insert("x-beta", beta.parse().unwrap());
            }
            router.find(host, path, &Method::GET, &headers).unwrap()
        };
        assert_eq!(find("x", "/", None), 0);
        assert_eq!(find("x", "/orders-old", None), 0);
        assert_eq!(find("x", "/orders", None), 1);
        assert_eq!(find("x", "/orders/1", None), 1);
        assert_eq!(find("x", "/orders/health", None), 2);
        assert_eq!(find("A.Example.com", "/orders", None), 3);
        assert_eq!(find("b.example.com", "/", None), 4);
        assert_eq!(find("x.b.example.com", "/", None), 5);
        assert_eq!(find("example.com", "/", None), 0);
        assert_eq!(find("x", "/orders", Some("yes")), 6);
        assert_eq!(find("x", "/orders", Some("no")), 7);
    }

    #[test]
    fn a_method_that_nobody_takes_is_told_apart() {
        let router = router(&[("", "/a", "GET POST", ""), ("h", "/b", "", "")]);
        let find = |path: &str, method: Method| router.find("x", path, &method, &HeaderMap::new());
        assert_eq!(find("/a", Method::POST), Ok(0));
        assert_eq!(find("/a", Method::DELETE), Err(NoRoute::Method));
        assert_eq!(find("/b", Method::GET), Err(NoRoute::Path));
        assert_eq!(router.methods("x", "/a", &HeaderMap::new()), ["GET", "POST"]);
    }
}
