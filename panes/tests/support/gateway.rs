//! A gateway made by hand: two services, one of them split and with a version that fails.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::{
    ApiVersionView, BreakerView, CacheCounts, EndpointView, KeySetView, ListenerView, Quota, RouteView,
    Sample, ServiceView, Standing, Step, TotalsView, Traffic, VersionView,
};
use quarterdeck_gateway::problem::Code;
use quarterdeck_kernel::{ActionSpec, Invocation, Reason as Why, Subject};
use quarterdeck_panes::World;
use quarterdeck_panes::world::{Actions, Console};
use quarterdeck_resilience::breaker::{Reason, State, View};
use quarterdeck_resilience::bulkhead;

use super::{NOW, at, empty_world};

/// The registry of the gateway: everything is available.
struct Registry(Vec<ActionSpec>);

impl Actions for Registry {
    fn specs(&self) -> &[ActionSpec] {
        &self.0
    }

    fn available(&self, _: &str, _: Option<&Subject>) -> Result<(), Why> {
        Ok(())
    }

    fn preview(&self, _: &Invocation) -> Vec<String> {
        vec!["as the engine has it".to_owned()]
    }
}

pub(crate) fn traffic(rate: f64, errors: f64, p99_ms: f64) -> Traffic {
    Traffic {
        rate,
        errors: Some(errors),
        refused: Some(0.0),
        p50: Some(p99_ms / 4e3),
        p95: Some(p99_ms / 2e3),
        p99: Some(p99_ms / 1e3),
        active: 3,
        requests: (rate * 600.0) as u64,
        failed: (rate * errors * 600.0) as u64,
        retried: 4,
        sent_rate: rate * 1200.0,
    }
}

pub(crate) fn breaker(state: State, reason: Reason, forced: bool) -> BreakerView {
    let open = state == State::Open;
    BreakerView {
        view: View {
            state,
            reason,
            since: Duration::from_secs(10),
            forced,
            failures: if open { 5 } else { 0 },
            limit: 5,
            calls: 2400,
            succeeded: 2300,
            failed: 100,
            refused: 12,
            last_failure: None,
            next_probe_in: open.then_some(Duration::from_secs(41)),
            successes: 0,
        },
        since: at(-19),
        last_failure: Some(at(-19)),
        next_probe: (open && !forced).then(|| at(41)),
    }
}

fn endpoint(port: u16, ready: bool, ejected: bool) -> EndpointView {
    EndpointView {
        url: format!("http://127.0.0.1:{port}").into(),
        ready,
        ejected,
        requests: 24_000,
        failures: 96,
        connections: 16,
    }
}

pub(crate) fn version(name: &str, weight: u32, share: f64, rate: f64) -> VersionView {
    VersionView {
        steered: false,
        name: name.into(),
        weight,
        share,
        endpoints: vec![endpoint(9001, true, false), endpoint(9002, true, false)],
        breaker: Some(breaker(State::Closed, Reason::New, false)),
        traffic: traffic(rate, 0.001, 29.0),
    }
}

pub(crate) fn route(name: &str, service: &str, rate: f64) -> RouteView {
    RouteView {
        name: name.into(),
        service: service.into(),
        matches: format!("{service}.example.com/{name}/*"),
        filters: vec!["trace", "limit", "split", "breaker"],
        traffic: traffic(rate, 0.0004, 31.0),
        bulkhead: None,
        limits: Vec::new(),
        callers: vec![("alice".to_owned(), 4200), ("10.0.0.7".to_owned(), 91)],
        versions: Vec::new(),
        cache_hits: 0,
        cache_misses: 0,
        warming: None,
    }
}

fn standing(who: &str, policy: &str, remaining: u32, refused: u64) -> Standing {
    Standing { who: who.to_owned(), policy: policy.into(), count: 60, seconds: 60, remaining, refused }
}

fn sample(number: u64, status: u16, version: &str) -> Sample {
    let step = |filter, micros, note: Option<&str>| Step {
        filter,
        took: Some(Duration::from_micros(micros)),
        note: note.map(str::to_owned),
    };
    Sample {
        number,
        at: at(-10).plus_millis(number as i64 * 250),
        request_id: format!("01J8-{number}"),
        method: "GET".to_owned(),
        host: "orders.example.com".to_owned(),
        path: format!("/orders/{number}"),
        caller: "alice".to_owned(),
        route: Some("orders".into()),
        service: Some("orders".into()),
        version: Some(version.into()),
        endpoint: Some("http://127.0.0.1:9001".into()),
        status,
        took: Duration::from_micros(31_400),
        attempts: 1,
        sent: 1_240,
        steps: vec![
            step("trace", 4, None),
            step("limit", 11, Some("alice: 12 left of 60")),
            step("split", 2, Some(version)),
            step("breaker", 1, None),
            step("upstream", 31_200, None),
        ],
        refused: None,
        error: None,
    }
}

