//! Putting worlds together: one immutable value of everything that is true, published when something changed and at most
//! 30 times a second.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use quarterdeck_alerting::View;
use quarterdeck_alerting::model::{Ack, Alert, AlertState, Cause, OperatorState};
use quarterdeck_journal::Recent;
use quarterdeck_kernel::{Clock, Entry, Health, Phase, Timestamp};
use quarterdeck_panes::World;
use quarterdeck_panes::alarms::Alarms;
use quarterdeck_panes::world::{Actions, Console, Timeline};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The shortest time between two worlds.
const FRAME: Duration = Duration::from_millis(33);

/// How long before trouble began a change may have come to be told with it.
const CAUSES_WITHIN: Duration = Duration::from_secs(1800);

/// The newest snapshot of every engine. Engines' tasks write, the feed reads.
pub struct Parts {
    /// The metrics store.
    pub metrics: Part<quarterdeck_metrics::MetricsSnapshot>,
    /// Scrape targets.
    pub targets: Part<quarterdeck_scrape::Snapshot>,
    /// WebSocket feeds.
    pub streams: Part<quarterdeck_streams::Snapshot>,
    /// Services.
    pub services: Part<quarterdeck_services::Snapshot>,
    /// Rules and alerts.
    pub rules: Part<quarterdeck_rules::Snapshot>,
    /// Alerts, silences, notifications, on-call.
    pub alerting: Part<quarterdeck_alerting::View>,
    /// The traffic gateway.
    pub gateway: Part<quarterdeck_gateway::Snapshot>,
    /// Deployment control.
    pub deploy: Part<quarterdeck_deploy::Snapshot>,
    /// The timeline.
    pub timeline: Part<Timeline>,
    /// The console itself.
    pub console: Part<Console>,
    changed: Arc<Notify>,
}

/// One engine's newest snapshot.
pub struct Part<T> {
    value: ArcSwap<T>,
    changed: Arc<Notify>,
}

impl<T: Default> Part<T> {
    fn new(changed: &Arc<Notify>) -> Self {
        Self { value: ArcSwap::default(), changed: Arc::clone(changed) }
    }

    /// There is a newer one.
    pub fn set(&self, value: Arc<T>) {
        self.value.store(value);
        self.changed.notify_one();
    }

    /// The newest one.
    pub fn get(&self) -> Arc<T> {
        self.value.load_full()
    }

    /// Takes over what an engine publishes, until it ends.
    pub async fn follow(&self, mut from: watch::Receiver<Arc<T>>) {
        loop {
            let newest = from.borrow_and_update().clone();
            self.set(newest);
            if from.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Default for Parts {
    fn default() -> Self {
        let changed = Arc::new(Notify::new());
        Self {
            metrics: Part::new(&changed),
            targets: Part::new(&changed),
            streams: Part::new(&changed),
            services: Part::new(&changed),
            rules: Part::new(&changed),
            alerting: Part::new(&changed),
            gateway: Part::new(&changed),
            deploy: Part::new(&changed),
            timeline: Part::new(&changed),
            console: Part::new(&changed),
            changed,
        }
    }
}

impl Parts {
    /// A world of what is known now; `leading` is what the last one led with.
    pub fn world(
        &self,
        version: u64,
        now: Timestamp,
        actions: &Arc<dyn Actions>,
        leading: &mut Leading,
    ) -> World {
        let (services, timeline, alerting) = (self.services.get(), self.timeline.get(), self.alerting.get());
        World {
            version,
            now,
            console: self.console.get(),
            metrics: self.metrics.get(),
            targets: self.targets.get(),
            streams: self.streams.get(),
            rules: self.rules.get(),
            alarms: leading.alarms(&alerting, now),
            alerting,
            gateway: self.gateway.get(),
            deploy: self.deploy.get(),
            headline: leading.of(&services, &timeline, now),
            services,
            timeline,
            actions: Arc::clone(actions),
        }
    }

    /// Publishes worlds until told to stop.
    pub async fn publish(
        &self,
        to: watch::Sender<Arc<World>>,
        actions: Arc<dyn Actions>,
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
    ) {
        let mut version = to.borrow().version;
        let mut leading = Leading::default();
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                () = stop.cancelled() => return,
            }
            version += 1;
            to.send_replace(Arc::new(self.world(version, clock.now(), &actions, &mut leading)));
            tokio::time::sleep(FRAME).await;
        }
    }
}

/// What leads, kept until services or timeline tell something new: a busy feed alone makes thirty worlds a second.
#[derive(Default)]
pub struct Leading {
    of: Option<(Arc<quarterdeck_services::Snapshot>, Arc<Timeline>)>,
    headline: Option<Arc<quarterdeck_services::Headline>>,
    alarms: Option<(Arc<quarterdeck_alerting::View>, Timestamp, Arc<Alarms>)>,
}

/// From so many alerts on, what fires is looked at at most each [`FLOODED`].
const FLOOD: usize = 20_000;
/// See [`FLOOD`].
const FLOODED: Duration = Duration::from_millis(500);

impl Leading {
    /// What fires, looked at once per version of alerting; in a flood the last look may do for a while (the console's own
    /// figures make a world each second, so that it is never older than that).
    fn alarms(&mut self, alerting: &Arc<quarterdeck_alerting::View>, now: Timestamp) -> Arc<Alarms> {
        if let Some((of, looked, alarms)) = &self.alarms {
            let flooded =
                alerting.alerts.alerts.len() >= FLOOD && (*looked..*looked + FLOODED).contains(&now);
            if flooded || Arc::ptr_eq(of, alerting) {
                return Arc::clone(alarms);
            }
        }
        let alarms = Arc::new(Alarms::new(alerting));
        self.alarms = Some((Arc::clone(alerting), now, Arc::clone(&alarms)));
        alarms
    }

