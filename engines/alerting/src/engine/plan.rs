//! The configuration as the engine works with it, and its own options.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use quarterdeck_alertmanager::config::{Integration, ReceiverKind};
use quarterdeck_alertmanager::{Config, InhibitRule, Matchers, Route, RouteId, Routes, TimeIntervals};
use quarterdeck_kernel::{Labels, Severity};

use super::index::MatchIndex;

/// How long an alert without an end counts as firing, unless the configuration says.
pub const DEFAULT_RESOLVE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// One integration of a receiver, as far as the engine needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationPlan {
    /// Its type: `webhook`, `slack`, ….
    pub kind: Arc<str>,
    /// Which of the receiver's integrations of that type, from 0.
    pub index: u32,
    /// Whether it is told of resolved alerts.
    pub send_resolved: bool,
    /// Whether this version delivers to it; if not, no notification is made for it.
    pub delivers: bool,
    /// Whether it understands acknowledgements (PagerDuty's `acknowledge` event).
    pub acknowledges: bool,
}

/// A receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverPlan {
    /// Its name.
    pub name: Arc<str>,
    /// Its integrations, in the order of the configuration.
    pub integrations: Vec<IntegrationPlan>,
}

/// A configuration made ready.
#[derive(Debug)]
pub struct Plan {
    pub(crate) routes: Arc<Routes>,
    pub(crate) receivers: Vec<ReceiverPlan>,
    /// Their names, in order.
    pub(crate) names: Arc<[Arc<str>]>,
    pub(crate) inhibit: Arc<[InhibitRule]>,
    pub(crate) intervals: Arc<TimeIntervals>,
    pub(crate) resolve_timeout: Duration,
    /// By route: the place of its receiver.
    receiver_of: Vec<usize>,
    /// By route: which of the routes with the same key it is.
    ordinal: Vec<u32>,
    pub(crate) sources: MatchIndex,
    pub(crate) targets: MatchIndex,
}

impl Plan {
    /// Makes a configuration ready; `delivers` says which integrations this version delivers to.
    #[must_use]
    pub fn from_config(config: &Config, delivers: impl Fn(&Integration) -> bool) -> Self {
        let receivers = config.receivers.iter().map(|receiver| ReceiverPlan {
            name: Arc::clone(&receiver.name),
            integrations: receiver
                .integrations
                .iter()
                .map(|i| IntegrationPlan {
                    kind: i.kind.as_str().into(),
                    index: u32::try_from(i.index).unwrap_or(u32::MAX),
                    send_resolved: i.send_resolved,
                    delivers: delivers(i),
                    acknowledges: i.kind == ReceiverKind::PagerDuty,
                })
                .collect(),
        });
        Self::new(
            Arc::clone(&config.routes),
            receivers.collect(),
            Arc::clone(&config.inhibit_rules),
            Arc::clone(&config.time_intervals),
            config.resolve_timeout,
        )
    }

    /// Makes a configuration ready. A route whose receiver is not in the list (which a checked configuration never
    /// has) gets one without integrations.
    #[must_use]
    pub fn new(
        routes: Arc<Routes>,
        mut receivers: Vec<ReceiverPlan>,
        inhibit: Arc<[InhibitRule]>,
        intervals: Arc<TimeIntervals>,
        resolve_timeout: Duration,
    ) -> Self {
        let mut seen: HashMap<Arc<str>, u32> = HashMap::new();
        let mut ordinal = Vec::new();
        let mut receiver_of = Vec::new();
        for route in routes.iter() {
            let count = seen.entry(Arc::clone(&route.key)).or_default();
            ordinal.push(*count);
            *count += 1;
            let place = receivers.iter().position(|r| r.name == route.receiver).unwrap_or_else(|| {
                receivers.push(ReceiverPlan { name: Arc::clone(&route.receiver), integrations: Vec::new() });
                receivers.len() - 1
            });
            receiver_of.push(place);
        }
        fn numbered<'a>(
            sets: impl Iterator<Item = &'a Matchers> + 'a,
        ) -> impl Iterator<Item = (u32, &'a Matchers)> {
            (0u32..).zip(sets)
        }
        let sources = MatchIndex::new(numbered(inhibit.iter().map(|rule| &rule.source)));
        let targets = MatchIndex::new(numbered(inhibit.iter().map(|rule| &rule.target)));
        let names = receivers.iter().map(|receiver| Arc::clone(&receiver.name)).collect();
        Self {
            routes,
            names,
            receivers,
            inhibit,
            intervals,
            resolve_timeout,
            receiver_of,
            ordinal,
            sources,
            targets,
        }
    }

    pub(crate) fn route(&self, route: usize) -> &Route {
        self.routes.get(RouteId(u32::try_from(route).unwrap_or_default()))
    }

    pub(crate) fn receiver(&self, route: usize) -> &ReceiverPlan {
        &self.receivers[self.receiver_of[route]]
    }

    /// The routing tree.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The receivers, in the order of the configuration.
    #[must_use]
    pub fn receivers(&self) -> &[ReceiverPlan] {
        &self.receivers
    }

    /// Alertmanager's key of a group, and what names it among all groups: two routes may have the same key.
    pub(crate) fn group_names(&self, route: usize, labels: &Labels) -> (Arc<str>, Arc<str>) {
        let key: Arc<str> = self.route(route).group_key(labels).into();
        let identity = match self.ordinal[route] {
            0 => Arc::clone(&key),
            n => format!("{key}#{n}").into(),
        };
        (key, identity)
    }
}

