//! Selectors read series by series, and what can be worked out of each series alone.
//!
//! What a query does with a series right after reading it (the newest sample at each step, the rate of each window, its
//! share in a sum) is done while its samples are at hand, so that no query holds the samples of all series at once, and
//! several threads can do it. Series with native histograms are rare and go the general way.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Timestamp, is_stale, time};

use super::call::{CHECK_EVERY, RangeCall, RangeFunction, range_function};
use super::column::{ABSENT, Column, Columns, is_absent};
use super::invariant::is_invariant;
use super::parallel::in_blocks;
use super::window::{RangeSeries, Slider};
use super::{Evaluation, Evaluator, Steps, rate, same_labelset};
use crate::Span;
use crate::ast::{Call, Expr, ExprKind, VectorSelector};
use crate::storage::Found;
use crate::value::{Point, PointValue, Series, ValueType, VectorSample};

/// How many series are worked on between two checks for cancellation.
const SERIES_PER_CHECK: usize = 64;
/// Rows that wait to be folded take this many cells at most.
const WAITING_CELLS: usize = 1 << 21;

/// The series of a selector, each of which yields a row of cells, one per step.
pub(super) struct Stream<'e, 'a> {
    evaluator: &'e Evaluator<'a>,
    found: Box<dyn Found + 'a>,
    /// The moment that each step looks at.
    ends: Vec<i64>,
    steps: Steps,
    kind: Kind<'e>,
}

/// What becomes of a series.
enum Kind<'e> {
    /// The newest sample at each step, or its time in seconds.
    Newest { lookback: i64, times: bool },
    /// A function of the window before each step.
    Windows(Windows<'e>),
}

struct Windows<'e> {
    call: &'e Call,
    function: RangeFunction,
    slope: Option<rate::Slope>,
    /// Milliseconds.
    range: i64,
    /// The scalar arguments, a value per step each.
    params: Vec<Vec<f64>>,
    /// Where the range vector stands in the query.
    span: Span,
}

/// Rows of some series: which, and their cells one after the other.
struct Rows {
    series: Vec<usize>,
    cells: Vec<f64>,
}

/// What one thread needs again and again.
struct Scratch {
    series: RangeSeries,
    row: Vec<f64>,
    params: Vec<f64>,
    since_check: usize,
}

impl<'a> Evaluator<'a> {
    /// The expression as a stream of rows, if it is a selector or a function of one and there are no native histograms.
    pub(super) fn stream<'e>(&'e self, expr: &'e Expr, steps: Steps) -> Evaluation<Option<Stream<'e, 'a>>> {
        if !self.streams || steps.count > 1 && is_invariant(expr) {
            return Ok(None);
        }
        let expr = expr.unwrapped();
        match &expr.kind {
            ExprKind::Vector(selector) => self.newest_stream(selector, steps, false),
            ExprKind::Call(call) => match range_function(call.function.name) {
                Some(function) => self.window_stream(call, function, steps),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// The newest sample of each series at each step, or its time.
    pub(super) fn newest_stream<'e>(
        &'e self,
        selector: &VectorSelector,
        steps: Steps,
        times: bool,
    ) -> Evaluation<Option<Stream<'e, 'a>>> {
        if !self.streams {
            return Ok(None);
        }
        let lookback = time::millis(self.options.lookback).max(1);
        let ends = self.ends(&selector.modifiers, steps);
        let (Some(&first), Some(&last)) = (ends.first(), ends.last()) else { return Ok(None) };
        let after = first.saturating_sub(lookback);
        let found = self.find(selector, after.saturating_add(1), last, first == last)?;
        let kind = Kind::Newest { lookback, times };
        Ok(found.map(|found| Stream { evaluator: self, found, ends, steps, kind }))
    }

    fn window_stream<'e>(
        &'e self,
        call: &'e Call,
        function: RangeFunction,
        steps: Steps,
    ) -> Evaluation<Option<Stream<'e, 'a>>> {
        let position = range_position(call);
        let argument = &call.args[position];
        let ExprKind::Matrix(matrix) = &argument.unwrapped().kind else { return Ok(None) };
        let range = matrix.range.millis;
        let ends = self.ends(&matrix.selector.modifiers, steps);
        let (Some(&first), Some(&last)) = (ends.first(), ends.last()) else { return Ok(None) };
        let from = first.saturating_sub(range).saturating_add(1);
        let Some(found) = self.find(&matrix.selector, from, last, false)? else { return Ok(None) };
        let params = self.scalar_arguments(call, position, steps)?;
        let slope = rate::Slope::of(call.function.name);
        let kind = Kind::Windows(Windows { call, function, slope, range, params, span: argument.span });
        Ok(Some(Stream { evaluator: self, found, ends, steps, kind }))
    }

