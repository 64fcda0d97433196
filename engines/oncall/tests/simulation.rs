//! Random lives of escalations in simulated time: restored anywhere, the future is the same; nothing is early, nothing
//! that is acknowledged or resolved pages, and nothing is forgotten.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_kernel::Timestamp;
use quarterdeck_oncall::escalation::{Cause, State};
use quarterdeck_oncall::{Effect, Escalations, Input, Page, PageId, Record, Roster, Target};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{actor, change, minutes, monday, opening, records, roster};

const TEAM: &str = r#"
    [persons.alice]
    channels = ["alice-pager", "shared"]
    [persons.bob]
    channels = ["bob-pager", "shared"]
    [persons.carol]
    channels = ["carol-pager"]

    [schedules.primary]
    time_zone = "Europe/Berlin"
    layers = [{ rotation = "hourly", length = 8, participants = ["alice", "bob"],
                restrictions = [{ from = "08:00", to = "22:00" }] }]
    [schedules.secondary]
    time_zone = "America/New_York"
    layers = [{ rotation = "daily", participants = ["carol", "bob"] }]

    [policies.fast]
    steps = [{ notify = ["schedule:primary"], wait = "1m" }, { notify = ["schedule:secondary"], wait = "90s" }]
    repeat = 2
    acknowledge_for = "10m"
    [policies.slow]
    delay = "2m"
    steps = [{ notify = ["schedule:primary", "channel:ops"], wait = "10m" }, { notify = ["person:carol"], wait = "30m" },
             { notify = ["schedule:primary"], wait = "5m" }]
    [policies.gap]
    steps = [{ notify = ["schedule:primary"], wait = "20m" }]
    repeat = 1

    [[routes]]
    matchers = ["key=~\"f.*\""]
    policy = "fast"
    [[routes]]
    matchers = ["key=~\"s.*\""]
    policy = "slow"
    [[routes]]
    matchers = ["key=~\"g.*\""]
    policy = "gap"
"#;

/// A random input.
fn draw(
    random: &mut ChaCha8Rng,
    now: Timestamp,
    sent: &[Page],
    rosters: &[Arc<Roster>],
    count: usize,
) -> Input {
    let key = format!("{}{}", ["f", "s", "g", "x"][random.random_range(0..4)], random.random_range(0..4));
    let people = ["alice", "bob", "carol", "zoe"];
    let by = actor(people[random.random_range(0..4)]);
    let to = match random.random_range(0..4) {
        0 => Target::Schedule("primary".to_owned()),
        1 => Target::Channel("ops".to_owned()),
        _ => Target::Person(people[random.random_range(0..4)].to_owned()),
    };
    match random.random_range(0..100) {
        0..30 => {
            let mut opening = opening(&key);
            opening.labels = opening.labels.with("key", &key);
            Input::Open(opening)
        }
        30..42 => {
            let hold = random.random_bool(0.5).then(|| minutes(random.random_range(1..90)));
            Input::Acknowledge { key, hold, note: None, by }
        }
        42..47 => Input::Unacknowledge { key, by },
        47..52 => Input::Assign { key, to, by },
        52..57 => Input::HandOver { key, to, note: None, by },
        57..61 => Input::EscalateNow { key, by },
        61..71 => Input::Resolve { key, by },
        71..90 if !sent.is_empty() => {
            let page = &sent[random.random_range(0..sent.len())];
            let channel = page.recipients[random.random_range(0..page.recipients.len())].channel.clone();
            let result = if random.random_bool(0.7) { Ok(()) } else { Err("503".to_owned()) };
            Input::Delivered { page: page.id.clone(), channel, result }
        }
        90..95 => {
            let (from, length) = (random.random_range(-60..300), random.random_range(1..600));
            let from = now.plus_millis(from * 60_000);
            let mut made =
                change(&format!("o{count}"), people[random.random_range(0..4)], from, from + minutes(length));
            made.replaces = random.random_bool(0.3).then(|| "alice".to_owned());
            Input::Override(made)
        }
        95..97 => Input::EndOverride { id: format!("o{}", random.random_range(0..count.max(1))), by },
        97..99 => Input::Reload(Arc::clone(&rosters[random.random_range(0..rosters.len())])),
        _ => Input::Tick,
    }
}

