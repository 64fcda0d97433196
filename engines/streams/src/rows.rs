//! Live rows: a bounded ring that is published without copying it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use quarterdeck_kernel::Timestamp;

use crate::text::Text;

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// The message has nothing at that path.
    Missing,
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// Text as received (not sanitised), cut at 1 KiB.
    Text(Text),
    /// An object or array.
    Composite,
}

impl Cell {
    /// Its value as a number: numbers, numbers as text, true and false as 1 and 0.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Integer(i) => Some(*i as f64),
            Self::Number(n) => Some(*n),
            Self::Bool(b) => Some(f64::from(u8::from(*b))),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Missing | Self::Null | Self::Composite => None,
        }
    }
}

/// As shown; empty when missing.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => Ok(()),
            Self::Null => f.write_str("null"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Integer(i) => write!(f, "{i}"),
            Self::Number(n) => write!(f, "{n}"),
            Self::Text(text) => f.write_str(text),
            Self::Composite => f.write_str("{…}"),
        }
    }
}

/// One record of a feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Counts the feed's rows from 1: its identity in tables.
    pub id: u64,
    /// When it was read from the connection. A feed of more than about a hundred messages a second is read in beats: this can
    /// then be up to twenty milliseconds after the message came, never before.
    pub received: Timestamp,
    /// When it says that it was sent.
    pub sent: Option<Timestamp>,
    /// Values in the order of [`FeedView::columns`](crate::FeedView::columns).
    pub cells: Box<[Cell]>,
    /// The start of the message's text as received (not sanitised).
    pub raw: Arc<str>,
    /// How long the message was, in bytes.
    pub bytes: usize,
}

/// Rows per chunk.
const CHUNK: usize = 64;

/// Rows side by side, filled from the front and never changed: whoever looks at the first of them may go on while more come.
type Chunk = Arc<[OnceLock<Row>]>;

/// Full chunks, oldest first; the list itself is shared until it changes.
type Chunks = Arc<VecDeque<Chunk>>;

/// The newest rows of a feed: chunks shared between snapshots, the last one too. Taking a view copies no row.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    full: Chunks,
    /// The chunk that is being filled; `len` tells how much of it belongs to this view.
    tail: Chunk,
    /// Rows at the front that are no longer part of it.
    skip: usize,
    len: usize,
}

impl Rows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All rows, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Row> {
        (0..self.len).filter_map(|index| self.get(index))
    }

    /// The row at a place, oldest first; cheap anywhere.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Row> {
        if index >= self.len {
            return None;
        }
        let at = index + self.skip;
        let chunk = self.full.get(at / CHUNK).unwrap_or(&self.tail);
        chunk.get(at % CHUNK)?.get()
    }

    /// The newest row.
    #[must_use]
    pub fn last(&self) -> Option<&Row> {
        self.get(self.len.checked_sub(1)?)
    }
}

/// Rows from their records, oldest first.
impl FromIterator<Row> for Rows {
    fn from_iter<I: IntoIterator<Item = Row>>(records: I) -> Self {
        let mut ring = Ring::new(usize::MAX);
        records.into_iter().for_each(|row| ring.push(row));
        ring.view()
    }
}

/// The ring behind [`Rows`].
#[derive(Debug)]
pub(crate) struct Ring {
    full: Chunks,
    tail: Chunk,
    /// Rows in the tail.
    filled: usize,
    capacity: usize,
    next: u64,
}

impl Ring {
    /// A ring of `capacity` rows.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { full: Chunks::default(), tail: Chunk::default(), filled: 0, capacity, next: 1 }
    }

    /// The id of the next row.
    pub(crate) fn next_id(&self) -> u64 {
        self.next
    }

    /// Takes a row; the oldest chunk goes when none of its rows is needed any more.
    pub(crate) fn push(&mut self, row: Row) {
        self.next = row.id + 1;
        if self.capacity == 0 {
            return;
        }
        if self.tail.is_empty() {
            self.tail = (0..CHUNK).map(|_| OnceLock::new()).collect();
        }
        // Only this ring fills places, each one once.
        let _ = self.tail[self.filled].set(row);
        self.filled += 1;
        if self.filled < CHUNK {
            return;
        }
        self.filled = 0;
        let full = Arc::make_mut(&mut self.full);
        full.push_back(std::mem::take(&mut self.tail));
        while (full.len() - 1) * CHUNK >= self.capacity {
            full.pop_front();
        }
    }

    /// The rows as they are now. Copies none.
    pub(crate) fn view(&self) -> Rows {
        let held = self.full.len() * CHUNK + self.filled;
        let len = held.min(self.capacity);
        Rows { full: Arc::clone(&self.full), tail: Arc::clone(&self.tail), skip: held - len, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64) -> Row {
        Row {
            id,
            received: Timestamp::from_millis(0),
            sent: None,
            cells: Box::new([]),
            raw: "".into(),
            bytes: 0,
        }
    }

    #[test]
    fn the_ring_keeps_the_newest_rows_in_order() {
        for capacity in [0, 1, 63, 64, 65, 100, 128, 1000] {
            let mut ring = Ring::new(capacity);
            for id in 1..=500u64 {
                assert_eq!(ring.next_id(), id);
                ring.push(row(id));
                let view = ring.view();
                let ids: Vec<u64> = view.iter().map(|r| r.id).collect();
                let first = id.saturating_sub(capacity as u64) + 1;
                assert_eq!(ids, (first..=id).collect::<Vec<_>>(), "capacity {capacity}");
                assert_eq!(view.len(), ids.len());
                for (i, id) in ids.iter().enumerate() {
                    assert_eq!(view.get(i).map(|r| r.id), Some(*id), "capacity {capacity} index {i}");
                }
                assert!(view.get(ids.len()).is_none());
                assert_eq!(view.last().map(|r| r.id), ids.last().copied());
            }
        }
    }

    #[test]
    fn rows_from_records_are_found_at_their_places() {
        let rows: Rows = (1..=130).map(row).collect();
        assert_eq!(
            (rows.len(), rows.get(100).map(|r| r.id), rows.last().map(|r| r.id)),
            (130, Some(101), Some(130))
        );
        assert!(rows.iter().map(|r| r.id).eq(1..=130));
    }

    #[test]
    fn views_share_chunks_and_stay_as_they_were() {
        let mut ring = Ring::new(1000);
        (1..=200).for_each(|id| ring.push(row(id)));
        let before = ring.view();
        ring.push(row(201));
        let after = ring.view();
        assert!(
            Arc::ptr_eq(&before.full, &after.full) && Arc::ptr_eq(&before.tail, &after.tail),
            "all is shared while no chunk is added"
        );
        assert_eq!(
            (before.iter().count(), before.get(200), after.last().map(|r| r.id)),
            (200, None, Some(201))
        );
        (202..=260).for_each(|id| ring.push(row(id)));
        let later = ring.view();
        assert!(Arc::ptr_eq(&before.full[0], &later.full[0]));
        assert!(Arc::ptr_eq(&before.tail, &later.full[3]));
        assert_eq!((before.len(), after.len(), later.len()), (200, 201, 260));
        assert_eq!(before.last().map(|r| r.id), Some(200), "a view stays as it was");
    }
}
