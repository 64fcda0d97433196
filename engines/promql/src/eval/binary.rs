//! Operators between two values.

mod matching;
mod sets;

use std::sync::Arc;

use super::column::{Cell, Column};
use super::{Evaluated, Evaluation, Evaluator, Steps};
use crate::Span;
use crate::ast::{BinaryExpr, BinaryOp, Expr, ExprKind};
use crate::error::QueryError;
use crate::histogram::{Histogram, Incompatible};
use crate::value::PointValue;

/// `l op r` for operators that yield a number; comparisons yield 0 or 1.
pub(crate) fn arithmetic(op: BinaryOp, l: f64, r: f64) -> f64 {
    match op {
        BinaryOp::Add => l + r,
        BinaryOp::Sub => l - r,
        BinaryOp::Mul => l * r,
        BinaryOp::Div => l / r,
        BinaryOp::Mod => l % r,
        BinaryOp::Pow => l.powf(r),
        BinaryOp::Atan2 => l.atan2(r),
        comparison => f64::from(u8::from(compare(comparison, l, r))),
    }
}

fn compare(op: BinaryOp, l: f64, r: f64) -> bool {
    match op {
        BinaryOp::Eq => l == r,
        BinaryOp::Ne => l != r,
        BinaryOp::Lt => l < r,
        BinaryOp::Le => l <= r,
        BinaryOp::Gt => l > r,
        _ => l >= r,
    }
}

/// What an operator makes of two elements.
enum Combined {
    /// A value, and for comparisons whether it holds.
    Value(PointValue, bool),
    /// The types do not go together.
    Unfit,
    /// The histograms do not.
    Incompatible(Incompatible),
}

/// The names of types as they stand in annotations.
fn type_name(cell: Cell<'_>) -> &'static str {
    match cell {
        Cell::Histogram(_) => "histogram",
        _ => "float",
    }
}

fn combine(op: BinaryOp, l: Cell<'_>, r: Cell<'_>) -> Combined {
    let histogram = |h: Histogram| Combined::Value(PointValue::Histogram(Arc::new(h)), true);
    match (l, r) {
        (Cell::Float(a), Cell::Float(b)) if op.is_comparison() => {
            Combined::Value(PointValue::Float(a), compare(op, a, b))
        }
        (Cell::Float(a), Cell::Float(b)) => Combined::Value(PointValue::Float(arithmetic(op, a, b)), true),
        (Cell::Histogram(h), Cell::Float(v)) if matches!(op, BinaryOp::Mul | BinaryOp::Div) => {
            let mut h = Histogram::clone(h);
            if op == BinaryOp::Mul {
                h.scale(v);
            } else {
                h.divide(v);
            }
            histogram(h)
        }
        (Cell::Float(v), Cell::Histogram(h)) if op == BinaryOp::Mul => {
            let mut h = Histogram::clone(h);
            h.scale(v);
            histogram(h)
        }
        (Cell::Histogram(a), Cell::Histogram(b)) => match op {
            BinaryOp::Add | BinaryOp::Sub => {
                let mut h = Histogram::clone(a);
                let outcome = if op == BinaryOp::Add { h.add(b) } else { h.sub(b) };
                h.compact();
                outcome.map_or_else(Combined::Incompatible, |()| histogram(h))
            }
            BinaryOp::Eq | BinaryOp::Ne => {
                Combined::Value(PointValue::Histogram(Arc::clone(a)), (a == b) == (op == BinaryOp::Eq))
            }
            _ => Combined::Unfit,
        },
        _ => Combined::Unfit,
    }
}

impl Evaluator<'_> {
    pub(super) fn binary(&self, expr: &Expr, steps: Steps) -> Evaluation<Evaluated> {
        let ExprKind::Binary(b) = &expr.kind else {
            return Err(QueryError::evaluation(expr.span, "not an operator"));
        };
        let left = self.eval(&b.lhs, steps)?;
        let right = self.eval(&b.rhs, steps)?;
        match (left, right) {
            (Evaluated::Scalar(l), Evaluated::Scalar(r)) => {
                Ok(Evaluated::Scalar(l.into_iter().zip(r).map(|(l, r)| arithmetic(b.op, l, r)).collect()))
            }
            (Evaluated::Vector(l), Evaluated::Scalar(r)) => self.with_scalar(b, l, &r, false, expr.span),
            (Evaluated::Scalar(l), Evaluated::Vector(r)) => self.with_scalar(b, r, &l, true, expr.span),
            (Evaluated::Vector(l), Evaluated::Vector(r)) => {
                let out = if b.op.is_set() {
                    self.set_operation(b, l, &r, steps)
                } else {
                    self.match_vectors(b, &l, &r, expr.span, steps)?
                };
                self.hold(&out)?;
                Ok(Evaluated::Vector(out))
            }
            _ => Err(QueryError::evaluation(expr.span, "operators take numbers and vectors")),
        }
    }

    fn with_scalar(
        &self,
        b: &BinaryExpr,
        mut columns: Vec<Column>,
        scalar: &[f64],
        scalar_left: bool,
        span: Span,
    ) -> Evaluation<Evaluated> {
        self.release(&columns);
        let comparison = b.op.is_comparison();
        columns.retain_mut(|column| {
            let mut any = false;
            for (i, &s) in scalar.iter().enumerate() {
                let cell = column.cell(i);
                if matches!(cell, Cell::Absent) {
                    continue;
                }
                let number = Cell::Float(s);
                let (l, r) = if scalar_left { (number, cell) } else { (cell, number) };
                let outcome = match combine(b.op, l, r) {
                    Combined::Value(_, holds) if b.bool_modifier => {
                        Some(PointValue::Float(f64::from(u8::from(holds))))
                    }
                    // A filter keeps the vector's own value on either side.
                    Combined::Value(_, true) if comparison => column.value(i),
                    Combined::Value(value, true) => Some(value),
                    Combined::Value(_, false) => None,
                    Combined::Unfit | Combined::Incompatible(_) => {
                        self.note_unfit(b.op, l, r, span);
                        None
                    }
                };
                any |= outcome.is_some();
                match outcome {
                    Some(value) => column.set(i, value),
                    None => column.clear(i),
                }
            }
            any
        });
        self.hold(&columns)?;
        if comparison && !b.bool_modifier {
            return Ok(Evaluated::Vector(columns));
        }
        Ok(Evaluated::Vector(self.drop_names(columns, span)?))
    }

    fn note_unfit(&self, op: BinaryOp, l: Cell<'_>, r: Cell<'_>, span: Span) {
        let (l, r, op) = (type_name(l), type_name(r), op.as_str());
        self.info_note(
            span,
            format!("incompatible sample types encountered for binary operator {op:?}: {l} {op} {r}"),
        );
    }
}
