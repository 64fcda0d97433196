//! Series in the order of their labels.
//!
//! Comparing label sets is the dearest part of a large query, so the place of every series in the order of all is
//! remembered as long as no series comes or goes.

use std::sync::Arc;

use parking_lot::Mutex;

use super::Shared;
use super::labels::compare;
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
        let mut all: Vec<Arc<Series>> = index.iter().cloned().collect();
        drop(index);
        all.sort_unstable_by(|a, b| compare(&a.labels, &b.labels));
        let mut ranks = vec![u32::MAX; slots];
        for (rank, series) in all.iter().enumerate() {
            if let Some(place) = ranks.get_mut(series.slot() as usize) {
                *place = u32::try_from(rank).unwrap_or(u32::MAX);
            }
        }
        let ranks = Arc::new(ranks);
        *self.ranks.0.lock() = (generation, Arc::clone(&ranks));
        Some(ranks)
    }
}
