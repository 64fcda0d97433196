//! What panes are given.

mod support;

use std::sync::Arc;

use quarterdeck_kernel::Snapshot as _;
use quarterdeck_oncall::model::StepState;
use quarterdeck_oncall::{Escalations, Input};
use support::{TEAM, actor, at, change, minutes, monday, open, ops, roster};

#[test]
fn a_snapshot_shows_who_is_on_call_and_the_shifts_ahead() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    state
        .handle(Input::Override(change("o", "carol", start + minutes(60), start + minutes(120))), start)
        .unwrap();
    let snapshot = state.snapshot(start);
    let primary = snapshot.schedule("primary").unwrap();
    assert_eq!(primary.time_zone, "Europe/Berlin");
    assert_eq!(primary.who.now.person.as_deref(), Some("alice"));
    assert_eq!(primary.hand_over(), Some(start + minutes(60)));
    let ahead: Vec<(&str, &str)> =
        primary.shifts.iter().map(|s| (s.person.as_deref().unwrap_or("-"), s.origin.as_str())).collect();
    assert_eq!(
        ahead,
        [
            ("alice", "weeks"),
            ("carol", "override by ops-1"),
            ("alice", "weeks"),
            ("bob", "weeks"),
            ("alice", "weeks")
        ]
    );
    assert_eq!(primary.shifts[1].override_id.as_deref(), Some("o"));
    assert_eq!(primary.gaps, []);
    assert_eq!(snapshot.overrides.len(), 1);
    assert_eq!(snapshot.persons["alice"], "Alice Ng");

    let same = state.snapshot(start + minutes(1));
    assert!(Arc::ptr_eq(&same.schedules[0], &snapshot.schedules[0]), "nothing has changed: shared");
    assert_eq!(same.version(), snapshot.version());
    let later = state.snapshot(start + minutes(60));
    assert_eq!(later.schedules[0].who.now.person.as_deref(), Some("carol"), "handed over");
    assert!(later.version() > same.version());
}

#[test]
fn the_ladder_shows_what_was_and_what_comes() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    open(&mut state, "a", start);
    state.handle(Input::Tick, start + minutes(5)).unwrap();
    let now = start + minutes(7);
    let snapshot = state.snapshot(now);
    let view = snapshot.escalation("a").unwrap();
    assert_eq!(view.words(now), "paging ops and alice in 8:00");
    assert_eq!(view.countdown(now), Some(minutes(8)));
    assert_eq!((view.round, view.rounds), (1, 2));
    let steps: Vec<(usize, String, StepState)> =
        view.steps.iter().map(|s| (s.number, s.who.join(" "), s.state)).collect();
    assert_eq!(
        steps,
        [
            (1, "alice".to_owned(), StepState::Done(start)),
            (2, "carol".to_owned(), StepState::Current(start + minutes(5))),
            (3, "ops alice".to_owned(), StepState::Due(start + minutes(15))),
        ]
    );
    assert_eq!(view.pages.len(), 2);

    let by = actor("alice");
    state.handle(Input::Acknowledge { key: "a".to_owned(), hold: None, note: None, by }, now).unwrap();
    let snapshot = state.snapshot(now);
    let view = snapshot.escalation("a").unwrap();
    assert_eq!(view.words(now), "acknowledged by alice, ends in 30:00");
    assert_eq!(view.owner.as_deref(), Some("alice"));
    assert_eq!(view.steps[2].state, StepState::Ahead);

    state.handle(Input::Resolve { key: "a".to_owned(), by: ops() }, now).unwrap();
    let snapshot = state.snapshot(now);
    assert!(snapshot.escalation("a").is_none());
    assert_eq!(snapshot.recent[0].words(now), "resolved by ops-1");
}

#[test]
fn a_step_due_after_a_hand_over_names_the_next_person() {
    let mut state =
        Escalations::new(roster(&TEAM.replace("delay", "").replace("repeat = 1", "delay = \"10m\"")));
    // Four minutes before bob takes over.
    let start = at("2026-01-12T07:56:00Z");
    open(&mut state, "a", start);
    let view = Arc::clone(state.snapshot(start).escalation("a").unwrap());
    assert_eq!(view.words(start), "paging bob in 10:00");
    state
        .handle(Input::Override(change("o", "carol", start + minutes(5), start + minutes(50))), start)
        .unwrap();
    let view = Arc::clone(state.snapshot(start).escalation("a").unwrap());
    assert_eq!(view.words(start), "paging carol in 10:00", "an override changes whom a step will reach");
}

#[test]
fn what_nobody_answered_leads() {
    let mut state = Escalations::new(roster(&TEAM.replace("repeat = 1", "repeat = 0")));
    let start = monday();
    open(&mut state, "a", start);
    while let Some(wake) = state.next_wake() {
        state.handle(Input::Tick, wake).unwrap();
    }
    let now = start + minutes(60);
    let view = Arc::clone(state.snapshot(now).escalation("a").unwrap());
    assert_eq!(view.words(now), "nobody answered, 3 pages");
    assert_eq!(view.steps[2].state, StepState::Current(start + minutes(15)));
}

/// A snapshot is taken with every answer: what has not changed is not made again.
#[test]
fn what_has_not_changed_is_shared() {
    let mut state = Escalations::new(roster(TEAM));
    let start = monday();
    for key in ["a", "b", "c"] {
        open(&mut state, key, start);
    }
    let end = |state: &mut Escalations, key: &str| {
        state.handle(Input::Resolve { key: key.to_owned(), by: ops() }, start).unwrap();
    };
    end(&mut state, "a");
    let first = state.snapshot(start);
    assert_eq!((first.escalations.len(), first.recent.len()), (2, 1));
    let second = state.snapshot(start + minutes(1));
    assert_eq!(second.taken, start + minutes(1));
    for (old, new) in
        first.escalations.iter().chain(&first.recent).zip(second.escalations.iter().chain(&second.recent))
    {
        assert!(Arc::ptr_eq(old, new), "{}: nothing has changed", new.key);
    }
    end(&mut state, "b");
    let third = state.snapshot(start + minutes(1));
    let keys: Vec<&str> = third.recent.iter().map(|e| e.key.as_str()).collect();
    assert_eq!(keys, ["b", "a"], "newest first");
    assert!(Arc::ptr_eq(&third.recent[1], &first.recent[0]), "another that ended changes nothing of it");
    let c = |snapshot: &quarterdeck_oncall::Snapshot| Arc::clone(snapshot.escalation("c").unwrap());
    assert!(Arc::ptr_eq(&c(&first), &c(&third)));
    // An override ends: it is shown no more although nothing has happened.
    state.handle(Input::Override(change("o", "carol", start, start + minutes(5))), start).unwrap();
    assert_eq!(state.snapshot(start + minutes(4)).overrides.len(), 1);
    assert_eq!(state.snapshot(start + minutes(5)).overrides.len(), 0);
    // The clock is set back: it is to come again.
    assert_eq!(state.snapshot(start + minutes(2)).overrides.len(), 1);
}
