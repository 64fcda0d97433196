//! Aggregations that fold the elements of each group into one value.

mod fold;
pub(super) mod group;
mod heap;
mod select;
mod values;
mod xxhash;

pub use select::labels_hash;

use std::sync::Arc;

use fold::Fold;
use group::{Grouper, Streamed};
use quarterdeck_kernel::Labels;

use super::column::{Cell, Column, Columns, is_absent};
use super::stream::{Names, Stream};
use super::{Evaluation, Evaluator, Steps};
use crate::Span;
use crate::ast::{AggregateExpr, AggregateOp, Grouping};
use crate::histogram::Histogram;

/// Elements with the same group labels.
struct Group {
    labels: Labels,
    /// Whether any member's name is marked for removal.
    drop_name: bool,
    /// Indexes of its columns.
    members: Vec<usize>,
}

impl Evaluator<'_> {
    pub(super) fn aggregate(&self, a: &AggregateExpr, span: Span, steps: Steps) -> Evaluation<Columns> {
        if Fold::new(a.op, 0).is_some()
            && a.param.is_none()
            && let Some(stream) = self.stream(&a.expr, steps)?
        {
            return self.fold_stream(a, &stream, steps);
        }
        let param = match a.op {
            AggregateOp::CountValues => None,
            _ => a.param.as_ref().map(|p| self.scalar(p, steps)).transpose()?,
        };
        let param_span = a.param.as_ref().map_or(span, |p| p.span);
        let columns = self.vector(&a.expr, steps)?;
        let groups = self.groups(&columns, a.grouping.as_ref());
        let out = match (a.op, &param) {
            (AggregateOp::Topk | AggregateOp::Bottomk, Some(k)) => {
                self.top(&columns, &groups, k, a.op, param_span, a.expr.span)?
            }
            (AggregateOp::Limitk | AggregateOp::LimitRatio, Some(limit)) => {
                self.limit(&columns, &groups, limit, a.op, param_span)?
            }
            (AggregateOp::Quantile, Some(q)) => {
                self.quantiles(&columns, &groups, q, param_span, a.expr.span)?
            }
            (AggregateOp::CountValues, _) => self.count_values(a, &columns, &groups, steps)?,
            _ => {
                let mut out = Vec::with_capacity(groups.len());
                for group in &groups {
                    self.budget.check()?;
                    let empty = self.new_column(group.labels.clone(), steps.count)?;
                    let folded = self.fold(&columns, group, a.op, a.expr.span, empty);
                    self.keep_column(folded, &mut out)?;
                }
                self.release(&columns);
                return Ok(out);
            }
        };
        self.release(&columns);
        self.hold(&out)?;
        Ok(out)
    }

    /// The groups in the order of their first members.
    fn groups(&self, columns: &[Column], grouping: Option<&Grouping>) -> Vec<Group> {
        let mut grouper = Grouper::new(self, grouping, false);
        let mut groups: Vec<Group> = vec![];
        for (i, column) in columns.iter().enumerate() {
            let index = grouper.group(&column.labels);
            if index == groups.len() {
                groups.push(Group {
                    labels: grouper.groups[index].clone(),
                    drop_name: false,
                    members: vec![],
                });
            }
            groups[index].members.push(i);
            groups[index].drop_name |= grouper.keeps_name() && column.drop_name;
        }
        groups
    }

    /// Folds series as they are read: only the groups are held.
    fn fold_stream(&self, a: &AggregateExpr, stream: &Stream<'_, '_>, steps: Steps) -> Evaluation<Columns> {
        let mut names = Names::new(stream);
        let mut grouper = Grouper::new(self, a.grouping.as_ref(), names.lost());
        let mut folds: Vec<Fold> = vec![];
        stream.each(|n, row| {
            let index = grouper.group(&Streamed { stream, n });
            if index == folds.len() {
                self.take(steps.count as u64)?;
                folds.extend(Fold::new(a.op, steps.count));
            }
            folds[index].add(row);
            names.add(n);
            Ok(())
        })?;
        names.check(a.expr.unwrapped().span)?;
        let marked = stream.drops_name() && !names.lost() && grouper.keeps_name();
        let columns = grouper
            .groups
            .into_iter()
            .zip(folds)
            .map(|(labels, fold)| Column { drop_name: marked, ..Column::floats(labels, fold.finish()) });
        Ok(columns.collect())
    }

    fn fold(
        &self,
        columns: &[Column],
        group: &Group,
        op: AggregateOp,
        span: Span,
        mut out: Column,
    ) -> Column {
        let steps = out.floats.len();
        out.drop_name = group.drop_name;
        let Some(mut fold) = Fold::new(op, steps) else { return out };
        let counts = matches!(op, AggregateOp::Count | AggregateOp::Group);
        let adds = matches!(op, AggregateOp::Sum | AggregateOp::Avg);
        for column in group.members.iter().map(|i| &columns[*i]) {
            fold.add(&column.floats);
            if counts && column.histograms.is_some() {
                (0..steps)
                    .filter(|i| matches!(column.cell(*i), Cell::Histogram(_)))
                    .for_each(|i| fold.count_at(i));
            } else if !counts && !adds {
                self.note_ignored(column, op, span);
            }
        }
        out.floats = fold.finish();
        if adds {
            self.fold_histograms(columns, group, &mut out, op == AggregateOp::Avg, span);
        }
        out
    }

    /// Adds histograms up where a group has nothing else, and leaves nothing where it has both or they do not fit.
    fn fold_histograms(&self, columns: &[Column], group: &Group, out: &mut Column, mean: bool, span: Span) {
        let with: Vec<&Column> =
            group.members.iter().map(|i| &columns[*i]).filter(|c| c.histograms.is_some()).collect();
        if with.is_empty() {
            return;
        }
        for i in 0..out.floats.len() {
            let mut sum: Option<Histogram> = None;
            let (mut count, mut fits) = (0.0, true);
            for column in &with {
                let Cell::Histogram(h) = column.cell(i) else { continue };
                count += 1.0;
                match &mut sum {
                    None => sum = Some(Histogram::clone(h)),
                    Some(sum) if fits => {
                        if let Err(why) = sum.add(h) {
                            self.warn_incompatible(span, why, column.labels.name());
                            fits = false;
                        }
                    }
                    Some(_) => {}
                }
            }
            let Some(mut sum) = sum else { continue };
            if !is_absent(out.floats[i]) {
                self.warn(span, "encountered a mix of histograms and floats for aggregation");
                out.clear(i);
            } else if fits {
                if mean {
                    sum.divide(count);
                }
                sum.compact();
                out.set_histogram(i, Arc::new(sum));
            }
        }
    }

    fn note_ignored(&self, column: &Column, op: AggregateOp, span: Span) {
        if column.histograms.as_ref().is_some_and(|h| h.iter().any(Option::is_some)) {
            self.info_note(span, format!("ignored histogram in {} aggregation", op.as_str()));
        }
    }
}
