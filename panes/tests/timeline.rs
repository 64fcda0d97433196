//! The timeline: what changed, and what can be undone.

mod support;

use std::sync::Arc;

use quarterdeck_kernel::{
    Actor, ChangeKind, Entry, EntryId, Health, Invocation, Moment, Phase, Severity, Subject,
};
use quarterdeck_panes::overview::Overview;
use quarterdeck_panes::timeline::Timeline;
use quarterdeck_panes::world::{Query, Timeline as Entries, World};
use quarterdeck_services::{ServiceView, Snapshot as Services};
use quarterdeck_ui::{Effect, Event, World as _};
use support::{Stage, at, empty_world, service};

fn entry(seq: u64, seconds: i64, service: Option<&str>, summary: &str) -> Entry {
    Entry {
        id: EntryId { writer: "deck".to_owned(), seq },
        at: at(seconds),
        kind: ChangeKind::Configuration,
        phase: Phase::Done,
        severity: Severity::Info,
        subject: service.map(Subject::service),
        service: service.map(str::to_owned),
        actor: Actor { user: "ops-1".to_owned(), ..Actor::default() },
        summary: summary.to_owned(),
        reason: None,
        invocation: None,
        outcome_of: None,
        undo: None,
        undone_by: None,
    }
}

/// A change of a limit of orders, as the dispatcher writes it down.
fn limit(seq: u64, seconds: i64, from: &str, to: &str) -> Arc<Entry> {
    let set = |value: &str| {
        Invocation::new("services.limit", Actor::default())
            .on(Subject::service("orders"))
            .arg("limit", "latency")
            .arg("value", value)
    };
    let mut undo = set(from);
    undo.expects = Some(to.to_owned());
    let summary = format!("orders: p99 latency limit is now {to} (was {from})");
    Arc::new(Entry {
        invocation: Some(set(to)),
        undo: Some(undo),
        ..entry(seq, seconds, Some("orders"), &summary)
    })
}

/// Orders, which needs risk, has been degraded for two minutes; its limit was set twice.
fn troubled() -> World {
    let mut world = empty_world();
    let orders = ServiceView {
        health: Health::Degraded,
        since: at(-120),
        depends_on: vec!["risk".to_owned()],
        ..(*service("orders")).clone()
    };
    let services = vec![Arc::new(orders), service("risk"), service("ledger")];
    world.services = Arc::new(Services { services, ..Services::default() });
    let entries = [
        limit(6, -60, "50ms", "60ms"),
        Arc::new(entry(5, -100, Some("ledger"), "ledger was vacuumed")),
        Arc::new(Entry { kind: ChangeKind::Alert, ..entry(4, -120, Some("orders"), "orders is degraded") }),
        Arc::new(entry(3, -130, Some("risk"), "risk rules v8")),
        Arc::new(entry(2, -140, None, "configuration read again")),
        limit(1, -900, "80ms", "50ms"),
    ];
    world.timeline = Arc::new(Entries { entries: entries.into(), total: 6, ..Entries::default() });
    world
}

fn row(stage: &Stage, text: &str) -> String {
    let screen = stage.screen();
    screen.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}:\n{screen}")).to_owned()
}

#[test]
fn what_changed_asks_the_timeline_and_leaves_other_panes_alone() {
    let mut overview = Stage::new(Overview::new(), troubled(), (120, 36));
    let before = overview.scope.clone();
    let effects = overview.keys("w");
    assert!(
        matches!(&effects[..], [Effect::Open { pane: "timeline", subject }] if subject.id == "orders"),
        "{} effects",
        effects.len()
    );
    assert_eq!(overview.scope, before);
}

#[test]
fn the_answer_shows_what_may_have_caused_the_trouble_with_the_newest_before_it_selected() {
    let mut stage = Stage::new(Timeline::new(), troubled(), (120, 36));
    stage.event(Event::Open(&Subject::service("orders")));
    let screen = stage.screen();
    for shown in ["what changed? · orders", "risk rules v8", "configuration read again", "now 60ms"] {
        assert!(screen.contains(shown), "{shown}:\n{screen}");
    }
    assert!(!screen.contains("ledger"), "what it does not need did not change it:\n{screen}");
    assert_eq!(stage.selection().as_deref(), Some("entry:deck/3"), "the newest change before its trouble");
    assert!(matches!(stage.keys("esc")[..], [Effect::Back]), "back to where the question was asked");
    assert!(stage.screen().contains("ledger"), "and all is shown again");
}

#[test]
fn who_comes_by_another_way_may_leave_the_answer_alone() {
    let mut stage = Stage::new(Timeline::new(), troubled(), (120, 36));
    stage.event(Event::Open(&Subject::service("orders")));
    stage.event(Event::Shown);
    assert!(!stage.screen().contains("ledger"), "back from an entry's subject, the answer still stands");
    assert!(stage.keys("esc").is_empty(), "the first Esc shows everything");
    assert!(stage.screen().contains("ledger"));
    assert!(matches!(stage.keys("esc")[..], [Effect::Back]));
}

#[test]
fn only_what_still_stands_is_said_to_be_undoable() {
    let mut stage = Stage::new(Timeline::new(), troubled(), (160, 36));
    assert!(row(&stage, "now 60ms (was 50ms)").contains("can be undone"));
    assert!(row(&stage, "now 50ms (was 80ms)").contains("changed since"));
    stage.keys("end");
    let screen = stage.screen();
    assert!(screen.contains("it cannot be undone"), "{screen}");
    assert!(!stage.hints().contains(&"shell.undo"));
    stage.keys("home");
    assert!(stage.hints().contains(&"shell.undo"));
    assert!(stage.screen().contains("U undoes it"));
}

#[test]
fn undo_is_refused_with_what_stands_in_the_way_and_headed_by_what_it_undoes() {
    let world = troubled();
    let subject = |seq: u64| Subject::new(quarterdeck_kernel::SubjectKind::Entry, format!("deck/{seq}"));
    assert_eq!(world.available("timeline.undo", Some(&subject(6))), Ok(()));
    let why = world.available("timeline.undo", Some(&subject(1))).unwrap_err().0;
    assert!(
        why.starts_with("it was changed since, by ops-1: orders: p99 latency limit is now 60ms"),
        "{why}"
    );
    let undo = Invocation::new("timeline.undo", Actor::default()).on(subject(6));
    let title = world.title(&undo);
    assert_eq!(title.as_deref(), Some("Undo: orders: p99 latency limit is now 60ms (was 50ms)"));
}

#[test]
fn older_entries_of_a_rewound_screen_are_of_then() {
    let mut stage = Stage::new(Timeline::new(), empty_world(), (100, 24));
    stage.scope.moment = Moment::At(at(-600));
    stage.event(Event::Scope);
    let effects = stage.keys("o");
    let [Effect::Query { query: Query::Timeline { filter, before: None, .. }, .. }] = effects.as_slice()
    else {
        panic!("nothing is asked")
    };
    assert_eq!(filter.to, Some(at(-600)));
    // Live again: what was asked of then is given up, and can be asked anew.
    stage.scope.moment = Moment::Live;
    stage.event(Event::Scope);
    assert!(stage.effects.iter().any(|e| matches!(e, Effect::Cancel("older"))));
    stage.effects.clear();
    let effects = stage.keys("o");
    let [Effect::Query { query: Query::Timeline { filter, .. }, .. }] = effects.as_slice() else {
        panic!("nothing is asked")
    };
    assert_eq!(filter.to, None);
}
