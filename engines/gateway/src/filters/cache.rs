//! The memory of answers (RFC 9111, as a shared cache): only what may be kept is kept, one request at a time fetches what is
//! missing, and an answer that is past its time may still be given when the service fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use hyper::header::{
    AGE, AUTHORIZATION, CACHE_CONTROL, COOKIE, DATE, ETAG, EXPIRES, HeaderName, HeaderValue, IF_NONE_MATCH,
    RANGE, SET_COOKIE, VARY,
};
use hyper::{HeaderMap, Method, StatusCode};
use moka::Expiry;
use moka::notification::RemovalCause;
use moka::sync::Cache;
use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, SystemClock};
use tokio::sync::watch;

use crate::config::CacheConfig;
use crate::config::filters::CacheRule;

/// An answer that is kept.
#[derive(Debug)]
pub struct Entry {
    /// Its route.
    pub route: Arc<str>,
    /// Host and path with query, for purging.
    pub url: Arc<str>,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    stored: Instant,
    /// How old it was when it came.
    age: Duration,
    fresh: Duration,
    keep: Duration,
    /// It may be given to callers that say who they are.
    public: bool,
}

impl Entry {
    /// Whether it is within its time.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.stored.elapsed() < self.fresh
    }

    /// What `Age` says.
    #[must_use]
    pub fn age(&self) -> HeaderValue {
        HeaderValue::from(self.age.saturating_add(self.stored.elapsed()).as_secs())
    }

    /// Whether the caller has the same already.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap) -> bool {
        let (Some(own), Some(asked)) = (self.headers.get(ETAG), request.get(IF_NONE_MATCH)) else {
            return false;
        };
        let (Ok(own), Ok(asked)) = (own.to_str(), asked.to_str()) else { return false };
        let weak = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        asked.trim() == "*" || asked.split(',').any(|tag| weak(tag) == weak(own))
    }

    fn size(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(n, v)| n.as_str().len() + v.len() + 64).sum();
        self.body.len() + headers + self.url.len() + 256
    }
}

struct ByEntry;

impl Expiry<Arc<str>, Arc<Entry>> for ByEntry {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Arc<Entry>, _: Instant) -> Option<Duration> {
        Some(entry.keep)
    }

    fn expire_after_update(
        &self,
        _: &Arc<str>,
        entry: &Arc<Entry>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(entry.keep)
    }
}

/// What the cache has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Answers from it.
    pub hits: u64,
    /// Requests that had to be passed on.
    pub misses: u64,
    /// Answers past their time, because the service failed.
    pub stale: u64,
    /// Requests that waited for another's answer.
    pub waited: u64,
    /// Answers that made way for others.
    pub evictions: u64,
    /// Answers taken out by an operator.
    pub purged: u64,
    /// Answers it holds.
    pub entries: u64,
    /// Bytes they take.
    pub bytes: u64,
    /// Bytes they may take.
    pub capacity: u64,
}

/// The cache, shared by all threads.
#[derive(Debug)]
pub struct Answers {
    entries: Cache<Arc<str>, Arc<Entry>>,
    flights: Mutex<HashMap<Arc<str>, watch::Receiver<()>>>,
    largest: usize,
    capacity: u64,
    hits: AtomicU64,
    misses: AtomicU64,
    stale: AtomicU64,
    waited: AtomicU64,
    purged: AtomicU64,
    evictions: Arc<AtomicU64>,
}

/// What the cache says to a request.
#[derive(Debug)]
pub enum Lookup {
    /// Here it is.
    Hit(Arc<Entry>),
    /// It must be fetched, and may be kept. What is past its time may be given if that fails.
    Miss(Ticket, Option<Arc<Entry>>),
    /// It is none of the cache's business.
    Bypass,
}

/// The right to fetch what is missing: others wait until this is dropped.
#[derive(Debug)]
pub struct Ticket {
    answers: Arc<Answers>,
    key: Arc<str>,
    /// None when another fetches too and has taken too long.
    flight: Option<watch::Sender<()>>,
    url: Arc<str>,
    credentials: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.flight.is_some() {
            self.answers.flights.lock().remove(&self.key);
        }
    }
}

