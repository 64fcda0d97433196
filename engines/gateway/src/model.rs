//! What the gateway shows of itself.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use quarterdeck_kernel::{Subject, SubjectKind, Timestamp};
use quarterdeck_resilience::{breaker, bulkhead};

pub use crate::filters::access::{Sample, Step};
pub use crate::filters::cache::CacheCounts;
pub use crate::filters::jwks::KeySetView;
pub use crate::filters::limit::Standing;
use crate::filters::limit::Who;
pub use crate::filters::quota::Quota;
use crate::stats::Top;

/// The gateway as of one version.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// See [`quarterdeck_kernel::Snapshot::version`].
    pub version: u64,
    /// When it was taken.
    pub taken: Timestamp,
    /// Where it listens.
    pub listeners: Arc<[ListenerView]>,
    /// Figures of the whole.
    pub totals: TotalsView,
    /// Services by name.
    pub services: Vec<Arc<ServiceView>>,
    /// Routes by name.
    pub routes: Vec<Arc<RouteView>>,
    /// Consumers that are nearest to the limit of their tier.
    pub limits: Vec<Standing>,
    /// What operators allow consumers whatever their tier is: requests a minute.
    pub grants: Vec<(String, u32)>,
    /// Addresses whose attempts to be known failed most often.
    pub failures: Vec<Standing>,
    /// Callers who have used most of today's quota.
    pub quotas: Vec<Quota>,
    /// The issuer's keys, where they are fetched.
    pub keys: Option<KeySetView>,
    /// The memory of answers.
    pub cache: CacheCounts,
    /// Requests that were looked at, oldest first.
    pub samples: Arc<[Arc<Sample>]>,
}

impl quarterdeck_kernel::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}

impl Snapshot {
    /// The service of a name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Arc<ServiceView>> {
        self.services.iter().find(|service| &*service.name == name)
    }

    /// The route of a name.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&Arc<RouteView>> {
        self.routes.iter().find(|route| &*route.name == name)
    }
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerView {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it is encrypted.
    pub tls: bool,
    /// Whether connections say who they are from.
    pub proxy_protocol: bool,
}

/// Figures of the whole gateway; counts are since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TotalsView {
    /// Connections of callers.
    pub connections: usize,
    /// Tunnels.
    pub tunnels: usize,
    /// Bytes through tunnels, from callers.
    pub tunnel_up: u64,
    /// Bytes through tunnels, to callers.
    pub tunnel_down: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Times that accepting failed: out of file descriptors, mostly.
    pub accept_errors: u64,
    /// Connections that came to nothing: handshake, PROXY protocol.
    pub handshake_errors: u64,
    /// Connections that were closed because nobody trusts their address to speak the PROXY protocol.
    pub strangers: u64,
    /// Connections that were closed because their framing was ambiguous.
    pub ambiguous: u64,
    /// Connections that were closed because a header did not end.
    pub expired: u64,
    /// Requests that no route took.
    pub unrouted: u64,
    /// Copies sent.
    pub mirrored: u64,
    /// Copies not sent: too many under way, or a body that could not be kept.
    pub mirrors_skipped: u64,
    /// Connections to endpoints that are kept.
    pub kept: usize,
    /// Samples taken.
    pub samples: u64,
    /// Refusals and failures that left no sample for want of room.
    pub samples_skipped: u64,
    /// Callers forgotten by limits although they were in use.
    pub limits_evicted: u64,
    /// Requests that were held to no quota for want of room to remember their callers.
    pub quotas_overflow: u64,
    /// Requests of all routes.
    pub traffic: Traffic,
}

/// Traffic: rates and times over the last [`WINDOW`], counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Traffic {
    /// Requests a second.
    pub rate: f64,
    /// The share of failed ones (500 and above), from 0 to 1; None without any.
    pub errors: Option<f64>,
    /// The share that the gateway itself refused.
    pub refused: Option<f64>,
    /// Half of them took less, in seconds.
    pub p50: Option<f64>,
    /// 95 of 100 took less.
    pub p95: Option<f64>,
    /// 99 of 100 took less.
    pub p99: Option<f64>,
    /// Under way.
    pub active: u64,
    /// Requests since the start.
    pub requests: u64,
    /// Failed ones since the start.
    pub failed: u64,
    /// Attempts after the first since the start.
    pub retried: u64,
    /// Bytes of answers' bodies a second.
    pub sent_rate: f64,
}

/// How many seconds rates and times are over.
pub const WINDOW: usize = 10;

/// A service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceView {
    /// Its name.
    pub name: Arc<str>,
    /// Its versions.
    pub versions: Vec<VersionView>,
    /// The split was set by an operator, not by the configuration.
    pub split_set: bool,
    /// The split is neither: deployment control steers the service.
    pub steered: bool,
    /// Its traffic.
    pub traffic: Traffic,
}

