//! What comes in and is not carried out yet, bounded in bytes; the queue of requests bounds their number. What finds no room
//! is turned away, told so, and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::request::Refused;

/// Bytes of posted bodies at once, from their first byte to their answer: two of the largest.
pub const MAX_HELD: usize = 128 << 20;

/// What is held, and how often there was no room.
#[derive(Debug, Default)]
pub(super) struct Inlet {
    held: AtomicUsize,
    turned_away: AtomicU64,
}

impl Inlet {
    /// Counts a request that found no room.
    pub(super) fn turn_away(&self) -> Refused {
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        Refused::Busy
    }

    /// How many were turned away since the start.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

/// Room for the body of one request, given back when it is dropped.
#[derive(Debug)]
pub struct Room {
    inlet: Arc<Inlet>,
    bytes: usize,
}

impl Room {
    pub(super) const fn new(inlet: Arc<Inlet>) -> Self {
        Self { inlet, bytes: 0 }
    }

    /// Makes room for `bytes` in all.
    ///
    /// # Errors
    /// [`Refused::Busy`] when others hold too much.
    pub fn hold(&mut self, bytes: usize) -> Result<(), Refused> {
        let more = bytes.saturating_sub(self.bytes);
        let fits = |held: usize| held.checked_add(more).filter(|sum| *sum <= MAX_HELD);
        let taken = self.inlet.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits);
        if taken.is_err() {
            return Err(self.inlet.turn_away());
        }
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.inlet.held.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_given_back() {
        let inlet = Arc::new(Inlet::default());
        let room = || Room::new(Arc::clone(&inlet));
        let (mut first, mut second) = (room(), room());
        first.hold(MAX_HELD - 10).expect("there is room");
        second.hold(10).expect("there is room");
        assert_eq!(second.hold(11), Err(Refused::Busy));
        assert_eq!(room().hold(1), Err(Refused::Busy));
        assert_eq!(inlet.turned_away(), 2);
        second.hold(5).expect("it holds that much already");
        drop(first);
        second.hold(MAX_HELD).expect("there is room again");
        drop(second);
        assert_eq!(inlet.held.load(Ordering::Acquire), 0);
        assert_eq!(room().hold(usize::MAX), Err(Refused::Busy), "no sum overflows");
    }
}
