//! When groups are told: waits, ticks, repeats, failures, time intervals, reloads.

use super::*;

#[test]
fn a_group_waits_once_then_ticks() {
    let mut world = World::new(simple("g", "5s", "10s", "1h"));
    world.go(1.0);
    world.fire("g=1,n=1");
    world.go(3.0);
    world.fire("g=1,n=2");
    world.go(7.0);
    world.fire("g=1,n=3");
    world.go(60.0);
    assert_eq!(world.take_told(), ["6 g=1,n=1 g=1,n=2", "16 g=1,n=1 g=1,n=2 g=1,n=3"]);
    world.end("g=1,n=1");
    world.go(70.0);
    assert_eq!(world.take_told(), ["66 g=1,n=1! g=1,n=2 g=1,n=3"]);
    world.go(90.0);
    assert_eq!(world.told(), [""; 0], "a resolved alert is told once");
}

#[test]
fn the_wait_is_skipped_for_an_alert_that_waited_elsewhere() {
    let mut world = World::new(simple("g", "30s", "10s", "1h"));
    world.go(100.0);
    world.fire("g=1,n=1");
    world.go(101.0);
    world.post(vec![alert("g=1,n=2", Some(60.0), None)]);
    assert_eq!(world.told(), ["101 g=1,n=1 g=1,n=2"]);
}

#[test]
fn unchanged_groups_repeat_after_their_interval_and_not_before() {
    let mut world = World::new(simple("g", "1s", "10s", "25s"));
    world.post(vec![alert("g=1", None, Some(1000.0))]);
    world.go(100.0);
    assert_eq!(world.told(), ["1 g=1", "31 g=1", "61 g=1", "91 g=1"]);
}

#[test]
fn a_group_ends_with_its_last_alert_and_a_new_one_waits_again() {
    let mut world = World::new(simple("g", "5s", "10s", "1h"));
    world.fire("g=1");
    world.go(6.0);
    world.end("g=1");
    world.go(16.0);
    assert_eq!(world.take_told(), ["5 g=1", "15 g=1!"]);
    assert_eq!(world.engine.snapshot(world.now).groups.len(), 0);
    world.go(17.0);
    world.fire("g=1");
    world.go(40.0);
    assert_eq!(world.told(), ["22 g=1"]);
}

