//! Every mistake of the section that its types do not show.

mod cache;

use std::time::Duration;

use hyper::header::HeaderName;
use hyper::{Method, StatusCode, Uri};
use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;

use super::oneline::is_name;
use super::{Config, ConsumerConfig, Filters, RouteConfig, ServiceConfig, Sticky};
use crate::address::Network;

/// The largest share that a version of a split can have.
pub(crate) const LARGEST_SHARE: u32 = 1_000_000;

const NAME: &str = "letters, digits, -, _ and .";

/// The key below `gateway` (as in `services.orders.versions.v1`) and what is wrong there.
#[must_use]
pub fn validate(config: &Config) -> Vec<(String, Diagnostic)> {
    let mut checks = Checks { config, found: Vec::new() };
    checks.all();
    checks.found
}

struct Checks<'a> {
    config: &'a Config,
    found: Vec<(String, Diagnostic)>,
}

impl Checks<'_> {
    fn wrong(&mut self, key: impl Into<String>, message: impl Into<String>, advice: impl Into<String>) {
        self.found.push((key.into(), Diagnostic::new(message).advise(advice)));
    }

    fn all(&mut self) {
        let config = self.config;
        let listens = !config.listen.is_empty() || !config.listeners.is_empty();
        if listens && config.services.is_empty() {
            let advice = "write [gateway.services.NAME] with versions = { v1 = \"http://HOST:PORT\" }";
            self.wrong("services", "the gateway listens but has no service", advice);
        }
        self.addresses();
        for (name, service) in &config.services {
            self.service(name, service);
        }
        for (name, route) in &config.routes {
            self.route(name, route);
        }
        // Callers are told of their tier in structured fields.
        for name in config.tiers.keys().filter(|name| !is_name(name)) {
            self.wrong(format!("tiers.{name}"), format!("{name:?} is not a name for a tier"), NAME);
        }
        self.filters("filters", &config.filters, None);
        for (i, network) in config.trusted_proxies.iter().enumerate() {
            self.network(&format!("trusted_proxies[{i}]"), network);
        }
        self.bounds();
        self.auth();
    }

    fn addresses(&mut self) {
        let config = self.config;
        let mut seen = Vec::new();
        let plain = config.listen.iter().enumerate().map(|(i, a)| (format!("listen[{i}]"), *a));
        let named = config.listeners.iter().map(|(name, l)| (format!("listeners.{name}.address"), l.address));
        for (key, address) in plain.chain(named) {
            if address.port() != 0 && seen.contains(&address) {
                self.wrong(key, format!("{address} is listened on twice"), "leave one of them out");
            }
            seen.push(address);
        }
        for (name, listener) in &config.listeners {
            let key = format!("listeners.{name}");
            for (i, network) in listener.trusted.iter().enumerate() {
                self.network(&format!("{key}.trusted[{i}]"), network);
            }
            if listener.proxy_protocol && listener.trusted.is_empty() && config.trusted_proxies.is_empty() {
                self.wrong(
                    format!("{key}.proxy_protocol"),
                    "nobody is trusted to say who a connection is from: whoever connects could call itself anybody",
                    "write trusted = [\"10.0.0.7\"] beside it with the addresses of your proxies, or trusted_proxies in [gateway]",
                );
            }
            let Some(tls) = &listener.tls else { continue };
            let files =
                [("cert", Some(&tls.cert)), ("key", Some(&tls.key)), ("client_ca", tls.client_ca.as_ref())];
            let mut there = true;
            for (key, file) in files.into_iter().filter_map(|(key, file)| Some((key, file?))) {
                if let Err(error) = std::fs::File::open(file) {
                    let message = format!("{} cannot be read: {error}", file.display());
                    self.wrong(
                        format!("listeners.{name}.tls.{key}"),
                        message,
                        "write the path of a PEM file",
                    );
                    there = false;
                }
            }
            if there && let Err(why) = crate::server::tls::server_config(tls) {
                self.wrong(
                    format!("listeners.{name}.tls.cert"),
                    why,
                    "give a certificate and its key, both as PEM",
                );
            }
        }
    }

    fn service(&mut self, name: &str, service: &ServiceConfig) {
        let key = format!("services.{name}");
        if !is_name(name) {
            self.wrong(&key, format!("{name:?} is not a name for a service"), NAME);
        }
        if service.versions.is_empty() {
            let advice = "write versions = { v1 = \"http://HOST:PORT\" }";
            self.wrong(format!("{key}.versions"), format!("{name} has no version"), advice);
        }
        for (version, endpoints) in &service.versions {
            let key = format!("{key}.versions.{version}");
            if !is_name(version) {
                self.wrong(&key, format!("{version:?} is not a name for a version"), NAME);
            }
            if endpoints.as_slice().is_empty() {
                self.wrong(&key, format!("{version} has no endpoint"), "write http://HOST:PORT");
            }
            for endpoint in endpoints.as_slice() {
                if let Err(why) = crate::table::endpoint(endpoint) {
                    self.wrong(
                        &key,
                        why,
                        "write http://HOST:PORT or https://HOST, with a path if all paths are below one",
                    );
                }
            }
        }
        for (version, share) in &service.split {
            self.version(&format!("{key}.split.{version}"), service, version);
            if *share > LARGEST_SHARE {
                let message = format!("{share} is out of range");
                self.wrong(format!("{key}.split.{version}"), message, format!("from 0 to {LARGEST_SHARE}"));
            }
        }
        if !service.split.is_empty() && service.split.values().all(|share| *share == 0) {
            self.wrong(format!("{key}.split"), "no version takes anything", "give one a share above 0");
        }
        match &service.sticky {
            Some(Sticky::Header(header)) => self.header(&format!("{key}.sticky.header"), header),
            Some(Sticky::Cookie(cookie)) if !is_name(cookie) => {
                self.wrong(
                    format!("{key}.sticky.cookie"),
                    format!("{cookie:?} is not a name for a cookie"),
                    NAME,
                );
            }
            _ => {}
        }
        if let Some(file) = &service.ca_file
            && let Err(why) = crate::upstream::tls::roots(file)
        {
            self.wrong(format!("{key}.ca_file"), why, "write the path of a PEM file");
        }
        match (&service.client_cert, &service.client_key) {
            (Some(_), Some(_)) => {
                // The authority is looked at by itself.
                let shown = ServiceConfig { ca_file: None, ..service.clone() };
                if let Err(why) = crate::upstream::tls::client_config(&shown) {
                    let advice = "give a certificate and its key, both as PEM";
                    self.wrong(format!("{key}.client_cert"), why, advice);
                }
            }
            (Some(_), None) => {
                self.wrong(
                    format!("{key}.client_cert"),
                    "a certificate needs its key",
                    "write client_key too",
                );
            }
            (None, Some(_)) => {
                self.wrong(
                    format!("{key}.client_key"),
                    "a key needs its certificate",
                    "write client_cert too",
                );
            }
            (None, None) => {}
        }
        if let Some(health) = &service.health {
            let paths = [Some(&health.path), health.startup_path.as_ref(), health.liveness_path.as_ref()];
            for path in paths.into_iter().flatten() {
                self.path(&format!("{key}.health"), path);
            }
            self.above_zero(&format!("{key}.health.period"), health.period);
            self.above_zero(&format!("{key}.health.timeout"), health.timeout);
        }
        if let Some(outlier) = &service.outlier
            && !(0.0..=1.0).contains(&outlier.most)
        {
            self.wrong(
                format!("{key}.outlier.most"),
                format!("{} is out of range", outlier.most),
                "from 0 to 1",
            );
        }
        self.filters(&format!("{key}.filters"), &service.filters, Some(service));
    }

    fn version(&mut self, key: &str, service: &ServiceConfig, version: &str) {
        if !service.versions.contains_key(version) {
            let names: Vec<&str> = service.versions.keys().map(String::as_str).collect();
            let near = nearest(version, names.iter().copied()).map(|n| format!("did you mean {n}? "));
            let advice = format!("{}there are: {}", near.unwrap_or_default(), names.join(", "));
            self.wrong(key, format!("there is no version {version:?}"), advice);
        }
    }

    fn service_named(&mut self, key: &str, name: &str) -> Option<&'_ ServiceConfig> {
        let found = self.config.services.get(name);
        if found.is_none() {
            let names: Vec<&str> = self.config.services.keys().map(String::as_str).collect();
            let near = nearest(name, names.iter().copied()).map(|n| format!("did you mean {n}? "));
            let advice = format!("{}there are: {}", near.unwrap_or_default(), names.join(", "));
            self.wrong(key, format!("there is no service {name:?}"), advice);
        }
        found
    }

    fn route(&mut self, name: &str, route: &RouteConfig) {
        let key = format!("routes.{name}");
        if !is_name(name) {
            self.wrong(&key, format!("{name:?} is not a name for a route"), NAME);
        }
        let config = self.config;
        self.service_named(&format!("{key}.service"), &route.service);
        if route.path.is_some() && route.prefix.is_some() {
            self.wrong(format!("{key}.path"), "both path and prefix are given", "leave one of them out");
        }
        for (field, path) in [("path", &route.path), ("prefix", &route.prefix)] {
            if let Some(path) = path {
                self.path(&format!("{key}.{field}"), path);
            }
        }
        for (i, host) in route.hosts.iter().enumerate() {
            let bare = host.strip_prefix("*.").unwrap_or(host);
            let lawful =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':' | '[' | ']');
            if bare.is_empty() || !bare.chars().all(lawful) {
                let advice = "write a name such as example.com or *.example.com";
                self.wrong(format!("{key}.hosts[{i}]"), format!("{host:?} is not a host name"), advice);
            }
        }
        for (i, method) in route.methods.iter().enumerate() {
            let known = Method::from_bytes(method.as_bytes()).is_ok();
            if !known || method.chars().any(|c| c.is_ascii_lowercase()) {
                self.wrong(
                    format!("{key}.methods[{i}]"),
                    format!("{method:?} is not a method"),
                    "such as GET",
                );
            }
        }
        for header in route.headers.keys().chain(&route.version_header) {
            self.header(&format!("{key}.headers"), header);
        }
        let service = config.services.get(&route.service);
        for (i, rule) in route.version_routes.iter().enumerate() {
            self.header(&format!("{key}.version_routes[{i}].header"), &rule.header);
            if let Some(service) = service {
                self.version(&format!("{key}.version_routes[{i}].version"), service, &rule.version);
            }
        }
        if let Some(mirror) = &route.mirror {
            if !(0.0..=100.0).contains(&mirror.percent) {
                let message = format!("{} is out of range", mirror.percent);
                self.wrong(format!("{key}.mirror.percent"), message, "from 0 to 100");
            }
            let target = mirror.service.as_deref().unwrap_or(&route.service);
            if mirror.service.is_some() {
                self.service_named(&format!("{key}.mirror.service"), target);
            }
            match (config.services.get(target), &mirror.version) {
                (Some(service), Some(version)) => {
                    self.version(&format!("{key}.mirror.version"), service, version);
                }
                (_, None) if mirror.service.is_none() => {
                    let message = "a mirror names neither a service nor a version";
                    self.wrong(format!("{key}.mirror"), message, "say where copies go");
                }
                _ => {}
            }
        }
        if route.filters.breaker.is_some() {
            let advice = format!("write it as [gateway.services.{}.filters.breaker]", route.service);
            self.wrong(format!("{key}.filters.breaker"), "a circuit breaker belongs to a service", advice);
        }
        self.filters(&format!("{key}.filters"), &route.filters, service);
    }

    fn filters(&mut self, key: &str, filters: &Filters, service: Option<&ServiceConfig>) {
        if let Some(limit) = &filters.rate_limit {
            if let Some(rate) = &limit.rate {
                self.above_zero(&format!("{key}.rate_limit.rate.per"), rate.per);
            }
            self.tier(&format!("{key}.rate_limit.anonymous"), &limit.anonymous);
        }
        if let Some(timeout) = filters.timeout {
            self.above_zero(&format!("{key}.timeout"), timeout);
        }
        for protocol in filters.upgrades.iter().flatten() {
            // Other requests could be made over it that no filter sees.
            if protocol.to_ascii_lowercase().starts_with("h2c") || protocol.trim().is_empty() {
                let advice = "name protocols that are not HTTP, as `websocket`; HTTP/2 needs no switch";
                self.wrong(format!("{key}.upgrades"), format!("`{protocol}` cannot be tunnelled"), advice);
            }
        }
        if let Some(file) = filters.validate.as_ref().and_then(|rule| rule.schema.as_ref())
            && let Err(why) = crate::filters::schema::read(file)
        {
            let advice = "write the path of a JSON Schema (draft 2020-12)";
            self.wrong(format!("{key}.validate.schema"), why, advice);
        }
        for header in filters.validate.iter().flat_map(|v| &v.required_headers) {
            self.header(&format!("{key}.validate.required_headers"), header);
        }
        if let Some(cache) = &filters.cache {
            self.cache(&format!("{key}.cache"), cache);
        }
        if let Some(fallback) = &filters.fallback {
            let lawful = StatusCode::from_u16(fallback.status).is_ok_and(|s| s.as_u16() >= 200);
            if !lawful {
                let message = format!("{} is not a status of an answer", fallback.status);
                self.wrong(format!("{key}.fallback.status"), message, "from 200 to 599");
            }
        }
        if let Some(retry) = &filters.retry {
            if !(1..=20).contains(&retry.attempts) {
                let message = format!("{} is out of range", retry.attempts);
                self.wrong(format!("{key}.retry.attempts"), message, "from 1 (never again) to 20");
            }
            if !(retry.factor >= 1.0 && retry.factor.is_finite()) {
                self.wrong(
                    format!("{key}.retry.factor"),
                    format!("{} is out of range", retry.factor),
                    "at least 1",
                );
            }
            if !(0.0..=100.0).contains(&retry.budget) {
                self.wrong(
                    format!("{key}.retry.budget"),
                    format!("{} is out of range", retry.budget),
                    "from 0 to 100",
                );
            }
        }
        if let Some(bulkhead) = &filters.bulkhead
            && bulkhead.concurrency == 0
        {
            self.wrong(format!("{key}.bulkhead.concurrency"), "nothing could ever run", "at least 1");
        }
        if let Some(breaker) = &filters.breaker
            && (breaker.failures == 0 || breaker.successes == 0)
        {
            self.wrong(format!("{key}.breaker"), "failures and successes must be above 0", "such as 5 and 3");
        }
        let Some(api) = &filters.api_versions else { return };
        let key = format!("{key}.api_versions");
        self.header(&format!("{key}.header"), &api.header);
        if let Some(default) = &api.default
            && !api.versions.contains_key(default)
        {
            self.wrong(format!("{key}.default"), format!("{default:?} is not one of the versions"), "");
        }
        for (name, version) in &api.versions {
            for (field, time) in [("deprecated", &version.deprecated), ("sunset", &version.sunset)] {
                if let Some(time) = time
                    && time.parse::<jiff::Timestamp>().is_err()
                {
                    let message = format!("{time:?} is not a time");
                    self.wrong(
                        format!("{key}.versions.{name}.{field}"),
                        message,
                        "such as 2026-12-31T23:59:59Z",
                    );
                }
            }
            if let (Some(service), Some(upstream)) = (service, &version.upstream) {
                self.version(&format!("{key}.versions.{name}.upstream"), service, upstream);
            }
        }
    }

    fn auth(&mut self) {
        let auth = &self.config.auth;
        if let Some(header) = &auth.key_header {
            self.header("auth.key_header", header);
        }
        self.above_zero("auth.failures.per", auth.failures.per);
        for (name, ConsumerConfig { addresses, tier, .. }) in &auth.consumers {
            for (i, network) in addresses.iter().enumerate() {
                self.network(&format!("auth.consumers.{name}.addresses[{i}]"), network);
            }
            if let Some(tier) = tier {
                self.tier(&format!("auth.consumers.{name}.tier"), tier);
            }
        }
        if let Some(jwt) = &auth.jwt {
            if jwt.jwks_file.is_none() && jwt.jwks_url.is_none() && jwt.secret.is_none() {
                let advice = "write jwks_url, jwks_file or secret";
                self.wrong("auth.jwt", "nothing is given to verify tokens with", advice);
            }
            if let Err(wrong) = crate::filters::jwt::Verifier::new(jwt, None) {
                let advice = match wrong.field {
                    "secret" => "such as what `openssl rand -base64 32` prints",
                    _ => "write the path of a JSON Web Key Set",
                };
                self.wrong(format!("auth.jwt.{}", wrong.field), wrong.why, advice);
            }
            let wrong = match &jwt.jwks_ca_file {
                Some(file) => crate::upstream::tls::roots(file).err(),
                None => None,
            };
            if let Some(why) = wrong {
                self.wrong("auth.jwt.jwks_ca_file", why, "write the path of a PEM file");
            } else if let Err(why) = crate::filters::jwks::Kept::default().follow(Some(jwt)) {
                self.wrong("auth.jwt.jwks_url", why, "such as https://id.example.com/.well-known/jwks.json");
            }
            if jwt.jwks_refresh < Duration::from_secs(30) {
                let message = format!("{:?} is out of range", jwt.jwks_refresh);
                self.wrong("auth.jwt.jwks_refresh", message, "at least 30s");
            }
        }
    }

    fn tier(&mut self, key: &str, tier: &str) {
        let tiers = self.config.all_tiers();
        if !tiers.contains_key(tier) {
            let names: Vec<&str> = tiers.keys().map(String::as_str).collect();
            let near = nearest(tier, names.iter().copied()).map(|n| format!("did you mean {n}? "));
            let advice = format!("{}there are: {}", near.unwrap_or_default(), names.join(", "));
            self.wrong(key, format!("there is no tier {tier:?}"), advice);
        }
    }

    fn header(&mut self, key: &str, header: &str) {
        if HeaderName::from_bytes(header.as_bytes()).is_err() {
            self.wrong(key, format!("{header:?} is not a name for a header"), "such as x-user");
        }
    }

    fn path(&mut self, key: &str, path: &str) {
        if !path.starts_with('/') || path.contains(['?', '#']) || path.parse::<Uri>().is_err() {
            self.wrong(key, format!("{path:?} is not a path"), "write /, /orders or the like");
        }
    }

    fn network(&mut self, key: &str, text: &str) {
        if text.parse::<Network>().is_err() {
            self.wrong(
                key,
                format!("{text:?} is not an address or network"),
                "such as 10.0.0.7 or 10.0.0.0/8",
            );
        }
    }

    fn above_zero(&mut self, key: &str, time: Duration) {
        if time.is_zero() {
            self.wrong(key, "it is zero", "write a time such as 10s");
        }
    }

    fn bounds(&mut self) {
        let (limits, timeouts) = (&self.config.limits, &self.config.timeouts);
        for (key, value, least, most) in [
            ("threads", self.config.threads, 0, 256),
            ("limits.connections", limits.connections, 1, 1 << 20),
            ("limits.header_bytes", limits.header_bytes, 8192, 1 << 20),
            ("limits.headers", limits.headers, 1, 1000),
            ("limits.streams", limits.streams as usize, 1, 10_000),
            ("limits.kept", limits.kept, 0, 1 << 16),
            ("limits.tunnels", limits.tunnels, 0, 1 << 20),
            ("limits.samples", limits.samples, 0, 1 << 16),
            ("cache.largest", self.config.cache.largest, 0, 1 << 30),
        ] {
            if value < least || value > most {
                self.wrong(key, format!("{value} is out of range"), format!("from {least} to {most}"));
            }
        }
        for (key, time) in [
            ("timeouts.header", timeouts.header),
            ("timeouts.idle", timeouts.idle),
            ("timeouts.connect", timeouts.connect),
            ("timeouts.tunnel", timeouts.tunnel),
        ] {
            self.above_zero(key, time);
        }
    }
}
