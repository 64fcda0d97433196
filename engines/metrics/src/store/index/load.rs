//! An index of many series made at once: at the start from the catalogue and the log.
//!
//! A label is a place in one list of pairs until everything is read. Lists of slots are made last, from the series in
//! the order of their slots: none is sorted, grows, or loses a slot that was given again.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashMap, HashSet, HashTable};

use super::super::labels::{LabelSet, Pair};
use super::super::series::{Newest, Series};
use super::{ByValue, Index, Slots, hash_of};

/// The labels of a slot: where their places start, and how many they are.
type Span = (u32, u32);

/// Series by slot, their labels as places in a list of pairs.
#[derive(Debug, Default)]
pub(in super::super) struct Loader {
    slots: Vec<Option<Arc<Series>>>,
    spans: Vec<Span>,
    places: Vec<u32>,
    pairs: Vec<Arc<Pair>>,
    next: u32,
    /// Made when the first series comes by its texts.
    texts: Option<Texts>,
}

/// Finds what is held by its texts.
#[derive(Debug)]
struct Texts {
    hasher: DefaultHashBuilder,
    names: HashSet<Arc<str>>,
    /// Pairs by name and value.
    pairs: HashTable<u32>,
    /// Slots by the places of their labels.
    series: HashTable<u32>,
    /// Places of the series before: neighbours share most labels.
    before: Vec<u32>,
}

impl Loader {
    /// For series whose labels are among these pairs, about so many.
    pub(in super::super) fn new(pairs: Vec<Arc<Pair>>, series: usize) -> Self {
        Self {
            slots: Vec::with_capacity(series),
            spans: Vec::with_capacity(series),
            pairs,
            ..Self::default()
        }
    }

    /// Makes sure that no id below is given.
    pub(in super::super) fn raise_next(&mut self, next: u32) {
        self.next = self.next.max(next);
    }

    pub(in super::super) fn get(&self, id: u64) -> Option<&Arc<Series>> {
        self.in_slot(id as u32).filter(|series| series.id == id)
    }

    pub(in super::super) fn in_slot(&self, slot: u32) -> Option<&Arc<Series>> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Adds a series by the places of its labels; `None` when they are not there or not sorted by name, or it is there
    /// already.
    pub(in super::super) fn add(&mut self, id: u64, places: &[usize], newest: Newest) -> Option<()> {
        if self.in_slot(id as u32).is_some() {
            return None;
        }
        let start = self.places.len();
        let mut labels: Vec<Arc<Pair>> = Vec::with_capacity(places.len());
        for place in places {
            let pair = self.pairs.get(*place)?;
            if labels.last().is_some_and(|before| before.name >= pair.name) {
                return None;
            }
            labels.push(Arc::clone(pair));
            self.places.push(u32::try_from(*place).ok()?);
        }
        self.set(id, LabelSet::new(labels), start, newest);
        Some(())
    }

    /// Puts a series in, by its texts, which are sorted by name. Whoever had its slot goes, unless it is the very one or
    /// one with these labels is held: then that one is given.
    pub(in super::super) fn put(&mut self, id: u64, labels: &[(&str, &str)], newest: Newest) -> Arc<Series> {
        if let Some(held) = self.get(id) {
            return Arc::clone(held);
        }
        let mut texts = self.texts.take().unwrap_or_else(|| self.by_texts());
        let start = self.places.len();
        for (at, (name, value)) in labels.iter().enumerate() {
            let place = texts.place(&mut self.pairs, at, name, value);
            self.places.push(place);
        }
        texts.before.clear();
        texts.before.extend_from_slice(&self.places[start..]);

        let hash = texts.hasher.hash_one(&texts.before);
        let same = |slot: &u32| self.places_of(*slot) == texts.before && self.in_slot(*slot).is_some();
        if let Some(slot) = texts.series.find(hash, same).copied()
            && let Some(held) = self.in_slot(slot).cloned()
        {
            self.places.truncate(start);
            self.texts = Some(texts);
            return held;
        }
        let slot = id as u32;
        self.forget(slot, &mut texts);
        let set = texts.before.iter().filter_map(|place| self.pairs.get(*place as usize).cloned()).collect();
        let series = self.set(id, LabelSet::new(set), start, newest);
        let (spans, places, hasher) = (&self.spans, &self.places, &texts.hasher);
        texts.series.insert_unique(hash, slot, |slot| hasher.hash_one(of_span(places, spans, *slot)));
        self.texts = Some(texts);
        series
    }

