//! Silences of every kind, and dead-man's switches.

use super::super::DeadManSwitch;
use super::*;
use crate::model::{Schedule, SilenceError, SilenceState, Span};

fn world() -> World {
    World::new(simple("a", "1s", "10s", "15s"))
}

#[test]
fn a_silence_hides_from_its_start_to_its_end() {
    let mut world = world();
    world.post(vec![alert("a=1", None, Some(500.0))]);
    let id = world.silence("a=1", SilenceKind::Plain, 5.0, 55.0);
    assert_eq!(world.engine.silence(id).map(|s| s.state(world.now)), Some(SilenceState::Pending));
    world.go(5.0);
    assert_eq!(world.state("a=1"), AlertState::Silenced);
    assert_eq!(world.get("a=1").silences(), [id]);
    world.go(54.0);
    assert_eq!(world.take_told(), ["1 a=1"]);
    world.go(61.0);
    assert_eq!(world.told(), ["61 a=1"]);
    let explained = world.engine.explain(print("a=1"), at(61.0)).expect("known");
    assert!(explained.routes[0].integrations[0].verdict.to_string().starts_with("told at"), "{explained:?}");
}

#[test]
fn changed_in_place_only_with_the_same_matchers_and_lawful_times() {
    let mut world = world();
    world.go(10.0);
    let id = world.silence("a=1", SilenceKind::Plain, 10.0, 50.0);
    let mut change = |matchers: &str, from: f64, to: f64| {
        let draft = SilenceDraft { id: Some(id), ..draft(matchers, SilenceKind::Plain, from, to) };
        world.with_effects(|engine, now, effects| engine.set_silence(draft, now, effects))
    };
    assert_eq!(change("a=1", 10.0, 80.0), Ok(id), "a longer one is the same");
    assert_eq!(
        change("a=1", 10.0, 5.0),
        Err(SilenceError::EndsFirst { starts_at: at(10.0), ends_at: at(5.0) })
    );
    let other = change("a=2", 10.0, 80.0).expect("a new one");
    assert_ne!(other, id);
    let states: Vec<SilenceState> =
        [id, other].iter().filter_map(|id| world.engine.silence(*id)).map(|s| s.state(world.now)).collect();
    assert_eq!(states, [SilenceState::Expired, SilenceState::Active]);
    let by = Arc::from("ann");
    let again = world.with_effects(|engine, now, effects| engine.expire_silence(id, &by, now, effects));
    assert_eq!(again, Err(SilenceError::Expired(id)));
}

#[test]
fn what_is_no_silence_is_refused() {
    let mut world = World::with(world().plan, Options { max_silences: 1, ..Options::default() });
    world.go(10.0);
    let mut refuse = |matchers: &str, kind: SilenceKind, from: f64, to: f64| {
        let draft = draft(matchers, kind, from, to);
        world.with_effects(|engine, now, effects| engine.set_silence(draft, now, effects))
    };
    use SilenceError as E;
    assert_eq!(refuse("", SilenceKind::Plain, 10.0, 20.0), Err(E::NoMatchers));
    assert_eq!(refuse("a=~\".*\"", SilenceKind::Plain, 10.0, 20.0), Err(E::MatchesEmpty));
    assert_eq!(refuse("a=1", SilenceKind::Plain, 2.0, 9.0), Err(E::EndsInPast(at(9.0))));
    assert_eq!(refuse("", SilenceKind::Maintenance(vec![]), 10.0, 20.0), Err(E::NoService));
    let never = SilenceKind::Recurring(Schedule::Spans(vec![]));
    assert!(matches!(refuse("a=1", never, 10.0, 20.0), Err(E::Schedule(_))));
    assert!(refuse("a=1", SilenceKind::Plain, 10.0, 20.0).is_ok());
    assert_eq!(refuse("a=1", SilenceKind::Plain, 10.0, 20.0), Err(E::TooMany(1)));
}

#[test]
fn a_recurring_silence_comes_and_goes_with_its_schedule() {
    let mut world = world();
    // The tests begin at 22:13:20 UTC: 22:15 is at 100 s, 22:17 at 220 s.
    let span = Span { times: vec![("22:15".into(), "22:17".into())], ..Span::default() };
    world.silence("a=1", SilenceKind::Recurring(Schedule::Spans(vec![span])), 0.0, 90_000.0);
    let cron = Schedule::Cron { expression: "16 22 * * *".into(), minutes: 3, zone: "UTC".into() };
    world.silence("a=2", SilenceKind::Recurring(cron), 0.0, 90_000.0);
    world.post(vec![alert("a=1", None, Some(90_000.0)), alert("a=2", None, Some(90_000.0))]);
    for (when, one, two) in [
        (99.0, AlertState::Firing, AlertState::Firing),
        (100.0, AlertState::Silenced, AlertState::Firing),
        (160.0, AlertState::Silenced, AlertState::Silenced),
        (220.0, AlertState::Firing, AlertState::Silenced),
        (340.0, AlertState::Firing, AlertState::Firing),
    ] {
        world.go(when);
        assert_eq!((world.state("a=1"), world.state("a=2")), (one, two), "{when}");
    }
}

