//! Making a table from a configuration and what has been learnt before.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use quarterdeck_resilience::outlier::{Outliers, Settings};
use quarterdeck_resilience::retry::Budget;

use super::{Callers, GATEWAY, Mirroring, Retrying, Route, Service, Table, Turn, Version, VersionRule};
use crate::clock;
use crate::config::filters::{BreakerConfig, RetryConfig};
use crate::config::{Config, OneOrMany, OutlierConfig, Protocol, RouteConfig, ServiceConfig, VersionRoute};
use crate::filters::auth::Auth;
use crate::filters::breaker::Named;
use crate::filters::bulkhead::Gate;
use crate::filters::limit::RouteLimits;
use crate::filters::versions::Versions;
use crate::filters::{jwks, schema};
use crate::flow::Flow;
use crate::route::{PathPattern, Pattern, Router};
use crate::split::{self, Split};
use crate::stats::{Counts, Top};
use crate::steering::Steering;
use crate::upstream::Endpoint;
use crate::upstream::tls::Trust;

/// How long until an answer begins, unless configured otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Callers that are counted for each route and thread.
const CALLERS: usize = 64;
/// Versions that are gone and whose counts are still known; beyond them those without anything under way are forgotten.
const GONE: usize = 1024;

/// What an endpoint's URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it is encrypted.
    pub tls: bool,
    /// Host, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Host and, if it is not the scheme's own, port.
    pub authority: String,
    /// Path, without a slash at its end.
    pub base: String,
}

/// Reads an endpoint's URL.
///
/// # Errors
/// Why it is none, in words.
pub fn endpoint(text: &str) -> Result<Address, String> {
    let url = url::Url::parse(text).map_err(|e| format!("{text:?} is not a URL: {e}"))?;
    let tls = match url.scheme() {
        "http" => false,
        "https" => true,
        other => return Err(format!("{other:?} is not a scheme that endpoints can have")),
    };
    let host = url.host_str().filter(|h| !h.is_empty()).ok_or_else(|| format!("{text:?} has no host"))?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(format!("{text:?} has more than host, port and path"));
    }
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Ok(Address {
        tls,
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: url.port_or_known_default().unwrap_or(80),
        authority,
        base: url.path().trim_end_matches('/').to_owned(),
    })
}

/// Who watches the endpoints of a version for those that fail.
type Watched = Arc<Mutex<Outliers<u64>>>;

/// Service, version, URL, how it is spoken to, and for encrypted ones whom it is trusted by: an endpoint is the same as long
/// as all of these are.
type EndpointKey = (String, String, String, Protocol, Option<[u8; 32]>);

/// What is kept from one table to the next.
#[derive(Debug, Default)]
pub struct Learnt {
    threads: usize,
    next_endpoint: u64,
    tables: u64,
    endpoints: HashMap<EndpointKey, Arc<Endpoint>>,
    /// How the encrypted endpoints of a service are called, as of the newest table.
    trusts: HashMap<String, Trust>,
    breakers: HashMap<(String, String), Arc<Named>>,
    outliers: HashMap<(String, String), (Settings, Watched)>,
    counts: HashMap<(String, String, String), Arc<Counts>>,
    callers: HashMap<String, Arc<Callers>>,
    gates: HashMap<String, Arc<Gate>>,
    limits: HashMap<String, Arc<RouteLimits>>,
    budgets: HashMap<String, (RetryConfig, Arc<Mutex<Budget>>)>,
    turns: HashMap<(String, String), Arc<[Turn]>>,
    flows: HashMap<(String, String), Arc<Flow>>,
    /// What is added to services as configured.
    pub(crate) steerings: BTreeMap<String, Steering>,
    issuer: jwks::Kept,
    schemas: schema::Kept,
    /// The configuration that the newest table was made from, and what its files said of who may call.
    source: Option<(Arc<Config>, Arc<Auth>)>,
    /// Splits that an operator has set, before those of the configuration.
    pub splits: BTreeMap<String, Vec<(String, u32)>>,
}

