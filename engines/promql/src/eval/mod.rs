//! Evaluation: every expression becomes columns, one per series, with one cell per step of the query.
//!
//! Selectors read their data once for the whole range; labels of results are worked out once per series, not per
//! step; what does not change from step to step is evaluated once.

mod absent;
mod aggregate;
mod binary;
mod bucket;
mod call;
mod column;
mod histogram_fn;
mod info;
mod invariant;
mod label_fn;
mod math;
mod over_time;
mod parallel;
mod rank;
mod rate;
mod regression;
mod selector;
mod sort;
mod stream;
#[cfg(test)]
mod stream_tests;
mod time_fn;
mod window;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

pub use aggregate::labels_hash;
pub(crate) use binary::arithmetic;
use column::{Column, Columns};
pub(crate) use invariant::follows_time;
use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Timestamp};

use crate::annotations::Annotations;
use crate::ast::{At, Expr, ExprKind, Modifiers};
use crate::engine::{EngineOptions, Output, Stats};
use crate::error::QueryError;
use crate::storage::{Budget, Storage, StorageError};
use crate::value::{Point, PointValue, Series, Value, VectorSample};
use crate::{Span, ValueType};

/// The moments of an evaluation.
#[derive(Clone, Copy, Debug)]
struct Steps {
    start: i64,
    step: i64,
    count: usize,
}

impl Steps {
    fn at(self, i: usize) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(i as i64))
    }

    fn end(self) -> i64 {
        self.at(self.count.saturating_sub(1))
    }

    fn one(t: i64) -> Self {
        Self { start: t, step: 1, count: 1 }
    }
}

/// The value of an expression at every step.
enum Evaluated {
    Scalar(Vec<f64>),
    Vector(Columns),
    String(String),
}

/// More steps than any budget should allow, for those without bounds.
const MAX_STEPS: usize = 1 << 26;

type Evaluation<T> = Result<T, QueryError>;

/// One query under evaluation.
struct Evaluator<'a> {
    storage: &'a dyn Storage,
    budget: &'a Budget,
    options: &'a EngineOptions,
    /// What `start()` and `end()` mean.
    bounds: (i64, i64),
    notes: Mutex<Annotations>,
    counts: Counts,
    /// Whether series are worked on as they are read; only tests go the general way where that is possible.
    streams: bool,
}

/// What has been touched so far, counted by all threads.
#[derive(Default)]
struct Counts {
    series: AtomicU64,
    samples: AtomicU64,
    peak: AtomicU64,
}

/// A query at one moment.
pub(crate) fn instant(
    expr: &Expr,
    storage: &dyn Storage,
    t: i64,
    budget: &Budget,
    options: &EngineOptions,
) -> Evaluation<Output> {
    let evaluator = Evaluator::new(storage, budget, options, (t, t));
    evaluator.instant(expr, t)
}

/// A query at every `step` from `start` to `end`.
pub(crate) fn range(
    expr: &Expr,
    storage: &dyn Storage,
    (start, end, step): (i64, i64, i64),
    budget: &Budget,
    options: &EngineOptions,
) -> Evaluation<Output> {
    let evaluator = Evaluator::new(storage, budget, options, (start, end));
    let count = end.saturating_sub(start) / step + 1;
    let steps = Steps { start, step, count: evaluator.step_count(count)? };
    evaluator.range(expr, steps)
}

fn series_of(column: &Column, steps: Steps) -> Option<Series> {
    let point = |i| Some(Point { t: Timestamp::from_millis(steps.at(i)), v: column.value(i)? });
    let points: Vec<Point> = (0..steps.count).filter_map(point).collect();
    (!points.is_empty()).then(|| Series { labels: column.labels.clone(), points })
}

impl<'a> Evaluator<'a> {
    fn new(
        storage: &'a dyn Storage,
        budget: &'a Budget,
        options: &'a EngineOptions,
        bounds: (i64, i64),
    ) -> Self {
        let (notes, counts) = (Mutex::default(), Counts::default());
        Self { storage, budget, options, bounds, notes, counts, streams: true }
    }

    /// The value of a query at one moment.
    fn instant(self, expr: &Expr, t: i64) -> Evaluation<Output> {
        let at = Timestamp::from_millis(t);
        if expr.value_type() == ValueType::Matrix {
            let series = self.range_result(expr, t)?;
            return Ok(self.finish(Value::Matrix(series)));
        }
        if stream::keeps_name(expr)
            && let Some(stream) = self.stream(expr, Steps::one(t))?
        {
            let samples = stream.vector()?;
            drop(stream);
            return Ok(self.finish(Value::Vector(samples)));
        }
        let value = match self.eval(expr, Steps::one(t))? {
            Evaluated::Scalar(values) => {
                Value::Scalar { t: at, v: values.first().copied().unwrap_or(f64::NAN) }
            }
            Evaluated::String(v) => Value::String { t: at, v },
            Evaluated::Vector(columns) => {
                let columns = self.remove_names(columns, expr.span)?;
                let mut samples: Vec<VectorSample> = columns
                    .into_iter()
                    .filter_map(|c| {
                        let v = c.value(0)?;
                        Some(VectorSample { labels: c.labels, point: Point { t: at, v } })
                    })
                    .collect();
                if !sort::keeps_order(expr) {
                    samples.sort_by(|a, b| a.labels.cmp(&b.labels));
                }
                Value::Vector(samples)
            }
        };
        Ok(self.finish(value))
    }

