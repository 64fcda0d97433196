//! Making snapshots. What rates are made of is kept here: counts of the last seconds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use quarterdeck_kernel::{Clock, Timestamp};
use quarterdeck_resilience::Moment;

use crate::clock;
use crate::filters::limit;
use crate::handle::Control;
use crate::model::{
    ApiVersionView, BreakerView, EndpointView, ListenerView, Quota, RouteView, ServiceView, Snapshot,
    Standing, TotalsView, Traffic, VersionView, WINDOW,
};
use crate::stats::{Counts, Totals};
use crate::table::{Route, Service, Table};

/// How many of a list are shown.
const SHOWN: usize = 20;
const SECOND: Duration = Duration::from_secs(1);

/// Makes snapshots.
#[derive(Debug)]
pub(crate) struct Viewer {
    version: u64,
    history: HashMap<usize, History>,
    sampled: Option<Instant>,
    /// What takes a look at every caller, and is told once a second.
    slow: Slow,
    /// Rates of the last snapshot are above nothing: they must be seen to fall.
    moving: bool,
}

/// Callers and how many requests each made.
type Frequent = Vec<(String, u64)>;

#[derive(Debug, Default)]
struct Slow {
    limits: Vec<Standing>,
    failures: Vec<Standing>,
    quotas: Vec<Quota>,
    evicted: u64,
    /// By route: its own limit, and its callers.
    routes: HashMap<Arc<str>, (Vec<Standing>, Frequent)>,
}

#[derive(Debug)]
struct History {
    counts: Arc<Counts>,
    /// Once a second, oldest first.
    past: VecDeque<(Instant, Totals)>,
}

/// What came in the window, and what there is in all.
#[derive(Clone, Debug, Default)]
struct Seen {
    window: Totals,
    seconds: f64,
    total: Totals,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.window.add(&other.window);
        self.total.add(&other.total);
        self.seconds = self.seconds.max(other.seconds);
    }

    fn traffic(&self) -> Traffic {
        let requests = self.window.requests();
        let share = |n: u64| (requests > 0).then(|| n as f64 / requests as f64);
        Traffic {
            rate: requests as f64 / self.seconds.max(1.0),
            errors: share(self.window.errors()),
            refused: share(self.window.refused),
            p50: self.window.quantile(0.5),
            p95: self.window.quantile(0.95),
            p99: self.window.quantile(0.99),
            active: self.total.active,
            requests: self.total.requests(),
            failed: self.total.errors(),
            retried: self.total.retried,
            sent_rate: self.window.sent as f64 / self.seconds.max(1.0),
        }
    }
}

impl Viewer {
    pub(crate) fn new() -> Self {
        Self { version: 0, history: HashMap::new(), sampled: None, slow: Slow::default(), moving: false }
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.moving
    }

