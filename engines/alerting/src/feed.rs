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

/// What is to be told next. Pure.
#[derive(Default)]
pub struct Feed {
    told: HashMap<Labels, Told>,
    /// Ends that could not be handed on.
    left: Vec<PostedAlert>,
}

impl Feed {
    /// What of a snapshot is to be posted at `now`. `link` is where people see the rule's expression.
    pub fn due(
        &mut self,
        rules: &Snapshot,
        link: &dyn Fn(&str) -> String,
        now: Timestamp,
    ) -> Vec<PostedAlert> {
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
                        Some(link(&rule.query).into()),
                    ));
                    self.told.insert(alert.labels.clone(), Told { at: now, annotations });
                }
            }
        }
        due.extend(
            gone.into_iter().map(|(labels, told)| posted(&labels, &told.annotations, None, now, None)),
        );
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
) -> PostedAlert {
    let arc = |text: &str| Arc::<str>::from(text);
    PostedAlert {
        labels: labels.pairs().iter().map(|(n, v)| (arc(n), arc(v))).collect(),
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
    external_url: String,
    clock: Arc<dyn Clock>,
) {
    let mut feed = Feed::default();
    let link = move |query: &str| {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        format!("{}/graph?g0.expr={query}&g0.tab=1", external_url.trim_end_matches('/'))
    };
    loop {
        let snapshot = rules.borrow_and_update().clone();
        let due = feed.due(&snapshot, &link, clock.now());
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