/// What the machine may do next, worked out from its effects alone.
#[derive(Default)]
struct Watch {
    /// Before this no page may come of itself.
    not_before: BTreeMap<String, Timestamp>,
    /// Acknowledged until, if it ends.
    acknowledged: BTreeMap<String, Option<Timestamp>>,
    pages: BTreeMap<PageId, Timestamp>,
}

impl Watch {
    fn see(&mut self, effects: &[Effect], now: Timestamp, context: &str) {
        let mut durable: Option<PageId> = None;
        for effect in effects {
            match effect {
                Effect::Record(Record::Opened { key, at, ladder, .. }) => {
                    self.not_before.insert(key.clone(), *at + ladder.delay);
                    self.acknowledged.remove(key);
                }
                Effect::Record(Record::Moved { key, at, cause, position, page, .. }) => {
                    assert_eq!(*at, now, "{context}");
                    let by_itself = matches!(
                        cause,
                        Cause::Step
                            | Cause::Repeated
                            | Cause::AcknowledgementEnded
                            | Cause::Unanswered
                            | Cause::Exhausted
                    );
                    if by_itself {
                        let due = self.not_before.get(key).copied();
                        assert!(due.is_some_and(|d| d <= now), "{context}: {key} moved before {due:?}");
                    }
                    if page.is_some()
                        && let Some(until) = self.acknowledged.remove(key)
                    {
                        let asked = matches!(
                            cause,
                            Cause::Unacknowledged | Cause::EscalatedNow | Cause::Assigned | Cause::HandedOver
                        );
                        // What was acknowledged is not what has joined.
                        let asked = asked || *cause == Cause::Joined;
                        let ended = *cause == Cause::AcknowledgementEnded && until.is_some_and(|u| u <= now);
                        assert!(asked || ended, "{context}: {key} paged by {cause:?} though acknowledged");
                    }
                    match &position.state {
                        State::Acknowledged { until, .. } => {
                            self.acknowledged.insert(key.clone(), *until);
                        }
                        State::Resolved { .. } => {
                            self.not_before.remove(key);
                            self.acknowledged.remove(key);
                        }
                        _ => {}
                    }
                    if let Some(next) = position.next {
                        self.not_before.insert(key.clone(), next);
                    }
                    durable = page.as_ref().map(|p| PageId {
                        key: key.clone(),
                        opened: Timestamp::default(),
                        number: p.number,
                    });
                }
                Effect::Record(Record::Resent { key, number, .. }) => {
                    durable =
                        Some(PageId { key: key.clone(), opened: Timestamp::default(), number: *number });
                }
                Effect::Record(_) | Effect::Withdraw(_) | Effect::Told(_) => {}
                Effect::Page(page) => {
                    let named = PageId { opened: Timestamp::default(), ..page.id.clone() };
                    assert_eq!(durable, Some(named), "{context}: a page before its record");
                    assert!(
                        self.not_before.contains_key(&page.id.key),
                        "{context}: {} is not open",
                        page.id.key
                    );
                    assert!(
                        !self.acknowledged.contains_key(&page.id.key),
                        "{context}: {} is acknowledged",
                        page.id
                    );
                    assert!(!page.recipients.is_empty(), "{context}: a page to nobody");
                    let earlier = self.pages.insert(page.id.clone(), now);
                    assert_eq!(earlier.is_some(), page.possibly_duplicate, "{context}: {} twice", page.id);
                }
            }
        }
    }
}

fn pages(effects: &[Effect]) -> impl Iterator<Item = &Page> {
    effects.iter().filter_map(|e| if let Effect::Page(p) = e { Some(p) } else { None })
}

/// Everything about the state that the future depends on.
fn essence(state: &Escalations) -> String {
    format!("{:?} {:?} {:?}", state.open(), state.overrides(), state.next_wake())
}

