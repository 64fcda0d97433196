//! Why an alert was told, or not.

use std::fmt;
use std::sync::Arc;

use quarterdeck_alertmanager::{Fingerprint, RouteId};
use quarterdeck_kernel::{Timestamp, time};

use super::Engine;
use super::pipeline::Told;
use crate::model::{Alert, AttemptRecord, Group, LogEntry, Muted, NotifyReason, Silence};

/// Everything that decides whether an alert is told.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The alert.
    pub alert: Arc<Alert>,
    /// The silences that hide it.
    pub silences: Vec<Arc<Silence>>,
    /// The alerts that inhibit it.
    pub inhibitors: Vec<Arc<Alert>>,
    /// The routes that take it, in order.
    pub routes: Vec<RouteExplanation>,
}

/// One route that takes an alert.
#[derive(Clone, Debug)]
pub struct RouteExplanation {
    /// The matchers of each route from the root to this one.
    pub path: Vec<String>,
    /// Its key.
    pub key: Arc<str>,
    /// Its receiver.
    pub receiver: Arc<str>,
    /// The group that holds the alert; `None` once it is resolved and told.
    pub group: Option<Arc<Group>>,
    /// Time intervals that mute the route now.
    pub muted: Option<Muted>,
    /// Each integration of the receiver.
    pub integrations: Vec<IntegrationExplanation>,
}

/// One integration that could tell an alert.
#[derive(Clone, Debug)]
pub struct IntegrationExplanation {
    /// Its type and place: `webhook[0]`.
    pub name: String,
    /// What it was last told of the group.
    pub entry: Option<Arc<LogEntry>>,
    /// Notifications of the group to it that the log has, newest first; those that name the alert, and those that no
    /// longer name all.
    pub attempts: Vec<Arc<AttemptRecord>>,
    /// What follows from all that.
    pub verdict: Verdict,
}

/// What becomes of an alert at an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This version does not deliver to it.
    NotDelivered,
    /// No group holds the alert: it is resolved, and that has been dealt with.
    Over,
    /// Time intervals mute the route.
    Muted(Muted),
    /// A silence hides the alert.
    Silenced,
    /// Another alert inhibits it.
    Inhibited,
    /// A notification is on its way.
    UnderWay,
    /// The group waits for its first look, or the next one; then a notification is due, and why.
    Waits {
        /// When.
        at: Timestamp,
        /// Why.
        reason: NotifyReason,
    },
    /// The last notification failed; it is tried again with the next look.
    Failed {
        /// When.
        at: Timestamp,
    },
    /// The receiver knows; it is told again when nothing changes, at the first look after this moment.
    Known {
        /// When it was told.
        since: Timestamp,
        /// When `repeat_interval` is over.
        repeats: Timestamp,
    },
    /// Somebody has taken the alert: no repetition until the acknowledgement runs out.
    Acknowledged,
    /// The receiver was never told that it fires, so that it is not told that it is resolved.
    NeverTold,
    /// The integration is not told of resolved alerts.
    NoResolved,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDelivered => f.write_str("not delivered by this version"),
            Self::Over => f.write_str("resolved, and nothing is left to tell"),
            Self::Muted(Muted::Inactive) => f.write_str("muted: outside the route's active time intervals"),
            Self::Muted(Muted::Interval(names)) => write!(f, "muted by time interval {}", names.join(", ")),
            Self::Silenced => f.write_str("silenced"),
            Self::Inhibited => f.write_str("inhibited"),
            Self::UnderWay => f.write_str("a notification is under way"),
            Self::Waits { at, reason } => write!(f, "due at {at}: {}", reason.as_str()),
            Self::Failed { at } => write!(f, "the last notification failed; tried again at {at}"),
            Self::Known { since, repeats } => {
                write!(f, "told at {since}; repeated not before {repeats}")
            }
            Self::Acknowledged => f.write_str("acknowledged: not repeated"),
            Self::NeverTold => f.write_str("resolved before it was ever told"),
            Self::NoResolved => f.write_str("resolved, which this integration is not told of"),
        }
    }
}