/// An alert that must keep arriving: when it does not, the engine raises one of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadManSwitch {
    /// Its name: the label `switch` of the alert it raises.
    pub name: Arc<str>,
    /// The alerts that keep it quiet.
    pub matchers: Matchers,
    /// After how long a silence it raises its alert.
    pub within: Duration,
    /// Further labels of the alert it raises; `alertname` is `DeadMansSwitch` and `severity` is `critical` unless
    /// they are given here.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
}

/// The engine's own options: where it differs from Alertmanager, and what bounds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// A reload starts every group anew, as Alertmanager does; otherwise groups keep their timers.
    pub reload_resets_timers: bool,
    /// No group is looked at before this long after the start.
    pub start_delay: Duration,
    /// How far the end of a firing alert may move, by its source telling it again, before that is written down: after a
    /// restart it counts as firing for at most this much longer than its source last said. Otherwise each repetition of
    /// each alert would be a write.
    pub refresh_step: Duration,
    /// That an alert is resolved is told even while a silence or another alert hides it, if the receiver knows it
    /// as firing. Alertmanager forgets it.
    pub resolved_despite_suppression: bool,
    /// The label that says how much an alert matters.
    pub severity_label: Arc<str>,
    /// What its values mean, beside `critical`, `warning` and `info`. Unknown ones are warnings.
    pub severities: BTreeMap<Arc<str>, Severity>,
    /// The label that says which service an alert is about.
    pub service_label: Arc<str>,
    /// How long a resolved alert stays to be seen.
    pub resolved_retention: Duration,
    /// How many resolved alerts stay at most.
    pub max_resolved: usize,
    /// How long an expired silence stays to be seen.
    pub silence_retention: Duration,
    /// How many silences there may be, expired ones not counted.
    pub max_silences: usize,
    /// How many alerts there may be; further ones are refused.
    pub max_alerts: usize,
    /// How many bytes an alert's labels and annotations may have together.
    pub max_alert_bytes: usize,
    /// How many notifications the log keeps.
    pub max_log: usize,
    /// Dead-man's switches.
    pub switches: Vec<DeadManSwitch>,
}

impl Default for Options {
    fn default() -> Self {
        let words = [
            ("page", Severity::Critical),
            ("crit", Severity::Critical),
            ("error", Severity::Critical),
            ("emergency", Severity::Critical),
            ("fatal", Severity::Critical),
            ("high", Severity::Critical),
            ("warn", Severity::Warning),
            ("medium", Severity::Warning),
            ("ticket", Severity::Warning),
            ("information", Severity::Info),
            ("notice", Severity::Info),
            ("debug", Severity::Info),
            ("low", Severity::Info),
            ("none", Severity::Info),
            ("ok", Severity::Info),
        ];
        Self {
            reload_resets_timers: false,
            start_delay: Duration::ZERO,
            refresh_step: Duration::from_secs(120),
            resolved_despite_suppression: false,
            severity_label: "severity".into(),
            severities: words.into_iter().map(|(word, severity)| (Arc::from(word), severity)).collect(),
            service_label: "service".into(),
            resolved_retention: Duration::from_secs(3600),
            max_resolved: 50_000,
            silence_retention: Duration::from_secs(120 * 3600),
            max_silences: 10_000,
            max_alerts: 1_000_000,
            max_alert_bytes: 64 << 10,
            max_log: 5000,
            switches: Vec::new(),
        }
    }
}

impl Options {
    /// How much an alert matters.
    #[must_use]
    pub fn severity(&self, labels: &Labels) -> Severity {
        let word = labels.get(&self.severity_label).unwrap_or_default();
        let known = |word: &str| match word {
            "critical" => Some(Severity::Critical),
            "warning" => Some(Severity::Warning),
            "info" => Some(Severity::Info),
            word => self.severities.get(word).copied(),
        };
        known(word).or_else(|| known(&word.to_ascii_lowercase())).unwrap_or(Severity::Warning)
    }
}
