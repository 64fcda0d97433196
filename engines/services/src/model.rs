//! What is known of services.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{EntryId, Health, Severity, Subject, SubjectKind, Timestamp};

use crate::words::ago;

/// All services as of one evaluation.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// See [`quarterdeck_kernel::Snapshot::version`].
    pub version: u64,
    /// When it was evaluated.
    pub taken: Timestamp,
    /// How often it is evaluated.
    pub interval: Duration,
    /// What attainment is a mean over.
    pub range: Duration,
    /// The services, worst first, then by name.
    pub services: Vec<Arc<ServiceView>>,
    /// Distance of the points of every history.
    pub history_step: Duration,
    /// Time of the newest point of every history.
    pub history_end: Timestamp,
    /// Circles in `depends_on`, each as the names along it; allowed, but worth knowing.
    pub cycles: Vec<Vec<String>>,
    /// Queries that failed at the last evaluation, in words; empty when all went well.
    pub problems: Vec<String>,
    /// Services that did not fit the configured number.
    pub dropped_services: usize,
}

impl quarterdeck_kernel::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}

impl Snapshot {
    /// The service of a name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Arc<ServiceView>> {
        self.services.iter().find(|s| &*s.name == name)
    }

    /// The newest data of any service.
    #[must_use]
    pub fn newest_data(&self) -> Option<Timestamp> {
        self.services.iter().filter_map(|s| s.data_at).max()
    }
}

/// One service.
#[derive(Clone, Debug, Default)]
pub struct ServiceView {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it is configured; otherwise it is inferred from labels.
    pub catalogued: bool,
    /// Who owns it.
    pub owner: Option<String>,
    /// Where its runbook is.
    pub runbook: Option<String>,
    /// Services that it needs.
    pub depends_on: Vec<String>,
    /// Services that need it.
    pub dependents: Vec<String>,
    /// Routes of the gateway that lead to it.
    pub routes: Vec<String>,
    /// Where its logs come from.
    pub log_sources: Vec<String>,
    /// PromQL selectors of its series, such as `{job="orders"}`; a series that fulfils one of them is its own.
    pub selectors: Vec<String>,
    /// How it does.
    pub health: Health,
    /// Since when it does so.
    pub since: Timestamp,
    /// Limits that are broken now, worst first.
    pub breaches: Vec<Breach>,
    /// Why it is not well, in one clause: `p99 84 ms, limit 50 ms`; empty when it is.
    pub reason: String,
    /// Golden signals.
    pub signals: Signals,
    /// Its scrape targets.
    pub targets: Targets,
    /// When its newest sample was taken.
    pub data_at: Option<Timestamp>,
    /// What it uses.
    pub resources: Vec<Resource>,
    /// Its transactions, busiest first.
    pub transactions: Vec<TransactionView>,
    /// Transactions that did not fit the configured number; they are part of the service's signals.
    pub dropped_transactions: usize,
    /// Which conventions its request metrics follow.
    pub conventions: Vec<Arc<str>>,
}

impl ServiceView {
    /// What it is pointed at with.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::service(&*self.name)
    }

    /// The transaction of a name.
    #[must_use]
    pub fn transaction(&self, name: &str) -> Option<&TransactionView> {
        self.transactions.iter().find(|t| &*t.name == name)
    }
}

/// Golden signals of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Signals {
    /// Requests per second.
    pub rate: Signal,
    /// Failed requests, in percent of all.
    pub errors: Signal,
    /// Median latency, in milliseconds.
    pub p50: Signal,
    /// 95th percentile of latency, in milliseconds.
    pub p95: Signal,
    /// 99th percentile of latency, in milliseconds.
    pub p99: Signal,
    /// How full its fullest resource is, in percent.
    pub saturation: Signal,
    /// The name of that resource, such as `cpu` or `workers`.
    pub saturated: Option<Arc<str>>,
    /// Apdex from 0 to 1, against the service's Apdex threshold.
    pub apdex: Option<f64>,
}

/// One figure with its limit and its near past.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Now; none when unknown.
    pub value: Option<f64>,
    /// It should not be above this.
    pub limit: Option<f64>,
    /// Since when it is above (after enough evaluations in a row to be sure).
    pub broken_since: Option<Timestamp>,
    /// Values at the snapshot's history times, oldest first; NaN where unknown.
    pub history: Arc<[f64]>,
}

