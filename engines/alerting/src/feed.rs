//! Alerts of rules, as a Prometheus server sends them to its Alertmanagers: when they begin, again before they would time
//! out, and when they end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Actor, Clock, Labels, Timestamp};
use quarterdeck_rules::model::{AlertState, Snapshot};
use tokio::sync::watch;

use crate::model::PostedAlert;
use crate::request::{Refused, Request};
use crate::task::Handle;

/// How often an alert that goes on is told again, as Prometheus does (`--rules.alert.resend-delay`).
const RESEND: Duration = Duration::from_secs(60);
/// For how many intervals an alert counts as firing after it was last told.
const INTERVALS: u32 = 4;

/// What has been told of an alert.
struct Told {
    at: Timestamp,
    annotations: Arc<[(String, String)]>,
}

/// What alerts carry beyond their own.
#[derive(Clone, Debug, Default)]
pub struct Bearings {
    /// Where people reach this console.
    pub external_url: String,
    /// Labels that an alert gets unless it has them, as Prometheus adds its `external_labels`.
    pub external_labels: Labels,
}

impl Bearings {
    fn link(&self, query: &str) -> String {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        format!("{}/graph?g0.expr={query}&g0.tab=1", self.external_url.trim_end_matches('/'))
    }
}

/// What is to be told next. Pure.
#[derive(Default)]
pub struct Feed {
    told: HashMap<Labels, Told>,
    /// Ends that could not be handed on.
    left: Vec<PostedAlert>,
}

impl Feed {
    /// What of a snapshot is to be posted at `now`.
    pub fn due(&mut self, rules: &Snapshot, bearings: &Bearings, now: Timestamp) -> Vec<PostedAlert> {
        let mut due = std::mem::take(&mut self.left);
        let mut gone: HashMap<Labels, Told> = std::mem::take(&mut self.told);
        for group in rules.groups.iter() {
            let lasts = group.interval.max(RESEND) * INTERVALS;
            for rule in group.rules.iter() {
                let Some(alerting) = &rule.alerting else { continue };
                for alert in alerting.alerts.iter().filter(|a| a.state == AlertState::Firing) {
                    let known = gone.remove(&alert.labels);
                    let fresh = known.as_ref().is_some_and(|told| {
                        now.since(told.at) < RESEND && told.annotations == alert.annotations
                    });
                    if let (true, Some(known)) = (fresh, known) {
                        self.told.insert(alert.labels.clone(), known);
                        continue;
                    }
                    let annotations = Arc::clone(&alert.annotations);
                    due.push(posted(
                        &alert.labels,
                        &annotations,
                        alert.fired_at.or(Some(alert.active_at)),
                        now + lasts,
                        Some(bearings.link(&rule.query).into()),
                        &bearings.external_labels,
                    ));
                    self.told.insert(alert.labels.clone(), Told { at: now, annotations });
                }
            }
        }
        due.extend(gone.into_iter().map(|(labels, told)| {
            posted(&labels, &told.annotations, None, now, None, &bearings.external_labels)
        }));
        due
    }

    /// Nothing of this batch was taken: all of it is told again.
    pub fn again(&mut self, batch: Vec<PostedAlert>, now: Timestamp) {
        self.left = batch.into_iter().filter(|alert| alert.ends_at.is_some_and(|end| end <= now)).collect();
        for told in self.told.values_mut() {
            told.at = Timestamp::from_millis(0);
        }
    }
}

fn posted(
    labels: &Labels,
    annotations: &[(String, String)],
    starts_at: Option<Timestamp>,
    ends_at: Timestamp,
    generator_url: Option<Arc<str>>,
    external: &Labels,
) -> PostedAlert {
    let arc = |text: &str| Arc::<str>::from(text);
    let more = external.pairs().iter().filter(|(name, _)| labels.get(name).is_none());
    PostedAlert {
        labels: labels.pairs().iter().chain(more).map(|(n, v)| (arc(n), arc(v))).collect(),
        annotations: annotations.iter().map(|(n, v)| (arc(n), arc(v))).collect(),
        starts_at,
        ends_at: Some(ends_at),
        generator_url,
    }
}

