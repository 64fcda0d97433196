//! Who is paged when: steps, acknowledgement, assignment, hand-over, failure, reload.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

mod support;

use std::sync::Arc;

use quarterdeck_kernel::{Actor, Labels, Severity, Timestamp};
use quarterdeck_oncall::escalation::{Cause, Opening, State};
use quarterdeck_oncall::{Effect, Escalations, Input, PageId, Refusal, Target};
use support::{
    TEAM, actor, change, channels, facts, minutes, monday, open, opening, ops, pages, records, roster,
};

fn tick(state: &mut Escalations, now: Timestamp) -> Vec<Effect> {
    state.handle(Input::Tick, now).unwrap()
}

fn acknowledge(state: &mut Escalations, key: &str, user: &str, now: Timestamp) -> Vec<Effect> {
    let (key, by) = (key.to_owned(), actor(user));
    state.handle(Input::Acknowledge { key, hold: None, note: None, by }, now).unwrap()
}

/// Every page until nothing more comes: minutes since `start` and channels.
fn run(state: &mut Escalations, start: Timestamp) -> Vec<(u64, String)> {
    let mut told = Vec::new();
    while let Some(wake) = state.next_wake() {
        assert!(tick(state, wake.plus_millis(-1)).is_empty(), "nothing comes before its time");
        let effects = tick(state, wake);
        if !pages(&effects).is_empty() {
            told.push((wake.since(start).as_secs() / 60, channels(&effects)));
        }
    }
    told
}

#[test]
fn steps_come_at_their_times_and_repeat() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    let effects = open(&mut state, "a", start);
    assert!(matches!(effects[0], Effect::Record(_)), "durable before anything else");
    assert_eq!(channels(&effects), "alice-pager alice-mail");
    let first = pages(&effects)[0];
    assert_eq!(first.recipients[0].because, "alice, on call in primary");
    assert_eq!((first.step, first.cause, first.id.number), (Some(0), Cause::Step, 1));
    let told = run(&mut state, start);
    let told: Vec<(u64, &str)> = told.iter().map(|(m, c)| (*m, c.as_str())).collect();
    assert_eq!(
        told,
        [
            (5, "carol-pager"),
            (15, "ops alice-pager alice-mail"),
            (30, "alice-pager alice-mail"),
            (35, "carol-pager"),
            (45, "ops alice-pager alice-mail"),
        ]
    );
    assert!(matches!(state.open()["a"].position.state, State::Exhausted { at } if at == start + minutes(60)));
    assert_eq!(state.next_wake(), None);
}

#[test]
fn the_end_of_the_ladder_is_told_as_critical() {
    let mut state = Escalations::new(roster(TEAM));
    open(&mut state, "a", monday());
    let mut last = Vec::new();
    while let Some(wake) = state.next_wake() {
        last = tick(&mut state, wake);
    }
    let fact = facts(&last)[0];
    assert_eq!(fact.summary, "a is slow: nobody answered policy default in 1 h");
    assert_eq!(fact.severity, Severity::Critical);
}

#[test]
fn every_record_stands_before_the_page_that_it_makes_durable() {
    let mut state = Escalations::new(roster(TEAM));
    let mut all = open(&mut state, "a", monday());
    while let Some(wake) = state.next_wake() {
        all.extend(tick(&mut state, wake));
    }
    for (index, effect) in all.iter().enumerate() {
        if let Effect::Page(page) = effect {
            let Effect::Record(quarterdeck_oncall::Record::Moved { page: Some(kept), .. }) = &all[index - 1]
            else {
                panic!("a page without its record: {page:?}");
            };
            assert_eq!((kept.number, &kept.recipients), (page.id.number, &page.recipients));
        }
    }
}