/// An answer on its way into the cache.
#[derive(Debug)]
pub struct Filling {
    ticket: Ticket,
    entry: Entry,
    body: BytesMut,
}

impl Filling {
    /// The most bytes of a body that are kept.
    pub(crate) fn most(&self) -> usize {
        self.ticket.answers.largest
    }

    /// Keeps a part of the body. False when it has become too large to keep.
    pub(crate) fn push(&mut self, data: &[u8]) -> bool {
        if self.body.len() + data.len() > self.ticket.answers.largest {
            return false;
        }
        self.body.extend_from_slice(data);
        true
    }

    /// All of it has come.
    pub(crate) fn complete(self) {
        let Self { ticket, mut entry, body } = self;
        entry.body = body.freeze();
        entry.stored = Instant::now();
        ticket.answers.entries.insert(Arc::clone(&ticket.key), Arc::new(entry));
    }
}

impl Answers {
    /// An empty cache.
    #[must_use]
    pub fn new(config: &CacheConfig) -> Arc<Self> {
        let evictions = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&evictions);
        let entries = Cache::builder()
            .max_capacity(config.bytes)
            .weigher(|_: &Arc<str>, entry: &Arc<Entry>| u32::try_from(entry.size()).unwrap_or(u32::MAX))
            .expire_after(ByEntry)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counted.fetch_add(1, Relaxed);
                }
            })
            .build();
        Arc::new(Self {
            entries,
            flights: Mutex::default(),
            largest: config.largest,
            capacity: config.bytes,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            purged: AtomicU64::new(0),
            evictions,
        })
    }

    /// Looks for an answer; waits while another request fetches it, at the longest for `patience`.
    pub async fn look(self: &Arc<Self>, asked: &Asked<'_>, rule: &CacheRule, patience: Duration) -> Lookup {
        let Some((key, credentials)) = asked.key(rule) else { return Lookup::Bypass };
        let key: Arc<str> = key.into();
        let mut waited = false;
        loop {
            let found = self.entries.get(&key).filter(|entry| entry.public || !credentials);
            if let Some(entry) = &found
                && entry.is_fresh()
            {
                self.hits.fetch_add(1, Relaxed);
                return Lookup::Hit(Arc::clone(entry));
            }
            // Callers that say who they are get nobody else's answer: there is nothing to wait for.
            let ahead = if credentials { None } else { self.flights.lock().get(&key).cloned() };
            if let Some(mut ahead) = ahead.filter(|_| !waited) {
                waited = true;
                self.waited.fetch_add(1, Relaxed);
                // It ends when the one that fetches has done so, or has given up.
                let _ = tokio::time::timeout(patience, ahead.changed()).await;
                continue;
            }
            self.misses.fetch_add(1, Relaxed);
            let flight = if credentials { None } else { self.take_off(&key) };
            let url = Arc::from(format!("{}{}", asked.host, asked.path));
            let ticket = Ticket { answers: Arc::clone(self), key, flight, url, credentials };
            return Lookup::Miss(ticket, found);
        }
    }

    fn take_off(&self, key: &Arc<str>) -> Option<watch::Sender<()>> {
        let mut flights = self.flights.lock();
        if flights.contains_key(key) {
            return None;
        }
        let (flight, waiting) = watch::channel(());
        flights.insert(Arc::clone(key), waiting);
        Some(flight)
    }

    /// An answer past its time was given.
    pub fn gave_stale(&self) {
        self.stale.fetch_add(1, Relaxed);
    }

    /// Takes out every answer of a route (None: of all) whose host and path match a pattern with `*`. How many there were.
    pub fn purge(&self, route: Option<&str>, pattern: &str) -> u64 {
        let matching = self.entries.iter().filter(|(_, entry)| {
            route.is_none_or(|route| &*entry.route == route)
                && (matches(pattern, &entry.url) || matches(pattern, path_of(&entry.url)))
        });
        let keys: Vec<Arc<str>> = matching.map(|(key, _)| (*key).clone()).collect();
        for key in &keys {
            self.entries.invalidate(key);
        }
        self.purged.fetch_add(keys.len() as u64, Relaxed);
        keys.len() as u64
    }

    /// What it has done and holds.
    #[must_use]
    pub fn counts(&self) -> CacheCounts {
        self.entries.run_pending_tasks();
        CacheCounts {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            stale: self.stale.load(Relaxed),
            waited: self.waited.load(Relaxed),
            evictions: self.evictions.load(Relaxed),
            purged: self.purged.load(Relaxed),
            entries: self.entries.entry_count(),
            bytes: self.entries.weighted_size(),
            capacity: self.capacity,
        }
    }
}

