//! Every function and aggregation: signature and one line of help.

use crate::ValueType::{self, Matrix, Scalar, String, Vector};
use crate::ast::AggregateOp;

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// As written.
    pub name: &'static str,
    /// Types of its arguments; see `optional` and `variadic`.
    pub args: &'static [ValueType],
    /// How many of the last arguments may be left out.
    pub optional: usize,
    /// Whether the last argument may be repeated.
    pub variadic: bool,
    /// Type of its value.
    pub returns: ValueType,
    /// What it does, in one line.
    pub help: &'static str,
    /// Refused unless experimental functions are switched on.
    pub experimental: bool,
}

impl Function {
    /// The fewest and the most arguments it takes; no most when it is variadic.
    #[must_use]
    pub const fn arity(&self) -> (usize, Option<usize>) {
        (self.args.len() - self.optional, if self.variadic { None } else { Some(self.args.len()) })
    }

    /// `rate(range vector) → instant vector`
    #[must_use]
    pub fn signature(&self) -> std::string::String {
        let mut text = format!("{}(", self.name);
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                text.push_str(", ");
            }
            text.push_str(arg.describe());
            if i >= self.args.len() - self.optional {
                text.push('?');
            }
        }
        if self.variadic {
            text.push_str(", …");
        }
        text.push_str(") → ");
        text.push_str(self.returns.describe());
        text
    }
}

const fn stable(
    name: &'static str,
    args: &'static [ValueType],
    returns: ValueType,
    help: &'static str,
) -> Function {
    Function { name, args, optional: 0, variadic: false, returns, help, experimental: false }
}

const fn optional(function: Function, count: usize) -> Function {
    Function { optional: count, ..function }
}

/// The last argument any number of times, also none.
const fn variadic(function: Function) -> Function {
    Function { optional: 1, variadic: true, ..function }
}

const fn experimental(function: Function) -> Function {
    Function { experimental: true, ..function }
}

const V: &[ValueType] = &[Vector];
const M: &[ValueType] = &[Matrix];
const VS: &[ValueType] = &[Vector, Scalar];
const SV: &[ValueType] = &[Scalar, Vector];
const MS: &[ValueType] = &[Matrix, Scalar];
const VT: &[ValueType] = &[Vector, String];