#[test]
fn acknowledged_and_resolved_page_nobody() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    let by = actor("alice");
    let input = Input::Resolve { key: "a".to_owned(), by };
    acknowledge(&mut state, "a", "alice", start + minutes(1));
    assert_eq!(state.open()["a"].position.owner.as_deref(), Some("alice"));
    let effects = state.handle(input.clone(), start + minutes(2)).unwrap();
    assert_eq!(facts(&effects)[0].summary, "a is slow: escalation ended after 2 m, resolved by alice");
    assert_eq!(run(&mut state, start), []);
    let refusal = state.handle(input, start + minutes(3)).unwrap_err();
    assert_eq!(refusal, Refusal::NotOpen { key: "a".to_owned() });
    assert_eq!(state.recent().count(), 1);
}

#[test]
fn an_acknowledgement_withdraws_what_is_not_sent_yet() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    let effects = open(&mut state, "a", start);
    let id = pages(&effects)[0].id.clone();
    let done = Input::Delivered { page: id.clone(), channel: "alice-mail".to_owned(), result: Ok(()) };
    state.handle(done, start).unwrap();
    let effects = acknowledge(&mut state, "a", "alice", start + minutes(1));
    assert!(effects.contains(&Effect::Withdraw(vec![id])));
    let again = acknowledge(&mut state, "a", "bob", start + minutes(2));
    assert!(!again.iter().any(|e| matches!(e, Effect::Withdraw(_))));
    assert_eq!(state.open()["a"].position.owner.as_deref(), Some("bob"), "a later one takes over");
}

#[test]
fn an_acknowledgement_that_ends_pages_again() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    tick(&mut state, start + minutes(5));
    let effects = acknowledge(&mut state, "a", "bob", start + minutes(6));
    assert_eq!(facts(&effects)[0].summary, "a is slow: acknowledged by bob, for 30 m");
    assert_eq!(state.next_wake(), Some(start + minutes(36)), "the policy's acknowledge_for");
    assert_eq!(tick(&mut state, start + minutes(35)), []);
    let effects = tick(&mut state, start + minutes(36));
    assert_eq!(channels(&effects), "bob-pager carol-pager", "whoever acknowledged, and the step reached");
    assert_eq!(pages(&effects)[0].cause, Cause::AcknowledgementEnded);
    assert_eq!(state.next_wake(), Some(start + minutes(46)), "and the ladder goes on from there");

    let hold = Some(minutes(2));
    let input = Input::Acknowledge { key: "a".to_owned(), hold, note: Some("looking".to_owned()), by: ops() };
    let effects = state.handle(input, start + minutes(40)).unwrap();
    assert_eq!(facts(&effects)[0].reason.as_deref(), Some("looking"));
    assert_eq!(state.next_wake(), Some(start + minutes(42)));
}

#[test]
fn whoever_acknowledges_under_another_user_name_is_known() {
    let text =
        TEAM.replace("channels = [\"bob-pager\"]", "channels = [\"bob-pager\"]\n    users = [\"bobk\"]");
    let mut state = Escalations::new(roster(&text));
    let start = monday();
    open(&mut state, "a", start);
    acknowledge(&mut state, "a", "bobk", start);
    assert_eq!(state.open()["a"].position.owner.as_deref(), Some("bob"));
    assert_eq!(channels(&tick(&mut state, start + minutes(30))), "bob-pager alice-pager alice-mail");
}

#[test]
fn taking_an_acknowledgement_back_pages_at_once() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    let back = Input::Unacknowledge { key: "a".to_owned(), by: ops() };
    let refusal = state.handle(back.clone(), start).unwrap_err();
    assert_eq!(refusal.to_string(), "a is not acknowledged (paging); assign it instead");
    acknowledge(&mut state, "a", "alice", start + minutes(1));
    let effects = state.handle(back, start + minutes(3)).unwrap();
    assert_eq!(channels(&effects), "alice-pager alice-mail");
    assert_eq!(state.open()["a"].position.owner, None);
    assert_eq!(state.next_wake(), Some(start + minutes(8)));
}

