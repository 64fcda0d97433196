//! The `[scrape]` section of `quarterdeck.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Diagnostic, Secret, labels::is_legacy_label_name};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Authorization, Discovery, HttpClient, Job, Limits, Period, Plan, Protocol, Scheme, SecretSource,
    TargetGroup, Tls,
};
use crate::relabel::{Rule, RuleConfig};

/// What is scraped, as `quarterdeck.toml` says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often targets are scraped where a job does not say.
    pub interval: Period,
    /// How long a scrape may take where a job does not say.
    pub timeout: Period,
    /// An unmodified prometheus.yml whose jobs are scraped too.
    pub prometheus_config: Option<PathBuf>,
    /// Jobs.
    pub jobs: Vec<JobConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Period::secs(15),
            timeout: Period::secs(10),
            prometheus_config: None,
            jobs: Vec::new(),
        }
    }
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JobConfig {
    /// Its name, the `job` label.
    pub name: String,
    /// Targets as `host:port`.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Labels of these targets.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Files that list further targets, in JSON or YAML; `*` is allowed in the last part of a path.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// URLs that list further targets.
    #[serde(default)]
    pub http: Vec<HttpDiscoveryConfig>,
    /// How often.
    pub interval: Option<Period>,
    /// How long a scrape may take.
    pub timeout: Option<Period>,
    /// Path on the targets.
    #[serde(default = "metrics_path")]
    pub metrics_path: String,
    /// http or https.
    #[serde(default)]
    pub scheme: Scheme,
    /// URL parameters.
    #[serde(default)]
    pub params: BTreeMap<String, Vec<String>>,
    /// User name and password.
    pub basic_auth: Option<BasicAuthConfig>,
    /// A bearer token.
    pub bearer: Option<SecretSource>,
    /// TLS.
    #[serde(default)]
    pub tls: TlsConfig,
    /// A proxy's URL.
    pub proxy_url: Option<String>,
    /// Labels of the page win over the target's.
    #[serde(default)]
    pub honor_labels: bool,
    /// Timestamps of the page are used.
    #[serde(default = "yes")]
    pub honor_timestamps: bool,
    /// Redirects are followed.
    #[serde(default = "yes")]
    pub follow_redirects: bool,
    /// Ask for gzip.
    #[serde(default = "yes")]
    pub compression: bool,
    /// The format of a page whose Content-Type is missing or unknown.
    pub fallback_scrape_protocol: Option<Protocol>,
    /// Bounds.
    #[serde(default)]
    pub limits: Limits,
    /// Relabelling of targets.
    #[serde(default)]
    #[schemars(with = "Vec<RuleConfig>")]
    pub relabel: Vec<Rule>,
    /// Relabelling of samples.
    #[serde(default)]
    #[schemars(with = "Vec<RuleConfig>")]
    pub metric_relabel: Vec<Rule>,
}

/// User name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuthConfig {
    /// User name.
    pub username: String,
    /// Password.
    pub password: Option<SecretSource>,
}

/// TLS with targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificate authorities to trust instead of the system's (PEM file).
    pub ca_file: Option<PathBuf>,
    /// Our certificate (PEM file).
    pub cert_file: Option<PathBuf>,
    /// Its private key (PEM file).
    pub key_file: Option<PathBuf>,
    /// The name the targets' certificates must carry.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
}

/// A URL that lists targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpDiscoveryConfig {
    /// The URL.
    pub url: String,
    /// How often it is asked.
    #[serde(default = "minute")]
    pub refresh: Period,
}

fn metrics_path() -> String {
    "/metrics".to_owned()
}

const fn yes() -> bool {
    true
}

const fn minute() -> Period {
    Period::secs(60)
}

impl Config {
    /// The plan of this section's own jobs; `prometheus_config` is read by [`crate::prometheus::load`]. Relative
    /// paths are taken from `base`, the folder of the configuration file.
    ///
    /// # Errors
    /// Every mistake, each with the path of the setting in its message.
    pub fn plan(&self, base: &Path) -> Result<Plan, Vec<Diagnostic>> {
        let mut wrong = Vec::new();
        let mut names = BTreeSet::new();
        let mut plan = Plan::default();
        for (index, job) in self.jobs.iter().enumerate() {
            let place = format!("scrape.jobs[{index}]");
            if job.name.is_empty() {
                wrong.push(Diagnostic::new(format!("{place}.name is empty")).advise("name the job"));
            } else if !names.insert(&job.name) {
                wrong.push(
                    Diagnostic::new(format!("{place}.name: {:?} is the name of two jobs", job.name))
                        .advise("give each job its own name"),
                );
            }
            match job.job(self, base, &place) {
                Ok(job) => plan.jobs.push(Arc::new(job)),
                Err(more) => wrong.extend(more),
            }
        }
        if wrong.is_empty() { Ok(plan) } else { Err(wrong) }
    }
}

