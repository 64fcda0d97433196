//! Series in the order of their labels.
//!
//! Comparing label sets is the dearest part of a large query, so the place of every series in the order of all is
//! remembered as long as no series comes or goes.

use std::cmp::Ordering;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::Shared;
use super::labels::{Pair, compare};
use super::series::Series;

/// Fewer series than this are sorted as they are.
const WORTH_IT: usize = 1024;

/// The place of each slot, as of a generation of the index.
#[derive(Debug, Default)]
pub(super) struct Ranks(Mutex<(u64, Arc<Vec<u32>>)>);

impl Shared {
    /// Sorts by labels.
    pub(super) fn sort<T>(&self, list: &mut [T], series: impl Fn(&T) -> &Arc<Series>) {
        match self.ranks(list.len()) {
            Some(ranks) => {
                // A series that is younger than the ranks has none; it is put in its place by its labels afterwards.
                let rank = |item: &T| ranks.get(series(item).slot() as usize).copied().unwrap_or(u32::MAX);
                list.sort_unstable_by_key(rank);
                let in_order = |a: &T, b: &T| compare(&series(a).labels, &series(b).labels).is_le();
                if !list.is_sorted_by(in_order) {
                    list.sort_by(|a, b| compare(&series(a).labels, &series(b).labels));
                }
            }
            None => list.sort_unstable_by(|a, b| compare(&series(a).labels, &series(b).labels)),
        }
    }

    /// The ranks, if so many series make them worth their while: making them sorts all series there are.
    fn ranks(&self, wanted: usize) -> Option<Arc<Vec<u32>>> {
        let index = self.index.read();
        let (generation, slots) = (index.generation(), index.slots());
        let held = self.ranks.0.lock().clone();
        if held.0 == generation && !held.1.is_empty() {
            return Some(held.1);
        }
        if wanted < WORTH_IT || wanted < index.len() / 4 {
            return None;
        }
        let all: Vec<Arc<Series>> = index.iter().cloned().collect();
        let pairs: Vec<Arc<Pair>> = index.shared_pairs().cloned().collect();
        drop(index);
        let ranks = Arc::new(rank(&all, pairs, slots));
        *self.ranks.0.lock() = (generation, Arc::clone(&ranks));
        Some(ranks)
    }
}

/// A series to be put in order.
struct Place<'a> {
    /// Its first two labels, which decide most comparisons; an absent one comes before any other.
    key: u64,
    row: (usize, usize),
    series: &'a Arc<Series>,
}

/// The place of each slot in the order of labels. Texts are compared once for each label there is; series by numbers.
fn rank(all: &[Arc<Series>], mut pairs: Vec<Arc<Pair>>, slots: usize) -> Vec<u32> {
    pairs.sort_unstable_by(|a, b| {
        let by_name = if Arc::ptr_eq(&a.name, &b.name) { Ordering::Equal } else { a.name.cmp(&b.name) };
        by_name.then_with(|| a.value.cmp(&b.value))
    });
    let numbers: HashMap<*const Pair, u32> = pairs.iter().map(Arc::as_ptr).zip(1..).collect();
    // The labels of all series as numbers, one series after the other.
    let mut rows: Vec<u32> = Vec::with_capacity(all.len() * 8);
    let mut order: Vec<Place> = Vec::with_capacity(all.len());
    for series in all {
        let start = rows.len();
        // Every label that a series has is among the pairs: they were taken together.
        rows.extend(series.labels.pairs().iter().filter_map(|pair| numbers.get(&Arc::as_ptr(pair))));
        let nth = |at: usize| rows.get(start + at).copied().unwrap_or(0);
        order.push(Place {
            key: u64::from(nth(0)) << 32 | u64::from(nth(1)),
            row: (start, rows.len()),
            series,
        });
    }
    order.sort_unstable_by(|a, b| {
        a.key.cmp(&b.key).then_with(|| rows[a.row.0..a.row.1].cmp(&rows[b.row.0..b.row.1]))
    });
    let mut ranks = vec![u32::MAX; slots];
    for (rank, Place { series, .. }) in order.iter().enumerate() {
        if let Some(place) = ranks.get_mut(series.slot() as usize) {
            *place = u32::try_from(rank).unwrap_or(u32::MAX);
        }
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::index::Loader;
    use super::super::series::Newest;
    use super::*;

    proptest! {
        #[test]
        fn ranks_are_the_order_of_labels(
            sets in proptest::collection::btree_set(proptest::collection::btree_map("[ab]{1,2}", "[xy]{0,2}", 1..5), 1..40),
            seed in 0u32..1000,
        ) {
            let mut loader = Loader::default();
            // Slots in another order than that of labels.
            let count = sets.len() as u32;
            for (i, set) in sets.iter().enumerate() {
                let texts: Vec<(&str, &str)> = set.iter().map(|(n, v)| (&**n, &**v)).collect();
                let slot = (i as u32 * 7919 + seed) % count;
                loader.put(u64::from(slot), &texts, Newest::Born(0));
            }
            let index = loader.finish();
            let mut all: Vec<Arc<Series>> = index.iter().cloned().collect();
            let ranks = rank(&all, index.shared_pairs().cloned().collect(), index.slots());
            all.sort_by(|a, b| compare(&a.labels, &b.labels));
            for (place, series) in all.iter().enumerate() {
                prop_assert_eq!(ranks[series.slot() as usize], place as u32);
            }
        }
    }
}
