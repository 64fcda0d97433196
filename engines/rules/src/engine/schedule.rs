//! When a group is evaluated.

use std::time::Duration;

use quarterdeck_kernel::{Labels, Timestamp, time::millis};
use quarterdeck_promql::labels_hash;

/// The moments of a group: multiples of its interval, shifted by an offset that its name and file decide, so that
/// groups spread over time and each keeps its place over restarts. Offsets are Prometheus's, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    interval: i64,
    offset: i64,
}

impl Schedule {
    /// The moments of the group `name` of `file`.
    #[must_use]
    pub fn new(name: &str, file: &str, interval: Duration) -> Self {
        let interval = millis(interval).max(1);
        let nanos = u64::try_from(interval).unwrap_or(1).saturating_mul(1_000_000);
        let hash = labels_hash(&Labels::from_pairs([("name", name), ("file", file)]));
        Self { interval, offset: i64::try_from(hash % nanos / 1_000_000).unwrap_or_default() }
    }

    /// The newest moment that is not after `now`.
    #[must_use]
    pub fn at_or_before(&self, now: Timestamp) -> Timestamp {
        let shifted = now.as_millis() - self.offset;
        Timestamp::from_millis(shifted - shifted.rem_euclid(self.interval) + self.offset)
    }

    /// The first moment after `now`.
    #[must_use]
    pub fn after(&self, now: Timestamp) -> Timestamp {
        self.at_or_before(now).plus_millis(self.interval)
    }

    /// How many moments lie between two evaluations: those that were left out.
    #[must_use]
    pub fn missed(&self, before: Timestamp, at: Timestamp) -> u64 {
        u64::try_from((at.as_millis() - before.as_millis()) / self.interval - 1).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_aligned_and_spread() {
        let schedule = |name| Schedule::new(name, "rules.yml", Duration::from_secs(60));
        let now = Timestamp::from_millis(1_700_000_012_345);
        let mut offsets = std::collections::BTreeSet::new();
        for name in ["a", "b", "c", "d"] {
            let schedule = schedule(name);
            let at = schedule.at_or_before(now);
            assert!(at <= now && now.as_millis() - at.as_millis() < 60_000);
            assert_eq!(schedule.after(now).as_millis() - at.as_millis(), 60_000);
            assert_eq!(schedule.at_or_before(at), at);
            assert_eq!(schedule.missed(at, at.plus_millis(180_000)), 2);
            offsets.insert(at.as_millis().rem_euclid(60_000));
        }
        assert_eq!(offsets.len(), 4);
        assert_eq!(schedule("a"), schedule("a"));
    }
}
