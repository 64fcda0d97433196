//! Sorting. Only the last step counts: matrices are sorted by labels in the end.

use std::cmp::Ordering;

use super::column::Columns;
use super::{Evaluation, Evaluator, Steps};
use crate::ast::{AggregateOp, Call, Expr, ExprKind};

/// Whether the order of the expression's elements means something.
pub(super) fn keeps_order(expr: &Expr) -> bool {
    match &expr.unwrapped().kind {
        ExprKind::Call(c) => c.function.name.starts_with("sort"),
        ExprKind::Aggregate(a) => matches!(a.op, AggregateOp::Topk | AggregateOp::Bottomk),
        _ => false,
    }
}

impl Evaluator<'_> {
    pub(super) fn sort_by_value(&self, call: &Call, steps: Steps) -> Evaluation<Columns> {
        let mut columns = self.vector(&call.args[0], steps)?;
        if steps.count != 1 {
            return Ok(columns);
        }
        // Histograms have no order among numbers.
        self.release(&columns);
        columns.retain(|c| !super::column::is_absent(c.floats[0]));
        self.hold(&columns)?;
        let descending = call.function.name == "sort_desc";
        columns.sort_by(|a, b| {
            let (a, b) = (a.floats[0], b.floats[0]);
            match (a.is_nan(), b.is_nan()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) if descending => b.total_cmp(&a),
                (false, false) => a.total_cmp(&b),
            }
        });
        Ok(columns)
    }

    pub(super) fn sort_by_label(&self, call: &Call, steps: Steps) -> Evaluation<Columns> {
        let mut names = vec![];
        for i in 1..call.args.len() {
            names.push(self.text(call, i)?);
        }
        let mut columns = self.vector(&call.args[0], steps)?;
        let descending = call.function.name == "sort_by_label_desc";
        columns.sort_by(|a, b| {
            let by_labels = names
                .iter()
                .map(|n| natural(a.labels.get(n).unwrap_or_default(), b.labels.get(n).unwrap_or_default()))
                .find(|o| *o != Ordering::Equal)
                .unwrap_or_else(|| a.labels.cmp(&b.labels));
            if descending { by_labels.reverse() } else { by_labels }
        });
        Ok(columns)
    }
}

/// Compares texts with the numbers in them as numbers: `cpu9` before `cpu10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    while !a.is_empty() && !b.is_empty() {
        let (x, y) = (chunk(a), chunk(b));
        let digits = |s: &str| s.starts_with(|c: char| c.is_ascii_digit());
        let order = if digits(x) && digits(y) {
            let (m, n) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            m.len().cmp(&n.len()).then_with(|| m.cmp(n)).then_with(|| x.len().cmp(&y.len()))
        } else {
            x.cmp(y)
        };
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (&a[x.len()..], &b[y.len()..]);
    }
    a.len().cmp(&b.len())
}

/// The digits, or the text up to the next digit, at the start.
fn chunk(text: &str) -> &str {
    let first = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != first).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_sort_as_numbers() {
        let mut texts = ["4m1000", "4m5", "4m600", "1.11.3", "1.2.3", ""];
        texts.sort_by(|a, b| natural(a, b));
        assert_eq!(texts, ["", "1.2.3", "1.11.3", "4m5", "4m600", "4m1000"]);
    }
}
