//! Acknowledging, assigning, resolving.

use super::super::OperatorError;
use super::*;
use crate::model::Cause;

fn world() -> World {
    World::new(simple("g", "1s", "10s", "15s"))
}

fn acknowledge(world: &mut World, text: &str, until: Option<f64>) -> Result<(), OperatorError> {
    let (by, note) = (Arc::from("ann"), Arc::from("on it"));
    world.with_effects(|engine, now, effects| {
        engine.acknowledge(&[print(text)], &by, &note, until.map(at), now, effects)
    })
}

#[test]
fn an_acknowledged_alert_is_not_repeated_and_its_end_is_told() {
    let mut world = world();
    world.post(vec![alert("g=1", Some(0.0), Some(500.0))]);
    world.go(2.0);
    acknowledge(&mut world, "g=1", None).expect("acknowledged");
    assert_eq!(world.state("g=1"), AlertState::Acknowledged);
    assert_eq!(world.get("g=1").owner(), Some("ann"));
    world.go(100.0);
    assert_eq!(world.take_told(), ["1 g=1"]);
    world.end("g=1");
    world.go(120.0);
    assert_eq!(world.take_told(), ["101 g=1!"]);
    let stats = world.engine.snapshot(world.now).stats;
    assert_eq!((stats.mtta(), stats.mttr()), (Some(secs(2)), Some(secs(100))));
    // The next firing is nobody's.
    world.fire("g=1");
    assert_eq!((world.state("g=1"), world.get("g=1").ack().is_none()), (AlertState::Firing, true));
}

#[test]
fn a_new_alert_beside_an_acknowledged_one_is_told() {
    let mut world = world();
    world.post(vec![alert("g=1,n=1", None, Some(500.0))]);
    world.go(2.0);
    acknowledge(&mut world, "g=1,n=1", None).expect("acknowledged");
    world.post(vec![alert("g=1,n=2", None, Some(500.0))]);
    world.go(12.0);
    assert_eq!(world.told(), ["1 g=1,n=1", "11 g=1,n=1 g=1,n=2"]);
}

#[test]
fn an_acknowledgement_that_runs_out_pages_again_at_that_moment() {
    let mut world = world();
    world.post(vec![alert("g=1", None, Some(500.0))]);
    world.go(2.0);
    acknowledge(&mut world, "g=1", Some(47.0)).expect("acknowledged");
    world.go(60.0);
    assert_eq!(world.take_told(), ["1 g=1", "47 g=1"]);
    assert_eq!(world.state("g=1"), AlertState::Firing);
    assert_eq!(world.get("g=1").history.last().map(|t| t.cause), Some(Cause::AcknowledgementExpired));
    world.go(63.0);
    assert_eq!(world.take_told(), [""; 0], "ticks stay where they are, repeats count from the page");
    world.go(71.0);
    assert_eq!(world.take_told(), ["71 g=1"]);
}

#[test]
fn taken_back_it_repeats_again() {
    let mut world = world();
    world.post(vec![alert("g=1", None, Some(500.0))]);
    world.go(2.0);
    acknowledge(&mut world, "g=1", None).expect("acknowledged");
    let (by, note) = (Arc::from("bob"), Arc::from(""));
    let back = |world: &mut World| {
        world.with_effects(|engine, now, effects| {
            engine.unacknowledge(&[print("g=1")], &by, &note, now, effects)
        })
    };
    assert!(world.get("g=1").owner().is_some());
    back(&mut world).expect("taken back");
    assert_eq!(world.get("g=1").owner(), None, "who had it by taking it has it no longer");
    assert_eq!(back(&mut world), Err(OperatorError::NotAcknowledged(print("g=1"))));
    world.go(22.0);
    assert_eq!(world.told(), ["1 g=1", "21 g=1"]);
}

