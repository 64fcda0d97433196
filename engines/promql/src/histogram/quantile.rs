//! Quantiles and fractions of native histograms.

use super::{Bucket, Histogram};

/// How a value inside a bucket is found.
fn is_linear(h: &Histogram, b: &Bucket) -> bool {
    h.has_custom_buckets() || (b.lower <= 0.0 && b.upper >= 0.0)
}

/// The value below which the fraction `q` of all observations lies: NaN without observations, infinite outside 0..=1.
pub(crate) fn quantile(q: f64, h: &Histogram) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if h.count == 0.0 || q.is_nan() {
        return f64::NAN;
    }
    let ascending = h.all_buckets();
    // A NaN sum means that some observations were NaN, which are in no bucket: then only ranks from below are known.
    let from_below = h.sum.is_nan() || q < 0.5;
    let mut rank = if from_below { q * h.count } else { (1.0 - q) * h.count };
    let mut found: Option<Bucket> = None;
    let mut seen = 0.0;
    let order: Box<dyn Iterator<Item = &Bucket>> =
        if from_below { Box::new(ascending.iter()) } else { Box::new(ascending.iter().rev()) };
    for bucket in order.filter(|b| b.count != 0.0) {
        found = Some(*bucket);
        seen += bucket.count;
        if seen >= rank {
            break;
        }
    }
    let Some(mut bucket) = found else { return f64::NAN };
    if !h.has_custom_buckets() && bucket.lower < 0.0 && bucket.upper > 0.0 {
        match (h.negative.is_empty(), h.positive.is_empty()) {
            // Without negative buckets the zero bucket is taken to hold no negative observations, and vice versa.
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    } else if h.has_custom_buckets() {
        if bucket.lower == f64::NEG_INFINITY {
            if bucket.upper <= 0.0 {
                return bucket.upper;
            }
            bucket.lower = 0.0;
        } else if bucket.upper == f64::INFINITY {
            return bucket.lower;
        }
    }
    if seen < rank {
        if h.sum.is_nan() {
            return f64::NAN;
        }
        return if from_below { bucket.upper } else { bucket.lower };
    }
    if from_below {
        rank -= seen - bucket.count;
    } else {
        rank = seen - rank;
    }
    let share = rank / bucket.count;
    if is_linear(h, &bucket) {
        return bucket.lower + (bucket.upper - bucket.lower) * share;
    }
    let (low, high) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        (low + (high - low) * share).exp2()
    } else {
        -(high + (low - high) * (1.0 - share)).exp2()
    }
}

/// The fraction of all observations between `lower` and `upper`.
pub(crate) fn fraction(lower: f64, upper: f64, h: &Histogram) -> f64 {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let total: f64 = if h.sum.is_nan() { h.all_buckets().iter().map(|b| b.count).sum() } else { h.count };
    let (mut rank, mut lower_rank, mut upper_rank) = (0.0, None, None);
    for mut bucket in h.all_buckets() {
        if !h.has_custom_buckets() && bucket.lower < 0.0 && bucket.upper > 0.0 {
            match (h.negative.is_empty(), h.positive.is_empty()) {
                (true, false) => bucket.lower = 0.0,
                (false, true) => bucket.upper = 0.0,
                _ => {}
            }
        } else if h.has_custom_buckets() && bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
            bucket.lower = 0.0;
        }
        let at = |v: f64| rank + bucket.count * share_below(h, &bucket, v);
        if lower_rank.is_none() && bucket.lower >= lower {
            lower_rank = Some(rank);
        }
        if upper_rank.is_none() && bucket.lower >= upper {
            upper_rank = Some(rank);
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        if lower_rank.is_none() && bucket.lower < lower && bucket.upper > lower {
            lower_rank = Some(at(lower));
        }
        if upper_rank.is_none() && bucket.lower < upper && bucket.upper > upper {
            upper_rank = Some(at(upper));
        }
        if lower_rank.is_some() && upper_rank.is_some() {
            break;
        }
        rank += bucket.count;
    }
    let lower_rank = lower_rank.filter(|r| *r <= total).unwrap_or(total);
    let upper_rank = upper_rank.filter(|r| *r <= total).unwrap_or(total);
    (upper_rank - lower_rank) / h.count
}

/// Which share of a bucket's observations is taken to lie below `v`.
fn share_below(h: &Histogram, b: &Bucket, v: f64) -> f64 {
    if is_linear(h, b) {
        if b.lower == f64::NEG_INFINITY {
            return 1.0;
        }
        if b.upper == f64::INFINITY {
            return 0.0;
        }
        return (v - b.lower) / (b.upper - b.lower);
    }
    let (low, high, at) = (b.lower.abs().log2(), b.upper.abs().log2(), v.abs().log2());
    if v > 0.0 { (at - low) / (high - low) } else { 1.0 - (at - high) / (low - high) }
}

impl Histogram {
    /// The variance of the observations, each taken to be at the middle of its bucket.
    #[must_use]
    pub fn variance(&self) -> f64 {
        let mean = self.sum / self.count;
        let (mut sum, mut compensation) = (0.0, 0.0);
        for bucket in self.all_buckets().iter().filter(|b| b.count != 0.0) {
            let middle = if self.has_custom_buckets() {
                (bucket.upper + bucket.lower) / 2.0
            } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
                0.0
            } else {
                let middle = (bucket.upper * bucket.lower).sqrt();
                if bucket.upper < 0.0 { -middle } else { middle }
            };
            let delta = middle - mean;
            crate::number::kahan_add(bucket.count * delta * delta, &mut sum, &mut compensation);
        }
        let mut variance = sum / self.count;
        variance += compensation / self.count;
        variance
    }
}
