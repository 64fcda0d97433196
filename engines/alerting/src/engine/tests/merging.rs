//! What a post makes of what is known: starts, ends, texts, and what is refused.

use super::super::AlertError;
use super::*;

fn times(world: &World) -> (f64, f64) {
    let alert = world.get("a=1");
    (seconds(alert.starts_at), seconds(alert.ends_at))
}

#[test]
fn without_times_an_alert_starts_now_and_lasts_for_the_resolve_timeout() {
    let mut world = World::new(simple("a", "1s", "1s", "1h"));
    world.go(7.0);
    world.fire("a=1,empty=");
    assert_eq!(times(&world), (7.0, 307.0));
    assert!(world.get("a=1").timeout);
    assert_eq!(world.get("a=1").labels.len(), 1, "an empty label is no label");
    world.go(307.0);
    assert_eq!(world.state("a=1"), AlertState::Resolved);
    assert_eq!(world.get("a=1").history.last().map(|t| t.cause), Some(crate::model::Cause::TimedOut));
    world.check_figures();
}

#[test]
fn overlapping_posts_are_one_firing_from_the_earliest_start() {
    let mut world = World::new(simple("a", "1s", "1s", "1h"));
    world.go(20.0);
    world.post(vec![alert("a=1", Some(10.0), Some(50.0))]);
    world.post(vec![alert("a=1", Some(15.0), None)]);
    assert_eq!(times(&world), (10.0, 320.0), "a time-out replaces an earlier end");
    world.post(vec![alert("a=1", Some(12.0), Some(100.0))]);
    assert_eq!(times(&world), (10.0, 100.0), "an end replaces a time-out");
    world.post(vec![alert("a=1", Some(13.0), Some(40.0))]);
    assert_eq!(times(&world), (10.0, 100.0), "an end that is later stands");
    world.post(vec![alert("a=1", Some(5.0), Some(120.0))]);
    assert_eq!(times(&world), (5.0, 120.0), "one that spans the other replaces it");
}

#[test]
fn firing_again_after_the_end_is_a_new_start() {
    let mut world = World::new(simple("a", "1s", "1s", "1h"));
    world.go(20.0);
    world.post(vec![alert("a=1", Some(10.0), None)]);
    world.end("a=1");
    assert_eq!(world.state("a=1"), AlertState::Resolved);
    world.go(30.0);
    world.fire("a=1");
    assert_eq!(times(&world).0, 30.0);
    let causes: Vec<&str> = world.get("a=1").history.iter().map(|t| t.cause.as_str()).collect();
    assert_eq!(causes, ["fired", "resolved by its source", "fired again"]);
}

#[test]
fn the_newest_annotations_win() {
    let mut world = World::new(simple("a", "1s", "1s", "1h"));
    for text in ["one", "two"] {
        let mut posted = alert("a=1", Some(0.0), None);
        posted.annotations = vec![("summary".into(), text.into())];
        world.post(vec![posted]);
        assert_eq!(world.get("a=1").annotations.get("summary"), Some(text));
    }
}

#[test]
fn bad_alerts_are_refused_and_the_others_taken() {
    let mut world = World::with(
        simple("a", "1s", "1s", "1h"),
        Options { max_alerts: 2, max_alert_bytes: 100, ..Options::default() },
    );
    let mut unnamed = alert("a=1", None, None);
    unnamed.labels.push(("".into(), "x".into()));
    let mut large = alert("a=9", None, None);
    large.annotations.push(("text".into(), "x".repeat(1 << 20).into()));
    let report = world.post(vec![
        alert("", None, None),
        alert("a=1", None, None),
        unnamed,
        alert("a=2", Some(9.0), Some(3.0)),
        large,
        alert("a=\u{1b}[2J", None, None),
        alert("a=4", None, None),
    ]);
    assert_eq!(report.accepted, 2);
    let (places, errors): (Vec<usize>, Vec<AlertError>) = report.refused.into_iter().unzip();
    assert_eq!(places, [0, 2, 3, 4, 6]);
    assert_eq!(errors[0], AlertError::NoLabels);
    assert_eq!(errors[1], AlertError::EmptyName);
    assert_eq!(errors[2], AlertError::EndsFirst { starts_at: at(9.0), ends_at: at(3.0) });
    assert!(matches!(errors[3], AlertError::TooLarge { allowed: 100, .. }));
    assert_eq!(errors[4], AlertError::TooMany(2));
    assert_eq!(world.engine.snapshot(at(0.0)).stats.totals.refused, 5);
}

#[test]
fn a_clock_that_runs_ahead_does_no_harm() {
    let mut world = World::new(simple("a", "1s", "1s", "1h"));
    assert_eq!(world.post(vec![alert("a=1", Some(10_000.0), None)]).refused, []);
    assert_eq!(times(&world), (0.0, 300.0), "it is heard now, and times out as any other");
    world.go(100.0);
    world.post(vec![alert("a=1", Some(10_000.0), None)]);
    assert_eq!(times(&world), (0.0, 400.0));
}

#[test]
fn resolved_alerts_are_forgotten_after_a_while_and_never_beyond_their_number() {
    let options = Options { resolved_retention: secs(600), max_resolved: 3, ..Options::default() };
    let mut world = World::with(simple("a", "1s", "1s", "1h"), options);
    for n in 0..6 {
        world.fire(&format!("a={n}"));
    }
    world.go(5.0);
    for n in 0..6 {
        world.end(&format!("a={n}"));
    }
    world.go(100.0);
    assert_eq!(world.engine.alert_count(), 3);
    world.go(700.0);
    assert_eq!(world.engine.alert_count(), 0);
    assert!(!world.store.keys().any(|(kind, _)| matches!(kind, RecordKind::Alert | RecordKind::Group)));
    world.check_figures();
}
