//! `[gateway]`: where traffic comes in, what it is for, where it goes and what is done to it on the way.

mod caching;
pub mod filters;
pub mod oneline;
pub(crate) mod validate;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use quarterdeck_journal::configuration::SecretRef;
use quarterdeck_kernel::time::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use filters::Filters;
pub use validate::validate;

/// The section `[gateway]`. Without a listener no traffic is taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses that take plain HTTP/1.1 and HTTP/2 (with prior knowledge), such as `["127.0.0.1:8080"]`.
    #[schemars(with = "Vec<String>")]
    pub listen: Vec<SocketAddr>,
    /// Listeners by name, where more than an address is to be said.
    pub listeners: BTreeMap<String, ListenerConfig>,
    /// Threads that carry traffic; 0 is one for each processor. Takes effect at the next start.
    pub threads: usize,
    /// Services by name, as the console's other parts know them.
    pub services: BTreeMap<String, ServiceConfig>,
    /// Routes by name. Without any, a single service takes everything, and of several each takes the paths below its
    /// own name.
    pub routes: BTreeMap<String, RouteConfig>,
    /// What is done to every request, unless a service or a route says otherwise.
    pub filters: Filters,
    /// Addresses and networks (`10.0.0.0/8`) whose forwarded headers are believed.
    pub trusted_proxies: Vec<String>,
    /// Which headers tell the service who called; of what a believed neighbour says, the same is read first: a proxy that writes
    /// the one and passes the other through would let callers say who they are.
    pub forwarded: Forwarded,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How much there may be of everything.
    pub limits: Limits,
    /// Who may call, and as who.
    pub auth: AuthConfig,
    /// What consumers of a tier may do; `free`, `basic`, `premium` and `internal` are there from the start.
    pub tiers: BTreeMap<String, TierConfig>,
    /// The memory of answers.
    pub cache: CacheConfig,
    /// Which requests leave a line in the console's log.
    pub access_log: AccessLog,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Where it listens.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Encrypts; without it, plain.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// Each connection begins with a line of the PROXY protocol, version 1 or 2, that says who it is from; one that
    /// does not is closed, and so is one from an address that is not trusted to say so.
    #[serde(default)]
    pub proxy_protocol: bool,
    /// Addresses and networks (`10.0.0.0/8`) whose PROXY protocol is believed; those of `trusted_proxies` unless given.
    /// With neither, `proxy_protocol` is refused: whoever connects could call itself anybody.
    #[serde(default)]
    pub trusted: Vec<String>,
}

/// What a listener is encrypted with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those that lead to its authority (PEM).
    pub cert: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
    /// Callers must show a certificate of one of these authorities (PEM).
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// One or several, as written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// A service: its versions and where each runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    /// Endpoints by version: `{ v1 = "http://10.0.0.1:80", v2 = ["https://a", "https://b"] }`.
    pub versions: BTreeMap<String, OneOrMany>,
    /// Shares by version, in any unit; versions that are not named take none. Without it the first version takes all.
    pub split: BTreeMap<String, u32>,
    /// What keeps a caller on the same version and endpoint.
    pub sticky: Option<Sticky>,
    /// How the endpoints are spoken to.
    pub protocol: Protocol,
    /// The name that endpoints are asked for.
    pub host: HostHeader,
    /// For `https` endpoints: trust this authority (PEM) instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// For `https` endpoints: the certificate that the gateway shows them, and those that lead to its authority (PEM).
    pub client_cert: Option<PathBuf>,
    /// Its key (PEM).
    pub client_key: Option<PathBuf>,
    /// Whether endpoints are well.
    pub health: Option<HealthConfig>,
    /// Leaves out endpoints that fail.
    pub outlier: Option<OutlierConfig>,
    /// What is done to the service's requests.
    pub filters: Filters,
}

/// What keeps a caller where it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sticky {
    /// The value of a request header.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// The caller's address.
    Address,
}

/// How endpoints are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, without encryption by prior knowledge.
    Http2,
}

/// The `Host` that endpoints see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HostHeader {
    /// What the caller asked for.
    #[default]
    Caller,
    /// The endpoint's own name.
    Endpoint,
}

