//! Dying and coming back.

use super::*;

#[test]
fn a_clock_that_was_set_back_holds_nothing_up() {
    let mut world = World::new(simple("g", "1s", "10s", "1h"));
    world.go(7200.0);
    world.post(vec![alert("g=1,n=1", None, Some(9000.0))]);
    world.go(7203.0);
    assert_eq!(world.take_told(), ["7201 g=1,n=1"]);
    world.post(vec![alert("g=2,n=1", None, Some(9000.0))]);
    world.restart(3600.0);
    world.post(vec![alert("g=1,n=2", None, Some(9000.0))]);
    world.go(3625.0);
    let told = world.take_told();
    assert!(told.contains(&"3601 g=2,n=1".to_owned()), "a group that waits: {told:?}");
    assert!(told.iter().any(|t| t.ends_with("g=1,n=1 g=1,n=2")), "one that was told: {told:?}");
    let late = told.iter().filter_map(|t| t.split(' ').next()?.parse::<f64>().ok()).fold(0.0, f64::max);
    assert!(late <= 3611.0, "no later than its interval: {told:?}");
}

fn world() -> World {
    World::new(simple("g", "5s", "10s", "1h"))
}

#[test]
fn waits_and_ticks_go_on_at_their_times() {
    let mut world = world();
    world.post(vec![alert("g=1,n=1", None, Some(900.0))]);
    world.restart(2.0);
    world.go(5.0);
    assert_eq!(world.take_told(), ["5 g=1,n=1"], "the wait goes on");
    world.go(7.0);
    world.post(vec![alert("g=1,n=2", None, Some(900.0))]);
    world.restart(9.0);
    world.go(14.0);
    assert_eq!(world.take_told(), [""; 0], "not before its tick");
    world.restart(18.0);
    assert_eq!(world.take_told(), ["18 g=1,n=1 g=1,n=2"], "a tick that was missed is made up for at once");
    world.restart(19.0);
    world.go(100.0);
    assert_eq!(world.take_told(), [""; 0], "nothing is told a second time");
}

#[test]
fn an_attempt_without_outcome_is_sent_once_more_under_its_name() {
    let mut world = world();
    world.deliver = Deliver::Holds;
    world.post(vec![alert("g=1", None, Some(900.0))]);
    world.go(6.0);
    let first = world.sent[0].1.clone();
    assert!(!first.possibly_duplicate);
    world.restart(7.0);
    assert_eq!(world.take_told().last().map(String::as_str), Some("7 again? g=1"));
    assert_eq!(world.engine.snapshot(world.now).log.len(), 1, "it is one notification");
    // It dies again: who knows. The group's next look tells anew, and says that it may be a repetition.
    world.restart(8.0);
    assert_eq!(world.take_told(), [""; 0]);
    world.deliver = Deliver::AtOnce;
    world.go(15.0);
    assert_eq!(world.told(), ["15 again? g=1"]);
    assert_ne!(world.sent[0].1.record.id, first.record.id);
    world.restart(16.0);
    world.go(100.0);
    assert_eq!(world.sent.len(), 1, "a known outcome is final");
}