/// Posts the alerts of rules as they come and go, until the rules end.
pub async fn follow(
    mut rules: watch::Receiver<Arc<Snapshot>>,
    handle: Handle,
    bearings: impl Fn() -> Bearings,
    clock: Arc<dyn Clock>,
) {
    let mut feed = Feed::default();
    loop {
        let snapshot = rules.borrow_and_update().clone();
        let due = feed.due(&snapshot, &bearings(), clock.now());
        if !due.is_empty() {
            match handle.ask(Request::Post(due.clone()), Actor::system("rules"), false).await {
                Ok(_) => {}
                Err(Refused::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%error, "alerts of rules could not be handed on; they are again");
                    feed.again(due, clock.now());
                }
            }
        }
        tokio::select! {
            changed = rules.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(Duration::from_secs(5)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use quarterdeck_rules::model::{AlertView, AlertingView};
    use quarterdeck_rules::{GroupView, RuleHealth, RuleView};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn rules(firing: bool) -> Snapshot {
        let alert = AlertView {
            labels: Labels::from_pairs([("alertname", "Slow"), ("region", "own")]),
            annotations: Arc::from([("summary".to_owned(), "too slow".to_owned())]),
            state: AlertState::Firing,
            active_at: at(5),
            fired_at: Some(at(10)),
            keep_firing_since: None,
            value: 1.0,
        };
        let rule = RuleView {
            name: "Slow".into(),
            query: "up < 1".into(),
            labels: Arc::default(),
            health: RuleHealth::Ok,
            last_error: None,
            last_evaluation: None,
            duration: Duration::ZERO,
            line: 1,
            alerting: Some(AlertingView {
                hold: Duration::ZERO,
                keep_firing: Duration::ZERO,
                annotations: Arc::default(),
                alerts: if firing { vec![Arc::new(alert)].into() } else { Arc::default() },
            }),
        };
        let group = GroupView {
            name: "g".into(),
            file: "rules.yml".into(),
            interval: Duration::from_secs(15),
            limit: 0,
            last_evaluation: None,
            duration: Duration::ZERO,
            missed: 0,
            rules: vec![Arc::new(rule)].into(),
        };
        Snapshot { groups: vec![Arc::new(group)].into(), ..Snapshot::default() }
    }

    #[test]
    fn an_alert_is_told_when_it_begins_each_minute_and_when_it_ends() {
        let mut feed = Feed::default();
        let bearings = Bearings {
            external_url: "http://console/".to_owned(),
            external_labels: Labels::from_pairs([("region", "external"), ("site", "a")]),
        };
        let told = feed.due(&rules(true), &bearings, at(10));
        assert_eq!(told.len(), 1);
        let label =
            |name: &str| told[0].labels.iter().find(|(n, _)| &**n == name).map(|(_, v)| v.to_string());
        assert_eq!(label("site").as_deref(), Some("a"));
        assert_eq!(label("region").as_deref(), Some("own"), "its own label goes before an external one");
        assert_eq!((told[0].starts_at, told[0].ends_at), (Some(at(10)), Some(at(250))));
        assert_eq!(told[0].generator_url.as_deref(), Some("http://console/graph?g0.expr=up+%3C+1&g0.tab=1"));
        assert!(feed.due(&rules(true), &bearings, at(69)).is_empty());
        assert_eq!(feed.due(&rules(true), &bearings, at(70)).len(), 1, "before it would time out");
        let ended = feed.due(&rules(false), &bearings, at(80));
        assert_eq!(ended[0].ends_at, Some(at(80)));
        // What could not be handed on is told again.
        feed.again(ended, at(80));
        assert_eq!(feed.due(&rules(false), &bearings, at(90)).len(), 1);
        assert!(feed.due(&rules(false), &bearings, at(95)).is_empty());
    }
}
