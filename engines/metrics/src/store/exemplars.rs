//! Exemplars: a ring in memory, oldest out first. They point at traces, which live no longer.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use quarterdeck_kernel::{Labels, Matcher, Timestamp};

use super::Store;
use super::series::Series;
use crate::ingest::Exemplar;

/// The newest exemplars of all series.
pub(super) struct Ring {
    held: VecDeque<(Arc<Series>, Exemplar)>,
    /// Time and bits of the newest exemplar of each series that has one here.
    newest: HashMap<u64, (Timestamp, u64)>,
    most: usize,
    dropped: u64,
}

/// The exemplars of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// The series.
    pub labels: Labels,
    /// Its exemplars, oldest first.
    pub exemplars: Vec<Exemplar>,
}

impl Ring {
    pub(super) fn new(most: usize) -> Self {
        Self { held: VecDeque::new(), newest: HashMap::default(), most, dropped: 0 }
    }

    pub(super) fn push(&mut self, series: Arc<Series>, exemplar: Exemplar) {
        // A page shows the same exemplar at every scrape until there is a newer one.
        let mark = (exemplar.t, exemplar.v.to_bits());
        if self.newest.insert(series.id, mark) == Some(mark) {
            return;
        }
        while self.held.len() >= self.most.max(1) {
            if let Some((gone, exemplar)) = self.held.pop_front()
                && self.newest.get(&gone.id) == Some(&(exemplar.t, exemplar.v.to_bits()))
            {
                self.newest.remove(&gone.id);
            }
            self.dropped += 1;
        }
        self.held.push_back((series, exemplar));
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Store {
    /// The exemplars from `from` to `to` of the series that fulfil all matchers, sorted by labels.
    #[must_use]
    pub fn exemplars(&self, matchers: &[Matcher], from: Timestamp, to: Timestamp) -> Vec<SeriesExemplars> {
        let mut found: Vec<SeriesExemplars> = Vec::new();
        for (series, exemplar) in &self.0.exemplars.lock().held {
            let matches = |m: &Matcher| m.matches(series.labels.value(&m.name));
            if !(from..=to).contains(&exemplar.t) || !matchers.iter().all(matches) {
                continue;
            }
            match found.iter_mut().find(|held| series.labels.is(held.labels.iter())) {
                Some(held) => held.exemplars.push(exemplar.clone()),
                None => found.push(SeriesExemplars {
                    labels: series.labels.to_labels(),
                    exemplars: vec![exemplar.clone()],
                }),
            }
        }
        for series in &mut found {
            series.exemplars.sort_by_key(|exemplar| exemplar.t);
        }
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        found
    }
}
