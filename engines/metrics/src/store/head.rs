//! What is in memory, in figures that are kept while samples come and go: a pass over all series each time somebody
//! looks would cost more than taking their samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use super::Shared;
use super::series::{Data, Newest, Series};

/// Memory in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) samples: u64,
    pub(super) bytes: u64,
    /// Series with samples in memory.
    pub(super) active: usize,
    /// No sample in memory is older.
    pub(super) oldest: Option<i64>,
    /// No sample is newer, in memory or in segments, of the series that are held.
    pub(super) newest: Option<i64>,
}

/// The figures, changed by one batch at a time.
#[derive(Debug)]
pub(super) struct Figures {
    samples: AtomicI64,
    bytes: AtomicI64,
    active: AtomicI64,
    /// The oldest since the last sealing began...
    oldest: AtomicI64,
    /// ...and before.
    sealing: AtomicI64,
    newest: AtomicI64,
}

/// What one batch changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    pub(super) samples: i64,
    bytes: i64,
    active: i64,
    oldest: i64,
    newest: i64,
}

impl Default for Change {
    fn default() -> Self {
        Self { samples: 0, bytes: 0, active: 0, oldest: i64::MAX, newest: i64::MIN }
    }
}

impl Change {
    /// Does something to a series and notes what that changes of it.
    pub(super) fn of<T>(&mut self, data: &mut Data, act: impl FnOnce(&mut Data) -> T) -> T {
        let (bytes, active) = (data.bytes(), data.is_active());
        let done = act(data);
        self.bytes += data.bytes() as i64 - bytes as i64;
        self.active += i64::from(data.is_active()) - i64::from(active);
        done
    }

    /// A sample is in memory now.
    pub(super) fn taken(&mut self, t: i64) {
        self.samples += 1;
        self.oldest = self.oldest.min(t);
        self.newest = self.newest.max(t);
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            samples: AtomicI64::new(0),
            bytes: AtomicI64::new(0),
            active: AtomicI64::new(0),
            oldest: AtomicI64::new(i64::MAX),
            sealing: AtomicI64::new(i64::MAX),
            newest: AtomicI64::new(i64::MIN),
        }
    }
}

impl Figures {
    pub(super) fn apply(&self, change: Change) {
        self.samples.fetch_add(change.samples, Relaxed);
        self.bytes.fetch_add(change.bytes, Relaxed);
        self.active.fetch_add(change.active, Relaxed);
        self.oldest.fetch_min(change.oldest, Relaxed);
        self.newest.fetch_max(change.newest, Relaxed);
    }

    /// A sealing begins: what is in memory so far will leave. To be called while no sample comes.
    pub(super) fn begin_seal(&self) {
        let oldest = self.oldest.swap(i64::MAX, Relaxed);
        // One that has failed left its samples in memory.
        self.sealing.fetch_min(oldest, Relaxed);
    }

    /// What was there when the sealing began has left.
    pub(super) fn end_seal(&self) {
        self.sealing.store(i64::MAX, Relaxed);
    }

    /// Starts anew from a count.
    pub(super) fn set(&self, head: Head) {
        self.samples.store(head.samples as i64, Relaxed);
        self.bytes.store(head.bytes as i64, Relaxed);
        self.active.store(head.active as i64, Relaxed);
        self.oldest.store(head.oldest.unwrap_or(i64::MAX), Relaxed);
        self.sealing.store(i64::MAX, Relaxed);
        self.newest.store(head.newest.unwrap_or(i64::MIN), Relaxed);
    }

    pub(super) fn get(&self) -> Head {
        let count = |figure: &AtomicI64| figure.load(Relaxed).max(0) as u64;
        let active = count(&self.active) as usize;
        let oldest = self.oldest.load(Relaxed).min(self.sealing.load(Relaxed));
        Head {
            samples: count(&self.samples),
            bytes: count(&self.bytes),
            active,
            // A time that nobody can tell from none is one that nobody has.
            oldest: Some(oldest).filter(|oldest| active > 0 && *oldest != i64::MAX),
            newest: Some(self.newest.load(Relaxed)).filter(|newest| *newest != i64::MIN),
        }
    }
}