#[test]
fn receivers_that_know_acknowledgements_are_told_once() {
    let plan = plan(
        "route:\n  receiver: r\n  group_by: [g]\n  group_wait: 1s\n  group_interval: 10s\nreceivers:\n- name: r\n  pagerduty_configs:\n  - routing_key: k\n",
    );
    let mut world = World::new(plan);
    world.post(vec![alert("g=1,n=1", None, Some(500.0)), alert("g=1,n=2", None, Some(500.0))]);
    world.go(2.0);
    acknowledge(&mut world, "g=1,n=1", None).expect("acknowledged");
    assert_eq!(world.take_told(), ["1 g=1,n=1 g=1,n=2"]);
    acknowledge(&mut world, "g=1,n=2", None).expect("acknowledged");
    world.restart(50.0);
    world.go(90.0);
    assert_eq!(world.told(), ["2 ack g=1,n=1 g=1,n=2"]);
}

#[test]
fn resolved_by_an_operator_it_stays_so_until_its_source_begins_anew() {
    let mut world = world();
    world.post(vec![alert("g=1", Some(0.0), None)]);
    world.go(2.0);
    let (by, note) = (Arc::from("ann"), Arc::from("false alarm"));
    world
        .with_effects(|engine, now, effects| engine.resolve(&[print("g=1")], &by, &note, now, effects))
        .expect("resolved");
    world.go(20.0);
    assert_eq!(world.take_told(), ["1 g=1", "11 g=1!"]);
    world.post(vec![alert("g=1", Some(0.0), None)]);
    world.fire("g=1");
    assert_eq!(world.state("g=1"), AlertState::Resolved, "the same firing, still posted");
    world.go(30.0);
    world.end("g=1");
    world.go(40.0);
    world.post(vec![alert("g=1", Some(35.0), None)]);
    assert_eq!(world.state("g=1"), AlertState::Firing);
    let rules = world.engine.snapshot(world.now).stats.rules;
    assert_eq!(rules["(other)"].self_resolved, 0, "somebody resolved it");
}

#[test]
fn wishes_that_cannot_be_are_refused_whole() {
    let mut world = world();
    world.fire("g=1");
    let (by, note) = (Arc::from("ann"), Arc::from(""));
    let both = [print("g=1"), print("g=2")];
    let done =
        world.with_effects(|engine, now, effects| engine.acknowledge(&both, &by, &note, None, now, effects));
    assert_eq!(done, Err(OperatorError::NoAlert(both[1])));
    assert_eq!(world.state("g=1"), AlertState::Firing, "all or none");
    assert_eq!(acknowledge(&mut world, "g=1", Some(0.0)), Err(OperatorError::UntilInPast(at(0.0))));
    let owner = Arc::from("bob");
    world
        .with_effects(|engine, now, effects| engine.assign(&both[..1], Some(&owner), &by, now, effects))
        .expect("assigned");
    assert_eq!(world.get("g=1").owner(), Some("bob"));
    world.end("g=1");
    assert_eq!(acknowledge(&mut world, "g=1", None), Err(OperatorError::Resolved(both[0])));
}

#[test]
fn a_failed_notification_is_retried_when_asked() {
    let mut world = World::new(simple("g", "1s", "100s", "1h"));
    world.deliver = Deliver::Fails;
    world.post(vec![alert("g=1", None, Some(500.0))]);
    world.go(2.0);
    let id = world.sent[0].1.record.id;
    world.deliver = Deliver::AtOnce;
    world.with_effects(|engine, now, effects| engine.retry(id, now, effects)).expect("retried");
    assert_eq!(world.told(), ["1 g=1", "2 g=1"]);
    let unknown = world.with_effects(|engine, now, effects| engine.retry(AttemptId::nil(), now, effects));
    assert_eq!(unknown, Err(OperatorError::NoNotification(AttemptId::nil())));
}

#[test]
fn rules_are_counted_by_what_became_of_their_alerts() {
    let mut world = world();
    world
        .post(vec![alert("alertname=A,n=1", None, Some(900.0)), alert("alertname=A,n=2", None, Some(900.0))]);
    acknowledge(&mut world, "alertname=A,n=1", None).expect("acknowledged");
    world.silence("n=2", SilenceKind::Plain, 0.0, 5.0);
    world.go(10.0);
    world.end("alertname=A,n=1");
    world.end("alertname=A,n=2");
    let snapshot = world.engine.snapshot(world.now);
    let rule = &snapshot.stats.rules["A"];
    assert_eq!((rule.fired, rule.acknowledged, rule.self_resolved, rule.silenced), (2, 1, 1, 1));
    world.check_figures();
}
