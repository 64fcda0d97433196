//! Where rows stand: in the order in which they came, so that new ones fill one page after the other.

use std::collections::HashMap;

use crate::model::RecordKind;

/// The place of the clock, which consoles that stand by look at to know whether anything has changed.
pub const CLOCK: i64 = 0;

/// The place of each row in the store. Only the console that notifies gives places; it reads those that are given when it
/// begins to, under its lease.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// By kind, then by name.
    known: HashMap<Box<str>, HashMap<Box<str>, i64>>,
    /// The last that was given.
    last: i64,
}

impl Places {
    /// Where a thing stands, if it does.
    #[must_use]
    pub fn of(&self, kind: &str, name: &str) -> Option<i64> {
        self.known.get(kind)?.get(name).copied()
    }

    /// Where a thing stands, or is to stand from now on.
    pub(super) fn give(&mut self, kind: &str, name: &str) -> i64 {
        if let Some(place) = self.of(kind, name) {
            return place;
        }
        let place = if kind == RecordKind::Clock.as_str() {
            CLOCK
        } else {
            self.last += 1;
            self.last
        };
        self.found(kind, name, place);
        place
    }

    /// A row was read.
    pub(super) fn found(&mut self, kind: &str, name: &str, place: i64) {
        self.last = self.last.max(place);
        match self.known.get_mut(kind) {
            Some(names) => drop(names.insert(name.into(), place)),
            None => drop(self.known.insert(kind.into(), HashMap::from_iter([(Box::from(name), place)]))),
        }
    }

    /// A row is there no more.
    pub(super) fn forget(&mut self, kind: &str, name: &str) {
        if let Some(names) = self.known.get_mut(kind) {
            names.remove(name);
        }
    }
}
