//! The root of the configuration: every engine's section in one value.

use quarterdeck_journal::configuration::SecretRef;
use quarterdeck_kernel::Diagnostic;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::guard::ListenConfig;

/// `quarterdeck.toml`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Shown at the top; `production` is shown loudly. The command line and QUARTERDECK_ENVIRONMENT go before it.
    pub environment: String,
    /// Take away everything that changes something.
    pub read_only: bool,
    /// Where durable state is kept.
    pub store: StoreConfig,
    /// The listener of every HTTP interface.
    pub listen: ListenConfig,
    /// The console's own log.
    pub log: LogConfig,
    /// How the screen looks; what an operator chooses by key goes before it.
    pub ui: UiConfig,
    /// The metrics store, this host's metrics, limits of queries.
    pub metrics: quarterdeck_metrics::MetricsConfig,
    /// What is scraped.
    pub scrape: quarterdeck_scrape::config::Config,
    /// WebSocket feeds by name.
    pub streams: quarterdeck_streams::config::Config,
    /// The service catalogue.
    pub services: quarterdeck_services::Catalogue,
    /// Which metrics mean what.
    pub signals: quarterdeck_services::SignalsConfig,
}

/// `[store]`
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// A PostgreSQL URL; without it, state is kept in SQLite in the data directory.
    pub postgres: Option<SecretRef>,
    /// How many timeline entries are kept; older ones are pruned behind a checkpoint.
    pub timeline_entries: Option<u64>,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: LogLevel,
}

/// Level of the own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// What may become a failure.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// Why it happens.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for tracing::level_filters::LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: LogLevel::Info }
    }
}

/// `[ui]`
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UiConfig {
    /// Theme by name; chosen by the terminal's background if empty.
    pub theme: String,
    /// Only ASCII signs.
    pub ascii: bool,
    /// The terminal draws characters of ambiguous width in two columns.
    pub ambiguous_wide: bool,
    /// Times in UTC.
    pub utc: bool,
    /// Take mouse reports.
    pub mouse: bool,
    /// Who is at the keys; the operating system's user if empty.
    pub operator: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            environment: "development".to_owned(),
            read_only: false,
            store: StoreConfig::default(),
            listen: ListenConfig::default(),
            log: LogConfig::default(),
            ui: UiConfig::default(),
            metrics: Default::default(),
            scrape: Default::default(),
            streams: Default::default(),
            services: Default::default(),
            signals: Default::default(),
        }
    }
}

impl Config {
    /// What is wrong beyond what types can say: the engines' own rules. Empty when all is well.
    pub fn validate(&self) -> Vec<(String, Diagnostic)> {
        let mut found: Vec<(String, Diagnostic)> = Vec::new();
        found.extend(self.metrics.validate().into_iter().map(|d| ("metrics".to_owned(), d)));
        found.extend(quarterdeck_streams::config::validate(&self.streams));
        found
    }
}
