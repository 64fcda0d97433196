//! The alerts to be shown, in order: made once per version of what is known.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use quarterdeck_alerting::model::{Alert, AlertState, Group};
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Severity, Timestamp};
use quarterdeck_oncall::EscalationView;

use super::filter::Filter;
use crate::World;

/// What the alerts are chosen and arranged by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// Whether they stand under the groups in which they are told.
    pub(super) grouped: bool,
    /// Whether resolved ones are shown too.
    pub(super) resolved: bool,
    /// Identities of the groups that are open.
    pub(super) opened: BTreeSet<Arc<str>>,
    /// Only alerts that pass.
    pub(super) filter: Arc<Filter>,
    /// Only alerts of this service.
    pub(super) service: Option<String>,
    /// [`quarterdeck_alerting::View::version`]
    pub(super) version: u64,
}

/// One line of the table.
#[derive(Debug)]
pub(super) enum Row {
    /// An alert, and the place of its group's line among the rows.
    Alert(Arc<Alert>, Option<usize>),
    /// A group.
    Group(Head),
}

/// The line of a group.
#[derive(Debug)]
pub(super) struct Head {
    /// [`Group::identity`]; empty for alerts that are in no group.
    pub(super) identity: Arc<str>,
    /// Labels that its alerts share, in words.
    pub(super) title: String,
    /// Its alerts that are shown, worst first; never empty.
    pub(super) alerts: Vec<Arc<Alert>>,
    /// Whether its alerts stand below it.
    pub(super) open: bool,
}

/// The rows and what stands beside them.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) choice: Choice,
    pub(super) rows: Vec<Row>,
    /// Escalations by alert.
    escalations: HashMap<Fingerprint, Arc<EscalationView>>,
    /// How many alerts of the choice are open, by state: firing, acknowledged, inhibited, silenced, resolved.
    pub(super) states: [usize; 5],
    /// How many pass the filter, of how many.
    pub(super) passed: usize,
    pub(super) looked_at: usize,
}

impl Model {
    pub(super) fn new(world: &World, choice: Choice) -> Self {
        let view = &world.alerting;
        let mut states = [0; 5];
        let mut alerts: Vec<Arc<Alert>> = Vec::new();
        let mut looked_at = 0;
        let resolved = choice.resolved || choice.filter.wants_resolved();
        for alert in &view.alerts.alerts {
            if choice.service.as_deref().is_some_and(|wanted| alert.service.as_deref() != Some(wanted)) {
                continue;
            }
            if !resolved && !alert.state.is_open() {
                // It counts as hidden, unless the filter would not let it pass anyway.
                states[4] += usize::from(choice.filter.accepts(alert, world.now));
                continue;
            }
            looked_at += 1;
            if !choice.filter.is_empty() && !choice.filter.accepts(alert, world.now) {
                continue;
            }
            states[place(alert.state)] += 1;
            alerts.push(Arc::clone(alert));
        }
        let passed = alerts.len();
        alerts.sort_by_cached_key(|alert| rank(alert));
        let escalations = crate::alarms::escalations(view);
        let rows = if choice.grouped {
            grouped(view.alerts.groups.iter(), alerts, &choice.opened)
        } else {
            alerts.into_iter().map(|alert| Row::Alert(alert, None)).collect()
        };
        Self { choice, rows, escalations, states, passed, looked_at }
    }

    /// The escalation of an alert.
    pub(super) fn escalation(&self, alert: &Alert) -> Option<&Arc<EscalationView>> {
        // Who took an alert is not paged, whatever happens to the others of its group.
        self.escalations.get(&alert.fingerprint).filter(|_| alert.state.is_open())
    }

    /// How many are open.
    pub(super) fn open(&self) -> usize {
        self.states[..4].iter().sum()
    }

    /// The rows' alert, or the worst one of their group.
    pub(super) fn alert(&self, row: usize) -> Option<&Arc<Alert>> {
        match self.rows.get(row)? {
            Row::Alert(alert, _) => Some(alert),
            Row::Group(head) => head.alerts.first(),
        }
    }

    /// The alerts that a row stands for.
    pub(super) fn alerts(&self, row: usize) -> &[Arc<Alert>] {
        match self.rows.get(row) {
            Some(Row::Alert(alert, _)) => std::slice::from_ref(alert),
            Some(Row::Group(head)) => &head.alerts,
            None => &[],
        }
    }
}

const fn place(state: AlertState) -> usize {
    match state {
        AlertState::Firing => 0,
        AlertState::Acknowledged => 1,
        AlertState::Inhibited => 2,
        AlertState::Silenced => 3,
        AlertState::Resolved => 4,
    }
}

/// What needs a person first, then worst, then newest; what is alike by name.
type Rank = (u8, Reverse<Severity>, bool, Reverse<Timestamp>, Fingerprint);

fn rank(alert: &Alert) -> Rank {
    let shown = match alert.state {
        AlertState::Firing | AlertState::Acknowledged => 0,
        AlertState::Inhibited | AlertState::Silenced => 1,
        AlertState::Resolved => 2,
    };
    let taken = alert.state == AlertState::Acknowledged;
    (shown, Reverse(alert.severity), taken, Reverse(alert.starts_at), alert.fingerprint)
}

/// Alerts under the first of their groups; groups in the order of their worst alert.
fn grouped<'a>(
    groups: impl Iterator<Item = &'a Arc<Group>>,
    alerts: Vec<Arc<Alert>>,
    opened: &BTreeSet<Arc<str>>,
) -> Vec<Row> {
    let mut group_of: HashMap<Fingerprint, &Arc<Group>> = HashMap::new();
    for group in groups {
        for alert in group.alerts.iter() {
            group_of.entry(*alert).or_insert(group);
        }
    }
    let mut heads: Vec<Head> = Vec::new();
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    for alert in alerts {
        let group = group_of.get(&alert.fingerprint).copied();
        let identity = group.map_or_else(|| Arc::from(""), |g| Arc::clone(&g.identity));
        let place = *places.entry(Arc::clone(&identity)).or_insert_with(|| {
            let open = opened.contains(&identity);
            heads.push(Head { identity, title: title(group), alerts: Vec::new(), open });
            heads.len() - 1
        });
        heads[place].alerts.push(alert);
    }
    let mut rows = Vec::new();
    for head in heads {
        let below = if head.open { head.alerts.clone() } else { Vec::new() };
        let at = rows.len();
        rows.push(Row::Group(head));
        rows.extend(below.into_iter().map(|alert| Row::Alert(alert, Some(at))));
    }
    rows
}

fn title(group: Option<&Arc<Group>>) -> String {
    let Some(group) = group else { return "in no group".to_owned() };
    // What alerts are called needs no name in front, and goes first.
    let own = group.labels.get("alertname").map(str::to_owned);
    let others = group.labels.iter().filter(|(name, _)| *name != "alertname");
    let labels: Vec<String> =
        own.into_iter().chain(others.map(|(name, value)| format!("{name}={value}"))).collect();
    if labels.is_empty() { format!("all of {}", group.receiver) } else { labels.join(" ") }
}
