//! One series of an evaluation: a cell per step.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use quarterdeck_kernel::sample::STALE_NAN_BITS;
use quarterdeck_kernel::{Labels, STALE_NAN};

use crate::histogram::Histogram;
use crate::value::PointValue;

pub(super) type Columns = Vec<Column>;

/// Marks a cell without a float. Stale markers never enter an evaluation and arithmetic never yields this bit pattern
/// (results of arithmetic are quiet NaNs, this one is not), so it is free to mean "nothing here".
pub(super) const ABSENT: f64 = STALE_NAN;

pub(super) fn is_absent(v: f64) -> bool {
    v.to_bits() == STALE_NAN_BITS
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) labels: Labels,
    /// Whether the name is to be taken off at the end.
    pub(super) drop_name: bool,
    /// A float or [`ABSENT`] per step.
    pub(super) floats: Vec<f64>,
    /// Native histograms per step, if the series has any.
    pub(super) histograms: Option<Vec<Option<Arc<Histogram>>>>,
}

/// What is in a cell.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Absent,
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

impl Column {
    pub(super) fn floats(labels: Labels, floats: Vec<f64>) -> Self {
        Self { labels, drop_name: false, floats, histograms: None }
    }

    /// No cell filled.
    pub(super) fn empty(labels: Labels, steps: usize) -> Self {
        Self::floats(labels, vec![ABSENT; steps])
    }

    pub(super) fn cell(&self, i: usize) -> Cell<'_> {
        let v = self.floats[i];
        if !is_absent(v) {
            return Cell::Float(v);
        }
        match self.histograms.as_ref().and_then(|h| h[i].as_ref()) {
            Some(h) => Cell::Histogram(h),
            None => Cell::Absent,
        }
    }

    pub(super) fn value(&self, i: usize) -> Option<PointValue> {
        match self.cell(i) {
            Cell::Absent => None,
            Cell::Float(v) => Some(PointValue::Float(v)),
            Cell::Histogram(h) => Some(PointValue::Histogram(Arc::clone(h))),
        }
    }

    pub(super) fn is_present(&self, i: usize) -> bool {
        !is_absent(self.floats[i]) || self.histograms.as_ref().is_some_and(|h| h[i].is_some())
    }

    pub(super) fn has_any(&self) -> bool {
        (0..self.floats.len()).any(|i| self.is_present(i))
    }

    pub(super) fn set_float(&mut self, i: usize, v: f64) {
        self.floats[i] = v;
        if let Some(histograms) = &mut self.histograms {
            histograms[i] = None;
        }
    }

    pub(super) fn set_histogram(&mut self, i: usize, h: Arc<Histogram>) {
        let steps = self.floats.len();
        self.floats[i] = ABSENT;
        self.histograms.get_or_insert_with(|| vec![None; steps])[i] = Some(h);
    }

    pub(super) fn set(&mut self, i: usize, value: PointValue) {
        match value {
            PointValue::Float(v) => self.set_float(i, v),
            PointValue::Histogram(h) => self.set_histogram(i, h),
        }
    }

    pub(super) fn copy_cell(&mut self, i: usize, from: &Self) {
        match from.cell(i) {
            Cell::Absent => {}
            Cell::Float(v) => self.set_float(i, v),
            Cell::Histogram(h) => self.set_histogram(i, Arc::clone(h)),
        }
    }

    pub(super) fn clear(&mut self, i: usize) {
        self.set_float(i, ABSENT);
    }

    /// Changes every filled cell.
    pub(super) fn map(&mut self, float: impl Fn(f64) -> f64, histogram: impl Fn(&mut Histogram)) {
        for v in self.floats.iter_mut().filter(|v| !is_absent(**v)) {
            *v = float(*v);
        }
        for h in self.histograms.iter_mut().flatten().flatten() {
            histogram(Arc::make_mut(h));
        }
    }

    /// The first cell in every step.
    pub(super) fn repeat(&self, steps: usize) -> Self {
        Self {
            labels: self.labels.clone(),
            drop_name: self.drop_name,
            floats: vec![self.floats[0]; steps],
            histograms: self.histograms.as_ref().map(|h| vec![h[0].clone(); steps]),
        }
    }

    /// How many samples it counts as in a budget.
    pub(super) fn size(&self) -> u64 {
        let histograms = self.histograms.as_ref().map_or(0, |h| h.iter().flatten().count() * 10);
        (self.floats.len() + histograms) as u64
    }
}

/// Whether no two columns have the same labels.
pub(super) fn distinct(columns: &[Column]) -> bool {
    let mut seen = HashSet::with_capacity(columns.len());
    columns.iter().all(|c| seen.insert(&c.labels))
}

/// Joins columns with the same labels; the labels when two of them have a value at the same step.
pub(super) fn merged(columns: Columns) -> Result<Columns, Labels> {
    let mut seen: HashMap<Labels, usize> = HashMap::with_capacity(columns.len());
    let mut out: Columns = Vec::with_capacity(columns.len());
    for column in columns {
        let Some(&earlier) = seen.get(&column.labels) else {
            seen.insert(column.labels.clone(), out.len());
            out.push(column);
            continue;
        };
        let target = &mut out[earlier];
        for i in (0..column.floats.len()).filter(|i| column.is_present(*i)) {
            if target.is_present(i) {
                return Err(column.labels);
            }
            target.copy_cell(i, &column);
        }
    }
    Ok(out)
}
