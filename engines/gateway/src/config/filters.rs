//! What is done to requests: the same keys for the gateway, a service and a route; what is nearer to the request wins.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use quarterdeck_kernel::time::text;
use quarterdeck_resilience::limit::Algorithm;
use quarterdeck_resilience::{breaker, bulkhead, retry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::caching::{CacheRule, PathRule};

/// Filters; what is not given is as the next wider place has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filters {
    /// How long until the answer begins, all attempts together; 30 s unless given.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub timeout: Option<Duration>,
    /// The protocols that a connection may be switched to; `websocket` alone unless given. From then on nothing that is said over
    /// it is looked at. A request for another is answered without switching.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrades: Option<Vec<String>>,
    /// The largest body of a request, in bytes; as large as they like unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<u64>,
    /// Who may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthRule>,
    /// How often one may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// What requests must look like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate: Option<Validation>,
    /// Versions of the interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_versions: Option<ApiVersions>,
    /// Answers that are given again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheRule>,
    /// How many at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulkhead: Option<BulkheadConfig>,
    /// Stops asking a version of a service that fails; for the gateway and services, not for single routes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerConfig>,
    /// Asks again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryConfig>,
    /// What is answered when the service cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

impl Filters {
    /// These, and where they say nothing the wider ones.
    #[must_use]
    pub fn or(&self, wider: &Self) -> Self {
        Self {
            timeout: self.timeout.or(wider.timeout),
            upgrades: self.upgrades.clone().or_else(|| wider.upgrades.clone()),
            max_body: self.max_body.or(wider.max_body),
            auth: self.auth.clone().or_else(|| wider.auth.clone()),
            rate_limit: self.rate_limit.clone().or_else(|| wider.rate_limit.clone()),
            validate: self.validate.clone().or_else(|| wider.validate.clone()),
            api_versions: self.api_versions.clone().or_else(|| wider.api_versions.clone()),
            cache: self.cache.clone().or_else(|| wider.cache.clone()),
            bulkhead: self.bulkhead.clone().or_else(|| wider.bulkhead.clone()),
            breaker: self.breaker.clone().or_else(|| wider.breaker.clone()),
            retry: self.retry.clone().or_else(|| wider.retry.clone()),
            fallback: self.fallback.clone().or_else(|| wider.fallback.clone()),
        }
    }
}

/// Who may call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthRule {
    /// Whether it must be known who calls.
    pub required: bool,
    /// What the caller must be allowed; all of these.
    pub scopes: Vec<String>,
}

/// So many in a period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// How many.
    pub count: u32,
    /// In how long.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub per: Duration,
    /// How many at once; as many as `count` unless given.
    pub burst: Option<u32>,
    /// How they are counted: `token_bucket`, `sliding_log`, `sliding_counter` or `gcra`.
    #[schemars(with = "String")]
    pub algorithm: Algorithm,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { count: 100, per: Duration::from_secs(60), burst: None, algorithm: Algorithm::TokenBucket }
    }
}

/// How often one may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Who is counted as one.
    pub by: By,
    /// So many for each, whatever their tier is.
    pub rate: Option<RateConfig>,
    /// Whether the limits of the caller's tier hold; they do unless a rate is given.
    pub tiers: Option<bool>,
    /// The tier of callers that nothing is known of.
    pub anonymous: String,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { by: By::Consumer, rate: None, tiers: None, anonymous: "free".to_owned() }
    }
}

impl RateLimit {
    /// Whether the limits of the caller's tier hold.
    #[must_use]
    pub fn by_tier(&self) -> bool {
        self.tiers.unwrap_or(self.rate.is_none())
    }
}

/// Who is counted as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// Who calls, by name; by address (IPv6: its /64) if that is not known.
    #[default]
    Consumer,
    /// Who calls, by address; those of one IPv6 /64 together.
    Address,
    /// Everybody together.
    Endpoint,
}

/// What requests must look like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Validation {
    /// Types of bodies that are taken, such as `application/json`; without any, all.
    pub content_types: Vec<String>,
    /// Headers that must be there.
    pub required_headers: Vec<String>,
    /// A body must be JSON that can be read; it is then held until it is whole, up to 1 MiB.
    pub json: bool,
    /// A file with a JSON Schema (draft 2020-12) that bodies must fit, where there are any and POST, PUT and PATCH must have
    /// one; what it refers to must be in the same file. Bodies are held as for `json` and may have 100,000 values, 32 deep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<PathBuf>,
}

/// Versions of the interface, as callers name them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiVersions {
    /// Where callers name it.
    #[serde(default)]
    pub by: VersionBy,
    /// The header, where it is in one.
    #[serde(default = "version_header")]
    pub header: String,
    /// What is meant when none is named; without it naming one is required.
    #[serde(default)]
    pub default: Option<String>,
    /// The versions by name.
    pub versions: BTreeMap<String, ApiVersion>,
}

fn version_header() -> String {
    "api-version".to_owned()
}

/// Where callers name the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionBy {
    /// In the first part of the path below the route's prefix: `/v1/orders`.
    #[default]
    Path,
    /// In a header.
    Header,
    /// In the media type: `Accept: application/vnd.acme.v1+json`, or its parameter `version=v1`.
    MediaType,
}