static FUNCTIONS: [Function; 80] = [
    stable("abs", V, Vector, "Absolute value."),
    stable(
        "absent",
        V,
        Vector,
        "1 when the vector is empty, nothing otherwise: for alerts on missing series.",
    ),
    stable("absent_over_time", M, Vector, "1 when no series has a sample in the range, nothing otherwise."),
    stable("acos", V, Vector, "Arc cosine, in radians."),
    stable("acosh", V, Vector, "Inverse hyperbolic cosine."),
    stable("asin", V, Vector, "Arc sine, in radians."),
    stable("asinh", V, Vector, "Inverse hyperbolic sine."),
    stable("atan", V, Vector, "Arc tangent, in radians."),
    stable("atanh", V, Vector, "Inverse hyperbolic tangent."),
    stable("avg_over_time", M, Vector, "Mean of each series' samples in the range."),
    stable("ceil", V, Vector, "Rounds up to whole numbers."),
    stable("changes", M, Vector, "How often each series' value changed in the range."),
    stable("clamp", &[Vector, Scalar, Scalar], Vector, "Bounds values to a lowest and a highest."),
    stable("clamp_max", VS, Vector, "Bounds values to a highest."),
    stable("clamp_min", VS, Vector, "Bounds values to a lowest."),
    stable("cos", V, Vector, "Cosine of radians."),
    stable("cosh", V, Vector, "Hyperbolic cosine."),
    stable("count_over_time", M, Vector, "How many samples each series has in the range."),
    optional(stable("day_of_month", V, Vector, "Day of the month in UTC, 1 to 31, of Unix times."), 1),
    optional(stable("day_of_week", V, Vector, "Day of the week in UTC, 0 for Sunday, of Unix times."), 1),
    optional(stable("day_of_year", V, Vector, "Day of the year in UTC, 1 to 366, of Unix times."), 1),
    optional(stable("days_in_month", V, Vector, "How many days the month in UTC has, of Unix times."), 1),
    stable("deg", V, Vector, "Radians to degrees."),
    stable("delta", M, Vector, "How much each gauge rose or fell over the range, extrapolated to its ends."),
    stable("deriv", M, Vector, "Slope of each gauge per second, by linear regression."),
    experimental(stable(
        "double_exponential_smoothing",
        &[Matrix, Scalar, Scalar],
        Vector,
        "Smoothed value of each gauge: a smoothing factor and a trend factor, both between 0 and 1.",
    )),
    stable("exp", V, Vector, "e to the power of each value."),
    stable("floor", V, Vector, "Rounds down to whole numbers."),
    stable("histogram_avg", V, Vector, "Mean of the observations in native histograms."),
    stable("histogram_count", V, Vector, "How many observations native histograms hold."),
    stable(
        "histogram_fraction",
        &[Scalar, Scalar, Vector],
        Vector,
        "Share of observations between two bounds, in native or classic histograms.",
    ),
    stable(
        "histogram_quantile",
        SV,
        Vector,
        "Quantile (0 to 1) of native or classic histograms; classic ones are grouped by all labels but le.",
    ),
    stable(
        "histogram_stddev",
        V,
        Vector,
        "Estimated standard deviation of observations in native histograms.",
    ),
    stable("histogram_stdvar", V, Vector, "Estimated variance of observations in native histograms."),
    stable("histogram_sum", V, Vector, "Sum of the observations in native histograms."),
    optional(stable("hour", V, Vector, "Hour in UTC, 0 to 23, of Unix times."), 1),
    stable("idelta", M, Vector, "Difference of each gauge's last two samples in the range."),
    stable(
        "increase",
        M,
        Vector,
        "How much each counter rose over the range: resets bridged, extrapolated to its ends.",
    ),
    experimental(optional(
        stable("info", &[Vector, Vector], Vector, "Adds the labels of matching info metrics to each series."),
        1,
    )),
    stable("irate", M, Vector, "Rate per second of each counter, from its last two samples in the range."),
    variadic(stable(
        "label_join",
        &[Vector, String, String, String],
        Vector,
        "Sets a label to the values of others, joined by a separator.",
    )),
    stable(
        "label_replace",
        &[Vector, String, String, String, String],
        Vector,
        "Sets a label from another one by a regular expression: label, replacement, source label, pattern.",
    ),
    stable("last_over_time", M, Vector, "Each series' newest sample in the range."),
    stable("ln", V, Vector, "Natural logarithm."),
    stable("log10", V, Vector, "Logarithm to base 10."),
    stable("log2", V, Vector, "Logarithm to base 2."),
    experimental(stable(
        "mad_over_time",
        M,
        Vector,
        "Median absolute deviation of each series in the range.",
    )),
    stable("max_over_time", M, Vector, "Highest value of each series in the range."),
    stable("min_over_time", M, Vector, "Lowest value of each series in the range."),
    optional(stable("minute", V, Vector, "Minute in UTC, 0 to 59, of Unix times."), 1),
    optional(stable("month", V, Vector, "Month in UTC, 1 to 12, of Unix times."), 1),
    stable("pi", &[], Scalar, "The number pi."),
    stable(
        "predict_linear",
        MS,
        Vector,
        "Value of each gauge so many seconds from now, by linear regression.",
    ),
    stable("present_over_time", M, Vector, "1 for each series with a sample in the range."),
    stable(
        "quantile_over_time",
        &[Scalar, Matrix],
        Vector,
        "Quantile (0 to 1) of each series' samples in the range.",
    ),
    stable("rad", V, Vector, "Degrees to radians."),
    stable(
        "rate",
        M,
        Vector,
        "Rate per second of each counter over the range: resets bridged, extrapolated to its ends.",
    ),
    stable("resets", M, Vector, "How often each counter was reset in the range."),
    optional(
        stable("round", VS, Vector, "Rounds to the nearest whole number, or to the nearest multiple."),
        1,
    ),
    stable("scalar", V, Scalar, "The value of a vector's only element; NaN when there is not exactly one."),
    stable("sgn", V, Vector, "-1, 0 or 1 by the sign of each value."),
    stable("sin", V, Vector, "Sine of radians."),
    stable("sinh", V, Vector, "Hyperbolic sine."),
    stable("sort", V, Vector, "Sorts by value, lowest first (instant queries only)."),
    experimental(variadic(stable("sort_by_label", VT, Vector, "Sorts by labels in natural order."))),
    experimental(variadic(stable(
        "sort_by_label_desc",
        VT,
        Vector,
        "Sorts by labels in natural order, last first.",
    ))),
    stable("sort_desc", V, Vector, "Sorts by value, highest first (instant queries only)."),
    stable("sqrt", V, Vector, "Square root."),
    stable("stddev_over_time", M, Vector, "Standard deviation of each series in the range."),
    stable("stdvar_over_time", M, Vector, "Variance of each series in the range."),
    stable("sum_over_time", M, Vector, "Sum of each series' samples in the range."),
    stable("tan", V, Vector, "Tangent of radians."),
    stable("tanh", V, Vector, "Hyperbolic tangent."),
    stable("time", &[], Scalar, "Seconds since 1970 at which the expression is evaluated."),
    stable("timestamp", V, Vector, "Seconds since 1970 of each sample."),
    experimental(stable(
        "ts_of_last_over_time",
        M,
        Vector,
        "Unix time of each series' newest sample in the range.",
    )),
    experimental(stable(
        "ts_of_max_over_time",
        M,
        Vector,
        "Unix time of each series' last highest sample in the range.",
    )),
    experimental(stable(
        "ts_of_min_over_time",
        M,
        Vector,
        "Unix time of each series' last lowest sample in the range.",
    )),
    stable("vector", &[Scalar], Vector, "A scalar as a vector with one element without labels."),
    optional(stable("year", V, Vector, "Year in UTC of Unix times."), 1),
];

