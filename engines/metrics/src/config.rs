//! `[metrics]` of the configuration.

use std::time::Duration;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::time::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How metrics are kept, gathered from this host, and queried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Samples older than this are deleted.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub retention: Duration,
    /// When all files together are larger than this many bytes, the oldest samples are deleted; 0 means no bound.
    pub retention_bytes: u64,
    /// How far behind the newest sample of its series a sample may come.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub out_of_order_window: Duration,
    /// How far ahead of this host's clock a sample may be.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub future_limit: Duration,
    /// The most series to hold, those that ended within the retention included; further ones are refused.
    pub max_series: usize,
    /// The most exemplars to hold; the oldest go first.
    pub max_exemplars: usize,
    /// How often what was written is synced to the disk.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub sync_interval: Duration,
    /// Samples are sealed into an immutable segment when the oldest of them is this old...
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub segment_span: Duration,
    /// ...or when they take this many bytes of memory.
    pub head_bytes: u64,
    /// How often retention and sealing are looked after.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub maintenance_interval: Duration,
    /// This host's own metrics.
    pub host: HostConfig,
    /// Limits of queries.
    pub query: QueryConfig,
}

/// `[metrics.host]`: this host's own metrics, under node_exporter's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HostConfig {
    /// Whether they are gathered.
    pub enabled: bool,
    /// How often.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub interval: Duration,
    /// The `job` label.
    pub job: String,
}

/// `[metrics.query]`: limits of queries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// The longest a query may take.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// How many queries are evaluated at once; further ones wait.
    pub concurrency: usize,
    /// The most samples one query may hold in memory.
    pub max_samples: u64,
    /// How far back an instant looks for the newest sample.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub lookback: Duration,
    /// The largest remote-write body in bytes, after decompression.
    pub max_write_bytes: usize,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            retention: Duration::from_secs(30 * 86_400),
            retention_bytes: 8 << 30,
            out_of_order_window: Duration::from_secs(600),
            future_limit: Duration::from_secs(600),
            max_series: 1_000_000,
            max_exemplars: 20_000,
            sync_interval: Duration::from_secs(1),
            segment_span: Duration::from_secs(2 * 3600),
            head_bytes: 256 << 20,
            maintenance_interval: Duration::from_secs(10),
            host: HostConfig::default(),
            query: QueryConfig::default(),
        }
    }
}

impl Default for HostConfig {
    fn default() -> Self {
        Self { enabled: true, interval: Duration::from_secs(5), job: "host".to_owned() }
    }
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            concurrency: 4,
            max_samples: 50_000_000,
            lookback: Duration::from_secs(300),
            max_write_bytes: 32 << 20,
        }
    }
}

impl MetricsConfig {
    /// What is wrong with the values, each named by its full path; empty when all is well.
    #[must_use]
    pub fn validate(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut at_least = |path: &str, value: Duration, least: Duration| {
            if value < least {
                let show = quarterdeck_kernel::time::format_duration;
                found.push(
                    Diagnostic::new(format!("metrics.{path} is {}", show(value)))
                        .advise(format!("write {} or more", show(least))),
                );
            }
        };
        at_least("retention", self.retention, Duration::from_secs(60));
        at_least("sync_interval", self.sync_interval, Duration::from_millis(10));
        at_least("segment_span", self.segment_span, Duration::from_secs(60));
        at_least("maintenance_interval", self.maintenance_interval, Duration::from_millis(100));
        at_least("host.interval", self.host.interval, Duration::from_millis(250));
        at_least("query.timeout", self.query.timeout, Duration::from_millis(1));
        at_least("query.lookback", self.query.lookback, Duration::from_millis(1));
        for (path, value) in [
            ("max_series", self.max_series as u64),
            ("head_bytes", self.head_bytes),
            ("query.concurrency", self.query.concurrency as u64),
            ("query.max_samples", self.query.max_samples),
            ("query.max_write_bytes", self.query.max_write_bytes as u64),
        ] {
            if value == 0 {
                found.push(Diagnostic::new(format!("metrics.{path} is 0")).advise("write 1 or more"));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_lawful_and_survive_a_round_trip() {
        let config = MetricsConfig::default();
        assert_eq!(config.validate(), []);
        let text = serde_json::to_string(&config).unwrap();
        assert!(text.contains("\"retention\":\"30d\""), "{text}");
        assert_eq!(serde_json::from_str::<MetricsConfig>(&text).unwrap(), config);
        assert_eq!(serde_json::from_str::<MetricsConfig>("{}").unwrap(), config);
    }

    #[test]
    fn unknown_fields_and_unlawful_values_are_named() {
        assert!(serde_json::from_str::<MetricsConfig>(r#"{"retnetion":"1d"}"#).is_err());
        let config =
            MetricsConfig { max_series: 0, sync_interval: Duration::ZERO, ..MetricsConfig::default() };
        let told: Vec<String> = config.validate().iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["metrics.sync_interval is 0s; write 10ms or more", "metrics.max_series is 0; write 1 or more"]
        );
    }
}
