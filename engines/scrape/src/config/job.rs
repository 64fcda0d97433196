//! The common form of a scrape job, whichever file it comes from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::labels::{is_legacy_label_name, is_legacy_metric_name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HttpClient;
use crate::relabel::Rule;

/// Everything to be scraped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The jobs, names unique.
    pub jobs: Vec<Arc<Job>>,
    /// What the file contains that this version does not use, for people.
    pub notes: Vec<String>,
    /// `global.external_labels`: for what leaves this console.
    pub external_labels: Labels,
    /// `rule_files`, where the file is: for the engine of rules.
    pub rule_files: Vec<PathBuf>,
    /// `global.evaluation_interval`: for the engine of rules.
    pub evaluation_interval: Option<Duration>,
    /// `global.rule_query_offset`: for the engine of rules.
    pub rule_query_offset: Option<Duration>,
}

impl Plan {
    /// Both plans together.
    ///
    /// # Errors
    /// With the names that both use.
    pub fn merge(mut self, other: Self) -> Result<Self, Vec<String>> {
        let twice: Vec<String> = other
            .jobs
            .iter()
            .filter(|job| self.jobs.iter().any(|j| j.name == job.name))
            .map(|job| job.name.to_string())
            .collect();
        if !twice.is_empty() {
            return Err(twice);
        }
        self.jobs.extend(other.jobs);
        self.notes.extend(other.notes);
        self.rule_files.extend(other.rule_files);
        self.evaluation_interval = self.evaluation_interval.or(other.evaluation_interval);
        self.rule_query_offset = self.rule_query_offset.or(other.rule_query_offset);
        if self.external_labels.is_empty() {
            self.external_labels = other.external_labels;
        }
        Ok(self)
    }
}

/// `http` or `https`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Plain HTTP.
    #[default]
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// As written in a URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The exposition formats, by Prometheus's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    /// The delimited protobuf format; known, and never asked for: this version does not read it.
    PrometheusProto,
    /// Text 0.0.4
    #[serde(rename = "PrometheusText0.0.4")]
    PrometheusText004,
    /// Text 1.0.0
    #[serde(rename = "PrometheusText1.0.0")]
    PrometheusText100,
    /// OpenMetrics 0.0.1
    #[serde(rename = "OpenMetricsText0.0.1")]
    OpenMetrics001,
    /// OpenMetrics 1.0.0
    #[serde(rename = "OpenMetricsText1.0.0")]
    OpenMetrics100,
}

impl Protocol {
    /// What is asked for where nothing is configured, the most wanted first.
    pub const DEFAULT: [Self; 4] =
        [Self::OpenMetrics100, Self::OpenMetrics001, Self::PrometheusText100, Self::PrometheusText004];

    /// The media type, as in `Accept` and `Content-Type`.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            Self::PrometheusText004 => "text/plain;version=0.0.4",
            Self::PrometheusText100 => "text/plain;version=1.0.0",
            Self::OpenMetrics001 => "application/openmetrics-text;version=0.0.1",
            Self::OpenMetrics100 => "application/openmetrics-text;version=1.0.0",
        }
    }
}