impl ServiceView {
    /// What it is pointed at with.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::new(SubjectKind::Service, &*self.name)
    }

    /// The split as actions write it: `v1=90,v2=10`.
    #[must_use]
    pub fn split(&self) -> String {
        let shares: Vec<String> = self.versions.iter().map(|v| format!("{}={}", v.name, v.weight)).collect();
        shares.join(",")
    }
}

/// A version of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionView {
    /// Its name.
    pub name: Arc<str>,
    /// Its weight, as it was given.
    pub weight: u32,
    /// Its share, from 0 to 1.
    pub share: f64,
    /// Where it runs is not configured but added while traffic runs.
    pub steered: bool,
    /// Where it runs.
    pub endpoints: Vec<EndpointView>,
    /// Its breaker.
    pub breaker: Option<BreakerView>,
    /// Its traffic.
    pub traffic: Traffic,
}

/// A breaker, in the console's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerView {
    /// What it has seen and does.
    pub view: breaker::View,
    /// Since when it is in its state.
    pub since: Timestamp,
    /// When the last failure was.
    pub last_failure: Option<Timestamp>,
    /// When the next may try, while it is open.
    pub next_probe: Option<Timestamp>,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointView {
    /// Its URL.
    pub url: Arc<str>,
    /// Checks find it well, or there are none.
    pub ready: bool,
    /// It is left out because it failed.
    pub ejected: bool,
    /// Requests sent since the start.
    pub requests: u64,
    /// Failed ones.
    pub failures: u64,
    /// Connections opened.
    pub connections: u64,
}

/// A route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteView {
    /// Its name.
    pub name: Arc<str>,
    /// Where it leads.
    pub service: Arc<str>,
    /// Which requests it takes, in words.
    pub matches: String,
    /// The filters it has, in their order.
    pub filters: Vec<&'static str>,
    /// Its traffic.
    pub traffic: Traffic,
    /// Its room.
    pub bulkhead: Option<bulkhead::View>,
    /// Callers nearest to its own limit.
    pub limits: Vec<Standing>,
    /// The most frequent callers, and how many requests they made.
    pub callers: Vec<(String, u64)>,
    /// Versions of the interface.
    pub versions: Vec<ApiVersionView>,
    /// Requests that the cache answered since the start.
    pub cache_hits: u64,
    /// Requests that it could have answered and did not know the answer of.
    pub cache_misses: u64,
    /// Paths that are kept warm, where there are any.
    pub warming: Option<WarmingView>,
}

/// Paths of a route that are asked for before callers do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WarmingView {
    /// How many there are: each path for each host that it is asked for as.
    pub paths: usize,
    /// How many of their answers are kept.
    pub kept: usize,
    /// How many are being asked for.
    pub running: usize,
    /// What is wrong with one of them.
    pub problem: Option<String>,
}

impl RouteView {
    /// What it is pointed at with.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::new(SubjectKind::Route, &*self.name)
    }
}

/// A version of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiVersionView {
    /// As callers name it.
    pub name: Arc<str>,
    /// Where it is in its life: `active`, `deprecated`, `sunset`, `retired`.
    pub state: &'static str,
    /// Since when it is deprecated.
    pub deprecated: Option<Timestamp>,
    /// When it ends.
    pub sunset: Option<Timestamp>,
    /// Who still uses it, and how often.
    pub callers: Vec<(String, u64)>,
}

/// Who uses which version of an interface.
#[derive(Debug, Default)]
pub(crate) struct VersionUses(Mutex<HashMap<RouteAndVersion, Top<Who>>>);

type RouteAndVersion = (Arc<str>, Arc<str>);

impl VersionUses {
    /// Callers that are remembered for each version.
    const MOST: usize = 64;

    pub(crate) fn count(&self, route: &Arc<str>, version: &Arc<str>, caller: &Who) {
        let mut uses = self.0.lock();
        let key = (Arc::clone(route), Arc::clone(version));
        uses.entry(key).or_insert_with(|| Top::new(Self::MOST)).count(caller);
    }

    pub(crate) fn of(&self, route: &Arc<str>, version: &Arc<str>) -> Vec<(String, u64)> {
        let uses = self.0.lock();
        let Some(top) = uses.get(&(Arc::clone(route), Arc::clone(version))) else { return Vec::new() };
        let mut all: Vec<(String, u64)> = top.iter().map(|(who, count)| (who.to_string(), count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all
    }

    pub(crate) fn retain(&self, there: impl Fn(&str) -> bool) {
        self.0.lock().retain(|(route, _), _| there(route));
    }
}