impl Shared {
    /// Memory in figures, counted series by series.
    pub(super) fn count(&self) -> Head {
        let series: Vec<Arc<Series>> = self.index.read().iter().cloned().collect();
        let mut head = Head::default();
        for series in series {
            let data = series.data.lock();
            if let Newest::At(t, _) = data.newest() {
                head.newest = head.newest.max(Some(t));
            }
            if data.is_active() {
                head.samples += data.samples();
                head.bytes += data.bytes() as u64;
                head.active += 1;
                head.oldest = head.oldest.into_iter().chain(data.oldest()).min();
            }
        }
        head
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use quarterdeck_kernel::{Labels, Timestamp};

    use crate::{Incoming, Ingest as _, MetricsConfig, Store};

    #[derive(Clone, Debug)]
    enum Step {
        Append(usize, i64, u8),
        Seal,
        Reopen,
        Backfill(usize, i64),
        Maintain,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            12 => (0usize..4, 0i64..400, any::<u8>()).prop_map(|(i, t, v)| Step::Append(i, t, v)),
            1 => Just(Step::Seal),
            1 => Just(Step::Reopen),
            1 => (0usize..4, 0i64..400).prop_map(|(i, t)| Step::Backfill(i, t)),
            2 => Just(Step::Maintain),
        ]
    }

    fn check(store: &Store, what: &Step) -> Result<(), TestCaseError> {
        let (kept, counted) = (store.0.figures.get(), store.0.count());
        prop_assert_eq!(
            (kept.samples, kept.bytes, kept.active),
            (counted.samples, counted.bytes, counted.active),
            "after {:?}",
            what
        );
        prop_assert!(counted.oldest.is_none() || kept.oldest <= counted.oldest, "{kept:?} {counted:?}");
        prop_assert!(kept.newest >= counted.newest, "{kept:?} {counted:?}");
        Ok(())
    }

    fn run(steps: &[Step], folder: Option<&std::path::Path>) -> Result<(), TestCaseError> {
        let config = MetricsConfig {
            out_of_order_window: Duration::from_secs(3600),
            retention_bytes: if folder.is_none() { 300 } else { 0 },
            ..MetricsConfig::default()
        };
        let open = || match folder {
            Some(folder) => Store::open(folder, config.clone()).unwrap(),
            None => Store::in_memory(config.clone()),
        };
        let mut store = open();
        let series =
            |store: &Store, i: usize| store.resolve(&Labels::from_pairs([("i", i.to_string())])).unwrap();
        for step in steps {
            match step {
                Step::Append(i, t, v) => {
                    let series = series(&store, *i);
                    // A run of several, so that chunks are closed.
                    let batch: Vec<Incoming> = (0..30)
                        .map(|n| Incoming {
                            series,
                            t: Timestamp::from_millis(t * 1000 + n * 100),
                            v: f64::from(*v) * n as f64,
                        })
                        .collect();
                    store.append(&batch).unwrap();
                }
                Step::Seal => drop(store.seal().unwrap()),
                Step::Reopen if folder.is_some() => {
                    drop(store);
                    store = open();
                }
                Step::Backfill(i, t) if folder.is_some() => {
                    let run = (0..50).map(|n| (t * 1000 + n * 7, n as u64)).collect();
                    store.backfill([(series(&store, *i), run)].into_iter().collect()).unwrap();
                }
                Step::Reopen | Step::Backfill(..) => {}
                Step::Maintain => drop(store.maintain(Timestamp::from_millis(500_000))),
            }
            check(&store, step)?;
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn figures_are_what_a_count_finds(steps in proptest::collection::vec(step(), 1..40)) {
            let folder = tempfile::tempdir().unwrap();
            run(&steps, Some(folder.path()))?;
            run(&steps, None)?;
        }
    }
}
