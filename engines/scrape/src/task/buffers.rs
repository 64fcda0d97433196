//! Memory that scrapes hand on to each other, so that a steady state allocates nothing.

use std::sync::{Mutex, PoisonError};

use crate::engine::scraper::Scratch;

/// How many of each are kept.
const KEEP: usize = 4;

/// A page buffer that has grown larger than this is not kept, in bytes.
const KEEP_BYTES: usize = 2 << 20;

/// The pool.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pages: Mutex<Vec<Vec<u8>>>,
    scratch: Mutex<Vec<Scratch>>,
}

impl Buffers {
    pub(super) fn page(&self) -> Vec<u8> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(super) fn give_page(&self, mut page: Vec<u8>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() < KEEP && (1..=KEEP_BYTES).contains(&page.capacity()) {
            page.clear();
            pages.push(page);
        }
    }

    pub(super) fn scratch(&self) -> Scratch {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(super) fn give_scratch(&self, mut scratch: Scratch) {
        scratch.shrink();
        let mut kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEEP {
            kept.push(scratch);
        }
    }
}