#[test]
fn an_alert_that_came_and_went_within_the_wait_is_not_told() {
    let mut world = World::new(simple("g", "5s", "10s", "1h"));
    world.fire("g=1");
    world.go(2.0);
    world.end("g=1");
    world.go(60.0);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_failure_is_tried_again_at_the_next_tick_and_keeps_what_is_resolved() {
    let mut world = World::new(simple("g", "1s", "10s", "1h"));
    world.fire("g=1");
    world.go(2.0);
    world.take_told();
    world.deliver = Deliver::Fails;
    world.end("g=1");
    world.go(25.0);
    assert_eq!(world.take_told(), ["11 g=1!", "21 g=1!"]);
    world.deliver = Deliver::AtOnce;
    world.go(60.0);
    assert_eq!(world.take_told(), ["31 g=1!"]);
    let totals = world.engine.snapshot(world.now).stats.totals;
    assert_eq!((totals.sent, totals.failed), (2, 2));
}

#[test]
fn a_receiver_that_says_nothing_delays_only_itself() {
    let plan = plan(
        "route:\n  receiver: r\n  group_by: [g]\n  group_wait: 1s\n  group_interval: 10s\nreceivers:\n- name: r\n  webhook_configs:\n  - url: http://%s\n  - url: http://%s\n",
    );
    let mut world = World::new(plan);
    world.deliver = Deliver::Holds;
    world.fire("g=1,n=1");
    world.go(1.0);
    let ids: Vec<AttemptId> = world.sent.iter().map(|(_, a)| a.record.id).collect();
    assert_eq!(ids.len(), 2);
    world.outcome(ids[0], Outcome::Delivered);
    world.go(2.0);
    world.fire("g=1,n=2");
    world.go(15.0);
    let told: Vec<(u32, f64)> = world.sent.iter().map(|(t, a)| (a.record.index, seconds(*t))).collect();
    assert_eq!(told, [(0, 1.0), (1, 1.0), (0, 11.0)]);
    // What the second missed is made up for when its outcome is known.
    world.outcome(ids[1], Outcome::Delivered);
    assert_eq!(world.told().last().map(String::as_str), Some("15 g=1,n=1 g=1,n=2"));
    // One of which nothing is ever heard is given up a minute after its deadline, and told anew as a possible repetition.
    world.go(200.0);
    assert!(world.told().iter().any(|t| t.contains("again?")), "{:?}", world.told());
    assert!(world.engine.snapshot(world.now).stats.totals.unknown > 0);
}

#[test]
fn routes_with_the_same_key_are_groups_of_their_own() {
    let plan = plan(
        "route:\n  receiver: r\n  group_by: [g]\n  group_wait: 1s\n  group_interval: 10s\n  routes:\n  - matchers: [g=1]\n    continue: true\n  - matchers: [g=1]\n    receiver: s\nreceivers:\n- name: r\n  webhook_configs:\n  - url: http://%s\n- name: s\n  webhook_configs:\n  - url: http://%s\n",
    );
    let mut world = World::new(plan);
    world.fire("g=1");
    world.go(5.0);
    let names: Vec<String> = world
        .sent
        .iter()
        .map(|(_, a)| format!("{} {} {}", a.record.receiver, a.record.group_key, a.record.group))
        .collect();
    let key = "{}/{g=\"1\"}:{g=\"1\"}";
    assert_eq!(names, [format!("r {key} {key}"), format!("s {key} {key}#1")]);
    assert_eq!(world.get("g=1").receivers.iter().map(|r| &**r).collect::<Vec<_>>(), ["r", "s"]);
}

#[test]
fn time_intervals_mute_and_the_explanation_says_so() {
    // 1700000000 is Tuesday 2023-11-14, 22:13:20 UTC.
    let yaml = |field: &str| {
        format!(
            "route:\n  receiver: r\n  group_wait: 1s\n  group_interval: 10s\n  routes:\n  - receiver: r\n    matchers: [g=1]\n    {field}: [late]\ntime_intervals:\n- name: late\n  time_intervals:\n  - times:\n    - start_time: '22:00'\n      end_time: '22:15'\nreceivers:\n- name: r\n  webhook_configs:\n  - url: http://%s\n"
        )
    };
    let mut world = World::new(plan(&yaml("mute_time_intervals")));
    world.post(vec![alert("g=1", None, Some(9999.0))]);
    world.go(99.0);
    assert_eq!(world.take_told(), [""; 0]);
    let explained = world.engine.explain(print("g=1"), world.now).expect("it is known");
    let verdict = explained.routes[0].integrations[0].verdict.to_string();
    assert_eq!(verdict, "muted by time interval late");
    assert_eq!(explained.routes[0].path, ["{}", "{g=\"1\"}"]);
    world.go(120.0);
    assert_eq!(world.told(), ["101 g=1"], "told at the first tick after 22:15");
    let mut world = World::new(plan(&yaml("active_time_intervals")));
    world.post(vec![alert("g=1", None, Some(9999.0))]);
    world.go(50.0);
    assert_eq!(world.take_told(), ["1 g=1"]);
    world.post(vec![alert("g=1,n=2", None, Some(9999.0))]);
    world.go(200.0);
    assert_eq!(world.told(), ["51 g=1 g=1,n=2"]);
}

#[test]
fn a_reload_keeps_timers_and_tells_nothing_unchanged_again() {
    let mut world = World::new(simple("g", "5s", "10s", "1h"));
    world.fire("g=1,n=1");
    world.go(3.0);
    world.fire("g=2");
    world.go(6.0);
    world.reload(simple("g", "5s", "10s", "1h"), Options::default());
    world.fire("g=1,n=2");
    world.go(20.0);
    assert_eq!(world.take_told(), ["5 g=1,n=1", "8 g=2", "15 g=1,n=1 g=1,n=2"]);
    // Other groupings are new groups; the old one's receiver is remembered if it comes back.
    world.reload(simple("n", "5s", "10s", "1h"), Options::default());
    world.take_told();
    world.reload(simple("g", "5s", "10s", "1h"), Options::default());
    world.go(60.0);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_reload_that_resets_timers_looks_at_once() {
    let options = Options { reload_resets_timers: true, ..Options::default() };
    let mut world = World::with(simple("g", "5s", "10s", "1h"), options.clone());
    world.fire("g=1,n=1");
    world.go(6.0);
    world.fire("g=1,n=2");
    world.go(12.0);
    world.reload(simple("g", "5s", "10s", "1h"), options);
    world.go(40.0);
    assert_eq!(world.told(), ["5 g=1,n=1", "12 g=1,n=1 g=1,n=2"]);
}

#[test]
fn escalations_are_told_what_fires_for_the_first_time_and_when_it_ends() {
    let mut world = World::new(simple("g", "1s", "10s", "20s"));
    world.post(vec![alert("g=1,n=1", None, Some(500.0))]);
    world.go(3.0);
    world.post(vec![alert("g=1,n=2", None, Some(500.0))]);
    world.go(45.0);
    assert_eq!(group_facts(&world), ["1 fired 1 true", "11 fired 1 false"]);
    world.post(vec![alert("g=1,n=1", None, Some(45.0)), alert("g=1,n=2", None, Some(45.0))]);
    world.go(60.0);
    assert_eq!(group_facts(&world).last().map(String::as_str), Some("51 ended"));
}