impl JobConfig {
    fn job(&self, section: &Config, base: &Path, place: &str) -> Result<Job, Vec<Diagnostic>> {
        let mut wrong = Vec::new();
        let mut fail = |message: String, advice: &str| wrong.push(Diagnostic::new(message).advise(advice));

        let interval = self.interval.unwrap_or(section.interval);
        // A job that only shortens its interval wants the default timeout shortened with it.
        let timeout = self.timeout.unwrap_or(section.timeout.min(interval));
        if interval.0.is_zero() {
            fail(format!("{place}.interval is zero"), "write a duration such as 15s");
        }
        if timeout.0.is_zero() {
            fail(format!("{place}.timeout is zero"), "write a duration such as 10s");
        }
        if timeout > interval {
            fail(
                format!("{place}.timeout {timeout} is longer than the interval {interval}"),
                "a scrape must end before the next begins",
            );
        }
        for target in &self.targets {
            if target.is_empty() || target.contains('/') {
                fail(
                    format!("{place}.targets: {target:?} is not an address"),
                    "write HOST:PORT, without a scheme or path",
                );
            }
        }
        for name in self.labels.keys() {
            if !is_legacy_label_name(name) || name == METRIC_NAME {
                fail(
                    format!("{place}.labels: {name:?} is not a label name"),
                    "write letters, digits and _, not starting with a digit",
                );
            }
        }
        if self.basic_auth.is_some() && self.bearer.is_some() {
            fail(format!("{place} has basic_auth and bearer"), "keep one of them");
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            fail(format!("{place}.tls has only one of cert_file and key_file"), "write both");
        }
        if let Some(proxy) = self.proxy_url.as_deref().filter(|p| url::Url::parse(p).is_err()) {
            fail(
                format!("{place}.proxy_url: {proxy:?} is not a URL"),
                "write a URL such as http://proxy:3128",
            );
        }

        let file = |path: &PathBuf| SecretSource::File(base.join(path));
        let client = HttpClient {
            authorization: match (&self.basic_auth, &self.bearer) {
                (Some(basic), _) => Authorization::Basic {
                    username: SecretSource::Inline(Secret::new(basic.username.as_str())),
                    password: basic.password.as_ref().map(|p| p.based(base)),
                },
                (None, Some(token)) => {
                    Authorization::Scheme { scheme: "Bearer".to_owned(), credentials: token.based(base) }
                }
                (None, None) => Authorization::None,
            },
            tls: Tls {
                ca: self.tls.ca_file.as_ref().map(file),
                cert: self.tls.cert_file.as_ref().map(file),
                key: self.tls.key_file.as_ref().map(file),
                server_name: self.tls.server_name.clone(),
                insecure_skip_verify: self.tls.insecure_skip_verify,
                min_version: None,
                max_version: None,
            },
            proxy: super::Proxy { url: self.proxy_url.clone(), ..Default::default() },
            follow_redirects: self.follow_redirects,
            ..HttpClient::default()
        };

        let mut discoveries = Vec::new();
        if !self.targets.is_empty() {
            discoveries.push(Discovery::Static(vec![TargetGroup {
                source: Arc::from(format!("{place}.targets")),
                targets: self.targets.iter().map(|t| Arc::from(t.as_str())).collect(),
                labels: self.labels.clone(),
            }]));
        }
        if !self.files.is_empty() {
            let paths = self.files.iter().map(|p| base.join(p)).collect();
            discoveries.push(Discovery::Files { paths, refresh: std::time::Duration::from_secs(300) });
        }
        for source in &self.http {
            match url::Url::parse(&source.url) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => discoveries.push(Discovery::Http {
                    url,
                    refresh: source.refresh.0.max(std::time::Duration::from_secs(1)),
                    client: Box::default(),
                }),
                _ => fail(
                    format!("{place}.http: {:?} is not an http or https URL", source.url),
                    "write the whole URL",
                ),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Job {
            interval: interval.0,
            timeout: timeout.0,
            metrics_path: self.metrics_path.clone(),
            scheme: self.scheme,
            params: self.params.clone(),
            honor_labels: self.honor_labels,
            honor_timestamps: self.honor_timestamps,
            enable_compression: self.compression,
            client,
            fallback: self.fallback_scrape_protocol,
            limits: self.limits.clone(),
            relabel: self.relabel.clone().into(),
            metric_relabel: self.metric_relabel.clone().into(),
            discoveries,
            ..Job::new(self.name.as_str())
        })
    }
}

impl SecretSource {
    /// The same, with a relative file taken from `base`.
    fn based(&self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            other => other.clone(),
        }
    }
}
