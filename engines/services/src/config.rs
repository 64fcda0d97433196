//! `[services.NAME]`: the catalogue; `[signals]`: what metrics mean.

pub mod validate;

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::time::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The section `[services]`: services by name.
pub type Catalogue = BTreeMap<String, ServiceConfig>;

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceConfig {
    /// Which series are its own: a selector such as `{job="orders"}`, or several, of which one must match. Without
    /// any: series whose `service`, `service_name` or `job` is the service's name.
    pub matches: Matches,
    /// Routes of the gateway that lead to it.
    pub routes: Vec<String>,
    /// Where its logs come from.
    pub log_sources: Vec<String>,
    /// Services that it needs.
    pub depends_on: Vec<String>,
    /// Who owns it.
    pub owner: Option<String>,
    /// Where its runbook is.
    pub runbook: Option<String>,
    /// What it must keep.
    pub limits: Limits,
    /// Response time that satisfies users; four times as much is still tolerated.
    #[serde(with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub apdex: Option<Duration>,
    /// Its transactions by name, such as `"POST /orders"`.
    pub transactions: BTreeMap<String, TransactionConfig>,
}

/// One selector or several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Matches {
    /// `'{job="orders"}'`
    One(String),
    /// `['{job="orders"}', '{job="orders-batch"}']`
    Any(Vec<String>),
}

impl Default for Matches {
    fn default() -> Self {
        Self::Any(Vec::new())
    }
}

impl Matches {
    /// The selectors as written.
    #[must_use]
    pub fn selectors(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Any(list) => list,
        }
    }
}

/// Limits of a service; those that are not given are taken from `[signals.limits]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// 99th percentile of latency.
    #[serde(with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub latency: Option<Duration>,
    /// Failed requests, in percent of all.
    pub errors: Option<f64>,
    /// Fullest resource, in percent.
    pub saturation: Option<f64>,
    /// Failed requests, in percent, from which the service counts as down.
    pub down_errors: Option<f64>,
}

/// One transaction's service level.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransactionConfig {
    /// Requests should be answered within this time.
    #[serde(with = "optional_duration")]
    #[schemars(with = "Option<String>")]
    pub threshold: Option<Duration>,
    /// The part that must be, in percent.
    pub target: Option<f64>,
}

/// The section `[signals]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignalsConfig {
    /// How often everything is evaluated.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// Window of rates and percentiles; at least twice the scrape interval.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub window: Duration,
    /// Range of sparklines and attainment.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub range: Duration,
    /// Points of a sparkline over the range, from 10 to 120.
    pub points: usize,
    /// Data older than this is unknown.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub stale_after: Duration,
    /// Labels that name a service that is not configured, in order of preference.
    pub service_labels: Vec<String>,
    /// Whether services that are not configured are inferred from labels.
    pub infer: bool,
    /// Services shown at most.
    pub max_services: usize,
    /// Transactions shown per service at most.
    pub max_transactions: usize,
    /// Limits of services that have none of their own.
    pub limits: Limits,
    /// Apdex threshold of services that have none of their own.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub apdex: Duration,
    /// Evaluations in a row that must break a limit before it counts.
    pub break_after: u32,
    /// Evaluations in a row that must keep a broken limit before it counts as kept.
    pub mend_after: u32,
    /// Conventions added to the built-in ones; one with a built-in's name replaces it.
    pub conventions: BTreeMap<String, Convention>,
}

impl Default for SignalsConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            window: Duration::from_secs(60),
            range: Duration::from_secs(900),
            points: 30,
            stale_after: Duration::from_secs(120),
            service_labels: ["service", "service_name", "job"].map(str::to_owned).to_vec(),
            infer: true,
            max_services: 500,
            max_transactions: 100,
            limits: Limits { down_errors: Some(50.0), ..Limits::default() },
            apdex: Duration::from_millis(500),
            break_after: 2,
            mend_after: 3,
            conventions: BTreeMap::new(),
        }
    }
}

/// What one family of metrics means. The queries are PromQL in which `$by` stands for the labels to group by and
/// `$window` for the window of rates, as in `sum by ($by) (rate(http_requests_total[$window]))`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Convention {
    /// Whether it is used.
    pub enabled: bool,
    /// Conventions of one protocol exclude each other: for each service the first with data counts (configured ones
    /// before built-in ones, then by name). Protocols add up.
    pub protocol: String,
    /// Requests per second.
    pub rate: Option<String>,
    /// Failed requests per second.
    pub errors: Option<String>,
    /// Increase of latency buckets over the window, grouped by `$by` and `le`.
    pub latency: Option<String>,
    /// Unit of `le`.
    pub latency_unit: LatencyUnit,
    /// Labels that name a transaction, joined by a space; alternatives are written `handler|path|route`. A series
    /// without the last one belongs to no transaction.
    pub transaction: Vec<String>,
    /// How full a resource is, in percent, by name of the resource; the fullest counts.
    pub saturation: BTreeMap<String, String>,
    /// How much of a resource is used, by name of the resource.
    pub usage: BTreeMap<String, Usage>,
}

/// A resource in use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Query of the amount.
    pub query: String,
    /// Its unit: `cores`, `bytes`, `1` for plain counts.
    #[serde(default)]
    pub unit: String,
}

impl Default for Convention {
    fn default() -> Self {
        Self {
            enabled: true,
            protocol: "http".to_owned(),
            rate: None,
            errors: None,
            latency: None,
            latency_unit: LatencyUnit::Seconds,
            transaction: Vec::new(),
            saturation: BTreeMap::new(),
            usage: BTreeMap::new(),
        }
    }
}

/// Unit of a histogram's bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LatencyUnit {
    /// Seconds.
    #[default]
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanos,
}

impl LatencyUnit {
    /// How many milliseconds one of it is.
    #[must_use]
    pub const fn millis(self) -> f64 {
        match self {
            Self::Seconds => 1e3,
            Self::Millis => 1.0,
            Self::Micros => 1e-3,
            Self::Nanos => 1e-6,
        }
    }
}

/// Serde adapter for durations that may be absent.
mod optional_duration {
    use std::time::Duration;

    use quarterdeck_kernel::time::{format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_some(&format_duration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|t| parse_duration(&t).map_err(D::Error::custom)).transpose()
    }
}
