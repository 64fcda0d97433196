//! Things in numbered slots, in pages that are shared with whoever looks at them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use quarterdeck_alertmanager::Fingerprint;

use super::Alert;

/// How many things a page holds: changing one of a page that is shared copies so many references, and each is a line of
/// memory of its own.
const PAGE: usize = 16;
/// How many pages a sheaf holds. With a hundred thousand things, one list of all their pages would be copied whenever one
/// of them changes.
const SHEAF: usize = 64;

/// One page of shared things.
type Page<T> = Arc<[Option<Arc<T>>; PAGE]>;
/// Pages.
type Sheaf<T> = Arc<Vec<Page<T>>>;

/// Shared things in pages: taking one of these costs one reference count.
#[derive(Debug)]
pub struct Pages<T> {
    sheaves: Arc<Vec<Sheaf<T>>>,
    len: usize,
    /// In which slot the alert of a fingerprint is: made by the first who asks, so that publishing costs nothing. The
    /// engine's own pages never have one.
    index: OnceLock<Arc<HashMap<Fingerprint, u32>>>,
}

impl<T> Clone for Pages<T> {
    fn clone(&self) -> Self {
        Self { sheaves: Arc::clone(&self.sheaves), len: self.len, index: self.index.clone() }
    }
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { sheaves: Arc::default(), len: 0, index: OnceLock::new() }
    }
}

/// Sheaf, page and place of a slot.
const fn place(slot: usize) -> (usize, usize, usize) {
    (slot / PAGE / SHEAF, slot / PAGE % SHEAF, slot % PAGE)
}

impl<T> Pages<T> {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All of them, in no particular but steady order.
    #[must_use]
    pub fn iter(&self) -> PagesIter<'_, T> {
        PagesIter { sheaves: &self.sheaves, next: 0 }
    }

    /// The one in a slot.
    pub(crate) fn get(&self, slot: u32) -> Option<&Arc<T>> {
        let (sheaf, page, place) = place(slot as usize);
        self.sheaves.get(sheaf)?.get(page)?[place].as_ref()
    }

    /// The one in a slot, to be changed in place; what is shared on the way to it is copied.
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Arc<T>> {
        self.get(slot)?;
        self.slot_mut(slot)?.as_mut()
    }

    /// Puts a thing into a slot: one that there is, or the next.
    pub(crate) fn put(&mut self, slot: u32, thing: Arc<T>) {
        let (sheaf, page, _) = place(slot as usize);
        let sheaves = Arc::make_mut(&mut self.sheaves);
        if sheaf == sheaves.len() {
            sheaves.push(Arc::default());
        }
        if let Some(pages) = sheaves.get_mut(sheaf)
            && page == pages.len()
        {
            Arc::make_mut(pages).push(Arc::new(std::array::from_fn(|_| None)));
        }
        if let Some(place) = self.slot_mut(slot) {
            self.len += usize::from(place.replace(thing).is_none());
        }
    }

    /// Takes the thing out of a slot.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Arc<T>> {
        self.get(slot)?;
        let thing = self.slot_mut(slot)?.take();
        self.len -= usize::from(thing.is_some());
        thing
    }

    fn slot_mut(&mut self, slot: u32) -> Option<&mut Option<Arc<T>>> {
        let (sheaf, page, place) = place(slot as usize);
        let sheaf = Arc::make_mut(&mut self.sheaves).get_mut(sheaf)?;
        let page = Arc::make_mut(sheaf).get_mut(page)?;
        Some(&mut Arc::make_mut(page)[place])
    }

    /// Whether the page of a slot is the same for both.
    #[cfg(test)]
    pub(crate) fn shares(&self, other: &Self, slot: u32) -> bool {
        let (sheaf, page, _) = place(slot as usize);
        Arc::ptr_eq(&self.sheaves[sheaf][page], &other.sheaves[sheaf][page])
    }
}

impl<T> FromIterator<Arc<T>> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(things: I) -> Self {
        let mut pages = Self::default();
        for (slot, thing) in (0..).zip(things) {
            pages.put(slot, thing);
        }
        pages
    }
}

impl Pages<Alert> {
    /// The alert with a fingerprint.
    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        let index = self.index.get_or_init(|| {
            let mut index = HashMap::with_capacity(self.len);
            let pages = self.sheaves.iter().flat_map(|sheaf| sheaf.iter()).flat_map(|page| page.iter());
            let slots = pages.zip(0_u32..).filter_map(|(alert, slot)| Some((alert.as_ref()?, slot)));
            index.extend(slots.map(|(alert, slot)| (alert.fingerprint, slot)));
            Arc::new(index)
        });
        self.get(*index.get(&fingerprint)?)
    }
}

impl<'a, T> IntoIterator for &'a Pages<T> {
    type Item = &'a Arc<T>;
    type IntoIter = PagesIter<'a, T>;

    fn into_iter(self) -> PagesIter<'a, T> {
        self.iter()
    }
}

/// Goes through [`Pages`].
#[derive(Debug)]
pub struct PagesIter<'a, T> {
    sheaves: &'a [Sheaf<T>],
    next: usize,
}

impl<'a, T> Iterator for PagesIter<'a, T> {
    type Item = &'a Arc<T>;

    fn next(&mut self) -> Option<&'a Arc<T>> {
        loop {
            let (sheaf, page, place) = place(self.next);
            let item = self.sheaves.get(sheaf)?.get(page)?[place].as_ref();
            self.next += 1;
            if item.is_some() {
                return item;
            }
        }
    }
}
