//! The state machine in simulated time.

mod acceptance;
mod grouping;
mod hostile;
mod inhibition;
mod merging;
mod operators;
mod oracle;
mod restoring;
mod scale;
mod silencing;
mod simulation;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alertmanager::{Config, Fingerprint, Matchers};
use quarterdeck_kernel::{Labels, Timestamp};

use super::{Effects, Engine, Options, Plan, PostReport, SeededIds};
use crate::model::{
    Alert, AlertState, Attempt, AttemptAction, AttemptId, Fact, FactKind, Outcome, PostedAlert, Record,
    RecordKind, SilenceDraft, SilenceId, SilenceKind,
};

/// The moment that tests count seconds from.
pub(super) const EPOCH: i64 = 1_700_000_000_000;

/// Seconds after the tests' beginning.
pub(super) fn at(seconds: f64) -> Timestamp {
    Timestamp::from_millis(EPOCH + (seconds * 1000.0).round() as i64)
}

/// The same, the other way.
pub(super) fn seconds(moment: Timestamp) -> f64 {
    (moment.as_millis() - EPOCH) as f64 / 1000.0
}

/// A configuration from YAML; `%s` stands for some webhook's host.
pub(super) fn plan(yaml: &str) -> Arc<Plan> {
    let yaml = yaml.replace("%s", "127.0.0.1:1");
    let config = Config::parse(&yaml, "test.yml", Path::new("")).expect("a lawful configuration");
    Arc::new(Plan::from_config(&config, |_| true))
}

/// A route with webhooks: `group_by`, then waits and intervals as given.
pub(super) fn simple(group_by: &str, wait: &str, interval: &str, repeat: &str) -> Arc<Plan> {
    plan(&format!(
        "route:\n  receiver: r\n  group_by: [{group_by}]\n  group_wait: {wait}\n  group_interval: {interval}\n  repeat_interval: {repeat}\nreceivers:\n- name: r\n  webhook_configs:\n  - url: http://%s\n"
    ))
}

/// Labels as `a=1,b=2`.
pub(super) fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(',').filter_map(|pair| pair.split_once('=')))
}

/// A post: labels as `a=1,b=2`, start and end in seconds.
pub(super) fn alert(text: &str, start: Option<f64>, end: Option<f64>) -> PostedAlert {
    PostedAlert {
        labels: labels(text).pairs().to_vec(),
        annotations: Vec::new(),
        starts_at: start.map(at),
        ends_at: end.map(at),
        generator_url: None,
    }
}

/// The fingerprint of labels.
pub(super) fn print(text: &str) -> Fingerprint {
    Fingerprint::of(&labels(text))
}

/// How the tests' deliverer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deliver {
    /// It delivers at once.
    AtOnce,
    /// It fails at once.
    Fails,
    /// It says nothing.
    Holds,
}

/// An engine with a store and a deliverer, in simulated time.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) now: Timestamp,
    pub(super) store: BTreeMap<(RecordKind, String), Record>,
    pub(super) sent: Vec<(Timestamp, Attempt)>,
    pub(super) facts: Vec<Fact>,
    pub(super) deliver: Deliver,
    pub(super) plan: Arc<Plan>,
    pub(super) options: Options,
    seed: u64,
}

