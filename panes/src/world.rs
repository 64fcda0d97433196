//! What panes can see and ask: the engines' snapshots of one moment, and questions that are answered in the background.

use std::sync::Arc;

use quarterdeck_kernel::action::Reason;
use quarterdeck_kernel::{
    ActionSpec, ChangeKind, Entry, EntryId, Invocation, Labels, Severity, Subject, SubjectKind, Timestamp,
};
use quarterdeck_ui::pane::{Alarm, Headline, Status};

use crate::alarms::{self, Alarms};

/// The registry of actions, as panes may ask it. Asking never blocks and changes nothing.
pub trait Actions: Send + Sync + 'static {
    /// Every action there is.
    fn specs(&self) -> &[ActionSpec];
    /// Whether an action makes sense on a subject now.
    ///
    /// # Errors
    /// Why not, in words for the operator.
    fn available(&self, action: &str, subject: Option<&Subject>) -> Result<(), Reason>;
    /// What an invocation will do, in numbers, one line each.
    fn preview(&self, invocation: &Invocation) -> Vec<String>;
}

/// Everything that is true, as of one moment.
#[derive(Clone)]
pub struct World {
    /// Grows with every change.
    pub version: u64,
    /// When this was put together.
    pub now: Timestamp,
    /// The console itself.
    pub console: Arc<Console>,
    /// The metrics store.
    pub metrics: Arc<quarterdeck_metrics::MetricsSnapshot>,
    /// Scrape targets.
    pub targets: Arc<quarterdeck_scrape::Snapshot>,
    /// WebSocket feeds.
    pub streams: Arc<quarterdeck_streams::Snapshot>,
    /// Services, worst first.
    pub services: Arc<quarterdeck_services::Snapshot>,
    /// Rules and their alerts.
    pub rules: Arc<quarterdeck_rules::Snapshot>,
    /// Alerts, silences, notifications, on-call.
    pub alerting: Arc<quarterdeck_alerting::View>,
    /// The traffic gateway.
    pub gateway: Arc<quarterdeck_gateway::Snapshot>,
    /// Deployment control.
    pub deploy: Arc<quarterdeck_deploy::model::Snapshot>,
    /// What of these alerts fires.
    pub alarms: Arc<Alarms>,
    /// What happened.
    pub timeline: Arc<Timeline>,
    /// The one sentence that leads when something is wrong.
    pub headline: Option<Arc<quarterdeck_services::Headline>>,
    /// What can be done.
    pub actions: Arc<dyn Actions>,
}

/// The newest entries of the timeline.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Newest first; outcomes carry their intent in [`Entry::outcome_of`], undone entries what undid them.
    pub entries: Arc<[Arc<Entry>]>,
    /// How many this console has written in all.
    pub total: u64,
    /// This console's writer.
    pub writer: String,
    /// What is wrong with the timeline's durability or integrity, until it is mended.
    pub trouble: Option<String>,
    /// Changes under way: intents without an outcome.
    pub running: usize,
}

impl Timeline {
    /// The entry of an id, if it is among the newest.
    #[must_use]
    pub fn entry(&self, id: &EntryId) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|e| e.id == *id)
    }
}

/// The console itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Console {
    /// Environment: `development`, `staging`, `production`, `demo`.
    pub environment: String,
    /// Whether everything that is not safe is taken away.
    pub read_only: bool,
    /// Who is at the keys.
    pub operator: String,
    /// Version of the program.
    pub version: &'static str,
    /// Process id.
    pub pid: u32,
    /// When it started.
    pub started: Timestamp,
    /// Where every HTTP interface is served.
    pub url: String,
    /// The data directory.
    pub data_dir: String,
    /// The store, without credentials.
    pub store: String,
    /// Files that the configuration was read from.
    pub config_files: Vec<String>,
    /// Why the newest configuration was refused, if it was: the old one is in force.
    pub config_errors: Vec<String>,
    /// Level of the own log, and where it is.
    pub log_level: String,
    /// The log file.
    pub log_file: String,
    /// Lines that the log could not take.
    pub log_dropped: u64,
    /// Engines by name.
    pub engines: Vec<EngineView>,
    /// Where notifications go, as far as this console has sent any.
    pub destinations: Vec<quarterdeck_alerting::DestinationStatus>,
    /// What the process uses.
    pub usage: Usage,
    /// Whether this is the demo.
    pub demo: bool,
}

