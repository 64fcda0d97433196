//! What keys do.

use std::collections::BTreeMap;

use quarterdeck_kernel::{Moment, Subject, SubjectKind};
use quarterdeck_panes::World;
use quarterdeck_panes::services::Services;
use quarterdeck_panes::world::{Answer, Query};
use quarterdeck_ui::{Click, Effect, Event, Pane, Scope};

use crate::platform::{Desk, NOW, signals};

/// Effects in words, for messages.
fn told(effects: &[Effect<World>]) -> String {
    let one = |effect: &Effect<World>| match effect {
        Effect::Dispatch { action, .. } => format!("dispatch {action}"),
        Effect::Query { slot, .. } => format!("query {slot}"),
        Effect::Cancel(slot) => format!("cancel {slot}"),
        Effect::Go(subject) => format!("go {subject}"),
        Effect::Open { pane, subject } => format!("open {subject} in {pane}"),
        Effect::Show(pane) => format!("show {pane}"),
        Effect::Command(id) => format!("command {id}"),
        Effect::Back => "back".to_owned(),
        Effect::Scope(scope) => format!("{scope:?}"),
        Effect::Copy(text) => format!("copy {text}"),
        Effect::Export { name, .. } => format!("export {name}"),
        Effect::Toast(_, text) => format!("toast {text}"),
    };
    effects.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn slots(effects: &[Effect<World>]) -> Vec<&'static str> {
    effects
        .iter()
        .filter_map(|e| if let Effect::Query { slot, .. } = e { Some(*slot) } else { None })
        .collect()
}

fn transaction_asked(effects: &[Effect<World>]) -> Option<String> {
    effects.iter().find_map(|e| match e {
        Effect::Query { query: Query::Signals { transaction, .. }, .. } => transaction.clone(),
        _ => None,
    })
}

fn goes_back(effects: &[Effect<World>]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Back))
}

#[test]
fn enter_goes_in_and_escape_comes_back_to_where_one_was() {
    let mut desk = Desk::new(120, 40);
    desk.command("down");
    assert_eq!(desk.selection().as_deref(), Some("service:broker"));
    desk.command("up");
    let effects = desk.command("open");
    assert_eq!(slots(&effects), ["signals", "heatmap"]);
    desk.reply(&effects);
    let effects = desk.command("open");
    assert_eq!(transaction_asked(&effects).as_deref(), Some("POST /orders"));
    assert!(desk.screen().contains("orders · POST /orders"));
    assert!(!desk.hints().contains(&"services.open"), "the selected one is shown already");
    assert!(!goes_back(&desk.command("back")), "from the transaction to the service");
    assert!(!goes_back(&desk.command("back")), "from the service to the list");
    assert_eq!(desk.selection().as_deref(), Some("service:orders"));
    assert!(goes_back(&desk.command("back")), "from the list to where the operator came from");
}

#[test]
fn who_came_from_elsewhere_goes_back_there() {
    let mut desk = Desk::new(80, 24);
    desk.event(Event::Open(&Subject::new(SubjectKind::Transaction, "orders/GET /orders/{id}")));
    assert!(desk.screen().contains("orders · GET /orders/{id}"), "{}", desk.screen());
    desk.command("back");
    let effects = desk.command("back");
    assert!(
        matches!(effects.first(), Some(Effect::Cancel("signals"))),
        "nothing under way may hold Back: {}",
        told(&effects)
    );
    assert!(goes_back(&effects));
}

#[test]
fn a_rewound_view_goes_live_before_it_is_left() {
    let mut desk = Desk::new(80, 24);
    desk.event(Event::Open(&Subject::service("risk")));
    desk.scope.moment = Moment::At(NOW.plus_millis(-600_000));
    desk.event(Event::Scope);
    assert!(goes_back(&desk.command("back")));
    assert!(desk.screen().contains("─ risk"), "still there: {}", desk.screen());
}

#[test]
fn live_charts_follow_but_never_more_often_than_every_two_seconds() {
    let mut desk = Desk::new(80, 24);
    desk.open();
    assert!(slots(&desk.pass(1_900)).is_empty());
    let effects = desk.pass(1_900);
    assert_eq!(slots(&effects), ["signals"]);
    assert!(slots(&desk.pass(5_000)).is_empty(), "the answer is awaited");
    let again = desk.event(Event::Answer { slot: "signals", answer: Ok(signals()) });
    assert_eq!(slots(&again), ["signals"], "what changed meanwhile is asked for at once");
}

#[test]
fn a_change_of_what_is_looked_at_asks_at_once() {
    let mut desk = Desk::new(80, 24);
    desk.open();
    let scope = Scope { range: 3_600_000, ..desk.scope.clone() };
    desk.scope = scope;
    assert_eq!(slots(&desk.event(Event::Scope)), ["signals"]);
    let effects = desk.command("view");
    assert_eq!(slots(&effects), ["heatmap"], "the heatmap is asked for only when it is shown");
    let effects = desk.command("view");
    assert!(effects.iter().any(|e| matches!(e, Effect::Cancel("heatmap"))), "{}", told(&effects));
}

