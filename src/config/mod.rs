//! The root of the configuration: every engine's section in one value.

mod loaded;
mod locate;

pub use loaded::{Loaded, Origin};

use quarterdeck_journal::configuration::SecretRef;
use quarterdeck_kernel::{Diagnostic, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::http::guard::ListenConfig;

/// `quarterdeck.toml`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Shown at the top; `production` is shown loudly. The command line and QUARTERDECK_ENVIRONMENT go before it.
    pub environment: String,
    /// Only safe actions: nothing that changes how services or this console behave; notes stay possible.
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
    /// Recording and alerting rules.
    pub rules: quarterdeck_rules::RulesConfig,
    /// Alerts: what goes beyond `alertmanager.yml`.
    pub alerting: quarterdeck_alerting::AlertingConfig,
    /// Who is on call, and who is told next.
    pub oncall: quarterdeck_oncall::OncallConfig,
    /// The traffic gateway.
    pub gateway: quarterdeck_gateway::Config,
    /// Deployment control.
    pub deploy: quarterdeck_deploy::Config,
}

/// Where durable state is kept: the timeline, limits set at run time, what later engines must not lose.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// A PostgreSQL URL; without it, state is kept in SQLite in the data directory.
    pub postgres: Option<SecretRef>,
    /// How many timeline entries are kept; older ones are pruned behind a checkpoint.
    pub timeline_entries: Option<u64>,
}

/// The console's own log: JSON lines in a rotating file in the data directory.
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

/// How the screen looks and who is at it. What is chosen by key is remembered and goes before these.
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
            rules: Default::default(),
            alerting: Default::default(),
            oncall: Default::default(),
            gateway: Default::default(),
            deploy: Default::default(),
        }
    }
}

impl StoreConfig {
    /// The PostgreSQL URL, if there is one.
    ///
    /// # Errors
    /// When it is empty.
    pub fn postgres_url(&self) -> Result<Option<Secret>, Failure> {
        match &self.postgres {
            Some(secret) if secret.secret().is_empty() => Err(Failure::Failed(
                "[store] postgres is empty: write postgres://USER@HOST/DATABASE there".to_owned(),
            )),
            Some(secret) => Ok(Some(secret.secret().clone())),
            None => Ok(None),
        }
    }
}

impl Config {
    /// What is wrong beyond what types can say: the engines' own rules, by the path of the setting. Empty when all is well.
    pub fn validate(&self) -> Vec<(String, Diagnostic)> {
        let mut found: Vec<(String, Diagnostic)> = Vec::new();
        // These tell the path in their message: "metrics.retention is 1s".
        found.extend(self.metrics.validate().into_iter().map(|d| {
            let path = d.message.split(' ').next().unwrap_or_default().to_owned();
            (path, d)
        }));
        let below =
            |section: &'static str| move |(path, d): (String, Diagnostic)| (format!("{section}.{path}"), d);
        found.extend(quarterdeck_streams::config::validate(&self.streams).into_iter().map(below("streams")));
        found.extend(self.rules.plan().err().into_iter().flatten().map(below("rules")));
        found.extend(quarterdeck_services::config::validate::validate(&self.services, &self.signals));
        found.extend(quarterdeck_gateway::validate(&self.gateway).into_iter().map(below("gateway")));
        found.extend(quarterdeck_deploy::config::validate(&self.deploy).into_iter().map(below("deploy")));
        found
    }

    /// The sections that differ and take effect only at the next start.
    pub fn needs_restart(&self, old: &Self) -> Vec<&'static str> {
        fn differ<T: Serialize>(a: &T, b: &T) -> bool {
            serde_json::to_value(a).ok() != serde_json::to_value(b).ok()
        }
        let mut sections = Vec::new();
        for (name, changed) in [
            ("environment", self.environment != old.environment),
            ("read_only", self.read_only != old.read_only),
            ("[store]", differ(&self.store, &old.store)),
            ("[listen]", differ(&self.listen, &old.listen)),
            ("[metrics]", differ(&self.metrics, &old.metrics)),
            ("[ui]", differ(&self.ui, &old.ui)),
            ("[gateway]", self.gateway.needs_restart(&old.gateway)),
        ] {
            if changed {
                sections.push(name);
            }
        }
        sections
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_holds_the_defaults() {
        let text = include_str!("../../assets/quarterdeck.toml");
        let sources = quarterdeck_journal::configuration::Sources::new().text("quarterdeck.toml", text);
        let loaded =
            quarterdeck_journal::configuration::load::<Config>(&sources).unwrap_or_else(|e| panic!("{e:#?}"));
        let json = |config: &Config| serde_json::to_value(config).unwrap();
        assert_eq!(json(&loaded.value), json(&Config::default()));
    }

    #[test]
    fn its_examples_are_lawful_too() {
        let text = include_str!("../../assets/quarterdeck.toml");
        // An example is a comment that looks like a table or a key.
        let examples: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(example) if example.starts_with('[') || example.split(' ').nth(1) == Some("=") => {
                    example
                }
                _ if line.starts_with('#') => "",
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n");
        let token = tempfile::NamedTempFile::new().unwrap();
        let examples = examples.replace("/etc/quarterdeck/token", &token.path().display().to_string());
        let variables = [("FEED_TOKEN", "x"), ("QUARTERDECK_POSTGRES_URL", "postgres://ops@db/ops")];
        let sources = quarterdeck_journal::configuration::Sources::new()
            .text("quarterdeck.toml", examples)
            .variables(variables.map(|(k, v)| (k.to_owned(), v.to_owned())));
        let loaded =
            quarterdeck_journal::configuration::load::<Config>(&sources).unwrap_or_else(|e| panic!("{e:#?}"));
        assert_eq!(loaded.value.validate(), []);
        assert!(loaded.value.streams.contains_key("quotes") && loaded.value.services.contains_key("orders"));
    }
}
