//! Aggregations that fold the elements of each group into one value.

mod heap;
mod select;
mod values;
mod xxhash;

pub use select::labels_hash;

use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::labels::METRIC_NAME;

use super::column::{ABSENT, Cell, Column, Columns, is_absent};
use super::over_time::Mean;
use super::{Evaluation, Evaluator, Steps};
use crate::Span;
use crate::ast::{AggregateExpr, AggregateOp, Grouping};
use crate::histogram::Histogram;
use crate::number::kahan_add;

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
        // Keyed by what makes the group's labels, so that only the first member of a group builds them.
        let mut found: HashMap<Vec<&str>, usize> = HashMap::new();
        let mut key: Vec<&str> = vec![];
        let mut groups: Vec<Group> = vec![];
        let names: &[String] = match grouping {
            Some(Grouping::By(names) | Grouping::Without(names)) => names,
            None => &[],
        };
        let listed = |n: &str| names.iter().any(|m| m == n);
        let without = matches!(grouping, Some(Grouping::Without(_)));
        let keeps_name = !without && listed(METRIC_NAME);
        for (i, column) in columns.iter().enumerate() {
            key.clear();
            if without {
                let kept = column.labels.iter().filter(|(n, _)| !self.is_name(n) && !listed(n));
                kept.for_each(|(n, v)| key.extend([n, v]));
            } else {
                key.extend(names.iter().map(|n| column.labels.get(n).unwrap_or_default()));
            }
            let index = match found.get(key.as_slice()) {
                Some(index) => *index,
                None => {
                    let keep = |n: &str| if without { !self.is_name(n) && !listed(n) } else { listed(n) };
                    let labels = column.labels.filter(keep);
                    groups.push(Group { labels, drop_name: false, members: vec![] });
                    found.insert(key.clone(), groups.len() - 1);
                    groups.len() - 1
                }
            };
            groups[index].members.push(i);
            groups[index].drop_name |= keeps_name && column.drop_name;
        }
        groups
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
        let members = || group.members.iter().map(|i| &columns[*i]);
        match op {
            AggregateOp::Count | AggregateOp::Group => {
                for column in members() {
                    for i in (0..steps).filter(|i| column.is_present(*i)) {
                        let before = if is_absent(out.floats[i]) { 0.0 } else { out.floats[i] };
                        out.floats[i] = if op == AggregateOp::Group { 1.0 } else { before + 1.0 };
                    }
                }
            }
            AggregateOp::Min | AggregateOp::Max => {
                let max = op == AggregateOp::Max;
                for column in members() {
                    self.note_ignored(column, op, span);
                    for (best, &v) in
                        out.floats.iter_mut().zip(&column.floats).filter(|(_, v)| !is_absent(**v))
                    {
                        let better = if max { v > *best } else { v < *best };
                        if better || best.is_nan() {
                            *best = v;
                        }
                    }
                }
            }
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                let mut spreads = vec![Spread::default(); steps];
                for column in members() {
                    self.note_ignored(column, op, span);
                    for (spread, &v) in
                        spreads.iter_mut().zip(&column.floats).filter(|(_, v)| !is_absent(**v))
                    {
                        spread.add(v);
                    }
                }
                for (out, spread) in out.floats.iter_mut().zip(&spreads).filter(|(_, s)| s.count > 0.0) {
                    let variance = spread.squares / spread.count;
                    *out = if op == AggregateOp::Stddev { variance.sqrt() } else { variance };
                }
            }
            AggregateOp::Avg => {
                let mut means = vec![Mean::default(); steps];
                for column in members() {
                    for (mean, &v) in means.iter_mut().zip(&column.floats).filter(|(_, v)| !is_absent(**v)) {
                        mean.add(v);
                    }
                }
                for (out, mean) in out.floats.iter_mut().zip(&means).filter(|(_, m)| m.count() > 0.0) {
                    *out = mean.value();
                }
                self.fold_histograms(columns, group, &mut out, true, span);
            }
            _ => {
                let mut sums = vec![(ABSENT, 0.0); steps];
                for column in members() {
                    for ((sum, compensation), &v) in sums.iter_mut().zip(&column.floats) {
                        if is_absent(v) {
                            continue;
                        }
                        if is_absent(*sum) {
                            *sum = 0.0;
                        }
                        kahan_add(v, sum, compensation);
                    }
                }
                for (out, (sum, compensation)) in
                    out.floats.iter_mut().zip(&sums).filter(|(_, s)| !is_absent(s.0))
                {
                    *out = sum + compensation;
                }
                self.fold_histograms(columns, group, &mut out, false, span);
            }
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

/// Welford's running variance.
#[derive(Clone, Copy, Default)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn add(&mut self, v: f64) {
        self.count += 1.0;
        let delta = v - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (v - self.mean);
    }
}
