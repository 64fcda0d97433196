//! Puts the samples of the log back into their series.
//!
//! The log has one sample of each series after the other: taken in that order, every sample would wait for the memory of
//! its series. They are gathered, sorted by series, and each series takes its run at once; several threads do that while
//! the log is read on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, Scope};

use super::chunk::Tail;
use super::index::Loader;
use super::series::Series;

/// At least so many samples are gathered: 24 bytes each, twice, and 16 where they are sorted.
const GATHER: usize = 1 << 19;
/// Fewer samples than this are not worth a thread.
const WORTH_IT: usize = 1 << 15;
/// More threads than this would wait for the one that reads.
const MAX_THREADS: usize = 4;
/// So many slots in a row go to the same thread.
const ROW: u32 = 64;
/// A slot that has no number yet.
const NONE: u32 = u32::MAX;

/// Samples by the number that their thread knows their series under.
type Samples = Vec<(u32, i64, u64)>;

/// What one thread is to take.
#[derive(Debug, Default)]
struct Batch {
    /// Series that are new to the thread, in the order of their numbers.
    series: Vec<Arc<Series>>,
    samples: Samples,
}

/// One thread's series, and what it needs again and again.
#[derive(Debug, Default)]
struct Worker {
    series: Vec<Arc<Series>>,
    /// Where the run of each series ends among the sorted.
    ends: Vec<u32>,
    sorted: Vec<(i64, u64)>,
    scratch: Tail,
}

impl Worker {
    /// Puts the samples into their series; gives back the room that they were in.
    fn apply(&mut self, mut batch: Batch) -> Samples {
        self.series.append(&mut batch.series);
        // Sorted by counting: first how many each has, then where each begins, which moves on to its end.
        self.ends.clear();
        self.ends.resize(self.series.len() + 1, 0);
        for (number, ..) in &batch.samples {
            self.ends[*number as usize + 1] += 1;
        }
        for at in 1..self.ends.len() {
            self.ends[at] += self.ends[at - 1];
        }
        self.sorted.resize(batch.samples.len(), (0, 0));
        for (number, t, bits) in batch.samples.drain(..) {
            let place = &mut self.ends[number as usize];
            self.sorted[*place as usize] = (t, bits);
            *place += 1;
        }
        let mut start = 0;
        for (series, end) in self.series.iter().zip(&self.ends) {
            if start < *end {
                let run = &self.sorted[start as usize..*end as usize];
                series.data.lock().replay(run, &mut self.scratch);
                start = *end;
            }
        }
        batch.samples
    }
}

/// Who puts samples into their series.
#[derive(Debug)]
enum Hand {
    /// The thread that reads: there is too little for another.
    Own(Worker),
    Helper(SyncSender<Batch>, Receiver<Samples>),
}

/// One thread, what is gathered for it, and how many series it knows.
#[derive(Debug)]
struct Share {
    batch: Batch,
    series: u32,
    hand: Hand,
}

/// Takes samples in the order of the log.
pub(super) struct Applier<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    shares: Vec<Share>,
    /// The number of the series in each slot.
    numbers: Vec<u32>,
    gathered: usize,
}

impl<'scope, 'env> Applier<'scope, 'env> {
    pub(super) fn new(scope: &'scope Scope<'scope, 'env>) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let share = || Share { batch: Batch::default(), series: 0, hand: Hand::Own(Worker::default()) };
        Self { scope, shares: (0..threads).map(|_| share()).collect(), numbers: Vec::new(), gathered: 0 }
    }

    const fn share_of(&self, slot: u32) -> usize {
        (slot / ROW) as usize % self.shares.len()
    }

    /// From here on a slot means this series.
    pub(super) fn put(&mut self, slot: u32, series: Arc<Series>) -> u32 {
        let share = self.share_of(slot);
        let share = &mut self.shares[share];
        let number = share.series;
        share.series += 1;
        share.batch.series.push(series);
        if slot as usize >= self.numbers.len() {
            self.numbers.resize(slot as usize + 1, NONE);
        }
        self.numbers[slot as usize] = number;
        number
    }

    /// Takes samples by slot. Those of slots without a series are left out.
    pub(super) fn take(&mut self, samples: &[(u32, i64, u64)], loader: &Loader) {
        for (slot, t, bits) in samples {
            let known = self.numbers.get(*slot as usize).copied().filter(|number| *number != NONE);
            let Some(number) =
                known.or_else(|| loader.in_slot(*slot).map(|series| self.put(*slot, Arc::clone(series))))
            else {
                continue;
            };
            let share = self.share_of(*slot);
            self.shares[share].batch.samples.push((number, *t, *bits));
        }
        self.gathered += samples.len();
        // Every series is looked at for each batch: there should be some samples for it.
        if self.gathered >= GATHER.max(self.numbers.len()) {
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        let spread = self.shares.len() > 1 && self.gathered >= WORTH_IT;
        self.gathered = 0;
        for Share { batch, hand, .. } in &mut self.shares {
            let Batch { series, samples } = std::mem::take(batch);
            if spread && let Hand::Own(worker) = hand {
                // Without a place to wait: what is gathered and what is taken is all there is in memory.
                let (send, receive) = sync_channel::<Batch>(0);
                let (empty, room) = channel();
                let mut worker = std::mem::take(worker);
                self.scope.spawn(move || {
                    // Nobody wants the room back at the end.
                    receive.iter().for_each(|batch| drop(empty.send(worker.apply(batch))));
                });
                *hand = Hand::Helper(send, room);
            }
            let taken = Batch { series, samples };
            batch.samples = match hand {
                Hand::Own(worker) => worker.apply(taken),
                Hand::Helper(send, room) => {
                    // It fails only if the thread has panicked: the scope tells that at its end.
                    drop(send.send(taken));
                    room.try_recv().unwrap_or_default()
                }
            };
        }
    }

    /// Passes on what is left: at the end of the scope everything is in its series.
    pub(super) fn finish(mut self) {
        self.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use super::super::series::Newest;
    use super::*;

    fn times(series: &Series) -> Vec<i64> {
        let mut found = Vec::new();
        series.data.lock().collect(i64::MIN, i64::MAX, &mut found);
        found.iter().map(|sample| sample.t.as_millis()).collect()
    }

    #[test]
    fn a_slot_means_the_series_that_was_last_put_into_it() {
        let mut loader = Loader::default();
        let known = loader.put(7, &[("a", "known")], Newest::Born(0));
        let (first, second) = thread::scope(|scope| {
            let mut applier = Applier::new(scope);
            let first = loader.put(3, &[("a", "first")], Newest::Born(0));
            applier.put(3, Arc::clone(&first));
            // Slot 5 is nobody's; slot 7 is of the catalogue.
            applier.take(&[(3, 10, 1), (5, 10, 1), (7, 10, 1)], &loader);
            let second = loader.put(1 << 32 | 3, &[("a", "second")], Newest::Born(0));
            applier.put(3, Arc::clone(&second));
            applier.take(&[(3, 20, 2), (7, 20, 2)], &loader);
            // Enough for other threads.
            let many: Vec<(u32, i64, u64)> = (0..WORTH_IT as i64).map(|i| (3, 30 + i, 3)).collect();
            applier.take(&many, &loader);
            applier.finish();
            (first, second)
        });
        assert_eq!(times(&first), [10]);
        assert_eq!(times(&known), [10, 20]);
        assert_eq!(
            times(&second),
            [20].into_iter().chain((0..WORTH_IT as i64).map(|i| 30 + i)).collect::<Vec<_>>()
        );
    }
}