impl World {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self::with(plan, Options::default())
    }

    pub(super) fn with(plan: Arc<Plan>, options: Options) -> Self {
        let now = at(0.0);
        let engine = Engine::new(Arc::clone(&plan), options.clone(), Box::new(SeededIds::new(1)), now);
        Self {
            engine,
            now,
            store: BTreeMap::new(),
            sent: Vec::new(),
            facts: Vec::new(),
            deliver: Deliver::AtOnce,
            plan,
            options,
            seed: 1,
        }
    }

    /// Keeps records as a store does: the last one of each kind and key.
    pub(super) fn keep(&mut self, records: Vec<Record>) {
        for record in records {
            let text = serde_json::to_string(&record).expect("records can be written");
            let read: Record = serde_json::from_str(&text).expect("records can be read");
            let key = (record.kind(), record.key());
            if record.is_removal() {
                self.store.remove(&key);
            } else {
                self.store.insert(key, read);
            }
        }
    }

    /// Does what effects ask for.
    pub(super) fn act(&mut self, effects: Effects) {
        self.keep(effects.records);
        self.facts.extend(effects.facts);
        for attempt in effects.attempts {
            let id = attempt.record.id;
            self.sent.push((self.now, attempt));
            match self.deliver {
                Deliver::AtOnce => self.outcome(id, Outcome::Delivered),
                Deliver::Fails => self.outcome(id, Outcome::Failed("refused".into())),
                Deliver::Holds => {}
            }
        }
    }

    pub(super) fn outcome(&mut self, id: AttemptId, outcome: Outcome) {
        let mut effects = Effects::default();
        self.engine.outcome(id, outcome, 1, self.now, &mut effects);
        self.act(effects);
    }

    /// Lets time pass, stopping wherever something is due.
    pub(super) fn go(&mut self, to: f64) {
        let to = at(to);
        assert!(to >= self.now, "time goes forward");
        while let Some(next) = self.engine.next_wake().filter(|next| *next <= to) {
            self.now = next.max(self.now);
            self.tick();
        }
        self.now = to;
        self.tick();
    }

    fn tick(&mut self) {
        let mut effects = Effects::default();
        self.engine.tick(self.now, &mut effects);
        self.act(effects);
    }

    pub(super) fn post(&mut self, batch: Vec<PostedAlert>) -> PostReport {
        let mut effects = Effects::default();
        let report = self.engine.post(batch, self.now, &mut effects);
        self.act(effects);
        report
    }

    /// Posts one alert without times.
    pub(super) fn fire(&mut self, text: &str) {
        assert_eq!(self.post(vec![alert(text, None, None)]).refused, []);
    }

    /// Posts the end of an alert: now.
    pub(super) fn end(&mut self, text: &str) {
        let now = seconds(self.now);
        assert_eq!(self.post(vec![alert(text, None, Some(now))]).refused, []);
    }

    pub(super) fn silence(&mut self, matchers: &str, kind: SilenceKind, from: f64, to: f64) -> SilenceId {
        let draft = draft(matchers, kind, from, to);
        let mut effects = Effects::default();
        let made = self.engine.set_silence(draft, self.now, &mut effects);
        self.act(effects);
        made.expect("a silence")
    }

    /// Something an operator does.
    pub(super) fn with_effects<T>(
        &mut self,
        act: impl FnOnce(&mut Engine, Timestamp, &mut Effects) -> T,
    ) -> T {
        let mut effects = Effects::default();
        let done = act(&mut self.engine, self.now, &mut effects);
        self.act(effects);
        done
    }

    pub(super) fn reload(&mut self, plan: Arc<Plan>, options: Options) {
        self.plan = Arc::clone(&plan);
        self.options = options.clone();
        self.with_effects(|engine, now, effects| engine.reload(plan, options, now, effects));
    }

    /// Kills the engine and starts it again from the store.
    pub(super) fn restart(&mut self, when: f64) {
        self.now = at(when);
        self.seed += 1;
        let mut effects = Effects::default();
        let records: Vec<Record> = self.store.values().cloned().collect();
        self.engine = Engine::restore(
            Arc::clone(&self.plan),
            self.options.clone(),
            Box::new(SeededIds::new(self.seed)),
            records,
            self.now,
            &mut effects,
        );
        self.act(effects);
    }

    pub(super) fn get(&self, text: &str) -> Arc<Alert> {
        Arc::clone(self.engine.alert(print(text)).expect("the alert is known"))
    }

    pub(super) fn state(&self, text: &str) -> AlertState {
        self.get(text).state
    }

    /// Notifications as `seconds action labels[!]…`, `!` for resolved.
    pub(super) fn told(&self) -> Vec<String> {
        self.sent.iter().map(|(when, attempt)| describe(*when, attempt)).collect()
    }

    /// The same, and forgets them.
    pub(super) fn take_told(&mut self) -> Vec<String> {
        let told = self.told();
        self.sent.clear();
        told
    }

    /// Whether all snapshots' figures agree with their alerts.
    pub(super) fn check_figures(&mut self) {
        let snapshot = self.engine.snapshot(self.now);
        let mut states = [0; 5];
        let mut open = 0;
        for alert in &snapshot.alerts {
            let place = AlertState::ALL.iter().position(|s| *s == alert.state).expect("a state");
            states[place] += 1;
            open += usize::from(alert.state.is_open());
        }
        assert_eq!(snapshot.stats.states, states);
        assert_eq!(snapshot.stats.open.iter().sum::<usize>(), open);
    }
}

pub(super) fn draft(matchers: &str, kind: SilenceKind, from: f64, to: f64) -> SilenceDraft {
    SilenceDraft {
        id: None,
        kind,
        matchers: Matchers::parse(matchers).expect("matchers"),
        starts_at: at(from),
        ends_at: at(to),
        created_by: "ann".into(),
        comment: "".into(),
    }
}

pub(super) fn describe(when: Timestamp, attempt: &Attempt) -> String {
    let mut text = format!("{}", seconds(when));
    if attempt.record.action == AttemptAction::Acknowledge {
        text.push_str(" ack");
    }
    if attempt.possibly_duplicate {
        text.push_str(" again?");
    }
    for notified in &attempt.alerts {
        let pairs: Vec<String> = notified.alert.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
        text.push(' ');
        text.push_str(&pairs.join(","));
        if notified.resolved() {
            text.push('!');
        }
    }
    text
}

/// Facts about groups, as text.
pub(super) fn group_facts(world: &World) -> Vec<String> {
    world
        .facts
        .iter()
        .filter_map(|fact| match &fact.kind {
            FactKind::GroupFired { alerts, first, .. } => {
                Some(format!("{} fired {} {first}", seconds(fact.at), alerts.len()))
            }
            FactKind::GroupEnded { .. } => Some(format!("{} ended", seconds(fact.at))),
            _ => None,
        })
        .collect()
}

/// A second, for readability.
pub(super) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