/// One engine of the console.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineView {
    /// Its name.
    pub name: String,
    /// `starting`, `running`, `failed`, `draining`, `stopped`.
    pub state: &'static str,
    /// Since when.
    pub since: Timestamp,
    /// Starts after failures.
    pub restarts: u32,
    /// The last failure, in words.
    pub last_failure: Option<String>,
    /// When it is started again, while it waits.
    pub next_start: Option<Timestamp>,
}

/// What the process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processor time, in cores.
    pub cpu_cores: f64,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Open file descriptors.
    pub open_files: u64,
    /// Frames drawn so far.
    pub frames: u64,
    /// The last frame's time, in microseconds.
    pub frame_us: u64,
    /// 99th percentile from key to frame, in microseconds.
    pub key_to_frame_p99_us: u64,
    /// HTTP requests answered so far.
    pub http_requests: u64,
}

/// A question that is answered in the background.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// PromQL over a range, one answer per expression.
    Range {
        /// Expressions.
        exprs: Vec<String>,
        /// First step.
        from: Timestamp,
        /// Last step.
        to: Timestamp,
        /// Distance of steps in milliseconds.
        step_ms: i64,
    },
    /// PromQL at one moment, one answer per expression.
    Instant {
        /// Expressions.
        exprs: Vec<String>,
        /// When.
        at: Timestamp,
    },
    /// Names of metrics, labels, or values of a label, for completion.
    Names {
        /// Which.
        what: Names,
        /// They must start with, or contain, this.
        matching: String,
        /// At most so many.
        limit: usize,
    },
    /// Signals of a service or one of its transactions, for charts.
    Signals {
        /// The service.
        service: String,
        /// The transaction; all together if none.
        transaction: Option<String>,
        /// First point.
        from: Timestamp,
        /// Last point.
        to: Timestamp,
        /// How many points.
        columns: usize,
    },
    /// Latency heatmap of a service or one of its transactions.
    Heatmap {
        /// The service.
        service: String,
        /// The transaction; all together if none.
        transaction: Option<String>,
        /// Begin.
        from: Timestamp,
        /// End.
        to: Timestamp,
        /// How many columns.
        columns: usize,
    },
    /// A page of the timeline, newest first.
    Timeline {
        /// Which entries.
        filter: TimelineFilter,
        /// Only entries older than this one.
        before: Option<EntryId>,
        /// At most so many.
        limit: usize,
    },
    /// A chart as a file.
    Plot(Plot),
    /// Why an alert was, or was not, told.
    Explain {
        /// The alert.
        alert: quarterdeck_alertmanager::Fingerprint,
        /// The version of alerting that it is asked for: another one is another question.
        version: u64,
    },
    /// The order of a large table's rows.
    Arrange(Arrange),
    /// What the processes of a service have written last.
    Output {
        /// The service.
        service: String,
        /// The version; all of them if none.
        version: Option<String>,
        /// The replica; all of them if none.
        replica: Option<String>,
        /// At most so many lines, the newest.
        lines: usize,
        /// When it is asked: a later time is another question.
        at: Timestamp,
    },
}

/// A line that a process wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputLine {
    /// Names it: the same line has the same number whenever it is asked for.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Which replica.
    pub replica: String,
    /// Whether it was written to standard error.
    pub error: bool,
    /// The line.
    pub text: String,
}

