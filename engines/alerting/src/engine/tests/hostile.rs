//! What no well-meaning client sends, and a receiver that is down for an hour.

use super::*;

#[test]
fn control_characters_and_long_values_pass_and_too_long_ones_do_not_spoil_the_batch() {
    let mut world = World::new(simple("alertname", "1s", "10s", "1h"));
    let odd = |value: &str| PostedAlert {
        labels: vec![("alertname".into(), value.into()), ("\u{7}\n".into(), "\u{1b}[2J\0\u{202e}".into())],
        ends_at: Some(at(100.0)),
        ..PostedAlert::default()
    };
    let long = "x".repeat(1 << 20);
    let batch = vec![
        odd("a\u{0}b\r\n\u{1b}]0;title\u{7}"),
        odd(&long),
        PostedAlert { annotations: vec![("summary".into(), long.as_str().into())], ..odd("annotated") },
        PostedAlert { labels: vec![("".into(), "x".into())], ..odd("") },
        odd("good"),
    ];
    let report = world.post(batch);
    assert_eq!(report.accepted, 2, "{report:?}");
    let places: Vec<usize> = report.refused.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [1, 2, 3]);
    assert!(report.refused[0].1.to_string().contains("bytes are more than"), "{report:?}");
    world.go(2.0);
    assert_eq!(world.sent.len(), 2, "both are told as they are");
    // As it is written down, it is read back.
    world.restart(3.0);
    assert_eq!(world.engine.alert_count(), 2);
}

#[test]
fn clocks_that_run_ahead_or_behind_neither_lose_nor_keep_alerts() {
    let mut world = World::new(simple("alertname", "1s", "10s", "1h"));
    let hour = 3600.0;
    let report = world.post(vec![
        // An hour ahead: it counts from now on, as in Alertmanager, and ends when its source says.
        alert("alertname=ahead", Some(hour), Some(2.0 * hour)),
        // An hour behind: its end is past before it came.
        alert("alertname=behind", Some(-hour), Some(-hour + 300.0)),
        // Only its start is odd: without an end it times out after it was last heard of.
        alert("alertname=open", Some(-hour), None),
        alert("alertname=future", Some(hour), None),
        alert("alertname=backwards", Some(10.0), Some(5.0)),
    ]);
    assert_eq!(report.refused.len(), 1, "{report:?}");
    assert_eq!(report.refused[0].0, 4);
    world.go(2.0);
    let state =
        |world: &World, name: &str| world.engine.alert(print(&format!("alertname={name}"))).map(|a| a.state);
    assert_eq!(state(&world, "ahead"), Some(AlertState::Firing));
    assert_eq!(state(&world, "behind"), Some(AlertState::Resolved));
    assert_eq!(state(&world, "open"), Some(AlertState::Firing));
    assert_eq!(state(&world, "future"), Some(AlertState::Firing));
    world.go(310.0);
    assert_eq!(
        state(&world, "open"),
        Some(AlertState::Resolved),
        "resolve_timeout after it was last heard of"
    );
    assert_eq!(state(&world, "future"), Some(AlertState::Resolved), "however far ahead its clock runs");
    world.go(hour + 10.0);
    assert_eq!(state(&world, "ahead"), Some(AlertState::Firing));
    world.go(2.0 * hour + 10.0);
    assert_ne!(state(&world, "ahead"), Some(AlertState::Firing));
}

/// One of two receivers is down for an hour: the other hears of everything at its time, and the one that comes back hears how
/// things are then, not of each hour that it missed.
#[test]
fn a_receiver_that_fails_for_an_hour_hears_how_things_are_when_it_is_back() {
    let mut world = World::new(plan(
        "route:\n  receiver: good\n  group_by: [alertname]\n  group_wait: 1s\n  group_interval: 60s\n  \
         repeat_interval: 4h\n  routes:\n  - receiver: bad\n    continue: true\n  - receiver: good\nreceivers:\n\
         - name: good\n  webhook_configs:\n  - url: http://%s\n- name: bad\n  webhook_configs:\n  - url: http://%s\n",
    ));
    world.deliver = Deliver::Holds;
    let mut seen = 0;
    let mut good = Vec::new();
    let mut bad = Vec::new();
    let mut early = alert("alertname=early", Some(0.0), Some(1800.0));
    early.ends_at = Some(at(1800.0));
    world.post(vec![early]);
    let mut second = 0.0;
    while second <= 3700.0 {
        world.go(second);
        if second == 900.0 {
            world.post(vec![alert("alertname=late", Some(900.0), Some(9000.0))]);
        }
        while seen < world.sent.len() {
            let (when, attempt) = world.sent[seen].clone();
            seen += 1;
            let names = (attempt.record.group.to_string(), attempt.alerts[0].resolved());
            let fails = &*attempt.record.receiver == "bad" && seconds(when) < 3600.0;
            // A real deliverer tries until the deadline of the attempt; that is what is told here.
            let outcome = if fails { Outcome::Failed("500".into()) } else { Outcome::Delivered };
            if &*attempt.record.receiver == "bad" { &mut bad } else { &mut good }.push((
                seconds(when),
                names,
                fails,
            ));
            world.outcome(attempt.record.id, outcome);
        }
        second += 5.0;
    }
    let times = |name: &str, resolved: bool, told: &[(f64, (String, bool), bool)]| -> Vec<f64> {
        let ours = told.iter().filter(|(_, (group, end), _)| group.contains(name) && *end == resolved);
        ours.map(|(when, ..)| *when).collect()
    };
    assert_eq!(times("early", false, &good).len(), 1, "{good:?}");
    assert!(times("early", false, &good)[0] <= 5.0);
    assert!((900.0..910.0).contains(&times("late", false, &good)[0]), "{good:?}");
    assert!((1800.0..1870.0).contains(&times("early", true, &good)[0]), "{good:?}");
    let delivered: Vec<_> = bad.iter().filter(|(_, _, failed)| !failed).cloned().collect();
    assert_eq!(times("late", false, &delivered).len(), 1, "{delivered:?}");
    assert!((3600.0..3665.0).contains(&times("late", false, &delivered)[0]), "{delivered:?}");
    assert!(times("early", false, &delivered).is_empty(), "what is over by then is no news: {delivered:?}");
    assert!(bad.len() < 150, "one attempt per look of a group, not more: {}", bad.len());
}