#[test]
fn an_assignment_pages_the_one_and_goes_on_when_unanswered() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    let assign =
        |to: &str| Input::Assign { key: "a".to_owned(), to: Target::Person(to.to_owned()), by: ops() };
    let effects = state.handle(assign("bob"), start + minutes(2)).unwrap();
    assert_eq!(channels(&effects), "bob-pager");
    assert_eq!(pages(&effects)[0].recipients[0].because, "bob, named by the policy, assigned by ops-1");
    assert_eq!(state.open()["a"].position.owner.as_deref(), Some("bob"));
    let effects = tick(&mut state, start + minutes(7));
    assert_eq!(channels(&effects), "carol-pager");
    assert_eq!(facts(&effects)[0].summary, "a is slow: person:bob has not answered");

    state.handle(assign("bob"), start + minutes(8)).unwrap();
    acknowledge(&mut state, "a", "bob", start + minutes(9));
    assert_eq!(tick(&mut state, start + minutes(30)), []);
    let refusal = state.handle(assign("bbo"), start + minutes(31)).unwrap_err();
    assert_eq!(refusal.to_string(), "\"bbo\" is not a person of [oncall]; did you mean bob?");
}

#[test]
fn a_hand_over_needs_an_answer() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    let to = Target::Person("carol".to_owned());
    let input = Input::HandOver { key: "a".to_owned(), to, note: Some("end of shift".to_owned()), by: ops() };
    assert!(matches!(state.handle(input.clone(), start), Err(Refusal::NotAcknowledged { .. })));
    acknowledge(&mut state, "a", "alice", start + minutes(1));
    let effects = state.handle(input, start + minutes(2)).unwrap();
    assert_eq!(channels(&effects), "carol-pager");
    let fact = facts(&effects)[0];
    assert_eq!(fact.summary, "a is slow: handed over to carol by ops-1");
    assert_eq!(fact.reason.as_deref(), Some("end of shift"));
    let effects = tick(&mut state, start + minutes(7));
    assert_eq!(channels(&effects), "alice-pager alice-mail", "unanswered, the step reached pages again");
}

#[test]
fn escalating_now_takes_the_next_step_and_says_when_there_is_none() {
    let mut state = Escalations::new(roster(&TEAM.replace("repeat = 1", "repeat = 0")));
    let start = monday();
    open(&mut state, "a", start);
    let now =
        |state: &mut Escalations, at| state.handle(Input::EscalateNow { key: "a".to_owned(), by: ops() }, at);
    assert_eq!(channels(&now(&mut state, start + minutes(1)).unwrap()), "carol-pager");
    assert_eq!(state.next_wake(), Some(start + minutes(11)));
    acknowledge(&mut state, "a", "carol", start + minutes(2));
    assert_eq!(
        channels(&now(&mut state, start + minutes(3)).unwrap()),
        "ops alice-pager alice-mail",
        "even though it is acknowledged"
    );
    let refusal = now(&mut state, start + minutes(4)).unwrap_err();
    assert_eq!(refusal.to_string(), "a: step 3 is the last of policy default; assign it to somebody instead");
    tick(&mut state, start + minutes(18));
    assert!(matches!(state.open()["a"].position.state, State::Exhausted { .. }));
    assert_eq!(
        channels(&now(&mut state, start + minutes(20)).unwrap()),
        "alice-pager alice-mail",
        "from the start"
    );
}

#[test]
fn a_step_that_reaches_nobody_is_passed_over() {
    let text = TEAM.replace("start = \"2026-01-05\"", "from = \"2027-01-01\"");
    let mut state = Escalations::new(roster(&text));
    let effects = open(&mut state, "a", monday());
    assert_eq!(channels(&effects), "carol-pager");
    let fact = facts(&effects)[0];
    assert_eq!(fact.summary, "a is slow: step 1 reaches nobody: nobody is on call in primary");
    assert_eq!(pages(&effects)[0].step, Some(1));

    let only = r#"
        [persons.a]
        channels = ["x"]
        [schedules.s]
        layers = [{ participants = ["a"], until = "2020-01-01" }]
        [policies.p]
        steps = [{ notify = ["schedule:s"], wait = "5m" }]
        repeat = 2
        [[routes]]
        policy = "p"
    "#;
    let mut state = Escalations::new(roster(only));
    let effects = open(&mut state, "a", monday());
    assert_eq!(facts(&effects)[1].summary, "a is slow: policy p reaches nobody at all");
    assert_eq!(facts(&effects)[1].severity, Severity::Critical);
    assert_eq!(state.next_wake(), Some(monday() + minutes(5)), "and tries again, not in a busy loop");
    let swap = Input::Override(quarterdeck_oncall::Override {
        schedule: "s".to_owned(),
        ..change("o", "a", monday(), monday() + minutes(60))
    });
    state.handle(swap, monday() + minutes(1)).unwrap();
    assert_eq!(channels(&tick(&mut state, monday() + minutes(5))), "x", "somebody stepped in");
}