/// A large table to be filtered and sorted.
#[derive(Clone)]
pub struct Arrange {
    /// Its rows.
    pub rows: Arc<dyn quarterdeck_widgets::table::Rows + Send + Sync>,
    /// How.
    pub spec: quarterdeck_widgets::table::Spec,
}

impl PartialEq for Arrange {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rows, &other.rows) && self.spec == other.spec
    }
}

impl std::fmt::Debug for Arrange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrange").field("rows", &self.rows.len()).field("spec", &self.spec).finish()
    }
}

/// What names are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Names {
    /// Metric names.
    Metrics,
    /// Label names, of one metric if given.
    Labels(Option<String>),
    /// Values of a label, on one metric if given.
    Values {
        /// The label.
        label: String,
        /// The metric.
        metric: Option<String>,
    },
}

/// Which entries of the timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimelineFilter {
    /// Only of these kinds; all if there is none.
    pub kinds: Vec<ChangeKind>,
    /// Only those that touch this service.
    pub service: Option<String>,
    /// Only those about this subject.
    pub subject: Option<Subject>,
    /// Only those whose sentence, reason or actor contains this text.
    pub text: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
}

/// A chart to be drawn as a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// Title.
    pub title: String,
    /// Unit of the values.
    pub unit: String,
    /// Left edge.
    pub from: Timestamp,
    /// Right edge.
    pub to: Timestamp,
    /// Distance of points in milliseconds; points further apart are a gap.
    pub step_ms: i64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// File format.
    pub format: PlotFormat,
    /// Lines.
    pub series: Vec<PlotSeries>,
    /// Horizontal lines: name and value.
    pub thresholds: Vec<(String, f64)>,
    /// Moments to mark: when and what.
    pub marks: Vec<(Timestamp, String)>,
}

/// One line of a [`Plot`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlotSeries {
    /// As the legend shows it.
    pub name: String,
    /// Oldest first; NaN is a gap.
    pub points: Vec<(Timestamp, f64)>,
}

/// File format of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlotFormat {
    /// Portable Network Graphics
    Png,
    /// Scalable Vector Graphics
    Svg,
}

/// The answer to a [`Query`], in the same order of kinds.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Query::Range`]: per expression, what came of it.
    Range(Vec<Result<Evaluated, Complaint>>),
    /// To [`Query::Instant`]: per expression, what came of it (each series has one point).
    Instant(Vec<Result<Evaluated, Complaint>>),
    /// To [`Query::Names`], sorted.
    Names(Vec<String>),
    /// To [`Query::Signals`].
    Signals(Arc<quarterdeck_services::SignalSeries>),
    /// To [`Query::Heatmap`].
    Heatmap(Arc<quarterdeck_services::Heatmap>),
    /// To [`Query::Timeline`], newest first, and whether there are older ones.
    Timeline(Vec<Arc<Entry>>, bool),
    /// To [`Query::Plot`]: the file.
    Plot(Vec<u8>),
    /// To [`Query::Explain`]; none when there is no such alert any more.
    Explain(Option<Arc<quarterdeck_alerting::engine::Explanation>>),
    /// To [`Query::Arrange`]
    Arrange(quarterdeck_widgets::table::Arrangement),
    /// To [`Query::Output`], oldest first.
    Output(Vec<OutputLine>),
}

/// An evaluated expression.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// Its series.
    pub series: Vec<EvaluatedSeries>,
    /// Warnings and remarks.
    pub notes: Vec<String>,
    /// Series that were read.
    pub series_read: u64,
    /// Samples that were read.
    pub samples_read: u64,
    /// How long it took, in microseconds.
    pub wall_us: u64,
}

/// One series of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluatedSeries {
    /// Its labels; none for a scalar.
    pub labels: Labels,
    /// Its points, oldest first.
    pub points: Vec<(Timestamp, f64)>,
}

/// Why an expression has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong, and what to do.
    pub message: String,
    /// Where in the expression, in bytes; empty when it is no particular place.
    pub range: std::ops::Range<usize>,
}

