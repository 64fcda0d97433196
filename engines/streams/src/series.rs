//! Series made from messages: bounded label sets, gauges and counters, gathered into batches.

use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Timestamp};

use crate::config::{FeedConfig, MetricKind};
use crate::path::PathError;
use crate::rows::Cell;
use crate::scan::{Found, Scanner, Wanted};

/// Label values from messages that are longer than this are refused, in bytes.
const MAX_LABEL_VALUE: usize = 256;

/// How often a counter that does not move is written again, so that rates over it have two samples, in milliseconds.
const REPEAT: i64 = 15_000;

/// A metric, compiled.
#[derive(Debug)]
struct Metric {
    name: Arc<str>,
    kind: MetricKind,
    value: Option<Wanted>,
    labels: Vec<(Arc<str>, Wanted)>,
}

#[derive(Debug)]
struct Series {
    labels: Labels,
    kind: MetricKind,
    value: f64,
    t: Timestamp,
    dirty: bool,
}

/// A sample on its way to the store.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outgoing {
    /// The series' number within its feed.
    pub(crate) series: usize,
    pub(crate) labels: Labels,
    pub(crate) t: Timestamp,
    pub(crate) v: f64,
}

/// The series of one feed.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    metrics: Vec<Metric>,
    constant: Vec<(Arc<str>, Arc<str>)>,
    limit: usize,
    index: HashMap<Box<str>, usize>,
    series: Vec<Series>,
    key: String,
    repeated: Timestamp,
    dirty: Vec<usize>,
    /// Values that could not become a sample: too many series, label value too long.
    pub(crate) refused: u64,
}

impl SeriesTable {
    /// Compiles a feed's metrics; what they need is wanted from the scanner.
    pub(crate) fn new(feed: &str, config: &FeedConfig, scanner: &mut Scanner) -> Result<Self, PathError> {
        let mut want = |path: &String| Ok::<_, PathError>(scanner.want(&path.parse()?));
        let mut metrics = Vec::new();
        for metric in &config.metrics {
            let mut labels = Vec::new();
            for (name, path) in &metric.labels {
                labels.push((Arc::from(name.as_str()), want(path)?));
            }
            let value = metric.path.as_ref().map(&mut want).transpose()?;
            metrics.push(Metric { name: metric.name.as_str().into(), kind: metric.kind, value, labels });
        }
        let own = config.labels.iter().map(|(n, v)| (n.as_str().into(), v.as_str().into()));
        let constant = own.chain([(Arc::from("stream"), Arc::from(feed))]).collect();
        Ok(Self {
            metrics,
            constant,
            limit: config.max_series,
            index: HashMap::new(),
            series: Vec::new(),
            key: String::new(),
            repeated: Timestamp::default(),
            dirty: Vec::new(),
            refused: 0,
        })
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    /// Takes the values of one record.
    pub(crate) fn take(&mut self, found: &Found, record: usize, now: Timestamp) {
        for m in 0..self.metrics.len() {
            let metric = &self.metrics[m];
            let value = match metric.value {
                Some(wanted) => found.get(record, wanted).number(),
                None => Some(1.0),
            };
            // A record without the value says nothing about the metric: feeds mix kinds of messages.
            let Some(value) = value else { continue };
            let Some(at) = self.series_of(m, found, record) else {
                self.refused += 1;
                continue;
            };
            let series = &mut self.series[at];
            match series.kind {
                MetricKind::Gauge => series.value = value,
                MetricKind::Counter if value >= 0.0 => series.value += value,
                MetricKind::Counter => {
                    self.refused += 1;
                    continue;
                }
            }
            series.t = now;
            if !std::mem::replace(&mut series.dirty, true) {
                self.dirty.push(at);
            }
        }
    }

    /// The place of the series that a metric has for the labels of a record, made if there is room.
    fn series_of(&mut self, m: usize, found: &Found, record: usize) -> Option<usize> {
        let metric = &self.metrics[m];
        self.key.clear();
        self.key.push_str(&m.to_string());
        for (_, wanted) in &metric.labels {
            // The length before each value keeps values apart, whatever they hold.
            let start = self.key.len();
            push_text(&mut self.key, found.get(record, *wanted));
            let length = self.key.len() - start;
            if length > MAX_LABEL_VALUE {
                return None;
            }
            self.key.insert_str(start, &format!("/{length:03}"));
        }
        if let Some(at) = self.index.get(self.key.as_str()) {
            return Some(*at);
        }
        if self.series.len() >= self.limit {
            return None;
        }
        let own = metric.labels.iter().map(|(name, wanted)| {
            let mut text = String::new();
            push_text(&mut text, found.get(record, *wanted));
            (Arc::clone(name), Arc::from(text))
        });
        let labels: Labels = [(Arc::from(METRIC_NAME), Arc::clone(&metric.name))]
            .into_iter()
            .chain(own)
            .chain(self.constant.iter().cloned())
            .collect();
        let (kind, t) = (metric.kind, Timestamp::default());
        self.series.push(Series { labels, kind, value: 0.0, t, dirty: false });
        self.index.insert(self.key.as_str().into(), self.series.len() - 1);
        Some(self.series.len() - 1)
    }

    /// What has changed since the last time, one sample per series; counters also when they are due to be repeated.
    pub(crate) fn flush(&mut self, now: Timestamp, connected: bool, out: &mut Vec<Outgoing>) {
        if connected && now.as_millis() - self.repeated.as_millis() >= REPEAT {
            self.repeated = now;
            for (at, series) in self.series.iter_mut().enumerate() {
                if series.kind == MetricKind::Counter && !series.dirty {
                    (series.dirty, series.t) = (true, now);
                    self.dirty.push(at);
                }
            }
        }
        for at in self.dirty.drain(..) {
            let series = &mut self.series[at];
            series.dirty = false;
            out.push(Outgoing { series: at, labels: series.labels.clone(), t: series.t, v: series.value });
        }
    }

    /// Whether a flush would give anything but repetitions.
    pub(crate) fn pending(&self) -> bool {
        !self.dirty.is_empty()
    }
}

/// A value as a label's text; nothing for what is absent.
fn push_text(to: &mut String, cell: &Cell) {
    use std::fmt::Write as _;
    match cell {
        Cell::Missing | Cell::Null | Cell::Composite => {}
        Cell::Text(text) => to.push_str(text),
        // Writing to a string cannot fail.
        Cell::Bool(_) | Cell::Integer(_) | Cell::Number(_) => {
            let _ = write!(to, "{cell}");
        }
    }
}