/// Which metric and label names are lawful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NameValidation {
    /// Any UTF-8.
    #[default]
    Utf8,
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*` only.
    Legacy,
}

/// Whether a label name (or, for `metric`, a metric name) is lawful.
#[must_use]
pub fn is_name_valid(validation: NameValidation, name: &str, metric: bool) -> bool {
    match validation {
        NameValidation::Utf8 => !name.is_empty(),
        NameValidation::Legacy if metric => is_legacy_metric_name(name),
        NameValidation::Legacy => is_legacy_label_name(name),
    }
}

/// Bounds of a scrape; none is no bound but the engine's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Page size in bytes after decompression; a larger page fails.
    pub body_size: Option<u64>,
    /// Samples after metric relabelling; more fail the scrape.
    pub samples: Option<usize>,
    /// Labels per series.
    pub labels: Option<usize>,
    /// Bytes per label name.
    pub label_name_length: Option<usize>,
    /// Bytes per label value.
    pub label_value_length: Option<usize>,
    /// Targets of the job after relabelling; more fail every one of them.
    pub targets: Option<usize>,
}

/// Addresses with labels of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetGroup {
    /// What the group is called in messages: a place in the configuration, a file, a URL.
    pub source: Arc<str>,
    /// `host:port` each.
    pub targets: Vec<Arc<str>>,
    /// Labels of all of them, as written (values may be empty until relabelling is done).
    pub labels: BTreeMap<String, String>,
}

/// Where a job's targets come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Discovery {
    /// Written in the configuration.
    Static(Vec<TargetGroup>),
    /// Files in JSON or YAML, by path; the last part of a path may hold `*`.
    Files {
        /// Paths, absolute.
        paths: Vec<PathBuf>,
        /// How often they are read again even if nothing seems to have changed.
        refresh: Duration,
    },
    /// A URL that answers in JSON.
    Http {
        /// The URL.
        url: url::Url,
        /// How often it is asked.
        refresh: Duration,
        /// How.
        client: Box<HttpClient>,
    },
}

/// One scrape job. Equal jobs are the same job: a reload leaves them running.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// The `job` label before relabelling.
    pub name: Arc<str>,
    /// How often each target is scraped.
    pub interval: Duration,
    /// How long a scrape may take; at most the interval.
    pub timeout: Duration,
    /// Path on the target.
    pub metrics_path: String,
    /// Scheme.
    pub scheme: Scheme,
    /// URL parameters.
    pub params: BTreeMap<String, Vec<String>>,
    /// Labels of the page win over the target's; else they are renamed `exported_…`.
    pub honor_labels: bool,
    /// Timestamps of the page are used; else every sample gets the scrape's.
    pub honor_timestamps: bool,
    /// Series with timestamps of their own get stale markers too.
    pub track_timestamps_staleness: bool,
    /// Ask for gzip.
    pub enable_compression: bool,
    /// How HTTP is spoken.
    pub client: HttpClient,
    /// Bounds.
    pub limits: Limits,
    /// Formats to ask for, the most wanted first.
    pub protocols: Vec<Protocol>,
    /// The format of a page whose `Content-Type` is missing or unknown.
    pub fallback: Option<Protocol>,
    /// Which names are lawful.
    pub name_validation: NameValidation,
    /// Applied to targets.
    pub relabel: Arc<[Rule]>,
    /// Applied to samples.
    pub metric_relabel: Arc<[Rule]>,
    /// Where targets come from.
    pub discoveries: Vec<Discovery>,
    /// Why the job, or a part of it, cannot run in this version; shown, never a reason to refuse the file.
    pub unavailable: Vec<String>,
    /// The whole job is not scraped: its targets could only be reached wrongly (for instance without the
    /// credentials it asks for).
    pub blocked: bool,
}

impl Job {
    /// A job with Prometheus's defaults and no targets.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            metrics_path: "/metrics".to_owned(),
            scheme: Scheme::Http,
            params: BTreeMap::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            enable_compression: true,
            client: HttpClient::default(),
            limits: Limits::default(),
            protocols: Protocol::DEFAULT.to_vec(),
            fallback: None,
            name_validation: NameValidation::Utf8,
            relabel: Arc::from([]),
            metric_relabel: Arc::from([]),
            discoveries: Vec::new(),
            unavailable: Vec::new(),
            blocked: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_merge_unless_names_clash() {
        let plan = |name: &str| Plan { jobs: vec![Arc::new(Job::new(name))], ..Plan::default() };
        assert_eq!(plan("a").merge(plan("b")).map(|p| p.jobs.len()), Ok(2));
        assert_eq!(plan("a").merge(plan("a")), Err(vec!["a".to_owned()]));
    }
}