impl quarterdeck_ui::pane::World for World {
    type Query = Query;
    type Answer = Answer;

    fn version(&self) -> u64 {
        self.version
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn status(&self) -> Status {
        let console = &self.console;
        Status {
            environment: console.environment.clone(),
            production: console.environment == "production",
            read_only: console.read_only,
            operator: console.operator.clone(),
            firing: self.firing(),
            alarms: self.heard(),
            alarms_reach: self.alarms.reach(),
            running: match (self.deploy.rollouts.len(), self.timeline.running) {
                (0, 0) => None,
                (0, 1) => Some("1 change".to_owned()),
                (0, n) => Some(format!("{n} changes")),
                (1, _) => Some("1 rollout".to_owned()),
                (n, _) => Some(format!("{n} rollouts")),
            },
            newest_data: self
                .metrics
                .stats
                .newest
                .or_else(|| self.services.newest_data())
                .map(|t| t.min(self.now)),
            interval: i64::try_from(self.expected_interval().as_millis()).unwrap_or(i64::MAX),
            headline: self.headline(),
            engines_down: console
                .engines
                .iter()
                .filter(|e| e.state == "failed")
                .map(|e| (e.name.clone(), e.last_failure.clone().unwrap_or_default()))
                .collect(),
        }
    }

    fn actions(&self) -> &[ActionSpec] {
        self.actions.specs()
    }

    fn available(&self, action: &str, subject: Option<&Subject>) -> Result<(), Reason> {
        self.actions.available(action, subject)?;
        let entry = subject.filter(|s| action == "timeline.undo" && s.kind == SubjectKind::Entry);
        let id = entry.and_then(|s| s.id.parse().ok());
        match id.and_then(|id| crate::undo::in_the_way(&self.timeline.entries, &id)) {
            Some(newer) => {
                Err(Reason(format!("it was changed since, by {}: {}", newer.actor.user, newer.summary)))
            }
            None => Ok(()),
        }
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        crate::gateway::dialog::preview(self, invocation)
            .or_else(|| crate::deployments::dialog::preview(self, invocation))
            .unwrap_or_else(|| self.actions.preview(invocation))
    }

    fn title(&self, invocation: &Invocation) -> Option<String> {
        crate::dialogs::title(self, invocation)
    }

    fn situation(&self, invocation: &Invocation, argument: &str) -> Option<String> {
        crate::dialogs::situation(self, invocation, argument)
    }

    fn choices(&self, invocation: &Invocation, argument: &str) -> Option<Vec<(String, String)>> {
        crate::dialogs::choices(self, invocation, argument)
    }

    fn complete(&self, invocation: &Invocation, argument: &str) -> Vec<String> {
        crate::deployments::dialog::complete(self, invocation, argument)
    }

    fn subjects(&self) -> Vec<Subject> {
        let services = self.services.services.iter().map(|s| s.subject());
        let streams = self.streams.feeds.iter().map(|f| f.subject());
        let targets = self.targets.targets.iter().map(|t| t.subject());
        let routes = self.gateway.routes.iter().map(|r| r.subject());
        let rollouts = self.deploy.rollouts.iter();
        let rollouts = rollouts.map(|r| Subject::new(SubjectKind::Deployment, r.id.as_str()));
        services.chain(streams).chain(targets).chain(routes).chain(rollouts).collect()
    }

    fn home_of(&self, subject: &Subject) -> &'static str {
        match subject.kind {
            SubjectKind::Service | SubjectKind::Transaction => "services",
            SubjectKind::Target => "targets",
            SubjectKind::Stream => "streams",
            SubjectKind::Series => "metrics",
            SubjectKind::Engine | SubjectKind::Config => "self",
            SubjectKind::Entry => "timeline",
            SubjectKind::Pane => crate::PANES.into_iter().find(|id| *id == subject.id).unwrap_or("overview"),
            SubjectKind::Alert => "alerts",
            SubjectKind::Silence | SubjectKind::Notification | SubjectKind::Schedule => "oncall",
            SubjectKind::Route => "gateway",
            SubjectKind::Deployment => "deployments",
            SubjectKind::Flag | SubjectKind::Experiment => "overview",
        }
    }

