//! Groups that are folded element by element: what is kept of a group between two of them.

use super::super::column::{ABSENT, is_absent};
use super::super::over_time::Mean;
use crate::ast::AggregateOp;
use crate::number::kahan_add;

/// What is known of a group so far, per step.
pub(super) enum Fold {
    /// How many elements.
    Count(Vec<f64>),
    /// Whether there is any.
    Group(Vec<f64>),
    Min(Vec<f64>),
    Max(Vec<f64>),
    Spreads(Vec<Spread>, AggregateOp),
    Means(Vec<Mean>),
    /// Sum and compensation.
    Sums(Vec<(f64, f64)>),
}

impl Fold {
    /// Nothing yet; `None` for what is no such fold.
    pub(super) fn new(op: AggregateOp, steps: usize) -> Option<Self> {
        Some(match op {
            AggregateOp::Count => Self::Count(vec![ABSENT; steps]),
            AggregateOp::Group => Self::Group(vec![ABSENT; steps]),
            AggregateOp::Min => Self::Min(vec![ABSENT; steps]),
            AggregateOp::Max => Self::Max(vec![ABSENT; steps]),
            AggregateOp::Stddev | AggregateOp::Stdvar => Self::Spreads(vec![Spread::default(); steps], op),
            AggregateOp::Avg => Self::Means(vec![Mean::default(); steps]),
            AggregateOp::Sum => Self::Sums(vec![(ABSENT, 0.0); steps]),
            _ => return None,
        })
    }

    /// Adds the floats of an element; [`ABSENT`] ones do not count.
    pub(super) fn add(&mut self, row: &[f64]) {
        match self {
            Self::Count(counts) => {
                for (count, _) in present(counts, row) {
                    *count = if is_absent(*count) { 1.0 } else { *count + 1.0 };
                }
            }
            Self::Group(cells) => present(cells, row).for_each(|(cell, _)| *cell = 1.0),
            Self::Min(cells) => {
                for (best, v) in present(cells, row) {
                    if v < *best || best.is_nan() {
                        *best = v;
                    }
                }
            }
            Self::Max(cells) => {
                for (best, v) in present(cells, row) {
                    if v > *best || best.is_nan() {
                        *best = v;
                    }
                }
            }
            Self::Spreads(spreads, _) => present(spreads, row).for_each(|(spread, v)| spread.add(v)),
            Self::Means(means) => present(means, row).for_each(|(mean, v)| mean.add(v)),
            Self::Sums(sums) => {
                for ((sum, compensation), v) in present(sums, row) {
                    if is_absent(*sum) {
                        *sum = 0.0;
                    }
                    kahan_add(v, sum, compensation);
                }
            }
        }
    }

    /// Counts an element without a float at a step.
    pub(super) fn count_at(&mut self, step: usize) {
        match self {
            Self::Count(counts) => {
                counts[step] = if is_absent(counts[step]) { 1.0 } else { counts[step] + 1.0 };
            }
            Self::Group(cells) => cells[step] = 1.0,
            _ => {}
        }
    }

    /// The result per step, [`ABSENT`] where there was no element.
    pub(super) fn finish(self) -> Vec<f64> {
        match self {
            Self::Count(cells) | Self::Group(cells) | Self::Min(cells) | Self::Max(cells) => cells,
            Self::Spreads(spreads, op) => {
                let value = |spread: Spread| {
                    let variance = spread.squares / spread.count;
                    if op == AggregateOp::Stddev { variance.sqrt() } else { variance }
                };
                spreads.into_iter().map(|s| if s.count > 0.0 { value(s) } else { ABSENT }).collect()
            }
            Self::Means(means) => {
                means.into_iter().map(|m| if m.count() > 0.0 { m.value() } else { ABSENT }).collect()
            }
            Self::Sums(sums) => {
                let value = |(sum, compensation): (f64, f64)| {
                    if is_absent(sum) { ABSENT } else { sum + compensation }
                };
                sums.into_iter().map(value).collect()
            }
        }
    }
}

/// What is kept for each step with a float, and the float.
fn present<'s, T>(state: &'s mut [T], row: &'s [f64]) -> impl Iterator<Item = (&'s mut T, f64)> {
    state.iter_mut().zip(row.iter().copied()).filter(|(_, v)| !is_absent(*v))
}

/// Welford's running variance.
#[derive(Clone, Copy, Default)]
pub(super) struct Spread {
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
