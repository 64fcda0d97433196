//! Which series there are, found by their labels.

mod load;

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};
use quarterdeck_kernel::Matcher;
use quarterdeck_kernel::labels::METRIC_NAME;

use super::labels::{LabelSet, Pair};
use super::series::{Newest, Series};
pub(super) use load::Loader;

/// A pair, found by its value among those of one name.
#[derive(Debug)]
struct ByValue(Arc<Pair>);

impl Borrow<str> for ByValue {
    fn borrow(&self) -> &str {
        &self.0.value
    }
}

impl Hash for ByValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.value.hash(state);
    }
}

impl PartialEq for ByValue {
    fn eq(&self, other: &Self) -> bool {
        self.0.value == other.0.value
    }
}

impl Eq for ByValue {}

/// Slots in rising order. Most values of some labels have one series alone: that one needs no allocation.
#[derive(Debug)]
enum Slots {
    One(u32),
    Many(Vec<u32>),
}

impl Slots {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(slot) => std::slice::from_ref(slot),
            Self::Many(list) => list,
        }
    }

    fn add(&mut self, slot: u32) {
        match self {
            Self::One(only) => *self = Self::Many(vec![slot.min(*only), slot.max(*only)]),
            Self::Many(list) => {
                if list.len() == list.capacity() {
                    // Doubling would leave a quarter of all lists empty.
                    list.reserve_exact((list.len() / 4).max(4));
                }
                match list.last() {
                    Some(last) if *last > slot => {
                        let at = list.partition_point(|held| *held < slot);
                        list.insert(at, slot);
                    }
                    _ => list.push(slot),
                }
            }
        }
    }

    /// Takes a slot out; says whether none is left.
    fn remove(&mut self, slot: u32) -> bool {
        match self {
            Self::One(only) => *only == slot,
            Self::Many(list) => {
                if let Ok(at) = list.binary_search(&slot) {
                    list.remove(at);
                }
                if list.len() < list.capacity() / 2 {
                    list.shrink_to_fit();
                }
                list.is_empty()
            }
        }
    }
}

/// Labels as texts, sorted by name.
pub(super) trait Text<'l>: ExactSizeIterator<Item = (&'l str, &'l str)> + Clone {}

