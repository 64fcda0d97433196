//! Daily quotas: counted in memory, written to the store every second and read back at the start.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use super::limit::Who;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Consumers whose use of a day is remembered, and as many addresses: strangers, who can have many addresses, take no
/// consumer's room. Further ones are not held to a quota, and counted.
const MOST: usize = 100_000;

/// What callers have used today.
#[derive(Debug, Default)]
pub struct Quotas(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    day: i64,
    used: HashMap<Who, Used>,
    /// How many of those are addresses.
    addresses: usize,
    dirty: HashSet<Who>,
    overflow: u64,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    count: u64,
    /// The quota, as it was when the caller last called; not known of those that were read from the store.
    daily: Option<u64>,
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

/// How one caller stands with the quota of today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Who.
    pub who: Arc<str>,
    /// Requests used.
    pub used: u64,
    /// Requests there are a day; None until the caller has called since the start.
    pub daily: Option<u64>,
}

impl State {
    fn room(&self, who: &Who) -> bool {
        let (addresses, all) = (self.addresses, self.used.len());
        let taken = if matches!(who, Who::Address(_)) { addresses } else { all - addresses };
        taken < MOST
    }

    fn insert(&mut self, who: Who, used: Used) {
        let address = matches!(who, Who::Address(_));
        if self.used.insert(who, used).is_none() {
            self.addresses += usize::from(address);
        }
    }
}

impl Quotas {
    /// Takes over what was stored.
    pub fn load(&self, day: i64, used: impl IntoIterator<Item = (String, u64)>) {
        let mut state = self.0.lock();
        *state = State { day, ..State::default() };
        for (name, count) in used {
            let who = Who::read(&name);
            if state.room(&who) {
                state.insert(who, Used { count, daily: None });
            }
        }
    }

    /// Counts a request; `now` in seconds since 1970.
    pub fn take(&self, who: &Who, daily: u64, now: i64) -> Use {
        let mut state = self.0.lock();
        let day = now.div_euclid(DAY);
        // A clock that is set back does not bring yesterday's back.
        if day > state.day {
            state.day = day;
            state.used.clear();
            state.addresses = 0;
            state.dirty.clear();
        }
        let reset = u64::try_from((state.day + 1) * DAY - now).unwrap_or(0);
        if !state.used.contains_key(who) {
            if !state.room(who) {
                state.overflow += 1;
                return Use { allowed: true, left: daily, reset };
            }
            state.insert(who.clone(), Used { count: 0, daily: None });
        }
        let Some(used) = state.used.get_mut(who) else { return Use { allowed: true, left: daily, reset } };
        used.daily = Some(daily);
        if used.count >= daily {
            return Use { allowed: false, left: 0, reset };
        }
        used.count += 1;
        let left = daily - used.count;
        state.dirty.insert(who.clone());
        Use { allowed: true, left, reset }
    }

    /// What has changed since the last time, to be written: the day, and who has used how much.
    pub fn changed(&self) -> (i64, Vec<(Arc<str>, u64)>) {
        let mut state = self.0.lock();
        let dirty = std::mem::take(&mut state.dirty);
        let changed = dirty
            .into_iter()
            .filter_map(|who| state.used.get(&who).map(|used| (who.to_string().into(), used.count)));
        (state.day, changed.collect())
    }

    /// Writing failed: it is changed still.
    pub fn unchanged(&self, day: i64, names: impl IntoIterator<Item = Arc<str>>) {
        let mut state = self.0.lock();
        if state.day == day {
            state.dirty.extend(names.into_iter().map(|name| Who::read(&name)));
        }
    }

    /// Those who have used most today.
    #[must_use]
    pub fn top(&self, most: usize) -> Vec<Quota> {
        let state = self.0.lock();
        let mut all: Vec<(&Who, &Used)> = state.used.iter().collect();
        // Only those that are shown are worth a text.
        if all.len() > most {
            all.select_nth_unstable_by_key(most, |(_, used)| std::cmp::Reverse(used.count));
            all.truncate(most);
        }
        let text = |(who, used): (&Who, &Used)| Quota {
            who: who.to_string().into(),
            used: used.count,
            daily: used.daily,
        };
        let mut shown: Vec<Quota> = all.into_iter().map(text).collect();
        drop(state);
        shown.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.who.cmp(&b.who)));
        shown
    }

    /// Requests of callers that there was no room to remember.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        self.0.lock().overflow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_quota_and_the_next_begins_anew() {
        let (quotas, alice) = (Quotas::default(), Who::Consumer("alice".into()));
        quotas.load(10, [("alice".to_owned(), 1)]);
        let noon = 10 * DAY + DAY / 2;
        assert_eq!(quotas.top(1)[0].daily, None);
        assert_eq!(quotas.take(&alice, 2, noon), Use { allowed: true, left: 0, reset: 43_200 });
        assert!(!quotas.take(&alice, 2, noon + 1).allowed);
        assert_eq!(quotas.top(1), [Quota { who: "alice".into(), used: 2, daily: Some(2) }]);
        assert_eq!(quotas.changed(), (10, vec![("alice".into(), 2)]));
        assert_eq!(quotas.changed().1, []);
        assert!(quotas.take(&alice, 2, noon + DAY).allowed);
        assert!(quotas.take(&alice, 2, noon).allowed, "the day before does not come back");
        assert!(!quotas.take(&alice, 2, noon).allowed);
    }

    #[test]
    fn addresses_have_quotas_that_outlive_the_process_and_take_no_consumers_room() {
        let (quotas, now) = (Quotas::default(), 10 * DAY);
        let of = |n: u128| Who::address(std::net::Ipv6Addr::from(n << 64).into());
        for n in 0..MOST as u128 + 5 {
            assert!(quotas.take(&of(n), 1, now).allowed);
        }
        assert_eq!(quotas.overflow(), 5);
        assert!(!quotas.take(&of(7), 1, now).allowed);
        let alice = Who::Consumer("alice".into());
        assert!(quotas.take(&alice, 1, now).allowed && !quotas.take(&alice, 1, now).allowed);
        let (day, written) = quotas.changed();
        let again = Quotas::default();
        again.load(day, written.into_iter().map(|(name, used)| (name.to_string(), used)));
        assert!(!again.take(&of(7), 1, now).allowed && !again.take(&alice, 1, now).allowed);
        assert!(again.take(&of(7), 1, now + DAY).allowed);
    }
}
