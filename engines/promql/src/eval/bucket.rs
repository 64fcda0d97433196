//! Quantiles and fractions of classic histograms.

/// One bucket of a classic histogram: how many observations are at most `upper`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClassicBucket {
    pub(super) upper: f64,
    pub(super) count: f64,
}

/// Counts that differ by less than this share are taken for equal: rates of equal counters differ by rounding.
const SMALL_DELTA: f64 = 1e-12;

/// Sorts, joins equal bounds, and makes counts rise from bucket to bucket. `None` without a `+Inf` bucket; else
/// whether a falling count had to be raised.
fn tidy(buckets: &mut Vec<ClassicBucket>) -> Option<bool> {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    if buckets.last()?.upper != f64::INFINITY {
        return None;
    }
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
    let mut forced = false;
    let mut before = buckets[0].count;
    for bucket in &mut buckets[1..] {
        if nearly_equal(before, bucket.count) {
            bucket.count = before;
        } else if bucket.count < before {
            bucket.count = before;
            forced = true;
        } else {
            before = bucket.count;
        }
    }
    Some(forced)
}

fn nearly_equal(a: f64, b: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let (size, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || size < f64::MIN_POSITIVE {
        return difference < SMALL_DELTA * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < SMALL_DELTA
}

/// The quantile, linear within buckets; and whether counts had to be raised.
pub(super) fn quantile(q: f64, buckets: &mut Vec<ClassicBucket>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    let Some(forced) = tidy(buckets) else { return (f64::NAN, false) };
    let last = buckets.len() - 1;
    let observations = buckets[last].count;
    if last == 0 || observations == 0.0 {
        return (f64::NAN, forced);
    }
    let mut rank = q * observations;
    let at = buckets[..last].partition_point(|b| b.count < rank || b.count.is_nan());
    if at == last {
        return (buckets[last - 1].upper, forced);
    }
    if at == 0 && buckets[0].upper <= 0.0 {
        return (buckets[0].upper, forced);
    }
    let (mut start, end, mut count) = (0.0, buckets[at].upper, buckets[at].count);
    if let Some(before) = at.checked_sub(1).map(|i| buckets[i]) {
        start = before.upper;
        count -= before.count;
        rank -= before.count;
    }
    (start + (end - start) * (rank / count), forced)
}

/// The share of observations between two bounds, linear within buckets.
pub(super) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<ClassicBucket>) -> f64 {
    if tidy(buckets).is_none() {
        return f64::NAN;
    }
    let total = buckets[buckets.len() - 1].count;
    if total == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let below = |v: f64| {
        let (mut rank, mut bound) = (0.0, f64::NEG_INFINITY);
        for b in buckets.iter() {
            // As for quantiles, the first bucket starts at zero if it ends above.
            let start = if bound == f64::NEG_INFINITY && b.upper > 0.0 { 0.0 } else { bound };
            if start >= v {
                return rank;
            }
            if b.upper > v {
                let share = (v - start) / (b.upper - start);
                return if share.is_nan() { b.count } else { rank + (b.count - rank) * share };
            }
            rank = b.count;
            bound = b.upper;
        }
        total
    };
    (below(upper).min(total) - below(lower).min(total)) / total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(list: &[(f64, f64)]) -> Vec<ClassicBucket> {
        list.iter().map(|&(upper, count)| ClassicBucket { upper, count }).collect()
    }

    #[test]
    fn quantiles_interpolate_within_a_bucket() {
        let inf = f64::INFINITY;
        assert_eq!(
            quantile(0.5, &mut buckets(&[(2.0, 1.0), (4.0, 2.0), (6.0, 3.0), (inf, 3.0)])),
            (3.0, false)
        );
        assert!(quantile(0.5, &mut buckets(&[(2.0, 1.0)])).0.is_nan());
        assert!(quantile(0.5, &mut buckets(&[(1.0, 2.0), (2.0, 1.0), (inf, 3.0)])).1);
        assert_eq!(quantile(0.99, &mut buckets(&[(1.0, 1.0), (inf, 100.0)])).0, 1.0);
    }

    #[test]
    fn fractions_are_the_inverse_of_quantiles() {
        let b = [(2.0, 1.0), (4.0, 2.0), (6.0, 3.0), (f64::INFINITY, 3.0)];
        assert!((fraction(0.0, 3.0, &mut buckets(&b)) - 0.5).abs() < 1e-12);
        assert_eq!(fraction(3.0, 3.0, &mut buckets(&b)), 0.0);
    }
}
