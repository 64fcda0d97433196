//! `info`: adds the labels of info metrics to series that share their identifying labels.

use std::collections::HashMap;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, MatchOp, Matcher};

use super::column::{Column, Columns, is_absent};
use super::{Evaluated, Evaluation, Evaluator, Steps};
use crate::Span;
use crate::ast::{Call, Expr, ExprKind, Modifiers, VectorSelector};
use crate::error::QueryError;

/// The labels by which a series finds its info series.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The info metric when the selector names none.
const DEFAULT_INFO: &str = "target_info";

impl Evaluator<'_> {
    pub(super) fn info(&self, call: &Call, span: Span, steps: Steps) -> Evaluation<Evaluated> {
        let base = self.vector(&call.args[0], steps)?;
        let data = match call.args.get(1) {
            None => vec![],
            Some(Expr { kind: ExprKind::Vector(selector), .. }) => selector.matchers.clone(),
            Some(other) => {
                return Err(QueryError::evaluation(
                    other.span,
                    "the second argument of info() is a label selector",
                ));
            }
        };
        let mut matchers: Vec<Matcher> = data.iter().filter(|m| m.name == METRIC_NAME).cloned().collect();
        if matchers.is_empty() {
            matchers.push(Matcher::equal(METRIC_NAME, DEFAULT_INFO));
        }
        let wanted: Vec<&Matcher> = data.iter().filter(|m| m.name != METRIC_NAME).collect();
        matchers.extend(wanted.iter().filter(|m| !m.matches_empty()).map(|m| (*m).clone()));
        // Series without the identifying labels cannot be found from any base series.
        for name in IDENTIFYING {
            matchers.push(Matcher::equal(name, "").negated());
        }
        let selector =
            VectorSelector { name: None, matchers, modifiers: base_modifiers(&call.args[0]), span };
        let infos = self.instant_columns(&selector, steps)?;
        let mut by_identity: HashMap<Vec<&str>, Vec<&Column>> = HashMap::new();
        for info in &infos {
            by_identity.entry(identity(&info.labels)).or_default().push(info);
        }
        self.release(&base);
        self.release(&infos);
        let mut out: Columns = Vec::with_capacity(base.len());
        for column in &base {
            let none = vec![];
            let candidates = by_identity.get(&identity(&column.labels)).unwrap_or(&none);
            self.enrich(column, candidates, &wanted, span, &mut out)?;
        }
        self.hold(&out)?;
        Ok(Evaluated::Vector(super::column::merged(out).map_err(|_| super::same_labelset(span))?))
    }

    /// Adds to `out` the series with the labels of its info series at each step; several when those change.
    fn enrich(
        &self,
        column: &Column,
        candidates: &[&Column],
        wanted: &[&Matcher],
        span: Span,
        out: &mut Columns,
    ) -> Evaluation<()> {
        let steps = column.floats.len();
        let mut versions: HashMap<Labels, Column> = HashMap::new();
        for i in (0..steps).filter(|i| column.is_present(*i)) {
            let mut labels = column.labels.clone();
            let mut names: Vec<&str> = vec![];
            let mut complete = wanted.iter().all(|m| m.matches_empty());
            for info in candidates.iter().filter(|c| !is_absent(c.floats[i])) {
                if names.contains(&info.labels.name()) {
                    let metric = info.labels.name();
                    return Err(QueryError::evaluation(
                        span,
                        format!("found duplicate series for info metric {metric:?}: {}", info.labels),
                    ));
                }
                names.push(info.labels.name());
                complete = true;
                for (name, value) in info.labels.iter() {
                    let chosen =
                        wanted.is_empty() || wanted.iter().any(|m| m.name == name && m.matches(value));
                    if name != METRIC_NAME && column.labels.get(name).is_none() && chosen {
                        labels = labels.with(name, value);
                    }
                }
            }
            if complete {
                let version = versions.entry(labels.clone()).or_insert_with(|| {
                    let mut version = Column::empty(labels, steps);
                    version.drop_name = column.drop_name;
                    version
                });
                version.copy_cell(i, column);
            }
        }
        out.extend(versions.into_values());
        Ok(())
    }
}

fn identity(labels: &Labels) -> Vec<&str> {
    IDENTIFYING.iter().map(|n| labels.get(n).unwrap_or_default()).collect()
}

/// The info series are looked up at the same moment as the base series, if that is pinned or shifted.
fn base_modifiers(expr: &Expr) -> Modifiers {
    expr.selectors().first().map(|s| s.modifiers.clone()).unwrap_or_default()
}

/// `label!=""`.
trait Negated {
    fn negated(self) -> Self;
}

impl Negated for Matcher {
    fn negated(self) -> Self {
        let Self { name, value, .. } = &self;
        // Only patterns can be refused, and this is none.
        Self::new(MatchOp::NotEqual, name.clone(), value.clone()).unwrap_or(self)
    }
}
