//! Metric families as values: what instruments and the host give, and how they get into a page and into the store.

use std::collections::HashMap;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, STALE_NAN, Timestamp};

use crate::exposition::{Format, Writer};
use crate::ingest::{Incoming, Ingest, IngestError, Metadata, MetricType, SeriesId};

/// A metric family with its samples as of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Name, by Prometheus's conventions; a counter's ends in `_total`.
    pub name: String,
    /// Type.
    pub kind: MetricType,
    /// What it says, in one sentence.
    pub help: String,
    /// Its samples.
    pub samples: Vec<FamilySample>,
}

/// One sample of a family.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilySample {
    /// What is added to the family's name: nothing, `_bucket`, `_sum` or `_count`.
    pub suffix: &'static str,
    /// Labels without the metric's name.
    pub labels: Vec<(String, String)>,
    /// Value.
    pub value: f64,
}

impl Family {
    /// A family without samples.
    pub fn new(name: impl Into<String>, kind: MetricType, help: impl Into<String>) -> Self {
        Self { name: name.into(), kind, help: help.into(), samples: Vec::new() }
    }

    /// A family of one sample without labels.
    pub fn single(name: impl Into<String>, kind: MetricType, help: impl Into<String>, value: f64) -> Self {
        let mut family = Self::new(name, kind, help);
        family.add(&[], value);
        family
    }

    /// Adds a sample.
    pub fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        self.samples.push(FamilySample { suffix: "", labels, value });
    }
}

/// Writes families as a page.
#[must_use]
pub fn page(families: &[Family], format: Format) -> String {
    let mut writer = Writer::new(format);
    let mut name = String::new();
    for family in families.iter().filter(|family| !family.samples.is_empty()) {
        writer.family(&family.name, family.kind, &family.help);
        for sample in &family.samples {
            name.clear();
            name.push_str(&family.name);
            name.push_str(sample.suffix);
            let labels = sample.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            writer.sample(&name, labels, sample.value, None, None);
        }
    }
    writer.finish()
}

/// Puts families into a store, each time as of one moment, the way a scrape does: with `job` and `instance`, `up`, and
/// a stale marker for what is no longer there.
#[derive(Debug)]
pub struct Appender {
    common: Vec<(String, String)>,
    known: HashMap<Labels, (SeriesId, u64)>,
    round: u64,
}

impl Appender {
    /// For families of one target.
    pub fn new(job: impl Into<String>, instance: impl Into<String>) -> Self {
        let common = vec![("job".to_owned(), job.into()), ("instance".to_owned(), instance.into())];
        Self { common, known: HashMap::new(), round: 0 }
    }

    /// Appends the families as of `now`; `up` is 1. Gives how many samples were taken.
    ///
    /// # Errors
    /// When the store cannot write. Series that it refuses are left out and the first refusal is told; the others are
    /// in.
    pub fn append(
        &mut self,
        ingest: &dyn Ingest,
        families: &[Family],
        now: Timestamp,
    ) -> Result<usize, IngestError> {
        self.round += 1;
        let mut batch = Vec::new();
        let mut refused = Ok(());
        let up = Family::single("up", MetricType::Gauge, "Whether the target could be read.", 1.0);
        for family in families.iter().chain([&up]) {
            let about = Metadata { kind: family.kind, help: family.help.clone(), unit: String::new() };
            ingest.describe(&family.name, &about);
            for sample in &family.samples {
                let labels = self.labels_of(family, sample);
                match self.resolve(ingest, labels) {
                    Ok(series) => batch.push(Incoming { series, t: now, v: sample.value }),
                    Err(error) => refused = refused.and(Err(error)),
                }
            }
        }
        let round = self.round;
        self.known.retain(|_, (series, seen)| {
            if *seen != round {
                batch.push(Incoming { series: *series, t: now, v: STALE_NAN });
            }
            *seen == round
        });
        let report = ingest.append(&batch)?;
        if !report.unknown.is_empty() {
            self.known.retain(|_, (series, _)| !report.unknown.contains(series));
        }
        refused.map(|()| report.taken)
    }

    fn labels_of(&self, family: &Family, sample: &FamilySample) -> Labels {
        let name = (METRIC_NAME.to_owned(), format!("{}{}", family.name, sample.suffix));
        Labels::from_pairs(sample.labels.iter().chain(&self.common).cloned().chain([name]))
    }

    fn resolve(&mut self, ingest: &dyn Ingest, labels: Labels) -> Result<SeriesId, IngestError> {
        if let Some((series, seen)) = self.known.get_mut(&labels) {
            *seen = self.round;
            return Ok(*series);
        }
        let series = ingest.resolve(&labels)?;
        self.known.insert(labels, (series, self.round));
        Ok(series)
    }
}