    /// The value of a query at every step.
    fn range(self, expr: &Expr, steps: Steps) -> Evaluation<Output> {
        if stream::keeps_name(expr)
            && let Some(stream) = self.stream(expr, steps)?
        {
            let matrix = stream.matrix()?;
            drop(stream);
            return Ok(self.finish(Value::Matrix(matrix)));
        }
        let columns = match self.eval(expr, steps)? {
            Evaluated::Scalar(values) => vec![Column::floats(Labels::default(), values)],
            Evaluated::Vector(columns) => self.remove_names(columns, expr.span)?,
            Evaluated::String(_) => vec![],
        };
        let mut matrix: Vec<Series> = columns.iter().filter_map(|c| series_of(c, steps)).collect();
        matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(self.finish(Value::Matrix(matrix)))
    }

    /// A count of steps, if one column of that many cells fits into the budget and into any sane memory.
    fn step_count(&self, count: i64) -> Evaluation<usize> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count > MAX_STEPS {
            return Err(StorageError::TooManySamples.into());
        }
        self.budget.take(count as u64)?;
        self.budget.give_back(count as u64);
        Ok(count)
    }

    fn finish(self, value: Value) -> Output {
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let stats = Stats {
            series: count(&self.counts.series),
            samples: count(&self.counts.samples),
            peak_samples: count(&self.counts.peak),
            ..Stats::default()
        };
        let annotations = self.notes.into_inner().unwrap_or_else(PoisonError::into_inner);
        Output { value, annotations, stats }
    }

    /// The value of any expression but a range vector.
    fn eval(&self, expr: &Expr, steps: Steps) -> Evaluation<Evaluated> {
        if steps.count > 1 && invariant::is_invariant(expr) {
            return Ok(match self.eval(expr, Steps { count: 1, ..steps })? {
                Evaluated::Scalar(v) => {
                    Evaluated::Scalar(vec![v.first().copied().unwrap_or(f64::NAN); steps.count])
                }
                Evaluated::Vector(columns) => {
                    // Taken before the copies are made: a pinned query over a long range can be large.
                    self.take(size(&columns).saturating_mul(steps.count as u64))?;
                    self.release(&columns);
                    Evaluated::Vector(columns.iter().map(|c| c.repeat(steps.count)).collect())
                }
                text @ Evaluated::String(_) => text,
            });
        }
        match &expr.kind {
            ExprKind::Number(n) => Ok(Evaluated::Scalar(vec![n.value; steps.count])),
            ExprKind::String(s) => Ok(Evaluated::String(s.value.clone())),
            ExprKind::Paren(inner) => self.eval(inner, steps),
            ExprKind::Vector(selector) => Ok(Evaluated::Vector(self.instant_columns(selector, steps)?)),
            ExprKind::Unary(unary) => self.unary(&unary.expr, unary.negative, steps),
            ExprKind::Binary(_) => self.binary(expr, steps),
            ExprKind::Aggregate(aggregate) => {
                Ok(Evaluated::Vector(self.aggregate(aggregate, expr.span, steps)?))
            }
            ExprKind::Call(_) => self.call(expr, steps),
            ExprKind::Matrix(_) | ExprKind::Subquery(_) => {
                Err(QueryError::evaluation(expr.span, "a range vector needs a function around it"))
            }
        }
    }

    fn held(&self, columns: Columns) -> Evaluation<Evaluated> {
        self.hold(&columns)?;
        Ok(Evaluated::Vector(columns))
    }

    /// An instant vector.
    fn vector(&self, expr: &Expr, steps: Steps) -> Evaluation<Columns> {
        match self.eval(expr, steps)? {
            Evaluated::Vector(columns) => Ok(columns),
            Evaluated::Scalar(values) => Ok(vec![Column::floats(Labels::default(), values)]),
            Evaluated::String(_) => Err(QueryError::evaluation(expr.span, "a string is no vector")),
        }
    }

    fn scalar(&self, expr: &Expr, steps: Steps) -> Evaluation<Vec<f64>> {
        match self.eval(expr, steps)? {
            Evaluated::Scalar(values) => Ok(values),
            Evaluated::Vector(_) | Evaluated::String(_) => {
                Err(QueryError::evaluation(expr.span, "a scalar is expected here"))
            }
        }
    }

    fn unary(&self, expr: &Expr, negative: bool, steps: Steps) -> Evaluation<Evaluated> {
        let value = self.eval(expr, steps)?;
        if !negative {
            return Ok(value);
        }
        Ok(match value {
            Evaluated::Scalar(values) => Evaluated::Scalar(values.into_iter().map(|v| -v).collect()),
            Evaluated::Vector(mut columns) => {
                for column in &mut columns {
                    column.map(|v| -v, |h| h.scale(-1.0));
                }
                Evaluated::Vector(self.drop_names_strictly(columns, expr.span)?)
            }
            text @ Evaluated::String(_) => text,
        })
    }

    /// The moment that an evaluation at `t` looks at.
    fn reference(&self, modifiers: &Modifiers, t: i64) -> i64 {
        let t = match modifiers.at {
            Some(At::Time(at)) => at,
            Some(At::Start) => self.bounds.0,
            Some(At::End) => self.bounds.1,
            None => t,
        };
        t.saturating_sub(modifiers.offset_millis())
    }

    fn hold(&self, columns: &[Column]) -> Evaluation<()> {
        self.take(size(columns))
    }

    fn take(&self, samples: u64) -> Evaluation<()> {
        self.budget.check()?;
        self.budget.take(samples)?;
        self.note_peak();
        Ok(())
    }

    fn note_peak(&self) {
        self.counts.peak.fetch_max(self.budget.used(), Ordering::Relaxed);
    }

    fn note_read(&self, series: u64, samples: u64) {
        self.counts.series.fetch_add(series, Ordering::Relaxed);
        self.counts.samples.fetch_add(samples, Ordering::Relaxed);
    }

    /// An empty column whose cells are taken from the budget.
    fn new_column(&self, labels: Labels, steps: usize) -> Evaluation<Column> {
        self.take(steps as u64)?;
        Ok(Column::empty(labels, steps))
    }

    /// Adds a column from [`Self::new_column`] to others if anything is in it.
    fn keep_column(&self, column: Column, columns: &mut Columns) -> Evaluation<()> {
        let cells = column.floats.len() as u64;
        if column.has_any() {
            self.budget.take(column.size() - cells)?;
            columns.push(column);
        } else {
            self.budget.give_back(cells);
        }
        Ok(())
    }

    fn release(&self, columns: &[Column]) {
        self.budget.give_back(size(columns));
    }

    fn warn(&self, span: Span, message: impl AsRef<str>) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).warn(span, message);
    }

    fn info_note(&self, span: Span, message: impl AsRef<str>) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).info(span, message);
    }

    /// Whether the label is part of a series's name.
    fn is_name(&self, label: &str) -> bool {
        label == METRIC_NAME
            || (self.options.type_and_unit_labels && matches!(label, "__type__" | "__unit__"))
    }

    /// The labels without those that make up the name.
    fn nameless(&self, labels: &Labels) -> Labels {
        labels.filter(|n| !self.is_name(n))
    }

    /// Takes the names off, or marks them to be taken off at the end. Series that then are the same become one, as long
    /// as no two of them have a value at the same step.
    fn drop_names(&self, columns: Columns, span: Span) -> Evaluation<Columns> {
        let (columns, same) = self.without_names(columns);
        if same { column::merged(columns).map_err(|_| same_labelset(span)) } else { Ok(columns) }
    }

    /// As [`Self::drop_names`], for operations on whole series: no two may become the same at all.
    fn drop_names_strictly(&self, columns: Columns, span: Span) -> Evaluation<Columns> {
        let (columns, same) = self.without_names(columns);
        if same && !column::distinct(&columns) { Err(same_labelset(span)) } else { Ok(columns) }
    }

    /// Takes the names off or marks them; and whether series may have become the same.
    fn without_names(&self, mut columns: Columns) -> (Columns, bool) {
        if self.options.delayed_name_removal {
            columns.iter_mut().for_each(|c| c.drop_name = true);
            return (columns, false);
        }
        let same = !self.distinct_without_names(&columns);
        for column in &mut columns {
            column.labels = self.nameless(&column.labels);
        }
        (columns, same)
    }

    /// Whether distinct series surely stay distinct without their names: when all have the same one.
    fn distinct_without_names(&self, columns: &[Column]) -> bool {
        let Some(first) = columns.first() else { return true };
        let name = first.labels.name();
        !self.options.type_and_unit_labels && columns.iter().all(|c| c.labels.name() == name)
    }

    /// Takes off the names that were marked.
    fn remove_names(&self, mut columns: Columns, span: Span) -> Evaluation<Columns> {
        let mut any = false;
        for column in columns.iter_mut().filter(|c| c.drop_name) {
            column.labels = self.nameless(&column.labels);
            column.drop_name = false;
            any = true;
        }
        if !any {
            return Ok(columns);
        }
        column::merged(columns).map_err(|_| same_labelset(span))
    }
}

fn size(columns: &[Column]) -> u64 {
    columns.iter().map(Column::size).sum()
}

fn same_labelset(span: Span) -> QueryError {
    QueryError::evaluation(span, "vector cannot contain metrics with the same labelset")
}

/// A histogram value, as columns keep it.
fn histogram_value(h: crate::Histogram) -> PointValue {
    PointValue::Histogram(std::sync::Arc::new(h))
}