/// All functions, sorted by name.
#[must_use]
pub fn functions() -> &'static [Function] {
    &FUNCTIONS
}

/// The function of that name.
#[must_use]
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.binary_search_by(|f| f.name.cmp(name)).ok().map(|i| &FUNCTIONS[i])
}

/// An aggregation operator of the language.
#[derive(Debug, PartialEq, Eq)]
pub struct Aggregation {
    /// As written; case does not matter.
    pub name: &'static str,
    /// Which one.
    pub op: AggregateOp,
    /// Type and name of the parameter in front of the vector, if it takes one.
    pub param: Option<(ValueType, &'static str)>,
    /// What it does, in one line.
    pub help: &'static str,
    /// Refused unless experimental functions are switched on.
    pub experimental: bool,
}

const fn aggregation(
    name: &'static str,
    op: AggregateOp,
    param: Option<(ValueType, &'static str)>,
    help: &'static str,
) -> Aggregation {
    let experimental = matches!(op, AggregateOp::Limitk | AggregateOp::LimitRatio);
    Aggregation { name, op, param, help, experimental }
}

static AGGREGATIONS: [Aggregation; 14] = [
    aggregation("avg", AggregateOp::Avg, None, "Mean of each group."),
    aggregation("bottomk", AggregateOp::Bottomk, Some((Scalar, "k")), "The k lowest elements of each group."),
    aggregation("count", AggregateOp::Count, None, "How many elements each group has."),
    aggregation(
        "count_values",
        AggregateOp::CountValues,
        Some((String, "label")),
        "How many elements of each group have each value; the value becomes a label.",
    ),
    aggregation("group", AggregateOp::Group, None, "1 for each group."),
    aggregation(
        "limit_ratio",
        AggregateOp::LimitRatio,
        Some((Scalar, "ratio")),
        "A share of each group's elements, always the same ones; a negative share gives the others.",
    ),
    aggregation("limitk", AggregateOp::Limitk, Some((Scalar, "k")), "Any k elements of each group."),
    aggregation("max", AggregateOp::Max, None, "Highest value of each group."),
    aggregation("min", AggregateOp::Min, None, "Lowest value of each group."),
    aggregation(
        "quantile",
        AggregateOp::Quantile,
        Some((Scalar, "quantile")),
        "Quantile (0 to 1) of each group.",
    ),
    aggregation("stddev", AggregateOp::Stddev, None, "Standard deviation of each group."),
    aggregation("stdvar", AggregateOp::Stdvar, None, "Variance of each group."),
    aggregation("sum", AggregateOp::Sum, None, "Sum of each group."),
    aggregation("topk", AggregateOp::Topk, Some((Scalar, "k")), "The k highest elements of each group."),
];

/// All aggregations, sorted by name.
#[must_use]
pub fn aggregations() -> &'static [Aggregation] {
    &AGGREGATIONS
}

/// The aggregation of that name, in any case.
#[must_use]
pub fn aggregation_named(name: &str) -> Option<&'static Aggregation> {
    AGGREGATIONS.iter().find(|a| a.name.eq_ignore_ascii_case(name))
}

impl AggregateOp {
    /// Its entry in the table.
    ///
    #[must_use]
    pub fn info(self) -> &'static Aggregation {
        let found = AGGREGATIONS.iter().find(|a| a.op == self);
        found.unwrap_or(&AGGREGATIONS[0])
    }

    /// As written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.info().name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_so_that_lookups_find_everything() {
        assert!(FUNCTIONS.windows(2).all(|w| w[0].name < w[1].name));
        assert!(AGGREGATIONS.windows(2).all(|w| w[0].name < w[1].name));
        assert!(FUNCTIONS.iter().all(|f| function(f.name) == Some(f)));
        for a in aggregations() {
            assert_eq!(a.op.info(), a);
        }
    }

    #[test]
    fn signatures_name_types_and_what_may_be_left_out() {
        let signature = |name| function(name).unwrap().signature();
        assert_eq!(signature("rate"), "rate(range vector) → instant vector");
        assert_eq!(signature("round"), "round(instant vector, scalar?) → instant vector");
        assert_eq!(signature("pi"), "pi() → scalar");
        assert_eq!(function("label_join").unwrap().arity(), (3, None));
    }
}
