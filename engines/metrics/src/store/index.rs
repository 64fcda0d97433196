//! Which series there are, found by their labels.

use std::collections::BTreeSet;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Matcher};

use super::series::{Newest, Series};

/// Every series, by slot, by labels, and by each label.
#[derive(Debug, Default)]
pub(super) struct Index {
    slots: Vec<Option<Arc<Series>>>,
    free: Vec<u32>,
    count: usize,
    /// Grows whenever a series comes or goes.
    generation: u64,
    /// High half of the next id.
    next: u32,
    hasher: DefaultHashBuilder,
    by_labels: HashTable<u32>,
    symbols: HashSet<Arc<str>>,
    /// Label name, label value, slots in rising order.
    postings: HashMap<Arc<str>, HashMap<Arc<str>, Vec<u32>>>,
}

impl Index {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// A number that grows whenever a series comes or goes.
    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }

    /// How many slots there are, empty ones included.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The high half of the next id.
    pub(super) const fn next(&self) -> u32 {
        self.next
    }

    /// Makes sure that no id below is given.
    pub(super) fn raise_next(&mut self, next: u32) {
        self.next = self.next.max(next);
    }

    pub(super) fn get(&self, id: u64) -> Option<&Arc<Series>> {
        self.in_slot(id as u32).filter(|series| series.id == id)
    }

    pub(super) fn in_slot(&self, slot: u32) -> Option<&Arc<Series>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Series>> {
        self.slots.iter().flatten()
    }

    pub(super) fn find(&self, labels: &Labels) -> Option<&Arc<Series>> {
        let same = |slot: &u32| self.in_slot(*slot).is_some_and(|series| series.labels == *labels);
        self.by_labels.find(self.hasher.hash_one(labels), same).and_then(|slot| self.in_slot(*slot))
    }

    /// Adds a series that is not there, under a new id.
    pub(super) fn add(&mut self, labels: &Labels, born: i64) -> Arc<Series> {
        let slot = self.free.pop().unwrap_or(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        let id = u64::from(self.next) << 32 | u64::from(slot);
        self.put(id, labels, Newest::Born(born))
    }

    /// Puts a series under a known id; whoever had the slot goes.
    pub(super) fn put(&mut self, id: u64, labels: &Labels, newest: Newest) -> Arc<Series> {
        let slot = id as u32;
        if self.in_slot(slot).is_some() {
            self.remove(slot);
            self.free.retain(|free| *free != slot);
        }
        self.raise_next(((id >> 32) as u32).saturating_add(1));
        let first_free = self.slots.len();
        if slot as usize >= first_free {
            self.slots.resize(slot as usize + 1, None);
            self.free.extend((first_free as u32..slot).rev());
        }
        let interned = Labels::from_pairs(
            labels.iter().map(|(name, value)| (self.intern(name), self.intern(value))).collect::<Vec<_>>(),
        );
        for (name, value) in interned.pairs() {
            let list = self.postings.entry(name.clone()).or_default().entry(value.clone()).or_default();
            match list.last() {
                Some(last) if *last > slot => {
                    let at = list.partition_point(|held| *held < slot);
                    list.insert(at, slot);
                }
                _ => list.push(slot),
            }
        }
        let series = Arc::new(Series::new(id, interned, newest));
        self.slots[slot as usize] = Some(Arc::clone(&series));
        self.count += 1;
        self.generation += 1;
        let hash = self.hasher.hash_one(&series.labels);
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_labels.insert_unique(hash, slot, |slot| {
            slots[*slot as usize].as_ref().map_or(0, |series| hasher.hash_one(&series.labels))
        });
        series
    }

    /// After [`Index::put`]s in any order: which slots are free.
    pub(super) fn rebuild_free(&mut self) {
        let empty = |(slot, held): (usize, &Option<_>)| held.is_none().then_some(slot as u32);
        self.free = self.slots.iter().enumerate().filter_map(empty).rev().collect();
    }

    /// Drops the series in a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(series) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        let hash = self.hasher.hash_one(&series.labels);
        if let Ok(entry) = self.by_labels.find_entry(hash, |held| *held == slot) {
            entry.remove();
        }
        for (name, value) in series.labels.pairs() {
            let Some(values) = self.postings.get_mut(name) else { continue };
            if let Some(list) = values.get_mut(value) {
                if let Ok(at) = list.binary_search(&slot) {
                    list.remove(at);
                }
                if list.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.postings.remove(name);
            }
        }
        self.free.push(slot);
        self.count -= 1;
        self.generation += 1;
    }

    /// Forgets strings that no series uses any more.
    pub(super) fn sweep_symbols(&mut self) {
        self.symbols.retain(|symbol| Arc::strong_count(symbol) > 1);
    }

    fn intern(&mut self, text: &str) -> Arc<str> {
        Arc::clone(self.symbols.get_or_insert_with(text, |text: &str| Arc::from(text)))
    }

    /// The series that fulfil all matchers, in slot order.
    pub(super) fn matching(&self, matchers: &[Matcher]) -> Vec<Arc<Series>> {
        // Lists of slots narrow the search; a matcher that an absent label fulfils has none.
        let (narrowing, filtering): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| !m.matches_empty());
        let keep = |series: &&Arc<Series>| {
            filtering.iter().all(|m| m.matches(series.labels.get(&m.name).unwrap_or_default()))
        };
        let mut lists: Vec<Vec<u32>> = Vec::with_capacity(narrowing.len());
        for matcher in &narrowing {
            let list = self.slots_of(matcher);
            if list.is_empty() {
                return Vec::new();
            }
            lists.push(list);
        }
        lists.sort_by_key(Vec::len);
        let Some((shortest, others)) = lists.split_first() else {
            return self.iter().filter(keep).cloned().collect();
        };
        shortest
            .iter()
            .filter(|slot| others.iter().all(|list| list.binary_search(slot).is_ok()))
            .filter_map(|slot| self.in_slot(*slot))
            .filter(keep)
            .cloned()
            .collect()
    }

    fn slots_of(&self, matcher: &Matcher) -> Vec<u32> {
        let Some(values) = self.postings.get(matcher.name.as_str()) else { return Vec::new() };
        let mut lists: Vec<&Vec<u32>> = match matcher.literal_alternatives() {
            Some(literals) => literals.iter().filter_map(|value| values.get(*value)).collect(),
            None => values.iter().filter(|(value, _)| matcher.matches(value)).map(|(_, list)| list).collect(),
        };
        if lists.len() == 1 {
            return lists.pop().cloned().unwrap_or_default();
        }
        let mut all: Vec<u32> = lists.into_iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// All label names.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.postings.keys().map(|name| &**name).collect()
    }

    /// All values of a label.
    pub(super) fn values(&self, name: &str) -> BTreeSet<&str> {
        self.postings.get(name).into_iter().flat_map(|values| values.keys()).map(|value| &**value).collect()
    }

    /// How many series each metric has.
    pub(super) fn metrics(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.postings.get(METRIC_NAME).into_iter().flatten().map(|(name, list)| (name, list.len()))
    }

    /// How many values each label has.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.postings.iter().map(|(name, values)| (name, values.len()))
    }

    /// How many series each `label=value` has.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, usize)> {
        self.postings
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |(value, list)| (name, value, list.len())))
    }

    /// The metric with the most series, its label with the most values, and both counts.
    pub(super) fn most(&self) -> Option<(Arc<str>, usize, Arc<str>, usize)> {
        let (metric, series) =
            self.metrics().max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name)))?;
        let mut values: HashMap<&Arc<str>, HashSet<&str>> = HashMap::new();
        for slot in self.postings.get(METRIC_NAME)?.get(metric)? {
            for (name, value) in
                self.in_slot(*slot)?.labels.pairs().iter().filter(|(n, _)| &**n != METRIC_NAME)
            {
                values.entry(name).or_default().insert(value);
            }
        }
        let widest = values.iter().max_by_key(|(name, held)| (held.len(), std::cmp::Reverse(**name)));
        let (label, count) = widest.map_or((Arc::from(""), 0), |(name, held)| (Arc::clone(name), held.len()));
        Some((Arc::clone(metric), series, label, count))
    }
}
