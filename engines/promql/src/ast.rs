//! The syntax tree. Every node knows which bytes of the query it came from.

use quarterdeck_kernel::Matcher;

use crate::functions::Function;
use crate::{Span, ValueType};

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
    /// Height of the tree below: what bounds every recursion over it.
    pub(crate) depth: usize,
}

/// The kinds of expression.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `42`, `0x1f`, `1_000`, `5m`
    Number(NumberLiteral),
    /// `"text"`
    String(StringLiteral),
    /// `up{job="api"}`
    Vector(VectorSelector),
    /// `up[5m]`
    Matrix(Box<MatrixSelector>),
    /// `expr[1h:1m]`
    Subquery(Box<Subquery>),
    /// `-expr`
    Unary(Box<UnaryExpr>),
    /// `a + b`
    Binary(Box<BinaryExpr>),
    /// `sum by (job) (expr)`
    Aggregate(Box<AggregateExpr>),
    /// `rate(up[5m])`
    Call(Call),
    /// `(expr)`
    Paren(Box<Expr>),
}

impl Expr {
    /// The type of its value.
    #[must_use]
    pub fn value_type(&self) -> ValueType {
        let mut expr = self;
        loop {
            expr = match &expr.kind {
                ExprKind::Number(_) => return ValueType::Scalar,
                ExprKind::String(_) => return ValueType::String,
                ExprKind::Vector(_) | ExprKind::Aggregate(_) => return ValueType::Vector,
                ExprKind::Matrix(_) | ExprKind::Subquery(_) => return ValueType::Matrix,
                ExprKind::Call(call) => return call.function.returns,
                ExprKind::Binary(b) => return b.value_type,
                ExprKind::Unary(u) => &u.expr,
                ExprKind::Paren(inner) => inner,
            };
        }
    }

    /// The expression inside any number of parentheses.
    #[must_use]
    pub fn unwrapped(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Paren(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }

    /// Its direct parts, in the order in which they are written.
    #[must_use]
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Vector(_) | ExprKind::Matrix(_) => vec![],
            ExprKind::Subquery(s) => vec![&s.expr],
            ExprKind::Unary(u) => vec![&u.expr],
            ExprKind::Binary(b) => vec![&b.lhs, &b.rhs],
            ExprKind::Aggregate(a) => a.param.iter().chain([&a.expr]).collect(),
            ExprKind::Call(c) => c.args.iter().collect(),
            ExprKind::Paren(inner) => vec![inner],
        }
    }

    /// Calls `visit` for this expression and all below, parents first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        for child in self.children() {
            child.walk(visit);
        }
    }

    /// All selectors of the expression, those of ranges included.
    #[must_use]
    pub fn selectors(&self) -> Vec<&VectorSelector> {
        let mut found = vec![];
        self.walk(&mut |e| match &e.kind {
            ExprKind::Vector(v) => found.push(v),
            ExprKind::Matrix(m) => found.push(&m.selector),
            _ => {}
        });
        found
    }
}

/// A number as written.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberLiteral {
    /// Its value; a duration's is in seconds.
    pub value: f64,
    /// Whether it was written as a duration (`1h30m`).
    pub duration: bool,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringLiteral {
    /// Its value; bytes that are not UTF-8 are replaced.
    pub value: String,
    /// The value's bytes when escapes make them something else than UTF-8.
    pub invalid: Option<Vec<u8>>,
}

/// The moment that `@` pins an evaluation to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A time in milliseconds since 1970.
    Time(i64),
    /// `start()` of the query's range.
    Start,
    /// `end()` of the query's range.
    End,
}

/// A length of time: a literal, or an expression of constants.
#[derive(Clone, Debug, PartialEq)]
pub struct DurationSpec {
    /// Milliseconds, rounded.
    pub millis: i64,
    /// Where it stands.
    pub span: Span,
    /// The arithmetic it was written as, when it is more than a literal.
    pub expr: Option<Box<Expr>>,
}

/// `offset` and `@`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modifiers {
    /// How far back, negative for ahead.
    pub offset: Option<DurationSpec>,
    /// Pinned to a moment.
    pub at: Option<At>,
}

