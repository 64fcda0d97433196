//! Work on many series, shared among a few threads.

use std::num::NonZero;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::Evaluation;

/// The most threads that one query uses: others, and the screen, want some too.
const MAX_THREADS: usize = 4;
/// Fewer cells than this are faster done than shared; tests share almost everything.
const WORTH_IT: usize = if cfg!(test) { 1 << 13 } else { 1 << 15 };
/// Series of one block at most.
const MAX_BLOCK: usize = 1024;

fn threads() -> usize {
    static THREADS: OnceLock<usize> = OnceLock::new();
    *THREADS.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS))
}

/// Does `work` on all of `0..count` in blocks and gives what came of each, in order. `cells` is about how much there is
/// to do for each one.
///
/// # Errors
/// One of those of `work`; the rest is then not done.
pub(super) fn in_blocks<T: Send>(
    count: usize,
    cells: usize,
    work: impl Fn(Range<usize>) -> Evaluation<T> + Sync,
) -> Evaluation<Vec<T>> {
    let threads = threads();
    if threads == 1 || count < 2 || count.saturating_mul(cells) < WORTH_IT {
        return Ok(vec![work(0..count)?]);
    }
    in_blocks_on(threads, count.div_ceil(threads * 8).min(MAX_BLOCK), count, work)
}

fn in_blocks_on<T: Send>(
    threads: usize,
    block: usize,
    count: usize,
    work: impl Fn(Range<usize>) -> Evaluation<T> + Sync,
) -> Evaluation<Vec<T>> {
    let blocks = count.div_ceil(block);
    let next = AtomicUsize::new(0);
    // Whoever is free takes the next block: on a busy machine one thread may get much further than another.
    let some = || {
        let mut done = Vec::with_capacity(blocks.div_ceil(threads));
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= blocks {
                return Ok(done);
            }
            match work(n * block..((n + 1) * block).min(count)) {
                Ok(result) => done.push((n, result)),
                Err(error) => {
                    next.store(blocks, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let parts = thread::scope(|scope| {
        let helpers: Vec<_> =
            (1..threads).filter_map(|_| thread::Builder::new().spawn_scoped(scope, some).ok()).collect();
        let mut parts = vec![some()];
        for helper in helpers {
            // A panic there is a panic here.
            parts.push(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        parts.into_iter().collect::<Evaluation<Vec<_>>>()
    })?;
    let mut done: Vec<(usize, T)> = parts.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(n, _)| *n);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageError;

    #[test]
    fn blocks_come_back_in_order_whoever_did_them() {
        for (threads, block, count) in [(1, 1, 1), (2, 3, 10), (4, 7, 1000), (3, 100, 5)] {
            let blocks = in_blocks_on(threads, block, count, |range| Ok(range.collect::<Vec<_>>())).unwrap();
            assert_eq!(blocks.concat(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let done = AtomicUsize::new(0);
        let outcome = in_blocks_on(2, 1, 1_000_000, |range| {
            done.fetch_add(1, Ordering::Relaxed);
            if range.start == 5 { Err(StorageError::Cancelled.into()) } else { Ok(()) }
        });
        assert_eq!(outcome, Err(StorageError::Cancelled.into()));
        assert!(done.load(Ordering::Relaxed) < 1_000_000);
    }
}
