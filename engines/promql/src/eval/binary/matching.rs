//! Operators between two vectors, whose elements find each other by labels.

use std::collections::HashMap;

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::labels::METRIC_NAME;

use super::super::column::{Cell, Column, Columns, merged};
use super::super::{Evaluation, Evaluator, Steps};
use super::{Combined, combine};
use crate::Span;
use crate::ast::{BinaryExpr, Cardinality, VectorMatching};
use crate::error::QueryError;
use crate::value::PointValue;

/// Marks the steps at which the column has a value; fails where another one had.
fn once_per_step(column: &Column, matched: &mut [bool]) -> Result<(), &'static str> {
    for (i, matched) in matched.iter_mut().enumerate() {
        if column.is_present(i) && std::mem::replace(matched, true) {
            return Err(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            );
        }
    }
    Ok(())
}

/// The elements of both sides that have the same matching labels.
#[derive(Default)]
struct MatchGroup {
    many: Vec<usize>,
    one: Vec<usize>,
}

impl Evaluator<'_> {
    /// The labels by which an element finds its partner.
    pub(super) fn match_key(&self, matching: Option<&VectorMatching>, labels: &Labels) -> Labels {
        match matching {
            Some(m) if m.on => labels.filter(|n| m.labels.iter().any(|l| l == n)),
            Some(m) if !m.labels.is_empty() => {
                labels.filter(|n| n != METRIC_NAME && !m.labels.iter().any(|l| l == n))
            }
            _ => labels.without(METRIC_NAME),
        }
    }

    pub(super) fn match_vectors(
        &self,
        b: &BinaryExpr,
        left: &[Column],
        right: &[Column],
        span: Span,
        steps: Steps,
    ) -> Evaluation<Columns> {
        let Some(matching) = &b.matching else {
            return Err(QueryError::evaluation(span, "vectors need a way to match"));
        };
        self.release(left);
        self.release(right);
        let swapped = matching.cardinality == Cardinality::OneToMany;
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        let mut found: HashMap<Labels, usize> = HashMap::with_capacity(many.len());
        let mut groups: Vec<(Labels, MatchGroup)> = vec![];
        for (columns, is_many) in [(many, true), (one, false)] {
            for (i, column) in columns.iter().enumerate() {
                let key = self.match_key(Some(matching), &column.labels);
                let index = *found.entry(key).or_insert_with_key(|key| {
                    groups.push((key.clone(), MatchGroup::default()));
                    groups.len() - 1
                });
                let group = &mut groups[index].1;
                if is_many { group.many.push(i) } else { group.one.push(i) }
            }
        }
        let mut out: Columns = vec![];
        for (key, group) in &groups {
            self.budget.check()?;
            self.one_is_unique(key, group, (many, one), (swapped, span), steps)?;
            let mut matched = vec![false; if group.many.len() > 1 { steps.count } else { 0 }];
            for &m in &group.many {
                for &o in &group.one {
                    let column = self.pair(b, &many[m], &one[o], swapped, span, steps);
                    if !column.has_any() {
                        continue;
                    }
                    if matching.cardinality == Cardinality::OneToOne {
                        once_per_step(&column, &mut matched)
                            .map_err(|why| QueryError::evaluation(span, why))?;
                    }
                    out.push(column);
                }
            }
        }
        merged(out).map_err(|_| {
            QueryError::evaluation(
                span,
                match matching.cardinality {
                    Cardinality::OneToOne => "vector cannot contain metrics with the same labelset",
                    _ => "multiple matches for labels: grouping labels must ensure unique matches",
                },
            )
        })
    }

    /// Fails when two elements of the one side have the same matching labels at a step at which both sides have any.
    fn one_is_unique(
        &self,
        key: &Labels,
        group: &MatchGroup,
        (many, one): (&[Column], &[Column]),
        (swapped, span): (bool, Span),
        steps: Steps,
    ) -> Evaluation<()> {
        if group.one.len() < 2 {
            return Ok(());
        }
        for i in 0..steps.count {
            let mut present = group.one.iter().filter(|o| one[**o].is_present(i));
            if let (Some(&a), Some(&b)) = (present.next(), present.next())
                && many.iter().any(|m| m.is_present(i))
            {
                let side = if swapped { "left" } else { "right" };
                let (a, b) = (&one[b].labels, &one[a].labels);
                return Err(QueryError::evaluation(
                    span,
                    format!(
                        "found duplicate series for the match group {key} on the {side} hand-side of the operation: [{a}, {b}];many-to-many matching not allowed: matching labels must be unique on one side"
                    ),
                ));
            }
        }
        Ok(())
    }

    fn pair(
        &self,
        b: &BinaryExpr,
        many: &Column,
        one: &Column,
        swapped: bool,
        span: Span,
        steps: Steps,
    ) -> Column {
        let mut out = Column::empty(self.result_labels(b, &many.labels, &one.labels), steps.count);
        out.drop_name = b.bool_modifier && self.options.delayed_name_removal;
        if !b.bool_modifier && b.op.is_comparison() {
            out.drop_name = many.drop_name;
        }
        for i in 0..steps.count {
            let (m, o) = (many.cell(i), one.cell(i));
            if matches!(m, Cell::Absent) || matches!(o, Cell::Absent) {
                continue;
            }
            let (l, r) = if swapped { (o, m) } else { (m, o) };
            match combine(b.op, l, r) {
                Combined::Value(_, holds) if b.bool_modifier => out.set_float(i, f64::from(u8::from(holds))),
                Combined::Value(value, true) => out.set(i, value),
                Combined::Value(PointValue::Float(_) | PointValue::Histogram(_), false) => {}
                Combined::Unfit => self.note_unfit(b.op, l, r, span),
                Combined::Incompatible(why) => self.warn_incompatible(span, why, ""),
            }
        }
        out
    }

    fn result_labels(&self, b: &BinaryExpr, many: &Labels, one: &Labels) -> Labels {
        let Some(matching) = &b.matching else { return many.clone() };
        let drops = !b.op.is_comparison() || (b.bool_modifier && !self.options.delayed_name_removal);
        let mut labels = if drops { self.nameless(many) } else { many.clone() };
        if matching.cardinality == Cardinality::OneToOne {
            let listed = |n: &str| matching.labels.iter().any(|l| l == n);
            if matching.on {
                labels = labels.filter(listed);
            } else if !matching.labels.is_empty() {
                labels = labels.filter(|n| !listed(n));
            }
        }
        for name in &matching.include {
            labels = labels.with(name, one.get(name).unwrap_or_default());
        }
        labels
    }
}
