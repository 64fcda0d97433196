//! Requests under way, counted by thread: what draining waits for. A thread writes its own line of the processor's cache and
//! no other; the sum is taken by whoever asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Counts what is under way to one version, or under one table.
#[derive(Debug)]
pub(crate) struct Flow(Box<[Lane]>);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane {
    active: AtomicU64,
    begun: AtomicU64,
}

impl Flow {
    /// Nothing yet, for so many threads.
    pub(crate) fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self((0..threads.max(1)).map(|_| Lane::default()).collect()))
    }

    fn lane(&self, thread: usize) -> &Lane {
        &self.0[thread % self.0.len()]
    }

    /// Something begins. The order of this and of the table's version is what nobody being overlooked rests on
    /// ([`crate::server::worker::Worker::enter`]): hence `SeqCst`.
    pub(crate) fn begin(&self, thread: usize) {
        self.enter(thread);
        self.lane(thread).begun.fetch_add(1, SeqCst);
    }

    /// The same, without its being counted as begun.
    pub(crate) fn enter(&self, thread: usize) {
        self.lane(thread).active.fetch_add(1, SeqCst);
    }

    /// It has ended, on the same thread.
    pub(crate) fn end(&self, thread: usize) {
        self.lane(thread).active.fetch_sub(1, SeqCst);
    }

    /// How many are under way.
    pub(crate) fn active(&self) -> u64 {
        self.0.iter().fold(0, |sum, lane| sum.wrapping_add(lane.active.load(SeqCst)))
    }

    /// How many have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.0.iter().map(|lane| lane.begun.load(SeqCst)).sum()
    }
}

/// Something that is under way for as long as this is held, but counts for no request: a tunnel, a copy.
#[derive(Debug)]
pub(crate) struct Held {
    flow: Arc<Flow>,
    thread: usize,
}

impl Held {
    pub(crate) fn new(flow: &Arc<Flow>, thread: usize) -> Self {
        flow.enter(thread);
        Self { flow: Arc::clone(flow), thread }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.flow.end(self.thread);
    }
}