impl<'l, T: ExactSizeIterator<Item = (&'l str, &'l str)> + Clone> Text<'l> for T {}

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
    /// Label name, label value, slots.
    postings: HashMap<Arc<str>, HashMap<ByValue, Slots>>,
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

    pub(super) fn find<'l>(&self, labels: &impl Text<'l>) -> Option<&Arc<Series>> {
        let same = |slot: &u32| self.in_slot(*slot).is_some_and(|series| series.labels.is(labels.clone()));
        self.by_labels.find(self.hash(labels.clone()), same).and_then(|slot| self.in_slot(*slot))
    }

    /// Adds a series that is not there, under a new id.
    pub(super) fn add<'l>(&mut self, labels: impl Text<'l>, born: i64) -> Arc<Series> {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let id = u64::from(self.next) << 32 | u64::from(slot);
        self.raise_next(self.next.saturating_add(1));
        let labels = LabelSet::new(labels.map(|(name, value)| self.post(name, value, slot)).collect());
        let series = Arc::new(Series::new(id, labels, Newest::Born(born)));
        self.slots[slot as usize] = Some(Arc::clone(&series));
        self.count += 1;
        self.generation += 1;
        self.list(slot, &series);
        series
    }

    /// Makes a series known by its labels.
    fn list(&mut self, slot: u32, series: &Series) {
        let hash = self.hash(series.labels.iter());
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.by_labels.insert_unique(hash, slot, |slot| {
            slots[*slot as usize].as_ref().map_or(0, |series| hash_of(hasher, series.labels.iter()))
        });
    }

    /// Drops the series in a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(series) = self.slots.get_mut(slot as usize).and_then(Option::take) else { return };
        let hash = self.hash(series.labels.iter());
        if let Ok(entry) = self.by_labels.find_entry(hash, |held| *held == slot) {
            entry.remove();
        }
        for pair in series.labels.pairs() {
            let Some(values) = self.postings.get_mut(&pair.name) else { continue };
            if values.get_mut(&*pair.value).is_some_and(|list| list.remove(slot)) {
                values.remove(&*pair.value);
            }
            if values.is_empty() {
                self.postings.remove(&pair.name);
            }
        }
        self.free.push(slot);
        self.count -= 1;
        self.generation += 1;
    }

    /// After many series went.
    pub(super) fn shrink(&mut self) {
        for values in self.postings.values_mut() {
            if values.len() < values.capacity() / 4 {
                values.shrink_to_fit();
            }
        }
    }

    /// Puts a slot into the list of a label; gives the shared label.
    fn post(&mut self, name: &str, value: &str, slot: u32) -> Arc<Pair> {
        let known = self.postings.get_key_value(name);
        let name: Arc<str> = known.map_or_else(|| name.into(), |(held, _)| Arc::clone(held));
        let values = self.postings.entry(Arc::clone(&name)).or_default();
        if let Some((held, list)) = values.get_key_value_mut(value) {
            list.add(slot);
            return Arc::clone(&held.0);
        }
        let pair = Arc::new(Pair { name, value: value.into() });
        values.insert(ByValue(Arc::clone(&pair)), Slots::One(slot));
        pair
    }

    fn hash<'l>(&self, labels: impl Iterator<Item = (&'l str, &'l str)>) -> u64 {
        hash_of(&self.hasher, labels)
    }

    /// The series that fulfil all matchers, in slot order.
    pub(super) fn matching(&self, matchers: &[Matcher]) -> Vec<Arc<Series>> {
        // Lists of slots narrow the search; a matcher that an absent label fulfils has none.
        let (narrowing, filtering): (Vec<_>, Vec<_>) = matchers.iter().partition(|m| !m.matches_empty());
        let keep = |series: &&Arc<Series>| filtering.iter().all(|m| m.matches(series.labels.value(&m.name)));
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
        let mut lists: Vec<&[u32]> = match matcher.literal_alternatives() {
            Some(literals) => {
                literals.iter().filter_map(|value| values.get(*value)).map(Slots::as_slice).collect()
            }
            None => values
                .iter()
                .filter(|(value, _)| matcher.matches(&value.0.value))
                .map(|(_, list)| list.as_slice())
                .collect(),
        };
        if lists.len() == 1 {
            return lists.pop().map(<[u32]>::to_vec).unwrap_or_default();
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
        let values = self.postings.get(name).into_iter().flat_map(HashMap::keys);
        values.map(|held| &*held.0.value).collect()
    }

    /// How many series each metric has.
    pub(super) fn metrics(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let names = self.postings.get(METRIC_NAME).into_iter().flatten();
        names.map(|(held, list)| (&held.0.value, list.as_slice().len()))
    }

    /// How many values each label has.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.postings.iter().map(|(name, values)| (name, values.len()))
    }

    /// Every label, in no order.
    pub(super) fn shared_pairs(&self) -> impl Iterator<Item = &Arc<Pair>> {
        self.postings.values().flatten().map(|(held, _)| &held.0)
    }

    /// How many series each `label=value` has.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>, usize)> {
        let all = self.postings.values().flatten();
        all.map(|(held, list)| (&held.0.name, &held.0.value, list.as_slice().len()))
    }

    /// The metric with the most series, its label with the most values, and both counts.
    pub(super) fn most(&self) -> Option<(Arc<str>, usize, Arc<str>, usize)> {
        let (metric, series) =
            self.metrics().max_by_key(|(name, count)| (*count, std::cmp::Reverse(*name)))?;
        let mut values: HashMap<&Arc<str>, HashSet<&str>> = HashMap::new();
        for slot in self.postings.get(METRIC_NAME)?.get(&**metric)?.as_slice() {
            for pair in self.in_slot(*slot)?.labels.pairs().iter().filter(|pair| &*pair.name != METRIC_NAME) {
                values.entry(&pair.name).or_default().insert(&pair.value);
            }
        }
        let widest = values.iter().max_by_key(|(name, held)| (held.len(), std::cmp::Reverse(**name)));
        let (label, count) = widest.map_or((Arc::from(""), 0), |(name, held)| (Arc::clone(name), held.len()));
        Some((Arc::clone(metric), series, label, count))
    }
}

fn hash_of<'l>(hasher: &DefaultHashBuilder, labels: impl Iterator<Item = (&'l str, &'l str)>) -> u64 {
    let mut state = hasher.build_hasher();
    for pair in labels {
        pair.hash(&mut state);
    }
    state.finish()
}