/// Active health checks, as Kubernetes defines its probes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// What is asked for to know whether it can take requests; any answer below 400 is a yes.
    pub path: String,
    /// What is asked for until it has come up; without it nothing is.
    pub startup_path: Option<String>,
    /// What is asked for to know whether it must be started again; without it nothing is.
    pub liveness_path: Option<String>,
    /// How long from one check to the next.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub period: Duration,
    /// How long an answer may take.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Successes in a row after which it takes requests again.
    pub successes: u32,
    /// Failures in a row after which it takes none.
    pub failures: u32,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            startup_path: None,
            liveness_path: None,
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            successes: 1,
            failures: 3,
        }
    }
}

/// When an endpoint is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutlierConfig {
    /// So many failures one after the other.
    pub consecutive: u32,
    /// How long the first time; the second twice as long, and so on.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub base: Duration,
    /// The longest.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub longest: Duration,
    /// The largest share of a version's endpoints that may be out at a time, from 0 to 1.
    pub most: f64,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self { consecutive: 5, base: Duration::from_secs(30), longest: Duration::from_secs(300), most: 0.5 }
    }
}

/// Which requests go to which service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteConfig {
    /// The service.
    pub service: String,
    /// Host names; `*.example.com` takes every name below. Without any, every name.
    pub hosts: Vec<String>,
    /// Requests for this path and those below it. `/` if neither this nor `path` is given.
    pub prefix: Option<String>,
    /// Requests for exactly this path.
    pub path: Option<String>,
    /// Methods; without any, every method.
    pub methods: Vec<String>,
    /// Headers that must be there; with a value, with exactly that one.
    pub headers: BTreeMap<String, String>,
    /// The service sees the path without the prefix.
    pub strip_prefix: bool,
    /// Requests with this header are sent to the version that is named as its value, if there is one.
    pub version_header: Option<String>,
    /// Requests that have this very header go to a version whatever the split is.
    pub version_routes: Vec<VersionRoute>,
    /// A copy of requests is sent to another version or service; what it answers is dropped.
    pub mirror: Option<Mirror>,
    /// What is done to the route's requests.
    pub filters: Filters,
}

/// A header that chooses a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionRoute {
    /// The header.
    pub header: String,
    /// Its value.
    pub value: String,
    /// The version.
    pub version: String,
}

/// Where copies go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The service; the route's own if not given.
    #[serde(default)]
    pub service: Option<String>,
    /// The version; by the service's split if not given.
    #[serde(default)]
    pub version: Option<String>,
    /// How many of a hundred requests are copied.
    #[serde(default = "hundred")]
    pub percent: f64,
}

fn hundred() -> f64 {
    100.0
}

/// Which headers tell the service who called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Forwarded {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    X,
    /// `Forwarded` (RFC 7239).
    Standard,
    /// Both.
    Both,
    /// None; what the caller says of itself is removed.
    None,
}

/// How long things may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// From a request's first byte to the end of its header; also the handshake.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub header: Duration,
    /// A caller's connection without a request, or a transfer without progress.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub idle: Duration,
    /// Connecting to an endpoint, encryption included.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub connect: Duration,
    /// A connection to an endpoint that is kept without a request.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub keep: Duration,
    /// A tunnel (WebSocket) through which nothing goes.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub tunnel: Duration,
    /// How long requests under way may take when the gateway ends or a listener goes.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub drain: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            keep: Duration::from_secs(60),
            tunnel: Duration::from_secs(3600),
            drain: Duration::from_secs(10),
        }
    }
}

/// How much there may be of everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections from callers; more wait to be accepted.
    pub connections: usize,
    /// Bytes of a request's header.
    pub header_bytes: usize,
    /// Fields of a request's header.
    pub headers: usize,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: u32,
    /// Connections to one endpoint that are kept for later, for each thread.
    pub kept: usize,
    /// Tunnels at a time.
    pub tunnels: usize,
    /// Requests that are kept to be looked at.
    pub samples: usize,
    /// Bytes a second that a body must bring on average over each `timeouts.idle` that was spent waiting for it, until the
    /// answer begins; 0 for no such bound. A caller who sends a byte now and then must not hold its place for ever.
    pub upload_rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            header_bytes: 32 << 10,
            headers: 100,
            streams: 128,
            kept: 256,
            tunnels: 20_000,
            samples: 256,
            upload_rate: 240,
        }
    }
}

