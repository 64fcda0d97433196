//! Series made from messages: bounded label sets, gauges and counters, gathered into batches.

use std::sync::Arc;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, STALE_NAN, Timestamp};

use crate::config::{FeedConfig, MetricKind};
use crate::group::{Group, push_text};
use crate::path::PathError;
use crate::rows::Cell;
use crate::scan::{Found, Scanner, Wanted};

/// How often a counter that does not move is written again, so that rates over it have two samples, in milliseconds.
const REPEAT: i64 = 15_000;

/// A metric, compiled.
#[derive(Debug)]
struct Metric {
    name: Arc<str>,
    kind: MetricKind,
    value: Option<Wanted>,
    labels: Vec<(Arc<str>, Wanted)>,
    /// Its group, and its place there.
    group: usize,
    place: usize,
}

#[derive(Debug)]
struct Series {
    labels: Labels,
    kind: MetricKind,
    value: f64,
    t: Timestamp,
    dirty: bool,
    /// Whether a staleness marker was written last.
    ended: bool,
}

/// What is known of the connection when series are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// It stands.
    Open,
    /// It has broken just now.
    Interrupted,
    /// It has been broken, and silent, for long.
    Dead,
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
    groups: Vec<Group>,
    series: Vec<Series>,
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
        let mut groups: Vec<Group> = Vec::new();
        for metric in &config.metrics {
            let mut labels = Vec::new();
            for (name, path) in &metric.labels {
                labels.push((Arc::from(name.as_str()), want(path)?));
            }
            let value = metric.path.as_ref().map(&mut want).transpose()?;
            let values: Vec<Wanted> = labels.iter().map(|(_, value)| *value).collect();
            let group = groups.iter().position(|g| g.values() == values).unwrap_or_else(|| {
                groups.push(Group::new(values));
                groups.len() - 1
            });
            let (name, kind, place) = (metric.name.as_str().into(), metric.kind, groups[group].admit());
            metrics.push(Metric { name, kind, value, labels, group, place });
        }
        let own = config.labels.iter().map(|(n, v)| (n.as_str().into(), v.as_str().into()));
        let constant = own.chain([(Arc::from("stream"), Arc::from(feed))]).collect();
        Ok(Self {
            metrics,
            constant,
            limit: config.max_series,
            groups,
            series: Vec::new(),
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
        self.groups.iter_mut().for_each(Group::next);
        for m in 0..self.metrics.len() {
            let metric = &self.metrics[m];
            let value = match metric.value {
                Some(wanted) => found.get(record, wanted).number(),
                // Counted are records that have what the labels name: others are another kind of message.
                None => {
                    let whole =
                        metric.labels.iter().all(|(_, label)| *found.get(record, *label) != Cell::Missing);
                    whole.then_some(1.0)
                }
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
        let group = &mut self.groups[metric.group];
        let known = group.known(metric.place, found, record)?;
        if known.is_some() || self.series.len() >= self.limit {
            return known;
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
        self.series.push(Series { labels, kind, value: 0.0, t, dirty: false, ended: false });
        let at = self.series.len() - 1;
        group.remember(metric.place, at);
        Some(at)
    }

    /// What has changed since the last time, one sample per series; counters also when they are due to be repeated. When
    /// the connection is dead, every series ends with a staleness marker, so that no chart goes on with old prices.
    pub(crate) fn flush(&mut self, now: Timestamp, line: Line, out: &mut Vec<Outgoing>) {
        if line == Line::Open && now.as_millis() - self.repeated.as_millis() >= REPEAT {
            self.repeated = now;
            for (at, series) in self.series.iter_mut().enumerate() {
                if series.kind == MetricKind::Counter && !series.dirty {
                    (series.dirty, series.t) = (true, now);
                    self.dirty.push(at);
                }
            }
        }
        out.reserve(self.dirty.len());
        for at in self.dirty.drain(..) {
            let series = &mut self.series[at];
            (series.dirty, series.ended) = (false, false);
            out.push(Outgoing { series: at, labels: series.labels.clone(), t: series.t, v: series.value });
        }
        if line == Line::Dead {
            for (at, series) in self.series.iter_mut().enumerate().filter(|(_, s)| !s.ended) {
                series.ended = true;
                out.push(Outgoing { series: at, labels: series.labels.clone(), t: now, v: STALE_NAN });
            }
        }
    }

    /// Whether a flush would give anything but repetitions.
    pub(crate) fn pending(&self) -> bool {
        !self.dirty.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use quarterdeck_kernel::is_stale;

    use super::*;
    use crate::group::MAX_LABEL_VALUE;

    fn table() -> (Scanner, SeriesTable) {
        let config: FeedConfig = toml::from_str(
            r#"
            url = "ws://x"
            max_series = 3
            metrics = [
                { name = "price", path = "p", labels = { a = "a", b = "b" } },
                { name = "seen_total", type = "counter" },
            ]
            "#,
        )
        .unwrap();
        let mut scanner = Scanner::new(None);
        let table = SeriesTable::new("f", &config, &mut scanner).unwrap();
        (scanner, table)
    }

    fn take(scanner: &Scanner, table: &mut SeriesTable, text: &str, now: i64) {
        let mut found = Found::default();
        scanner.scan(text, &mut found).unwrap();
        table.take(&found, 0, Timestamp::from_millis(now));
    }

    fn flush(table: &mut SeriesTable, line: Line, now: i64) -> Vec<(String, i64, f64)> {
        let mut out = Vec::new();
        table.flush(Timestamp::from_millis(now), line, &mut out);
        out.iter().map(|o| (o.labels.to_string(), o.t.as_millis(), o.v)).collect()
    }

    #[test]
    fn a_flush_holds_the_newest_value_of_a_gauge_and_the_sum_of_a_counter() {
        let (scanner, mut table) = table();
        for (p, now) in [("1", 100), ("\"2.5\"", 120), ("true", 140)] {
            take(&scanner, &mut table, &format!("{{\"a\":\"x\",\"p\":{p}}}"), now);
        }
        assert!(table.pending());
        let price = "price{a=\"x\", stream=\"f\"}".to_owned();
        let seen = "seen_total{stream=\"f\"}".to_owned();
        assert_eq!(flush(&mut table, Line::Interrupted, 200), [(price, 140, 1.0), (seen.clone(), 140, 3.0)]);
        assert!(!table.pending());
        assert_eq!(flush(&mut table, Line::Open, 20_000), [(seen, 20_000, 3.0)], "counters are repeated");
        assert_eq!(flush(&mut table, Line::Open, 30_000), []);
    }

    #[test]
    fn labels_that_could_be_confused_are_told_apart() {
        let (scanner, mut table) = table();
        take(&scanner, &mut table, r#"{"a":"x/001","b":"","p":1}"#, 0);
        take(&scanner, &mut table, r#"{"a":"x","b":"001","p":2}"#, 0);
        assert_eq!(table.len(), 3);
        take(&scanner, &mut table, r#"{"a":"new","p":3}"#, 0);
        assert_eq!((table.len(), table.refused), (3, 1));
    }

    #[test]
    fn metrics_of_the_same_labels_share_what_is_known_of_them() {
        let config: FeedConfig = toml::from_str(
            r#"
            url = "ws://x"
            max_series = 5
            metrics = [
                { name = "price", path = "p", labels = { symbol = "s" } },
                { name = "quotes_total", type = "counter", labels = { market = "s" } },
                { name = "all_total", type = "counter" },
            ]
            "#,
        )
        .unwrap();
        let mut scanner = Scanner::new(None);
        let mut table = SeriesTable::new("f", &config, &mut scanner).unwrap();
        let long = format!("{{\"s\":\"{}\",\"p\":1}}", "x".repeat(MAX_LABEL_VALUE + 1));
        // The second has no price, the third no room for it, the last none for its labels.
        for text in [r#"{"s":"a","p":1}"#, r#"{"s":"b"}"#, r#"{"s":"b","p":2}"#, r#"{"s":"c","p":3}"#, &long]
        {
            take(&scanner, &mut table, text, 7);
        }
        let told: Vec<(String, f64)> =
            flush(&mut table, Line::Open, 8).into_iter().map(|(s, _, v)| (s, v)).collect();
        let wanted = [
            ("price{stream=\"f\", symbol=\"a\"}", 1.0),
            ("quotes_total{market=\"a\", stream=\"f\"}", 1.0),
            ("all_total{stream=\"f\"}", 5.0),
            ("quotes_total{market=\"b\", stream=\"f\"}", 2.0),
            ("price{stream=\"f\", symbol=\"b\"}", 2.0),
        ];
        assert_eq!(told, wanted.map(|(s, v)| (s.to_owned(), v)));
        assert_eq!((table.len(), table.refused), (5, 4));
    }

    #[test]
    fn series_of_a_dead_connection_end_once_and_come_back() {
        let (scanner, mut table) = table();
        take(&scanner, &mut table, r#"{"a":"x","p":1}"#, 0);
        assert_eq!(flush(&mut table, Line::Open, 10).len(), 2);
        assert_eq!(flush(&mut table, Line::Interrupted, 20), []);
        let ended = flush(&mut table, Line::Dead, 30_000);
        assert_eq!((ended.len(), ended.iter().all(|(_, t, v)| *t == 30_000 && is_stale(*v))), (2, true));
        assert_eq!(flush(&mut table, Line::Dead, 31_000), []);
        take(&scanner, &mut table, r#"{"a":"x","p":4}"#, 40_000);
        assert_eq!(flush(&mut table, Line::Open, 40_000).len(), 2);
        assert_eq!(flush(&mut table, Line::Dead, 80_000).len(), 2);
    }

    #[test]
    fn counters_never_go_down_and_messages_without_the_value_say_nothing() {
        let config: FeedConfig = toml::from_str(
            "url = \"ws://x\"\nmetrics = [{ name = \"volume_total\", type = \"counter\", path = \"v\" }]",
        )
        .unwrap();
        let mut scanner = Scanner::new(None);
        let mut table = SeriesTable::new("f", &config, &mut scanner).unwrap();
        for text in ["{\"v\":5}", "{\"v\":-3}", "{}", "{\"v\":\"x\"}", "{\"v\":null}", "{\"v\":2}"] {
            take(&scanner, &mut table, text, 1);
        }
        assert_eq!(flush(&mut table, Line::Open, 2), [("volume_total{stream=\"f\"}".to_owned(), 1, 7.0)]);
        assert_eq!(table.refused, 1);
    }
}
