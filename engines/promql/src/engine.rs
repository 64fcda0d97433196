//! The engine: options, and the entry points for instant and range queries.

use std::time::{Duration, Instant};

use quarterdeck_kernel::Timestamp;

use crate::annotations::Annotations;
use crate::ast::Expr;
use crate::error::{ParseError, QueryError};
use crate::eval;
use crate::parser::{self, ParseOptions};
use crate::storage::{Budget, Storage};
use crate::value::{Value, ValueType};

/// How queries are evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineOptions {
    /// How old the newest sample of a series may be to count as its current value.
    pub lookback: Duration,
    /// The most samples one query may hold at once.
    pub max_samples: u64,
    /// How long one query may take.
    pub timeout: Duration,
    /// The step of subqueries that name none.
    pub subquery_step: Duration,
    /// Allow experimental functions and aggregations.
    pub experimental_functions: bool,
    /// Allow arithmetic where durations are expected.
    pub duration_expressions: bool,
    /// Keep metric names until the end of the evaluation, so that `label_replace` and `by (__name__)` still see them.
    pub delayed_name_removal: bool,
    /// Treat the labels `__type__` and `__unit__` as part of the name.
    pub type_and_unit_labels: bool,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            max_samples: 50_000_000,
            timeout: Duration::from_secs(120),
            subquery_step: Duration::from_secs(60),
            experimental_functions: false,
            duration_expressions: false,
            delayed_name_removal: false,
            type_and_unit_labels: false,
        }
    }
}

/// What a query touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Series that its selectors found, counted once per selector.
    pub series: u64,
    /// Samples that its selectors read.
    pub samples: u64,
    /// The most samples it held at once.
    pub peak_samples: u64,
    /// How long it took.
    pub wall: Duration,
}

/// A successful query.
#[derive(Clone, Debug)]
pub struct Output {
    /// The result.
    pub value: Value,
    /// Remarks on it.
    pub annotations: Annotations,
    /// What it cost.
    pub stats: Stats,
}

/// Evaluates queries. Holds no state: share one, or make one per query.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    options: EngineOptions,
}

impl Engine {
    /// An engine.
    #[must_use]
    pub fn new(options: EngineOptions) -> Self {
        Self { options }
    }

    /// Its options.
    #[must_use]
    pub fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// A budget for one query that starts now, with this engine's bounds.
    #[must_use]
    pub fn budget(&self) -> Budget {
        Budget::new(self.options.max_samples, Instant::now().checked_add(self.options.timeout))
    }

    /// Parses with this engine's switches for experimental syntax.
    ///
    /// # Errors
    /// When the text is no query.
    pub fn parse(&self, query: &str) -> Result<Expr, ParseError> {
        let options = ParseOptions {
            experimental_functions: self.options.experimental_functions,
            duration_expressions: self.options.duration_expressions,
        };
        parser::parse_with(query, &options)
    }

    /// Evaluates a query at one moment.
    ///
    /// # Errors
    /// When the text is no query, the data do not fit it, the store fails, or the budget is used up.
    pub fn instant(
        &self,
        query: &str,
        storage: &dyn Storage,
        t: Timestamp,
        budget: &Budget,
    ) -> Result<Output, QueryError> {
        self.instant_expr(&self.parse(query)?, storage, t, budget)
    }

    /// Evaluates a parsed query at one moment.
    ///
    /// # Errors
    /// As [`Engine::instant`].
    pub fn instant_expr(
        &self,
        expr: &Expr,
        storage: &dyn Storage,
        t: Timestamp,
        budget: &Budget,
    ) -> Result<Output, QueryError> {
        let started = Instant::now();
        let mut output = eval::instant(expr, storage, t.as_millis(), budget, &self.options)?;
        output.stats.wall = started.elapsed();
        Ok(output)
    }

    /// Evaluates a query at every step from `start` up to and including `end`: always a matrix.
    ///
    /// # Errors
    /// As [`Engine::instant`], and when the range or the query's type is unfit.
    pub fn range(
        &self,
        query: &str,
        storage: &dyn Storage,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
        budget: &Budget,
    ) -> Result<Output, QueryError> {
        self.range_expr(&self.parse(query)?, storage, start, end, step, budget)
    }

    /// Evaluates a parsed query at every step.
    ///
    /// # Errors
    /// As [`Engine::range`].
    pub fn range_expr(
        &self,
        expr: &Expr,
        storage: &dyn Storage,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
        budget: &Budget,
    ) -> Result<Output, QueryError> {
        let started = Instant::now();
        let kind = expr.value_type();
        if !matches!(kind, ValueType::Scalar | ValueType::Vector) {
            let what = kind.describe();
            return Err(QueryError::Range(format!(
                "invalid expression type {what:?} for range query, must be Scalar or instant Vector"
            )));
        }
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        if step == 0 {
            return Err(QueryError::Range("a range query needs a step of at least 1 ms".to_owned()));
        }
        if end < start {
            return Err(QueryError::Range("the end of the range is before its start".to_owned()));
        }
        let range = (start.as_millis(), end.as_millis(), step);
        let mut output = eval::range(expr, storage, range, budget, &self.options)?;
        output.stats.wall = started.elapsed();
        Ok(output)
    }
}
