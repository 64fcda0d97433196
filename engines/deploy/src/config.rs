//! `[deploy]`: which services are rolled out, what runs their versions, what is looked at before, and when nobody may.

mod validate;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use quarterdeck_journal::configuration::SecretRef;
use quarterdeck_kernel::time::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use validate::MOST_REPLICAS;
pub use validate::{is_name, validate};

/// The section `[deploy]`. Without a service nothing is rolled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Strategy files, and folders of them (`*.yaml`, `*.yml`). A relative path begins at the folder of this file.
    pub strategies: Vec<PathBuf>,
    /// Times in which no rollout begins.
    pub freezes: Vec<FreezeConfig>,
    /// How long requests to a version that takes no more may go on before its replicas are stopped all the same.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub drain: Duration,
    /// How many ended rollouts are kept.
    pub history: usize,
    /// What is kept of what processes write.
    pub output: OutputConfig,
    /// Services by name.
    pub services: BTreeMap<String, ServiceConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            strategies: Vec::new(),
            freezes: Vec::new(),
            drain: Duration::from_secs(30),
            history: 10_000,
            output: OutputConfig::default(),
            services: BTreeMap::new(),
        }
    }
}

/// What is kept of what processes write, for each replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OutputConfig {
    /// Lines in memory, for the pane.
    pub lines: usize,
    /// Bytes of one file in the data directory.
    pub file_bytes: u64,
    /// Older files beside it.
    pub files: u32,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self { lines: 1000, file_bytes: 8 << 20, files: 2 }
    }
}

/// A time in which no rollout begins: once (`from`, `to`), or again and again (`cron`, `lasts`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FreezeConfig {
    /// Why, in words for whoever is refused.
    pub reason: String,
    /// Which services; without any, all.
    pub services: Vec<String>,
    /// When it begins: `2026-12-20T18:00` in the zone given, or with an offset.
    pub from: Option<String>,
    /// When it ends.
    pub to: Option<String>,
    /// When it begins, again and again: minute, hour, day of the month, month, day of the week, as in `0 16 * * fri`.
    pub cron: Option<String>,
    /// How long it lasts each time.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub lasts: Duration,
    /// The zone, such as `Europe/Berlin`; this machine's if empty.
    pub timezone: String,
}

/// A service that is rolled out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceConfig {
    /// The version that runs until another has been rolled out.
    pub stable: String,
    /// How many replicas of it run.
    pub replicas: u32,
    /// The strategy, unless a rollout names another.
    pub strategy: Option<String>,
    /// The gateway's service whose traffic is moved, if it has another name.
    pub gateway: Option<String>,
    /// Versions are processes that this console starts.
    pub process: Option<ProcessConfig>,
    /// What is different about some versions. A version with endpoints is run by someone else.
    pub versions: BTreeMap<String, VersionConfig>,
    /// Whether a replica is well.
    pub probes: ProbesConfig,
    /// What is looked at before traffic moves.
    pub checks: ChecksConfig,
    /// Instead of the section's `drain`.
    #[serde(with = "optional")]
    #[schemars(with = "Option<String>")]
    pub drain: Option<Duration>,
    /// Anything else worth knowing, such as `team` or `repository`; kept with each rollout.
    pub metadata: BTreeMap<String, String>,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            stable: String::new(),
            replicas: 1,
            strategy: None,
            gateway: None,
            process: None,
            versions: BTreeMap::new(),
            probes: ProbesConfig::default(),
            checks: ChecksConfig::default(),
            drain: None,
            metadata: BTreeMap::new(),
        }
    }
}

/// What is different about a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VersionConfig {
    /// Someone else runs it, at these addresses.
    pub endpoints: Vec<String>,
    /// Instead of the service's command.
    pub command: Vec<String>,
    /// Instead of the service's folder.
    pub dir: Option<PathBuf>,
    /// Variables beside the service's, or in their place.
    pub env: BTreeMap<String, String>,
    /// Anything else worth knowing, such as `commit` or `commit_time`; kept with each rollout.
    pub metadata: BTreeMap<String, String>,
}

/// How a version's processes are run. In `command`, `dir`, `env` and `url`, `{service}`, `{version}`, `{replica}` and
/// `{port}` stand for what they name, `{{` for a brace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessConfig {
    /// The program and its arguments, each for itself: no shell reads them.
    pub command: Vec<String>,
    /// The folder it runs in; that of this file if not given.
    pub dir: Option<PathBuf>,
    /// Variables of its environment, beside PATH, HOME, USER, LOGNAME, SHELL, LANG, TZ and TMPDIR.
    pub env: BTreeMap<String, String>,
    /// Variables that are secret.
    pub secrets: BTreeMap<String, SecretRef>,
    /// Variables of this console that it gets too.
    pub inherit: Vec<String>,
    /// The ports to choose from, as in `9100-9199`; any free one if not given.
    pub ports: Option<String>,
    /// Where a replica is reached.
    pub url: String,
    /// How long it may take to end after SIGTERM; SIGKILL follows.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub stop_grace: Duration,
    /// Whether it runs on when this console ends, however that ends, and is taken over by the next one.
    pub outlive: bool,
    /// When one that ended by itself is started again.
    pub restart: RestartConfig,
    /// How much it may use.
    pub limits: LimitsConfig,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            dir: None,
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            inherit: Vec::new(),
            ports: None,
            url: "http://127.0.0.1:{port}".to_owned(),
            stop_grace: Duration::from_secs(30),
            outlive: false,
            restart: RestartConfig::default(),
            limits: LimitsConfig::default(),
        }
    }
}