impl Learnt {
    /// Nothing yet, for so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { threads, ..Self::default() }
    }

    /// Makes a table. What no longer appears in it is forgotten. Files are read when a configuration is new, not when a split
    /// or a step of a rollout changes the table: what an operator does must not fail because one is being written just then.
    ///
    /// # Errors
    /// What cannot be used although it has been checked: a file that has changed meanwhile.
    pub fn table(&mut self, config: &Arc<Config>) -> Result<Table, String> {
        let before = self.source.take().filter(|(before, _)| Arc::ptr_eq(before, config));
        let again = before.is_some();
        let auth = match before {
            Some((_, auth)) => auth,
            None => Arc::new(Auth::new(config, self.issuer.follow(config.auth.jwt.as_ref())?)?),
        };
        if again {
            // Kept even if the rest of the table cannot be made.
            self.source = Some((Arc::clone(config), Arc::clone(&auth)));
        }
        let mut services = BTreeMap::new();
        for (name, configured) in &config.services {
            services.insert(name.clone(), Arc::new(self.service(config, name, configured, again)?));
        }
        let mut routes = Vec::new();
        let mut patterns = Vec::new();
        for (name, route) in config.all_routes() {
            // It has been checked that the service is there.
            let Some(service) = services.get(&route.service) else { continue };
            patterns.push(pattern(&route));
            routes.push(self.route(config, &auth, &name, &route, service, &services)?);
        }
        self.forget(&routes, &services);
        self.source = Some((Arc::clone(config), Arc::clone(&auth)));
        self.tables += 1;
        Ok(Table {
            version: self.tables,
            undecided: Flow::new(self.threads),
            router: Router::new(patterns),
            routes,
            services: services.into_values().collect(),
            trusted: config.trusted_proxies.iter().filter_map(|n| n.parse().ok()).collect(),
            auth,
            forwarded: config.forwarded,
            config: Arc::clone(config),
        })
    }

    fn service(
        &mut self,
        config: &Config,
        name: &str,
        configured: &ServiceConfig,
        again: bool,
    ) -> Result<Service, String> {
        let steering = self.steerings.get(name).cloned();
        let service = match &steering {
            Some(steering) => Cow::Owned(steering.applied(name, configured)?),
            None => Cow::Borrowed(configured),
        };
        let filters = service.filters.or(&config.filters);
        let breaker = filters.breaker.unwrap_or_default();
        let trust = self.trust(name, &service, again)?;
        let mut versions = Vec::new();
        for (version, urls) in &service.versions {
            let steered = steering.as_ref().is_some_and(|s| s.versions.contains_key(version));
            let before = self.next_endpoint;
            let mut endpoints = Vec::new();
            for url in urls.as_slice() {
                endpoints.push(self.endpoint(name, version, url, &service, trust.as_ref(), steered)?);
            }
            // What was learnt of a version that now runs somewhere else entirely says nothing of it.
            if steered && endpoints.iter().all(|endpoint| endpoint.id > before) {
                self.begin_anew(name, version);
            }
            let key = (name.to_owned(), version.clone());
            let flow = self.flows.entry(key).or_insert_with(|| Flow::new(self.threads));
            let flow = Arc::clone(flow);
            versions.push(Version {
                name: version.as_str().into(),
                breaker: self.breaker(name, version, &breaker),
                outliers: self.outliers(name, version, service.outlier.as_ref(), &endpoints),
                turns: self.turns(name, version),
                endpoints,
                flow,
                steered,
            });
        }
        let shares = self.shares(name, configured, steering.as_ref(), &versions);
        let place = |version: &str| versions.iter().position(|v| &*v.name == version);
        let header_routes = steering.iter().flat_map(|s| &s.header_routes);
        let header_routes = header_routes.filter_map(|rule| rule_of(rule, &place)).collect();
        let mirror = steering.as_ref().and_then(|s| s.mirror.as_ref());
        let mirror = mirror.and_then(|mirror| Some((place(&mirror.version)?, mirror.percent / 100.0)));
        let turns = self.turns(name, GATEWAY);
        Ok(Service {
            name: name.into(),
            split: Split::new(&shares),
            shares,
            versions,
            sticky: service.sticky.clone(),
            host: service.host,
            health: service.health.clone(),
            turns,
            header_routes,
            mirror,
            steered: steering.is_some_and(|steering| !steering.shares.is_empty()),
        })
    }

    /// Whose turn it is among the versions of a service, or among the endpoints of a version.
    fn turns(&mut self, service: &str, version: &str) -> Arc<[Turn]> {
        let threads = self.threads.max(1);
        let made = || (0..threads).map(|_| Turn::default()).collect();
        let key = (service.to_owned(), version.to_owned());
        Arc::clone(self.turns.entry(key).or_insert_with(made))
    }

    /// How the encrypted endpoints of a service are called. As long as whom they are trusted by is the same, the same
    /// configuration is used; `again` says that the section is the one that was read before.
    fn trust(&mut self, name: &str, service: &ServiceConfig, again: bool) -> Result<Option<Trust>, String> {
        if !service.versions.values().flat_map(OneOrMany::as_slice).any(|url| url.starts_with("https:")) {
            self.trusts.remove(name);
            return Ok(None);
        }
        if let Some(known) = self.trusts.get(name).filter(|_| again) {
            return Ok(Some(known.clone()));
        }
        let digest = crate::upstream::tls::digest(service)?;
        if let Some(known) = self.trusts.get(name).filter(|known| known.digest == digest) {
            return Ok(Some(known.clone()));
        }
        let made = Trust { config: crate::upstream::tls::client_config(service)?, digest };
        self.trusts.insert(name.to_owned(), made.clone());
        Ok(Some(made))
    }

    /// Forgets what was learnt of a version, except what an operator has forced.
    fn begin_anew(&mut self, service: &str, version: &str) {
        let key = (service.to_owned(), version.to_owned());
        if self.breakers.get(&key).is_some_and(|breaker| !breaker.view(clock::now()).forced) {
            self.breakers.remove(&key);
        }
        self.outliers.remove(&key);
    }

    fn shares(
        &self,
        name: &str,
        service: &ServiceConfig,
        steering: Option<&Steering>,
        versions: &[Version],
    ) -> Vec<u32> {
        let of = |find: &dyn Fn(&str) -> Option<u32>| -> Vec<u32> {
            versions.iter().map(|version| find(&version.name).unwrap_or(0)).collect()
        };
        if let Some(steering) = steering.filter(|steering| !steering.shares.is_empty()) {
            return of(&|version| {
                steering.shares.iter().find(|(v, _)| v == version).map(|(_, share)| *share)
            });
        }
        // What an operator has set holds as long as the versions that take anything are there.
        if let Some(set) = self.splits.get(name) {
            let there = |version: &str| versions.iter().any(|v| &*v.name == version);
            if set.iter().all(|(version, share)| *share == 0 || there(version)) {
                return of(&|version| set.iter().find(|(v, _)| v == version).map(|(_, share)| *share));
            }
            tracing::warn!(
                service = name,
                "the split that was set names a version that is gone; the configured one holds"
            );
        }
        if service.split.is_empty() {
            // The first that is configured: one that is added may stand before it.
            let first = service.versions.keys().next();
            return of(&|version| first.map(|first| u32::from(first == version)));
        }
        of(&|version| service.split.get(version).copied())
    }

    fn endpoint(
        &mut self,
        service: &str,
        version: &str,
        url: &str,
        config: &ServiceConfig,
        trust: Option<&Trust>,
        probed: bool,
    ) -> Result<Arc<Endpoint>, String> {
        let (address, protocol) = (endpoint(url)?, config.protocol);
        let trust = trust.filter(|_| address.tls);
        let digest = trust.map(|trust| trust.digest);
        let key = (service.to_owned(), version.to_owned(), url.to_owned(), protocol, digest);
        if let Some(known) = self.endpoints.get(&key) {
            return Ok(Arc::clone(known));
        }
        self.next_endpoint += 1;
        let authority = HeaderValue::from_str(&address.authority).map_err(|e| e.to_string())?;
        let made = Arc::new(Endpoint {
            id: self.next_endpoint,
            url: url.into(),
            host: address.host.into(),
            port: address.port,
            authority,
            base: address.base.into(),
            protocol,
            tls: trust.map(|trust| Arc::clone(&trust.config)),
            point: split::point(url.as_bytes()),
            // What is checked takes nothing before the first check has passed, unless whoever names it has looked itself, or
            // there is nothing else.
            unready: AtomicBool::new(config.health.is_some() && !probed),
            unchecked: AtomicBool::new(config.health.is_some() && !probed),
            ejected: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        });
        self.endpoints.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn breaker(&mut self, service: &str, version: &str, config: &BreakerConfig) -> Option<Arc<Named>> {
        let key = (service.to_owned(), version.to_owned());
        if !config.enabled {
            self.breakers.remove(&key);
            return None;
        }
        let named = self
            .breakers
            .entry(key)
            .or_insert_with(|| Arc::new(Named::new(service, version, config.settings(), clock::now())));
        named.configure(config.settings());
        Some(Arc::clone(named))
    }

    fn outliers(
        &mut self,
        service: &str,
        version: &str,
        config: Option<&OutlierConfig>,
        endpoints: &[Arc<Endpoint>],
    ) -> Option<Watched> {
        let key = (service.to_owned(), version.to_owned());
        let Some(config) = config else {
            self.outliers.remove(&key);
            endpoints.iter().for_each(|e| e.ejected.store(false, Relaxed));
            return None;
        };
        let settings = Settings {
            consecutive: config.consecutive,
            base: config.base,
            longest: config.longest,
            most: config.most,
            ..Settings::default()
        };
        let members = || endpoints.iter().map(|e| e.id);
        let fresh = || Arc::new(Mutex::new(Outliers::new(settings, members(), clock::now())));
        let known = self.outliers.entry(key).or_insert_with(|| (settings, fresh()));
        if known.0 != settings {
            *known = (settings, fresh());
            endpoints.iter().for_each(|e| e.ejected.store(false, Relaxed));
        }
        known.1.lock().set_members(members());
        Some(Arc::clone(&known.1))
    }

    fn route(
        &mut self,
        config: &Config,
        auth: &Auth,
        name: &str,
        route: &RouteConfig,
        service: &Arc<Service>,
        services: &BTreeMap<String, Arc<Service>>,
    ) -> Result<Route, String> {
        let of_service = config.services.get(&route.service).map(|s| &s.filters);
        let filters = match of_service {
            Some(wider) => route.filters.or(&wider.or(&config.filters)),
            None => route.filters.or(&config.filters),
        };
        let header = |name: &String| HeaderName::from_bytes(name.as_bytes()).ok();
        let threads = self.threads.max(1);
        let versions = service.versions.iter().map(|v| v.name.to_string()).chain([GATEWAY.to_owned()]);
        let counts = versions
            .map(|version| {
                let key = (service.name.to_string(), name.to_owned(), version);
                Arc::clone(self.counts.entry(key).or_insert_with(|| Arc::new(Counts::new(threads))))
            })
            .collect();
        let callers = self
            .callers
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new((0..threads).map(|_| Mutex::new(Top::new(CALLERS))).collect()));
        let callers = Arc::clone(callers);
        let bulkhead = match &filters.bulkhead {
            Some(config) => {
                let gate = self.gates.entry(name.to_owned()).or_insert_with(|| Gate::new(config.settings()));
                gate.configure(config.settings());
                Some(Arc::clone(gate))
            }
            None => {
                self.gates.remove(name);
                None
            }
        };
        let rate_limit = filters.rate_limit.map(|rule| {
            let limits = Arc::clone(self.limits.entry(name.to_owned()).or_default());
            let anonymous = auth.tier(&rule.anonymous).cloned();
            (rule, limits, anonymous)
        });
        let retry = filters.retry.filter(|config| config.attempts > 1).map(|config| {
            let fresh = || (config.clone(), Arc::new(Mutex::new(Budget::new(config.budget()))));
            let known = self.budgets.entry(name.to_owned()).or_insert_with(fresh);
            if known.0 != config {
                *known = fresh();
            }
            let budget = Arc::clone(&known.1);
            Retrying { policy: config.policy(), statuses: config.statuses, replay: config.replay, budget }
        });
        let own = route.mirror.as_ref().and_then(|mirror| {
            let service = mirror.service.as_ref().map_or(Some(service), |name| services.get(name))?;
            let version = mirror.version.as_ref().and_then(|version| service.version(version));
            Some(Mirroring { service: Arc::clone(service), version, share: mirror.percent / 100.0 })
        });
        let steered = service.mirror.map(|(version, share)| Mirroring {
            service: Arc::clone(service),
            version: Some(version),
            share,
        });
        let place = |version: &str| service.version(version);
        let version_routes = route.version_routes.iter().filter_map(|rule| rule_of(rule, &place));
        let schema = filters.validate.as_ref().and_then(|rule| rule.schema.as_ref());
        let schema = schema.map(|file| self.schemas.get(file)).transpose()?;
        Ok(Route {
            name: name.into(),
            matches: words(route),
            prefix: route.prefix.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
            strip: route.strip_prefix,
            version_header: route.version_header.as_ref().and_then(header),
            version_routes: version_routes.collect(),
            mirrors: own.into_iter().chain(steered).collect(),
            timeout: filters.timeout.unwrap_or(TIMEOUT),
            upgrades: filters.upgrades.unwrap_or_else(|| vec!["websocket".to_owned()]),
            max_body: filters.max_body,
            auth: filters.auth,
            rate_limit,
            validate: filters.validate,
            schema,
            api_versions: filters.api_versions.as_ref().map(Versions::new),
            cache: filters.cache,
            bulkhead,
            retry,
            fallback: filters.fallback,
            counts,
            callers,
            service: Arc::clone(service),
        })
    }

    /// Forgets what is no longer named.
    fn forget(&mut self, routes: &[Route], services: &BTreeMap<String, Arc<Service>>) {
        let version = |service: &str, version: &str| {
            services.get(service).is_some_and(|service| service.version(version).is_some())
        };
        self.breakers.retain(|(s, v), _| version(s, v));
        self.outliers.retain(|(s, v), _| version(s, v));
        let versions = || services.values().flat_map(|service| &service.versions);
        let used: HashSet<u64> = versions().flat_map(|v| &v.endpoints).map(|endpoint| endpoint.id).collect();
        self.endpoints.retain(|_, endpoint| used.contains(&endpoint.id));
        self.steerings.retain(|name, _| services.contains_key(name));
        self.trusts.retain(|name, _| services.contains_key(name));
        if self.flows.len() > versions().count() + GONE {
            self.flows.retain(|(s, v), flow| version(s, v) || flow.active() > 0);
        }
        let route = |name: &str| routes.iter().any(|route| &*route.name == name);
        self.counts
            .retain(|(s, r, v), _| route(r) && (v == GATEWAY || version(s, v)) && services.contains_key(s));
        self.callers.retain(|name, _| route(name));
        self.gates.retain(|name, _| route(name));
        self.limits.retain(|name, _| route(name));
        self.budgets.retain(|name, _| route(name));
        self.turns.retain(|(s, v), _| if v == GATEWAY { services.contains_key(s) } else { version(s, v) });
        let uses = |route: &Route, file: &std::path::Path| {
            route.validate.as_ref().is_some_and(|rule| rule.schema.as_deref() == Some(file))
        };
        self.schemas.retain(|file| routes.iter().any(|route| uses(route, file)));
    }

    /// What is under way to a version, whether it is still there or not.
    pub(crate) fn flow(&self, service: &str, version: &str) -> Option<Arc<Flow>> {
        self.flows.get(&(service.to_owned(), version.to_owned())).cloned()
    }

    /// The endpoints that are in use.
    pub fn alive(&self) -> Vec<u64> {
        self.endpoints.values().map(|endpoint| endpoint.id).collect()
    }
}

