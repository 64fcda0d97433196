//! What is made of a feed's messages: figures, rows and samples. Pure: messages and time are passed in.

use std::sync::Arc;

use quarterdeck_kernel::Timestamp;

use crate::config::{FeedConfig, TimeUnit};
use crate::model::Stats;
use crate::path::PathError;
use crate::queue::{Payload, Raw, Tally};
use crate::rates::Rates;
use crate::rows::{Cell, Ring, Row, Rows};
use crate::scan::{Found, Scanner, Wanted, cut};
use crate::sequence::Sequences;
use crate::series::{Line, Outgoing, SeriesTable};

/// Digests the messages of one feed.
#[derive(Debug)]
pub(crate) struct Digest {
    scanner: Scanner,
    found: Found,
    columns: Vec<Wanted>,
    sequence: Option<(Wanted, Option<Wanted>)>,
    time: Option<(Wanted, TimeUnit)>,
    series: SeriesTable,
    sequences: Sequences,
    connection: u64,
    ring: Ring,
    row_bytes: usize,
    rates: Rates,
    stats: Stats,
    last_message: Option<Timestamp>,
    last_bad: Option<(Timestamp, String)>,
    dirty: bool,
}

impl Digest {
    /// Compiles what a feed's configuration asks for.
    ///
    /// # Errors
    /// When a path does not read; [`crate::config::validate`] finds that before.
    pub(crate) fn new(name: &str, config: &FeedConfig, now: Timestamp) -> Result<Self, PathError> {
        let records = config.records.as_ref().map(|r| r.parse()).transpose()?;
        let mut scanner = Scanner::new(records);
        let mut columns = Vec::new();
        for column in config.ordered_columns() {
            columns.push(scanner.want(&config.path_of(column).parse()?));
        }
        let sequence = match &config.sequence {
            None => None,
            Some(s) => {
                let key = s.key.as_ref().map(|k| k.parse()).transpose()?;
                Some((scanner.want(&s.path.parse()?), key.map(|k| scanner.want(&k))))
            }
        };
        let time = match &config.timestamp {
            None => None,
            Some(t) => Some((scanner.want(&t.path.parse()?), t.unit)),
        };
        let series = SeriesTable::new(name, config, &mut scanner)?;
        Ok(Self {
            scanner,
            found: Found::default(),
            columns,
            sequence,
            time,
            series,
            sequences: Sequences::default(),
            connection: 0,
            ring: Ring::new(config.rows),
            row_bytes: config.row_bytes,
            rates: Rates::new(now),
            stats: Stats::default(),
            last_message: None,
            last_bad: None,
            dirty: true,
        })
    }

    /// Counts what has happened in the queue.
    pub(crate) fn tally(&mut self, tally: Tally, queued: usize) {
        self.dirty |= tally != Tally::default() || queued != self.stats.queued;
        self.stats.queued = queued;
        self.stats.messages += tally.messages;
        self.stats.bytes += tally.bytes;
        self.stats.dropped += tally.dropped;
        self.stats.bad += tally.refused;
        self.rates.count(tally.messages, tally.bytes, tally.dropped);
    }

    /// Digests one message.
    pub(crate) fn message(&mut self, raw: &Raw) {
        self.dirty = true;
        self.last_message = Some(raw.at);
        if std::mem::replace(&mut self.connection, raw.connection) != raw.connection {
            self.sequences.reconnected();
        }
        self.stats.binary += u64::from(matches!(raw.payload, Payload::Binary(_)));
        let Some(text) = raw.payload.text() else {
            return self.bad(raw, "a binary message is not text".to_owned(), None);
        };
        let mut found = std::mem::take(&mut self.found);
        match self.scanner.scan(text, &mut found) {
            Ok(()) => self.records(raw, &found),
            Err(e) => self.bad(raw, format!("a message is not JSON: {e}"), Some(text)),
        }
        self.found = found;
    }

    /// A message that cannot be read is counted and shown without cells.
    fn bad(&mut self, raw: &Raw, why: String, text: Option<&str>) {
        self.stats.bad += 1;
        self.last_bad = Some((raw.at, why));
        let shown: Arc<str> = match text {
            Some(text) => cut(text, self.row_bytes).into(),
            None => format!("{} bytes, binary", raw.payload.len()).into(),
        };
        self.row(raw, None, vec![Cell::Missing; self.columns.len()], shown);
    }

