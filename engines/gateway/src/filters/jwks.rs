//! The issuer's public keys (a JSON Web Key Set, RFC 7517) by URL: fetched beside traffic, kept by key id, and kept as they
//! were when they cannot be fetched. Nothing waits for them but tokens whose key is not known yet.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::future::poll_fn;
use hyper::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, SystemClock, Timestamp};
use quarterdeck_resilience::retry::{Backoff, Jitter, Policy};
use ring::digest::{SHA256, digest};

use super::jwt::Keys;
use crate::body::RequestBody;
use crate::config::{JwtConfig, ServiceConfig};
use crate::server::worker::Worker;
use crate::upstream::Endpoint;
use crate::upstream::pool::poll_body;

/// The largest set.
const LARGEST: usize = 256 << 10;
/// How long fetching may take, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest time between two fetches, whatever asks for them.
const PAUSE: Duration = Duration::from_secs(30);
/// The same before the first set has come: nobody is known until then.
const FIRST: Duration = Duration::from_secs(2);

/// A set of keys that is fetched.
#[derive(Debug)]
pub struct Remote {
    /// What it was made for: a set stays over a reload that says the same.
    made_for: MadeFor,
    endpoint: Endpoint,
    uri: Uri,
    keys: ArcSwap<Keys>,
    /// A token named a key that is not in the set.
    wanted: AtomicBool,
    refresh: AtomicU64,
    state: Mutex<State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct MadeFor {
    url: String,
    ca_file: Option<PathBuf>,
    /// What the file says.
    ca: Option<Vec<u8>>,
}

/// When it was fetched, and what came of it. Pure.
#[derive(Clone, Debug, Default)]
struct State {
    fetched: Option<(Instant, Timestamp)>,
    tried: Option<Instant>,
    under_way: bool,
    failures: u64,
    error: Option<String>,
}

impl State {
    fn is_due(&self, now: Instant, wanted: bool, refresh: Duration) -> bool {
        let since = |then: Instant| now.saturating_duration_since(then);
        let base = if self.fetched.is_some() { PAUSE } else { FIRST };
        // One fetch at a time at a fixed distance, and the set before it holds: a breaker would have nothing to hold back.
        let (attempts, jitter) = (Policy::FOREVER, Jitter::None);
        let policy =
            Policy { attempts, backoff: Backoff::Fixed, base, cap: PAUSE, jitter, not_idempotent: false };
        let pause = policy.wait(1, true, 0.0).unwrap_or(PAUSE);
        if self.under_way || self.tried.is_some_and(|tried| since(tried) < pause) {
            return false;
        }
        wanted || self.error.is_some() || self.fetched.is_none_or(|(at, _)| since(at) >= refresh)
    }
}

/// How a set stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetView {
    /// Where it is fetched from.
    pub url: String,
    /// Keys in it that are understood.
    pub keys: usize,
    /// When it was last fetched; None if never.
    pub fetched: Option<Timestamp>,
    /// Fetches that failed since the start.
    pub failures: u64,
    /// Why the last one did, if it did: the set before it holds.
    pub error: Option<String>,
}

fn address(url: &str) -> Result<url::Url, String> {
    let parsed = url::Url::parse(url).map_err(|e| format!("{url:?} is not a URL: {e}"))?;
    let local = match parsed.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => return Err(format!("{url:?} has no host")),
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(format!("{:?} has a user in it", parsed.host_str().unwrap_or_default()));
    }
    match parsed.scheme() {
        "https" => Ok(parsed),
        "http" if local => Ok(parsed),
        "http" => Err(format!(
            "{url:?} is not encrypted: whoever sits between could give the gateway keys of their own"
        )),
        other => Err(format!("{other:?} is not a scheme that keys are fetched by")),
    }
}