    fn set(&mut self, id: u64, labels: LabelSet, start: usize, newest: Newest) -> Arc<Series> {
        let slot = id as u32 as usize;
        self.raise_next(((id >> 32) as u32).saturating_add(1));
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, None);
            self.spans.resize(slot + 1, Span::default());
        }
        let series = Arc::new(Series::new(id, labels, newest));
        self.spans[slot] = (start as u32, (self.places.len() - start) as u32);
        self.slots[slot] = Some(Arc::clone(&series));
        series
    }

    /// Whoever has a slot is not found by its labels any more.
    fn forget(&self, slot: u32, texts: &mut Texts) {
        if self.in_slot(slot).is_none() {
            return;
        }
        let hash = texts.hasher.hash_one(self.places_of(slot));
        if let Ok(entry) = texts.series.find_entry(hash, |held| *held == slot) {
            entry.remove();
        }
    }

    fn places_of(&self, slot: u32) -> &[u32] {
        of_span(&self.places, &self.spans, slot)
    }

    fn by_texts(&self) -> Texts {
        let mut texts = Texts {
            hasher: DefaultHashBuilder::default(),
            names: HashSet::new(),
            pairs: HashTable::with_capacity(self.pairs.len()),
            series: HashTable::with_capacity(self.slots.len()),
            before: Vec::new(),
        };
        for (place, pair) in self.pairs.iter().enumerate() {
            if !texts.names.contains(&pair.name) {
                texts.names.insert(Arc::clone(&pair.name));
            }
            texts.keep(&self.pairs, place as u32);
        }
        for slot in 0..self.slots.len() as u32 {
            if self.in_slot(slot).is_some() {
                let hash = texts.hasher.hash_one(self.places_of(slot));
                let hasher = &texts.hasher;
                texts.series.insert_unique(hash, slot, |slot| hasher.hash_one(self.places_of(*slot)));
            }
        }
        texts
    }

    /// The index.
    pub(in super::super) fn finish(self) -> Index {
        let Self { slots, spans, places, pairs, next, texts: _ } = self;
        let held = || (0..slots.len() as u32).filter(|slot| slots[*slot as usize].is_some());
        let mut counts = vec![0u32; pairs.len()];
        for slot in held() {
            of_span(&places, &spans, slot).iter().for_each(|place| counts[*place as usize] += 1);
        }
        let empty = |count: &u32| match count {
            0 | 1 => Slots::One(0),
            more => Slots::Many(Vec::with_capacity(*more as usize)),
        };
        let mut lists: Vec<Slots> = counts.iter().map(empty).collect();
        for slot in held() {
            for place in of_span(&places, &spans, slot) {
                match &mut lists[*place as usize] {
                    Slots::One(only) => *only = slot,
                    Slots::Many(list) => list.push(slot),
                }
            }
        }
        let mut values: HashMap<&Arc<str>, usize> = HashMap::new();
        for (pair, count) in pairs.iter().zip(&counts) {
            *values.entry(&pair.name).or_default() += usize::from(*count > 0);
        }
        let room = values.into_iter().filter(|(_, count)| *count > 0);
        let mut index = Index {
            count: held().count(),
            free: (0..slots.len() as u32).rev().filter(|slot| slots[*slot as usize].is_none()).collect(),
            next,
            generation: 1,
            postings: room.map(|(name, count)| (Arc::clone(name), HashMap::with_capacity(count))).collect(),
            ..Index::default()
        };
        for ((pair, list), count) in pairs.into_iter().zip(lists).zip(counts) {
            if count > 0
                && let Some(values) = index.postings.get_mut(&pair.name)
            {
                values.insert(ByValue(pair), list);
            }
        }
        index.by_labels = HashTable::with_capacity(index.count);
        for (slot, series) in slots.iter().enumerate() {
            let Some(series) = series else { continue };
            let hash = hash_of(&index.hasher, series.labels.iter());
            // There is room: nothing is hashed again.
            index.by_labels.insert_unique(hash, slot as u32, |_| hash);
        }
        index.slots = slots;
        index
    }
}

