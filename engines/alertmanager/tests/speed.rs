//! Many alerts against many silences and inhibition rules: the answers, and how long they take.

use std::sync::Arc;
use std::time::Instant;

use quarterdeck_alertmanager::{Fingerprint, InhibitIndex, InhibitRule, Matchers};
use quarterdeck_kernel::{Labels, Timestamp};

const SILENCES: usize = 50;
const RULES: usize = 50;

fn alerts(count: usize) -> Vec<Labels> {
    let alert = |n: usize| {
        let severity = if n.is_multiple_of(10) { "critical" } else { "warning" };
        Labels::from_pairs([
            ("alertname", format!("Alert{}", n % RULES)),
            ("instance", format!("host-{}:9100", n / RULES)),
            ("job", format!("job-{}", n % 7)),
            ("severity", severity.to_owned()),
        ])
    };
    (0..count).map(alert).collect()
}

#[test]
fn many_alerts_against_many_silences_and_rules() {
    let count = if cfg!(debug_assertions) { 10_000 } else { 100_000 };
    let alerts = alerts(count);
    let silences: Vec<Matchers> = (0..SILENCES)
        .map(|n| {
            Matchers::parse(&format!("alertname=Alert{n},instance=~\"host-{n}:.*|host-x.*\",job!=\"none\""))
                .unwrap()
        })
        .collect();
    let start = Instant::now();
    let silenced =
        alerts.iter().filter(|alert| silences.iter().any(|silence| silence.matches(alert))).count();
    let matching = start.elapsed();
    // Silence n hides alert n of host n, and nothing else.
    assert_eq!(silenced, SILENCES);

    let rules: Arc<[InhibitRule]> = (0..RULES)
        .map(|n| InhibitRule {
            name: None,
            source: Matchers::parse(&format!("severity=critical,alertname=Alert{n}")).unwrap(),
            target: Matchers::parse("severity=warning").unwrap(),
            equal: vec!["instance".into()],
        })
        .collect();
    let mut index = InhibitIndex::new(rules);
    let start = Instant::now();
    for alert in &alerts {
        index.insert(Fingerprint::of(alert), alert, Timestamp::MAX);
    }
    let taken_in = start.elapsed();
    let start = Instant::now();
    let now = Timestamp::from_millis(0);
    let inhibited = alerts.iter().filter(|alert| index.inhibitor(alert, now).is_some()).count();
    let asked = start.elapsed();
    // Every host has critical alerts, so that all its warnings are inhibited.
    assert_eq!(inhibited, count / 10 * 9);
    println!(
        "{count} alerts: {SILENCES} silences {matching:?}, {RULES} rules: taken in {taken_in:?}, asked {asked:?}"
    );
}