#[test]
fn a_silence_until_resolved_ends_with_the_last_alert_it_hides() {
    let mut world = world();
    world.post(vec![alert("a=1,n=1", None, Some(900.0)), alert("a=1,n=2", None, Some(900.0))]);
    let id = world.silence("a=1", SilenceKind::UntilResolved, 0.0, 900.0);
    world.go(5.0);
    world.end("a=1,n=1");
    assert_eq!(world.engine.silence(id).map(|s| s.state(world.now)), Some(SilenceState::Active));
    world.end("a=1,n=2");
    assert_eq!(world.engine.silence(id).map(|s| s.state(world.now)), Some(SilenceState::Expired));
    world.go(6.0);
    world.fire("a=1,n=1");
    assert_eq!(world.state("a=1,n=1"), AlertState::Firing, "it comes back and is heard");
}

#[test]
fn maintenance_hides_the_services_it_names() {
    let mut world = world();
    world.fire("a=1,service=orders");
    world.fire("a=1,service=orders.eu");
    world.fire("a=1,service=ordersXeu");
    let kind = SilenceKind::Maintenance(vec!["orders".into(), "orders.eu".into()]);
    world.silence("", kind, 0.0, 100.0);
    let states = ["orders", "orders.eu", "ordersXeu"].map(|s| world.state(&format!("a=1,service={s}")));
    assert_eq!(states, [AlertState::Silenced, AlertState::Silenced, AlertState::Firing]);
}

#[test]
fn resolved_under_a_silence_is_lost_as_in_alertmanager_unless_asked_otherwise() {
    for (wanted, expected) in [(false, vec!["1 a=1"]), (true, vec!["1 a=1", "11 a=1!"])] {
        let options = Options { resolved_despite_suppression: wanted, ..Options::default() };
        let mut world = World::with(simple("a", "1s", "10s", "1h"), options);
        world.fire("a=1");
        world.go(2.0);
        world.silence("a=1", SilenceKind::Plain, 2.0, 100.0);
        world.end("a=1");
        world.go(50.0);
        assert_eq!(world.told(), expected);
    }
}

#[test]
fn a_dead_mans_switch_raises_its_own_alert_and_ends_it() {
    let switch = DeadManSwitch {
        name: "prometheus".into(),
        matchers: Matchers::parse("a=heartbeat").expect("matchers"),
        within: secs(60),
        labels: vec![("severity".into(), "page".into())],
    };
    let options = Options { switches: vec![switch], ..Options::default() };
    let mut world = World::with(simple("a", "1s", "10s", "1h"), options);
    let raised = "alertname=DeadMansSwitch,severity=page,switch=prometheus";
    world.go(30.0);
    world.fire("a=heartbeat");
    world.go(89.0);
    assert!(world.engine.alert(print(raised)).is_none());
    world.go(90.0);
    assert_eq!(world.state(raised), AlertState::Firing);
    assert_eq!(world.get(raised).severity, quarterdeck_kernel::Severity::Critical);
    world.restart(95.0);
    assert_eq!(world.state(raised), AlertState::Firing);
    world.fire("a=heartbeat");
    assert_eq!(world.state(raised), AlertState::Resolved);
    world.go(155.0);
    assert_eq!(world.state(raised), AlertState::Firing, "it watches on");
}

#[test]
fn silences_are_listed_anew_only_when_one_changes_begins_or_ends() {
    let mut world = World::new(simple("alertname", "1s", "10s", "1h"));
    let mut effects = Effects::default();
    let soon = draft("a=1", SilenceKind::Plain, 100.0, 200.0);
    let now = draft("a=2", SilenceKind::Plain, 0.0, 300.0);
    let first = world.engine.set_silence(soon, at(0.0), &mut effects).expect("a silence");
    let second = world.engine.set_silence(now, at(0.0), &mut effects).expect("a silence");
    let mut listed = |seconds: f64| {
        world.engine.tick(at(seconds), &mut effects);
        world.engine.snapshot(at(seconds)).silences
    };
    let ids = |list: &[Arc<crate::model::Silence>]| list.iter().map(|s| s.id).collect::<Vec<_>>();
    let before = listed(1.0);
    assert_eq!(ids(&before), [second, first], "what is in force comes first");
    assert!(Arc::ptr_eq(&before, &listed(99.0)));
    let begun = listed(100.0);
    assert_eq!(ids(&begun), [second, first], "the newest first");
    assert!(!Arc::ptr_eq(&before, &begun), "one began");
    assert!(Arc::ptr_eq(&begun, &listed(199.0)));
    assert_eq!(ids(&listed(300.0)), [second, first], "both are over");
    // A clock that is set back.
    assert!(!Arc::ptr_eq(&listed(300.0), &listed(50.0)));
    world.engine.expire_silence(second, &"ann".into(), at(60.0), &mut effects).expect("it is in force");
    let ended = world.engine.snapshot(at(60.0)).silences;
    assert_eq!(ids(&ended), [first, second]);
    assert_eq!(ended[1].ends_at, at(60.0));
}
