//! Takes history: samples of any age, in large runs, straight into a segment.

use std::sync::Arc;

use hashbrown::HashMap;
use quarterdeck_kernel::Sample;
use quarterdeck_promql::storage::{Budget, StorageError};

use super::Store;
use super::head::Change;
use super::series::Series;
use crate::ingest::{IngestError, SeriesId};

/// Series whose held samples are compared together.
const BATCH: usize = 256;

/// Times and bits.
type Run = Vec<(i64, u64)>;

/// What came of a backfill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backfilled {
    /// Samples taken.
    pub taken: u64,
    /// Samples of moments for which the store has one already; what it has stays.
    pub known: u64,
}

impl Store {
    /// Takes samples of any age and seals them: when it returns they are on the disk. Not for live ingest: nothing of
    /// them is in the log before, and every call makes a segment.
    ///
    /// # Errors
    /// When the store cannot read what it has or cannot write; the samples are not taken then, as far as the next start
    /// is concerned.
    pub fn backfill(&self, samples: HashMap<SeriesId, Run>) -> Result<Backfilled, IngestError> {
        let wrong = |error: StorageError| IngestError::Storage(error.to_string());
        let mut all: Vec<(Arc<Series>, Run)> = {
            let index = self.0.index.read();
            samples
                .into_iter()
                .filter_map(|(id, samples)| Some((Arc::clone(index.get(id.0)?), samples)))
                .collect()
        };
        all.sort_unstable_by_key(|(series, _)| series.id);
        let mut done = Backfilled::default();
        for batch in all.chunks_mut(BATCH) {
            for (_, samples) in batch.iter_mut() {
                // Stable: of several of one moment the first counts.
                samples.sort_by_key(|(t, _)| *t);
                let before = samples.len();
                samples.dedup_by_key(|(t, _)| *t);
                done.known += (before - samples.len()) as u64;
            }
            let times = || batch.iter().flat_map(|(_, samples)| samples.iter().map(|(t, _)| *t));
            let (Some(from), Some(to)) = (times().min(), times().max()) else { continue };
            let series: Vec<Arc<Series>> = batch.iter().map(|(series, _)| Arc::clone(series)).collect();
            let held = self.0.samples_of(&series, from, to, &Budget::unbounded()).map_err(wrong)?;
            for ((series, samples), held) in batch.iter_mut().zip(held) {
                let before = samples.len();
                samples.retain(|(t, _)| !has(&held, *t));
                done.known += (before - samples.len()) as u64;
                done.taken += samples.len() as u64;
                let mut change = Change::default();
                change.of(&mut series.data.lock(), |data| data.backfill(samples));
                samples.iter().for_each(|(t, _)| change.taken(*t));
                self.0.figures.apply(change);
            }
        }
        self.seal().map_err(|error| IngestError::Storage(error.to_string()))?;
        self.0.changed();
        Ok(done)
    }
}

fn has(held: &[Sample], t: i64) -> bool {
    held.binary_search_by_key(&t, |sample| sample.t.as_millis()).is_ok()
}