    fn records(&mut self, raw: &Raw, found: &Found) {
        let shown = raw.payload.kept(self.row_bytes);
        for record in 0..found.count() {
            self.stats.records += 1;
            if let Some((number, key)) = self.sequence
                && let Some(number) = whole(found.get(record, number))
            {
                let missing = match key.map(|k| found.get(record, k)) {
                    None => self.sequences.take("", number),
                    Some(Cell::Text(key)) => self.sequences.take(key, number),
                    Some(other) => self.sequences.take(&other.to_string(), number),
                };
                self.rates.missing(missing);
            }
            let sent = self.time.and_then(|(wanted, unit)| moment(found.get(record, wanted), unit));
            if let Some(sent) = sent {
                let lag = raw.at.as_millis().saturating_sub(sent.as_millis()) as f64;
                self.stats.lag_ms = Some(lag);
                self.rates.lag(lag);
            }
            self.series.take(found, record, raw.at);
            let cells = self.columns.iter().map(|w| found.get(record, *w).clone()).collect();
            self.row(raw, sent, cells, Arc::clone(&shown));
        }
    }

    fn row(&mut self, raw: &Raw, sent: Option<Timestamp>, cells: Vec<Cell>, text: Arc<str>) {
        let id = self.ring.next_id();
        let (received, bytes) = (raw.at, raw.payload.len());
        self.ring.push(Row { id, received, sent, cells: cells.into(), raw: text, bytes });
    }

    /// Closes seconds that have ended.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.dirty |= self.rates.tick(now);
    }

    /// Whether anything has changed since the last time this was asked.
    pub(crate) fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }

    /// Something else about the feed has changed.
    pub(crate) fn touch(&mut self) {
        self.dirty = true;
    }

    /// Counts what the metrics store said of a batch.
    pub(crate) fn stored(&mut self, taken: u64, refused: u64) {
        self.stats.samples += taken;
        self.stats.refused += refused;
        self.dirty |= refused > 0;
    }

    /// Samples that are due.
    pub(crate) fn flush(&mut self, now: Timestamp, line: Line, out: &mut Vec<Outgoing>) {
        self.series.flush(now, line, out);
    }

    /// Whether samples wait.
    pub(crate) fn pending(&self) -> bool {
        self.series.pending()
    }

    /// Figures as of now.
    pub(crate) fn stats(&self) -> Stats {
        let (message_rate, byte_rate) = self.rates.rates();
        Stats {
            message_rate,
            byte_rate,
            lag_max_ms: self.rates.lag_max(),
            missing: self.sequences.missing,
            gaps: self.sequences.gaps,
            out_of_order: self.sequences.out_of_order,
            sequence_keys: self.sequences.keys(),
            series: self.series.len(),
            refused: self.stats.refused + self.series.refused,
            ..self.stats
        }
    }

    pub(crate) fn rows(&self) -> Rows {
        self.ring.view()
    }

    pub(crate) fn history(&self) -> Arc<[crate::model::RatePoint]> {
        self.rates.history()
    }

    pub(crate) fn last_message(&self) -> Option<Timestamp> {
        self.last_message
    }

    /// The newest message that could not be read, and why.
    pub(crate) fn last_bad(&self) -> Option<&(Timestamp, String)> {
        self.last_bad.as_ref()
    }
}

/// A whole number, also as text.
fn whole(cell: &Cell) -> Option<i64> {
    match cell {
        Cell::Integer(i) => Some(*i),
        Cell::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// The moment that a cell tells, between the years 1970 and 9999.
fn moment(cell: &Cell, unit: TimeUnit) -> Option<Timestamp> {
    let per_milli = match unit {
        TimeUnit::Seconds => 1e-3,
        TimeUnit::Millis => 1.0,
        TimeUnit::Micros => 1e3,
        TimeUnit::Nanos => 1e6,
        TimeUnit::Rfc3339 => {
            let Cell::Text(text) = cell else { return None };
            let parsed: jiff::Timestamp = text.parse().ok()?;
            return Some(Timestamp::from_millis(parsed.as_millisecond()));
        }
    };
    let millis = cell.number()? / per_milli;
    (0.0..=253_402_300_799_999.0).contains(&millis).then(|| Timestamp::from_millis(millis.round() as i64))
}
