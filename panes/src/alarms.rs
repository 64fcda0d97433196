//! What fires, of alerts from every source: how many, the foremost of them, who is paged, what an operator must hear of.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use quarterdeck_alerting::View;
use quarterdeck_alerting::model::{Alert, AlertState, Cause};
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Severity, Subject, SubjectKind, Timestamp};
use quarterdeck_oncall::EscalationView;
use quarterdeck_ui::pane::Alarm;

use crate::alert_words;

/// Alerts that are kept as the foremost ones.
const FOREMOST: usize = 64;
/// Critical alerts that are told of one by one; of a greater flood the newest ones.
const HEARD: usize = 1000;

/// What fires, as of one version of alerting.
#[derive(Clone, Debug, Default)]
pub struct Alarms {
    /// How many fire that nobody has taken and nothing hides: info, warning, critical.
    firing: [usize; 3],
    /// How many somebody has taken.
    acknowledged: usize,
    /// How many are hidden by silences or by other alerts.
    hidden: usize,
    /// Firing ones first, worst and newest first; behind them the acknowledged ones.
    foremost: Vec<Arc<Alert>>,
    escalations: HashMap<Fingerprint, Arc<EscalationView>>,
    /// The worst of what fires, taken or not, by service.
    services: HashMap<Arc<str>, Severity>,
    heard: Arc<[Alarm]>,
    /// How far back [`Alarms::heard`] reaches, where it does not hold all.
    reach: Option<Timestamp>,
}

impl Alarms {
    /// Looks at every alert once.
    #[must_use]
    pub fn new(view: &View) -> Self {
        let mut alarms = Self::default();
        let mut heard = Newest::new(HEARD);
        for alert in &view.alerts.alerts {
            let fires = matches!(alert.state, AlertState::Firing | AlertState::Acknowledged);
            if let Some(service) = alert.service.as_ref().filter(|_| fires) {
                let worst = match alarms.services.get_mut(service) {
                    Some(worst) => worst,
                    None => alarms.services.entry(Arc::clone(service)).or_insert(alert.severity),
                };
                *worst = alert.severity.max(*worst);
            }
            match alert.state {
                AlertState::Firing => {
                    alarms.firing[alert.severity as usize] += 1;
                    if alert.severity == Severity::Critical {
                        heard.push((alert.since, alert.fingerprint), alert);
                    }
                }
                AlertState::Acknowledged => alarms.acknowledged += 1,
                AlertState::Inhibited | AlertState::Silenced => alarms.hidden += 1,
                AlertState::Resolved => {}
            }
        }
        let cut = heard.cut();
        let newest = heard.into_sorted();
        alarms.reach = newest.last().filter(|_| cut).map(|oldest| oldest.since);
        alarms.heard = newest.into_iter().map(|alert| alarm(alert)).collect();
        alarms.foremost = foremost(view, |_| true).into_iter().cloned().collect();
        alarms.escalations = escalations(view);
        alarms
    }

    /// How many fire of a severity that nobody has taken and nothing hides.
    #[must_use]
    pub const fn firing(&self, severity: Severity) -> usize {
        self.firing[severity as usize]
    }

    /// How many there are, those included that somebody has taken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.firing.iter().sum::<usize>() + self.acknowledged
    }

    /// Whether an alert of a service fires, taken or not, that is at least so bad: it tells of the service's trouble.
    #[must_use]
    pub fn tells_of(&self, service: &str, severity: Severity) -> bool {
        self.services.get(service).is_some_and(|worst| *worst >= severity)
    }

    /// How many are hidden by silences or by other alerts.
    #[must_use]
    pub const fn hidden(&self) -> usize {
        self.hidden
    }

    /// The foremost ones: firing ones first, worst and newest first; behind them those that somebody has taken.
    #[must_use]
    pub fn foremost(&self) -> &[Arc<Alert>] {
        &self.foremost
    }

    /// The worst alert that nobody has taken.
    #[must_use]
    pub fn worst(&self) -> Option<&Arc<Alert>> {
        self.foremost.first().filter(|alert| alert.state == AlertState::Firing)
    }

    /// The escalation of an alert.
    #[must_use]
    pub fn escalation(&self, alert: &Alert) -> Option<&Arc<EscalationView>> {
        self.escalations.get(&alert.fingerprint).filter(|_| alert.state.is_open())
    }

    /// The critical ones, newest first.
    #[must_use]
    pub const fn heard(&self) -> &Arc<[Alarm]> {
        &self.heard
    }

    /// How far back the critical ones that are told one by one reach, where they are too many: of those that began then or
    /// earlier some are left out.
    #[must_use]
    pub const fn reach(&self) -> Option<Timestamp> {
        self.reach
    }
}

