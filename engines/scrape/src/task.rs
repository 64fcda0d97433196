//! The async shell: sockets, timers, files. One task per target, one per discovery, one that holds them together
//! and publishes snapshots.
//!
//! A scrape has a time-out and no more: it is not retried, for the next one comes by itself, and no breaker holds it back, for
//! that it fails is what `up` has to tell, at every interval.

mod buffers;
mod client;
mod fetch;
mod inflate;
mod manager;
mod pool;
mod sources;
mod verify;
mod worker;

use std::sync::Arc;

use quarterdeck_kernel::Clock;
use quarterdeck_metrics::Ingest;
use tokio::sync::{Notify, Semaphore};

use crate::config::Plan;
use crate::handle::Handle;

/// How many megabytes of pages may be in memory at one time, over all targets. A page that does not fit waits for
/// its turn, within its timeout.
const BUDGET_MIB: usize = 256;

/// What all tasks of the engine share.
pub(crate) struct Shared {
    ingest: Arc<dyn Ingest>,
    clock: Arc<dyn Clock>,
    buffers: buffers::Buffers,
    /// Pages are read on as many threads as there are processors.
    processing: Semaphore,
    /// Megabytes of pages.
    budget: Semaphore,
    /// Something that snapshots show has changed.
    dirty: Notify,
}

/// Starts scraping. Ends when [`Handle::shutdown`] is called or every handle is dropped.
///
/// Must be called within a tokio runtime.
#[must_use]
pub fn start(plan: Plan, ingest: Arc<dyn Ingest>, clock: Arc<dyn Clock>) -> Handle {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let shared = Arc::new(Shared {
        ingest,
        clock,
        buffers: buffers::Buffers::default(),
        processing: Semaphore::new(threads),
        budget: Semaphore::new(BUDGET_MIB),
        dirty: Notify::new(),
    });
    manager::start(plan, shared)
}

#[cfg(test)]
mod tests;