fn path_of(url: &str) -> &str {
    url.find('/').map_or(url, |slash| &url[slash..])
}

/// Whether a text matches a pattern in which `*` stands for anything.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

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
    /// The method.
    pub method: &'a Method,
    /// Whether the request has a body.
    pub body: bool,
    /// The host.
    pub host: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Headers.
    pub headers: &'a HeaderMap,
    /// Where an API key would be.
    pub key_header: &'a HeaderName,
}

impl Asked<'_> {
    fn key(&self, rule: &CacheRule) -> Option<(String, bool)> {
        let plain = matches!(*self.method, Method::GET | Method::HEAD);
        // What a body in such a request means is the service's alone to know (RFC 9110, 9.3.1).
        if !plain || self.body || self.headers.contains_key(RANGE) {
            return None;
        }
        let control = directives(self.headers);
        if control.no_store {
            return None;
        }
        let credentials = [AUTHORIZATION, COOKIE].iter().any(|name| self.headers.contains_key(name))
            || self.headers.contains_key(self.key_header);
        let scheme = if self.tls { "https" } else { "http" };
        // None of these can have a line end in it, nor be empty where it is there.
        let (pinned, version) = (self.pinned.unwrap_or_default(), self.version.unwrap_or_default());
        let mut key = format!("{}\n{pinned}\n{version}\n{scheme}://{}\n{}", self.route, self.host, self.path);
        if *self.method == Method::HEAD {
            key.push_str("\nHEAD");
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

#[derive(Debug, Default)]
struct Directives {
    no_store: bool,
    no_cache: bool,
    private: bool,
    public: bool,
    max_age: Option<u64>,
    shared_max_age: Option<u64>,
}

fn directives(headers: &HeaderMap) -> Directives {
    let mut found = Directives::default();
    for value in headers.get_all(CACHE_CONTROL).iter().filter_map(|v| v.to_str().ok()) {
        for word in value.split(',').map(str::trim) {
            let (name, argument) = word.split_once('=').unwrap_or((word, ""));
            let seconds = || argument.trim_matches('"').parse().ok();
            match name.to_ascii_lowercase().as_str() {
                "no-store" => found.no_store = true,
                "no-cache" => found.no_cache = true,
                "private" => found.private = true,
                "public" => found.public = true,
                "max-age" => found.max_age = seconds().or(Some(0)),
                "s-maxage" => found.shared_max_age = seconds().or(Some(0)),
                _ => {}
            }
        }
    }
    found
}

/// How long an answer says by `Expires` that it is good for, where it says so (RFC 9111, 4.2.1). A date that makes no sense is
/// one that is past (5.3).
fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let date = |name: HeaderName| {
        let value = headers.get(name)?;
        Some(value.to_str().ok().and_then(http_date))
    };
    let Some(expires) = date(EXPIRES)? else { return Some(Duration::ZERO) };
    let made = date(DATE).flatten().unwrap_or_else(|| SystemClock.now().as_millis() / 1000);
    Some(Duration::from_secs(u64::try_from(expires - made).unwrap_or(0)))
}

/// A moment as HTTP writes it, in any of its three ways (RFC 9110, 5.6.7), in seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"].iter().find_map(
        |format| {
            let read = jiff::civil::DateTime::strptime(format, text.trim()).ok()?;
            Some(read.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
        },
    )
}