impl Default for Signal {
    fn default() -> Self {
        Self { value: None, limit: None, broken_since: None, history: Arc::from([]) }
    }
}

/// Scrape targets of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Those that answer.
    pub up: usize,
    /// All.
    pub total: usize,
}

/// A resource in use.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Name, such as `cpu` or `memory`.
    pub name: Arc<str>,
    /// Unit of the value: `cores`, `bytes`, `1` for plain counts.
    pub unit: Arc<str>,
    /// How much.
    pub value: f64,
    /// In percent of its limit, when a limit is known.
    pub percent: Option<f64>,
}

/// A limit that is broken.
#[derive(Clone, Debug, PartialEq)]
pub struct Breach {
    /// What is broken.
    pub what: Limited,
    /// The value.
    pub value: f64,
    /// The limit.
    pub limit: f64,
    /// Since when.
    pub since: Timestamp,
    /// In words: `p99 84 ms, limit 50 ms`.
    pub text: String,
    /// How bad it makes the service.
    pub health: Health,
}

/// From this many times its limit on, latency or errors need a person now.
const CRITICAL_FACTOR: f64 = 3.0;

impl Breach {
    /// How many times the limit the value is; for a transaction's target, how many times more miss it than may.
    #[must_use]
    pub fn excess(&self) -> f64 {
        match self.what {
            Limited::Targets => f64::INFINITY,
            Limited::Transaction(_) => (100.0 - self.value) / (100.0 - self.limit).max(1e-9),
            Limited::Errors | Limited::Latency | Limited::Saturation => self.value / self.limit.max(1e-9),
        }
    }

    /// Whether the value is within its limit again, but not for long enough to count.
    #[must_use]
    pub fn recovering(&self) -> bool {
        self.what != Limited::Targets && self.excess() <= 1.0
    }
}

impl ServiceView {
    /// How much it needs a person: none when it is well or nothing is known; now when it is down, or its latency or errors are
    /// several times their limit; soon otherwise.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        let far = |b: &Breach| {
            matches!(b.what, Limited::Latency | Limited::Errors) && b.excess() >= CRITICAL_FACTOR
        };
        match self.health {
            Health::Ok | Health::Unknown => None,
            Health::Down => Some(Severity::Critical),
            Health::Degraded if self.breaches.iter().any(far) => Some(Severity::Critical),
            Health::Degraded => Some(Severity::Warning),
        }
    }

    /// How far it is over its limits, for ordering services of equal health.
    #[must_use]
    pub fn excess(&self) -> f64 {
        self.breaches.iter().map(Breach::excess).fold(0.0, f64::max)
    }
}

/// What a limit is on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limited {
    /// No target answers, or not all.
    Targets,
    /// Failed requests.
    Errors,
    /// 99th percentile of latency.
    Latency,
    /// The fullest resource.
    Saturation,
    /// Attainment of a transaction's threshold.
    Transaction(String),
}

/// One transaction of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionView {
    /// Its name, such as `POST /orders`.
    pub name: Arc<str>,
    /// Requests per second.
    pub rate: Option<f64>,
    /// Failed requests, in percent.
    pub errors: Option<f64>,
    /// Median latency, in milliseconds.
    pub p50: Option<f64>,
    /// 95th percentile of latency, in milliseconds.
    pub p95: Option<f64>,
    /// 99th percentile of latency, in milliseconds.
    pub p99: Option<f64>,
    /// Apdex from 0 to 1, against its threshold (or the service's Apdex threshold).
    pub apdex: Option<f64>,
    /// Its SLA threshold, in milliseconds.
    pub threshold: Option<f64>,
    /// The part of requests that must be within the threshold, in percent.
    pub target: Option<f64>,
    /// The part that was, over the attainment range, in percent.
    pub attainment: Option<f64>,
    /// Since when attainment is below target.
    pub broken_since: Option<Timestamp>,
    /// Requests per second at the snapshot's history times; NaN where unknown.
    pub rate_history: Arc<[f64]>,
    /// 99th percentile at the snapshot's history times; NaN where unknown.
    pub p99_history: Arc<[f64]>,
}

impl TransactionView {
    /// What it is pointed at with: `transaction:orders/POST /orders`.
    #[must_use]
    pub fn subject(&self, service: &str) -> Subject {
        Subject::new(SubjectKind::Transaction, format!("{service}/{}", self.name))
    }
}