fn refused(number: u64) -> Sample {
    let mut refused = sample(number, 429, "v1");
    refused.steps.truncate(2);
    (refused.version, refused.endpoint, refused.took) = (None, None, Duration::from_micros(21));
    refused.caller = "mallory".to_owned();
    refused.refused = Some((Code::RateLimited, "mallory made 60 requests in 60 s".to_owned()));
    refused
}

/// Orders takes 90 % on v1 and 10 % on v2, whose breaker is open; prices has one version, keeps answers and has an old
/// interface that two still call.
pub(crate) fn snapshot() -> Snapshot {
    let mut v2 = version("v2", 10, 0.1, 41.0);
    v2.breaker = Some(breaker(State::Open, Reason::Failures, false));
    v2.endpoints =
        vec![endpoint(9003, true, false), endpoint(9004, false, false), endpoint(9005, true, true)];
    v2.traffic = traffic(41.0, 0.031, 84.0);
    let orders = ServiceView {
        name: "orders".into(),
        versions: vec![version("v1", 90, 0.9, 371.0), v2],
        split_set: true,
        steered: false,
        traffic: traffic(412.0, 0.004, 40.0),
    };
    let prices = ServiceView {
        name: "prices".into(),
        versions: vec![version("v1", 1, 1.0, 8140.0)],
        split_set: false,
        steered: false,
        traffic: traffic(8140.0, 0.0, 3.0),
    };
    let mut books = route("orders", "orders", 412.0);
    books.bulkhead = Some(bulkhead::View {
        running: 20,
        waiting: 3,
        concurrency: 20,
        queue: 50,
        entered: 90_000,
        refused: 2,
        expired: 1,
    });
    books.limits = vec![standing("all", "route", 40, 0)];
    let mut quotes = route("prices", "prices", 8140.0);
    quotes.filters.insert(1, "cache");
    quotes.callers = vec![("feed".to_owned(), 91_000), ("alice".to_owned(), 12)];
    (quotes.cache_hits, quotes.cache_misses) = (90_000, 8_000);
    let api = |name: &str, state, sunset: Option<i64>, callers: &[(&str, u64)]| ApiVersionView {
        name: name.into(),
        state,
        deprecated: sunset.map(|seconds| at(seconds - 90 * 86_400)),
        sunset: sunset.map(at),
        callers: callers.iter().map(|(who, n)| ((*who).to_owned(), *n)).collect(),
    };
    quotes.versions = vec![
        api("2026-01", "active", None, &[("feed", 90_000)]),
        api("2025-06", "deprecated", Some(40 * 86_400), &[("alice", 12), ("bob", 3)]),
        api("2024-01", "retired", Some(-40 * 86_400), &[]),
    ];
    Snapshot {
        version: 7,
        taken: NOW,
        listeners: Arc::from([ListenerView {
            address: ([127, 0, 0, 1], 8080).into(),
            tls: false,
            proxy_protocol: false,
        }]),
        totals: TotalsView {
            connections: 24,
            unrouted: 3,
            samples: 41,
            samples_skipped: 2,
            traffic: traffic(8552.0, 0.0002, 9.0),
            ..TotalsView::default()
        },
        services: vec![Arc::new(orders), Arc::new(prices)],
        routes: vec![Arc::new(books), Arc::new(quotes)],
        limits: vec![standing("alice", "basic", 12, 0), standing("mallory", "free", 0, 4021)],
        grants: vec![("bob".to_owned(), 600), ("eve".to_owned(), 0)],
        failures: vec![standing("2001:db8:1:2::/64", "failures", 0, 310)],
        quotas: vec![
            Quota { who: "alice".into(), used: 8123, daily: Some(50_000) },
            Quota { who: "10.0.0.7".into(), used: 1000, daily: Some(1000) },
        ],
        keys: Some(KeySetView {
            url: "https://id.example.com/keys".to_owned(),
            keys: 2,
            fetched: Some(at(-240)),
            failures: 0,
            error: None,
        }),
        cache: CacheCounts {
            hits: 91_000,
            misses: 9_000,
            stale: 3,
            waited: 40,
            evictions: 12,
            purged: 7,
            entries: 120,
            bytes: 1_258_291,
            capacity: 67_108_864,
        },
        samples: (1..=40)
            .map(|n| {
                Arc::new(if n % 8 == 0 {
                    refused(n)
                } else {
                    sample(n, if n % 7 == 0 { 503 } else { 200 }, "v1")
                })
            })
            .collect(),
    }
}

/// A world with this gateway.
pub(crate) fn world_of(snapshot: Snapshot) -> World {
    World {
        gateway: Arc::new(snapshot),
        console: Arc::new(Console { environment: "test".to_owned(), ..Console::default() }),
        actions: Arc::new(Registry(quarterdeck_gateway::actions())),
        ..empty_world()
    }
}
