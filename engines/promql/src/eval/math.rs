//! Functions of single numbers.

use super::column::{Columns, is_absent};
use super::{Evaluated, Evaluation, Evaluator, Steps};
use crate::Span;
use crate::ast::Call;

type Elementwise = fn(f64) -> f64;

/// Functions that turn each float into another one.
pub(super) fn elementwise(name: &str) -> Option<Elementwise> {
    Some(match name {
        "abs" => f64::abs,
        "acos" => f64::acos,
        "acosh" => f64::acosh,
        "asin" => f64::asin,
        "asinh" => f64::asinh,
        "atan" => f64::atan,
        "atanh" => f64::atanh,
        "ceil" => f64::ceil,
        "cos" => f64::cos,
        "cosh" => f64::cosh,
        "deg" => |v| v * 180.0 / std::f64::consts::PI,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "log10" => f64::log10,
        "log2" => f64::log2,
        "rad" => |v| v * std::f64::consts::PI / 180.0,
        "sgn" => sign,
        "sin" => f64::sin,
        "sinh" => f64::sinh,
        "sqrt" => f64::sqrt,
        "tan" => f64::tan,
        "tanh" => f64::tanh,
        _ => return None,
    })
}

fn sign(v: f64) -> f64 {
    if v < 0.0 {
        -1.0
    } else if v > 0.0 {
        1.0
    } else {
        v
    }
}

/// The lower of two; NaN if either is, unless the other one is -Inf.
fn lowest(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}

/// The higher of two; NaN if either is, unless the other one is +Inf.
fn highest(a: f64, b: f64) -> f64 {
    -lowest(-a, -b)
}

impl Evaluator<'_> {
    pub(super) fn elementwise(&self, columns: Columns, f: Elementwise, span: Span) -> Evaluation<Evaluated> {
        Ok(Evaluated::Vector(self.map_floats(columns, span, |_, v| Some(f(v)))?))
    }

    /// Changes or removes every float, removes every histogram, and takes the names off.
    pub(super) fn map_floats(
        &self,
        mut columns: Columns,
        span: Span,
        f: impl Fn(usize, f64) -> Option<f64>,
    ) -> Evaluation<Columns> {
        self.release(&columns);
        columns.retain_mut(|column| {
            column.histograms = None;
            let mut any = false;
            for (i, v) in column.floats.iter_mut().enumerate().filter(|(_, v)| !is_absent(**v)) {
                let mapped = f(i, *v);
                any |= mapped.is_some();
                *v = mapped.unwrap_or(super::column::ABSENT);
            }
            any
        });
        self.hold(&columns)?;
        self.drop_names(columns, span)
    }

    pub(super) fn clamp(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Columns> {
        let columns = self.vector(&call.args[0], steps)?;
        let first = self.scalar(&call.args[1], steps)?;
        let none = |v: f64| vec![v; steps.count];
        let (low, high) = match call.function.name {
            "clamp" => (first, self.scalar(&call.args[2], steps)?),
            "clamp_min" => (first, none(f64::INFINITY)),
            _ => (none(f64::NEG_INFINITY), first),
        };
        self.map_floats(columns, span, |i, v| {
            let (low, high) = (low[i], high[i]);
            // Crossed bounds leave nothing.
            (low.is_nan() || high.is_nan() || low <= high).then(|| highest(low, lowest(high, v)))
        })
    }

    pub(super) fn round(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Columns> {
        let columns = self.vector(&call.args[0], steps)?;
        let nearest = match call.args.get(1) {
            Some(arg) => self.scalar(arg, steps)?,
            None => vec![1.0; steps.count],
        };
        self.map_floats(columns, span, |i, v| {
            // Multiplying with the inverse keeps results such as 0.1 exact. Halves round up.
            let inverse = 1.0 / nearest[i];
            Some((v * inverse + 0.5).floor() / inverse)
        })
    }
}