    /// All series of a selector in a closed range of time, unless there are native histograms among them.
    fn find(
        &self,
        selector: &VectorSelector,
        from: i64,
        to: i64,
        newest: bool,
    ) -> Evaluation<Option<Box<dyn Found + 'a>>> {
        self.budget.check()?;
        let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
        let matchers = &selector.matchers;
        if !self.storage.select_histograms(matchers, from, to, self.budget)?.is_empty() {
            return Ok(None);
        }
        let found = self.storage.find(matchers, (from, to), newest, self.budget)?;
        self.note_peak();
        Ok(Some(found))
    }

    /// The samples of a range selector at one moment, as the result of a query.
    pub(super) fn range_series(
        &self,
        selector: &VectorSelector,
        range: i64,
        t: i64,
    ) -> Evaluation<Option<Vec<Series>>> {
        if !self.streams {
            return Ok(None);
        }
        let end = self.reference(&selector.modifiers, t);
        let from = end.saturating_sub(range).saturating_add(1);
        let Some(found) = self.find(selector, from, end, false)? else { return Ok(None) };
        let blocks = in_blocks(found.len(), 64, |which| {
            let (mut out, mut samples) = (Vec::with_capacity(which.len()), vec![]);
            let (mut series, mut read) = (0, 0);
            for n in which {
                if n % SERIES_PER_CHECK == 0 {
                    self.budget.check()?;
                }
                found.read(n, &mut samples)?;
                series += u64::from(!samples.is_empty());
                read += samples.len() as u64;
                let fresh = samples.iter().filter(|s| !is_stale(s.v));
                let mut points: Vec<Point> = Vec::with_capacity(samples.len());
                points.extend(fresh.map(|s| Point { t: s.t, v: PointValue::Float(s.v) }));
                if !points.is_empty() {
                    self.budget.take(points.len() as u64)?;
                    out.push((n, points));
                }
            }
            self.note_read(series, read);
            Ok(out)
        })?;
        self.note_peak();
        let series = |(n, points)| Series { labels: found.labels(n), points };
        Ok(Some(blocks.into_iter().flatten().map(series).collect()))
    }
}

/// Watches the names of a stream's series while they are folded: without them two may become the same.
pub(super) struct Names<'s, 'e, 'a> {
    stream: &'s Stream<'e, 'a>,
    /// Whether the names go at once.
    lost: bool,
    /// Each once for each run of series that have it.
    seen: Vec<Arc<str>>,
    /// The texts of the label and the name seen last, if the name came first of all labels.
    last: Option<(Arc<str>, Arc<str>)>,
    series: Vec<usize>,
}

impl<'s, 'e, 'a> Names<'s, 'e, 'a> {
    pub(super) fn new(stream: &'s Stream<'e, 'a>) -> Self {
        let lost = stream.drops_name() && !stream.evaluator.options.delayed_name_removal;
        Self { stream, lost, seen: vec![], last: None, series: vec![] }
    }

    /// Whether the series lose their names at once.
    pub(super) fn lost(&self) -> bool {
        self.lost
    }

    /// To be called for each series that has a row.
    pub(super) fn add(&mut self, n: usize) {
        if self.lost {
            self.series.push(n);
        }
        // The name comes first but for labels in capitals, and is mostly that of the series before.
        let first = self.stream.label(n, 0);
        if let (Some((label, name)), Some((last_label, last_name))) = (first, &self.last)
            && Arc::ptr_eq(last_label, label)
            && Arc::ptr_eq(last_name, name)
        {
            return;
        }
        self.last = first.filter(|(label, _)| &***label == METRIC_NAME).map(|(l, n)| (l.clone(), n.clone()));
        let name = self.stream.metric(n);
        if self.seen.last().is_none_or(|last| **last != *name) {
            self.seen.push(name.into());
        }
    }

    /// Remarks on names of counters, and checks that no two series became the same. `span` is where the function over
    /// the selector stands.
    ///
    /// # Errors
    /// When two did.
    pub(super) fn check(&self, span: Span) -> Evaluation<()> {
        let evaluator = self.stream.evaluator;
        if let Some(range) = self.stream.wants_counters() {
            evaluator.check_counter_names(self.seen.iter().map(|name| &**name), range);
        }
        if self.lost && (self.seen.len() > 1 || evaluator.options.type_and_unit_labels) {
            let mut seen = HashSet::with_capacity(self.series.len());
            let mut labels = self.series.iter().map(|n| evaluator.nameless(&self.stream.labels(*n)));
            if !labels.all(|labels| seen.insert(labels)) {
                return Err(same_labelset(span));
            }
        }
        Ok(())
    }
}

