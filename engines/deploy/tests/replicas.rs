//! The replica tables: Argo's own cases where they are at hand, Kubernetes's rolling update, and that everything comes to
//! rest at its goal without breaking a limit on the way.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod data;

use proptest::prelude::*;
use quarterdeck_deploy::replicas::{Side, rolling, routed, shared, taken_back};
use quarterdeck_deploy::strategy::{CanaryScale, Limit, Rolling};
use serde_json::Value;
use std::time::Duration;

fn limit(value: &Value) -> Limit {
    match value {
        Value::String(text) => Limit::Percent(text.trim_end_matches('%').parse().unwrap()),
        other => Limit::Count(u32::try_from(other.as_u64().unwrap()).unwrap()),
    }
}

/// A number, perhaps with a remark behind it.
fn number(case: &Value, key: &str) -> u32 {
    match &case[key] {
        Value::String(text) => {
            text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
        }
        Value::Null => 0,
        other => u32::try_from(other.as_u64().unwrap()).unwrap(),
    }
}

/// `newSetCanaryScale(intPnt(9), nil, false)`: replicas, weight, whether it follows the weight.
fn scale(text: &str) -> CanaryScale {
    let inner = text.trim_start_matches("newSetCanaryScale(").trim_end_matches(')');
    let parts: Vec<&str> = inner.split(", ").collect();
    let pointed = |part: &str| -> Option<u32> {
        part.strip_prefix("intPnt(").map(|rest| rest.trim_end_matches(')').parse().unwrap())
    };
    if parts[2] == "true" {
        return CanaryScale::MatchWeight;
    }
    match (pointed(parts[0]), pointed(parts[1])) {
        (Some(replicas), _) => CanaryScale::Replicas(replicas),
        (None, Some(percent)) => CanaryScale::Percent(percent),
        (None, None) => panic!("{text}"),
    }
}

/// `newRS("older", 3, 3)`: how many older replicas are wanted.
fn older(text: &str) -> u32 {
    text.split(", ").nth(1).unwrap().parse().unwrap()
}

#[test]
fn argos_cases_hold() {
    let Some(text) = data::conformance("deploy/argo/replica_counts_cases.json") else { return };
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 39, "only {} cases", cases.len());
    for case in &cases {
        let replicas = number(case, "rolloutSpecReplicas");
        let weight = if case["promoteFull"] == true { 100 } else { number(case, "setWeight") };
        let side = |spec: &str, available: &str| Side::new(number(case, spec), number(case, available));
        let stable = side("stableSpecReplica", "stableAvailableReplica");
        let canary = side("canarySpecReplica", "canaryAvailableReplica");
        let scaled = case["setCanaryScale"].as_str().map(scale);
        let steered = case["trafficRouting"].as_str().is_some_and(|text| text != "nil");
        let found = if case["statusAbort"] == true {
            let delay = match number_in(case["abortScaleDownDelaySeconds"].as_str().unwrap()) {
                0 => None,
                seconds => Some(Duration::from_secs(seconds)),
            };
            (replicas, taken_back(delay, canary.wanted))
        } else if steered {
            let min = case["minPodsPerReplicaSet"]
                .as_str()
                .map_or(1, |text| u32::try_from(number_in(text)).unwrap());
            (replicas, routed(replicas, weight, scaled, min))
        } else {
            let given = |key: &str| if case[key].is_null() { Limit::Percent(25) } else { limit(&case[key]) };
            let limits = Rolling { max_surge: given("maxSurge"), max_unavailable: given("maxUnavailable") };
            let older = case["olderRS"].as_str().map_or(0, older);
            let counts = shared(replicas, weight, &limits, stable, canary, older);
            (counts.old, counts.new)
        };
        let expected =
            (number(case, "expectedStableReplicaCount"), number(case, "expectedCanaryReplicaCount"));
        assert_eq!(found, expected, "{}", case["name"]);
    }
    println!("replica counts of canaries: {} cases hold", cases.len());
}

