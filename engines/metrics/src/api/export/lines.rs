//! Series as lines of text.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Bytes;
use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Sample, is_stale};

use super::super::render;
use super::PIECE;
use crate::exposition::{Format, Writer};
use crate::ingest::{Metadata, MetricType};

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// OpenMetrics with timestamps, which `import openmetrics` reads.
    OpenMetrics,
    /// A line per sample: series, time, value.
    Csv,
    /// A line per run of samples: labels, values, timestamps.
    JsonLines,
}

impl Shape {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "openmetrics" => Self::OpenMetrics,
            "csv" => Self::Csv,
            "jsonl" => Self::JsonLines,
            _ => return None,
        })
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => Format::OpenMetrics.content_type(),
            Self::Csv => "text/csv; charset=utf-8",
            Self::JsonLines => "application/jsonl",
        }
    }
}

/// Writes series after series. Staleness markers are no values: they are left out.
pub(super) struct Lines {
    shape: Shape,
    metadata: BTreeMap<Arc<str>, Metadata>,
    out: String,
    /// The metric whose head was written last.
    metric: String,
    /// Families that have a head: each has one.
    families: HashSet<String>,
}

/// Samples of one line of JSON at most.
const RUN: usize = 1000;

impl Lines {
    pub(super) fn new(shape: Shape, metadata: Vec<(Arc<str>, Metadata)>) -> Self {
        let mut out = String::with_capacity(PIECE + 4096);
        if shape == Shape::Csv {
            out.push_str("series,time,value\n");
        }
        Self {
            shape,
            metadata: metadata.into_iter().collect(),
            out,
            metric: String::new(),
            families: HashSet::new(),
        }
    }

    /// Writes a series; `send` gets every piece that is full, until it says `false`.
    pub(super) fn series(
        &mut self,
        labels: &Labels,
        samples: &[Sample],
        mut send: impl FnMut(Bytes) -> bool,
    ) -> bool {
        if self.shape == Shape::OpenMetrics && self.metric != labels.name() {
            self.head(labels.name());
        }
        let prefix = self.prefix(labels);
        for run in samples.chunks(RUN) {
            self.run(&prefix, run);
            if self.out.len() >= PIECE && !send(std::mem::take(&mut self.out).into()) {
                return false;
            }
        }
        true
    }

    /// What is left.
    pub(super) fn finish(mut self) -> Bytes {
        if self.shape == Shape::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out.into()
    }

    /// Type and help of a metric, as far as they can be said of its samples alone: those of a histogram are three
    /// metrics here, each of a type that is not told.
    fn head(&mut self, metric: &str) {
        metric.clone_into(&mut self.metric);
        let about = self.metadata.get(metric);
        let base = metric.strip_suffix("_total").filter(|base| !base.is_empty());
        let of_base = base.and_then(|base| self.metadata.get(base));
        let is_counter = |about: Option<&Metadata>| about.is_some_and(|m| m.kind == MetricType::Counter);
        let (family, kind) = match base {
            Some(base) if is_counter(about) || is_counter(of_base) => (base, MetricType::Counter),
            _ if about.is_some_and(|m| m.kind == MetricType::Gauge) => (metric, MetricType::Gauge),
            _ => (metric, MetricType::Unknown),
        };
        let help = about.or(of_base).map(|m| m.help.clone()).unwrap_or_default();
        let (family, kind) =
            if self.families.contains(family) { (metric, MetricType::Unknown) } else { (family, kind) };
        if self.families.insert(family.to_owned()) {
            let mut writer = Writer::new(Format::OpenMetrics);
            writer.family(if kind == MetricType::Counter { metric } else { family }, kind, &help);
            self.out.push_str(&writer.into_text());
        }
    }

    /// What every line of a series starts with.
    fn prefix(&self, labels: &Labels) -> String {
        match self.shape {
            Shape::OpenMetrics => {
                let mut writer = Writer::new(Format::OpenMetrics);
                writer.series(labels.name(), labels.iter().filter(|(name, _)| *name != METRIC_NAME));
                writer.into_text()
            }
            Shape::Csv => {
                let mut text = labels.to_string().replace('"', "\"\"");
                text.insert(0, '"');
                text.push_str("\",");
                text
            }
            Shape::JsonLines => {
                let mut text = String::from("{\"metric\":");
                render::labels(&mut text, labels);
                text
            }
        }
    }

    fn run(&mut self, prefix: &str, samples: &[Sample]) {
        let values = || samples.iter().filter(|sample| !is_stale(sample.v));
        let out = &mut self.out;
        match self.shape {
            Shape::OpenMetrics => {
                for sample in values() {
                    out.push_str(prefix);
                    out.push(' ');
                    render::number(out, sample.v);
                    out.push(' ');
                    render::time(out, sample.t);
                    out.push('\n');
                }
            }
            Shape::Csv => {
                for sample in values() {
                    let _written = write!(out, "{prefix}{},", sample.t);
                    render::number(out, sample.v);
                    out.push('\n');
                }
            }
            Shape::JsonLines => {
                if values().next().is_none() {
                    return;
                }
                out.push_str(prefix);
                out.push_str(",\"values\":[");
                for (i, sample) in values().enumerate() {
                    render::comma(out, i);
                    if sample.v.is_finite() {
                        render::number(out, sample.v);
                    } else {
                        render::float(out, sample.v);
                    }
                }
                out.push_str("],\"timestamps\":[");
                for (i, sample) in values().enumerate() {
                    render::comma(out, i);
                    let _written = write!(out, "{}", sample.t.as_millis());
                }
                out.push_str("]}\n");
            }
        }
    }
}
