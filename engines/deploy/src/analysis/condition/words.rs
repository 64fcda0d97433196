//! Conditions in words, so that an operator can check them without knowing the language.

use super::super::number::figure;
use super::{Expr, Function, Op};

/// What the result must be, to go behind "must be": "at least 0.95". None where the condition has no short form.
pub(super) fn of(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::Binary(Op::And, a, b) => format!("{} and {}", of(a)?, of(b)?),
        Expr::Binary(Op::Or, a, b) => format!("{} or {}", of(a)?, of(b)?),
        Expr::Not(inner) => negated(inner)?,
        Expr::Call(Function::IsNan, list) if one(list).is_some_and(is_result) => "NaN".to_owned(),
        Expr::Call(Function::IsInf, list) if one(list).is_some_and(is_result) => "infinite".to_owned(),
        Expr::Call(Function::All, list) => format!("{} everywhere", compared_item(list)?),
        Expr::Call(Function::Any, list) => format!("{} somewhere", compared_item(list)?),
        Expr::Binary(op, left, right) if is_count(left) && number(right) == Some(0.0) => match op {
            Op::Equal | Op::LessEqual => "without data".to_owned(),
            Op::Greater | Op::Unequal => "with data".to_owned(),
            _ => return None,
        },
        Expr::Binary(op, left, right) if is_result(left) => compared(*op, number(right)?)?,
        Expr::Binary(op, left, right) if is_result(right) => compared(turned(*op), number(left)?)?,
        _ => return None,
    })
}

/// What the result must be so that the condition does not hold.
pub(super) fn negated(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::Not(inner) => of(inner)?,
        Expr::Binary(Op::And, a, b) => format!("{} or {}", negated(a)?, negated(b)?),
        Expr::Binary(Op::Or, a, b) => format!("{} and {}", negated(a)?, negated(b)?),
        Expr::Call(Function::IsNan, list) if one(list).is_some_and(is_result) => "a number".to_owned(),
        Expr::Call(Function::IsInf, list) if one(list).is_some_and(is_result) => "finite".to_owned(),
        Expr::Binary(op, left, right) if is_count(left) => {
            of(&Expr::Binary(opposite(*op)?, left.clone(), right.clone()))?
        }
        Expr::Binary(op, left, right) if is_result(left) => compared(opposite(*op)?, number(right)?)?,
        Expr::Binary(op, left, right) if is_result(right) => compared(opposite(turned(*op))?, number(left)?)?,
        _ => return None,
    })
}

fn one(list: &[Expr]) -> Option<&Expr> {
    if let [one] = list { Some(one) } else { None }
}

/// The value of a query that gives one: the result itself, or its first item.
fn is_result(expr: &Expr) -> bool {
    match expr {
        Expr::Result => true,
        Expr::Index(list, at) => **list == Expr::Result && **at == Expr::Number(0.0),
        Expr::Call(Function::First | Function::AsFloat, list) => one(list).is_some_and(is_result),
        _ => false,
    }
}

/// How many series the query gave.
fn is_count(expr: &Expr) -> bool {
    matches!(expr, Expr::Call(Function::Len, list) if one(list) == Some(&Expr::Result))
}

fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Number(number) => Some(*number),
        Expr::Negative(inner) => number(inner).map(|number| -number),
        _ => None,
    }
}

/// `all(result, # < 5)` and its like.
fn compared_item(list: &[Expr]) -> Option<String> {
    let [Expr::Result, Expr::Binary(op, left, right)] = list else { return None };
    if **left == Expr::Item { compared(*op, number(right)?) } else { None }
}

fn compared(op: Op, limit: f64) -> Option<String> {
    let limit = figure(limit);
    Some(match op {
        Op::Equal => limit,
        Op::Unequal => format!("other than {limit}"),
        Op::Less => format!("less than {limit}"),
        Op::LessEqual => format!("at most {limit}"),
        Op::Greater => format!("more than {limit}"),
        Op::GreaterEqual => format!("at least {limit}"),
        _ => return None,
    })
}

/// The comparison with its sides changed.
const fn turned(op: Op) -> Op {
    match op {
        Op::Less => Op::Greater,
        Op::LessEqual => Op::GreaterEqual,
        Op::Greater => Op::Less,
        Op::GreaterEqual => Op::LessEqual,
        other => other,
    }
}

/// The comparison that holds when this one does not.
const fn opposite(op: Op) -> Option<Op> {
    Some(match op {
        Op::Equal => Op::Unequal,
        Op::Unequal => Op::Equal,
        Op::Less => Op::GreaterEqual,
        Op::LessEqual => Op::Greater,
        Op::Greater => Op::LessEqual,
        Op::GreaterEqual => Op::Less,
        _ => return None,
    })
}
