//! Quantiles of plain numbers.

use super::Evaluator;
use crate::Span;

/// The quantile of numbers, which are left sorted: NaN without numbers, infinite outside 0..=1.
pub(super) fn quantile_of(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // NaN counts as the lowest.
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(b),
        (a, b) => b.cmp(&a),
    });
    let last = values.len() - 1;
    let rank = q * last as f64;
    let lower = (rank.floor() as usize).min(last);
    let upper = (lower + 1).min(last);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

impl Evaluator<'_> {
    /// Warns of a quantile outside 0..=1.
    pub(super) fn check_quantile(&self, q: f64, span: Span) {
        if q.is_nan() || !(0.0..=1.0).contains(&q) {
            let q = crate::number::format_general(q);
            self.warn(span, format!("quantile value should be between 0 and 1, got {q}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_between_neighbours() {
        assert_eq!(quantile_of(0.5, &mut [4.0, 0.0, 1.0]), 1.0);
        assert_eq!(quantile_of(0.75, &mut [4.0, 0.0, 1.0]), 2.5);
        assert_eq!(quantile_of(0.0, &mut [3.0]), 3.0);
        assert!(quantile_of(0.5, &mut []).is_nan());
        assert_eq!(quantile_of(2.0, &mut [1.0]), f64::INFINITY);
    }
}