    pub(crate) fn view(&mut self, control: &Control, clock: &dyn Clock) -> Snapshot {
        let (table, now, taken) = (control.shared.table(), Instant::now(), clock.now());
        if self.remember(&table, now) {
            self.look_at_callers(control, &table);
        }
        self.version += 1;
        let set: Vec<String> = control.learnt.lock().splits.keys().cloned().collect();
        let mut all = Seen::default();
        let routes: Vec<Arc<RouteView>> = table
            .routes
            .iter()
            .map(|route| {
                let mut seen = Seen::default();
                route.counts.iter().for_each(|counts| seen.add(&self.seen(counts, now)));
                all.add(&seen);
                Arc::new(self.route(control, route, &seen))
            })
            .collect();
        let services = table
            .services
            .iter()
            .map(|service| Arc::new(self.service(&table, service, &set, now, taken)))
            .collect();
        self.moving = all.window.requests() > 0 || all.total.active > 0;
        let shared = &control.shared;
        let (samples, samples_skipped) = shared.samples.counts();
        let listener = |l: &Arc<crate::server::accept::Listening>| {
            let settings = l.settings.load();
            ListenerView {
                address: l.address,
                tls: settings.tls.is_some(),
                proxy_protocol: settings.proxy_protocol,
            }
        };
        Snapshot {
            version: self.version,
            taken,
            listeners: control.listening.lock().iter().map(listener).collect(),
            totals: TotalsView {
                connections: shared.connections.load(Relaxed),
                tunnels: shared.tunnels.load(Relaxed),
                tunnel_up: shared.traffic.up.load(Relaxed),
                tunnel_down: shared.traffic.down.load(Relaxed),
                accepted: shared.accepted.load(Relaxed),
                accept_errors: shared.accept_errors.load(Relaxed),
                handshake_errors: shared.handshake_errors.load(Relaxed),
                strangers: shared.strangers.load(Relaxed),
                ambiguous: shared.ambiguous.load(Relaxed),
                expired: shared.expired.load(Relaxed),
                unrouted: shared.unrouted.load(Relaxed),
                mirrored: shared.mirrored.load(Relaxed),
                mirrors_skipped: shared.mirrors_skipped.load(Relaxed),
                kept: control.pools.iter().map(|worker| worker.pool.kept()).sum(),
                samples,
                samples_skipped,
                limits_evicted: self.slow.evicted,
                quotas_overflow: shared.quotas.overflow(),
                traffic: all.traffic(),
            },
            services,
            routes,
            limits: self.slow.limits.clone(),
            grants: shared.grants.all(),
            failures: self.slow.failures.clone(),
            quotas: self.slow.quotas.clone(),
            keys: table.auth.remote.as_ref().map(|remote| remote.view()),
            cache: shared.answers().counts(),
            samples: shared.samples.all(),
        }
    }

    fn look_at_callers(&mut self, control: &Control, table: &Table) {
        let shared = &control.shared;
        let of = |route: &Route| {
            let limits =
                route.rate_limit.as_ref().map(|(_, own, _)| own.own.standings(SHOWN)).unwrap_or_default();
            (Arc::clone(&route.name), (limits, route.top_callers(SHOWN)))
        };
        let grants = shared.grants.all();
        let granted = |who: &str| grants.iter().any(|(name, _)| limit::Who::read(name).to_string() == who);
        let mut limits = shared.tiers.standings(SHOWN);
        // What is no longer granted says nothing about anybody.
        limits
            .retain(|standing| *standing.policy != *limit::Policy::Granted.name() || granted(&standing.who));
        self.slow = Slow {
            limits,
            failures: shared.failures.standings(SHOWN),
            quotas: shared.quotas.top(SHOWN),
            evicted: shared.tiers.evicted() + shared.failures.evicted(),
            routes: table.routes.iter().map(of).collect(),
        };
    }

    /// Keeps the counts once a second, and forgets those that are no longer counted. True if it has.
    fn remember(&mut self, table: &Table, now: Instant) -> bool {
        if self.sampled.is_some_and(|before| now.duration_since(before) < SECOND) {
            return false;
        }
        self.sampled = Some(now);
        let mut old = std::mem::take(&mut self.history);
        for counts in table.routes.iter().flat_map(|route| &route.counts) {
            let key = Arc::as_ptr(counts) as usize;
            let mut history = old
                .remove(&key)
                .unwrap_or_else(|| History { counts: Arc::clone(counts), past: VecDeque::new() });
            history.past.push_back((now, history.counts.total()));
            if history.past.len() > WINDOW + 1 {
                history.past.pop_front();
            }
            self.history.insert(key, history);
        }
        true
    }

    fn seen(&self, counts: &Arc<Counts>, now: Instant) -> Seen {
        let total = counts.total();
        let oldest =
            self.history.get(&(Arc::as_ptr(counts) as usize)).and_then(|history| history.past.front());
        match oldest {
            Some((then, before)) => {
                let seconds = now.duration_since(*then).as_secs_f64();
                Seen { window: total.since(before), seconds, total }
            }
            None => Seen { window: total.since(&Totals::default()), seconds: 1.0, total },
        }
    }

