//! The circuit breaker in simulated time.

use std::time::Duration;

use proptest::prelude::*;
use quarterdeck_resilience::Outcome::{Failure, Success};
use quarterdeck_resilience::breaker::{Breaker, Forced, Reason, Settings, State, Trip};
use quarterdeck_resilience::{Moment, Outcome};

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

fn call(breaker: &mut Breaker, outcome: Outcome, now: Moment) -> bool {
    match breaker.ask(now) {
        Ok((permit, _)) => {
            breaker.tell(permit, outcome, now);
            true
        }
        Err(_) => false,
    }
}

#[test]
fn five_failures_in_300_s_open_it_for_60_s_and_three_successes_close_it() {
    let mut breaker = Breaker::new(Settings::default(), at(0));
    // The first of five is too old when the fifth comes.
    for second in [0, 100, 200, 250, 300] {
        assert!(call(&mut breaker, Failure, at(second)));
        assert!(call(&mut breaker, Success, at(second)), "successes between do not matter");
    }
    assert_eq!((breaker.view(at(300)).state, breaker.view(at(300)).failures), (State::Closed, 4));
    assert!(call(&mut breaker, Failure, at(399)));
    let view = breaker.view(at(399));
    assert_eq!((view.state, view.reason, view.since), (State::Open, Reason::Failures, at(399)));
    assert_eq!(view.next_probe_in, Some(at(60)));
    assert_eq!(view.last_failure, Some(at(399)));
    assert_eq!((view.calls, view.succeeded, view.failed), (11, 5, 6));
    assert_eq!(view.success_rate(), Some(5.0 / 11.0));

    let refused = breaker.ask(at(458)).expect_err("still open");
    assert_eq!(refused.retry_after, Some(at(1)));
    let (probe, moved) = breaker.ask(at(459)).expect("a probe");
    assert!(probe.is_probe());
    assert_eq!(moved.map(|t| (t.from, t.to)), Some((State::Open, State::HalfOpen)));
    // One at a time.
    assert_eq!(breaker.ask(at(460)).expect_err("one probes").retry_after, Some(at(59)));
    assert_eq!(breaker.tell(probe, Success, at(461)), None);
    assert!(call(&mut breaker, Success, at(462)));
    let (probe, _) = breaker.ask(at(463)).expect("a probe");
    let closed = breaker.tell(probe, Success, at(463)).expect("it closes");
    assert_eq!((closed.to, closed.reason), (State::Closed, Reason::Recovered));
    // Failures of before are forgotten.
    for _ in 0..4 {
        assert!(call(&mut breaker, Failure, at(464)));
    }
    assert_eq!(breaker.view(at(464)).state, State::Closed);
}

#[test]
fn a_failing_probe_opens_it_again_and_a_lost_one_holds_its_place_only_for_a_time() {
    let mut breaker =
        Breaker::new(Settings { trip: Trip::Consecutive { failures: 1 }, ..Settings::default() }, at(0));
    call(&mut breaker, Failure, at(0));
    assert!(call(&mut breaker, Failure, at(60)), "a probe");
    let view = breaker.view(at(60));
    assert_eq!((view.state, view.reason, view.since), (State::Open, Reason::ProbeFailed, at(60)));
    let (lost, _) = breaker.ask(at(120)).expect("a probe");
    assert!(breaker.ask(at(179)).is_err());
    let (second, _) = breaker.ask(at(180)).expect("the lost one's place");
    // The lost one's answer still counts: it is of this period.
    breaker.tell(lost, Success, at(181));
    assert!(breaker.ask(at(181)).is_err(), "the second still probes");
    breaker.forget(second);
    assert!(breaker.ask(at(181)).is_ok());
    assert_eq!(breaker.view(at(181)).successes, 1);
}

#[test]
fn an_answer_from_before_a_transition_says_nothing_of_now() {
    let mut breaker =
        Breaker::new(Settings { trip: Trip::Consecutive { failures: 1 }, ..Settings::default() }, at(0));
    let (old, _) = breaker.ask(at(0)).expect("closed");
    let (older, _) = breaker.ask(at(0)).expect("closed");
    call(&mut breaker, Failure, at(1));
    let (probe, _) = breaker.ask(at(61)).expect("a probe");
    assert_eq!(breaker.tell(old, Failure, at(62)), None, "a failure of before does not fail the probing");
    assert_eq!(breaker.tell(older, Success, at(62)), None);
    assert_eq!(breaker.view(at(62)).successes, 0);
    breaker.tell(probe, Success, at(63));
    assert_eq!(breaker.view(at(63)).successes, 1);
}

