//! Which expressions have the same value at every step: those whose selectors are all pinned by `@`.

use crate::ast::{Expr, ExprKind};

/// Functions whose value follows the evaluation time even when their arguments do not.
const FOLLOW_TIME: [&str; 11] = [
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "time",
    "timestamp",
    "year",
];

/// Whether the function follows the evaluation time.
pub(crate) fn follows_time(function: &str) -> bool {
    FOLLOW_TIME.contains(&function)
}

/// Whether the expression has the same value at every step.
pub(crate) fn is_invariant(expr: &Expr) -> bool {
    match &expr.kind {
        // Literals are cheap in themselves: no need to go another way about them.
        ExprKind::Number(_) | ExprKind::String(_) => true,
        ExprKind::Vector(v) => v.modifiers.at.is_some(),
        ExprKind::Matrix(m) => m.selector.modifiers.at.is_some(),
        ExprKind::Subquery(s) => s.modifiers.at.is_some(),
        ExprKind::Call(c) if follows_time(c.function.name) => false,
        ExprKind::Call(_)
        | ExprKind::Unary(_)
        | ExprKind::Binary(_)
        | ExprKind::Aggregate(_)
        | ExprKind::Paren(_) => expr.children().iter().all(|c| is_invariant(c)),
    }
}
