//! A hundred thousand alerts.

use std::time::Instant;

use super::*;

/// Alerts as a fleet has them: ten labels each, few of them unique.
fn fleet(from: usize, count: usize) -> Vec<PostedAlert> {
    (from..from + count)
        .map(|n| PostedAlert {
            labels: [
                ("alertname", format!("Alert{}", n % 100)),
                ("instance", format!("host-{n}:9100")),
                ("job", format!("job{}", n % 20)),
                ("severity", ["critical", "warning", "info"][n % 3].to_owned()),
                ("service", format!("service{}", n % 50)),
                ("dc", format!("dc{}", n % 5)),
                ("rack", format!("rack{}", n % 200)),
                ("env", "production".to_owned()),
                ("team", format!("team{}", n % 10)),
                ("cluster", format!("cluster{}", n % 8)),
            ]
            .map(|(name, value)| (name.into(), value.into()))
            .to_vec(),
            annotations: vec![("summary".into(), format!("host-{n} is unwell").into())],
            starts_at: Some(at(0.0)),
            ends_at: Some(at(3600.0)),
            generator_url: Some("http://prometheus/graph".into()),
        })
        .collect()
}

fn busy_plan() -> Arc<Plan> {
    let rules: String = (0..50)
        .map(|n| {
            format!(
                "- source_matchers: [alertname=Alert{n}, severity=critical]\n  target_matchers: [alertname=Alert{}, severity=warning]\n  equal: [dc]\n",
                n + 50
            )
        })
        .collect();
    plan(&format!(
        "route:\n  receiver: r\n  group_by: [alertname, dc]\n  group_wait: 30s\n  group_interval: 5m\n  routes:\n  - matchers: [severity=critical]\n    receiver: r\n  - matchers: ['team=~\"team[0-4]\"']\n    receiver: r\nreceivers:\n- name: r\n  webhook_configs:\n  - url: http://%s\ninhibit_rules:\n{rules}"
    ))
}

/// Processor time that this thread has had, in ms; wall time says more of the neighbours than of the code.
fn spent(start: Instant) -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
    nanos.map_or_else(|| start.elapsed().as_secs_f64() * 1000.0, |n| n / 1e6)
}

fn time<T>(what: &str, limit_ms: f64, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let before = spent(start);
    let done = act();
    let took = spent(start) - before;
    // Unoptimised, everything takes many times as long; a quadratic slip takes thousands.
    let slack = if cfg!(debug_assertions) { 100.0 } else { 10.0 };
    eprintln!("scale: {what}: {took:.2} ms of processor (goal {limit_ms} ms)");
    assert!(took < limit_ms * slack, "{what} took {took:.0} ms");
    done
}

/// Memory of the process that is its own, in bytes.
fn anonymous() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("RssAnon:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kb| kb * 1024)
}

#[test]
fn a_hundred_thousand_alerts_with_fifty_silences_and_fifty_inhibition_rules() {
    let count = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
    let before = anonymous();
    let mut engine = Engine::new(busy_plan(), Options::default(), Box::new(SeededIds::new(1)), at(0.0));
    for n in 0..50 {
        let draft = draft(&format!("instance=~\"host-{n}:.*\""), SilenceKind::Plain, 0.0, 3000.0);
        let mut effects = Effects::default();
        engine.set_silence(draft, at(0.0), &mut effects).expect("a silence");
    }
    for from in (0..count - 10_000).step_by(5000) {
        let mut effects = Effects::default();
        engine.post(fleet(from, 5000), at(0.0), &mut effects);
    }
    let batch = fleet(count - 10_000, 10_000);
    let mut effects = Effects::default();
    let report = time("a batch of 10,000 new alerts", 200.0, || engine.post(batch, at(0.0), &mut effects));
    assert_eq!(report.accepted, 10_000);
    assert!(effects.records.len() >= 10_000);
    drop(effects);
    assert_eq!(engine.alert_count(), count);
    if let (Some(before), Some(after)) = (before, anonymous()) {
        // Other tests run in the same process: the figure is for reading, not for judging.
        eprintln!("scale: {} bytes of memory per alert", (after.saturating_sub(before)) / count as u64);
    }
    let snapshot = time("a snapshot", 5.0, || engine.snapshot(at(0.0)));
    let listed = time("listing", 100.0, || {
        snapshot
            .alerts
            .iter()
            .map(|a| a.labels.len() + a.silences().len() + a.inhibitors().len())
            .sum::<usize>()
    });
    assert!(listed >= 10 * count);
    assert!(snapshot.stats.states[2] > 0 && snapshot.stats.states[3] > 0, "{:?}", snapshot.stats.states);
    let batches: Vec<_> = (0..2000).step_by(100).map(|from| fleet(from, 100)).collect();
    time("20 batches of 100, a snapshot being held", 20.0, || {
        for batch in batches {
            engine.post(batch, at(1.0), &mut Effects::default());
        }
    });
    let mut effects = Effects::default();
    time("the first look at all groups", 500.0, || engine.tick(at(40.0), &mut effects));
    assert!(effects.attempts.len() >= 200, "{}", effects.attempts.len());
    let mut effects = Effects::default();
    let ends = |mut posted: PostedAlert| {
        posted.ends_at = Some(at(50.0));
        posted
    };
    let batch: Vec<PostedAlert> = fleet(0, 10_000).into_iter().map(ends).collect();
    time("10,000 alerts resolved", 200.0, || engine.post(batch, at(50.0), &mut effects));
    let states = engine.snapshot(at(50.0)).stats.states;
    assert_eq!(states[4], 10_000);
    assert_eq!(snapshot.stats.states[4], 0, "the old snapshot stays as it was");
}

#[test]
fn one_group_of_ten_thousand() {
    let mut world = World::new(simple("env", "1s", "10s", "1h"));
    let batch: Vec<PostedAlert> = fleet(0, 10_000);
    world.post(batch.clone());
    time("a look at one group of 10,000", 200.0, || world.go(1.0));
    assert_eq!(world.sent[0].1.alerts.len(), 10_000);
    let log = world.engine.snapshot(world.now).log;
    assert_eq!((log[0].alerts.len(), log[0].truncated), (1000, 9000), "the log names a thousand");
    let ends = |mut posted: PostedAlert| {
        posted.ends_at = Some(at(2.0));
        posted
    };
    world.go(2.0);
    world.post(batch.into_iter().map(ends).collect());
    time("all of it resolved and dropped", 400.0, || world.go(11.0));
    assert_eq!(world.engine.snapshot(world.now).groups.len(), 0);
    assert_eq!(world.sent.len(), 2);
}