/// One version of the interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ApiVersion {
    /// Where it is in its life.
    pub state: VersionState,
    /// The service's version that answers; by the split if not given.
    pub upstream: Option<String>,
    /// Since when it is deprecated (RFC 3339).
    pub deprecated: Option<String>,
    /// When it ends (RFC 3339).
    pub sunset: Option<String>,
    /// Where it is said what to do.
    pub link: Option<String>,
    /// The version that follows it: a link to it.
    pub successor: Option<String>,
}

/// Where a version is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VersionState {
    /// In use.
    #[default]
    Active,
    /// In use, but better no longer.
    Deprecated,
    /// It ends soon.
    Sunset,
    /// It has ended: 410.
    Retired,
}

impl VersionState {
    /// One word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deprecated => "deprecated",
            Self::Sunset => "sunset",
            Self::Retired => "retired",
        }
    }
}

/// How many at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BulkheadConfig {
    /// How many run.
    pub concurrency: u32,
    /// How many wait.
    pub queue: u32,
    /// For how long.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub wait: Duration,
}

impl Default for BulkheadConfig {
    fn default() -> Self {
        let settings = bulkhead::Settings::default();
        Self { concurrency: settings.concurrency, queue: settings.queue, wait: settings.wait }
    }
}

impl BulkheadConfig {
    pub(crate) fn settings(&self) -> bulkhead::Settings {
        bulkhead::Settings { concurrency: self.concurrency, queue: self.queue, wait: self.wait }
    }
}

/// Stops asking who fails.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// Whether there is one at all.
    pub enabled: bool,
    /// What is looked at: failures in a row, among the last calls, or in the last while.
    pub mode: BreakerMode,
    /// How many failures open it.
    pub failures: u32,
    /// Of how many calls, where calls are looked at.
    pub calls: u32,
    /// In how long, where time is looked at.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub window: Duration,
    /// How long it stays open.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub open_for: Duration,
    /// How many must succeed for it to close.
    pub successes: u32,
    /// How many may try at a time.
    pub probes: u32,
}

/// What a breaker looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BreakerMode {
    /// Failures in a row.
    Consecutive,
    /// Failures among the last calls.
    Count,
    /// Failures in the last while.
    #[default]
    Time,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            mode: BreakerMode::Time,
            failures: 5,
            calls: 100,
            window: Duration::from_secs(300),
            open_for: Duration::from_secs(60),
            successes: 3,
            probes: 1,
        }
    }
}

impl BreakerConfig {
    pub(crate) fn settings(&self) -> breaker::Settings {
        let failures = self.failures;
        breaker::Settings {
            trip: match self.mode {
                BreakerMode::Consecutive => breaker::Trip::Consecutive { failures },
                BreakerMode::Count => breaker::Trip::Count { failures, calls: self.calls },
                BreakerMode::Time => breaker::Trip::Time { failures, window: self.window },
            },
            open_for: self.open_for,
            successes_to_close: self.successes,
            probes: self.probes,
            ..breaker::Settings::default()
        }
    }
}

/// Asks again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// How often in all; 1 is never again.
    pub attempts: u32,
    /// How waits grow: `fixed`, `linear`, `exponential` or `fibonacci`.
    pub backoff: BackoffKind,
    /// The first wait.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub base: Duration,
    /// By what each wait is longer than the one before, where they grow so.
    pub factor: f64,
    /// The longest wait.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub cap: Duration,
    /// Also requests that are not the same when carried out twice.
    pub not_idempotent: bool,
    /// Answers after which it is asked again.
    pub statuses: Vec<u16>,
    /// The largest body that is kept to be sent again, in bytes.
    pub replay: usize,
    /// Retries for each request, over ten seconds.
    pub budget: f64,
}

/// How waits grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackoffKind {
    /// Not at all.
    Fixed,
    /// By the base.
    Linear,
    /// By a factor.
    #[default]
    Exponential,
    /// As Fibonacci's numbers.
    Fibonacci,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: BackoffKind::Exponential,
            base: Duration::from_secs(1),
            factor: 2.0,
            cap: Duration::from_secs(30),
            not_idempotent: false,
            statuses: vec![502, 503, 504],
            replay: 64 << 10,
            budget: 0.2,
        }
    }
}

impl RetryConfig {
    pub(crate) fn policy(&self) -> retry::Policy {
        retry::Policy {
            attempts: self.attempts,
            backoff: match self.backoff {
                BackoffKind::Fixed => retry::Backoff::Fixed,
                BackoffKind::Linear => retry::Backoff::Linear,
                BackoffKind::Exponential => retry::Backoff::Exponential { factor: self.factor },
                BackoffKind::Fibonacci => retry::Backoff::Fibonacci,
            },
            base: self.base,
            cap: self.cap,
            not_idempotent: self.not_idempotent,
            ..retry::Policy::default()
        }
    }

    pub(crate) fn budget(&self) -> retry::BudgetSettings {
        retry::BudgetSettings { ratio: self.budget, ..retry::BudgetSettings::default() }
    }
}

/// What is answered when the service cannot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fallback {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Default for Fallback {
    fn default() -> Self {
        Self { status: 200, content_type: "application/json".to_owned(), body: "{}".to_owned() }
    }
}

/// Durations as text that may be missing.
pub(super) mod optional {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(in crate::config) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_str(&quarterdeck_kernel::time::format_duration(*value)),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| quarterdeck_kernel::time::parse_duration(&text).map_err(D::Error::custom)).transpose()
    }
}
