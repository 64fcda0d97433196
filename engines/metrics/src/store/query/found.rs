//! Series that a query reads one at a time.
//!
//! What is sealed is read at once, segment by segment; what is in memory is decoded when its turn comes. A segment
//! that was sealed meanwhile has taken samples out of memory that were not read yet: every read looks whether there was
//! a sealing since the beginning, and if so, reads its series again from all segments. Segments that were merged or
//! deleted meanwhile do not matter: what they have has been read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use quarterdeck_kernel::{Labels, Matcher, Sample, Timestamp};
use quarterdeck_promql::storage::{Budget, Found, StorageError};

use super::super::series::Series;
use super::super::{Shared, newest};
use super::put_in_order;

/// The samples of a range.
struct Ranges<'a> {
    shared: &'a Shared,
    from: i64,
    to: i64,
    series: Vec<Arc<Series>>,
    /// What the segments have of each series; no entries when no segment has a part in the range.
    sealed: Vec<Vec<Sample>>,
    /// How many sealings there had been before `sealed` was read.
    sealings: u64,
    budget: Budget,
    held: u64,
}

/// The newest samples, all known already.
struct Newest {
    found: Vec<newest::Found>,
    budget: Budget,
}

impl Shared {
    /// The series that fulfil all matchers, in the order of labels, to be read one by one.
    pub(super) fn find<'a>(
        &'a self,
        matchers: &[Matcher],
        (from, to): (i64, i64),
        newest: bool,
        budget: &Budget,
    ) -> Result<Box<dyn Found + 'a>, StorageError> {
        if newest {
            let found = self.newest_of(matchers, from, to, budget)?;
            return Ok(Box::new(Newest { found, budget: budget.clone() }));
        }
        let mut series = self.index.read().matching(matchers);
        let sealings = self.sealings.load(Ordering::SeqCst);
        let mut ranges = Ranges {
            shared: self,
            from,
            to,
            series: vec![],
            sealed: vec![],
            sealings,
            budget: budget.clone(),
            held: 0,
        };
        if self.segments.read().iter().any(|segment| segment.overlaps(from, to)) {
            series.sort_unstable_by_key(|series| series.id);
            let sealed = self.read_segments(&series, from, to, budget)?;
            ranges.held = sealed.iter().map(|samples| samples.len() as u64).sum();
            let mut both: Vec<(Arc<Series>, Vec<Sample>)> = series.into_iter().zip(sealed).collect();
            self.sort(&mut both, |(series, _)| series);
            (ranges.series, ranges.sealed) = both.into_iter().unzip();
        } else {
            self.sort(&mut series, |series| series);
            ranges.series = series;
        }
        Ok(Box::new(ranges))
    }
}

impl Ranges<'_> {
    /// Whether nothing was sealed since the beginning.
    fn is_unchanged(&self) -> bool {
        self.shared.sealings.load(Ordering::SeqCst) == self.sealings
    }
}

impl Drop for Ranges<'_> {
    fn drop(&mut self) {
        self.budget.give_back(self.held);
    }
}

impl Found for Ranges<'_> {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, n: usize) -> Labels {
        self.series[n].labels.to_labels()
    }

    fn label(&self, n: usize, i: usize) -> Option<(&Arc<str>, &Arc<str>)> {
        self.series[n].labels.pairs().get(i).map(|pair| (&pair.name, &pair.value))
    }

    fn read(&self, n: usize, samples: &mut Vec<Sample>) -> Result<(), StorageError> {
        samples.clear();
        if let Some(sealed) = self.sealed.get(n) {
            samples.extend_from_slice(sealed);
        }
        self.series[n].data.lock().collect(self.from, self.to, samples);
        if !self.is_unchanged() {
            let one = std::slice::from_ref(&self.series[n]);
            let again = self.shared.samples_of(one, self.from, self.to, &Budget::unbounded())?;
            samples.clear();
            again.into_iter().for_each(|all| samples.extend(all));
        }
        put_in_order(samples);
        Ok(())
    }
}

impl Drop for Newest {
    fn drop(&mut self) {
        self.budget.give_back(self.found.len() as u64);
    }
}

impl Found for Newest {
    fn len(&self) -> usize {
        self.found.len()
    }

    fn labels(&self, n: usize) -> Labels {
        self.found[n].0.labels.to_labels()
    }

    fn label(&self, n: usize, i: usize) -> Option<(&Arc<str>, &Arc<str>)> {
        self.found[n].0.labels.pairs().get(i).map(|pair| (&pair.name, &pair.value))
    }

    fn read(&self, n: usize, samples: &mut Vec<Sample>) -> Result<(), StorageError> {
        samples.clear();
        let newest = self.found[n].1;
        samples
            .extend(newest.map(|(t, bits)| Sample { t: Timestamp::from_millis(t), v: f64::from_bits(bits) }));
        Ok(())
    }
}