    fn marks(&self, from: Timestamp, to: Timestamp, service: Option<&str>) -> Vec<Entry> {
        self.timeline
            .entries
            .iter()
            .rev()
            .filter(|e| (from..=to).contains(&e.at))
            .filter(|e| match (service, &e.service) {
                (Some(wanted), Some(has)) => wanted == has,
                _ => true,
            })
            .map(|e| (**e).clone())
            .collect()
    }
}

impl World {
    /// How often data should come: the shortest interval of any target, or the evaluation's own.
    fn expected_interval(&self) -> std::time::Duration {
        self.targets.targets.iter().map(|t| t.interval).min().unwrap_or(self.services.interval)
    }

    /// Alerts by their severity, from every source, that nobody has taken and nothing hides; and services that break a limit by
    /// how bad that is, unless an alert tells of it: that is one trouble.
    fn firing(&self) -> std::collections::BTreeMap<Severity, usize> {
        let mut counts = std::collections::BTreeMap::new();
        let untold = self.services.services.iter().filter_map(|service| {
            service.severity().filter(|severity| !self.alarms.tells_of(&service.name, *severity))
        });
        for severity in untold {
            *counts.entry(severity).or_insert(0) += 1;
        }
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            let count = self.alarms.firing(severity);
            if count > 0 {
                *counts.entry(severity).or_insert(0) += count;
            }
        }
        counts
    }

    /// Critical alerts, and services that are down.
    fn heard(&self) -> Arc<[Alarm]> {
        let alerts = self.alarms.heard();
        let down = self.services.services.iter().filter(|s| s.severity() == Some(Severity::Critical));
        let mut down = down
            .map(|service| Alarm {
                id: format!("{}@{}", service.subject(), service.since.as_millis()),
                since: service.since,
                text: format!("{} is {}: {}", service.name, service.health.as_str(), service.reason),
                subject: Some(service.subject()),
                service: Some(service.name.to_string()),
            })
            .peekable();
        if down.peek().is_none() { Arc::clone(alerts) } else { alerts.iter().cloned().chain(down).collect() }
    }

    /// The alert that leads, where one is worse than the worst service.
    pub(crate) fn leading_alert(&self) -> Option<&Arc<quarterdeck_alerting::model::Alert>> {
        let worst = self.alarms.worst().filter(|alert| alert.severity > Severity::Info);
        worst.filter(|alert| self.headline.as_ref().is_none_or(|told| alert.severity > told.severity))
    }

    /// The worst service leads; an alert does where it is worse than that.
    fn headline(&self) -> Option<Headline> {
        let service = self.headline.as_ref();
        if let Some(alert) = self.leading_alert() {
            return Some(Headline {
                severity: alert.severity,
                text: alarms::sentence(&self.alarms, alert, self.now),
                subject: Some(Subject::new(SubjectKind::Alert, alert.fingerprint.to_string())),
                helps: None,
            });
        }
        let told = service?;
        let mut text = told.told(self.now);
        // Who is paged for it stands with it.
        let same = |alert: &&Arc<_>| {
            let alert: &quarterdeck_alerting::model::Alert = alert;
            alert.service.as_deref() == Some(&*told.service)
        };
        let about = self.alarms.foremost().iter().filter(same);
        if let Some(coming) = about.filter_map(|alert| alarms::coming(&self.alarms, alert, self.now)).next() {
            text.push_str(&format!(" · {coming}"));
        }
        Some(Headline {
            severity: told.severity,
            text,
            subject: Some(Subject::service(&*told.service)),
            helps: None,
        })
    }
}
