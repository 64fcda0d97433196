//! Aggregations that look at all values of a group at once: quantile, count_values.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use quarterdeck_kernel::Labels;

use super::super::column::{Cell, Column, Columns};
use super::super::rank::quantile_of;
use super::super::{Evaluation, Evaluator, Steps};
use super::Group;
use crate::Span;
use crate::ast::{AggregateExpr, AggregateOp, ExprKind};
use crate::error::QueryError;
use crate::number::format_float;
use crate::print::{quoted, quoted_bytes};

impl Evaluator<'_> {
    pub(super) fn quantiles(
        &self,
        columns: &[Column],
        groups: &[Group],
        q: &[f64],
        param_span: Span,
        span: Span,
    ) -> Evaluation<Columns> {
        let mut out = Vec::with_capacity(groups.len());
        for column in columns {
            self.note_ignored(column, AggregateOp::Quantile, span);
        }
        for q in q {
            self.check_quantile(*q, param_span);
        }
        let mut values = vec![];
        for group in groups {
            self.budget.check()?;
            let mut result = Column::empty(group.labels.clone(), q.len());
            result.drop_name = group.drop_name;
            for (i, &q) in q.iter().enumerate() {
                values.clear();
                values.extend(group.members.iter().filter_map(|m| match columns[*m].cell(i) {
                    Cell::Float(v) => Some(v),
                    _ => None,
                }));
                if !values.is_empty() {
                    result.set_float(i, quantile_of(q, &mut values));
                }
            }
            if result.has_any() {
                out.push(result);
            }
        }
        Ok(out)
    }

    pub(super) fn count_values(
        &self,
        a: &AggregateExpr,
        columns: &[Column],
        groups: &[Group],
        steps: Steps,
    ) -> Evaluation<Columns> {
        let label = match a.param.as_ref().map(|p| (p.span, &p.unwrapped().kind)) {
            Some((span, ExprKind::String(s))) => {
                if s.value.is_empty() || s.invalid.is_some() {
                    let found = s.invalid.as_ref().map_or_else(|| quoted(&s.value), |b| quoted_bytes(b));
                    return Err(QueryError::evaluation(span, format!("invalid label name {found}")));
                }
                &s.value
            }
            _ => return Err(QueryError::evaluation(a.expr.span, "a label name is expected here")),
        };
        let mut found: HashMap<Labels, Column> = HashMap::new();
        let mut order: Vec<Labels> = vec![];
        for group in groups {
            for &m in &group.members {
                self.budget.check()?;
                // Values that stay the same from step to step need their labels once.
                let mut last: Option<(u64, Labels)> = None;
                for i in 0..steps.count {
                    let labels = match (&last, columns[m].cell(i)) {
                        (_, Cell::Absent) => continue,
                        (Some((same, labels)), Cell::Float(v)) if *same == v.to_bits() => labels.clone(),
                        (_, Cell::Float(v)) => group.labels.with(label, &format_float(v)),
                        (_, Cell::Histogram(h)) => group.labels.with(label, &h.to_string()),
                    };
                    let column = match found.entry(labels.clone()) {
                        Entry::Occupied(entry) => entry.into_mut(),
                        // Every new value is a new series: taken one by one, there may be very many.
                        Entry::Vacant(entry) => {
                            order.push(labels.clone());
                            entry.insert(self.new_column(labels.clone(), steps.count)?)
                        }
                    };
                    let before = if column.is_present(i) { column.floats[i] } else { 0.0 };
                    column.set_float(i, before + 1.0);
                    last = match columns[m].cell(i) {
                        Cell::Float(v) => Some((v.to_bits(), labels)),
                        _ => None,
                    };
                }
            }
        }
        let out: Columns = order.iter().filter_map(|labels| found.remove(labels)).collect();
        self.release(&out);
        Ok(out)
    }
}
