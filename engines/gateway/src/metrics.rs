//! What the gateway counts, under Prometheus's conventions: `quarterdeck_gateway_…`. Services find their own traffic by the
//! label `service`.

use std::sync::atomic::Ordering::Relaxed;

use quarterdeck_kernel::{Clock, SystemClock};
use quarterdeck_metrics::MetricType::{Counter, Gauge, Histogram};
use quarterdeck_metrics::gather::{Family, FamilySample};
use quarterdeck_resilience::breaker::State;

use crate::clock;
use crate::handle::Control;
use crate::stats::{Totals, bucket_end};

/// One of so many buckets is told: each doubling.
const EVERY: usize = 4;

pub(crate) fn families(control: &Control) -> Vec<Family> {
    let table = control.shared.table();
    let counter = |name: &str, help: &str| Family::new(name, Counter, help);
    let mut requests =
        counter("quarterdeck_gateway_requests_total", "Requests by the status of their answer.");
    let mut duration = Family::new(
        "quarterdeck_gateway_request_duration_seconds",
        Histogram,
        "From a request's header to the last byte of its answer.",
    );
    let mut active = Family::new("quarterdeck_gateway_requests_active", Gauge, "Requests under way.");
    let mut refused =
        counter("quarterdeck_gateway_refused_total", "Requests that the gateway itself refused.");
    let mut retries = counter("quarterdeck_gateway_retries_total", "Attempts after the first.");
    let mut received = counter("quarterdeck_gateway_received_bytes_total", "Bytes of requests' bodies.");
    let mut sent = counter("quarterdeck_gateway_sent_bytes_total", "Bytes of answers' bodies.");
    for route in &table.routes {
        let names = route.service.versions.iter().map(|v| &*v.name).chain([crate::table::GATEWAY]);
        for (version, counts) in names.zip(&route.counts) {
            let total = counts.total();
            let labels = [("service", &*route.service.name), ("route", &*route.name), ("version", version)];
            for (code, count) in total.codes() {
                let code = code.to_string();
                let [service, route, version] = labels;
                requests.add(&[service, route, version, ("code", &code)], count as f64);
            }
            histogram(&mut duration, &labels, &total);
            active.add(&labels, total.active as f64);
            refused.add(&labels, total.refused as f64);
            retries.add(&labels, total.retried as f64);
            received.add(&labels, total.received as f64);
            sent.add(&labels, total.sent as f64);
        }
    }
    let mut all = vec![requests, duration, active, refused, retries, received, sent];
    all.extend(upstreams(control));
    all.extend(whole(control));
    all
}

fn histogram(family: &mut Family, labels: &[(&str, &str)], total: &Totals) {
    let own: Vec<(String, String)> = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let mut below = 0;
    for (bucket, count) in total.buckets.iter().enumerate() {
        below += count;
        // The last one holds what is longer too: it is told as infinity only.
        if bucket % EVERY == EVERY - 1 && bucket + 1 < total.buckets.len() {
            let bound = ("le".to_owned(), bucket_end(bucket).to_string());
            let labels = own.iter().cloned().chain([bound]).collect();
            family.samples.push(FamilySample { suffix: "_bucket", labels, value: below as f64 });
        }
    }
    let labels = own.iter().cloned().chain([("le".to_owned(), "+Inf".to_owned())]).collect();
    family.samples.push(FamilySample { suffix: "_bucket", labels, value: below as f64 });
    family.samples.push(FamilySample {
        suffix: "_sum",
        labels: own.clone(),
        value: total.micros as f64 / 1e6,
    });
    family.samples.push(FamilySample { suffix: "_count", labels: own, value: below as f64 });
}

fn upstreams(control: &Control) -> Vec<Family> {
    let table = control.shared.table();
    let gauge = |name: &str, help: &str| Family::new(name, Gauge, help);
    let mut share = gauge("quarterdeck_gateway_split_ratio", "The share of a version, from 0 to 1.");
    let mut breaker = gauge(
        "quarterdeck_gateway_breaker_state",
        "The state of the circuit breaker: 0 closed, 1 half-open, 2 open.",
    );
    let mut broken = Family::new(
        "quarterdeck_gateway_breaker_refused_total",
        Counter,
        "Calls that the circuit breaker did not let through.",
    );
    let mut up = gauge("quarterdeck_gateway_endpoint_up", "1 while the endpoint takes requests.");
    let mut sent =
        Family::new("quarterdeck_gateway_endpoint_requests_total", Counter, "Requests sent to the endpoint.");
    let mut failed = Family::new(
        "quarterdeck_gateway_endpoint_failures_total",
        Counter,
        "Requests that the endpoint failed.",
    );
    let mut room = gauge("quarterdeck_gateway_bulkhead_running", "Requests within the bulkhead.");
    for service in &table.services {
        let sum: u64 = service.shares.iter().map(|s| u64::from(*s)).sum();
        for (version, weight) in service.versions.iter().zip(&service.shares) {
            let labels = [("service", &*service.name), ("version", &*version.name)];
            share.add(&labels, f64::from(*weight) / (sum.max(1) as f64));
            if let Some(named) = &version.breaker {
                let view = named.view(clock::now());
                let state = match view.state {
                    State::Closed => 0.0,
                    State::HalfOpen => 1.0,
                    State::Open => 2.0,
                };
                breaker.add(&labels, state);
                broken.add(&labels, view.refused as f64);
            }
            for endpoint in &version.endpoints {
                let [service, version] = labels;
                let labels = [service, version, ("endpoint", &*endpoint.url)];
                up.add(&labels, f64::from(u8::from(endpoint.available())));
                sent.add(&labels, endpoint.requests.load(Relaxed) as f64);
                failed.add(&labels, endpoint.failures.load(Relaxed) as f64);
            }
        }
    }
    for route in &table.routes {
        if let Some(gate) = &route.bulkhead {
            room.add(
                &[("service", &*route.service.name), ("route", &*route.name)],
                gate.view().running.into(),
            );
        }
    }
    vec![share, breaker, broken, up, sent, failed, room]
}

