//! The alerts of one rule.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::PointValue;

use super::{ALERT_NAME, ALERT_STATE, ALERTS, ALERTS_FOR_STATE, RESOLVED_RETENTION, Sample};
use crate::model::{AlertState, AlertView};

/// One alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Labels, `alertname` included: what makes it this alert.
    pub labels: Labels,
    /// Annotations, expanded.
    pub annotations: Arc<[(String, String)]>,
    /// Inactive means resolved.
    pub state: AlertState,
    /// Since when the expression has held.
    pub active_at: Timestamp,
    /// When it began to fire.
    pub fired_at: Option<Timestamp>,
    /// When it was resolved.
    pub resolved_at: Option<Timestamp>,
    /// Since when it only fires because it was told to keep firing.
    pub keep_firing_since: Option<Timestamp>,
    /// Value of the expression.
    pub value: f64,
}

impl Alert {
    pub(super) fn view(&self) -> AlertView {
        AlertView {
            labels: self.labels.clone(),
            annotations: Arc::clone(&self.annotations),
            state: self.state,
            active_at: self.active_at,
            fired_at: self.fired_at,
            keep_firing_since: self.keep_firing_since,
            value: self.value,
        }
    }
}

/// The alerts of one rule, by labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Alerts {
    pub(super) by_labels: BTreeMap<Labels, Alert>,
}

/// What an evaluation needs to know of the rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) hold: Duration,
    pub(super) keep_firing: Duration,
    pub(super) limit: usize,
    /// Time of the samples: the evaluation's, less the offset.
    pub(super) sample_at: Timestamp,
    /// Whether samples are written: not before the state from before a restart has been restored.
    pub(super) restored: bool,
}

impl Alerts {
    /// Takes what the expression yields now, and gives the samples that tell of the alerts.
    pub(super) fn advance(
        &mut self,
        found: BTreeMap<Labels, Alert>,
        now: Timestamp,
        terms: &Terms,
    ) -> Result<Vec<Sample>, String> {
        let present: std::collections::BTreeSet<Labels> = found.keys().cloned().collect();
        for (labels, new) in found {
            match self.by_labels.get_mut(&labels) {
                Some(known) if known.state != AlertState::Inactive => {
                    (known.value, known.annotations) = (new.value, new.annotations);
                }
                _ => {
                    self.by_labels.insert(labels, new);
                }
            }
        }
        let mut samples = Vec::new();
        let mut active = 0;
        self.by_labels.retain(|labels, alert| {
            if present.contains(labels) {
                alert.keep_firing_since = None;
            } else {
                let keeps = alert.state == AlertState::Firing && !terms.keep_firing.is_zero() && {
                    let since = *alert.keep_firing_since.get_or_insert(now);
                    now.since(since) < terms.keep_firing
                };
                if !keeps {
                    let old = alert.resolved_at.is_some_and(|at| now.since(at) > RESOLVED_RETENTION);
                    if alert.state == AlertState::Pending || old {
                        return false;
                    }
                    if alert.state != AlertState::Inactive {
                        alert.state = AlertState::Inactive;
                        alert.resolved_at = Some(now);
                    }
                    return true;
                }
            }
            active += 1;
            if alert.state == AlertState::Pending
                && now.since(alert.active_at) >= terms.hold
                && now >= alert.active_at
            {
                alert.state = AlertState::Firing;
                alert.fired_at = Some(now);
            }
            if terms.restored {
                samples.extend(samples_of(alert, terms.sample_at));
            }
            true
        });
        if terms.limit > 0 && active > terms.limit {
            self.by_labels.clear();
            return Err(format!("exceeded limit of {} with {active} alerts", terms.limit));
        }
        Ok(samples)
    }

    /// Pending and firing ones.
    pub(super) fn active(&self) -> impl Iterator<Item = &Alert> {
        self.by_labels.values().filter(|alert| alert.state != AlertState::Inactive)
    }
}

fn samples_of(alert: &Alert, t: Timestamp) -> [Sample; 2] {
    let named = |metric| alert.labels.with(METRIC_NAME, metric);
    let seconds = alert.active_at.as_millis().div_euclid(1000) as f64;
    [
        Sample {
            labels: named(ALERTS).with(ALERT_STATE, alert.state.as_str()),
            t,
            v: PointValue::Float(1.0),
        },
        Sample { labels: named(ALERTS_FOR_STATE), t, v: PointValue::Float(seconds) },
    ]
}

/// The labels of an alert: those of the element without its metric, the rule's own over them, and the name.
pub(super) fn labels_of(element: &Labels, own: &[(String, String)], name: &str) -> Labels {
    let of_element = element.iter().filter(|(n, _)| *n != METRIC_NAME);
    let own = own.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    Labels::from_pairs(of_element.chain(own).chain([(ALERT_NAME, name)]))
}