/// Statuses whose answers may be kept without their saying so.
fn keepable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 301 | 308 | 404 | 410)
}

impl Ticket {
    /// Begins to keep an answer, if it may be kept.
    #[must_use]
    pub fn fill(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        rule: &CacheRule,
        route: &Arc<str>,
    ) -> Option<Box<Filling>> {
        let control = directives(headers);
        let forbidden = control.no_store || control.private || control.no_cache;
        if !keepable(status) || forbidden || headers.contains_key(SET_COOKIE) {
            return None;
        }
        let public = control.public || control.shared_max_age.is_some();
        if self.credentials && !public {
            return None;
        }
        for named in headers.get_all(VARY).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')) {
            if !rule.vary.iter().any(|name| name.eq_ignore_ascii_case(named.trim())) {
                return None;
            }
        }
        let age = headers
            .get(AGE)
            .and_then(|v| v.to_str().ok()?.parse().ok())
            .map_or(Duration::ZERO, Duration::from_secs);
        let own = control.shared_max_age.or(control.max_age).map(Duration::from_secs);
        let own = own.or_else(|| lifetime(headers));
        let fresh = own.map_or(rule.ttl, |own| own.saturating_sub(age).min(rule.ttl));
        if fresh.is_zero() {
            return None;
        }
        let length =
            headers.get(hyper::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.answers.largest) {
            return None;
        }
        let entry = Entry {
            route: Arc::clone(route),
            url: Arc::clone(&self.url),
            status,
            headers: headers.clone(),
            body: Bytes::new(),
            stored: Instant::now(),
            age,
            fresh,
            keep: fresh + rule.stale,
            public,
        };
        Some(Box::new(Filling { ticket: self, entry, body: BytesMut::new() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_they_read() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("/orders/*", "/orders/1", true),
            ("/orders/*", "/order", false),
            ("*/1", "/orders/1", true),
            ("/a*c*e", "/abcde", true),
            ("/a*c*e", "/abcd", false),
            ("/a", "/a", true),
            ("/a", "/ab", false),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap())).collect()
    }

    async fn look(answers: &Arc<Answers>, path: &str, headers: &HeaderMap) -> Lookup {
        let key_header = HeaderName::from_static("x-api-key");
        let asked = Asked {
            route: "r",
            pinned: None,
            version: None,
            tls: false,
            method: &Method::GET,
            body: false,
            host: "h",
            path,
            headers,
            key_header: &key_header,
        };
        answers.look(&asked, &CacheRule::default(), Duration::from_secs(5)).await
    }

    async fn store(answers: &Arc<Answers>, path: &str, request: &HeaderMap, response: &HeaderMap) -> bool {
        let Lookup::Miss(ticket, _) = look(answers, path, request).await else { return false };
        match ticket.fill(StatusCode::OK, response, &CacheRule::default(), &"r".into()) {
            Some(mut filling) => {
                assert!(filling.push(b"body"));
                filling.complete();
                true
            }
            None => false,
        }
    }

