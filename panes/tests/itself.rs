//! The console itself, on screens large and small.

mod support;

use std::sync::Arc;

use quarterdeck_metrics::MetricsSnapshot;
use quarterdeck_metrics::model::Cardinality;
use quarterdeck_panes::itself::Itself;
use quarterdeck_panes::world::{Console, EngineView};
use support::{NOW, Stage, at, empty_world};

const ENGINES: [&str; 6] = ["alerting", "metrics", "rules", "scrape", "services", "streams"];

fn stage(size: (u16, u16), failed: Option<&str>) -> Stage {
    let mut world = empty_world();
    let engine = |name: &&str| EngineView {
        name: (*name).to_owned(),
        state: if failed == Some(*name) { "failed" } else { "running" },
        since: at(-60),
        restarts: 0,
        last_failure: (failed == Some(*name)).then(|| "it panicked".to_owned()),
        next_start: None,
    };
    world.console = Arc::new(Console {
        environment: "demo".to_owned(),
        started: at(-90),
        url: "http://127.0.0.1:9990".to_owned(),
        engines: ENGINES.iter().map(engine).collect(),
        ..Console::default()
    });
    let by_metric = (0..20).map(|n| Cardinality { name: format!("metric_{n:02}").into(), count: 20 - n });
    let mut metrics = MetricsSnapshot { version: 1, taken: NOW, ..MetricsSnapshot::default() };
    metrics.stats.by_metric = by_metric.collect();
    metrics.stats.drops.too_old = 3;
    world.metrics = Arc::new(metrics);
    Stage::new(Itself::new(), world, size)
}

#[test]
fn the_smallest_screen_has_room_for_engines_drops_and_cardinality() {
    // 80×24 less header, tabs, headline, and the hint line with its rule.
    let screen = stage((80, 19), None).screen();
    for part in ENGINES.into_iter().chain(["running", "3 too old", "NAME", "metric_00", "metric_01"]) {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    let line = screen.lines().find(|line| line.contains("alerting")).expect("a line of engines");
    assert!(line.contains("streams"), "engines of which there is nothing to tell share a line: {screen}");

    // One that has failed has a line of its own, and tells.
    let screen = stage((80, 19), Some("scrape")).screen();
    let line = screen.lines().find(|line| line.contains("it panicked")).expect("a line of its own");
    assert!(line.contains("scrape") && line.contains("failed") && !line.contains("rules"), "{screen}");
    assert!(screen.contains("3 too old") && screen.contains("metric_00"), "{screen}");
}

#[test]
fn with_room_every_engine_tells_since_when() {
    for size in [(80, 40), (200, 56)] {
        let screen = stage(size, None).screen();
        assert_eq!(screen.matches("running  since").count(), ENGINES.len(), "{screen}");
        assert!(screen.contains("metric_10"), "{screen}");
    }
}

#[test]
fn a_receiver_of_notifications_that_takes_none_is_told_with_its_reason() {
    for (size, told) in [
        ((120, 36), "team/webhook[0]: breaker open for 2 m 30 s, too"),
        ((200, 56), "breaker open for 2 m 30 s, too many tries failed: it answers 503"),
    ] {
        let mut stage = stage(size, None);
        assert!(!stage.screen().contains("team/webhook[0]"));
        Arc::make_mut(&mut stage.world.console).destinations =
            vec![support::receivers::down("team/webhook[0]", -150)];
        assert!(stage.screen().contains(told), "{}", stage.screen());
    }
}

#[test]
fn every_size_every_look_every_mode() {
    stage((120, 36), Some("rules")).draws_everywhere();
}