    fn of(
        &mut self,
        services: &Arc<quarterdeck_services::Snapshot>,
        timeline: &Arc<Timeline>,
        now: Timestamp,
    ) -> Option<Arc<quarterdeck_services::Headline>> {
        let same = |(s, t): &(_, _)| Arc::ptr_eq(s, services) && Arc::ptr_eq(t, timeline);
        if !self.of.as_ref().is_some_and(same) {
            self.headline = headline(services, timeline, now);
            self.of = Some((Arc::clone(services), Arc::clone(timeline)));
        }
        self.headline.clone()
    }
}

/// What leads when something is wrong, with what changed just before.
fn headline(
    services: &quarterdeck_services::Snapshot,
    timeline: &Timeline,
    now: Timestamp,
) -> Option<Arc<quarterdeck_services::Headline>> {
    // Worst first: when the first is well, all are.
    let worst = services.services.first().filter(|s| s.health >= Health::Degraded)?;
    let from = worst.since - CAUSES_WITHIN;
    let before = timeline.entries.iter().take_while(|e| e.at >= from);
    let recent: Vec<Entry> = before.map(|e| (**e).clone()).collect();
    services.headline(&recent, now).map(Arc::new)
}

/// A world as it was at a moment: what has a history is of then, the rest stays as it is. `forgotten` are alerts of then
/// that alerting itself no longer knows; `stored` is the timeline up to then, newest first, where the store could tell it.
pub fn rewound(
    world: &World,
    services: quarterdeck_services::Snapshot,
    forgotten: &[Arc<Alert>],
    stored: Option<Vec<Entry>>,
    at: Timestamp,
) -> World {
    let timeline = timeline_at(&world.timeline, stored, at);
    let alerting = Arc::new(alerting_at(&world.alerting, forgotten, at));
    World {
        alarms: Arc::new(Alarms::new(&alerting)),
        alerting,
        // Told apart from every version of the present, and one moment from another.
        version: u64::MAX - at.as_millis().unsigned_abs() % (1 << 48),
        now: at,
        headline: headline(&services, &timeline, at),
        services: Arc::new(services),
        timeline: Arc::new(timeline),
        ..world.clone()
    }
}

/// The timeline as it stood at a moment: what is stored reaches further back than what is at hand.
fn timeline_at(now: &Timeline, stored: Option<Vec<Entry>>, at: Timestamp) -> Timeline {
    let mut entries: Vec<Arc<Entry>> = match stored {
        Some(stored) => stored.into_iter().map(Arc::new).collect(),
        None => now.entries.iter().filter(|e| e.at <= at).cloned().collect(),
    };
    let there: HashSet<_> = entries.iter().map(|e| e.id.clone()).collect();
    let answered: HashSet<_> = entries.iter().filter_map(|e| e.outcome_of.clone()).collect();
    entries.retain(|e| !answered.contains(&e.id));
    for entry in &mut entries {
        // What undid it later had not undone it then.
        if entry.undone_by.as_ref().is_some_and(|by| !there.contains(by)) {
            Arc::make_mut(entry).undone_by = None;
        }
    }
    Timeline { entries: entries.into(), running: 0, ..now.clone() }
}

/// Who had acknowledged an alert by the history that is left of it.
fn acknowledged(alert: &Alert) -> Option<Arc<OperatorState>> {
    let taken = alert.history.iter().rev().find(|t| t.cause == Cause::Acknowledged)?;
    // The same acknowledgement may be in force still: then all is known of it.
    if alert.ack().is_some_and(|ack| ack.at == taken.at) {
        return alert.operator.clone();
    }
    let detail = taken.detail.as_deref();
    let ack = Ack {
        by: detail.map(|d| Arc::clone(&d.by)).unwrap_or_default(),
        at: taken.at,
        note: detail.map(|d| Arc::clone(&d.note)).unwrap_or_default(),
        until: None,
    };
    Some(Arc::new(OperatorState { ack: Some(ack), ..OperatorState::default() }))
}

/// Alerts as they stood at a moment, as far as their histories reach, and what had been sent by then. Escalations have no
/// history: none is told rather than today's.
fn alerting_at(view: &View, forgotten: &[Arc<Alert>], at: Timestamp) -> View {
    let then = |(alert, state): (&Arc<Alert>, AlertState)| {
        let mut alert = Alert::clone(alert);
        alert.history.retain(|t| t.at <= at);
        alert.since = alert.history.last().map_or(alert.starts_at, |t| t.at);
        alert.state = state;
        alert.operator = if state == AlertState::Acknowledged { acknowledged(&alert) } else { None };
        Arc::new(alert)
    };
    // One that fired again since then is known again, and forgotten with its earlier firing.
    let known: HashSet<_> = view.alerts.at_moment(at).map(|(alert, _)| alert.fingerprint).collect();
    let gone = forgotten
        .iter()
        .filter(|alert| !known.contains(&alert.fingerprint))
        .filter_map(|alert| Some((alert, alert.state_at(at)?)));
    let alerts = view.alerts.at_moment(at).chain(gone).map(then).collect();
    let log = view.alerts.log.iter().filter(|record| record.at <= at).cloned().collect();
    let version = u64::MAX - at.as_millis().unsigned_abs() % (1 << 48);
    View {
        version,
        at,
        alerts: quarterdeck_alerting::model::Snapshot {
            version,
            at,
            alerts,
            log: Arc::new(log),
            ..view.alerts.clone()
        },
        oncall: quarterdeck_oncall::Snapshot { escalations: Vec::new(), ..view.oncall.clone() },
        ..view.clone()
    }
}

/// The timeline as panes see it: an intent gives way to its outcome.
pub fn timeline(recent: &Recent) -> Timeline {
    let answered: HashSet<_> = recent.entries.iter().filter_map(|e| e.outcome_of.as_ref()).collect();
    let open = |e: &&Arc<Entry>| e.phase == Phase::Intent && !answered.contains(&e.id);
    let running = recent.entries.iter().filter(open).count();
    let entries = if answered.is_empty() {
        Arc::clone(&recent.entries)
    } else {
        recent.entries.iter().filter(|e| !answered.contains(&e.id)).cloned().collect()
    };
    Timeline {
        entries,
        total: recent.count,
        writer: recent.writer.clone(),
        trouble: recent.trouble.clone(),
        running,
    }
}

#[cfg(test)]
mod tests {
    use quarterdeck_alerting::engine::SeededIds;
    use quarterdeck_alerting::model::PostedAlert;
    use quarterdeck_alerting::{Effects, Engine, Options, Plan};
    use quarterdeck_kernel::Severity;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_773_066_727_000 + seconds * 1000)
    }

    #[test]
    fn rewound_alerts_stand_as_they_stood() {
        let text = "route: {receiver: chat}\nreceivers: [{name: chat}]\n";
        let config =
            quarterdeck_alertmanager::Config::parse(text, "test.yml", std::path::Path::new("")).unwrap();
        let plan = Arc::new(Plan::from_config(&config, |_| true));
        let mut engine = Engine::new(plan, Options::default(), Box::new(SeededIds::new(1)), at(0));
        let mut effects = Effects::default();
        let labels = [("alertname", "KillSwitch"), ("severity", "critical")];
        let alert = PostedAlert {
            labels: labels.iter().map(|(n, v)| (Arc::from(*n), Arc::from(*v))).collect(),
            starts_at: Some(at(10)),
            ends_at: Some(at(3600)),
            ..PostedAlert::default()
        };
        engine.post(vec![alert], at(10), &mut effects);
        let print = engine.snapshot(at(10)).alerts.iter().next().unwrap().fingerprint;
        engine.acknowledge(&[print], &"ops-1".into(), &"".into(), None, at(60), &mut effects).unwrap();
        let view = View { version: 3, at: at(90), alerts: engine.snapshot(at(90)), ..View::default() };

        assert!(alerting_at(&view, &[], at(5)).alerts.alerts.is_empty(), "it had not fired yet");
        let then = alerting_at(&view, &[], at(30));
        let alert = then.alerts.alerts.iter().next().unwrap();
        assert_eq!((alert.state, alert.ack(), alert.since), (AlertState::Firing, None, at(10)));
        assert_eq!(Alarms::new(&then).firing(Severity::Critical), 1);
        assert_ne!(then.version, view.version, "panes must take it for another one");
        let later = alerting_at(&view, &[], at(70));
        assert_eq!(later.alerts.alerts.iter().next().unwrap().state, AlertState::Acknowledged);
        assert_eq!(Alarms::new(&later).firing(Severity::Critical), 0);

        // Taken back and taken by somebody else since: then it was the first who had it.
        engine.unacknowledge(&[print], &"ops-1".into(), &"".into(), at(80), &mut effects).unwrap();
        engine.acknowledge(&[print], &"ops-2".into(), &"".into(), None, at(85), &mut effects).unwrap();
        let view = View { version: 4, at: at(90), alerts: engine.snapshot(at(90)), ..View::default() };
        let by = |seconds: i64| {
            let then = alerting_at(&view, &[], at(seconds));
            then.alerts.alerts.iter().next().and_then(|alert| alert.ack().map(|ack| ack.by.to_string()))
        };
        assert_eq!(by(70).as_deref(), Some("ops-1"));
        assert_eq!(by(82), None);
        assert_eq!(by(88).as_deref(), Some("ops-2"));
    }

    #[test]
    fn the_timeline_of_then_is_what_the_store_tells() {
        let entry = |seq: u64, seconds: i64| Entry {
            id: quarterdeck_kernel::EntryId { writer: "deck".to_owned(), seq },
            at: at(seconds),
            kind: quarterdeck_kernel::ChangeKind::Operation,
            phase: Phase::Done,
            severity: Severity::Info,
            subject: None,
            service: None,
            actor: quarterdeck_kernel::Actor::default(),
            summary: String::new(),
            reason: None,
            invocation: None,
            outcome_of: None,
            undo: None,
            undone_by: None,
        };
        // At hand is only what came later.
        let now = Timeline { entries: Arc::from([Arc::new(entry(9, 500))]), total: 9, ..Timeline::default() };
        let undone = |by: u64| {
            let id = quarterdeck_kernel::EntryId { writer: "deck".to_owned(), seq: by };
            Entry { undone_by: Some(id), ..entry(1, 10) }
        };
        let seqs = |timeline: &Timeline| timeline.entries.iter().map(|e| e.id.seq).collect::<Vec<_>>();
        let then = timeline_at(&now, Some(vec![entry(2, 20), undone(9)]), at(100));
        assert_eq!(seqs(&then), [2, 1]);
        assert_eq!(then.entries[1].undone_by, None, "it was undone later");
        let then = timeline_at(&now, Some(vec![entry(2, 20), undone(2)]), at(100));
        assert!(then.entries[1].undone_by.is_some(), "it was undone by then");
        assert!(seqs(&timeline_at(&now, None, at(100))).is_empty(), "without the store what is at hand");
    }
}
