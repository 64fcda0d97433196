//! Rate limiters in simulated time: what all promise, against a plain count of what was let through.

use std::time::Duration;

use proptest::prelude::*;
use quarterdeck_resilience::Moment;
use quarterdeck_resilience::keyed::Keyed;
use quarterdeck_resilience::limit::{Algorithm, AnyLimiter, Limiter, Rate, SlidingLog, TokenBucket};

const ALL: [Algorithm; 4] =
    [Algorithm::TokenBucket, Algorithm::SlidingLog, Algorithm::SlidingCounter, Algorithm::Gcra];

fn ms(millis: u64) -> Moment {
    Duration::from_millis(millis)
}

#[test]
fn the_rate_at_once_then_none_then_again_after_the_wait() {
    for algorithm in ALL {
        let mut limiter = AnyLimiter::new(algorithm, Rate::per_second(10), None, ms(0));
        for n in (0..10).rev() {
            let decision = limiter.take(1, ms(0));
            assert!(decision.allowed, "{algorithm:?}");
            assert_eq!(decision.remaining, n, "{algorithm:?}");
            assert_eq!(decision.wait, Some(Duration::ZERO));
        }
        let refused = limiter.take(1, ms(0));
        assert!(!refused.allowed, "{algorithm:?}");
        let wait = refused.wait.expect("a wait");
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(2), "{algorithm:?} {wait:?}");
        assert!(!limiter.is_idle(ms(0)));
        assert!(!limiter.take(1, wait - Duration::from_nanos(1)).allowed, "{algorithm:?}: before {wait:?}");
        assert!(limiter.take(1, wait).allowed, "{algorithm:?}: after {wait:?}");
        assert!(limiter.is_idle(ms(60_000)));
        let too_many = limiter.take(11, ms(60_000));
        assert_eq!((too_many.allowed, too_many.wait), (false, None), "{algorithm:?}: never");
        assert_eq!(limiter.take(0, ms(60_000)).remaining, 10, "{algorithm:?}: asking costs nothing");
    }
}

#[test]
fn a_rate_of_none_allows_none() {
    for algorithm in ALL {
        let mut limiter = AnyLimiter::new(algorithm, Rate::per_second(0), None, ms(0));
        let decision = limiter.take(1, ms(5_000));
        assert_eq!((decision.allowed, decision.wait), (false, None), "{algorithm:?}");
    }
}

#[test]
fn tokens_are_neither_lost_nor_won() {
    // 3 in 7 s, asked each 100 ms for 7,000 s: as many as came.
    let mut bucket = TokenBucket::new(Rate { count: 3, period: Duration::from_secs(7) }, 3, ms(0));
    let allowed = (0..70_000_u64).filter(|tick| bucket.take(1, ms(tick * 100)).allowed).count();
    assert_eq!(allowed, 3 + 2_999);
}

#[test]
fn a_log_waits_for_as_many_as_must_leave() {
    let mut log = SlidingLog::new(Rate { count: 5, period: Duration::from_secs(10) });
    for (second, n) in [(0, 2), (3, 1), (4, 2)] {
        assert!(log.take(n, ms(second * 1_000)).allowed);
    }
    assert_eq!(log.take(2, ms(5_000)).wait, Some(Duration::from_secs(5)), "the two of second 0");
    assert_eq!(log.take(3, ms(5_000)).wait, Some(Duration::from_secs(8)), "and the one of second 3");
    assert_eq!(log.take(3, ms(5_000)).reset, Duration::from_secs(9));
}

#[test]
fn strangers_do_not_fill_the_memory() {
    let mut keyed: Keyed<u32, TokenBucket> = Keyed::new(100);
    let make = || TokenBucket::new(Rate::per_second(1), 1, ms(0));
    let idle = |bucket: &TokenBucket, now| bucket.is_idle(now);
    // One who is watched all the time, among a flood of others.
    let mut allowed = 0;
    for n in 1..10_000_u32 {
        let now = ms(u64::from(n) / 10);
        keyed.get(&n, now, make, idle).take(1, now);
        allowed += u32::from(keyed.get(&0, now, make, idle).take(1, now).allowed);
        assert!(keyed.len() <= 100);
    }
    assert_eq!(allowed, 1, "who is active is not forgotten");
    assert!(keyed.evicted() > 9_000);
    // Those who are idle go first, and are not counted.
    let (before, later) = (keyed.evicted(), ms(100_000));
    for n in 20_000..20_100_u32 {
        keyed.get(&n, later, make, idle);
    }
    assert_eq!(keyed.evicted(), before);
    assert!(keyed.remove(&20_050).is_some() && keyed.peek(&20_050).is_none());
}

proptest! {
    /// Whatever comes: a refusal tells when to come again, and then it is allowed; and no limiter lets more through in a
    /// period than it may: the log the rate exactly, those with a burst the rate and the burst, the counter, which guesses,
    /// at most twice the rate.
    #[test]
    fn no_more_than_may_be_and_the_wait_is_true(
        count in 1_u32..20,
        period in 1_u64..5_000,
        asks in prop::collection::vec((0_u64..2_000, 1_u32..4), 1..150),
    ) {
        let rate = Rate { count, period: ms(period) };
        for algorithm in ALL {
            let mut limiter = AnyLimiter::new(algorithm, rate, None, ms(0));
            let (mut now, mut taken): (Moment, Vec<(Moment, u32)>) = (ms(0), Vec::new());
            for &(wait, n) in &asks {
                now += ms(wait);
                let mut decision = limiter.take(n, now);
                if let (false, Some(wait)) = (decision.allowed, decision.wait) {
                    prop_assert!(!limiter.take(n, now + wait - Duration::from_nanos(1)).allowed, "{algorithm:?} early");
                    now += wait;
                    decision = limiter.take(n, now);
                    prop_assert!(decision.allowed, "{algorithm:?}: told to wait {wait:?}, and refused");
                }
                prop_assert_eq!(decision.allowed, n <= count, "{:?}: only what is too much at once is never allowed", algorithm);
                if decision.allowed {
                    taken.push((now, n));
                }
                let in_window: u32 = taken.iter().filter(|(at, _)| now - *at < rate.period).map(|(_, n)| n).sum();
                let most = match algorithm {
                    Algorithm::SlidingLog => count,
                    _ => 2 * count,
                };
                prop_assert!(in_window <= most, "{algorithm:?}: {in_window} of {most}");
                prop_assert!(limiter.is_idle(now + decision.reset), "{algorithm:?}");
            }
        }
    }
}