    #[tokio::test]
    async fn only_what_may_be_kept_is_kept() {
        let answers = Answers::new(&CacheConfig::default());
        let none = HeaderMap::new();
        assert!(store(&answers, "/plain", &none, &none).await);
        assert!(matches!(look(&answers, "/plain", &none).await, Lookup::Hit(e) if &e.body[..] == b"body"));
        for (i, bad) in [
            ("cache-control", "no-store"),
            ("cache-control", "private, max-age=5"),
            ("cache-control", "max-age=0"),
            ("expires", "0"),
            ("expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("set-cookie", "a=b"),
            ("vary", "accept-language"),
            ("vary", "*"),
        ]
        .into_iter()
        .enumerate()
        {
            assert!(!store(&answers, &format!("/bad{i}"), &none, &headers(&[bad])).await, "{bad:?}");
        }
        let key = headers(&[("x-api-key", "k")]);
        assert!(!store(&answers, "/own", &key, &none).await);
        // What was kept for nobody in particular is not given to somebody.
        assert!(matches!(look(&answers, "/plain", &key).await, Lookup::Miss(..)));
        assert!(store(&answers, "/all", &key, &headers(&[("cache-control", "public")])).await);
        assert!(matches!(look(&answers, "/all", &key).await, Lookup::Hit(_)));
        assert!(matches!(
            look(&answers, "/plain", &headers(&[("range", "bytes=0-1")])).await,
            Lookup::Bypass
        ));
        assert_eq!(answers.purge(Some("r"), "/pl*"), 1);
        assert_eq!(answers.purge(Some("other"), "*"), 0);
        assert!(matches!(look(&answers, "/plain", &none).await, Lookup::Miss(..)));
    }

    #[tokio::test]
    async fn answers_are_known_by_all_that_they_depend_on() {
        let answers = Answers::new(&CacheConfig::default());
        let (none, key_header) = (HeaderMap::new(), HeaderName::from_static("x-api-key"));
        let asked = Asked {
            route: "r",
            pinned: None,
            version: None,
            tls: false,
            method: &Method::GET,
            body: false,
            host: "h",
            path: "/",
            headers: &none,
            key_header: &key_header,
        };
        let rule = CacheRule::default();
        let patience = Duration::from_secs(5);
        let Lookup::Miss(ticket, _) = answers.look(&asked, &rule, patience).await else { panic!() };
        ticket.fill(StatusCode::OK, &none, &rule, &"r".into()).unwrap().complete();
        assert!(matches!(answers.look(&asked, &rule, patience).await, Lookup::Hit(_)));
        for other in [
            Asked { tls: true, ..asked },
            Asked { version: Some("v1"), ..asked },
            Asked { pinned: Some("v1"), ..asked },
            Asked { host: "i", ..asked },
            Asked { method: &Method::HEAD, ..asked },
        ] {
            assert!(matches!(answers.look(&other, &rule, patience).await, Lookup::Miss(..)), "{other:?}");
        }
        assert!(matches!(
            answers.look(&Asked { body: true, ..asked }, &rule, patience).await,
            Lookup::Bypass
        ));
    }

    #[test]
    fn expires_is_read_in_all_its_ways() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(http_date("0"), None);
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let of = |expires| lifetime(&headers(&[date, ("expires", expires)]));
        assert_eq!(of("Sun, 06 Nov 1994 08:50:37 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:36 GMT"), Some(Duration::ZERO));
        assert_eq!(of("-1"), Some(Duration::ZERO));
        assert_eq!(lifetime(&headers(&[date])), None);
    }

    #[tokio::test]
    async fn one_fetches_and_the_others_wait() {
        let answers = Answers::new(&CacheConfig::default());
        let none = HeaderMap::new();
        let Lookup::Miss(ticket, _) = look(&answers, "/a", &none).await else { panic!() };
        let waiting: Vec<_> = (0..10)
            .map(|_| {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    matches!(look(&answers, "/a", &HeaderMap::new()).await, Lookup::Hit(_))
                })
            })
            .collect();
        while answers.counts().waited < 10 {
            tokio::task::yield_now().await;
        }
        let filling = ticket.fill(StatusCode::OK, &none, &CacheRule::default(), &"r".into()).unwrap();
        filling.complete();
        for one in waiting {
            assert!(one.await.unwrap());
        }
        assert_eq!((answers.counts().hits, answers.counts().misses), (10, 1));
    }

    #[tokio::test]
    async fn it_never_takes_more_than_it_may() {
        let answers = Answers::new(&CacheConfig { bytes: 20_000, largest: 1000 });
        let none = HeaderMap::new();
        for n in 0..200 {
            assert!(store(&answers, &format!("/{n}"), &none, &none).await);
        }
        let counts = answers.counts();
        assert!(counts.bytes <= 20_000 && counts.evictions > 0 && counts.entries > 0, "{counts:?}");
    }
}
