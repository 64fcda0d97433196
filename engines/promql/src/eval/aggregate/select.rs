//! Aggregations that pick elements: topk, bottomk, limitk, limit_ratio.

use quarterdeck_kernel::Labels;

use super::super::column::{Cell, Column, Columns};
use super::super::{Evaluation, Evaluator};
use super::xxhash::xxhash64;
use super::{Group, heap};
use crate::Span;
use crate::ast::AggregateOp;
use crate::error::QueryError;
use crate::number::format_general;

impl Evaluator<'_> {
    /// How many elements to pick, from a parameter.
    fn pick_count(&self, k: f64, span: Span) -> Evaluation<usize> {
        if k.is_nan() {
            return Err(QueryError::evaluation(span, "Parameter value is NaN"));
        }
        if k.abs() > 9.223_372_036_854_775e18 {
            return Err(QueryError::evaluation(
                span,
                format!("Scalar value {} overflows int64", format_general(k)),
            ));
        }
        Ok(if k < 1.0 { 0 } else { k as usize })
    }

    pub(super) fn top(
        &self,
        columns: &[Column],
        groups: &[Group],
        k: &[f64],
        op: AggregateOp,
        param_span: Span,
        span: Span,
    ) -> Evaluation<Columns> {
        let highest = op == AggregateOp::Topk;
        let mut picked: Vec<Option<Column>> = vec![None; columns.len()];
        // Where each column came in its group at the last step: instant queries answer in that order.
        let mut order: Vec<(usize, usize, usize)> = vec![];
        for column in columns {
            self.note_ignored(column, op, span);
        }
        let mut candidates: Vec<(f64, usize)> = vec![];
        for (g, group) in groups.iter().enumerate() {
            self.budget.check()?;
            for (i, &k) in k.iter().enumerate() {
                let k = self.pick_count(k, param_span)?;
                if k == 0 {
                    continue;
                }
                candidates.clear();
                for &m in &group.members {
                    if let Cell::Float(v) = columns[m].cell(i) {
                        heap::offer(&mut candidates, (v, m), k, highest);
                    }
                }
                candidates.sort_by(|a, b| heap::rank(a.0, b.0, highest).then(a.1.cmp(&b.1)));
                for (position, &(v, m)) in candidates.iter().enumerate() {
                    let column = picked[m].get_or_insert_with(|| {
                        order.push((g, position, m));
                        let mut column = Column::empty(columns[m].labels.clone(), columns[m].floats.len());
                        column.drop_name = columns[m].drop_name;
                        column
                    });
                    column.set_float(i, v);
                }
            }
        }
        order.sort_unstable();
        Ok(order.into_iter().filter_map(|(_, _, m)| picked[m].take()).collect())
    }

    pub(super) fn limit(
        &self,
        columns: &[Column],
        groups: &[Group],
        limit: &[f64],
        op: AggregateOp,
        span: Span,
    ) -> Evaluation<Columns> {
        let mut picked: Columns = columns
            .iter()
            .map(|c| {
                let mut column = Column::empty(c.labels.clone(), c.floats.len());
                column.drop_name = c.drop_name;
                column
            })
            .collect();
        let shares: Vec<f64> = columns.iter().map(|c| hash_share(&c.labels)).collect();
        if op == AggregateOp::LimitRatio {
            // Noted even where there is nothing to pick from.
            limit.iter().try_for_each(|r| self.ratio(*r, span).map(drop))?;
        }
        for group in groups {
            for (i, &limit) in limit.iter().enumerate() {
                let mut left = 0;
                let mut ratio = 0.0;
                if op == AggregateOp::Limitk {
                    left = self.pick_count(limit, span)?;
                } else {
                    ratio = self.ratio(limit, span)?;
                }
                for &m in group.members.iter().filter(|m| columns[**m].is_present(i)) {
                    let take = match op {
                        AggregateOp::Limitk => {
                            let take = left > 0;
                            left = left.saturating_sub(1);
                            take
                        }
                        _ if ratio >= 0.0 => shares[m] < ratio,
                        _ => shares[m] >= 1.0 + ratio,
                    };
                    if take {
                        picked[m].copy_cell(i, &columns[m]);
                    }
                }
            }
        }
        picked.retain(Column::has_any);
        Ok(picked)
    }

    fn ratio(&self, ratio: f64, span: Span) -> Evaluation<f64> {
        if ratio.is_nan() {
            return Err(QueryError::evaluation(span, "Ratio value is NaN"));
        }
        let capped = ratio.clamp(-1.0, 1.0);
        if capped != ratio {
            let (found, capped) = (format_general(ratio), format_general(capped));
            self.warn(
                span,
                format!("ratio value should be between -1 and 1, got {found}, capping to {capped}"),
            );
        }
        // Every share is below 1 + epsilon: a ratio of 1 takes all, of 0 none.
        Ok(if capped >= 1.0 {
            2.0
        } else if capped <= -1.0 {
            -1.0
        } else {
            capped
        })
    }
}

/// A number between 0 and 1 that depends on the labels alone: the same series is always in or always out.
fn hash_share(labels: &Labels) -> f64 {
    labels_hash(labels) as f64 / u64::MAX as f64
}

/// The hash of a label set by which Prometheus picks series and spreads rule groups over time: xxHash64 over
/// length-prefixed names and values.
#[must_use]
pub fn labels_hash(labels: &Labels) -> u64 {
    let mut bytes = vec![];
    for (name, value) in labels.iter() {
        for text in [name, value] {
            let length = text.len();
            if length < 255 {
                bytes.push(length as u8);
            } else {
                bytes.extend_from_slice(&[255, length as u8, (length >> 8) as u8, (length >> 16) as u8]);
            }
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    xxhash64(&bytes)
}
