//! The overview at every size.

mod support;

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Health, Labels};
use quarterdeck_panes::World;
use quarterdeck_panes::overview::Overview;
use quarterdeck_rules::model::{
    AlertState as RuleState, AlertView, AlertingView, GroupView, RuleHealth, RuleView,
};
use quarterdeck_services::{Breach, Limited, Resource, ServiceView, Signal, Signals, Snapshot};
use support::{NOW, Stage, at, service, world};

fn signal(value: f64, limit: Option<f64>) -> Signal {
    let history: Vec<f64> = (0..30).map(|i| value * (0.6 + 0.4 * f64::from(i) / 29.0)).collect();
    Signal { value: Some(value), limit, broken_since: None, history: history.into() }
}

fn platform() -> World {
    let mut world = world();
    let busy = |name: &str, rate: f64, errors: f64, p99: f64| ServiceView {
        owner: Some("trading".to_owned()),
        signals: Signals {
            rate: signal(rate, None),
            errors: signal(errors, Some(1.0)),
            p50: signal(p99 / 9.0, None),
            p95: signal(p99 / 2.0, None),
            p99: signal(p99, Some(60.0)),
            saturation: signal(35.0, Some(80.0)),
            ..Signals::default()
        },
        ..(*service(name)).clone()
    };
    let text = "p99 2 470 ms, limit 60 ms".to_owned();
    let orders = ServiceView {
        health: Health::Degraded,
        since: at(-83),
        breaches: vec![Breach {
            what: Limited::Latency,
            value: 2466.0,
            limit: 60.0,
            since: at(-83),
            text,
            health: Health::Degraded,
        }],
        ..busy("orders", 412.4, 1.94, 2466.0)
    };
    let host = ServiceView {
        resources: [("cpu", Some(34.0)), ("load", None)]
            .map(|(name, percent)| Resource { name: name.into(), unit: "%".into(), value: 1.0, percent })
            .into(),
        ..(*service("host")).clone()
    };
    let services = vec![orders, busy("risk", 9.31, 0.0, 12.25), busy("ledger", 8143.0, 0.0312, 6.0), host];
    world.services = Arc::new(Snapshot {
        version: 1,
        taken: NOW,
        services: services.into_iter().map(Arc::new).collect(),
        history_step: Duration::from_secs(30),
        history_end: NOW,
        ..Snapshot::default()
    });
    world
}

#[test]
fn it_uses_the_room_that_there_is() {
    for (width, height) in [(80, 20), (120, 36), (200, 56)] {
        let stage = Stage::new(Overview::new(), platform(), (width, height));
        insta::assert_snapshot!(format!("overview_{width}x{height}"), stage.screen());
    }
}

#[test]
fn large_screens_are_not_half_empty() {
    let stage = Stage::new(Overview::new(), platform(), (200, 56));
    let screen = stage.screen();
    for told in ["orders · latency", "orders · throughput", "─ platform", "quotes", "host", "cpu 34 %"] {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
    let empty = screen.lines().filter(|line| line.chars().all(|c| c == ' ' || c == '│')).count();
    assert!(empty < 6, "{empty} rows of 56 are empty:\n{screen}");
}

#[test]
fn numbers_of_a_column_stand_under_each_other() {
    let stage = Stage::new(Overview::new(), platform(), (120, 36));
    let screen = stage.screen();
    // The column in which the whole part of a number ends.
    let ends = |row: &str, number: &str, whole: usize| {
        let line = screen
            .lines()
            .find(|line| line.contains(&format!(" {row} ")) && line.contains('●'))
            .expect("a row");
        let byte = line.find(number).unwrap_or_else(|| panic!("{number} in {line}"));
        line[..byte].chars().count() + whole
    };
    assert_eq!(ends("risk", "9.31", 1), ends("ledger", "8 140", 5), "{screen}");
    assert_eq!(ends("risk", "12.3 (", 2), ends("ledger", "6   (", 1), "{screen}");
}

#[test]
fn since_when_is_told_to_the_second_while_it_matters() {
    let screen = Stage::new(Overview::new(), platform(), (120, 36)).screen();
    assert!(screen.contains("p99 2 470 ms, limit 60 ms") && screen.contains("1 m 23 s"), "{screen}");
}

#[test]
fn nothing_is_drawn_outside_at_any_size() {
    Stage::new(Overview::new(), platform(), (120, 36)).draws_everywhere();
}

/// An alert of a rule.
fn ruled(name: &str, service: &str, state: RuleState, since: i64) -> Arc<AlertView> {
    Arc::new(AlertView {
        labels: Labels::from_pairs([("alertname", name), ("service", service), ("severity", "warning")]),
        annotations: Arc::default(),
        state,
        active_at: at(since),
        fired_at: None,
        keep_firing_since: None,
        value: 1.0,
    })
}

fn with_rules(mut world: World, alerts: Vec<Arc<AlertView>>) -> World {
    let rule = RuleView {
        name: "rule".into(),
        query: "up == 0".into(),
        labels: Arc::default(),
        health: RuleHealth::Ok,
        last_error: None,
        last_evaluation: Some(NOW),
        duration: Duration::ZERO,
        line: 1,
        alerting: Some(AlertingView {
            hold: Duration::ZERO,
            keep_firing: Duration::ZERO,
            annotations: Arc::default(),
            alerts: alerts.into(),
        }),
    };
    let group = GroupView {
        name: "group".into(),
        file: "rules.yml".into(),
        interval: Duration::from_secs(15),
        limit: 0,
        last_evaluation: Some(NOW),
        duration: Duration::ZERO,
        missed: 0,
        rules: Arc::from([Arc::new(rule)]),
    };
    let groups = vec![Arc::new(group)];
    world.rules = Arc::new(quarterdeck_rules::Snapshot { groups: groups.into(), ..Default::default() });
    Arc::make_mut(&mut world.alerting).version = 1;
    world
}

#[test]
fn a_flood_of_rule_alerts_costs_no_frame() {
    // In no order, as rules have them.
    let firing =
        (0..30_000).map(|n| ruled(&format!("Down{n}"), "orders", RuleState::Firing, -(n * 7919 % 30_000)));
    let pending =
        [ruled("SlowA", "risk", RuleState::Pending, -20), ruled("SlowB", "risk", RuleState::Pending, -10)];
    let mut stage =
        Stage::new(Overview::new(), with_rules(platform(), firing.chain(pending).collect()), (120, 36));
    let took = support::processor_time(|| (0..20).for_each(|_| drop(stage.draw())));
    // Sorting all of them takes more than that for one frame in a debug build.
    assert!(took < Duration::from_secs(2), "{took:?}");
    for scope in [None, Some("risk".to_owned())] {
        stage.scope.service = scope;
        let screen = stage.screen();
        let row = |what: &str| screen.lines().position(|l| l.contains(what));
        assert!(row("pending, SlowB") < row("pending, SlowA") && row("SlowB").is_some(), "{screen}");
        assert!(!screen.contains("Down1"), "what fires is told by alerting:\n{screen}");
    }
    stage.scope.service = Some("ledger".to_owned());
    assert!(!stage.screen().contains("Slow"), "{}", stage.screen());
}
