//! The configuration as traffic needs it: immutable, made anew at every change and swapped in one step. What has been learnt
//! (counts, breakers, limits, endpoints' health) is shared between the old one and the new one.

mod build;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use quarterdeck_resilience::Outcome;
use quarterdeck_resilience::outlier::{Change, Outliers};
use quarterdeck_resilience::retry::{Budget, Policy};

pub use build::{Learnt, endpoint};

use crate::address::Network;
use crate::config::filters::{AuthRule, CacheRule, Fallback, RateLimit, Validation};
use crate::config::{Config, Forwarded, HealthConfig, HostHeader, Sticky};
use crate::filters::auth::{Auth, Tier};
use crate::filters::breaker::Named;
use crate::filters::bulkhead::Gate;
use crate::filters::limit::{RouteLimits, Who};
use crate::filters::schema::Schema;
use crate::filters::versions::Versions;
use crate::flow::Flow;
use crate::route::Router;
use crate::split::Split;
use crate::stats::{Counts, Top};
use crate::upstream::Endpoint;

/// A table as one thread holds it: counting who holds it is then that thread's business alone.
pub(crate) type TableRef = Arc<Arc<Table>>;

/// What traffic is steered by.
#[derive(Debug)]
pub struct Table {
    /// Grows with every table.
    pub version: u64,
    /// What it was made from.
    pub config: Arc<Config>,
    pub(crate) router: Router,
    /// Routes by place.
    pub routes: Vec<Route>,
    /// Services by name.
    pub services: Vec<Arc<Service>>,
    pub(crate) trusted: Vec<Network>,
    pub(crate) auth: Arc<Auth>,
    pub(crate) forwarded: Forwarded,
    /// Requests that have begun under this table and not chosen a version yet.
    pub(crate) undecided: Arc<Flow>,
}

/// Counts of what the gateway answers itself are kept under this version's name.
pub const GATEWAY: &str = "";

/// A route.
#[derive(Debug)]
pub struct Route {
    /// Its name.
    pub name: Arc<str>,
    /// Where it leads.
    pub service: Arc<Service>,
    /// Which requests it takes, in words.
    pub matches: String,
    /// What is cut off paths.
    pub(crate) prefix: String,
    pub(crate) strip: bool,
    pub(crate) version_header: Option<HeaderName>,
    pub(crate) version_routes: Vec<VersionRule>,
    pub(crate) mirrors: Vec<Mirroring>,
    pub(crate) timeout: Duration,
    pub(crate) upgrades: Vec<String>,
    pub(crate) max_body: Option<u64>,
    pub(crate) auth: Option<AuthRule>,
    pub(crate) rate_limit: Option<(RateLimit, Arc<RouteLimits>, Option<Arc<Tier>>)>,
    pub(crate) validate: Option<Validation>,
    pub(crate) schema: Option<Arc<Schema>>,
    /// Versions of the interface.
    pub api_versions: Option<Versions>,
    pub(crate) cache: Option<CacheRule>,
    /// Room.
    pub bulkhead: Option<Arc<Gate>>,
    pub(crate) retry: Option<Retrying>,
    pub(crate) fallback: Option<Fallback>,
    /// For each version of the service, and last for what the gateway answers itself.
    pub counts: Vec<Arc<Counts>>,
    pub(crate) callers: Arc<Callers>,
}

/// A header, its value, and the version that requests with it go to.
pub(crate) type VersionRule = (HeaderName, HeaderValue, usize);

/// The callers of a route, by thread.
pub(crate) type Callers = Vec<Mutex<Top<Who>>>;

impl Route {
    /// Whether connections may be switched to a protocol here.
    pub(crate) fn switches_to(&self, protocol: &HeaderValue) -> bool {
        self.upgrades.iter().any(|own| protocol.as_bytes().eq_ignore_ascii_case(own.as_bytes()))
    }

    pub(crate) fn count_caller(&self, thread: usize, who: &Who) {
        if let Some(top) = self.callers.get(thread) {
            top.lock().count(who);
        }
    }

    /// The most frequent callers and how many requests they made.
    #[must_use]
    pub fn top_callers(&self, most: usize) -> Vec<(String, u64)> {
        let mut all = std::collections::HashMap::<String, u64>::new();
        for top in self.callers.iter() {
            for (who, count) in top.lock().iter() {
                *all.entry(who.to_string()).or_default() += count;
            }
        }
        let mut all: Vec<(String, u64)> = all.into_iter().collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(most);
        all
    }
}

/// Where copies go.
#[derive(Debug)]
pub(crate) struct Mirroring {
    pub(crate) service: Arc<Service>,
    pub(crate) version: Option<usize>,
    pub(crate) share: f64,
}

/// How a route asks again.
#[derive(Debug)]
pub(crate) struct Retrying {
    pub(crate) policy: Policy,
    pub(crate) statuses: Vec<u16>,
    pub(crate) replay: usize,
    pub(crate) budget: Arc<Mutex<Budget>>,
}

/// A service.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Arc<str>,
    /// Its versions, by name.
    pub versions: Vec<Version>,
    /// The share of each.
    pub shares: Vec<u32>,
    pub(crate) split: Split,
    pub(crate) sticky: Option<Sticky>,
    pub(crate) host: HostHeader,
    pub(crate) health: Option<HealthConfig>,
    /// Which version's turn it is, for each thread.
    pub(crate) turns: Arc<[Turn]>,
    /// Headers that choose a version on every route, before what the routes say.
    pub(crate) header_routes: Vec<VersionRule>,
    /// Where a copy of every route's requests goes, and of which share of them.
    pub(crate) mirror: Option<(usize, f64)>,
    /// Its shares are neither configured nor an operator's: see [`crate::Steering`].
    pub steered: bool,
}