impl Engine {
    /// Why an alert was told or not, and what comes next.
    #[must_use]
    pub fn explain(&self, fingerprint: Fingerprint, now: Timestamp) -> Option<Explanation> {
        let slot = *self.by_print.get(&fingerprint)?;
        let alert = Arc::clone(self.alerts.get(slot)?);
        let private = &self.privates[slot as usize];
        let routes = private.routes.iter().map(|route| {
            let route = *route as usize;
            let spec = self.plan.route(route);
            let group = private.groups.iter().filter_map(|g| Some((*g, self.groups.get(*g)?)));
            let group = group.into_iter().find(|(_, group)| group.route == route);
            let muted = self.muted(route, now);
            let path = self.plan.routes.ancestry(RouteId(u32::try_from(route).unwrap_or_default()));
            let integrations = 0..self.plan.receiver(route).integrations.len();
            RouteExplanation {
                path: path.into_iter().map(|id| self.plan.routes.get(id).matchers.to_string()).collect(),
                key: Arc::clone(&spec.key),
                receiver: Arc::clone(&spec.receiver),
                group: group.map(|(_, group)| Arc::clone(group)),
                integrations: integrations
                    .map(|place| self.explain_integration(&alert, route, place, group, muted.as_ref(), now))
                    .collect(),
                muted,
            }
        });
        Some(Explanation {
            silences: alert.silences().iter().filter_map(|id| self.silence(*id)).cloned().collect(),
            inhibitors: alert.inhibitors().iter().filter_map(|f| self.alert(*f)).cloned().collect(),
            routes: routes.collect(),
            alert,
        })
    }

    fn explain_integration(
        &self,
        alert: &Alert,
        route: usize,
        place: usize,
        group: Option<(u32, &Arc<Group>)>,
        muted: Option<&Muted>,
        now: Timestamp,
    ) -> IntegrationExplanation {
        let plan = &self.plan.receiver(route).integrations[place];
        let receiver = &self.plan.receiver(route).name;
        let labels = self.plan.route(route).group_labels(&alert.labels);
        let (_, identity) = self.plan.group_names(route, &labels);
        let about = |record: &&Arc<AttemptRecord>| {
            record.group == identity
                && record.receiver == *receiver
                && record.integration == plan.kind
                && record.index == plan.index
                && (record.truncated > 0 || record.alerts.iter().any(|s| s.alert == alert.fingerprint))
        };
        let state = group.and_then(|(_, group)| group.integrations.get(place));
        let entry = state.and_then(|s| s.entry.clone());
        let suppressed = || {
            let shown = alert.state == crate::model::AlertState::Resolved
                && self.options.resolved_despite_suppression
                && entry.as_ref().is_some_and(|e| e.has_firing(alert.fingerprint));
            if shown {
                None
            } else if !alert.inhibitors().is_empty() {
                Some(Verdict::Inhibited)
            } else if !alert.silences().is_empty() {
                Some(Verdict::Silenced)
            } else {
                None
            }
        };
        let verdict = match (group, state) {
            _ if !plan.delivers => Verdict::NotDelivered,
            (Some((slot, group)), Some(state)) => {
                if state.in_flight.is_some() {
                    Verdict::UnderWay
                } else if let Some(muted) = muted {
                    Verdict::Muted(muted.clone())
                } else if let Some(verdict) = suppressed() {
                    verdict
                } else if state.failures > 0 {
                    Verdict::Failed { at: group.next_flush }
                } else {
                    let told = self.told(slot, now);
                    self.judge(alert, group, plan.send_resolved, entry.as_deref(), &told, now)
                }
            }
            _ => Verdict::Over,
        };
        IntegrationExplanation {
            name: format!("{}[{}]", plan.kind, plan.index),
            attempts: self.log.iter().rev().filter(about).cloned().collect(),
            entry,
            verdict,
        }
    }

    fn judge(
        &self,
        alert: &Alert,
        group: &Group,
        send_resolved: bool,
        entry: Option<&LogEntry>,
        told: &Told,
        now: Timestamp,
    ) -> Verdict {
        let repeat = self.plan.route(group.route).repeat_interval;
        if let Some(reason) = super::pipeline::due(entry, told, send_resolved, repeat, now) {
            return Verdict::Waits { at: group.next_flush, reason };
        }
        let resolved = alert.resolved_at(now);
        match entry {
            None if resolved => Verdict::NeverTold,
            _ if resolved && !send_resolved => Verdict::NoResolved,
            Some(entry) if resolved && !entry.has_resolved(alert.fingerprint) => Verdict::NeverTold,
            _ if alert.ack().is_some() => Verdict::Acknowledged,
            Some(entry) => {
                let repeats = entry.at.plus_millis(time::millis(repeat).saturating_add(1));
                Verdict::Known { since: entry.at, repeats }
            }
            None => Verdict::Acknowledged,
        }
    }
}
