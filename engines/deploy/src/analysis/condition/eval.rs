//! What a condition gives for a result.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::number::{Number, figure};
use super::{Expr, Function, Op};

/// What a query gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// One number.
    Scalar(Number),
    /// One number for each series of an instant vector.
    Vector(Vec<Number>),
}

impl Value {
    /// A scalar.
    #[must_use]
    pub fn scalar(value: f64) -> Self {
        Self::Scalar(Number(value))
    }

    /// A vector.
    #[must_use]
    pub fn vector(values: &[f64]) -> Self {
        Self::Vector(values.iter().copied().map(Number).collect())
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Vector(values) if values.is_empty())
    }

    /// The number to draw: the scalar, or the first of the vector.
    #[must_use]
    pub fn first(&self) -> Option<f64> {
        match self {
            Self::Scalar(v) => Some(v.0),
            Self::Vector(values) => values.first().map(|v| v.0),
        }
    }
}

impl fmt::Display for Value {
    /// `0.95`, `[0.95, 0.9]`, `no data`; of long vectors the beginning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 4;
        match self {
            Self::Scalar(v) => f.write_str(&figure(v.0)),
            Self::Vector(values) => match values.as_slice() {
                [] => f.write_str("no data"),
                [one] => f.write_str(&figure(one.0)),
                many => {
                    let shown: Vec<String> = many.iter().take(SHOWN).map(|v| figure(v.0)).collect();
                    let more = many.len().saturating_sub(SHOWN);
                    write!(f, "[{}", shown.join(", "))?;
                    if more > 0 {
                        write!(f, ", and {more} more")?;
                    }
                    f.write_str("]")
                }
            },
        }
    }
}

/// Why a condition has no answer for a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvalError(String);

fn fail<T>(message: impl Into<String>) -> Result<T, EvalError> {
    Err(EvalError(message.into()))
}

#[derive(Clone, Debug)]
enum Val<'a> {
    Bool(bool),
    Number(f64),
    List(Cow<'a, [Number]>),
    Nil,
}

impl Val<'_> {
    fn words(&self) -> String {
        match self {
            Self::Bool(v) => if *v { "yes" } else { "no" }.to_owned(),
            Self::Number(v) => format!("the number {}", figure(*v)),
            Self::List(values) => format!("a list of {}", values.len()),
            Self::Nil => "nothing".to_owned(),
        }
    }
}

type Evaluated<'a> = Result<Val<'a>, EvalError>;

pub(super) fn truth(expr: &Expr, result: &Value) -> Result<bool, EvalError> {
    let mut scope = Scope { result, item: None };
    scope.bool(expr)
}

struct Scope<'a> {
    result: &'a Value,
    /// What `#` is.
    item: Option<f64>,
}

impl<'a> Scope<'a> {
    fn bool(&mut self, expr: &Expr) -> Result<bool, EvalError> {
        match self.eval(expr)? {
            Val::Bool(v) => Ok(v),
            other => fail(format!("yes or no was expected, found {}", other.words())),
        }
    }

    fn number(&mut self, expr: &Expr) -> Result<f64, EvalError> {
        match self.eval(expr)? {
            Val::Number(v) => Ok(v),
            Val::List(values) if matches!(expr, Expr::Result) => fail(format!(
                "the query gave a list ({} element{}), the condition takes a number: write `result[0]`",
                values.len(),
                if values.len() == 1 { "" } else { "s" }
            )),
            other => fail(format!("a number was expected, found {}", other.words())),
        }
    }

