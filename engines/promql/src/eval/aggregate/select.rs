//! Aggregations that pick elements: topk, bottomk, limitk, limit_ratio.

use std::cmp::Ordering;

use quarterdeck_kernel::Labels;

use super::super::column::{Cell, Column, Columns};
use super::super::{Evaluation, Evaluator};
use super::Group;
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
                        candidates.push((v, m));
                    }
                }
                let better = |a: &(f64, usize), b: &(f64, usize)| -> Ordering {
                    let by_value = match (a.0.is_nan(), b.0.is_nan()) {
                        (true, true) => Ordering::Equal,
                        (true, false) => Ordering::Greater,
                        (false, true) => Ordering::Less,
                        (false, false) if highest => b.0.total_cmp(&a.0),
                        (false, false) => a.0.total_cmp(&b.0),
                    };
                    by_value.then(a.1.cmp(&b.1))
                };
                if candidates.len() > k {
                    candidates.select_nth_unstable_by(k - 1, better);
                    candidates.truncate(k);
                }
                candidates.sort_by(better);
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

/// A number between 0 and 1 that depends on the labels alone: the same series is always in or always out. The hash
/// is the one Prometheus uses (xxHash64 over length-prefixed names and values), so that both pick the same series.
fn hash_share(labels: &Labels) -> f64 {
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
    xxhash64(&bytes) as f64 / u64::MAX as f64
}

const P1: u64 = 0x9E37_79B1_85EB_CA87;
const P2: u64 = 0xC2B2_AE3D_27D4_EB4F;
const P3: u64 = 0x1656_67B1_9E37_79F9;
const P4: u64 = 0x85EB_CA77_C2B2_AE63;
const P5: u64 = 0x27D4_EB2F_1656_67C5;

fn xx_round(acc: u64, lane: u64) -> u64 {
    acc.wrapping_add(lane.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

fn xxhash64(data: &[u8]) -> u64 {
    let (blocks, tail) = data.as_chunks::<32>();
    let lane = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |v, b| (v << 8) | u64::from(*b));
    let mut hash = if blocks.is_empty() {
        P5
    } else {
        let mut v = [P1.wrapping_add(P2), P2, 0, 0u64.wrapping_sub(P1)];
        for block in blocks {
            for (v, bytes) in v.iter_mut().zip(block.chunks(8)) {
                *v = xx_round(*v, lane(bytes));
            }
        }
        let [a, b, c, d] = v;
        let mut hash = a
            .rotate_left(1)
            .wrapping_add(b.rotate_left(7))
            .wrapping_add(c.rotate_left(12))
            .wrapping_add(d.rotate_left(18));
        for v in v {
            hash = (hash ^ xx_round(0, v)).wrapping_mul(P1).wrapping_add(P4);
        }
        hash
    };
    hash = hash.wrapping_add(data.len() as u64);
    let (words, mut rest) = tail.as_chunks::<8>();
    for word in words {
        hash = (hash ^ xx_round(0, lane(word))).rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
    }
    if rest.len() >= 4 {
        hash = (hash ^ lane(&rest[..4]).wrapping_mul(P1)).rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
        rest = &rest[4..];
    }
    for &byte in rest {
        hash = (hash ^ u64::from(byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(P2);
    hash ^= hash >> 29;
    hash = hash.wrapping_mul(P3);
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_xxhash64() {
        assert_eq!(xxhash64(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(xxhash64(b"a"), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(xxhash64(b"abc"), 0x44BC_2CF5_AD77_0999);
        assert_eq!(xxhash64(b"Nobody inspects the spammish repetition"), 0xFBCE_A83C_8A37_8BF1);
    }
}
