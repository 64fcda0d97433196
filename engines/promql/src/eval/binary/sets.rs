//! `and`, `or`, `unless`.

use std::collections::HashMap;

use quarterdeck_kernel::Labels;

use super::super::column::{Column, Columns};
use super::super::{Evaluator, Steps};
use crate::ast::{BinaryExpr, BinaryOp};

impl Evaluator<'_> {
    pub(super) fn set_operation(
        &self,
        b: &BinaryExpr,
        left: Columns,
        right: &[Column],
        steps: Steps,
    ) -> Columns {
        let keys = |columns: &[Column]| -> Vec<Labels> {
            columns.iter().map(|c| self.match_key(b.matching.as_ref(), &c.labels)).collect()
        };
        self.release(&left);
        self.release(right);
        let (left_keys, right_keys) = (keys(&left), keys(right));
        if b.op == BinaryOp::Or {
            let taken = presence_by_key(&left, &left_keys, steps);
            let mut out = left;
            for (column, key) in right.iter().zip(&right_keys) {
                let mut kept = column.clone();
                if let Some(taken) = taken.get(key) {
                    mask(&mut kept, |i| !taken[i]);
                }
                if kept.has_any() {
                    out.push(kept);
                }
            }
            // A series may come from the left at some steps and from the right at others.
            return join(out);
        }
        let there = presence_by_key(right, &right_keys, steps);
        let wanted = b.op == BinaryOp::And;
        let mut out = left;
        let mut keys = left_keys.iter();
        out.retain_mut(|column| {
            let there = keys.next().and_then(|k| there.get(k));
            mask(column, |i| there.is_some_and(|t| t[i]) == wanted);
            column.has_any()
        });
        out
    }
}

/// Joins columns with the same labels as far as they have no value at the same step.
fn join(columns: Columns) -> Columns {
    let mut seen: HashMap<Labels, usize> = HashMap::with_capacity(columns.len());
    let mut out: Columns = Vec::with_capacity(columns.len());
    for column in columns {
        let earlier = seen.get(&column.labels).copied();
        let free = |i: usize| earlier.is_some_and(|e| !(out[e].is_present(i) && column.is_present(i)));
        match earlier {
            Some(e) if (0..column.floats.len()).all(free) => {
                (0..column.floats.len()).for_each(|i| out[e].copy_cell(i, &column));
            }
            _ => {
                seen.insert(column.labels.clone(), out.len());
                out.push(column);
            }
        }
    }
    out
}

fn mask(column: &mut Column, keep: impl Fn(usize) -> bool) {
    for i in 0..column.floats.len() {
        if !keep(i) {
            column.clear(i);
        }
    }
}

/// At which steps there is any element with the key.
fn presence_by_key<'a>(
    columns: &[Column],
    keys: &'a [Labels],
    steps: Steps,
) -> HashMap<&'a Labels, Vec<bool>> {
    let mut there: HashMap<&Labels, Vec<bool>> = HashMap::with_capacity(columns.len());
    for (column, key) in columns.iter().zip(keys) {
        let present = there.entry(key).or_insert_with(|| vec![false; steps.count]);
        for (i, p) in present.iter_mut().enumerate() {
            *p |= column.is_present(i);
        }
    }
    there
}