impl Remote {
    /// One that has fetched nothing yet.
    ///
    /// # Errors
    /// What is wrong with its URL or with whom it trusts, in words.
    fn new(made_for: MadeFor, refresh: Duration) -> Result<Self, String> {
        let url = address(&made_for.url)?;
        let host = url.host_str().unwrap_or_default();
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let tls = (url.scheme() == "https")
            .then(|| {
                let ca_file = made_for.ca_file.clone();
                crate::upstream::tls::client_config(&ServiceConfig { ca_file, ..ServiceConfig::default() })
            })
            .transpose()?;
        let endpoint = Endpoint::new(
            // Its connections are not kept: no other's id is needed.
            u64::MAX,
            url.as_str().into(),
            host.trim_matches(['[', ']']).into(),
            url.port_or_known_default().unwrap_or(443),
            HeaderValue::from_str(&authority).map_err(|e| e.to_string())?,
            tls,
        );
        Ok(Self {
            uri: path.parse().map_err(|e| format!("{:?}: {e}", made_for.url))?,
            made_for,
            endpoint,
            keys: ArcSwap::default(),
            wanted: AtomicBool::new(false),
            refresh: AtomicU64::new(u64::try_from(refresh.as_millis()).unwrap_or(u64::MAX)),
            state: Mutex::default(),
        })
    }

    /// The keys; None until the first set has come.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<Keys>> {
        Some(self.keys.load_full()).filter(|keys| !keys.is_empty())
    }

    /// A token names a key that is not there: the set is fetched again, at most every 30 s.
    pub fn want(&self) {
        if !self.wanted.load(Relaxed) {
            self.wanted.store(true, Relaxed);
        }
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self) -> KeySetView {
        let state = self.state.lock().clone();
        KeySetView {
            url: self.made_for.url.clone(),
            keys: self.keys.load().len(),
            fetched: state.fetched.map(|(_, at)| at),
            failures: state.failures,
            error: state.error,
        }
    }

    /// Fetches it in the background if it is time.
    pub(crate) fn tick(self: &Arc<Self>, worker: &Arc<Worker>) {
        let refresh = Duration::from_millis(self.refresh.load(Relaxed));
        {
            let mut state = self.state.lock();
            let now = Instant::now();
            if !state.is_due(now, self.wanted.load(Relaxed), refresh) {
                return;
            }
            state.under_way = true;
            state.tried = Some(now);
            self.wanted.store(false, Relaxed);
        }
        let (remote, worker) = (Arc::clone(self), Arc::clone(worker));
        tokio::spawn(async move {
            let fetched = tokio::time::timeout(TIMEOUT, remote.fetch(&worker)).await;
            let fetched = fetched.unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")));
            remote.store(fetched.and_then(|body| Keys::of_issuer(&body)));
            worker.shared.touch();
        });
    }

    fn store(&self, fetched: Result<Keys, String>) {
        let mut state = self.state.lock();
        state.under_way = false;
        match fetched {
            Ok(keys) => {
                self.keys.store(Arc::new(keys));
                state.fetched = Some((Instant::now(), SystemClock.now()));
                state.error = None;
            }
            Err(why) => {
                tracing::warn!(
                    url = self.made_for.url,
                    why,
                    "the issuer's keys cannot be fetched; those before hold"
                );
                state.failures += 1;
                state.error = Some(why);
            }
        }
    }

    async fn fetch(&self, worker: &Arc<Worker>) -> Result<Vec<u8>, String> {
        let mut request = Request::new(RequestBody::Empty);
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(HOST, self.endpoint.authority.clone());
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("quarterdeck"));
        let sent = worker.pool.send(&self.endpoint, &mut request, TIMEOUT, 0).await;
        let (response, mut lease) = sent.map_err(|(error, _)| error.to_string())?;
        // A redirect is no key set: where it leads was not what somebody has written down as trusted.
        if response.status() != hyper::StatusCode::OK {
            return Err(format!("it answers {}", response.status()));
        }
        let (mut body, mut whole) = (response.into_body(), Vec::new());
        while let Some(frame) = poll_fn(|cx| poll_body(lease.as_mut(), &mut body, cx)).await {
            let frame = frame.map_err(|e| e.to_string())?;
            if let Some(data) = frame.data_ref() {
                if whole.len() + data.len() > LARGEST {
                    return Err(format!("it answers more than {LARGEST} bytes"));
                }
                whole.extend_from_slice(data);
            }
        }
        Ok(whole)
    }
}