/// A header that chooses a version, read.
fn rule_of(rule: &VersionRoute, place: &dyn Fn(&str) -> Option<usize>) -> Option<VersionRule> {
    let header = HeaderName::from_bytes(rule.header.as_bytes()).ok()?;
    Some((header, HeaderValue::from_str(&rule.value).ok()?, place(&rule.version)?))
}

fn pattern(route: &RouteConfig) -> Pattern {
    let path = match (&route.path, &route.prefix) {
        (Some(path), _) => PathPattern::Exact(path.clone()),
        (None, prefix) => {
            PathPattern::Prefix(prefix.as_deref().unwrap_or_default().trim_end_matches('/').to_owned())
        }
    };
    let header = |(name, value): (&String, &String)| {
        let value = if value.is_empty() { None } else { HeaderValue::from_str(value).ok() };
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
    };
    Pattern {
        hosts: route.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        path,
        methods: route.methods.iter().filter_map(|m| Method::from_bytes(m.as_bytes()).ok()).collect(),
        headers: route.headers.iter().filter_map(header).collect(),
    }
}

/// Which requests a route takes, in words.
fn words(route: &RouteConfig) -> String {
    let mut words = route.methods.join(",");
    if !words.is_empty() {
        words.push(' ');
    }
    words.push_str(&route.hosts.join(","));
    match (&route.path, &route.prefix) {
        (Some(path), _) => words.push_str(path),
        (None, prefix) => {
            words.push_str(prefix.as_deref().unwrap_or("/").trim_end_matches('/'));
            words.push_str("/*");
        }
    }
    for (name, value) in &route.headers {
        words.push_str(&format!(" {name}:{}", if value.is_empty() { "*" } else { value }));
    }
    words
}
