//! When a target is scraped: at a fixed phase of its interval, so that targets are spread and samples are evenly
//! spaced, whatever happens between.

use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use quarterdeck_kernel::time::millis;

/// How far a scrape may begin from its tick and still get the tick as its timestamp, in milliseconds. Even spacing
/// compresses much better.
const TOLERANCE: i64 = 2;

/// The rhythm of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rhythm {
    interval: i64,
    phase: i64,
}

impl Rhythm {
    /// The rhythm of a target with this hash: equal hashes keep their phase over restarts.
    pub(crate) fn new(interval: Duration, hash: u64) -> Self {
        let interval = millis(interval).max(1);
        let phase = i64::try_from(hash % interval.unsigned_abs()).unwrap_or_default();
        Self { interval, phase }
    }

    /// The next tick after `now` and after `last`, the tick that was used before. A timer that fires a little early
    /// does not use a tick twice; a clock that was set back does not stop the rhythm.
    pub(crate) fn next(self, now: Timestamp, last: Option<Timestamp>) -> Timestamp {
        let now = now.as_millis();
        let after = match last.map(Timestamp::as_millis) {
            Some(last) if last > now && last - now < self.interval => last,
            _ => now,
        };
        let since_phase = after.saturating_sub(self.phase);
        let ticks = since_phase.div_euclid(self.interval) + 1;
        Timestamp::from_millis(ticks.saturating_mul(self.interval).saturating_add(self.phase))
    }

    /// The timestamp of a scrape that was due at `tick` and began at `now`.
    pub(crate) fn stamp(self, tick: Timestamp, now: Timestamp) -> Timestamp {
        let tolerance = TOLERANCE.min(self.interval / 100);
        let off = now.as_millis().saturating_sub(tick.as_millis()).abs();
        if off <= tolerance { tick } else { now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn t(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn ticks_are_evenly_spaced_at_the_targets_phase() {
        let rhythm = Rhythm::new(Duration::from_secs(15), 15_000 * 7 + 4_321);
        let mut now = t(1_000_000);
        let mut last = None;
        for _ in 0..5 {
            let tick = rhythm.next(now, last);
            assert_eq!(tick.as_millis() % 15_000, 4_321);
            assert!(tick > now && tick.since(now) <= Duration::from_millis(15_001));
            if let Some(last) = last {
                assert_eq!(tick.since(last), Duration::from_secs(15));
            }
            last = Some(tick);
            // The timer fires one millisecond early.
            now = tick.plus_millis(-1);
        }
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_rhythm() {
        let rhythm = Rhythm::new(Duration::from_secs(15), 0);
        let last = rhythm.next(t(10_000_000), None);
        let tick = rhythm.next(t(1_000_000), Some(last));
        assert!(tick.since(t(1_000_000)) <= Duration::from_secs(15));
    }

    #[test]
    fn scrapes_close_to_their_tick_get_it_as_timestamp() {
        let rhythm = Rhythm::new(Duration::from_secs(15), 0);
        assert_eq!(rhythm.stamp(t(15_000), t(15_002)), t(15_000));
        assert_eq!(rhythm.stamp(t(15_000), t(15_003)), t(15_003));
        assert_eq!(Rhythm::new(Duration::from_millis(50), 0).stamp(t(50), t(51)), t(51));
    }
}
