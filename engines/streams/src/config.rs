//! `[streams.NAME]`: what a feed connects to and what its messages mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use quarterdeck_kernel::labels::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name};
use quarterdeck_kernel::time::text;
use quarterdeck_kernel::{Diagnostic, Secret};
use quarterdeck_resilience::retry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::path::Path;

/// The section `[streams]`: feeds by name.
pub type Config = BTreeMap<String, FeedConfig>;

/// One feed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// `ws://` or `wss://` address.
    pub url: String,
    /// Text messages sent, in order, each time the connection stands.
    #[serde(default)]
    pub subscribe: Vec<String>,
    /// Headers of the opening request: text, or a secret as `{ env = "NAME" }` or `{ file = "PATH" }`.
    #[serde(default)]
    pub headers: BTreeMap<String, HeaderValue>,
    /// Certificate authority (PEM) to trust instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long connecting, TLS and handshake may take together.
    #[serde(default = "ten_seconds", with = "text")]
    #[schemars(with = "String")]
    pub connect_timeout: Duration,
    /// How often a ping is sent; `0` sends none.
    #[serde(default = "fifteen_seconds", with = "text")]
    #[schemars(with = "String")]
    pub ping_interval: Duration,
    /// How long anything may take to come back after a ping before the connection counts as dead.
    #[serde(default = "ten_seconds", with = "text")]
    #[schemars(with = "String")]
    pub pong_timeout: Duration,
    /// Without a message for this long the feed is shown as stale; `0` never.
    #[serde(default = "thirty_seconds", with = "text")]
    #[schemars(with = "String")]
    pub stale_after: Duration,
    /// Waits between attempts to connect.
    #[serde(default)]
    pub backoff: Backoff,
    /// Columns of the live rows: name and JSON path.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// The order of the columns; fields that are not named here follow by name. Without any `fields`, each column is
    /// the path of its own value.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Path to an array in each message whose elements are the records; fields and metrics are then looked up in each
    /// element, unless their path begins with `$`. Without it the whole message is one record.
    #[serde(default)]
    pub records: Option<String>,
    /// A counter in the messages that shows gaps.
    #[serde(default)]
    pub sequence: Option<Sequence>,
    /// A time in the messages that shows lag.
    #[serde(default)]
    pub timestamp: Option<MessageTime>,
    /// Labels on every series of this feed. The label `stream` is added.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Series made from messages.
    #[serde(default)]
    pub metrics: Vec<MetricConfig>,
    /// How many series the feed may make; further ones are refused and counted.
    #[serde(default = "Defaults::max_series")]
    pub max_series: usize,
    /// How many messages may wait to be digested.
    #[serde(default = "Defaults::buffer")]
    pub buffer: usize,
    /// What happens when that many wait.
    #[serde(default)]
    pub on_overflow: Overflow,
    /// The largest message (and frame) taken, in bytes; a larger one ends the connection.
    #[serde(default = "Defaults::max_message_bytes")]
    pub max_message_bytes: usize,
    /// How many live rows are kept.
    #[serde(default = "Defaults::rows")]
    pub rows: usize,
    /// How many bytes of a message's text are kept with its row.
    #[serde(default = "Defaults::row_bytes")]
    pub row_bytes: usize,
}

/// A header's value.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum HeaderValue {
    /// From an environment variable.
    Env {
        /// Its name.
        env: String,
    },
    /// From a file; one line end at its end is not part of the value.
    File {
        /// Where it is.
        file: PathBuf,
    },
    /// As written. It is treated as a secret too.
    Text(#[schemars(with = "String")] Secret),
}

impl HeaderValue {
    /// The value, read now.
    ///
    /// # Errors
    /// When the variable is not set or the file cannot be read; the message names it, not the value.
    pub fn resolve(&self) -> Result<Secret, String> {
        match self {
            Self::Text(secret) => Ok(secret.clone()),
            Self::Env { env } => std::env::var(env)
                .map(Secret::new)
                .map_err(|_| format!("environment variable {env} is not set or not text")),
            Self::File { file } => std::fs::read_to_string(file)
                .map(|t| {
                    let line = t.strip_suffix('\n').unwrap_or(&t);
                    Secret::new(line.strip_suffix('\r').unwrap_or(line))
                })
                .map_err(|e| format!("{} cannot be read: {e}", file.display())),
        }
    }
}

impl std::fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env { env } => write!(f, "env {env}"),
            Self::File { file } => write!(f, "file {}", file.display()),
            Self::Text(secret) => write!(f, "{secret}"),
        }
    }
}

/// Waits between attempts: doubled each time from `min` to `max`, each shortened at random by up to the jitter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// The first wait.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub min: Duration,
    /// The longest wait.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub max: Duration,
    /// The part of a wait that is random, from 0 to 1, so that many feeds of one server do not return at once.
    pub jitter: f64,
    /// A connection that stood for this long starts the waits anew.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub reset_after: Duration,
    /// Seed of the randomness; from the feed's name when not given.
    pub seed: Option<u64>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            min: Duration::from_millis(500),
            max: Duration::from_secs(30),
            jitter: 0.5,
            reset_after: Duration::from_secs(10),
            seed: None,
        }
    }
}

