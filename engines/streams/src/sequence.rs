//! Gaps in counters that messages carry.

use std::collections::HashMap;

/// Keys that are watched at most; those that come later are not.
const MAX_KEYS: usize = 10_000;

/// Numbers in a row at or below the highest one that mean that the sender has started to count anew.
const RESTART_AFTER: u32 = 16;

/// Watches counters, one per key.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    keys: HashMap<Box<str>, Counter>,
    /// The counter without a key: most feeds have no other, and it is asked for with each message.
    unkeyed: Option<Counter>,
    connection: u64,
    /// Numbers that never came.
    pub(crate) missing: u64,
    /// How often some did not come.
    pub(crate) gaps: u64,
    /// Numbers that came late or twice.
    pub(crate) out_of_order: u64,
}

#[derive(Debug)]
struct Counter {
    last: i64,
    behind: u32,
    connection: u64,
}

impl Sequences {
    /// Keys watched.
    pub(crate) fn keys(&self) -> usize {
        self.keys.len() + usize::from(self.unkeyed.is_some())
    }

    /// The connection is another one: a counter may begin anew without that being disorder.
    pub(crate) fn reconnected(&mut self) {
        self.connection += 1;
    }

    /// Takes the next number of a key; says how many are missing before it.
    pub(crate) fn take(&mut self, key: &str, number: i64) -> u64 {
        let (connection, room) = (self.connection, self.keys() < MAX_KEYS);
        let known = if key.is_empty() { self.unkeyed.as_mut() } else { self.keys.get_mut(key) };
        let Some(counter) = known else {
            let counter = Counter { last: number, behind: 0, connection };
            match key {
                _ if !room => {}
                "" => self.unkeyed = Some(counter),
                key => drop(self.keys.insert(key.into(), counter)),
            }
            return 0;
        };
        let first_of_connection = std::mem::replace(&mut counter.connection, connection) != connection;
        if number > counter.last {
            let missing = number.abs_diff(counter.last) - 1;
            (counter.last, counter.behind) = (number, 0);
            self.missing = self.missing.saturating_add(missing);
            self.gaps += u64::from(missing > 0);
            return missing;
        }
        counter.behind += 1;
        if first_of_connection || counter.behind >= RESTART_AFTER {
            (counter.last, counter.behind) = (number, 0);
        } else {
            self.out_of_order += 1;
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_per_key() {
        let mut s = Sequences::default();
        for (key, number) in [("a", 1), ("b", 10), ("a", 2), ("b", 13), ("a", 5), ("a", 6), ("", 7), ("", 8)]
        {
            s.take(key, number);
        }
        assert_eq!((s.missing, s.gaps, s.out_of_order, s.keys()), (4, 2, 0, 3));
    }

    #[test]
    fn repeated_and_late_numbers_are_no_gap() {
        let mut s = Sequences::default();
        for number in [1, 2, 2, 4, 3, 5] {
            s.take("", number);
        }
        assert_eq!((s.missing, s.gaps, s.out_of_order), (1, 1, 2));
    }

    #[test]
    fn a_new_connection_may_begin_anew_but_its_gaps_count() {
        let mut s = Sequences::default();
        s.take("", 100);
        s.reconnected();
        assert_eq!(s.take("", 1), 0);
        assert_eq!(s.out_of_order, 0);
        s.reconnected();
        assert_eq!(s.take("", 5), 3);
    }

    #[test]
    fn a_sender_that_restarts_within_a_connection_is_followed() {
        let mut s = Sequences::default();
        s.take("", 1_000_000);
        (1..=100).for_each(|n| {
            s.take("", n);
        });
        assert_eq!(s.out_of_order, u64::from(RESTART_AFTER) - 1);
        assert_eq!(s.take("", 103), 2);
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let mut s = Sequences::default();
        s.take("", i64::MIN);
        s.take("", i64::MAX);
        assert_eq!(s.missing, u64::MAX - 1);
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let mut s = Sequences::default();
        (0..20_000).for_each(|n| {
            s.take(&n.to_string(), 1);
        });
        assert_eq!(s.keys(), MAX_KEYS);
    }
}
