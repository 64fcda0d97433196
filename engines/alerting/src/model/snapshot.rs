//! The engine's published state: immutable, shared with the engine page by page.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Timestamp, snapshot};

use super::{Alert, AttemptRecord, Group, Silence, Stats};

/// How many things a page holds: copying one that a snapshot shares costs about this many reference counts.
pub(crate) const PAGE: usize = 64;

/// One page of shared things.
pub(crate) type Page<T> = Arc<[Option<Arc<T>>; PAGE]>;

/// Shared things in pages: taking one of these costs one reference count.
#[derive(Debug)]
pub struct Pages<T> {
    pub(crate) pages: Arc<Vec<Page<T>>>,
    pub(crate) len: usize,
    /// In which slot the alert of a fingerprint is: made by the first who asks, so that publishing costs nothing. The
    /// engine's own pages never have one.
    index: OnceLock<Arc<HashMap<Fingerprint, u32>>>,
}

impl<T> Clone for Pages<T> {
    fn clone(&self) -> Self {
        Self { pages: Arc::clone(&self.pages), len: self.len, index: self.index.clone() }
    }
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { pages: Arc::default(), len: 0, index: OnceLock::new() }
    }
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
        PagesIter { pages: &self.pages, next: 0 }
    }

    /// The one in a slot.
    pub(crate) fn get(&self, slot: u32) -> Option<&Arc<T>> {
        let slot = slot as usize;
        self.pages.get(slot / PAGE)?[slot % PAGE].as_ref()
    }
}

impl<T> FromIterator<Arc<T>> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = Arc<T>>>(things: I) -> Self {
        let (mut pages, mut len) = (Vec::new(), 0);
        let mut things = things.into_iter().peekable();
        while things.peek().is_some() {
            let page: Page<T> = Arc::new(std::array::from_fn(|_| things.next()));
            len += page.iter().flatten().count();
            pages.push(page);
        }
        Self { pages: Arc::new(pages), len, index: OnceLock::new() }
    }
}

impl Pages<Alert> {
    /// The alert with a fingerprint.
    fn find(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        let index = self.index.get_or_init(|| {
            let mut index = HashMap::with_capacity(self.len);
            let pages = self.pages.iter().flat_map(|page| page.iter());
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
    pages: &'a [Page<T>],
    next: usize,
}

impl<'a, T> Iterator for PagesIter<'a, T> {
    type Item = &'a Arc<T>;

    fn next(&mut self) -> Option<&'a Arc<T>> {
        loop {
            let page = self.pages.get(self.next / PAGE)?;
            let item = page[self.next % PAGE].as_ref();
            self.next += 1;
            if item.is_some() {
                return item;
            }
        }
    }
}

/// Everything that panes and interfaces show of alerting, as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Grows with every change.
    pub version: u64,
    /// When it was taken.
    pub at: Timestamp,
    /// Alerts: open, and recently resolved.
    pub alerts: Pages<Alert>,
    /// Groups.
    pub groups: Pages<Group>,
    /// Silences, newest first, expired ones last.
    pub silences: Arc<[Arc<Silence>]>,
    /// Notifications under way and done, newest last, bounded.
    pub log: Arc<VecDeque<Arc<AttemptRecord>>>,
    /// Figures.
    pub stats: Stats,
    /// Receivers' names, in the order of the configuration.
    pub receivers: Arc<[Arc<str>]>,
    /// When something happens next by itself, if anything does.
    pub next_wake: Option<Timestamp>,
}

impl snapshot::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.at
    }
}

impl Snapshot {
    /// The alert with a fingerprint. The first question of a version looks at all of them, the others do not.
    #[must_use]
    pub fn alert(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        self.alerts.find(fingerprint)
    }

    /// The groups that hold an alert.
    pub fn groups_of(&self, fingerprint: Fingerprint) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.iter().filter(move |group| group.alerts.contains(&fingerprint))
    }

    /// Alerts that were open at a past moment, each with the state it was in then, as far as histories reach.
    pub fn at_moment(&self, moment: Timestamp) -> impl Iterator<Item = (&Arc<Alert>, super::AlertState)> {
        self.alerts.iter().filter_map(move |alert| {
            alert.state_at(moment).filter(|state| state.is_open()).map(|state| (alert, state))
        })
    }
}