/// Who may call, and as who.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Consumers by name.
    pub consumers: BTreeMap<String, ConsumerConfig>,
    /// The header that an API key is in.
    pub key_header: Option<String>,
    /// Bearer tokens.
    pub jwt: Option<JwtConfig>,
    /// How often one address (an IPv6 address with its /64) may fail to show who it is: further attempts are refused for
    /// that alone, with 429. Good keys and tokens are taken all the same, so that nobody locks out those behind the same
    /// address.
    pub failures: filters::RateConfig,
}

/// A consumer that is known beforehand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerConfig {
    /// Its API keys.
    pub keys: Vec<SecretRef>,
    /// The addresses and networks it calls from.
    pub addresses: Vec<String>,
    /// A DNS name of the certificate it shows (mTLS).
    pub certificate: Option<String>,
    /// Its tier.
    pub tier: Option<String>,
    /// What it may do.
    pub scopes: Vec<String>,
}

/// Which bearer tokens are good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// A file with the issuer's public keys (a JSON Web Key Set), for RS256 and ES256.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// The URL of the issuer's public keys (https; http from this machine alone). They are fetched beside traffic, again when
    /// a token names a key that is not among them (at most every 30 s), and kept when they cannot be fetched. Redirects are
    /// not followed.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// Trust this authority (PEM) for the URL instead of the machine's.
    #[serde(default)]
    pub jwks_ca_file: Option<PathBuf>,
    /// How often the URL is asked though nothing is missing.
    #[serde(default = "refresh", with = "text")]
    #[schemars(with = "String")]
    pub jwks_refresh: Duration,
    /// A shared secret of at least 32 bytes, for HS256.
    #[serde(default)]
    pub secret: Option<SecretRef>,
    /// The issuer that tokens must name.
    #[serde(default)]
    pub issuer: Option<String>,
    /// The audience that tokens must name.
    #[serde(default)]
    pub audience: Option<String>,
    /// The claim that holds the tier.
    #[serde(default = "tier_claim")]
    pub tier_claim: String,
    /// How far clocks may be apart.
    #[serde(default = "leeway", with = "text")]
    #[schemars(with = "String")]
    pub leeway: Duration,
}

fn tier_claim() -> String {
    "tier".to_owned()
}

fn refresh() -> Duration {
    Duration::from_secs(300)
}

fn leeway() -> Duration {
    Duration::from_secs(30)
}

/// What consumers of a tier may do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TierConfig {
    /// Requests in a period; without it as many as they like.
    pub rate: Option<filters::RateConfig>,
    /// Requests a day (UTC); without it as many as they like. Callers of whom only the address is known are counted by it.
    pub daily: Option<u64>,
}

/// The memory of answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// The most bytes it takes.
    pub bytes: u64,
    /// The largest answer that is kept.
    pub largest: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self { bytes: 64 << 20, largest: 1 << 20 }
    }
}

/// Which requests leave a line in the console's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccessLog {
    /// None.
    Off,
    /// Those that the gateway refused and those that failed.
    #[default]
    Errors,
    /// All.
    All,
}

impl Config {
    /// The tiers: those that are there from the start, and what the configuration makes of them.
    #[must_use]
    pub fn all_tiers(&self) -> BTreeMap<String, TierConfig> {
        let tier = |count, daily| TierConfig {
            rate: Some(filters::RateConfig { count, per: Duration::from_secs(60), ..Default::default() }),
            daily: Some(daily),
        };
        let mut tiers = BTreeMap::from([
            ("free".to_owned(), tier(60, 1_000)),
            ("basic".to_owned(), tier(600, 50_000)),
            ("premium".to_owned(), tier(6_000, 1_000_000)),
            ("internal".to_owned(), TierConfig::default()),
        ]);
        tiers.extend(self.tiers.iter().map(|(name, tier)| (name.clone(), tier.clone())));
        tiers
    }

    /// The routes: those that are written, or those that follow from the services.
    #[must_use]
    pub fn all_routes(&self) -> BTreeMap<String, RouteConfig> {
        if !self.routes.is_empty() {
            return self.routes.clone();
        }
        let single = self.services.len() == 1;
        let route = |name: &String| {
            let (prefix, strip_prefix) =
                if single { ("/".to_owned(), false) } else { (format!("/{name}"), true) };
            let route = RouteConfig {
                service: name.clone(),
                prefix: Some(prefix),
                strip_prefix,
                ..RouteConfig::default()
            };
            (name.clone(), route)
        };
        self.services.keys().map(route).collect()
    }
}