impl Modifiers {
    /// The offset in milliseconds, 0 without one.
    #[must_use]
    pub fn offset_millis(&self) -> i64 {
        self.offset.as_ref().map_or(0, |o| o.millis)
    }
}

/// Which series.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSelector {
    /// The metric's name if it was written in front of the braces or as the first quoted text in them.
    pub name: Option<String>,
    /// All conditions, the one on the name included.
    pub matchers: Vec<Matcher>,
    /// When.
    pub modifiers: Modifiers,
    /// The selector without range and modifiers.
    pub span: Span,
}

/// A selector with a range.
#[derive(Clone, Debug, PartialEq)]
pub struct MatrixSelector {
    /// Which series, and the modifiers of the whole.
    pub selector: VectorSelector,
    /// How far back from the moment: a sample exactly that old is outside.
    pub range: DurationSpec,
}

/// A range query inside a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Subquery {
    /// What is evaluated.
    pub expr: Expr,
    /// How far back.
    pub range: DurationSpec,
    /// In which steps; the engine's default when absent.
    pub step: Option<DurationSpec>,
    /// When.
    pub modifiers: Modifiers,
}

/// `+` or `-` in front of an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct UnaryExpr {
    /// Whether it is `-`.
    pub negative: bool,
    /// Of what.
    pub expr: Expr,
}

/// An operator between two expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the operators'")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Atan2,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Unless,
}

impl BinaryOp {
    /// As written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Atan2 => "atan2",
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::Unless => "unless",
        }
    }

    /// How strongly it binds; a higher one binds first.
    #[must_use]
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And | Self::Unless => 2,
            Self::Eq | Self::Ne | Self::Lt | Self::Le | Self::Gt | Self::Ge => 3,
            Self::Add | Self::Sub => 4,
            Self::Mul | Self::Div | Self::Mod | Self::Atan2 => 5,
            Self::Pow => 6,
        }
    }

    /// `==` and its kin.
    #[must_use]
    pub const fn is_comparison(self) -> bool {
        self.precedence() == 3
    }

    /// `and`, `or`, `unless`.
    #[must_use]
    pub const fn is_set(self) -> bool {
        self.precedence() <= 2
    }
}

/// How many elements of one side may meet one of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One and one.
    OneToOne,
    /// `group_left`: several on the left.
    ManyToOne,
    /// `group_right`: several on the right.
    OneToMany,
    /// Set operators.
    ManyToMany,
}

/// How the elements of two vectors find each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorMatching {
    /// How many may meet.
    pub cardinality: Cardinality,
    /// `on` (true) or `ignoring`.
    pub on: bool,
    /// The labels of `on` or `ignoring`.
    pub labels: Vec<String>,
    /// The labels that `group_left` or `group_right` copies from the one side.
    pub include: Vec<String>,
}

/// Two expressions and an operator.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryExpr {
    /// The operator.
    pub op: BinaryOp,
    /// Left side.
    pub lhs: Expr,
    /// Right side.
    pub rhs: Expr,
    /// Whether a comparison yields 0 and 1 instead of filtering.
    pub bool_modifier: bool,
    /// Between two vectors: how their elements meet.
    pub matching: Option<VectorMatching>,
    pub(crate) value_type: ValueType,
}

/// An aggregation operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the operators'")]
pub enum AggregateOp {
    Sum,
    Avg,
    Count,
    Min,
    Max,
    Group,
    Stddev,
    Stdvar,
    Topk,
    Bottomk,
    CountValues,
    Quantile,
    Limitk,
    LimitRatio,
}

/// Which labels an aggregation keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// `by`: these. Without a clause: by none.
    By(Vec<String>),
    /// `without`: all but these and the name.
    Without(Vec<String>),
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateExpr {
    /// The operator.
    pub op: AggregateOp,
    /// Of what.
    pub expr: Expr,
    /// `k`, the quantile, the label name, the ratio.
    pub param: Option<Expr>,
    /// Which labels stay; `None` when no clause was written.
    pub grouping: Option<Grouping>,
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which function.
    pub function: &'static Function,
    /// Its arguments.
    pub args: Vec<Expr>,
    /// Where its name stands.
    pub name_span: Span,
}
