//! What several tests need.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Actor, Labels, Severity, Timestamp};
use quarterdeck_oncall::escalation::Opening;
use quarterdeck_oncall::{Effect, Escalations, Fact, Input, OncallConfig, Override, Page, Record, Roster};

/// An instant from RFC 3339.
pub fn at(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

pub fn config(text: &str) -> OncallConfig {
    toml::from_str(text).unwrap()
}

pub fn roster(text: &str) -> Arc<Roster> {
    Arc::new(Roster::new(&config(text)).unwrap())
}

/// Two persons, one weekly schedule, one policy of three steps.
pub const TEAM: &str = r#"
    [persons.alice]
    name = "Alice Ng"
    channels = ["alice-pager", "alice-mail"]
    [persons.bob]
    channels = ["bob-pager"]
    [persons.carol]
    channels = ["carol-pager"]

    [schedules.primary]
    time_zone = "Europe/Berlin"
    [[schedules.primary.layers]]
    name = "weeks"
    start = "2026-01-05"
    participants = ["alice", "bob"]

    [policies.default]
    steps = [
        { notify = ["schedule:primary"], wait = "5m" },
        { notify = ["person:carol"], wait = "10m" },
        { notify = ["channel:ops", "person:alice"], wait = "15m" },
    ]
    repeat = 1
    acknowledge_for = "30m"

    [[routes]]
    matchers = ['severity="critical"']
    policy = "default"
"#;

/// A Monday at noon in the first week: alice is on call in `primary`.
pub fn monday() -> Timestamp {
    at("2026-01-05T11:00:00Z")
}

pub fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

pub fn ops() -> Actor {
    Actor { user: "ops-1".to_owned(), ..Actor::default() }
}

pub fn actor(user: &str) -> Actor {
    Actor { user: user.to_owned(), ..Actor::default() }
}

pub fn opening(key: &str) -> Opening {
    Opening {
        key: key.to_owned(),
        title: format!("{key} is slow"),
        severity: Severity::Critical,
        service: Some("orders".to_owned()),
        labels: Labels::from_pairs([("severity", "critical")]),
    }
}

pub fn open(state: &mut Escalations, key: &str, now: Timestamp) -> Vec<Effect> {
    state.handle(Input::Open(opening(key)), now).unwrap()
}

pub fn pages(effects: &[Effect]) -> Vec<&Page> {
    effects.iter().filter_map(|e| if let Effect::Page(p) = e { Some(p) } else { None }).collect()
}

pub fn records(effects: &[Effect]) -> Vec<Record> {
    effects.iter().filter_map(|e| if let Effect::Record(r) = e { Some(r.clone()) } else { None }).collect()
}

pub fn facts(effects: &[Effect]) -> Vec<&Fact> {
    effects.iter().filter_map(|e| if let Effect::Told(f) = e { Some(f) } else { None }).collect()
}

/// The channels of all pages, joined.
pub fn channels(effects: &[Effect]) -> String {
    let all = pages(effects).into_iter().flat_map(|p| &p.recipients);
    all.map(|r| r.channel.as_str()).collect::<Vec<_>>().join(" ")
}

pub fn change(id: &str, person: &str, from: Timestamp, until: Timestamp) -> Override {
    Override {
        id: id.to_owned(),
        schedule: "primary".to_owned(),
        person: person.to_owned(),
        replaces: None,
        from,
        until,
        reason: None,
        by: "ops-1".to_owned(),
        made: from,
    }
}
