//! The newest entries, for the screen.

use std::collections::VecDeque;
use std::sync::Arc;

use quarterdeck_kernel::{Entry, EntryId, Snapshot, Timestamp};

use super::undone::Undos;

/// The newest entries of the timeline, newest first, with `undone_by` filled in.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    version: u64,
    taken: Timestamp,
    /// Newest first.
    pub entries: Arc<[Arc<Entry>]>,
    /// The writer of this console's chain.
    pub writer: String,
    /// How many entries this console's chain has had, pruned ones counted.
    pub count: u64,
    /// What is wrong with the timeline's durability or integrity; shown until it is mended.
    pub trouble: Option<String>,
}

impl Recent {
    /// The entry with this id, if it is among the newest.
    #[must_use]
    pub fn get(&self, id: &EntryId) -> Option<&Arc<Entry>> {
        self.entries.iter().find(|entry| entry.id == *id)
    }
}

impl Snapshot for Recent {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}

/// The ring behind [`Recent`], oldest first.
#[derive(Debug)]
pub(super) struct Ring {
    entries: VecDeque<Arc<Entry>>,
    undos: Undos,
    capacity: usize,
    version: u64,
    pub(super) writer: String,
    pub(super) count: u64,
    trouble: Option<String>,
    /// Something that was wrong when the timeline was opened.
    pub(super) warning: Option<String>,
}

impl Ring {
    /// A ring of at least one entry.
    pub(super) fn new(capacity: usize, writer: String) -> Self {
        Self {
            entries: VecDeque::new(),
            undos: Undos::default(),
            capacity: capacity.max(1),
            version: 0,
            writer,
            count: 0,
            trouble: None,
            warning: None,
        }
    }

    /// Takes what the database holds, oldest first, with what undid it.
    pub(super) fn load(&mut self, entries: Vec<Entry>, undos: Undos, count: u64) {
        self.undos = undos;
        self.count = count;
        self.entries = entries.into_iter().map(Arc::new).collect();
        self.version += 1;
    }

    /// Adds an entry at its place in time.
    pub(super) fn push(&mut self, entry: Entry) {
        if entry.id.writer == self.writer {
            self.count = self.count.max(entry.id.seq);
        }
        let mut moved = self.undos.note(&entry);
        let place = self.entries.iter().rposition(|e| key(e) <= key(&entry)).map_or(0, |i| i + 1);
        self.entries.insert(place, Arc::new(entry));
        // An undo changes whether its target is undone, which changes the same of the target's target, and so on.
        while let Some(id) = moved.take() {
            let Some(target) = self.entries.iter_mut().find(|e| e.id == id) else { break };
            let target = Arc::make_mut(target);
            target.undone_by = self.undos.undone_by(&id);
            moved = target.invocation.as_ref().and_then(|i| i.undoes.clone());
        }
        while self.entries.len() > self.capacity {
            if let Some(oldest) = self.entries.pop_front() {
                self.undos.forget(&oldest.id);
            }
        }
        self.version += 1;
    }

    /// Grows with every change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// An entry that is in it.
    pub(super) fn get(&self, id: &EntryId) -> Option<Arc<Entry>> {
        self.entries.iter().rev().find(|entry| entry.id == *id).cloned()
    }

    /// Says what is wrong, or that nothing is any more.
    pub(super) fn set_trouble(&mut self, trouble: Option<String>) {
        if self.trouble != trouble {
            self.trouble = trouble;
            self.version += 1;
        }
    }

    /// What is published.
    pub(super) fn snapshot(&self, now: Timestamp) -> Recent {
        Recent {
            version: self.version,
            taken: now,
            entries: self.entries.iter().rev().cloned().collect(),
            writer: self.writer.clone(),
            count: self.count,
            trouble: self.trouble.clone().or_else(|| self.warning.clone()),
        }
    }
}

fn key(entry: &Entry) -> (Timestamp, &str, u64) {
    (entry.at, &entry.id.writer, entry.id.seq)
}
