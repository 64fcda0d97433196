//! What stands in a page.

use std::borrow::Cow;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Timestamp};

use super::labels::{LabelIter, unescape};
use crate::ingest::{Exemplar, MetricType};

/// One line of a page that says something.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// `# TYPE`.
    Type {
        /// Metric family.
        name: Cow<'a, str>,
        /// Its type; `untyped` is [`MetricType::Unknown`].
        kind: MetricType,
    },
    /// `# HELP`.
    Help {
        /// Metric family.
        name: Cow<'a, str>,
        /// The text, unescaped.
        text: Cow<'a, str>,
    },
    /// `# UNIT` (OpenMetrics).
    Unit {
        /// Metric family.
        name: Cow<'a, str>,
        /// The unit; may be empty.
        unit: &'a str,
    },
    /// A sample.
    Sample(SampleItem<'a>),
}

/// A sample as it stands in a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleItem<'a> {
    /// The series exactly as written: name, and braces if there are any. The same bytes always mean the same series,
    /// so that a scraper can remember what they came to.
    pub series: &'a str,
    /// Value.
    pub value: f64,
    /// When, if the page says so.
    pub timestamp: Option<Timestamp>,
    /// Its exemplar (OpenMetrics).
    pub exemplar: Option<ExemplarItem<'a>>,
    pub(super) name: &'a str,
    pub(super) name_escaped: bool,
    pub(super) inside: &'a str,
    /// The timestamp in seconds, as written; for the ordering rules, which are finer than milliseconds.
    pub(super) seconds: Option<f64>,
}

/// An exemplar as it stands in a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExemplarItem<'a> {
    /// Observed value.
    pub value: f64,
    /// When, if the page says so.
    pub timestamp: Option<Timestamp>,
    pub(super) inside: &'a str,
}

/// A label name that a series has twice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("label {name:?} stands twice in {series}: name each label once")]
pub struct RepeatedLabel {
    /// The label.
    pub name: String,
    /// The series as written.
    pub series: String,
}

impl<'a> SampleItem<'a> {
    /// The metric's name.
    #[must_use]
    pub fn name(&self) -> Cow<'a, str> {
        if self.name_escaped { unescape(self.name) } else { Cow::Borrowed(self.name) }
    }

    /// The labels as written, the metric's name not among them.
    #[must_use]
    pub fn labels(&self) -> LabelIter<'a> {
        LabelIter::new(self.inside)
    }

    /// The label set, the metric's name included; labels with empty values are absent from it.
    ///
    /// # Errors
    /// When a label stands twice.
    pub fn to_labels(&self) -> Result<Labels, RepeatedLabel> {
        let mut names: Vec<Cow<'a, str>> = Vec::with_capacity(8);
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::with_capacity(8);
        for (name, value) in self.labels() {
            if name == METRIC_NAME || names.contains(&name) {
                return Err(RepeatedLabel { name: name.into_owned(), series: self.series.to_owned() });
            }
            names.push(name.clone());
            pairs.push((name, value));
        }
        pairs.push((Cow::Borrowed(METRIC_NAME), self.name()));
        Ok(Labels::from_pairs(pairs))
    }
}

impl<'a> ExemplarItem<'a> {
    /// The labels as written.
    #[must_use]
    pub fn labels(&self) -> LabelIter<'a> {
        LabelIter::new(self.inside)
    }

    /// The exemplar as the store keeps it; `t` is the sample's own time, used when the page gives none.
    #[must_use]
    pub fn to_exemplar(&self, t: Timestamp) -> Exemplar {
        Exemplar { labels: Labels::from_pairs(self.labels()), v: self.value, t: self.timestamp.unwrap_or(t) }
    }
}