#[test]
fn the_scope_leads_an_open_service() {
    let mut desk = Desk::new(80, 24);
    desk.open();
    desk.scope.service = Some("risk".to_owned());
    desk.event(Event::Scope);
    assert_eq!(desk.selection().as_deref(), Some("service:risk"));
    desk.command("back");
    let screen = desk.screen();
    assert!(screen.contains("only risk") && !screen.contains("ledger"), "{screen}");
}

#[test]
fn a_limit_is_set_on_what_is_selected() {
    let mut desk = Desk::new(120, 40);
    let dispatched = |effects: Vec<Effect<World>>| match effects.into_iter().next() {
        Some(Effect::Dispatch { action, subject, args }) => (action, subject.map(|s| s.to_string()), args),
        other => panic!("{}", told(other.as_slice())),
    };
    let orders = Some("service:orders".to_owned());
    assert_eq!(
        dispatched(desk.command("limit")),
        ("services.limit".to_owned(), orders.clone(), BTreeMap::new())
    );
    desk.open();
    let args =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    assert_eq!(
        dispatched(desk.command("limit")),
        ("services.limit".to_owned(), orders.clone(), args(&[("transaction", "POST /orders")])),
        "beside a transaction, which limit is meant is asked"
    );
    let effects = desk.command("open");
    desk.reply(&effects);
    let threshold = args(&[("limit", "threshold"), ("transaction", "POST /orders")]);
    assert_eq!(dispatched(desk.command("limit")), ("services.limit".to_owned(), orders, threshold));
}

#[test]
fn the_ways_from_here() {
    let mut desk = Desk::new(120, 40);
    let effects = desk.command("series");
    assert!(
        matches!(&effects[..], [Effect::Go(s)] if s.to_string() == "series:{job=\"orders\"}"),
        "{}",
        told(&effects)
    );
    let effects = desk.command("runbook");
    assert!(matches!(&effects[..], [Effect::Copy(url)] if url.ends_with("/orders")), "{}", told(&effects));
    let effects = desk.command("changed");
    assert!(
        matches!(&effects[..], [Effect::Open { pane: "timeline", subject }] if subject.id == "orders"),
        "what changed is asked of the timeline alone: {}",
        told(&effects)
    );
    assert_eq!(desk.scope.service, None);
    desk.command("cause");
    assert_eq!(desk.selection().as_deref(), Some("service:broker"), "the sick dependency");
    desk.command("next");
    assert_eq!(desk.selection().as_deref(), Some("service:ghost"));
    let effects = desk.command("series");
    assert!(matches!(effects.first(), Some(Effect::Toast(..))), "it has no selector: {}", told(&effects));
}

#[test]
fn the_time_cursor_moves_and_is_set_by_the_mouse() {
    let mut desk = Desk::new(120, 40);
    desk.open();
    desk.command("cursor-back");
    assert_eq!(desk.scope.cursor.map(|at| at.as_millis() % 15_000), Some(0));
    desk.command("cursor-forward");
    desk.command("cursor-forward");
    assert_eq!(desk.scope.cursor, None, "past the present everything is live");
    let (_, hits) = desk.draw();
    let plot = hits.iter().find(|h| h.target.starts_with("time:")).unwrap().clone();
    desk.event(Event::Hit { target: &plot.target, click: Click::Press, at: (plot.area.width / 2, 1) });
    let cursor = desk.scope.cursor.unwrap();
    let middle = NOW.plus_millis(-450_000);
    assert!((cursor.as_millis() - middle.as_millis()).abs() < 15_000, "{cursor}");
    desk.event(Event::Hit { target: &plot.target, click: Click::ScrollUp, at: (1, 1) });
    assert_eq!(desk.scope.range, 450_000, "the wheel zooms");
}

#[test]
fn rows_are_selected_sorted_and_opened_by_the_mouse() {
    let mut desk = Desk::new(80, 24);
    desk.event(Event::Hit { target: "services", click: Click::Press, at: (6, 2) });
    assert_eq!(desk.selection().as_deref(), Some("service:broker"));
    desk.event(Event::Hit { target: "services", click: Click::Double, at: (6, 2) });
    assert!(desk.screen().contains("─ broker"), "{}", desk.screen());
}

#[test]
fn a_filter_takes_keys_and_escape_takes_it_back() {
    let mut desk = Desk::new(80, 24);
    desk.command("filter");
    desk.keys("l e d enter");
    assert_eq!(desk.selection().as_deref(), Some("service:ledger"));
    assert!(!goes_back(&desk.command("back")), "first the filter goes");
    assert!(goes_back(&desk.command("back")));
}