impl Backoff {
    /// The same as all calls of the console are retried by.
    pub(crate) fn policy(&self) -> retry::Policy {
        retry::Policy {
            attempts: retry::Policy::FOREVER,
            backoff: retry::Backoff::Exponential { factor: 2.0 },
            base: self.min,
            cap: self.max,
            jitter: retry::Jitter::Below { share: self.jitter },
            not_idempotent: false,
        }
    }
}

/// What happens to messages that come faster than they are digested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// The oldest waiting message goes.
    #[default]
    DropOldest,
    /// The new message goes.
    DropNewest,
    /// The socket is not read until there is room: the sender feels it.
    Block,
}

/// A counter in the messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sequence {
    /// Where it is.
    pub path: String,
    /// Where the key is that has a counter of its own, such as the symbol; without it the feed has one counter.
    #[serde(default)]
    pub key: Option<String>,
}

/// A time in the messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageTime {
    /// Where it is.
    pub path: String,
    /// What it counts.
    #[serde(default)]
    pub unit: TimeUnit,
}

/// What a time in a message counts since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TimeUnit {
    /// Seconds, with or without a fraction.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[default]
    #[serde(rename = "ms")]
    Millis,
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanos,
    /// Text as RFC 3339 writes it.
    #[serde(rename = "rfc3339")]
    Rfc3339,
}

/// A metric made from messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricConfig {
    /// Its name.
    pub name: String,
    /// Where the value is: a number, a number as text, or true/false as 1/0. Without it every record counts as one
    /// (then the type is counter).
    #[serde(default)]
    pub path: Option<String>,
    /// How values become samples.
    #[serde(default, rename = "type")]
    pub kind: MetricKind,
    /// Label names, each with the path of its value.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it tells, for people.
    #[serde(default)]
    pub help: String,
    /// Unit, such as `seconds`.
    #[serde(default)]
    pub unit: String,
}

/// How values become samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// The newest value of each flush is the sample.
    #[default]
    Gauge,
    /// Values are added up; the sample is the sum since the feed was started.
    Counter,
}

/// Defaults of plain numbers.
struct Defaults;

impl Defaults {
    fn max_series() -> usize {
        1000
    }
    fn buffer() -> usize {
        8192
    }
    fn max_message_bytes() -> usize {
        1 << 20
    }
    fn rows() -> usize {
        1000
    }
    fn row_bytes() -> usize {
        512
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn fifteen_seconds() -> Duration {
    Duration::from_secs(15)
}

fn thirty_seconds() -> Duration {
    Duration::from_secs(30)
}

impl FeedConfig {
    /// A feed with everything but its address as the defaults have it.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            subscribe: Vec::new(),
            headers: BTreeMap::new(),
            ca_file: None,
            connect_timeout: ten_seconds(),
            ping_interval: fifteen_seconds(),
            pong_timeout: ten_seconds(),
            stale_after: thirty_seconds(),
            backoff: Backoff::default(),
            fields: BTreeMap::new(),
            columns: Vec::new(),
            records: None,
            sequence: None,
            timestamp: None,
            labels: BTreeMap::new(),
            metrics: Vec::new(),
            max_series: Defaults::max_series(),
            buffer: Defaults::buffer(),
            on_overflow: Overflow::default(),
            max_message_bytes: Defaults::max_message_bytes(),
            rows: Defaults::rows(),
            row_bytes: Defaults::row_bytes(),
        }
    }

    /// The columns' names in the order shown.
    #[must_use]
    pub fn ordered_columns(&self) -> Vec<&str> {
        let all = self.fields.is_empty();
        let named = self.columns.iter().map(String::as_str).filter(|c| all || self.fields.contains_key(*c));
        let rest = self.fields.keys().map(String::as_str).filter(|f| !self.columns.iter().any(|c| c == f));
        named.chain(rest).collect()
    }

    /// The path of a column's value.
    #[must_use]
    pub fn path_of<'a>(&'a self, column: &'a str) -> &'a str {
        self.fields.get(column).map_or(column, String::as_str)
    }
}

/// Every mistake of the section that its types do not show: the key below `streams` (as in `quotes.fields.price`)
/// and what is wrong there.
#[must_use]
pub fn validate(config: &Config) -> Vec<(String, Diagnostic)> {
    let mut checks = Checks { feed: "", found: Vec::new() };
    for (name, feed) in config {
        checks.feed = name;
        checks.feed(feed);
    }
    checks.found
}

struct Checks<'a> {
    feed: &'a str,
    found: Vec<(String, Diagnostic)>,
}

