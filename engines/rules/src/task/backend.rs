//! Rules over a store.

use std::sync::Arc;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Matcher, Timestamp};
use quarterdeck_metrics::{AppendReport, Incoming, Ingest};
use quarterdeck_promql::{Engine, PointValue, Storage, Value};

use crate::engine::{ALERT_NAME, ALERTS_FOR_STATE, Backend, Query, Sample};

/// Queries go to a [`Storage`], samples to an [`Ingest`].
pub struct StoreBackend {
    storage: Arc<dyn Storage>,
    ingest: Arc<dyn Ingest>,
    evaluator: Arc<Engine>,
}

impl StoreBackend {
    pub(super) fn new(storage: Arc<dyn Storage>, ingest: Arc<dyn Ingest>, evaluator: Arc<Engine>) -> Self {
        Self { storage, ingest, evaluator }
    }

    /// Writes what the store can take; the first reason against any of it.
    fn append(&self, samples: &[Sample]) -> Result<AppendReport, String> {
        let mut batch = Vec::with_capacity(samples.len());
        let mut refused = None;
        for sample in samples {
            let PointValue::Float(v) = sample.v else {
                refused.get_or_insert_with(|| format!("native histograms are not kept: {}", sample.labels));
                continue;
            };
            match self.ingest.resolve(&sample.labels) {
                Ok(series) => batch.push(Incoming { series, t: sample.t, v }),
                Err(error) => {
                    refused.get_or_insert_with(|| error.to_string());
                }
            }
        }
        let report = self.ingest.append(&batch).map_err(|error| error.to_string())?;
        match refused {
            None => Ok(report),
            Some(why) => Err(why),
        }
    }
}

impl Backend for StoreBackend {
    fn query(&self, query: &Query<'_>, at: Timestamp) -> Result<Value, String> {
        let budget = self.evaluator.budget();
        let output = match query {
            Query::Expr(expr) => self.evaluator.instant_expr(expr, &*self.storage, at, &budget),
            Query::Text(text) => self.evaluator.instant(text, &*self.storage, at, &budget),
        };
        output.map(|output| output.value).map_err(|error| error.to_string())
    }

    fn write(&self, samples: &[Sample]) -> Result<(), String> {
        if samples.is_empty() {
            return Ok(());
        }
        let mut report = self.append(samples)?;
        if !report.unknown.is_empty() {
            // Series went between two steps. What was taken is taken again as what it is: the same.
            report = self.append(samples)?;
        }
        for (count, why) in [
            (report.too_old, "out of order: older than the out-of-order window"),
            (report.too_new, "too far in the future"),
            (report.duplicate, "duplicate sample for timestamp: another value is already there"),
            (report.unknown.len(), "their series were dropped meanwhile"),
        ] {
            if count > 0 {
                return Err(format!("{count} of {} samples refused: {why}", samples.len()));
            }
        }
        Ok(())
    }

    fn for_state(
        &self,
        alert: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Labels, quarterdeck_kernel::Sample)>, String> {
        let matchers = [Matcher::equal(METRIC_NAME, ALERTS_FOR_STATE), Matcher::equal(ALERT_NAME, alert)];
        let budget = self.evaluator.budget();
        let found = self.storage.select(&matchers, from, to, &budget).map_err(|error| error.to_string())?;
        Ok(found.into_iter().filter_map(|series| Some((series.labels, *series.samples.last()?))).collect())
    }
}
