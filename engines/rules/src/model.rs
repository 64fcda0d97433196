//! What the engine tells: groups, rules and alerts as of one moment.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Labels, Severity, Timestamp};

/// The state of the engine as of one version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Grows with every change.
    pub version: u64,
    /// When it was taken.
    pub taken: Timestamp,
    /// Groups, sorted by file and name.
    pub groups: Arc<[Arc<GroupView>]>,
}

impl quarterdeck_kernel::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}

/// A group as of its last evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupView {
    /// Name, unique in its file.
    pub name: Arc<str>,
    /// The file, as configured.
    pub file: Arc<str>,
    /// How often it is evaluated.
    pub interval: Duration,
    /// The most series or alerts that one rule may yield; 0 for no limit.
    pub limit: usize,
    /// When it was last evaluated; none before the first time.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub duration: Duration,
    /// Evaluations that were left out because the one before took too long.
    pub missed: u64,
    /// Rules, in the order of the file.
    pub rules: Arc<[Arc<RuleView>]>,
}

/// How a rule does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuleHealth {
    /// Not evaluated yet.
    #[default]
    Unknown,
    /// The last evaluation succeeded.
    Ok,
    /// The last evaluation failed.
    Bad,
}

impl RuleHealth {
    /// As the HTTP API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Bad => "err",
        }
    }
}

/// A rule as of its last evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleView {
    /// Name of the alert or of the recorded metric.
    pub name: Arc<str>,
    /// The expression, as PromQL prints it.
    pub query: Arc<str>,
    /// Labels that it adds, templates not expanded.
    pub labels: Arc<[(String, String)]>,
    /// How it does.
    pub health: RuleHealth,
    /// Why the last evaluation failed.
    pub last_error: Option<Arc<str>>,
    /// When it was last evaluated.
    pub last_evaluation: Option<Timestamp>,
    /// How long that took.
    pub duration: Duration,
    /// Line of the file it stands in.
    pub line: usize,
    /// What an alerting rule has beyond this; none for recording rules.
    pub alerting: Option<AlertingView>,
}

/// The part of a [`RuleView`] that only alerting rules have.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertingView {
    /// How long the expression must hold before the alert fires.
    pub hold: Duration,
    /// How long it keeps firing after the expression held last.
    pub keep_firing: Duration,
    /// Annotations, templates not expanded.
    pub annotations: Arc<[(String, String)]>,
    /// Pending and firing alerts, sorted by labels.
    pub alerts: Arc<[Arc<AlertView>]>,
}

impl AlertingView {
    /// The worst state of its alerts.
    #[must_use]
    pub fn state(&self) -> AlertState {
        self.alerts.iter().map(|alert| alert.state).max().unwrap_or_default()
    }
}

/// The state of an alert. Ordered, so that `max` is the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertState {
    /// Neither pending nor firing.
    #[default]
    Inactive,
    /// The expression holds, but not for long enough yet.
    Pending,
    /// Firing.
    Firing,
}

impl AlertState {
    /// As the HTTP API and the `alertstate` label write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }
}

/// An alert that is pending or firing.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertView {
    /// Labels, `alertname` included.
    pub labels: Labels,
    /// Annotations, expanded.
    pub annotations: Arc<[(String, String)]>,
    /// Pending or firing.
    pub state: AlertState,
    /// Since when the expression has held.
    pub active_at: Timestamp,
    /// When it began to fire.
    pub fired_at: Option<Timestamp>,
    /// Since when it only fires because it was told to keep firing.
    pub keep_firing_since: Option<Timestamp>,
    /// Value of the expression.
    pub value: f64,
}

impl AlertView {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.labels.get("alertname").unwrap_or_default()
    }

    /// The service it is about, if a label says so.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.labels.get("service")
    }

    /// How much it matters, by its `severity` label: `critical` and `page` are critical, `info` and `none` are
    /// informative, anything else needs a person soon.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.labels.get("severity").unwrap_or_default().to_ascii_lowercase().as_str() {
            "critical" | "page" | "emergency" | "high" => Severity::Critical,
            "info" | "none" | "low" | "debug" | "informational" => Severity::Info,
            _ => Severity::Warning,
        }
    }

    /// An annotation by name.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

impl Snapshot {
    /// Every alert that is pending or firing, in the order of the rules.
    pub fn active(&self) -> impl Iterator<Item = &Arc<AlertView>> {
        let rules = self.groups.iter().flat_map(|group| group.rules.iter());
        rules.filter_map(|rule| rule.alerting.as_ref()).flat_map(|a| a.alerts.iter())
    }

    /// Every alert that is pending or firing: firing first, then by severity, then the one that began last. Sorts all of
    /// them: what is drawn anew many times a second takes those that it shows from [`Snapshot::active`].
    #[must_use]
    pub fn alerts(&self) -> Vec<&Arc<AlertView>> {
        let mut all: Vec<&Arc<AlertView>> = self.active().collect();
        all.sort_by(|a, b| {
            let key = |alert: &AlertView| (alert.state, alert.severity(), alert.active_at);
            key(b).cmp(&key(a)).then_with(|| a.labels.cmp(&b.labels))
        });
        all
    }
}