/// Signals of a service or transaction over time, for charts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignalSeries {
    /// Times of the points.
    pub times: Vec<Timestamp>,
    /// Requests per second; NaN where unknown, here and below.
    pub rate: Vec<f64>,
    /// Failed requests, in percent.
    pub errors: Vec<f64>,
    /// Median latency, in milliseconds.
    pub p50: Vec<f64>,
    /// 95th percentile of latency, in milliseconds.
    pub p95: Vec<f64>,
    /// 99th percentile of latency, in milliseconds.
    pub p99: Vec<f64>,
    /// Apdex from 0 to 1.
    pub apdex: Vec<f64>,
    /// The part of requests within the threshold, in percent; all NaN without a threshold.
    pub attainment: Vec<f64>,
    /// Attainment over the whole range, in percent.
    pub attained: Option<f64>,
    /// The threshold it is measured against, in milliseconds.
    pub threshold: Option<f64>,
}

/// How many requests took how long, over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heatmap {
    /// Upper bounds of the rows in milliseconds, ascending; the last is infinite.
    pub bounds: Vec<f64>,
    /// End of each column.
    pub times: Vec<Timestamp>,
    /// Width of a column.
    pub step: Duration,
    /// Requests by column, then by row; NaN in all rows of a column without data.
    pub counts: Vec<Vec<f64>>,
}

/// The one sentence that leads when something is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// How bad.
    pub severity: Severity,
    /// The sentence: `orders degraded 2 m · p99 84 ms (limit 50) · began 7 s after v2 → 10 % (ops-1)`.
    pub text: String,
    /// The service it is about.
    pub service: Arc<str>,
    /// The change that came just before, if one did.
    pub change: Option<EntryId>,
    /// How the service does.
    pub health: Health,
    /// Since when it does so.
    pub since: Timestamp,
    /// Since when the limit that leads is broken.
    pub broken: Timestamp,
    /// What is wrong: `p99 84 ms (limit 50)`.
    pub clause: String,
    /// What came before, and what else is wrong; begins with ` · ` where there is something.
    pub rest: String,
}

impl Headline {
    /// The sentence as it is at a later time: lengths of time go on while nothing else has changed.
    #[must_use]
    pub fn told(&self, now: Timestamp) -> String {
        let (lasts, broken) = (now.since(self.since), now.since(self.broken));
        // What leads may have begun later than the trouble: then its own time is told too.
        let later = lasts.saturating_sub(broken) >= Duration::from_secs(10);
        let for_ = if later { format!(" for {}", ago(broken)) } else { String::new() };
        let health = self.health.as_str();
        format!("{} {health} {} · {}{for_}{}", self.service, ago(lasts), self.clause, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breach(what: Limited, value: f64, limit: f64) -> Breach {
        let (since, text) = (Timestamp::default(), String::new());
        Breach { what, value, limit, since, text, health: Health::Degraded }
    }

    fn degraded(breaches: Vec<Breach>) -> ServiceView {
        ServiceView { health: Health::Degraded, breaches, ..ServiceView::default() }
    }

    #[test]
    fn several_times_the_limit_needs_a_person_now() {
        let at = |value| degraded(vec![breach(Limited::Latency, value, 50.0)]).severity();
        assert_eq!(at(149.0), Some(Severity::Warning));
        assert_eq!(at(150.0), Some(Severity::Critical));
        let full = degraded(vec![breach(Limited::Saturation, 100.0, 20.0)]);
        assert_eq!(full.severity(), Some(Severity::Warning), "a full resource alone is no outage");
        let down = ServiceView { health: Health::Down, ..ServiceView::default() };
        assert_eq!(down.severity(), Some(Severity::Critical));
        assert_eq!(ServiceView { health: Health::Ok, ..ServiceView::default() }.severity(), None);
    }

    #[test]
    fn what_is_within_its_limit_again_recovers() {
        assert!(breach(Limited::Latency, 28.0, 50.0).recovering());
        assert!(!breach(Limited::Latency, 51.0, 50.0).recovering());
        // A target is missed from below: 99.5 % within, when 99 % is asked for, is well again.
        assert!(breach(Limited::Transaction("POST /".to_owned()), 99.5, 99.0).recovering());
        assert!(!breach(Limited::Transaction("POST /".to_owned()), 98.0, 99.0).recovering());
        assert!(!breach(Limited::Targets, 0.0, 1.0).recovering());
    }
}