impl Checks<'_> {
    fn wrong(&mut self, key: &str, message: String, advice: &str) {
        let key = if key.is_empty() { self.feed.to_owned() } else { format!("{}.{key}", self.feed) };
        self.found.push((key, Diagnostic::new(message).advise(advice)));
    }

    fn feed(&mut self, feed: &FeedConfig) {
        if self.feed.is_empty() {
            self.wrong("", "a feed has an empty name".to_owned(), "name it, as in [streams.quotes]");
        }
        self.address(&feed.url);
        for (name, path) in &feed.fields {
            self.path(&format!("fields.{name}"), path);
        }
        for column in feed.columns.iter().filter(|c| !feed.fields.contains_key(*c)) {
            if feed.fields.is_empty() {
                self.path("columns", column);
                continue;
            }
            let near = quarterdeck_kernel::suggest::nearest(column, feed.fields.keys().map(String::as_str));
            let advice =
                near.map_or_else(|| "name keys of fields".to_owned(), |n| format!("did you mean {n}?"));
            self.wrong("columns", format!("{column:?} is not a field"), &advice);
        }
        if let Some(path) = &feed.records {
            self.path("records", path);
        }
        if let Some(sequence) = &feed.sequence {
            self.path("sequence.path", &sequence.path);
            if let Some(key) = &sequence.key {
                self.path("sequence.key", key);
            }
        }
        if let Some(time) = &feed.timestamp {
            self.path("timestamp.path", &time.path);
        }
        for label in feed.labels.keys() {
            self.label(&format!("labels.{label}"), label);
        }
        for (i, metric) in feed.metrics.iter().enumerate() {
            self.metric(i, metric);
        }
        self.bounds(feed);
    }

    fn address(&mut self, address: &str) {
        let advice = "write ws://HOST:PORT/PATH or wss://HOST/PATH";
        match url::Url::parse(address) {
            Ok(url) if !matches!(url.scheme(), "ws" | "wss") => {
                self.wrong("url", format!("{:?} is not a scheme of WebSockets", url.scheme()), advice);
            }
            Ok(url) if url.host_str().is_none_or(str::is_empty) => {
                self.wrong("url", format!("{address:?} has no host"), advice);
            }
            Ok(_) => {}
            Err(e) => self.wrong("url", format!("{address:?} is not a URL: {e}"), advice),
        }
    }

    fn path(&mut self, key: &str, path: &str) {
        if let Err(e) = path.parse::<Path>() {
            self.wrong(key, e.to_string(), "");
        }
    }

    fn label(&mut self, key: &str, label: &str) {
        if !is_legacy_label_name(label) || label == METRIC_NAME {
            let advice = "letters, digits and _, not starting with a digit";
            self.wrong(key, format!("{label:?} is not a label name"), advice);
        } else if label == "stream" {
            self.wrong(key, "the label stream is set to the feed's name".to_owned(), "choose another name");
        }
    }

    fn metric(&mut self, i: usize, metric: &MetricConfig) {
        if !is_legacy_metric_name(&metric.name) {
            let advice = "letters, digits, _ and :, not starting with a digit";
            self.wrong(
                &format!("metrics[{i}].name"),
                format!("{:?} is not a metric name", metric.name),
                advice,
            );
        }
        match &metric.path {
            Some(path) => self.path(&format!("metrics[{i}].path"), path),
            None if metric.kind == MetricKind::Gauge => {
                let advice = "give a path, or type = \"counter\" to count records";
                self.wrong(
                    &format!("metrics[{i}].path"),
                    format!("gauge {} has no path", metric.name),
                    advice,
                );
            }
            None => {}
        }
        for (label, path) in &metric.labels {
            self.label(&format!("metrics[{i}].labels.{label}"), label);
            self.path(&format!("metrics[{i}].labels.{label}"), path);
        }
    }

    fn bounds(&mut self, feed: &FeedConfig) {
        let ranges = [
            ("buffer", feed.buffer, 1, 1 << 20),
            ("rows", feed.rows, 0, 1 << 20),
            ("row_bytes", feed.row_bytes, 0, 1 << 16),
            ("max_message_bytes", feed.max_message_bytes, 64, 1 << 28),
            ("max_series", feed.max_series, 0, 1 << 20),
        ];
        for (key, value, least, most) in ranges {
            if value < least || value > most {
                self.wrong(key, format!("{value} is out of range"), &format!("from {least} to {most}"));
            }
        }
        for (key, value) in [("connect_timeout", feed.connect_timeout), ("pong_timeout", feed.pong_timeout)] {
            if value.is_zero() {
                self.wrong(key, format!("{key} is zero"), "write a time such as 10s");
            }
        }
        let backoff = &feed.backoff;
        if !(0.0..=1.0).contains(&backoff.jitter) {
            self.wrong("backoff.jitter", format!("{} is out of range", backoff.jitter), "from 0 to 1");
        }
        if backoff.min.is_zero() || backoff.min > backoff.max {
            let advice = "min must be above zero and at most max";
            self.wrong("backoff.min", format!("{:?} with max {:?}", backoff.min, backoff.max), advice);
        }
    }
}
