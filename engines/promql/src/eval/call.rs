//! Function calls: which function goes where.

use super::column::{Column, Columns};
use super::stream::{Stream, range_position};
use super::window::{RangeSeries, Slider, Window};
use super::{Evaluated, Evaluation, Evaluator, Steps, math, over_time, rate, regression};
use crate::ast::{Call, Expr, ExprKind};
use crate::error::QueryError;
use crate::value::PointValue;
use crate::{Span, ValueType};

/// How many steps a loop may do between two checks for cancellation.
pub(super) const CHECK_EVERY: usize = 4096;

/// What a function over ranges may ask about the call it serves.
pub(super) struct RangeCall<'e, 'a> {
    pub(super) evaluator: &'e Evaluator<'a>,
    /// Where the range vector stands in the query.
    pub(super) span: Span,
    /// Where the first argument stands.
    pub(super) first_span: Span,
    /// The series's metric name.
    pub(super) metric: &'e str,
    /// Milliseconds.
    pub(super) range: i64,
    /// The evaluation time in milliseconds: `@` and `offset` do not move it.
    pub(super) now: i64,
    /// Scalar arguments at this step.
    pub(super) params: &'e [f64],
}

impl RangeCall<'_, '_> {
    pub(super) fn warn_mixed(&self) {
        let metric = self.metric;
        self.evaluator.warn(
            self.span,
            format!("encountered a mix of histograms and floats for metric name {metric:?}"),
        );
    }

    pub(super) fn info_ignored(&self) {
        let metric = self.metric;
        self.evaluator.info_note(
            self.span,
            format!("ignored histograms in a range containing both floats and histograms for metric name {metric:?}"),
        );
    }

    pub(super) fn warn_incompatible(&self, why: crate::histogram::Incompatible) {
        self.evaluator.warn_incompatible(self.span, why, self.metric);
    }
}

