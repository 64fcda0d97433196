//! Writes batches of samples into the metrics store; runs where blocking is allowed.

use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_metrics::ingest::{Incoming, Ingest, SeriesId};

use crate::series::Outgoing;

/// Knows the store's ids of the feeds' series.
pub(crate) struct Sink {
    ingest: Arc<dyn Ingest>,
    ids: HashMap<(u64, usize), SeriesId>,
}

/// The samples of one feed.
pub(crate) struct Batch {
    pub(crate) feed: u64,
    pub(crate) samples: Vec<Outgoing>,
}

/// What the store said of one feed's samples.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Stored {
    pub(crate) feed: u64,
    pub(crate) taken: u64,
    pub(crate) refused: u64,
    pub(crate) error: Option<String>,
}

impl Sink {
    pub(crate) fn new(ingest: Arc<dyn Ingest>) -> Self {
        Self { ingest, ids: HashMap::new() }
    }

    /// Forgets the series of feeds that are gone.
    pub(crate) fn retain(&mut self, feeds: &[u64]) {
        self.ids.retain(|(feed, _), _| feeds.contains(feed));
    }

    /// Writes one feed's samples.
    pub(crate) fn write(&mut self, batch: &Batch) -> Stored {
        let mut stored = Stored { feed: batch.feed, ..Stored::default() };
        let gone = self.attempt(batch, None, &mut stored);
        if !gone.is_empty() {
            // The store has dropped these series since they were resolved: once more, resolved anew.
            self.ids.retain(|_, id| !gone.contains(id));
            let left = self.attempt(batch, Some(&gone), &mut stored);
            stored.refused += left.len() as u64;
        }
        stored
    }

    /// Appends the samples (of those series only, when some are given); returns the series that the store no longer has.
    fn attempt(&mut self, batch: &Batch, only: Option<&[SeriesId]>, stored: &mut Stored) -> Vec<SeriesId> {
        let mut incoming = Vec::with_capacity(batch.samples.len());
        for sample in &batch.samples {
            let known = self.ids.get(&(batch.feed, sample.series)).copied();
            if only.is_some() && known.is_some() {
                continue;
            }
            match known.map_or_else(|| self.resolve(batch.feed, sample), Ok) {
                Ok(series) => incoming.push(Incoming { series, t: sample.t, v: sample.v }),
                Err(e) => {
                    stored.refused += 1;
                    stored.error = Some(e);
                }
            }
        }
        match self.ingest.append(&incoming) {
            Ok(report) => {
                stored.taken += report.taken as u64;
                stored.refused += (report.too_old + report.duplicate) as u64;
                report.unknown
            }
            Err(e) => {
                stored.refused += incoming.len() as u64;
                stored.error = Some(e.to_string());
                Vec::new()
            }
        }
    }

    fn resolve(&mut self, feed: u64, sample: &Outgoing) -> Result<SeriesId, String> {
        let id = self.ingest.resolve(&sample.labels).map_err(|e| e.to_string())?;
        self.ids.insert((feed, sample.series), id);
        Ok(id)
    }
}