#[test]
fn failed_deliveries_are_not_waited_for() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    let effects = open(&mut state, "a", start);
    let id = pages(&effects)[0].id.clone();
    let failed = |channel: &str, id: &PageId| Input::Delivered {
        page: id.clone(),
        channel: channel.to_owned(),
        result: Err("410 Gone".to_owned()),
    };
    let effects = state.handle(failed("alice-pager", &id), start + minutes(1)).unwrap();
    assert_eq!(pages(&effects).len(), 0, "the other channel may still reach her");
    assert_eq!(facts(&effects)[0].summary, "a is slow: page to alice-pager failed: 410 Gone");
    assert_eq!(state.handle(failed("alice-pager", &id), start + minutes(1)).unwrap(), [], "told once");
    let effects = state.handle(failed("alice-mail", &id), start + minutes(1)).unwrap();
    assert_eq!(channels(&effects), "carol-pager");
    assert_eq!(pages(&effects)[0].cause, Cause::Undelivered);
    let third =
        state.handle(failed("carol-pager", &pages(&effects)[0].id.clone()), start + minutes(1)).unwrap();
    let id = pages(&third)[0].id.clone();
    for channel in ["ops", "alice-pager", "alice-mail"] {
        let effects = state.handle(failed(channel, &id), start + minutes(1)).unwrap();
        assert_eq!(pages(&effects).len(), 0, "the last step is waited for all the same");
    }
    assert_eq!(state.next_wake(), Some(start + minutes(16)));
    let stale = PageId { key: "a".to_owned(), opened: start + minutes(9), number: 1 };
    assert_eq!(state.handle(failed("ops", &stale), start).unwrap(), [], "of an earlier escalation");
}

#[test]
fn whoever_was_never_reached_is_tried_again() {
    let mut state = Escalations::new(roster(&TEAM.replace("repeat = 1", "repeat = 0")));
    let start = monday();
    let mut effects = open(&mut state, "a", start);
    let fail = |state: &mut Escalations, effects: &[Effect], now: Timestamp| {
        let mut after = Vec::new();
        for page in pages(effects) {
            for recipient in &page.recipients {
                let (page, channel) = (page.id.clone(), recipient.channel.clone());
                let result = Err("no route to host".to_owned());
                after.extend(state.handle(Input::Delivered { page, channel, result }, now).unwrap());
            }
        }
        after
    };
    for _ in 0..3 {
        effects = fail(&mut state, &effects, start);
    }
    assert!(pages(&effects).is_empty(), "all three steps have failed at once");
    let wake = state.next_wake().unwrap();
    let effects = tick(&mut state, wake);
    assert_eq!(
        channels(&effects),
        "alice-pager alice-mail",
        "the policy is over, but nobody has heard of it"
    );
    // Delivered at last: now it is over when nobody answers.
    let page = pages(&effects)[0].id.clone();
    let delivered = Input::Delivered { page, channel: "alice-pager".to_owned(), result: Ok(()) };
    state.handle(delivered, wake).unwrap();
    for _ in 0..3 {
        let wake = state.next_wake().unwrap();
        let effects = tick(&mut state, wake);
        for page in pages(&effects) {
            let (page, channel) = (page.id.clone(), page.recipients[0].channel.clone());
            state.handle(Input::Delivered { page, channel, result: Ok(()) }, wake).unwrap();
        }
    }
    assert!(matches!(state.open()["a"].position.state, State::Exhausted { .. }));
}