#[test]
fn everything_a_snapshot_shows_survives() {
    let mut world = world();
    world.post(vec![
        alert("g=1,severity=critical,service=orders", Some(-20.0), Some(900.0)),
        alert("g=2", None, Some(900.0)),
        alert("g=3", None, Some(900.0)),
    ]);
    world.silence("g=2", SilenceKind::Plain, 0.0, 500.0);
    let (by, note) = (Arc::from("ann"), Arc::from("mine"));
    world
        .with_effects(|engine, now, effects| {
            engine.acknowledge(&[print("g=3")], &by, &note, Some(at(300.0)), now, effects)
        })
        .expect("acknowledged");
    world.go(20.0);
    let before = world.engine.snapshot(world.now);
    world.restart(20.0);
    let after = world.engine.snapshot(world.now);
    let alerts = |s: &crate::model::Snapshot| {
        let mut all: Vec<Alert> = s.alerts.iter().map(|a| Alert::clone(a)).collect();
        all.sort_by_key(|a| a.fingerprint);
        all
    };
    assert_eq!(alerts(&before), alerts(&after));
    assert_eq!(before.silences, after.silences);
    assert_eq!(before.log, after.log);
    assert_eq!(before.stats.totals.fired, after.stats.totals.fired);
    assert_eq!(before.stats.rules, after.stats.rules);
    let groups = |s: &crate::model::Snapshot| {
        let mut all: Vec<_> = s
            .groups
            .iter()
            .map(|g| (g.identity.clone(), g.next_flush, g.fired, g.integrations.clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all.iter_mut().flat_map(|g| &mut g.3).for_each(|i| i.last_reason = None);
        all
    };
    assert_eq!(groups(&before), groups(&after));
    world.take_told();
    world.go(299.0);
    assert_eq!(world.take_told(), [""; 0], "nothing acknowledged pages again");
    world.go(300.0);
    assert_eq!(world.told(), ["300 g=3"]);
    assert!(world.facts.iter().all(|f| f.at <= world.now));
}

#[test]
fn an_end_that_could_not_be_told_is_told_after_a_restart() {
    let mut world = world();
    world.fire("g=1");
    world.go(6.0);
    world.end("g=1");
    world.restart(12.0);
    world.go(15.0);
    assert_eq!(world.told(), ["5 g=1", "15 g=1!"]);
    world.restart(30.0);
    world.go(60.0);
    assert_eq!(world.told().len(), 2);
    assert!(world.store.keys().all(|(kind, _)| *kind != RecordKind::Group), "the group is gone");
}

#[test]
fn one_that_ended_while_nobody_looked_is_resolved_at_its_end() {
    let mut world = world();
    world.post(vec![alert("g=1", None, Some(20.0))]);
    world.go(6.0);
    world.restart(90.0);
    assert_eq!(world.get("g=1").state_at(at(20.0)), Some(AlertState::Resolved));
    assert_eq!(world.told(), ["5 g=1", "90 g=1!"]);
}

#[test]
fn another_configuration_after_a_restart() {
    let mut world = world();
    world.post(vec![alert("g=1,n=1", None, Some(900.0))]);
    world.go(6.0);
    world.plan = simple("n", "5s", "10s", "1h");
    world.restart(7.0);
    world.go(60.0);
    assert_eq!(world.told(), ["5 g=1,n=1", "12 g=1,n=1"]);
    let groups = world.store.keys().filter(|(kind, _)| *kind == RecordKind::Group).count();
    assert_eq!(groups, 1);
}

#[test]
fn an_acknowledgement_that_ran_out_on_an_alert_that_ended_pages_nobody() {
    let mut world = world();
    world.post(vec![alert("g=1", Some(0.0), Some(8.0))]);
    world.go(5.0);
    let (by, note) = (Arc::from("ann"), Arc::from(""));
    world
        .with_effects(|engine, now, effects| {
            engine.acknowledge(&[print("g=1")], &by, &note, Some(at(7.0)), now, effects)
        })
        .expect("acknowledged");
    world.restart(9.0);
    world.go(20.0);
    assert_eq!(world.told(), ["5 g=1", "15 g=1!"], "its end waits for the tick");
}

#[test]
fn a_group_that_a_reload_took_away_does_not_tell_an_old_end_after_a_restart() {
    let yaml = |second: &str| {
        plan(&format!(
            "route:\n  receiver: r\n  group_by: [g]\n  group_wait: 1s\n  group_interval: 10s\n  routes:\n  - matchers: [g=1]\n    continue: true\n{second}receivers:\n- name: r\n  webhook_configs:\n  - url: http://%s\n"
        ))
    };
    let both = yaml("  - matchers: [n=~\".+\"]\n    group_by: [g]\n");
    let mut world = World::new(Arc::clone(&both));
    world.post(vec![alert("g=1,n=1", Some(0.0), Some(900.0)), alert("g=1,n=2", Some(0.0), Some(900.0))]);
    world.go(2.0);
    world.deliver = Deliver::Holds;
    world.end("g=1,n=1");
    world.reload(yaml(""), Options::default());
    world.reload(both, Options::default());
    world.go(5.0);
    let held = |world: &World| {
        let record = world.store.get(&(RecordKind::Alert, print("g=1,n=1").to_string()));
        match record {
            Some(Record::Alert(record)) => record.untold.len(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(held(&world), 1, "only the group that was there all along still has to tell it");
}
