//! Pinning a query to a moment by `@`: then it must give the same result whenever it is evaluated.

use crate::ast::{At, Expr, ExprKind};
use crate::eval::follows_time;

/// Sets `@` on every selector and subquery that has none and is not inside a pinned subquery.
pub(super) fn pin(expr: &mut Expr, at: i64) {
    let set = |m: &mut crate::ast::Modifiers| {
        m.at.get_or_insert(At::Time(at));
    };
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) => {}
        ExprKind::Vector(v) => set(&mut v.modifiers),
        ExprKind::Matrix(m) => set(&mut m.selector.modifiers),
        // What is inside follows the subquery's steps.
        ExprKind::Subquery(s) => set(&mut s.modifiers),
        ExprKind::Unary(u) => pin(&mut u.expr, at),
        ExprKind::Paren(inner) => pin(inner, at),
        ExprKind::Binary(b) => {
            pin(&mut b.lhs, at);
            pin(&mut b.rhs, at);
        }
        ExprKind::Aggregate(a) => {
            a.param.iter_mut().for_each(|p| pin(p, at));
            pin(&mut a.expr, at);
        }
        ExprKind::Call(c) => c.args.iter_mut().for_each(|a| pin(a, at)),
    }
}

/// Whether the value of the query follows the evaluation time even when it is pinned.
pub(super) fn cannot_be_pinned(expr: &Expr) -> bool {
    let mut found = false;
    walk(expr, false, &mut |e| {
        found |= matches!(&e.kind, ExprKind::Call(c) if follows_time(c.function.name));
    });
    found
}

/// Visits what is not inside a subquery that has its own `@`.
fn walk<'a>(expr: &'a Expr, inside: bool, visit: &mut dyn FnMut(&'a Expr)) {
    if inside {
        return;
    }
    visit(expr);
    let pinned = matches!(&expr.kind, ExprKind::Subquery(s) if s.modifiers.at.is_some());
    for child in expr.children() {
        walk(child, pinned, visit);
    }
}