/// Whether the expression is series as they are stored, or as their last samples.
pub(super) fn keeps_name(expr: &Expr) -> bool {
    match &expr.unwrapped().kind {
        ExprKind::Vector(_) => true,
        ExprKind::Call(call) => call.function.name == LAST_OVER_TIME,
        _ => false,
    }
}

/// The one function over ranges that leaves names alone.
const LAST_OVER_TIME: &str = "last_over_time";

/// Which argument of a function over ranges is the range.
pub(super) fn range_position(call: &Call) -> usize {
    call.function.args.iter().position(|t| *t == ValueType::Matrix).unwrap_or(0)
}

impl Stream<'_, '_> {
    /// Whether the metric's name goes.
    pub(super) fn drops_name(&self) -> bool {
        match &self.kind {
            Kind::Newest { times, .. } => *times,
            Kind::Windows(w) => w.call.function.name != LAST_OVER_TIME,
        }
    }

    /// Where the range vector stands, if the series should be counters.
    pub(super) fn wants_counters(&self) -> Option<Span> {
        match &self.kind {
            Kind::Windows(w) if matches!(w.call.function.name, "rate" | "increase") => Some(w.span),
            _ => None,
        }
    }

    /// The labels of a series, its name included.
    pub(super) fn labels(&self, n: usize) -> Labels {
        self.found.labels(n)
    }

    /// The i-th label of a series.
    pub(super) fn label(&self, n: usize, i: usize) -> Option<(&Arc<str>, &Arc<str>)> {
        self.found.label(n, i)
    }

    /// The metric's name of a series, or nothing.
    pub(super) fn metric(&self, n: usize) -> &str {
        let mut labels = (0..).map_while(|i| self.found.label(n, i));
        labels.find(|(label, _)| &***label == METRIC_NAME).map_or("", |(_, name)| &**name)
    }

    /// About how many cells there are to be filled or looked at for a series.
    fn cells(&self) -> usize {
        match &self.kind {
            // Remarks come in the order of the series.
            Kind::Windows(w) if w.call.function.name == "quantile_over_time" => 0,
            Kind::Windows(_) => 64 + self.steps.count,
            Kind::Newest { .. } => 1 + self.steps.count,
        }
    }

    /// Hands every row that is not empty to `take`, with the number of its series, in the order of labels.
    pub(super) fn each(&self, mut take: impl FnMut(usize, &[f64]) -> Evaluation<()>) -> Evaluation<()> {
        let (all, steps) = (self.found.len(), self.steps.count);
        let round = (WAITING_CELLS / steps.max(1)).max(1);
        for start in (0..all).step_by(round) {
            let rows = in_blocks(round.min(all - start), self.cells(), |block| {
                let mut rows = Rows { series: Vec::with_capacity(block.len()), cells: vec![] };
                rows.cells.reserve(block.len() * steps);
                self.work(start + block.start..start + block.end, |n, row| {
                    rows.series.push(n);
                    rows.cells.extend_from_slice(row);
                    Ok(())
                })?;
                Ok(rows)
            })?;
            for rows in rows {
                for (n, row) in rows.series.iter().zip(rows.cells.chunks_exact(steps.max(1))) {
                    take(*n, row)?;
                }
            }
        }
        Ok(())
    }

    /// Every row that is not empty as what `make` makes of it and `label` of that and its labels, in the order of labels.
    /// Its cells are taken from the budget.
    fn collect<T: Send, U>(
        &self,
        make: impl Fn(&[f64]) -> T + Sync,
        label: impl Fn(Labels, T) -> U,
    ) -> Evaluation<Vec<U>> {
        let blocks = in_blocks(self.found.len(), self.cells(), |which| {
            let mut out = Vec::with_capacity(which.len());
            self.work(which, |n, row| {
                self.evaluator.budget.take(row.len() as u64)?;
                out.push((n, make(row)));
                Ok(())
            })?;
            Ok(out)
        })?;
        self.evaluator.note_peak();
        // Labels are made by this thread alone: all threads at once would count references to the same few names.
        let mut all = Vec::with_capacity(blocks.iter().map(Vec::len).sum());
        all.extend(blocks.into_iter().flatten().map(|(n, made)| label(self.found.labels(n), made)));
        Ok(all)
    }

    /// As columns, names still there.
    pub(super) fn columns(&self) -> Evaluation<Columns> {
        self.collect(<[f64]>::to_vec, Column::floats)
    }