#[test]
fn an_alert_that_joins_what_is_taken_pages_anew() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    acknowledge(&mut state, "a", "alice", start + minutes(1));
    let joined = Opening { title: "a burns".to_owned(), severity: Severity::Critical, ..opening("a") };
    let effects = state.handle(Input::Open(joined.clone()), start + minutes(2)).unwrap();
    assert_eq!(channels(&effects), "alice-pager alice-mail");
    let page = pages(&effects)[0];
    assert_eq!(
        (page.cause, page.step, &*page.title, page.severity),
        (Cause::Joined, Some(0), "a burns", Severity::Critical)
    );
    assert_eq!(
        state.handle(Input::Open(joined.clone()), start + minutes(3)).unwrap(),
        [],
        "it goes on as it is"
    );
    // The same where nobody has answered.
    run(&mut state, start);
    assert!(matches!(state.open()["a"].position.state, State::Exhausted { .. }));
    let effects = state.handle(Input::Open(joined), start + minutes(300)).unwrap();
    assert_eq!(pages(&effects)[0].round, 0);
    assert_eq!(channels(&effects), "alice-pager alice-mail");
}

#[test]
fn an_alert_whose_acknowledgement_ends_with_the_escalations_own_pages_once() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    let by = actor("bob");
    let hold = Some(minutes(10));
    state.handle(Input::Acknowledge { key: "a".to_owned(), hold, note: None, by }, start).unwrap();
    let until = start + minutes(10);
    let effects = state.handle(Input::Open(opening("a")), until).unwrap();
    assert_eq!(pages(&effects)[0].cause, Cause::AcknowledgementEnded);
    assert!(tick(&mut state, until).is_empty());
}

#[test]
fn a_long_stop_pages_once_and_then_waits() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    let effects = tick(&mut state, start + minutes(300));
    assert_eq!(channels(&effects), "carol-pager", "one step, not all that were missed");
    assert_eq!(state.next_wake(), Some(start + minutes(310)));
}

#[test]
fn a_delay_is_waited_for_first() {
    let mut state = Escalations::new(roster(&TEAM.replace("repeat = 1", "repeat = 0\ndelay = \"90s\"")));
    let start = monday();
    assert!(pages(&open(&mut state, "a", start)).is_empty());
    assert!(tick(&mut state, start.plus_millis(89_999)).is_empty());
    assert_eq!(channels(&tick(&mut state, start.plus_millis(90_000))), "alice-pager alice-mail");
}

#[test]
fn whoever_is_on_call_at_the_time_is_paged() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    let swap = Input::Override(change("o", "bob", start, start + minutes(60)));
    let effects = state.handle(swap.clone(), start).unwrap();
    assert_eq!(facts(&effects)[0].summary, "primary: bob is on call until Mon 5 Jan 13:00 CET");
    assert_eq!(channels(&open(&mut state, "a", start)), "bob-pager");
    assert!(matches!(state.handle(swap, start), Err(Refusal::Exists { .. })));
    let end = Input::EndOverride { id: "o".to_owned(), by: ops() };
    state.handle(end.clone(), start + minutes(10)).unwrap();
    assert_eq!(state.overrides()[0].until, start + minutes(10), "what was stays known");
    assert!(state.handle(end, start + minutes(10)).is_err());
    assert_eq!(channels(&open(&mut state, "b", start + minutes(10))), "alice-pager alice-mail");

    let past = Input::Override(change("p", "bob", start, start + minutes(5)));
    let refusal = state.handle(past, start + minutes(20)).unwrap_err();
    assert!(
        refusal.to_string().contains("before it begins; write an end that is still to come"),
        "{refusal}"
    );
    let unknown = Input::Override(change("q", "bobb", start, start + minutes(90)));
    assert!(state.handle(unknown, start).unwrap_err().to_string().contains("did you mean bob?"));
}