/// A function over the window of one series at one step.
pub(super) type RangeFunction = fn(&RangeCall<'_, '_>, Window<'_>) -> Evaluation<Option<PointValue>>;

pub(super) fn range_function(name: &str) -> Option<RangeFunction> {
    Some(match name {
        "avg_over_time" => over_time::avg,
        "changes" => over_time::changes,
        "count_over_time" => over_time::count,
        "delta" => rate::delta,
        "deriv" => regression::deriv,
        "double_exponential_smoothing" => regression::double_exponential_smoothing,
        "idelta" => rate::idelta,
        "increase" => rate::increase,
        "irate" => rate::irate,
        "last_over_time" => over_time::last,
        "mad_over_time" => over_time::mad,
        "max_over_time" => over_time::max,
        "min_over_time" => over_time::min,
        "predict_linear" => regression::predict_linear,
        "present_over_time" => over_time::present,
        "quantile_over_time" => over_time::quantile,
        "rate" => rate::rate,
        "resets" => over_time::resets,
        "stddev_over_time" => over_time::stddev,
        "stdvar_over_time" => over_time::stdvar,
        "sum_over_time" => over_time::sum,
        "ts_of_last_over_time" => over_time::ts_of_last,
        "ts_of_max_over_time" => over_time::ts_of_max,
        "ts_of_min_over_time" => over_time::ts_of_min,
        _ => return None,
    })
}

impl Evaluator<'_> {
    pub(super) fn call(&self, expr: &Expr, steps: Steps) -> Evaluation<Evaluated> {
        let ExprKind::Call(call) = &expr.kind else {
            return Err(QueryError::evaluation(expr.span, "not a call"));
        };
        let name = call.function.name;
        if call.function.returns == ValueType::Scalar {
            return Ok(Evaluated::Scalar(self.scalar_call(call, steps)?));
        }
        if let Some(function) = range_function(name) {
            if let Some(stream) = self.stream(expr, steps)? {
                return self.streamed(&stream, expr.span);
            }
            return self.over_ranges(call, function, expr.span, steps);
        }
        if let Some(function) = math::elementwise(name) {
            let columns = self.vector(&call.args[0], steps)?;
            return self.elementwise(columns, function, expr.span);
        }
        let columns = match name {
            "absent" => return self.absent(&call.args[0], steps),
            "absent_over_time" => return self.absent_over_time(&call.args[0], steps),
            "clamp" | "clamp_min" | "clamp_max" => self.clamp(call, expr.span, steps)?,
            "round" => self.round(call, expr.span, steps)?,
            "histogram_quantile" => return self.histogram_quantile(call, expr.span, steps),
            "histogram_fraction" => return self.histogram_fraction(call, expr.span, steps),
            "histogram_avg" | "histogram_count" | "histogram_sum" | "histogram_stddev"
            | "histogram_stdvar" => self.histogram_part(call, expr.span, steps)?,
            "info" => return self.info(call, expr.span, steps),
            "label_replace" => self.label_replace(call, expr.span, steps)?,
            "label_join" => self.label_join(call, expr.span, steps)?,
            "sort" | "sort_desc" => self.sort_by_value(call, steps)?,
            "sort_by_label" | "sort_by_label_desc" => self.sort_by_label(call, steps)?,
            "timestamp" => self.timestamp(call, expr.span, steps)?,
            "vector" => {
                let values = self.scalar(&call.args[0], steps)?;
                let column = vec![Column::floats(quarterdeck_kernel::Labels::default(), values)];
                self.hold(&column)?;
                column
            }
            _ => self.time_part(call, expr.span, steps)?,
        };
        Ok(Evaluated::Vector(columns))
    }

    fn scalar_call(&self, call: &Call, steps: Steps) -> Evaluation<Vec<f64>> {
        match call.function.name {
            "pi" => Ok(vec![std::f64::consts::PI; steps.count]),
            "time" => Ok((0..steps.count).map(|i| steps.at(i) as f64 / 1000.0).collect()),
            _ => {
                let columns = self.vector(&call.args[0], steps)?;
                let only_float = |i: usize| {
                    let mut floats =
                        columns.iter().map(|c| c.floats[i]).filter(|v| !super::column::is_absent(*v));
                    match (floats.next(), floats.next()) {
                        (Some(v), None) => v,
                        _ => f64::NAN,
                    }
                };
                let values = (0..steps.count).map(only_float).collect();
                self.release(&columns);
                Ok(values)
            }
        }
    }

    /// The values of all arguments but the one that is a range.
    pub(super) fn scalar_arguments(
        &self,
        call: &Call,
        range_at: usize,
        steps: Steps,
    ) -> Evaluation<Vec<Vec<f64>>> {
        let others = call.args.iter().enumerate().filter(|(i, _)| *i != range_at);
        others.map(|(_, arg)| self.scalar(arg, steps)).collect()
    }

    /// The columns of a stream, without names where it drops them.
    pub(super) fn streamed(&self, stream: &Stream<'_, '_>, span: Span) -> Evaluation<Evaluated> {
        let columns = stream.columns()?;
        if let Some(range) = stream.wants_counters() {
            self.check_counter_names(columns.iter().map(|c| c.labels.name()), range);
        }
        if stream.drops_name() {
            return Ok(Evaluated::Vector(self.drop_names_strictly(columns, span)?));
        }
        Ok(Evaluated::Vector(columns))
    }

    /// Applies a function to every window of every series.
    fn over_ranges(
        &self,
        call: &Call,
        function: RangeFunction,
        span: Span,
        steps: Steps,
    ) -> Evaluation<Evaluated> {
        let name = call.function.name;
        let position = range_position(call);
        let matrix = &call.args[position];
        let params = self.scalar_arguments(call, position, steps)?;
        let ranges = self.ranges(matrix, steps)?;
        let keeps_name = name == "last_over_time";
        let mut columns: Columns = Vec::with_capacity(ranges.series.len());
        let mut now_params = vec![0.0; params.len()];
        let mut done = 0;
        for series in &ranges.series {
            let mut column = self.new_column(series.labels.clone(), steps.count)?;
            column.drop_name = series.drop_name;
            let mut slider = Slider::default();
            let metric = series.labels.name();
            for (i, &end) in ranges.ends.iter().enumerate() {
                done += 1;
                if done % CHECK_EVERY == 0 {
                    self.budget.check()?;
                }
                let window = slider.window(series, end.saturating_sub(ranges.range), end);
                if window.is_empty() {
                    continue;
                }
                for (now, all) in now_params.iter_mut().zip(&params) {
                    *now = all[i];
                }
                let context = RangeCall {
                    evaluator: self,
                    span: matrix.span,
                    first_span: call.args[0].span,
                    metric,
                    range: ranges.range,
                    now: steps.at(i),
                    params: &now_params,
                };
                if let Some(value) = function(&context, window)? {
                    column.set(i, value);
                }
            }
            self.keep_column(column, &mut columns)?;
        }
        if matches!(name, "rate" | "increase") {
            let names = columns.iter().filter(|c| has_float(c)).map(|c| c.labels.name());
            self.check_counter_names(names, matrix.span);
        }
        self.budget.give_back(ranges.held);
        drop(ranges);
        if keeps_name {
            return Ok(Evaluated::Vector(columns));
        }
        Ok(Evaluated::Vector(self.drop_names_strictly(columns, span)?))
    }

    /// Notes each metric that gave a rate of floats but is not named as counters are.
    pub(super) fn check_counter_names<'n>(&self, metrics: impl Iterator<Item = &'n str>, span: Span) {
        let mut last = None;
        for metric in metrics {
            // Series of one metric mostly come one after another.
            if last == Some(metric) {
                continue;
            }
            last = Some(metric);
            let counter = ["_total", "_sum", "_count", "_bucket"].iter().any(|s| metric.ends_with(s));
            if !counter && !metric.is_empty() {
                self.info_note(
                    span,
                    format!(
                        "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {metric:?}"
                    ),
                );
            }
        }
    }

    pub(super) fn warn_incompatible(&self, span: Span, why: crate::histogram::Incompatible, metric: &str) {
        let what = match why {
            crate::histogram::Incompatible::Schemas => {
                "vector contains a mix of histograms with exponential and custom buckets schemas"
            }
            crate::histogram::Incompatible::CustomBounds => {
                "vector contains histograms with incompatible custom buckets"
            }
        };
        self.warn(span, format!("{what} for metric name {metric:?}"));
    }

    /// The value of a string argument.
    pub(super) fn text<'e>(&self, call: &'e Call, index: usize) -> Evaluation<&'e str> {
        let arg = &call.args[index];
        match &arg.unwrapped().kind {
            ExprKind::String(s) => Ok(&s.value),
            _ => Err(QueryError::evaluation(arg.span, "a string is expected here")),
        }
    }
}

fn has_float(column: &Column) -> bool {
    column.floats.iter().any(|v| !super::column::is_absent(*v))
}

/// Absent markers are used by range functions over whole series.
pub(super) fn presence(series: &[RangeSeries], ends: &[i64], range: i64) -> Vec<bool> {
    let mut present = vec![false; ends.len()];
    for s in series {
        let mut slider = Slider::default();
        for (i, &end) in ends.iter().enumerate() {
            present[i] |= !slider.window(s, end.saturating_sub(range), end).is_empty();
        }
    }
    present
}