    fn service(
        &self,
        table: &Table,
        service: &Arc<Service>,
        set: &[String],
        now: Instant,
        taken: Timestamp,
    ) -> ServiceView {
        let routes = || table.routes.iter().filter(|route| Arc::ptr_eq(&route.service, service));
        let sum: u64 = service.shares.iter().map(|share| u64::from(*share)).sum();
        let mut all = Seen::default();
        let versions = service.versions.iter().enumerate().map(|(place, version)| {
            let mut seen = Seen::default();
            routes().for_each(|route| seen.add(&self.seen(&route.counts[place], now)));
            all.add(&seen);
            let weight = service.shares[place];
            VersionView {
                steered: version.steered,
                name: Arc::clone(&version.name),
                weight,
                share: if sum == 0 {
                    f64::from(u8::from(place == 0))
                } else {
                    f64::from(weight) / sum as f64
                },
                endpoints: version
                    .endpoints
                    .iter()
                    .map(|endpoint| EndpointView {
                        url: Arc::clone(&endpoint.url),
                        ready: !endpoint.unready.load(Relaxed),
                        ejected: endpoint.ejected.load(Relaxed),
                        requests: endpoint.requests.load(Relaxed),
                        failures: endpoint.failures.load(Relaxed),
                        connections: endpoint.connections.load(Relaxed),
                    })
                    .collect(),
                breaker: version.breaker.as_ref().map(|breaker| {
                    let moment = clock::now();
                    let view = breaker.view(moment);
                    let at = |then: Moment| taken - moment.saturating_sub(then);
                    BreakerView {
                        view,
                        since: at(view.since),
                        last_failure: view.last_failure.map(at),
                        next_probe: view.next_probe_in.map(|wait| taken + wait),
                    }
                }),
                traffic: seen.traffic(),
            }
        });
        let versions = versions.collect();
        // What the gateway itself answered counts for the service, though for no version.
        routes().filter_map(|route| route.counts.last()).for_each(|counts| all.add(&self.seen(counts, now)));
        let split_set = set.iter().any(|name| **name == *service.name);
        ServiceView {
            name: Arc::clone(&service.name),
            versions,
            split_set,
            steered: service.steered,
            traffic: all.traffic(),
        }
    }

    fn route(&self, control: &Control, route: &Route, seen: &Seen) -> RouteView {
        let (limits, callers) = self.slow.routes.get(&route.name).cloned().unwrap_or_default();
        let mut filters = vec!["trace"];
        for (there, name) in [
            (route.auth.is_some(), "auth"),
            (route.api_versions.is_some(), "versions"),
            (route.validate.is_some() || route.max_body.is_some(), "validate"),
            (route.rate_limit.is_some(), "limit"),
            (route.cache.is_some(), "cache"),
            (route.bulkhead.is_some(), "bulkhead"),
            (true, "split"),
            (route.service.versions.iter().any(|v| v.breaker.is_some()), "breaker"),
            (route.retry.is_some(), "retry"),
            (route.fallback.is_some(), "fallback"),
            (!route.mirrors.is_empty(), "mirror"),
        ] {
            if there {
                filters.push(name);
            }
        }
        let versions =
            route.api_versions.iter().flat_map(crate::filters::versions::Versions::all).map(|version| {
                ApiVersionView {
                    name: Arc::clone(&version.name),
                    state: version.state.as_str(),
                    deprecated: version.deprecated.map(timestamp),
                    sunset: version.sunset.map(timestamp),
                    callers: control.shared.versions.of(&route.name, &version.name),
                }
            });
        RouteView {
            name: Arc::clone(&route.name),
            service: Arc::clone(&route.service.name),
            matches: route.matches.clone(),
            filters,
            traffic: seen.traffic(),
            bulkhead: route.bulkhead.as_ref().map(|gate| gate.view()),
            limits,
            callers,
            versions: versions.collect(),
            cache_hits: seen.total.cache_hits,
            cache_misses: seen.total.cache_misses,
            warming: control.warming.lock().get(&route.name).cloned(),
        }
    }
}

fn timestamp(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millisecond())
}
