//! Writes pages in both formats.

use std::fmt::Write as _;

use quarterdeck_kernel::Timestamp;
use quarterdeck_kernel::labels::{is_legacy_label_name, is_legacy_metric_name};

use super::format::Format;
use super::number::write_float;
use crate::ingest::{Exemplar, MetricType};

/// Writes a page, family by family.
#[derive(Clone, Debug)]
pub struct Writer {
    format: Format,
    out: String,
}

impl Writer {
    /// An empty page.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format, out: String::with_capacity(4096) }
    }

    /// Starts a family. A counter's name ends in `_total`; OpenMetrics drops that from the family's name.
    pub fn family(&mut self, name: &str, kind: MetricType, help: &str) {
        let (name, kind) = match (self.format, kind) {
            (Format::OpenMetrics, MetricType::Counter) => {
                (name.strip_suffix("_total").unwrap_or(name), "counter")
            }
            (Format::OpenMetrics, MetricType::Info) => (name.strip_suffix("_info").unwrap_or(name), "info"),
            (Format::OpenMetrics, MetricType::GaugeHistogram) => (name, "gaugehistogram"),
            (Format::OpenMetrics, MetricType::StateSet) => (name, "stateset"),
            (Format::OpenMetrics, MetricType::Unknown) => (name, "unknown"),
            (Format::Text, MetricType::Unknown) => (name, "untyped"),
            (_, MetricType::Counter) => (name, "counter"),
            (_, MetricType::Histogram) => (name, "histogram"),
            (_, MetricType::Summary) => (name, "summary"),
            // The text format has no such types; their samples are gauges there.
            (_, MetricType::Gauge | MetricType::GaugeHistogram | MetricType::Info | MetricType::StateSet) => {
                (name, "gauge")
            }
        };
        self.out.push_str("# HELP ");
        self.name(name);
        self.out.push(' ');
        escape(&mut self.out, help, self.format == Format::OpenMetrics);
        self.out.push_str("\n# TYPE ");
        self.name(name);
        self.out.push(' ');
        self.out.push_str(kind);
        self.out.push('\n');
    }

    /// Adds a sample. `labels` does not hold the metric's name.
    pub fn sample<'l>(
        &mut self,
        name: &str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        value: f64,
        timestamp: Option<Timestamp>,
        exemplar: Option<&Exemplar>,
    ) {
        self.series(name, labels);
        self.out.push(' ');
        write_float(&mut self.out, value);
        if let Some(t) = timestamp {
            self.out.push(' ');
            self.timestamp(t);
        }
        if let (Format::OpenMetrics, Some(exemplar)) = (self.format, exemplar) {
            self.out.push_str(" # {");
            for (i, (label, value)) in exemplar.labels.iter().enumerate() {
                if i > 0 {
                    self.out.push(',');
                }
                self.pair(label, value);
            }
            self.out.push_str("} ");
            write_float(&mut self.out, exemplar.v);
            self.out.push(' ');
            self.timestamp(exemplar.t);
        }
        self.out.push('\n');
    }

    /// Adds a series as it stands before its value. `labels` does not hold the metric's name.
    pub(crate) fn series<'l>(&mut self, name: &str, labels: impl IntoIterator<Item = (&'l str, &'l str)>) {
        let legacy = is_legacy_metric_name(name);
        if legacy {
            self.out.push_str(name);
        }
        let mut open = false;
        if !legacy {
            self.out.push('{');
            self.quoted(name);
            open = true;
        }
        for (label, value) in labels {
            self.out.push(if open { ',' } else { '{' });
            open = true;
            self.pair(label, value);
        }
        if open {
            self.out.push('}');
        }
    }

    /// What was written so far, without an end.
    pub(crate) fn into_text(self) -> String {
        self.out
    }

    /// The whole page.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn timestamp(&mut self, t: Timestamp) {
        let written = match self.format {
            Format::Text => write!(self.out, "{}", t.as_millis()),
            Format::OpenMetrics => {
                let (sign, millis) = (if t.as_millis() < 0 { "-" } else { "" }, t.as_millis().unsigned_abs());
                write!(self.out, "{sign}{}.{:03}", millis / 1000, millis % 1000)
            }
        };
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }

    fn name(&mut self, name: &str) {
        if is_legacy_metric_name(name) {
            self.out.push_str(name);
        } else {
            self.quoted(name);
        }
    }

    fn pair(&mut self, label: &str, value: &str) {
        if is_legacy_label_name(label) {
            self.out.push_str(label);
        } else {
            self.quoted(label);
        }
        self.out.push('=');
        self.quoted(value);
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        escape(&mut self.out, text, true);
        self.out.push('"');
    }
}

fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}
