//! The series that tell how a scrape went: `up` and its companions.

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_metrics::{Ingest, IngestError, SeriesId};

/// Their names, in the order of [`Report::values`].
pub(crate) const NAMES: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// What they tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) up: bool,
    pub(crate) seconds: f64,
    pub(crate) scraped: usize,
    pub(crate) post_relabel: usize,
    pub(crate) added: usize,
}

impl Report {
    pub(crate) fn values(&self) -> [f64; 5] {
        [
            if self.up { 1.0 } else { 0.0 },
            self.seconds,
            self.scraped as f64,
            self.post_relabel as f64,
            self.added as f64,
        ]
    }
}

/// Resolves the five series of a target.
pub(crate) fn resolve(target: &Labels, ingest: &dyn Ingest) -> Result<[SeriesId; 5], IngestError> {
    let mut ids = [SeriesId(0); 5];
    for (id, name) in ids.iter_mut().zip(NAMES) {
        *id = ingest.resolve(&target.with(METRIC_NAME, name))?;
    }
    Ok(ids)
}
