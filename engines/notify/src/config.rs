//! Settings of deliveries, and of the channels that Alertmanager does not have.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How deliveries are made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host names and addresses that may be asked although they are, or lead to, link-local or metadata addresses.
    pub allow_hosts: Vec<String>,
    /// How many attempts may wait for one destination; more are refused.
    pub queue: usize,
    /// How many tries to one destination run at once, each about another group.
    pub parallel: usize,
    /// The longest that one try may take.
    pub try_timeout: Duration,
    /// A try without an answer for so long hangs: it is cut off when one that was begun after it is taken, if the destination
    /// was known to fail.
    pub hangs_after: Duration,
    /// The first pause before the next try; pauses grow by half, up to a minute.
    pub first_pause: Duration,
    /// Randomness of the pauses.
    pub seed: u64,
    /// Where events of PagerDuty's first API go.
    pub pagerduty_v1: url::Url,
}

impl Default for Settings {
    fn default() -> Self {
        let v1 = "https://events.pagerduty.com/generic/2010-04-15/create_event.json";
        Self {
            allow_hosts: Vec::new(),
            queue: 1000,
            parallel: 8,
            try_timeout: Duration::from_secs(60),
            hangs_after: Duration::from_secs(10),
            first_pause: Duration::from_millis(500),
            seed: 0,
            // The text is one, as a test shows.
            pagerduty_v1: url::Url::parse(v1).unwrap_or_else(|_| unreachable!("{v1} is a URL")),
        }
    }
}

/// A program that is started for each notification.
///
/// It gets the webhook's JSON on its standard input, and what matters most in its environment. Exit code 0 means done, 75
/// (`EX_TEMPFAIL`) try again, any other refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program; no shell is involved.
    pub program: PathBuf,
    /// Its arguments; templates.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// More environment variables; values are templates.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Whether it is started for resolved alerts too.
    #[serde(default = "yes")]
    pub send_resolved: bool,
    /// The longest that it may run, in seconds.
    #[serde(default = "minute")]
    pub timeout_seconds: u32,
}

/// A file to which each notification adds one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFile {
    /// The file.
    pub path: PathBuf,
    /// How long it may become before it is renamed and begun again, in bytes.
    #[serde(default = "ten_mebibytes")]
    pub max_bytes: u64,
    /// How many renamed files are kept: `path.1` is the newest.
    #[serde(default = "three")]
    pub keep: u32,
    /// Whether resolved alerts are written too.
    #[serde(default = "yes")]
    pub send_resolved: bool,
}

fn yes() -> bool {
    true
}

fn minute() -> u32 {
    60
}

fn ten_mebibytes() -> u64 {
    10 << 20
}

fn three() -> u32 {
    3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_lawful() {
        assert_eq!(Settings::default().pagerduty_v1.scheme(), "https");
        let log: LogFile = serde_json::from_str("{\"path\": \"/x\"}").unwrap();
        assert_eq!((log.keep, log.send_resolved), (3, true));
        assert!(serde_json::from_str::<LogFile>("{\"path\": \"/x\", \"what\": 1}").is_err());
    }
}