#[test]
fn what_no_policy_is_for_is_not_escalated_and_too_much_is_counted() {
    let mut state = Escalations::new(roster(&format!("max_escalations = 1\n{TEAM}")));
    let info = Opening { labels: Labels::from_pairs([("severity", "info")]), ..opening("i") };
    assert_eq!(state.handle(Input::Open(info), monday()).unwrap(), []);
    open(&mut state, "a", monday());
    assert_eq!(open(&mut state, "a", monday() + minutes(1)), [], "open already");
    let refusal = state.handle(Input::Open(opening("b")), monday()).unwrap_err();
    assert_eq!(refusal.to_string(), "1 escalations are open (max_escalations); nothing was added");
    assert_eq!(state.refused(), 1);
    let long = Opening { key: "x".repeat(5000), ..opening("x") };
    assert!(matches!(state.handle(Input::Open(long), monday()), Err(Refusal::Name { .. })));
}

#[test]
fn a_reload_keeps_place_and_time_and_follows_the_new_steps() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    let changed =
        roster(&TEAM.replace("person:carol", "person:bob").replace("wait = \"5m\"", "wait = \"1m\""));
    let effects = state.handle(Input::Reload(Arc::clone(&changed)), start + minutes(1)).unwrap();
    assert_eq!(pages(&effects).len(), 0);
    assert_eq!(facts(&effects)[0].summary, "a is slow: follows the changed policy default");
    assert_eq!(state.next_wake(), Some(start + minutes(5)), "the time that was told stays");
    assert_eq!(channels(&tick(&mut state, start + minutes(5))), "bob-pager");
    assert_eq!(state.handle(Input::Reload(changed), start + minutes(6)).unwrap(), [], "nothing has changed");

    let other = roster("[persons.x]\nchannels = [\"x\"]\n");
    state.handle(Input::Reload(other), start + minutes(7)).unwrap();
    let effects = tick(&mut state, start + minutes(15));
    assert_eq!(channels(&effects), "ops", "the policy is gone: it ends by the one that it began with");
    assert!(facts(&effects)[0].summary.contains("reaches not all: alice is no longer configured"));
}

#[test]
fn a_page_without_known_outcome_is_sent_once_more_after_a_restart() {
    let roster = roster(TEAM);
    let mut state = Escalations::new(Arc::clone(&roster));
    let start = monday();
    let mut effects = open(&mut state, "a", start);
    let id = pages(&effects)[0].id.clone();
    let done = Input::Delivered { page: id.clone(), channel: "alice-mail".to_owned(), result: Ok(()) };
    effects.extend(state.handle(done, start).unwrap());
    let mut log = records(&effects);

    let mut again = Escalations::restore(Arc::clone(&roster), &log);
    let effects = again.resume(start + minutes(1));
    let page = pages(&effects)[0];
    assert_eq!((&page.id, page.possibly_duplicate), (&id, true), "the same name");
    assert_eq!(channels(&effects), "alice-pager", "what is known to have arrived is not sent again");
    assert_eq!(again.next_wake(), state.next_wake());
    log.extend(records(&effects));
    let mut third = Escalations::restore(Arc::clone(&roster), &log);
    assert_eq!(third.resume(start + minutes(2)), [], "once, not at every start");

    let effects = acknowledge(&mut third, "a", "alice", start + minutes(3));
    log.extend(records(&effects));
    let mut fourth = Escalations::restore(roster, &log);
    assert_eq!(fourth.resume(start + minutes(4)), [], "nothing acknowledged pages again");
}

#[test]
fn actors_of_the_console_itself_are_named() {
    let mut state = Escalations::new(roster(TEAM));
    open(&mut state, "a", monday());
    let effects = tick(&mut state, monday() + minutes(5));
    assert_eq!(facts(&effects)[0].by, Actor::system("on-call"));
    assert_eq!(facts(&effects)[0].summary, "a is slow: carol paged, step 2 of 3 of policy default");
}
