//! Alerts that make others redundant.

use super::*;

fn world() -> World {
    World::new(plan(
        "route:\n  receiver: r\n  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 10s\nreceivers:\n- name: r\n  webhook_configs:\n  - url: http://%s\ninhibit_rules:\n- source_matchers: [severity=critical]\n  target_matchers: ['severity=~\"critical|warning\"']\n  equal: [dc, rack]\n",
    ))
}

#[test]
fn a_source_that_fires_inhibits_those_with_equal_labels() {
    let mut world = world();
    world.fire("alertname=t,severity=warning,dc=1");
    world.fire("alertname=u,severity=warning,dc=2");
    assert_eq!(world.state("alertname=t,severity=warning,dc=1"), AlertState::Firing);
    world.fire("alertname=s,severity=critical,dc=1,rack=");
    let inhibited = world.get("alertname=t,severity=warning,dc=1");
    assert_eq!(inhibited.state, AlertState::Inhibited);
    assert_eq!(inhibited.inhibitors(), [print("alertname=s,severity=critical,dc=1")]);
    assert_eq!(world.state("alertname=u,severity=warning,dc=2"), AlertState::Firing);
    world.go(5.0);
    let mut told = world.take_told();
    told.sort();
    assert_eq!(told, ["1 alertname=s,dc=1,severity=critical", "1 alertname=u,dc=2,severity=warning"]);
    world.end("alertname=s,severity=critical,dc=1");
    assert_eq!(world.state("alertname=t,severity=warning,dc=1"), AlertState::Firing);
    world.go(12.0);
    assert!(world.told().contains(&"11 alertname=t,dc=1,severity=warning".to_owned()), "{:?}", world.told());
    world.check_figures();
}

#[test]
fn one_of_both_sides_does_not_inhibit_one_like_itself() {
    let mut world = world();
    world.fire("alertname=a,severity=critical,dc=1");
    world.fire("alertname=b,severity=critical,dc=1");
    assert_eq!(world.state("alertname=a,severity=critical,dc=1"), AlertState::Firing);
    assert_eq!(world.state("alertname=b,severity=critical,dc=1"), AlertState::Firing);
}

#[test]
fn a_source_ends_by_its_time_too_and_a_second_one_takes_over() {
    let mut world = world();
    world.post(vec![
        alert("alertname=s,severity=critical,dc=1", None, Some(20.0)),
        alert("alertname=t,severity=warning,dc=1", None, Some(90.0)),
        alert("alertname=s2,severity=critical,dc=1", None, Some(30.0)),
    ]);
    world.go(25.0);
    let target = world.get("alertname=t,severity=warning,dc=1");
    assert_eq!(target.inhibitors(), [print("alertname=s2,severity=critical,dc=1")]);
    world.go(30.0);
    assert_eq!(world.state("alertname=t,severity=warning,dc=1"), AlertState::Firing);
    let alert = world.get("alertname=t,severity=warning,dc=1");
    assert_eq!(alert.state_at(at(29.0)), Some(AlertState::Inhibited));
    assert_eq!(alert.state_at(at(30.0)), Some(AlertState::Firing));
}
