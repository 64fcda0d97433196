//! Bytes that grow at their end in small steps.

use super::bits::Bytes;

/// Room is taken in multiples of this...
const STEP: usize = 16;
/// ...less what the allocator keeps beside each block, so that nothing of the block is wasted.
const KEPT: usize = 8;

/// A vector of bytes with little spare room: there is one for every live series, and doubling would waste a third of
/// all memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    /// Zeros from `len` on.
    room: Box<[u8]>,
    len: u32,
    /// A place that its owner remembers.
    pub(crate) mark: u32,
}

impl Tail {
    pub(crate) const fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes on the heap.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.room.len()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.room[..self.len as usize]
    }

    fn grow(&mut self, more: usize) {
        let needed = self.len() + more;
        if needed <= self.room.len() {
            return;
        }
        // Long ones grow in larger steps: the cost of moving them stays in proportion.
        let wanted = needed + self.len() / 32;
        let size = (wanted + KEPT).next_multiple_of(STEP) - KEPT;
        let mut room = std::mem::take(&mut self.room).into_vec();
        room.reserve_exact(size - room.len());
        room.resize(size, 0);
        self.room = room.into_boxed_slice();
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.grow(bytes.len());
        let start = self.len();
        self.room[start..start + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u32;
    }

    /// Takes the bytes of another in place of its own.
    pub(crate) fn set(&mut self, other: &Self) {
        if self.room.len() < other.len() {
            // Growing would copy what is to be forgotten.
            self.room = Box::default();
            self.len = 0;
        }
        self.truncate(0);
        self.extend(other.bytes());
        self.mark = other.mark;
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.room[len..self.len as usize].fill(0);
            self.len = len as u32;
        }
    }

    /// Drops the bytes before a place, and the spare room.
    pub(crate) fn drop_before(&mut self, place: usize) {
        let place = place.min(self.len());
        let kept = self.bytes()[place..].to_vec();
        let mark = (self.mark as usize).saturating_sub(place) as u32;
        *self = Self { len: 0, mark, room: Box::default() };
        if !kept.is_empty() {
            self.extend(&kept);
        }
    }
}

impl Bytes for Tail {
    fn push(&mut self, byte: u8) {
        self.grow(1);
        self.room[self.len as usize] = byte;
        self.len += 1;
    }

    fn last_mut(&mut self) -> Option<&mut u8> {
        self.room[..self.len as usize].last_mut()
    }
}
