//! Daily quotas: counted in memory, written to the store every second and read back at the start.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Consumers whose use of a day is remembered; further ones are not held to a quota, and counted.
const MOST: usize = 100_000;

/// What consumers have used today.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    day: i64,
    used: HashMap<Arc<str>, u64>,
    dirty: HashSet<Arc<str>>,
    overflow: u64,
}

/// What came of counting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// It is within the quota.
    pub allowed: bool,
    /// What is left today.
    pub left: u64,
    /// Seconds until the next day.
    pub reset: u64,
}

impl Quotas {
    /// Takes over what was stored.
    pub fn load(&self, day: i64, used: impl IntoIterator<Item = (String, u64)>) {
        let mut state = self.0.lock();
        state.day = day;
        state.used = used.into_iter().map(|(name, used)| (Arc::from(name), used)).collect();
    }

    /// Counts a request; `now` in seconds since 1970.
    pub fn take(&self, consumer: &Arc<str>, daily: u64, now: i64) -> Use {
        let mut state = self.0.lock();
        let day = now.div_euclid(DAY);
        // A clock that is set back does not bring yesterday's back.
        if day > state.day {
            state.day = day;
            state.used.clear();
            state.dirty.clear();
        }
        let reset = u64::try_from((state.day + 1) * DAY - now).unwrap_or(0);
        if state.used.len() >= MOST && !state.used.contains_key(consumer) {
            state.overflow += 1;
            return Use { allowed: true, left: daily, reset };
        }
        let used = state.used.entry(Arc::clone(consumer)).or_insert(0);
        if *used >= daily {
            return Use { allowed: false, left: 0, reset };
        }
        *used += 1;
        let left = daily - *used;
        state.dirty.insert(Arc::clone(consumer));
        Use { allowed: true, left, reset }
    }

    /// What has changed since the last time, to be written: the day, and who has used how much.
    pub fn changed(&self) -> (i64, Vec<(Arc<str>, u64)>) {
        let mut state = self.0.lock();
        let dirty = std::mem::take(&mut state.dirty);
        let changed =
            dirty.into_iter().filter_map(|name| state.used.get(&name).map(|used| (name.clone(), *used)));
        (state.day, changed.collect())
    }

    /// Writing failed: it is changed still.
    pub fn unchanged(&self, day: i64, names: impl IntoIterator<Item = Arc<str>>) {
        let mut state = self.0.lock();
        if state.day == day {
            state.dirty.extend(names);
        }
    }

    /// Those who have used most today.
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<(Arc<str>, u64)> {
        let state = self.0.lock();
        let mut all: Vec<(Arc<str>, u64)> =
            state.used.iter().map(|(name, used)| (name.clone(), *used)).collect();
        drop(state);
        all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_quota_and_the_next_begins_anew() {
        let (quotas, alice) = (Quotas::default(), Arc::from("alice"));
        quotas.load(10, [("alice".to_owned(), 1)]);
        let noon = 10 * DAY + DAY / 2;
        assert_eq!(quotas.take(&alice, 2, noon), Use { allowed: true, left: 0, reset: 43_200 });
        assert!(!quotas.take(&alice, 2, noon + 1).allowed);
        assert_eq!(quotas.changed(), (10, vec![(alice.clone(), 2)]));
        assert_eq!(quotas.changed().1, []);
        assert!(quotas.take(&alice, 2, noon + DAY).allowed);
        assert!(quotas.take(&alice, 2, noon).allowed, "the day before does not come back");
        assert!(!quotas.take(&alice, 2, noon).allowed);
    }
}
