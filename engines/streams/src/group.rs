//! Metrics of the same labels: their series are found together.

use std::collections::HashMap;

use crate::rows::Cell;
use crate::scan::{Found, Wanted};

/// Label values from messages that are longer than this are refused, in bytes.
pub(crate) const MAX_LABEL_VALUE: usize = 256;

/// Metrics whose labels have the same values: the series of all of them are found by one look.
#[derive(Debug)]
pub(crate) struct Group {
    values: Vec<Wanted>,
    metrics: usize,
    /// By the labels' values: the number of the set.
    sets: HashMap<Box<str>, usize>,
    /// The series of each set, one place per metric.
    series: Vec<Option<usize>>,
    /// What was found for the record that is being taken.
    now: Option<Set>,
    /// The labels' values of that record; reused from record to record.
    key: String,
}

/// The labels' values of a record.
#[derive(Clone, Copy, Debug)]
enum Set {
    Known(usize),
    New,
    TooLong,
}

impl Group {
    /// Metrics with these values in their labels; none yet.
    pub(crate) fn new(values: Vec<Wanted>) -> Self {
        let (sets, series, key) = (HashMap::new(), Vec::new(), String::new());
        Self { values, metrics: 0, sets, series, now: None, key }
    }

    /// What its metrics have in their labels.
    pub(crate) fn values(&self) -> &[Wanted] {
        &self.values
    }

    /// Takes in a metric, before the first record; its place.
    pub(crate) fn admit(&mut self) -> usize {
        self.metrics += 1;
        self.metrics - 1
    }

    /// Another record is being taken.
    pub(crate) fn next(&mut self) {
        self.now = None;
    }

    /// The series that the metric at a place has for the labels of the record that is being taken, if there is one yet; none at
    /// all where a value is too long.
    pub(crate) fn known(&mut self, place: usize, found: &Found, record: usize) -> Option<Option<usize>> {
        let find = || find(&self.values, &self.sets, &mut self.key, found, record);
        match *self.now.get_or_insert_with(find) {
            Set::TooLong => None,
            Set::New => Some(None),
            Set::Known(set) => Some(self.series[set * self.metrics + place]),
        }
    }

    /// Takes up the series of one of its metrics for the record that is being taken.
    pub(crate) fn remember(&mut self, place: usize, series: usize) {
        let set = match self.now {
            Some(Set::Known(set)) => set,
            _ => {
                let set = self.sets.len();
                self.sets.insert(self.key.as_str().into(), set);
                self.series.resize((set + 1) * self.metrics, None);
                self.now = Some(Set::Known(set));
                set
            }
        };
        self.series[set * self.metrics + place] = Some(series);
    }
}

/// Finds the labels' values of a record among those that are known; they are left in `key`.
fn find(
    values: &[Wanted],
    sets: &HashMap<Box<str>, usize>,
    key: &mut String,
    found: &Found,
    record: usize,
) -> Set {
    key.clear();
    let mut ends = 0;
    for wanted in values {
        push_text(key, found.get(record, *wanted));
        if key.len() - ends > MAX_LABEL_VALUE {
            return Set::TooLong;
        }
        // Each value's length behind it keeps several apart, whatever they hold: read from the end there is one way only.
        if values.len() > 1 {
            push_number(key, key.len() - ends);
        }
        ends = key.len();
    }
    sets.get(key.as_str()).map_or(Set::New, |set| Set::Known(*set))
}

/// A number of at most five digits of base 128, so that every number takes the same place.
fn push_number(to: &mut String, number: usize) {
    to.extend((0..5).map(|digit| char::from((number >> (7 * digit) & 0x7f) as u8)));
}

/// A value as a label's text; nothing for what is absent.
pub(crate) fn push_text(to: &mut String, cell: &Cell) {
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
