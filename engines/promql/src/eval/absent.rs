//! `absent` and `absent_over_time`.

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, MatchOp, Matcher};

use super::column::{ABSENT, Column};
use super::{Evaluated, Evaluation, Evaluator, Steps, call};
use crate::ast::{Expr, ExprKind};

impl Evaluator<'_> {
    pub(super) fn absent(&self, arg: &Expr, steps: Steps) -> Evaluation<Evaluated> {
        let columns = self.vector(arg, steps)?;
        let present: Vec<bool> = (0..steps.count).map(|i| columns.iter().any(|c| c.is_present(i))).collect();
        self.release(&columns);
        self.absent_column(arg, &present)
    }

    pub(super) fn absent_over_time(&self, arg: &Expr, steps: Steps) -> Evaluation<Evaluated> {
        let ranges = self.ranges(arg, steps)?;
        let present = call::presence(&ranges.series, &ranges.ends, ranges.range);
        self.budget.give_back(ranges.held);
        self.absent_column(arg, &present)
    }

    fn absent_column(&self, arg: &Expr, present: &[bool]) -> Evaluation<Evaluated> {
        let values = present.iter().map(|p| if *p { ABSENT } else { 1.0 }).collect();
        let column = Column::floats(absent_labels(arg), values);
        self.held(if column.has_any() { vec![column] } else { vec![] })
    }
}

/// The labels that the missing series would surely have: those of `=` matchers, unless a label is matched twice.
fn absent_labels(arg: &Expr) -> Labels {
    let matchers: &[Matcher] = match &arg.kind {
        ExprKind::Vector(v) => &v.matchers,
        ExprKind::Matrix(m) => &m.selector.matchers,
        _ => &[],
    };
    let only = |m: &&Matcher| matchers.iter().filter(|other| other.name == m.name).count() == 1;
    matchers
        .iter()
        .filter(|m| m.op == MatchOp::Equal && m.name != METRIC_NAME)
        .filter(only)
        .map(|m| (m.name.as_str(), m.value.as_str()))
        .collect()
}