/// Counters that have a line of the processor's cache to themselves.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Turn {
    /// Of requests.
    own: AtomicU64,
    /// Of copies: were they counted with the others, both would see only every second turn.
    copies: AtomicU64,
}

impl Turn {
    fn next(turns: &[Self], thread: usize, copy: bool) -> u64 {
        let turn = &turns[thread % turns.len()];
        if copy { turn.copies.fetch_add(1, Relaxed) } else { turn.own.fetch_add(1, Relaxed) }
    }
}

impl Service {
    /// The version of a name.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<usize> {
        self.versions.iter().position(|version| &*version.name == name)
    }

    /// The version whose turn it is; copies have turns of their own.
    pub(crate) fn next_version(&self, thread: usize, copy: bool) -> usize {
        self.split.nth(Turn::next(&self.turns, thread, copy))
    }

    pub(crate) fn version_at(&self, point: u64) -> usize {
        self.split.at(point)
    }

    /// The endpoint of a version for a caller, if it sticks to one, or the next in turn; `tried` are passed over if any other
    /// is there. None when none takes requests.
    pub(crate) fn endpoint(
        &self,
        version: usize,
        thread: usize,
        point: Option<u64>,
        tried: &[u64],
    ) -> Option<&Arc<Endpoint>> {
        self.versions[version].endpoint(thread, point, tried, false)
    }

    /// The endpoint of a version that a copy goes to.
    pub(crate) fn endpoint_for_copy(&self, version: usize, thread: usize) -> Option<&Arc<Endpoint>> {
        self.versions[version].endpoint(thread, None, &[], true)
    }
}

/// A version of a service.
#[derive(Debug)]
pub struct Version {
    /// Its name.
    pub name: Arc<str>,
    /// Where it runs.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Its breaker, if there is one.
    pub breaker: Option<Arc<Named>>,
    pub(crate) outliers: Option<Arc<Mutex<Outliers<u64>>>>,
    /// Which endpoint's turn it is, for each thread.
    pub(crate) turns: Arc<[Turn]>,
    /// What is under way to it.
    pub(crate) flow: Arc<Flow>,
    /// Where it runs is not configured: see [`crate::Steering`].
    pub steered: bool,
}

impl Version {
    fn endpoint(
        &self,
        thread: usize,
        point: Option<u64>,
        tried: &[u64],
        copy: bool,
    ) -> Option<&Arc<Endpoint>> {
        let found = self.find(thread, point, tried, copy, Endpoint::available);
        // A table that has just come names endpoints of which no check knows: better these than nothing.
        if found.is_none() && !copy {
            self.find(thread, point, tried, copy, Endpoint::untried)
        } else {
            found
        }
    }

    fn find(
        &self,
        thread: usize,
        point: Option<u64>,
        tried: &[u64],
        copy: bool,
        may: impl Fn(&Endpoint) -> bool,
    ) -> Option<&Arc<Endpoint>> {
        let endpoints = &self.endpoints;
        let good = |e: &&Arc<Endpoint>| may(e) && !tried.contains(&e.id);
        if let Some(point) = point {
            let members = endpoints.iter().enumerate().filter(|(_, e)| good(e)).map(|(i, e)| (i, e.point));
            return crate::split::rendezvous(point, members).map(|i| &endpoints[i]);
        }
        if let [only] = endpoints.as_slice() {
            return Some(only).filter(good);
        }
        let turn = Turn::next(&self.turns, thread, copy);
        let start = (turn % endpoints.len() as u64) as usize;
        (0..endpoints.len()).map(|i| &endpoints[(start + i) % endpoints.len()]).find(good)
    }

    /// What came of a request to an endpoint.
    pub(crate) fn tell(&self, endpoint: &Endpoint, outcome: Outcome) {
        if outcome == Outcome::Failure {
            endpoint.failures.fetch_add(1, Relaxed);
        }
        if let Some(outliers) = &self.outliers {
            let change = outliers.lock().tell(&endpoint.id, outcome, crate::clock::now());
            self.apply(change.as_ref());
        }
    }

    /// Lets time pass: endpoints that were left out return.
    pub(crate) fn tick(&self) {
        if let Some(outliers) = &self.outliers {
            let changes = outliers.lock().tick(crate::clock::now());
            changes.into_iter().for_each(|change| self.apply(Some(&change)));
        }
    }

    fn apply(&self, change: Option<&Change<u64>>) {
        let find = |id: u64| self.endpoints.iter().find(|e| e.id == id);
        match change {
            Some(Change::Ejected { member, why, .. }) => {
                if let Some(endpoint) = find(*member) {
                    tracing::warn!(endpoint = &*endpoint.url, ?why, "endpoint left out");
                    endpoint.ejected.store(true, Relaxed);
                }
            }
            Some(Change::Returned { member }) => {
                if let Some(endpoint) = find(*member) {
                    tracing::info!(endpoint = &*endpoint.url, "endpoint takes part again");
                    endpoint.ejected.store(false, Relaxed);
                }
            }
            None => {}
        }
    }
}

impl Table {
    /// Whether a neighbour is believed what it says of callers.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// The service of a name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.iter().find(|service| &*service.name == name)
    }
}