/// Records as a store would keep and read them.
fn stored(log: &[Record]) -> Vec<Record> {
    let kept: Vec<String> = log.iter().map(|r| serde_json::to_string(r).unwrap()).collect();
    kept.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn live(seed: u64, rosters: &[Arc<Roster>]) -> usize {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut current = Arc::clone(&rosters[0]);
    let mut state = Escalations::new(Arc::clone(&current));
    // Beside the one that lives on, one that dies now and then and is made again from its records.
    let mut mortal = state.clone();
    let mut log: Vec<Record> = Vec::new();
    let (mut watch, mut sent) = (Watch::default(), Vec::new());
    // Around the night in which clocks change in Berlin.
    let mut now = support::at("2026-03-28T12:00:00Z");
    for count in 0..250 {
        let context = format!("seed {seed}, input {count}");
        let input = match state.next_wake() {
            Some(wake) if random.random_bool(0.6) => {
                now = now.max(wake).plus_millis(if random.random_bool(0.8) {
                    0
                } else {
                    random.random_range(0..900_000)
                });
                Input::Tick
            }
            wake => {
                let step = now.plus_millis(random.random_range(0..240_000));
                now = wake.map_or(step, |w| step.min(w.max(now)));
                draw(&mut random, now, &sent, rosters, count)
            }
        };
        if let Input::Reload(roster) = &input {
            current = Arc::clone(roster);
        }
        let effects = state.handle(input.clone(), now);
        let other = mortal.handle(input.clone(), now);
        assert_eq!(effects, other, "{context}: {input:?}");
        let Ok(effects) = effects else { continue };
        watch.see(&effects, now, &context);
        sent.extend(pages(&effects).cloned());
        log.extend(records(&effects));
        if random.random_bool(0.04) {
            if random.random_bool(0.5) {
                log = mortal.checkpoint();
            }
            log = stored(&log);
            mortal = Escalations::restore(Arc::clone(&current), &log);
            assert_eq!(essence(&mortal), essence(&state), "{context}: restored");
        }
    }
    // Whatever is still paging comes to its end by itself.
    let mut steps = 0;
    while let Some(wake) = state.next_wake() {
        assert!(wake > now || steps == 0, "seed {seed}: time stands still");
        now = now.max(wake);
        let effects = state.handle(Input::Tick, now).unwrap();
        assert_eq!(mortal.handle(Input::Tick, now).unwrap(), effects, "seed {seed}, end");
        watch.see(&effects, now, &format!("seed {seed}, end"));
        steps += 1;
        assert!(steps < 10_000, "seed {seed}: no end");
    }
    for escalation in state.open().values() {
        let ended = matches!(
            escalation.position.state,
            State::Exhausted { .. } | State::Acknowledged { until: None, .. }
        );
        assert!(ended, "seed {seed}: {} is forgotten as {:?}", escalation.key, escalation.position.state);
    }
    watch.pages.len()
}

#[test]
fn restored_anywhere_the_future_is_the_same() {
    let other = TEAM.replace("wait = \"1m\"", "wait = \"2m\"").replace("person:carol", "person:bob");
    let rosters = [roster(TEAM), roster(&other)];
    let seeds = if std::env::var_os("QUARTERDECK_LONG").is_some() { 10_000 } else { 100 };
    let pages: usize = (0..seeds).map(|seed| live(seed, &rosters)).sum();
    eprintln!(
        "{seeds} seeds of 250 inputs: {pages} pages, none early, none twice, none after an acknowledgement"
    );
    assert!(pages > 1000, "the simulation pages: {pages}");
}

#[test]
fn a_crash_between_any_two_records_loses_nothing() {
    let roster = roster(TEAM);
    for seed in 0..100 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut state = Escalations::new(Arc::clone(&roster));
        let (mut log, mut now, mut sent) = (Vec::new(), monday(), Vec::new());
        for count in 0..60 {
            now = now.plus_millis(random.random_range(0..120_000));
            let input = draw(&mut random, now, &sent, std::slice::from_ref(&roster), count);
            for input in [Input::Tick, input] {
                let Ok(effects) = state.handle(input, now) else { continue };
                sent.extend(pages(&effects).cloned());
                log.extend(records(&effects));
            }
        }
        // Only the first records reached the disk.
        let kept = random.random_range(0..=log.len());
        let mut again = Escalations::restore(Arc::clone(&roster), &stored(&log[..kept]));
        let before: Vec<PageId> =
            again.open().values().flat_map(|e| e.pages.iter().map(|p| e.page_id(p.number))).collect();
        let effects = again.resume(now);
        for page in pages(&effects) {
            assert_eq!(before.contains(&page.id), page.possibly_duplicate, "seed {seed}: {}", page.id);
        }
        for (key, escalation) in again.open() {
            let unanswered =
                matches!(escalation.position.state, State::Waiting | State::Paging | State::Assigned { .. });
            assert_eq!(
                unanswered,
                unanswered && escalation.position.next.is_some_and(|n| n > now),
                "seed {seed}: {key} stands still"
            );
        }
    }
}