#[test]
fn charts_are_saved_as_pictures_and_numbers() {
    let mut desk = Desk::new(120, 40);
    assert!(matches!(desk.command("picture").first(), Some(Effect::Toast(..))), "nothing is open");
    desk.open();
    let effects = desk.command("picture");
    assert_eq!(slots(&effects), ["plot-latency", "plot-throughput", "plot-errors"]);
    let Some(Effect::Query { query: Query::Plot(plot), .. }) = effects.first() else {
        panic!("{}", told(&effects))
    };
    assert_eq!((plot.unit.as_str(), plot.step_ms, plot.series.len()), ("ms", 10_000, 3));
    assert_eq!(plot.thresholds, [("limit 50 ms".to_owned(), 50.0)]);
    assert_eq!(plot.marks.len(), 1);
    let effects = desk.event(Event::Answer { slot: "plot-latency", answer: Ok(Answer::Plot(vec![1])) });
    assert!(
        matches!(&effects[..], [Effect::Export { name, content }] if name == "orders-latency-20260309T143207Z.png" && content == &[1]),
        "{}",
        told(&effects)
    );
    let effects = desk.command("table");
    let Some(Effect::Export { name, content }) = effects.first() else { panic!("{}", told(&effects)) };
    assert_eq!(name, "orders-signals-20260309T143207Z.csv");
    assert_eq!(content.iter().filter(|b| **b == b'\n').count(), 91);
}

#[test]
fn the_explanation_scrolls_and_closes() {
    let mut desk = Desk::new(80, 24);
    desk.command("explain");
    let before = desk.screen();
    assert!(before.contains("why degraded?"), "{before}");
    desk.command("last");
    assert!(desk.screen().contains("prometheus-http"), "{}", desk.screen());
    assert!(!goes_back(&desk.command("back")));
    assert!(!desk.screen().contains("why degraded?"));
}

#[test]
fn the_place_is_remembered() {
    let mut desk = Desk::new(80, 24);
    desk.command("sort");
    desk.open();
    desk.command("view");
    let kept = desk.pane.remember().unwrap();
    let mut pane = Services::new();
    pane.restore(&kept);
    assert_eq!(pane.remember(), Some(kept));
    pane.restore("nonsense\nview nowhere\nopen \nlist sort=gone:up");
}

#[test]
fn a_service_that_goes_is_said_to_be_gone() {
    let mut desk = Desk::new(80, 24);
    desk.open();
    let mut services = (*desk.world.services).clone();
    services.services.remove(0);
    desk.world.services = std::sync::Arc::new(services);
    desk.event(Event::World);
    assert!(desk.screen().contains("Nothing is known of orders."), "{}", desk.screen());
    assert_eq!(desk.hints(), ["services.back"]);
    for verb in ["view", "explain", "limit", "down", "picture", "next"] {
        desk.command(verb);
    }
}

#[test]
fn a_host_has_a_page_of_its_own() {
    let resource = |name: &str, unit: &str, value: f64, percent: Option<f64>| {
        quarterdeck_services::Resource { name: name.into(), unit: unit.into(), value, percent }
    };
    let host = quarterdeck_services::ServiceView {
        name: "host".into(),
        health: quarterdeck_kernel::Health::Ok,
        selectors: vec!["{job=\"host\"}".to_owned(), "{service=\"host\"}".to_owned()],
        resources: vec![
            resource("cpu", "cores", 1.2, Some(30.0)),
            resource("disk", "%", 61.0, Some(61.0)),
            resource("load", "1", 0.9, None),
            resource("memory", "bytes", 4e9, Some(52.0)),
            resource("received", "bytes/s", 12_000.0, None),
        ],
        ..quarterdeck_services::ServiceView::default()
    };
    let services = vec![std::sync::Arc::new(host)];
    let snapshot = quarterdeck_services::Snapshot { version: 1, services, ..Default::default() };
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut desk = Desk::with(snapshot.clone(), width, height);
        let effects = desk.command("open");
        assert_eq!(slots(&effects), ["resources"], "no charts of requests are asked for");
        let Some(Effect::Query { query: Query::Range { exprs, from, .. }, .. }) = effects.first() else {
            panic!("{}", told(&effects))
        };
        let points = |value: f64| (0..60).map(|i| (from.plus_millis(i * 15_000), value)).collect();
        let series = |value: f64| quarterdeck_panes::world::EvaluatedSeries {
            labels: quarterdeck_kernel::Labels::default(),
            points: points(value),
        };
        let results = (0..exprs.len())
            .map(|n| {
                Ok(quarterdeck_panes::world::Evaluated {
                    series: vec![series(10.0 + n as f64)],
                    ..Default::default()
                })
            })
            .collect();
        desk.event(Event::Answer { slot: "resources", answer: Ok(Answer::Range(results)) });
        let screen = desk.screen();
        for word in ["cpu", "memory", "resources", "61 %", "no limit is set"] {
            assert!(screen.contains(word), "{word} at {width}×{height}:\n{screen}");
        }
        assert!(!screen.contains("nothing is known") && !screen.contains("latency"), "{screen}");
        if width >= 120 {
            assert!(screen.contains("─ disk") && screen.contains("─ network"), "{screen}");
        }
        assert!(!desk.hints().contains(&"services.picture"));
    }
}