/// When a process that ended by itself is started again: at once the first time, then after `base`, twice as long each
/// time, as Kubernetes does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RestartConfig {
    /// The first pause.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub base: Duration,
    /// The longest.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub longest: Duration,
    /// Who has run so long has not crashed before.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub reset: Duration,
}

impl Default for RestartConfig {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            reset: Duration::from_secs(600),
        }
    }
}

/// How much a process may use. What its children use is limited for each of them alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Bytes of memory of its own that it may ask for (RLIMIT_DATA: writable and not shared, touched or not).
    pub memory: Option<u64>,
    /// Open files, sockets included.
    pub files: Option<u64>,
    /// Bytes of a file that it writes.
    pub file_bytes: Option<u64>,
    /// How far others go before it, from 0 to 19.
    pub nice: u8,
}

/// Whether a replica is well, as Kubernetes defines its probes. Without `readiness`, a replica is ready as soon as its
/// port takes connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProbesConfig {
    /// Asked until it has succeeded once; the others wait for it.
    pub startup: Option<ProbeConfig>,
    /// Whether it can take requests.
    pub readiness: Option<ProbeConfig>,
    /// Whether it need not be started again.
    pub liveness: Option<ProbeConfig>,
}

/// A probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProbeConfig {
    /// What is asked for; any answer from 200 to 399 is a yes. Without it, taking a connection is.
    pub path: Option<String>,
    /// How long to wait before the first.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub initial_delay: Duration,
    /// How long from one to the next. For readiness, once a second until it has succeeded.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub period: Duration,
    /// How long an answer may take.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
    /// Successes in a row that it takes.
    pub successes: u32,
    /// Failures in a row that it takes.
    pub failures: u32,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        let kubernetes = quarterdeck_resilience::health::Settings::default();
        Self {
            path: None,
            initial_delay: kubernetes.initial_delay,
            period: kubernetes.period,
            timeout: kubernetes.timeout,
            successes: kubernetes.successes,
            failures: kubernetes.failures,
        }
    }
}

/// What is looked at before traffic moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ChecksConfig {
    /// Requests to the new version, before it gets any other.
    pub smoke: Vec<SmokeConfig>,
    /// Severities whose open alerts on the service are in the way.
    pub alerts: Vec<String>,
    /// Checks that are left out, by name.
    pub skip: Vec<String>,
    /// How long a check may take.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for ChecksConfig {
    fn default() -> Self {
        Self {
            smoke: Vec::new(),
            alerts: vec!["critical".to_owned()],
            skip: Vec::new(),
            timeout: Duration::from_secs(30),
        }
    }
}

/// A request to the new version, and what is expected of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SmokeConfig {
    /// The method.
    pub method: String,
    /// The path, with a query if there is one.
    pub path: String,
    /// Header fields.
    pub headers: BTreeMap<String, String>,
    /// What is sent.
    pub body: String,
    /// The statuses that are right.
    pub status: Vec<u16>,
    /// What must stand in the answer.
    pub contains: String,
    /// How long an answer may take.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub timeout: Duration,
}

impl Default for SmokeConfig {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            body: String::new(),
            status: vec![200],
            contains: String::new(),
            timeout: Duration::from_secs(5),
        }
    }
}

impl Config {
    /// How long a service's requests may go on to a version that takes no more.
    #[must_use]
    pub fn drain_of(&self, service: &str) -> Duration {
        self.services.get(service).and_then(|s| s.drain).unwrap_or(self.drain)
    }
}

impl ServiceConfig {
    /// What is said of a version and of its service, the version's word before the service's.
    #[must_use]
    pub fn metadata_of(&self, version: &str) -> BTreeMap<String, String> {
        let mut all = self.metadata.clone();
        all.extend(self.versions.get(version).into_iter().flat_map(|v| v.metadata.clone()));
        all
    }

    /// The addresses of a version that someone else runs.
    #[must_use]
    pub fn endpoints_of(&self, version: &str) -> Option<&[String]> {
        self.versions.get(version).map(|v| v.endpoints.as_slice()).filter(|e| !e.is_empty())
    }
}

/// A duration that may be left out.
mod optional {
    use std::time::Duration;

    use quarterdeck_kernel::time::{format_duration, parse_duration};
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "serde passes the field")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_some(&format_duration(*value)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| parse_duration(&text).map_err(D::Error::custom)).transpose()
    }
}