fn number_in(text: &str) -> u64 {
    text.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
fn rounding_is_up_for_surge_and_down_for_unavailable() {
    let percent = |surge, unavailable| Rolling {
        max_surge: Limit::Percent(surge),
        max_unavailable: Limit::Percent(unavailable),
    };
    assert_eq!(percent(25, 25).resolve(10), (3, 2));
    assert_eq!(percent(25, 25).resolve(1), (1, 0));
    assert_eq!(percent(1, 99).resolve(10), (1, 9));
    // Both nothing: one may be unavailable.
    assert_eq!(percent(0, 0).resolve(10), (0, 1));
    assert_eq!(percent(0, 5).resolve(10), (0, 1));
    assert_eq!(Rolling::default().resolve(7), (1, 0));
}

/// Kubernetes's cases, worked out from its definition: replicas, surge, unavailable, old (wanted, available), new
/// (wanted, available), and what comes next (old, new).
#[test]
fn rolling_updates_follow_kubernetes() {
    let cases = [
        // One comes up beside the old ones before any goes.
        (3, 1, 0, (3, 3), (0, 0), (3, 1)),
        (3, 1, 0, (3, 3), (1, 0), (3, 1)),
        (3, 1, 0, (3, 3), (1, 1), (2, 1)),
        (3, 1, 0, (2, 2), (1, 1), (2, 2)),
        (3, 1, 0, (1, 1), (3, 2), (1, 3)),
        (3, 1, 0, (1, 1), (3, 3), (0, 3)),
        // Without surge one goes first.
        (3, 0, 1, (3, 3), (0, 0), (2, 0)),
        (3, 0, 1, (2, 2), (0, 0), (2, 1)),
        // A quarter of ten each: three above, two below.
        (10, 3, 2, (10, 10), (0, 0), (8, 3)),
        (10, 3, 2, (8, 8), (5, 0), (8, 5)),
        (10, 3, 2, (8, 8), (5, 5), (3, 5)),
        // Old ones that do not work go at once, within what may be unavailable.
        (10, 0, 2, (10, 8), (0, 0), (8, 0)),
        (10, 1, 0, (10, 4), (1, 1), (9, 1)),
        // A new version that never becomes ready stops the whole, and takes nothing from the old one.
        (4, 1, 0, (4, 4), (1, 0), (4, 1)),
        // More new ones than wanted, as after the number was lowered.
        (2, 1, 0, (0, 0), (5, 5), (0, 2)),
    ];
    for (replicas, surge, unavailable, old, new, expected) in cases {
        let limits = Rolling { max_surge: Limit::Count(surge), max_unavailable: Limit::Count(unavailable) };
        let next = rolling(replicas, &limits, Side::new(old.0, old.1), Side::new(new.0, new.1));
        assert_eq!(
            (next.old, next.new),
            expected,
            "{replicas} +{surge} -{unavailable} old {old:?} new {new:?}"
        );
    }
}

fn limits() -> impl Strategy<Value = Rolling> {
    let limit = || prop_oneof![(0u32..6).prop_map(Limit::Count), (0u32..=100).prop_map(Limit::Percent)];
    (limit(), limit()).prop_map(|(max_surge, max_unavailable)| Rolling { max_surge, max_unavailable })
}

proptest! {
    #[test]
    fn rolling_updates_end_and_keep_their_limits(replicas in 1u32..30, limits in limits(), ready in proptest::collection::vec(any::<bool>(), 200)) {
        let (surge, unavailable) = limits.resolve(replicas);
        let (mut old, mut new) = (Side::new(replicas, replicas), Side::default());
        let mut turns = 0;
        for ready in ready.into_iter().chain(std::iter::repeat(true)) {
            let next = rolling(replicas, &limits, old, new);
            prop_assert!(next.old + next.new <= (replicas + surge).max(old.wanted + new.wanted));
            prop_assert!(next.old.min(old.available) + new.available.min(next.new) + unavailable >= replicas);
            old = Side::new(next.old, old.available.min(next.old));
            new = Side::new(next.new, new.available.min(next.new));
            if ready && new.available < new.wanted { new.available += 1; }
            turns += 1;
            if old.wanted == 0 && new == Side::new(replicas, replicas) { break; }
            prop_assert!(turns < 1000, "no end: {old:?} {new:?}");
        }
    }

    #[test]
    fn canaries_that_share_come_to_rest(replicas in 1u32..30, weight in 0u32..=100, limits in limits(), from in 0u32..=100) {
        let (surge, _) = limits.resolve(replicas);
        let new = (replicas * from / 100).min(replicas);
        let (mut stable, mut canary) = (Side::new(replicas - new, replicas - new), Side::new(new, new));
        for turn in 0.. {
            let next = shared(replicas, weight, &limits, stable, canary, 0);
            prop_assert!(next.old + next.new <= replicas + surge, "{next:?}");
            if next.old == stable.wanted && next.new == canary.wanted { break; }
            (stable, canary) = (Side::new(next.old, next.old), Side::new(next.new, next.new));
            prop_assert!(turn < 200, "no rest: {stable:?} {canary:?}");
        }
        if weight == 0 { prop_assert_eq!((stable.wanted, canary.wanted), (replicas, 0)); }
        if weight == 100 { prop_assert_eq!((stable.wanted, canary.wanted), (0, replicas)); }
        if weight > 0 && weight < 100 && replicas > 1 { prop_assert!(stable.wanted > 0 && canary.wanted > 0); }
    }
}
