//! Whom to tell when there are too many series.

use super::index::Index;
use crate::ingest::IngestError;

/// The culprit is looked for again after this many refusals: it takes a pass over its series.
const REFRESH: u32 = 4096;

/// Remembers who has the most series.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    told: u32,
    answer: Option<IngestError>,
}

impl Refusal {
    pub(super) fn tell(&mut self, index: &Index, limit: usize) -> IngestError {
        self.told += 1;
        if let Some(answer) = self.answer.as_ref().filter(|_| self.told < REFRESH) {
            return answer.clone();
        }
        self.told = 0;
        let (metric, metric_series, label, label_values) =
            index.most().unwrap_or_else(|| ("".into(), 0, "".into(), 0));
        let answer = IngestError::TooManySeries {
            limit,
            metric: metric.as_ref().to_owned(),
            metric_series,
            label: label.as_ref().to_owned(),
            label_values,
        };
        self.answer = Some(answer.clone());
        answer
    }

    /// After series were dropped.
    pub(super) fn forget(&mut self) {
        self.answer = None;
    }
}