    fn list(&mut self, expr: &Expr) -> Result<Cow<'a, [Number]>, EvalError> {
        match self.eval(expr)? {
            Val::List(values) => Ok(values),
            Val::Number(_) if matches!(expr, Expr::Result) => {
                fail("the query gave one number (a scalar), the condition takes a list: write `result`")
            }
            other => fail(format!("a list was expected, found {}", other.words())),
        }
    }

    fn eval(&mut self, expr: &Expr) -> Evaluated<'a> {
        Ok(match expr {
            Expr::Number(v) => Val::Number(*v),
            Expr::Bool(v) => Val::Bool(*v),
            Expr::Nil => Val::Nil,
            Expr::Result => match self.result {
                Value::Scalar(v) => Val::Number(v.0),
                Value::Vector(values) => Val::List(Cow::Borrowed(values)),
            },
            Expr::Item => self.item.map_or(Val::Nil, Val::Number),
            Expr::Not(inner) => Val::Bool(!self.bool(inner)?),
            Expr::Negative(inner) => Val::Number(-self.number(inner)?),
            Expr::Choose(condition, yes, no) => {
                let chosen = if self.bool(condition)? { yes } else { no };
                self.eval(chosen)?
            }
            Expr::Index(list, index) => self.element(list, index)?,
            Expr::Call(function, arguments) => self.call(*function, arguments)?,
            Expr::Binary(op, left, right) => self.binary(*op, left, right)?,
        })
    }

    fn element(&mut self, list: &Expr, index: &Expr) -> Evaluated<'a> {
        let values = self.list(list)?;
        let index = self.number(index)?;
        if index.fract() != 0.0 {
            return fail(format!("{} is not the place of an element", figure(index)));
        }
        let place = if index < 0.0 { index + values.len() as f64 } else { index };
        match values.get(place as usize).filter(|_| place >= 0.0) {
            Some(v) => Ok(Val::Number(v.0)),
            None if values.is_empty() => fail("no data: the query gave no series"),
            None => fail(format!("the query gave {} series, element {index} is not there", values.len())),
        }
    }

    fn binary(&mut self, op: Op, left: &Expr, right: &Expr) -> Evaluated<'a> {
        match op {
            Op::Or => return Ok(Val::Bool(self.bool(left)? || self.bool(right)?)),
            Op::And => return Ok(Val::Bool(self.bool(left)? && self.bool(right)?)),
            Op::Equal | Op::Unequal => {
                let same = match (self.eval(left)?, self.eval(right)?) {
                    (Val::Number(a), Val::Number(b)) => a == b,
                    (Val::Bool(a), Val::Bool(b)) => a == b,
                    (Val::Nil, Val::Nil) => true,
                    (Val::List(a), Val::List(b)) => {
                        a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| a.0 == b.0)
                    }
                    _ => false,
                };
                return Ok(Val::Bool(same == (op == Op::Equal)));
            }
            _ => {}
        }
        let (a, b) = (self.number(left)?, self.number(right)?);
        Ok(match op {
            Op::Less => Val::Bool(a < b),
            Op::LessEqual => Val::Bool(a <= b),
            Op::Greater => Val::Bool(a > b),
            Op::GreaterEqual => Val::Bool(a >= b),
            Op::Add => Val::Number(a + b),
            Op::Subtract => Val::Number(a - b),
            Op::Multiply => Val::Number(a * b),
            Op::Divide => Val::Number(a / b),
            Op::Power => Val::Number(a.powf(b)),
            Op::Remainder => {
                if a.fract() != 0.0 || b.fract() != 0.0 || b == 0.0 {
                    return fail(format!(
                        "`%` takes whole numbers, not {} and {}; and not 0 on the right",
                        figure(a),
                        figure(b)
                    ));
                }
                Val::Number(a % b)
            }
            Op::Or | Op::And | Op::Equal | Op::Unequal => return fail("handled above"),
        })
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) -> Evaluated<'a> {
        let [first, rest @ ..] = arguments else { return fail("a function without arguments") };
        if function.takes_predicate() {
            let [predicate] = rest else { return fail("a predicate is missing") };
            return self.each(function, first, predicate);
        }
        Ok(match function {
            Function::Default => {
                let [other] = rest else { return fail("the second argument is missing") };
                return if self.is_nil(first)? { self.eval(other) } else { self.eval(first) };
            }
            Function::IsNil => Val::Bool(self.is_nil(first)?),
            Function::Len => Val::Number(self.list(first)?.len() as f64),
            Function::IsNan => Val::Bool(self.number(first)?.is_nan()),
            Function::IsInf => Val::Bool(self.number(first)?.is_infinite()),
            Function::AsFloat => Val::Number(self.number(first)?),
            Function::AsInt => Val::Number(self.number(first)?.trunc()),
            Function::Abs => Val::Number(self.number(first)?.abs()),
            Function::Ceil => Val::Number(self.number(first)?.ceil()),
            Function::Floor => Val::Number(self.number(first)?.floor()),
            Function::Round => Val::Number(self.number(first)?.round()),
            Function::First => self.list(first)?.first().map_or(Val::Nil, |v| Val::Number(v.0)),
            Function::Last => self.list(first)?.last().map_or(Val::Nil, |v| Val::Number(v.0)),
            Function::Sum => Val::Number(self.list(first)?.iter().map(|v| v.0).sum()),
            _ => {
                let values = self.list(first)?;
                if values.is_empty() {
                    return fail(format!("no data: `{}` of no series has no value", function.name()));
                }
                let numbers = || values.iter().map(|v| v.0);
                Val::Number(match function {
                    Function::Mean => numbers().sum::<f64>() / values.len() as f64,
                    Function::Min => numbers().fold(f64::INFINITY, nan_or(f64::min)),
                    Function::Max => numbers().fold(f64::NEG_INFINITY, nan_or(f64::max)),
                    _ => median(numbers().collect()),
                })
            }
        })
    }

    /// Whether there is nothing: `nil`, no data at all, or an element of a list that is empty. (Argo gives an error for
    /// the last; who writes `default(result[0], 0)` says what is to be taken then.)
    fn is_nil(&mut self, expr: &Expr) -> Result<bool, EvalError> {
        if let Expr::Index(list, _) = expr
            && self.list(list)?.is_empty()
        {
            return Ok(true);
        }
        Ok(match self.eval(expr)? {
            Val::Nil => true,
            Val::List(values) => values.is_empty(),
            Val::Number(_) | Val::Bool(_) => false,
        })
    }

    fn each(&mut self, function: Function, list: &Expr, predicate: &Expr) -> Evaluated<'a> {
        let values = self.list(list)?;
        let outer = self.item;
        let mut kept = Vec::new();
        for value in values.iter() {
            self.item = Some(value.0);
            let holds = self.bool(predicate);
            if holds? {
                kept.push(*value);
            }
        }
        self.item = outer;
        Ok(match function {
            Function::All => Val::Bool(kept.len() == values.len()),
            Function::Any => Val::Bool(!kept.is_empty()),
            Function::None => Val::Bool(kept.is_empty()),
            Function::One => Val::Bool(kept.len() == 1),
            Function::Count => Val::Number(kept.len() as f64),
            _ => Val::List(Cow::Owned(kept)),
        })
    }
}

/// As `f`, but NaN where one of both is.
fn nan_or(f: impl Fn(f64, f64) -> f64) -> impl Fn(f64, f64) -> f64 {
    move |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { f(a, b) }
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        Some(upper) if values.len().is_multiple_of(2) => f64::midpoint(values[middle - 1], *upper),
        Some(middle) => *middle,
        None => f64::NAN,
    }
}