    /// As the result of a range query; only for what keeps its name.
    pub(super) fn matrix(&self) -> Evaluation<Vec<Series>> {
        let point = |(i, v): (usize, &f64)| Point {
            t: Timestamp::from_millis(self.steps.at(i)),
            v: PointValue::Float(*v),
        };
        self.collect(
            |row| {
                let mut points = Vec::with_capacity(row.iter().filter(|v| !is_absent(**v)).count());
                points.extend(row.iter().enumerate().filter(|(_, v)| !is_absent(**v)).map(point));
                points
            },
            |labels, points| Series { labels, points },
        )
    }

    /// As the result of a query at one moment; only for what keeps its name.
    pub(super) fn vector(&self) -> Evaluation<Vec<VectorSample>> {
        let t = Timestamp::from_millis(self.steps.start);
        self.collect(
            |row| row[0],
            |labels, v| VectorSample { labels, point: Point { t, v: PointValue::Float(v) } },
        )
    }

    /// Works out the rows of some series.
    fn work(
        &self,
        which: Range<usize>,
        mut take: impl FnMut(usize, &[f64]) -> Evaluation<()>,
    ) -> Evaluation<()> {
        let mut scratch = Scratch {
            series: RangeSeries::new(Labels::default(), false, vec![], vec![]),
            row: vec![ABSENT; self.steps.count],
            params: vec![],
            since_check: 0,
        };
        let (mut series, mut samples) = (0, 0);
        for (done, n) in which.enumerate() {
            if done % SERIES_PER_CHECK == 0 {
                self.evaluator.budget.check()?;
            }
            self.found.read(n, &mut scratch.series.floats)?;
            let read = scratch.series.floats.len() as u64;
            if read == 0 {
                continue;
            }
            series += 1;
            samples += read;
            // One series alone may be too much.
            self.evaluator.budget.take(read)?;
            let any = match &self.kind {
                Kind::Newest { lookback, times } => self.newest(*lookback, *times, &mut scratch),
                Kind::Windows(windows) => self.windows(windows, n, &mut scratch),
            };
            self.evaluator.budget.give_back(read);
            if any? {
                take(n, &scratch.row)?;
                scratch.row.fill(ABSENT);
            }
        }
        self.evaluator.note_read(series, samples);
        Ok(())
    }

    fn newest(&self, lookback: i64, times: bool, scratch: &mut Scratch) -> Evaluation<bool> {
        let samples = &scratch.series.floats;
        let (mut next, mut any) = (0, false);
        for (cell, &at) in scratch.row.iter_mut().zip(&self.ends) {
            while samples.get(next).is_some_and(|s| s.t.as_millis() <= at) {
                next += 1;
            }
            let Some(sample) = next.checked_sub(1).map(|i| samples[i]) else { continue };
            let t = sample.t.as_millis();
            if t > at.saturating_sub(lookback) && !is_stale(sample.v) {
                *cell = if times { t as f64 / 1000.0 } else { sample.v };
                any = true;
            }
        }
        Ok(any)
    }

    fn windows(&self, w: &Windows<'_>, n: usize, scratch: &mut Scratch) -> Evaluation<bool> {
        let Scratch { series, row, params, since_check } = scratch;
        series.floats.retain(|s| !is_stale(s.v));
        series.forget_falls();
        if let Some(slope) = w.slope {
            let any = slope.row(&series.floats, &self.ends, w.range, row);
            *since_check += self.ends.len();
            if *since_check > CHECK_EVERY {
                *since_check = 0;
                self.evaluator.budget.check()?;
            }
            return Ok(any);
        }
        let metric = self.metric(n);
        let (mut slider, mut any) = (Slider::default(), false);
        params.resize(w.params.len(), 0.0);
        for (i, &end) in self.ends.iter().enumerate() {
            *since_check += 1;
            if *since_check == CHECK_EVERY {
                *since_check = 0;
                self.evaluator.budget.check()?;
            }
            let window = slider.window(series, end.saturating_sub(w.range), end);
            if window.is_empty() {
                continue;
            }
            for (now, all) in params.iter_mut().zip(&w.params) {
                *now = all[i];
            }
            let context = RangeCall {
                evaluator: self.evaluator,
                span: w.span,
                first_span: w.call.args[0].span,
                metric,
                range: w.range,
                now: self.steps.at(i),
                params,
            };
            if let Some(PointValue::Float(v)) = (w.function)(&context, window)? {
                row[i] = v;
                any |= !is_absent(v);
            }
        }
        Ok(any)
    }
}
