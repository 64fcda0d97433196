//! Worlds of an engine that has been given real alerts.

use std::path::Path;
use std::sync::Arc;

use quarterdeck_alerting::engine::{Effects, SeededIds};
use quarterdeck_alerting::model::PostedAlert;
use quarterdeck_alerting::{Engine, Options, Plan, View, actions};
use quarterdeck_alertmanager::{Config, Fingerprint};
use quarterdeck_kernel::{ActionSpec, Invocation, Labels, Reason, Severity, Subject};
use quarterdeck_oncall::EscalationView;
use quarterdeck_oncall::escalation::State;
use quarterdeck_oncall::model::NextView;
use quarterdeck_panes::World;
use quarterdeck_panes::alarms::Alarms;
use quarterdeck_panes::world::Actions;
use quarterdeck_ui::{Effect, Event};

use super::{NOW, Stage, at, world};

const ROUTES: &str = "route:\n  receiver: chat\n  group_by: [service]\n  group_wait: 1s\n  group_interval: 1m\n  \
                      repeat_interval: 4h\nreceivers:\n- name: chat\n  webhook_configs:\n  - url: http://127.0.0.1:1\n";

pub(crate) fn posted(labels: &[(&str, &str)], seconds: i64) -> PostedAlert {
    let pair = |(name, value): &(&str, &str)| (Arc::from(*name), Arc::from(*value));
    PostedAlert {
        labels: labels.iter().map(pair).collect(),
        annotations: vec![(Arc::from("summary"), Arc::from("p99 84 ms, limit 50 ms"))],
        starts_at: Some(at(seconds)),
        ends_at: Some(at(3600)),
        generator_url: None,
    }
}

pub(crate) fn high() -> [(&'static str, &'static str); 3] {
    [("alertname", "OrderLatencyHigh"), ("service", "orders"), ("severity", "critical")]
}

pub(crate) fn print(labels: &[(&str, &str)]) -> Fingerprint {
    Fingerprint::of(&Labels::from_pairs(labels.iter().copied()))
}

pub(crate) fn engine(alerts: Vec<PostedAlert>) -> Engine {
    let config = Config::parse(ROUTES, "test.yml", Path::new("")).expect("a lawful configuration");
    let plan = Arc::new(Plan::from_config(&config, |_| true));
    let mut engine = Engine::new(plan, Options::default(), Box::new(SeededIds::new(1)), at(-60));
    let mut effects = Effects::default();
    engine.post(alerts, at(-60), &mut effects);
    engine.tick(at(-58), &mut effects);
    engine
}

/// A world of these alerts; those of orders are escalated, ops-2 is next in 3:12.
pub(crate) fn world_of(engine: &mut Engine) -> World {
    let mut world = world();
    let alerts = engine.snapshot(NOW);
    let group = alerts.groups_of(print(&high())).next().map(|g| g.identity.to_string());
    let escalation = EscalationView {
        key: group.unwrap_or_default(),
        title: "OrderLatencyHigh of orders".to_owned(),
        severity: Severity::Critical,
        service: Some("orders".to_owned()),
        policy: "trading".to_owned(),
        opened: at(-58),
        state: State::Paging,
        owner: None,
        steps: Vec::new(),
        round: 1,
        rounds: 1,
        pages: Vec::new(),
        dropped_pages: 0,
        next: Some(NextView { at: at(192), what: "paging ops-2".to_owned() }),
    };
    let oncall =
        quarterdeck_oncall::Snapshot { escalations: vec![Arc::new(escalation)], ..Default::default() };
    world.alerting = Arc::new(View { version: 7, at: NOW, alerts, oncall, ..View::default() });
    world.alarms = Arc::new(Alarms::new(&world.alerting));
    world
}

pub(crate) fn three() -> Vec<PostedAlert> {
    vec![
        posted(&[("alertname", "OrderRejectRate"), ("service", "orders"), ("severity", "warning")], -60),
        posted(&[("alertname", "LedgerDisk"), ("service", "ledger"), ("severity", "warning")], -7200),
        posted(&high(), -90),
    ]
}

pub(crate) fn dispatched(effects: &[Effect<World>]) -> Vec<(String, String)> {
    let of = |effect: &Effect<World>| match effect {
        Effect::Dispatch { action, subject, .. } => {
            Some((action.clone(), subject.as_ref().map(ToString::to_string).unwrap_or_default()))
        }
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

/// What was told in passing.
pub(crate) fn toasts(effects: &[Effect<World>]) -> Vec<&str> {
    let mut told = Vec::new();
    for effect in effects {
        if let Effect::Toast(_, text) = effect {
            told.push(text.as_str());
        }
    }
    told
}

/// The subject of an alert.
pub(crate) fn alert(labels: &[(&str, &str)]) -> String {
    format!("alert:{}", print(labels))
}

/// Actions on alerts, available as the engine says.
struct Desk(Arc<View>, Vec<ActionSpec>);

impl Actions for Desk {
    fn specs(&self) -> &[ActionSpec] {
        &self.1
    }

    fn available(&self, action: &str, subject: Option<&Subject>) -> Result<(), Reason> {
        actions::available(&self.0, action, subject)
    }

    fn preview(&self, _: &Invocation) -> Vec<String> {
        Vec::new()
    }
}

/// The world of these alerts, in which actions are available as the engine says.
pub(crate) fn desk(engine: &mut Engine) -> World {
    let mut world = world_of(engine);
    world.actions = Arc::new(Desk(Arc::clone(&world.alerting), actions::actions()));
    world
}

/// Lets the stage see what has become of the alerts.
pub(crate) fn later(stage: &mut Stage, engine: &mut Engine) -> Vec<Effect<World>> {
    let version = stage.world.alerting.version + 1;
    let timeline = Arc::clone(&stage.world.timeline);
    let mut world = world_of(engine);
    Arc::make_mut(&mut world.alerting).version = version;
    world.actions = Arc::new(Desk(Arc::clone(&world.alerting), actions::actions()));
    stage.world = World { timeline, version, ..world };
    stage.event(Event::World);
    std::mem::take(&mut stage.effects)
}

/// An alert that a batch adds.
pub(crate) fn kill() -> [(&'static str, &'static str); 3] {
    [("alertname", "KillSwitch"), ("service", "risk"), ("severity", "critical")]
}

/// Ends an alert.
pub(crate) fn ends(engine: &mut Engine, labels: &[(&str, &str)]) {
    let ended = PostedAlert { ends_at: Some(at(-1)), ..posted(labels, -90) };
    engine.post(vec![ended], NOW, &mut Effects::default());
}
