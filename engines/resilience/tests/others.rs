//! Retries, bulkheads, outliers and health in simulated time.

use std::time::Duration;

use proptest::prelude::*;
use quarterdeck_resilience::Moment;
use quarterdeck_resilience::Outcome::{Failure, Success};
use quarterdeck_resilience::bulkhead::{self, Bulkhead, Entry, Ticket};
use quarterdeck_resilience::health::{self, Checks, Kind, Monitor};
use quarterdeck_resilience::outlier::{self, Change, Outliers, Why};
use quarterdeck_resilience::retry::{Backoff, Budget, BudgetSettings, Jitter, Policy, Random};

fn at(seconds: u64) -> Moment {
    Duration::from_secs(seconds)
}

#[test]
fn waits_grow_as_asked_up_to_the_cap_and_attempts_are_counted() {
    let waits = |backoff| {
        let policy = Policy { backoff, attempts: 9, jitter: Jitter::None, ..Policy::default() };
        (1..12)
            .map_while(|made| policy.wait(made, true, 0.5))
            .map(|wait| wait.as_secs_f64())
            .collect::<Vec<_>>()
    };
    assert_eq!(waits(Backoff::Fixed), [1.0; 8]);
    assert_eq!(waits(Backoff::Linear), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    assert_eq!(waits(Backoff::Exponential { factor: 2.0 }), [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    assert_eq!(waits(Backoff::Fibonacci), [1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0]);
    assert_eq!(waits(Backoff::Exponential { factor: f64::NAN })[1..], [30.0; 7], "nonsense waits longest");
    let policy = Policy::default();
    assert!(policy.wait(2, true, 0.0).is_some() && policy.wait(3, true, 0.0).is_none(), "three in all");
    assert_eq!(policy.wait(1, false, 0.0), None, "not what cannot be done twice");
    assert!(Policy { not_idempotent: true, ..policy }.wait(1, false, 0.0).is_some());
    let spread =
        |jitter, random| Policy { jitter, ..policy }.wait(2, true, random).map(|wait| wait.as_secs_f64());
    assert_eq!(spread(Jitter::Full, 0.25), Some(0.5));
    assert_eq!(spread(Jitter::Equal, 0.0), Some(1.0));
    assert_eq!(spread(Jitter::Equal, 0.5), Some(1.5));
    assert_eq!(spread(Jitter::Below { share: 0.5 }, 0.5), Some(1.5));
    assert_eq!(spread(Jitter::Below { share: 7.0 }, 0.5), Some(1.0), "a share is no more than all");
    let around = |random| spread(Jitter::Around { share: 0.5 }, random);
    assert_eq!([0.0, 0.5, 0.75].map(around), [Some(1.0), Some(2.0), Some(2.5)]);
    let longest = Policy { attempts: Policy::FOREVER, jitter: Jitter::Around { share: 0.5 }, ..policy };
    let waited = longest.wait(u32::MAX, true, 0.75).expect("for ever");
    assert_eq!(waited, Duration::from_millis(37_500), "around the cap");
}

#[test]
fn equal_seeds_wait_equally_and_others_do_not() {
    let numbers = |seed| {
        let mut random = Random::new(seed);
        (0..1_000).map(|_| random.unit()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(7), numbers(7));
    assert_ne!(numbers(7), numbers(8));
    let mean = numbers(9).iter().sum::<f64>() / 1_000.0;
    assert!((0.45..0.55).contains(&mean) && numbers(9).iter().all(|n| (0.0..1.0).contains(n)), "{mean}");
}

proptest! {
    #[test]
    fn no_wait_is_longer_than_the_cap(made in 0_u32..2_000, random in 0.0..1.0, factor in prop::num::f64::ANY) {
        for backoff in [Backoff::Fixed, Backoff::Linear, Backoff::Exponential { factor }, Backoff::Fibonacci] {
            for jitter in [Jitter::None, Jitter::Full, Jitter::Equal, Jitter::Below { share: factor }] {
                let policy = Policy { backoff, jitter, attempts: u32::MAX, ..Policy::default() };
                if let Some(wait) = policy.wait(made, true, random) {
                    prop_assert!(wait <= policy.cap);
                }
            }
        }
    }

    /// However calls come, in no window are there more retries than its share and the floor allow, but for one slice.
    #[test]
    fn retries_are_a_share_of_calls(steps in prop::collection::vec((0_u64..900, 0_u32..20, 0_u32..20), 1..100)) {
        let settings = BudgetSettings { ratio: 0.2, per_second: 1.0, window: at(10) };
        let mut budget = Budget::new(settings);
        let (mut now, mut calls, mut retries) = (at(0), Vec::new(), Vec::new());
        for (wait, called, retried) in steps {
            now += Duration::from_millis(wait);
            for _ in 0..called {
                budget.call(now);
                calls.push(now);
            }
            for _ in 0..retried {
                if budget.retry(now) {
                    retries.push(now);
                }
            }
            let within = |times: &[Moment], window: Moment| times.iter().filter(|at| now - **at < window).count() as f64;
            prop_assert!(within(&retries, at(9)) <= 0.2 * within(&calls, at(11)) + 10.0);
        }
    }
}

#[test]
fn a_storm_of_failures_is_not_doubled() {
    let mut budget = Budget::new(BudgetSettings { ratio: 0.1, per_second: 0.0, window: at(10) });
    let mut allowed = 0;
    for n in 0..1_000 {
        let now = Duration::from_millis(n * 10);
        budget.call(now);
        allowed += u32::from(budget.retry(now));
    }
    assert_eq!(allowed, 100, "a tenth");
    assert_eq!(budget.refused(), 900);
    assert!(!budget.retry(at(3_600)), "old calls count no more");
}

#[test]
fn a_bulkhead_runs_some_queues_some_and_sends_the_rest_away() {
    let settings = bulkhead::Settings { concurrency: 2, queue: 2, wait: at(5) };
    let mut bulkhead = Bulkhead::new(settings);
    assert_eq!([bulkhead.enter(at(0)), bulkhead.enter(at(0))], [Entry::Run, Entry::Run]);
    let Entry::Wait(first, until) = bulkhead.enter(at(1)) else { panic!("it waits") };
    assert_eq!(until, at(6));
    let Entry::Wait(second, _) = bulkhead.enter(at(2)) else { panic!("it waits") };
    assert_eq!(bulkhead.enter(at(2)), Entry::Full);
    assert_eq!(bulkhead.leave(at(3)), Some(first), "first come, first served");
    assert!(!bulkhead.cancel(first), "it has been called");
    assert_eq!(bulkhead.next_expiry(), Some(at(7)));
    assert_eq!(bulkhead.expire(at(7)), [second]);
    assert_eq!(bulkhead.leave(at(8)), None);
    let view = bulkhead.view();
    assert_eq!((view.running, view.waiting, view.entered, view.refused, view.expired), (1, 0, 3, 1, 1));
    assert_eq!(bulkhead.enter(at(8)), Entry::Run);
}

proptest! {
    /// Never more than may run, nobody overtaken, nobody forgotten.
    #[test]
    fn a_bulkhead_never_holds_more_than_it_may(steps in prop::collection::vec((0_u8..4, 0_u64..4), 1..300)) {
        let settings = bulkhead::Settings { concurrency: 3, queue: 4, wait: at(5) };
        let mut bulkhead = Bulkhead::new(settings);
        let (mut now, mut running, mut waiting): (Moment, u32, Vec<Ticket>) = (at(0), 0, Vec::new());
        for (what, wait) in steps {
            now += at(wait);
            match what {
                0 | 1 => match bulkhead.enter(now) {
                    Entry::Run => running += 1,
                    Entry::Wait(ticket, _) => waiting.push(ticket),
                    Entry::Full => prop_assert_eq!(waiting.len(), 4),
                },
                2 if running > 0 => {
                    running -= 1;
                    if let Some(ticket) = bulkhead.leave(now) {
                        prop_assert!(waiting.contains(&ticket));
                        running += 1;
                        waiting.retain(|other| *other != ticket);
                    }
                }
                _ => {
                    for ticket in bulkhead.expire(now) {
                        prop_assert!(waiting.contains(&ticket));
                        waiting.retain(|other| *other != ticket);
                    }
                }
            }
            let view = bulkhead.view();
            prop_assert_eq!((view.running, view.waiting as usize), (running, waiting.len()));
            prop_assert!(running <= 3 && waiting.len() <= 4);
        }
    }
}

#[test]
fn who_fails_is_left_out_longer_each_time_but_never_too_many() {
    let mut outliers = Outliers::new(outlier::Settings::default(), ["a", "b", "c", "d"], at(0));
    let fail = |outliers: &mut Outliers<&'static str>, who, now| {
        (0..5).find_map(|_| outliers.tell(&who, Failure, now))
    };
    let ejected =
        |member, seconds| Some(Change::Ejected { member, why: Why::Consecutive(5), until: at(seconds) });
    assert_eq!(fail(&mut outliers, "a", at(0)), ejected("a", 30));
    assert_eq!(fail(&mut outliers, "b", at(1)), ejected("b", 31));
    assert_eq!(fail(&mut outliers, "c", at(2)), None, "half of them are out");
    assert_eq!(outliers.spared(), 1);
    assert!(!outliers.is_in(&"a") && outliers.is_in(&"c"));
    assert_eq!(outliers.next_tick(), at(10));
    assert_eq!(outliers.tick(at(30)), [Change::Returned { member: "a" }]);
    assert_eq!(fail(&mut outliers, "a", at(30)), ejected("a", 90), "twice as long");
    outliers.tell(&"d", Failure, at(31));
    outliers.tell(&"d", Success, at(31));
    assert_eq!((0..4).find_map(|_| outliers.tell(&"d", Failure, at(32))), None, "not one after the other");
    // Quiet intervals are forgiven.
    for second in (40..400).step_by(10) {
        outliers.tick(at(second));
    }
    assert_eq!(fail(&mut outliers, "a", at(400)), ejected("a", 430));
    outliers.set_members(["a", "e"]);
    assert!(!outliers.is_in(&"a") && outliers.is_in(&"e") && !outliers.is_in(&"b"));
}

#[test]
fn a_share_of_failures_ejects_at_the_end_of_an_interval() {
    let settings = outlier::Settings {
        consecutive: 0,
        failure_share: Some(0.3),
        least_calls: 10,
        ..outlier::Settings::default()
    };
    let mut outliers = Outliers::new(settings, ["a", "b", "c"], at(0));
    for n in 0..20 {
        outliers.tell(&"a", if n % 2 == 0 { Failure } else { Success }, at(1));
        outliers.tell(&"b", if n % 4 == 0 { Failure } else { Success }, at(1));
    }
    (0..9).for_each(|_| {
        outliers.tell(&"c", Failure, at(1));
    });
    assert_eq!(outliers.tick(at(9)), []);
    assert_eq!(outliers.tick(at(10)), [Change::Ejected { member: "a", why: Why::Share(0.5), until: at(40) }]);
}

#[test]
fn startup_first_then_readiness_and_liveness() {
    let each = |seconds| health::Settings { period: at(seconds), ..health::Settings::default() };
    let checks = Checks { startup: Some(each(1)), readiness: Some(each(5)), liveness: Some(each(10)) };
    let mut monitor = Monitor::new(checks, at(0));
    assert_eq!(monitor.due(at(0)), [(Kind::Startup, at(1))]);
    assert!(monitor.due(at(0)).is_empty(), "it is being asked");
    assert_eq!(monitor.tell(Kind::Startup, Failure, at(0)), None);
    assert_eq!(monitor.next_due(), Some(at(1)));
    monitor.due(at(1));
    let health = monitor.tell(Kind::Startup, Success, at(1)).expect("it came up");
    assert_eq!((health.started, health.ready, health.live), (true, false, true));
    assert_eq!(monitor.due(at(1)), [(Kind::Readiness, at(1)), (Kind::Liveness, at(1))]);
    assert!(monitor.tell(Kind::Readiness, Success, at(2)).expect("a change").ready);
    assert_eq!(monitor.tell(Kind::Liveness, Success, at(2)), None);
    assert_eq!(monitor.next_due(), Some(at(6)), "a slow answer does not move the beat");
    for (second, changed) in [(6, false), (11, false), (16, true)] {
        monitor.due(at(second));
        let health = monitor.tell(Kind::Readiness, Failure, at(second));
        assert_eq!(health.is_some_and(|health| !health.ready), changed, "at {second}");
        monitor.tell(Kind::Liveness, Success, at(second));
    }
    assert_eq!(monitor.tell(Kind::Startup, Failure, at(17)), None, "nobody asked");
}

#[test]
fn who_is_known_to_be_well_is_so_until_checks_fail() {
    let each = health::Settings::default();
    let checks = Checks { startup: Some(each), readiness: Some(each), liveness: Some(each) };
    let mut monitor = Monitor::well(checks, at(0));
    assert_eq!(monitor.health(), health::Health { started: true, ready: true, live: true });
    for (second, ready) in [(0, true), (10, true), (20, false)] {
        assert_eq!(monitor.due(at(second)), [(Kind::Readiness, at(1)), (Kind::Liveness, at(1))]);
        monitor.tell(Kind::Readiness, Failure, at(second));
        monitor.tell(Kind::Liveness, Success, at(second));
        assert_eq!(monitor.health().ready, ready, "at {second}");
    }
}

#[test]
fn what_never_comes_up_is_not_live() {
    let checks = Checks { startup: Some(health::Settings::default()), ..Checks::default() };
    let mut monitor = Monitor::new(checks, at(0));
    for second in [0, 10, 20] {
        assert!(monitor.health().live);
        monitor.due(at(second));
        monitor.tell(Kind::Startup, Failure, at(second));
    }
    assert!(!monitor.health().live && !monitor.health().started);
    assert_eq!(
        Monitor::new(Checks::default(), at(0)).health(),
        health::Health { started: true, ready: true, live: true }
    );
}

#[test]
fn who_comes_up_is_asked_more_often_until_it_is_ready_once() {
    let at = |seconds| Duration::from_secs(seconds);
    let checks = Checks { readiness: Some(health::Settings::default()), ..Checks::default() };
    let mut monitor = Monitor::new(checks, at(0)).eager(at(1));
    let mut asked = Vec::new();
    for second in 0..40 {
        for (kind, _) in monitor.due(at(second)) {
            asked.push(second);
            // It comes up at 3 s, and is unwell from 20 s on.
            let outcome = if (3..20).contains(&second) { Success } else { Failure };
            monitor.tell(kind, outcome, at(second));
        }
    }
    assert_eq!(asked, [0, 1, 2, 3, 13, 23, 33]);
}

#[test]
fn a_check_that_could_not_be_made_counts_for_nothing_and_comes_again() {
    let each = health::Settings { failures: 1, ..health::Settings::default() };
    let checks = Checks { readiness: Some(each), ..Checks::default() };
    let mut monitor = Monitor::well(checks, at(0));
    for second in [0, 10, 20] {
        assert_eq!(monitor.due(at(second)), [(Kind::Readiness, at(1))], "at {second}");
        monitor.unmade(Kind::Readiness, at(second + 1));
        assert!(monitor.health().ready && monitor.due(at(second + 9)).is_empty());
    }
    monitor.unmade(Kind::Readiness, at(25));
    monitor.unmade(Kind::Liveness, at(25));
    assert_eq!(monitor.next_due(), Some(at(30)), "what nobody asked changes nothing");
    monitor.due(at(30));
    assert!(!monitor.tell(Kind::Readiness, Failure, at(30)).expect("a change").ready);
}
