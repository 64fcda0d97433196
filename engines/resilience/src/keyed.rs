//! One limiter, breaker or whatever else per key (user, address, endpoint), with a bound on how many: strangers can make up
//! keys as fast as they can send.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

use crate::Moment;

/// Values by key. When there is no room for a new key, one that may be forgotten without anybody noticing makes way; if
/// there is none such, the one that was used longest ago of some that are looked at.
#[derive(Debug)]
pub struct Keyed<K, V> {
    values: HashMap<K, Entry<V>>,
    /// Keys in the order in which they are looked at for one that may go.
    ring: Vec<K>,
    hand: usize,
    most: usize,
    evicted: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used: Moment,
    /// Its place in the ring.
    place: usize,
}

/// How many are looked at for one that may go.
const LOOK: usize = 8;

impl<K: Clone + Eq + Hash, V> Keyed<K, V> {
    /// At most `most` keys, and at least one.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { values: HashMap::new(), ring: Vec::new(), hand: 0, most: most.max(1), evicted: 0 }
    }

    /// The value of a key, made if it is not there. `idle` says whether a value may be forgotten without anybody noticing.
    pub fn get(
        &mut self,
        key: &K,
        now: Moment,
        make: impl FnOnce() -> V,
        idle: impl Fn(&V, Moment) -> bool,
    ) -> &mut V {
        if self.values.len() >= self.most && !self.values.contains_key(key) {
            self.make_room(now, idle);
        }
        let place = self.ring.len();
        let entry =
            self.values.entry(key.clone()).or_insert_with(|| Entry { value: make(), used: now, place });
        if entry.place == place {
            self.ring.push(key.clone());
        }
        entry.used = entry.used.max(now);
        &mut entry.value
    }

    /// The value of a key, if it is there.
    pub fn peek<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(key).map(|entry| &entry.value)
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.values.iter().map(|(key, entry)| (key, &entry.value))
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.values.remove(key)?;
        self.ring.swap_remove(entry.place);
        if let Some(moved) = self.ring.get(entry.place).and_then(|key| self.values.get_mut(key)) {
            moved.place = entry.place;
        }
        Some(entry.value)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// How many made way although they were in use.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn make_room(&mut self, now: Moment, idle: impl Fn(&V, Moment) -> bool) {
        let mut oldest: Option<(Moment, K)> = None;
        for _ in 0..LOOK.min(self.ring.len()) {
            self.hand = (self.hand + 1) % self.ring.len();
            let key = &self.ring[self.hand];
            let Some(entry) = self.values.get(key) else { continue };
            if idle(&entry.value, now) {
                let key = key.clone();
                self.remove(&key);
                return;
            }
            if oldest.as_ref().is_none_or(|(used, _)| entry.used < *used) {
                oldest = Some((entry.used, key.clone()));
            }
        }
        if let Some((_, key)) = oldest {
            self.remove(&key);
            self.evicted += 1;
        }
    }
}