#[test]
fn counts_look_at_the_last_calls_only() {
    let trip = Trip::Count { failures: 3, calls: 5 };
    let mut breaker = Breaker::new(Settings { trip, ..Settings::default() }, at(0));
    for outcome in [Failure, Success, Failure, Success, Success, Failure, Success, Success] {
        assert!(call(&mut breaker, outcome, at(0)));
        assert_eq!(breaker.view(at(0)).state, State::Closed);
    }
    assert!(call(&mut breaker, Failure, at(0)));
    assert!(call(&mut breaker, Failure, at(0)));
    assert_eq!(breaker.view(at(0)).state, State::Open, "F S S F F");
}

#[test]
fn forced_it_stays_whatever_comes() {
    let mut breaker = Breaker::new(Settings::default(), at(0));
    breaker.force(Forced::Open, at(0));
    assert_eq!(breaker.ask(at(10_000)).expect_err("forced open").retry_after, None);
    assert!(breaker.view(at(1)).forced);
    let moved = breaker.force(Forced::Closed, at(1)).expect("another state");
    assert_eq!((moved.from, moved.to, moved.reason), (State::Open, State::Closed, Reason::Forced));
    for _ in 0..20 {
        assert!(call(&mut breaker, Failure, at(2)));
    }
    assert_eq!(breaker.unforce(at(3)), None, "closed it stays");
    assert!(!breaker.view(at(3)).forced);
    assert_eq!(breaker.unforce(at(3)), None);
    assert_eq!(breaker.view(at(3)).failures, 0, "what happened while it was forced is forgiven");
    for _ in 0..5 {
        call(&mut breaker, Failure, at(4));
    }
    assert_eq!(breaker.view(at(4)).state, State::Open);
}

#[test]
fn given_back_from_open_it_asks_at_once() {
    let mut breaker = Breaker::new(Settings::default(), at(0));
    breaker.force(Forced::Open, at(0));
    let moved = breaker.unforce(at(1)).expect("another state");
    assert_eq!((moved.from, moved.to, moved.reason), (State::Open, State::HalfOpen, Reason::Released));
    for _ in 0..Settings::default().successes_to_close {
        assert!(call(&mut breaker, Success, at(1)));
    }
    assert_eq!(breaker.view(at(1)).state, State::Closed);
    breaker.force(Forced::Open, at(2));
    breaker.unforce(at(2));
    assert!(call(&mut breaker, Failure, at(2)));
    assert_eq!(breaker.view(at(2)).state, State::Open, "it was given back too soon");
}

/// What a window holds, counted anew from all that happened since it was last cleared.
fn naive(trip: Trip, past: &[(Moment, Outcome)], now: Moment) -> usize {
    let failed = |(_, outcome): &&(Moment, Outcome)| *outcome == Failure;
    match trip {
        Trip::Consecutive { .. } => past.iter().rev().take_while(failed).count(),
        Trip::Count { calls, .. } => past.iter().rev().take(calls as usize).filter(failed).count(),
        Trip::Time { window, .. } => past.iter().filter(|(at, _)| now - *at < window).filter(failed).count(),
    }
}

fn trips() -> impl Strategy<Value = Trip> {
    prop_oneof![
        (1_u32..6).prop_map(|failures| Trip::Consecutive { failures }),
        (1_u32..6, 6_u32..12).prop_map(|(failures, calls)| Trip::Count { failures, calls }),
        (1_u32..6, 1_u64..100)
            .prop_map(|(failures, seconds)| Trip::Time { failures, window: Duration::from_secs(seconds) }),
    ]
}

proptest! {
    /// It opens exactly when the failures that a plain count finds reach the limit, and lets nobody through until it has
    /// rested.
    #[test]
    fn it_opens_exactly_at_the_limit(
        trip in trips(),
        calls in prop::collection::vec((0_u64..30, prop::bool::ANY), 1..200),
    ) {
        let settings = Settings { trip, ..Settings::default() };
        let mut breaker = Breaker::new(settings, at(0));
        let limit = breaker.view(at(0)).limit as usize;
        let (mut now, mut past, mut opened) = (at(0), Vec::new(), None);
        for (wait, fails) in calls {
            now += at(wait);
            let outcome = if fails { Failure } else { Success };
            let before = breaker.view(now).state;
            let let_through = call(&mut breaker, outcome, now);
            match before {
                State::Closed => {
                    prop_assert!(let_through);
                    past.push((now, outcome));
                    let opens = naive(trip, &past, now) >= limit;
                    prop_assert_eq!(breaker.view(now).state == State::Open, opens);
                    if opens {
                        opened = Some(now);
                    }
                }
                State::Open => {
                    let rested = opened.is_none_or(|since| now - since >= settings.open_for);
                    prop_assert_eq!(let_through, rested);
                    if rested && fails {
                        opened = Some(now);
                    }
                }
                State::HalfOpen => {
                    prop_assert!(let_through, "each probe is answered at once");
                    if fails {
                        opened = Some(now);
                    }
                }
            }
            if breaker.view(now).state != State::Closed {
                past.clear();
            }
        }
    }
}
