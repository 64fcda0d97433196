//! Conditions of an analysis: the part of Argo's expression language (expr) that judges a number or a list of numbers.
//! `result` is what the query gave: a number (a scalar) or a list (a vector, in the order of the answer).
//!
//! What is not understood is refused when the file is read, with its place. While it runs, a condition gives yes or no, or
//! an error: `result[0]` of an empty list is one, as in Argo. NaN compares as everywhere: every comparison with it is
//! false but `!=`.

mod eval;
mod parse;
mod words;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use eval::{EvalError, Value};
pub use parse::ConditionError;

/// What a piece of a condition is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expr {
    Number(f64),
    Bool(bool),
    Nil,
    /// `result`.
    Result,
    /// `#`, inside of `all(list, …)` and its like.
    Item,
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    /// `list[index]`; a negative index counts from the end.
    Index(Box<Expr>, Box<Expr>),
    Call(Function, Vec<Expr>),
    /// `condition ? one : other`.
    Choose(Box<Expr>, Box<Expr>, Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Len,
    IsNan,
    IsInf,
    IsNil,
    Default,
    AsFloat,
    AsInt,
    All,
    Any,
    None,
    One,
    Count,
    Filter,
    Sum,
    Mean,
    Median,
    Min,
    Max,
    Abs,
    Ceil,
    Floor,
    Round,
    First,
    Last,
}

impl Function {
    /// Every function by its name, with how many arguments it takes and what it does.
    pub(crate) const ALL: [(&'static str, Self, usize, &'static str); 26] = [
        ("len", Self::Len, 1, "how many"),
        ("isNaN", Self::IsNan, 1, "whether it is not a number"),
        ("isInf", Self::IsInf, 1, "whether it is infinite"),
        ("isNil", Self::IsNil, 1, "whether there is nothing"),
        ("default", Self::Default, 2, "the first, or the second where there is nothing"),
        ("asFloat", Self::AsFloat, 1, "as a number"),
        ("float", Self::AsFloat, 1, "as a number"),
        ("asInt", Self::AsInt, 1, "as a whole number"),
        ("int", Self::AsInt, 1, "as a whole number"),
        ("all", Self::All, 2, "whether it holds for all"),
        ("any", Self::Any, 2, "whether it holds for one or more"),
        ("none", Self::None, 2, "whether it holds for none"),
        ("one", Self::One, 2, "whether it holds for exactly one"),
        ("count", Self::Count, 2, "for how many it holds"),
        ("filter", Self::Filter, 2, "those for which it holds"),
        ("sum", Self::Sum, 1, "the sum"),
        ("mean", Self::Mean, 1, "the mean"),
        ("median", Self::Median, 1, "the median"),
        ("min", Self::Min, 1, "the smallest"),
        ("max", Self::Max, 1, "the largest"),
        ("abs", Self::Abs, 1, "without its sign"),
        ("ceil", Self::Ceil, 1, "rounded up"),
        ("floor", Self::Floor, 1, "rounded down"),
        ("round", Self::Round, 1, "rounded"),
        ("first", Self::First, 1, "the first, or nothing"),
        ("last", Self::Last, 1, "the last, or nothing"),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, f, ..)| *f == self).map_or("?", |(name, ..)| name)
    }

    /// Whether the second argument is asked of each item.
    pub(crate) fn takes_predicate(self) -> bool {
        matches!(self, Self::All | Self::Any | Self::None | Self::One | Self::Count | Self::Filter)
    }
}

/// A condition, as written and as understood.
#[derive(Clone, Debug)]
pub struct Condition {
    text: String,
    expr: Expr,
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// When it is not of the language described above, or cannot be a yes or no; tells where.
    pub fn parse(text: &str) -> Result<Self, ConditionError> {
        Ok(Self { text: text.to_owned(), expr: parse::parse(text)? })
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the result must be so that it holds, to go behind "must be": "at least 0.95"; where there is no short form, the
    /// condition itself.
    #[must_use]
    pub fn words(&self) -> String {
        words::of(&self.expr).unwrap_or_else(|| format!("such that `{}`", self.text))
    }

    /// What the result must be so that it does not hold: "at most 0.05".
    #[must_use]
    pub fn words_negated(&self) -> String {
        words::negated(&self.expr).unwrap_or_else(|| format!("such that not `{}`", self.text))
    }

    /// Whether `result` meets it.
    ///
    /// # Errors
    /// When the result has not the shape that the condition asks of it.
    pub fn met(&self, result: &Value) -> Result<bool, EvalError> {
        eval::truth(&self.expr, result)
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