/// The set in use: what was fetched stays as long as the configuration names the same.
#[derive(Debug, Default)]
pub struct Kept(Option<Arc<Remote>>);

impl Kept {
    /// The set that a configuration names, if it names one.
    ///
    /// # Errors
    /// What is wrong with its URL or with whom it trusts, in words.
    pub fn follow(&mut self, config: Option<&JwtConfig>) -> Result<Option<Arc<Remote>>, String> {
        let Some((config, url)) = config.and_then(|config| Some((config, config.jwks_url.as_ref()?))) else {
            self.0 = None;
            return Ok(None);
        };
        let hash = |file: &PathBuf| {
            let text = std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
            Ok::<_, String>(digest(&SHA256, &text).as_ref().to_vec())
        };
        let ca = config.jwks_ca_file.as_ref().map(hash).transpose()?;
        let made_for = MadeFor { url: url.clone(), ca_file: config.jwks_ca_file.clone(), ca };
        let remote = match &self.0 {
            Some(known) if known.made_for == made_for => Arc::clone(known),
            _ => Arc::new(Remote::new(made_for, config.jwks_refresh)?),
        };
        let refresh = u64::try_from(config.jwks_refresh.as_millis()).unwrap_or(u64::MAX);
        remote.refresh.store(refresh, Relaxed);
        self.0 = Some(Arc::clone(&remote));
        Ok(Some(remote))
    }
}

#[cfg(test)]
mod rotation;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fetched_at_its_time_and_never_more_often_than_it_may_be() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let refresh = Duration::from_secs(300);
        let mut state = State::default();
        assert!(state.is_due(began, false, refresh), "at once");
        state.under_way = true;
        assert!(!state.is_due(at(100), true, refresh), "one at a time");
        // Nothing has come yet: soon again.
        state = State { tried: Some(began), error: Some("x".into()), ..State::default() };
        assert!(!state.is_due(at(1), true, refresh) && state.is_due(at(2), false, refresh));
        state = State {
            tried: Some(began),
            fetched: Some((began, Timestamp::from_millis(0))),
            ..State::default()
        };
        assert!(!state.is_due(at(299), false, refresh) && state.is_due(at(300), false, refresh));
        assert!(!state.is_due(at(29), true, refresh) && state.is_due(at(30), true, refresh));
        state.error = Some("x".into());
        assert!(!state.is_due(at(29), false, refresh) && state.is_due(at(30), false, refresh));
    }

    #[test]
    fn the_last_good_set_holds_and_a_key_that_is_missing_is_asked_for() {
        let made_for = MadeFor { url: "http://127.0.0.1:1/".to_owned(), ca_file: None, ca: None };
        let remote = Remote::new(made_for, Duration::from_secs(300)).unwrap();
        assert!(remote.keys().is_none());
        let set = br#"{"keys": [{"kty": "RSA", "kid": "k1", "n": "AQAB", "e": "AQAB"}]}"#;
        remote.store(Keys::of_issuer(set));
        assert_eq!(remote.keys().map(|keys| keys.len()), Some(1));
        remote.store(Err("no answer".to_owned()));
        remote.store(Keys::of_issuer(b"{\"keys\": []}"));
        assert_eq!(remote.keys().map(|keys| keys.len()), Some(1));
        let view = remote.view();
        assert!(view.failures == 2 && view.fetched.is_some() && view.error.is_some(), "{view:?}");
        assert!(!remote.wanted.load(Relaxed));
        remote.want();
        assert!(remote.wanted.load(Relaxed));
    }

    #[test]
    fn keys_come_from_nobody_in_between() {
        for good in [
            "https://id.example.com/keys?app=1",
            "http://127.0.0.1:8080/keys",
            "http://[::1]/",
            "http://localhost/",
        ] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["http://id.example.com/keys", "ftp://a/", "https://u:p@a/", "keys", "file:///etc/keys"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
