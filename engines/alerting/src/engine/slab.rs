//! Things in numbered slots, shared page by page with the snapshots that were taken of them.

use std::sync::Arc;

use crate::model::Pages;

/// Slots. Changing one copies what a snapshot still shares of it: the thing, its page, the list of pages.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pages: Pages<T>,
    free: Vec<u32>,
    next: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Pages::default(), free: Vec::new(), next: 0 }
    }
}

impl<T: Clone> Slab<T> {
    pub(crate) fn insert(&mut self, thing: T) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.pages.put(slot, Arc::new(thing));
        slot
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Arc<T>> {
        self.pages.get(slot)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.pages.get_mut(slot).map(Arc::make_mut)
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<Arc<T>> {
        let thing = self.pages.take(slot)?;
        self.free.push(slot);
        Some(thing)
    }

    pub(crate) const fn len(&self) -> usize {
        self.pages.len()
    }

    pub(crate) fn share(&self) -> Pages<T> {
        self.pages.clone()
    }

    /// Slots that hold something, in order.
    pub(crate) fn slots(&self) -> Vec<u32> {
        (0..self.next).filter(|slot| self.get(*slot).is_some()).collect()
    }

    /// Slots with what they hold, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<T>)> {
        (0..self.next).filter_map(|slot| self.get(slot).map(|thing| (slot, thing)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_stays_as_it_was_and_shares_what_did_not_change() {
        let mut slab = Slab::default();
        let slots: Vec<u32> = (0..3000).map(|n| slab.insert(n)).collect();
        let before = slab.share();
        *slab.get_mut(slots[3]).unwrap() = 1000;
        assert_eq!(slab.remove(slots[100]).as_deref(), Some(&100));
        assert_eq!((before.len(), slab.len()), (3000, 2999));
        assert_eq!(before.iter().map(|n| **n).sum::<i32>(), (0..3000).sum::<i32>());
        assert_eq!(slab.share().iter().map(|n| **n).sum::<i32>(), (0..3000).sum::<i32>() - 3 + 1000 - 100);
        assert!(!before.shares(&slab.share(), 3) && !before.shares(&slab.share(), 100));
        for untouched in [50, 1023, 1024, 2999] {
            assert!(before.shares(&slab.share(), untouched), "an untouched page is shared");
        }
        assert_eq!(slab.insert(7), slots[100], "a free slot is used again");
        assert!(slab.get_mut(5000).is_none());
    }
}