fn whole(control: &Control) -> Vec<Family> {
    let shared = &control.shared;
    let counter = |name: &str, help: &str, n: u64| Family::single(name, Counter, help, n as f64);
    let gauge = |name: &str, help: &str, n: usize| Family::single(name, Gauge, help, n as f64);
    let cache = shared.answers().counts();
    let (samples, skipped) = shared.samples.counts();
    let mut all = key_set(control);
    all.extend([
        gauge("quarterdeck_gateway_connections", "Connections of callers.", shared.connections.load(Relaxed)),
        gauge("quarterdeck_gateway_tunnels", "Tunnels, such as WebSockets.", shared.tunnels.load(Relaxed)),
        counter("quarterdeck_gateway_accepted_total", "Connections accepted.", shared.accepted.load(Relaxed)),
        counter(
            "quarterdeck_gateway_accept_errors_total",
            "Times that accepting failed, mostly for want of file descriptors.",
            shared.accept_errors.load(Relaxed),
        ),
        counter(
            "quarterdeck_gateway_handshake_errors_total",
            "Connections that came to nothing: handshake, PROXY protocol.",
            shared.handshake_errors.load(Relaxed),
        ),
        counter(
            "quarterdeck_gateway_untrusted_proxies_total",
            "Connections closed because nobody trusts their address to speak the PROXY protocol.",
            shared.strangers.load(Relaxed),
        ),
        counter(
            "quarterdeck_gateway_quota_overflow_total",
            "Requests held to no quota for want of room to remember their callers.",
            shared.quotas.overflow(),
        ),
        counter(
            "quarterdeck_gateway_ambiguous_total",
            "Connections closed because the framing of a request was ambiguous.",
            shared.ambiguous.load(Relaxed),
        ),
        counter(
            "quarterdeck_gateway_header_timeouts_total",
            "Connections closed because a header did not end.",
            shared.expired.load(Relaxed),
        ),
        counter(
            "quarterdeck_gateway_unrouted_total",
            "Requests that no route took.",
            shared.unrouted.load(Relaxed),
        ),
        counter(
            "quarterdeck_gateway_mirrored_total",
            "Copies of requests sent.",
            shared.mirrored.load(Relaxed),
        ),
        counter(
            "quarterdeck_gateway_mirrors_skipped_total",
            "Copies of requests not sent.",
            shared.mirrors_skipped.load(Relaxed),
        ),
        counter("quarterdeck_gateway_cache_hits_total", "Answers from the cache.", cache.hits),
        counter(
            "quarterdeck_gateway_cache_misses_total",
            "Answers that the cache did not know.",
            cache.misses,
        ),
        counter(
            "quarterdeck_gateway_cache_stale_total",
            "Answers past their time, because a service failed.",
            cache.stale,
        ),
        counter(
            "quarterdeck_gateway_cache_evictions_total",
            "Answers that made way for others.",
            cache.evictions,
        ),
        Family::single(
            "quarterdeck_gateway_cache_bytes",
            Gauge,
            "Bytes that the cache holds.",
            cache.bytes as f64,
        ),
        counter("quarterdeck_gateway_samples_total", "Requests that were looked at.", samples),
        counter(
            "quarterdeck_gateway_samples_skipped_total",
            "Failed requests not looked at for want of room.",
            skipped,
        ),
    ]);
    all
}

/// The issuer's keys, where they are fetched.
fn key_set(control: &Control) -> Vec<Family> {
    let table = control.shared.table();
    let Some(remote) = &table.auth.remote else { return Vec::new() };
    let view = remote.view();
    let gauge = |name: &str, help: &str, n: f64| Family::single(name, Gauge, help, n);
    let mut all = vec![
        gauge("quarterdeck_gateway_jwks_keys", "Keys of the issuer that are known.", view.keys as f64),
        Family::single(
            "quarterdeck_gateway_jwks_failures_total",
            Counter,
            "Times that the issuer's keys could not be fetched.",
            view.failures as f64,
        ),
    ];
    if let Some(fetched) = view.fetched {
        let age = SystemClock.now().since(fetched).as_secs_f64();
        let help = "Seconds since the issuer's keys were last fetched.";
        all.push(gauge("quarterdeck_gateway_jwks_age_seconds", help, age));
    }
    all
}