/// What is heard of an alert. A firing is told from an earlier one of the same alert by when it began.
fn alarm(alert: &Alert) -> Alarm {
    let began = alert.history.iter().rev().find(|t| matches!(t.cause, Cause::Posted | Cause::Refired));
    let began = began.map_or(alert.starts_at, |t| t.at);
    Alarm {
        id: format!("{}@{}", alert.fingerprint, began.as_millis()),
        since: alert.since,
        text: alert_words::told(alert),
        subject: Some(Subject::new(SubjectKind::Alert, alert.fingerprint.to_string())),
        service: alert.service.as_deref().map(str::to_owned),
    }
}

/// The foremost of the alerts that are wanted: looks at each once and sorts no more than it keeps.
pub(crate) fn foremost(view: &View, wanted: impl Fn(&Alert) -> bool) -> Vec<&Arc<Alert>> {
    let mut kept = Newest::new(FOREMOST);
    for alert in &view.alerts.alerts {
        if matches!(alert.state, AlertState::Firing | AlertState::Acknowledged) && wanted(alert) {
            let free = alert.state == AlertState::Firing;
            kept.push((free, alert.severity, alert.starts_at, alert.fingerprint), alert);
        }
    }
    kept.into_sorted()
}

/// Escalations by the alerts that they are about.
pub(crate) fn escalations(view: &View) -> HashMap<Fingerprint, Arc<EscalationView>> {
    let mut found = HashMap::new();
    if view.oncall.escalations.is_empty() {
        return found;
    }
    let by_key: HashMap<&str, &Arc<EscalationView>> =
        view.oncall.escalations.iter().map(|e| (e.key.as_str(), e)).collect();
    for group in &view.alerts.groups {
        if let Some(escalation) = by_key.get(&*group.identity) {
            for alert in group.alerts.iter() {
                found.entry(*alert).or_insert_with(|| Arc::clone(escalation));
            }
        }
    }
    found
}

/// The greatest so many of things that come in any order.
pub(crate) struct Newest<'a, K: Ord, T> {
    most: usize,
    kept: BinaryHeap<Reverse<Keyed<'a, K, T>>>,
    /// Whether one had to go.
    cut: bool,
}

/// A thing in the order of its key.
struct Keyed<'a, K: Ord, T>(K, &'a T);

impl<K: Ord, T> PartialEq for Keyed<'_, K, T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<K: Ord, T> Eq for Keyed<'_, K, T> {}

impl<K: Ord, T> PartialOrd for Keyed<'_, K, T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, T> Ord for Keyed<'_, K, T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

impl<'a, K: Ord, T> Newest<'a, K, T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: BinaryHeap::new(), cut: false }
    }

    pub(crate) fn push(&mut self, key: K, thing: &'a T) {
        let full = self.kept.len() >= self.most;
        self.cut |= full;
        if full && self.kept.peek().is_some_and(|Reverse(least)| least.0 >= key) {
            return;
        }
        if full {
            self.kept.pop();
        }
        self.kept.push(Reverse(Keyed(key, thing)));
    }

    /// Whether there were more.
    const fn cut(&self) -> bool {
        self.cut
    }

    /// Greatest first.
    pub(crate) fn into_sorted(self) -> Vec<&'a T> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse(Keyed(_, thing))| thing).collect()
    }
}

/// How an alert leads the screen: what, since when, who is paged when.
pub(crate) fn sentence(alarms: &Alarms, alert: &Alert, now: Timestamp) -> String {
    let age = quarterdeck_widgets::format::age(now.as_millis() - alert.starts_at.as_millis());
    let mut text = format!("{} fires {age}", alert_words::named(alert));
    // Who is paged when stands before what the alert says of itself: at 80 columns the end is cut.
    if let Some(coming) = coming(alarms, alert, now) {
        text.push_str(&format!(" · {coming}"));
    }
    let summary = alert_words::summary(alert);
    if !summary.is_empty() {
        text.push_str(&format!(" · {summary}"));
    }
    match alarms.firing.iter().sum::<usize>() {
        0 | 1 => {}
        n => text.push_str(&format!(" · {} more", n - 1)),
    }
    text
}

/// What the alert's escalation does next: `paging ops-2 in 3:12`.
pub(crate) fn coming(alarms: &Alarms, alert: &Alert, now: Timestamp) -> Option<String> {
    let next = alarms.escalation(alert)?.next.as_ref()?;
    let left = quarterdeck_widgets::format::countdown(next.at.as_millis() - now.as_millis());
    Some(format!("{} in {left}", next.what))
}