impl Texts {
    /// The place of a label, which gets one if it has none.
    fn place(&mut self, pairs: &mut Vec<Arc<Pair>>, at: usize, name: &str, value: &str) -> u32 {
        let is = |place: &u32| {
            pairs.get(*place as usize).is_some_and(|pair| *pair.value == *value && *pair.name == *name)
        };
        if let Some(place) = self.before.get(at).filter(|place| is(place)) {
            return *place;
        }
        if let Some(place) = self.pairs.find(hash_pair(&self.hasher, name, value), is) {
            return *place;
        }
        let name = self.names.get(name).cloned().unwrap_or_else(|| {
            let name: Arc<str> = name.into();
            self.names.insert(Arc::clone(&name));
            name
        });
        let place = pairs.len() as u32;
        pairs.push(Arc::new(Pair { name, value: value.into() }));
        self.keep(pairs, place);
        place
    }

    fn keep(&mut self, pairs: &[Arc<Pair>], place: u32) {
        let hash = |place: &u32| {
            pairs.get(*place as usize).map_or(0, |pair| hash_pair(&self.hasher, &pair.name, &pair.value))
        };
        self.pairs.insert_unique(hash(&place), place, hash);
    }
}

fn hash_pair(hasher: &DefaultHashBuilder, name: &str, value: &str) -> u64 {
    hasher.hash_one((name, value))
}

fn of_span<'a>(places: &'a [u32], spans: &[Span], slot: u32) -> &'a [u32] {
    let (start, len) = spans.get(slot as usize).copied().unwrap_or_default();
    places.get(start as usize..start as usize + len as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use quarterdeck_kernel::Matcher;

    use super::*;

    /// Label sets of up to three labels, few enough that many are alike.
    fn label_set() -> impl Strategy<Value = Vec<(String, String)>> {
        proptest::collection::btree_map("[abc]", "[xyz]", 1..4).prop_map(|set| set.into_iter().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn series_put_in_any_order_are_found_by_everything(
            puts in proptest::collection::vec((0u32..12, 1u32..4, label_set()), 0..40)
        ) {
            let mut loader = Loader::default();
            let mut held: BTreeMap<u32, (u64, Vec<(String, String)>)> = BTreeMap::new();
            for (slot, high, labels) in puts {
                let id = u64::from(high) << 32 | u64::from(slot);
                let texts: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (&**n, &**v)).collect();
                let given = loader.put(id, &texts, Newest::Born(0));
                let known = held.get(&slot).is_some_and(|(held, _)| *held == id);
                let alike = held.values().find(|(_, held)| *held == labels).map(|(id, _)| *id);
                match (known, alike) {
                    (true, _) => prop_assert_eq!(given.id, id),
                    (false, Some(other)) => prop_assert_eq!(given.id, other),
                    (false, None) => {
                        prop_assert_eq!(given.id, id);
                        held.insert(slot, (id, labels));
                    }
                }
            }
            let mut index = loader.finish();
            prop_assert_eq!(index.len(), held.len());
            for (id, labels) in held.values() {
                let texts: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (&**n, &**v)).collect();
                prop_assert_eq!(index.find(&texts.iter().copied()).map(|series| series.id), Some(*id));
                prop_assert_eq!(index.get(*id).map(|series| series.labels.is(texts.iter().copied())), Some(true));
            }
            for name in ["a", "b", "c"] {
                for value in ["x", "y", "z"] {
                    let found: Vec<u64> =
                        index.matching(&[Matcher::equal(name, value)]).iter().map(|series| series.id).collect();
                    let has = |labels: &[(String, String)]| labels.iter().any(|(n, v)| n == name && v == value);
                    let expected: Vec<u64> =
                        held.values().filter(|(_, labels)| has(labels)).map(|(id, _)| *id).collect();
                    prop_assert_eq!(found, expected);
                }
            }
            // New series get slots of their own, free ones first.
            for i in 0..14 {
                let value = format!("new-{i}");
                let series = index.add([("d", value.as_str())].into_iter(), 0);
                prop_assert!(held.values().all(|(id, _)| *id != series.id && *id as u32 != series.id as u32));
            }
        }
    }
}
