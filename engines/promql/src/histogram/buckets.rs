//! Bucket bounds, and buckets in order of their bounds.

use super::Histogram;

/// One bucket with its bounds and count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower bound.
    pub lower: f64,
    /// Upper bound.
    pub upper: f64,
    /// Whether the lower bound itself belongs to it.
    pub lower_inclusive: bool,
    /// Whether the upper bound itself belongs to it.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
    /// Index in its side; 0 for the zero bucket.
    pub index: i32,
}

/// The upper bound of bucket `index` in an exponential schema.
pub(super) fn exponential_bound(index: i32, schema: i32) -> f64 {
    if schema < 0 {
        let shift = schema.unsigned_abs().min(30);
        let exponent = i64::from(index) << shift;
        return power_of_two(exponent);
    }
    let per_octave = 1i32 << schema.min(30);
    let fraction = f64::from(index.rem_euclid(per_octave)) / f64::from(per_octave);
    let exponent = i64::from(index.div_euclid(per_octave));
    // The very last bucket of the float range has the largest float as its bound, not infinity.
    if exponent == 1024 && fraction == 0.0 { f64::MAX } else { fraction.exp2() * power_of_two(exponent) }
}

fn power_of_two(exponent: i64) -> f64 {
    match exponent {
        1024 => f64::MAX,
        e if e > 1024 => f64::INFINITY,
        e if e < -1074 => 0.0,
        e => 2f64.powi(i32::try_from(e).unwrap_or(i32::MIN)),
    }
}

impl Histogram {
    /// The upper bound of bucket `index` on the positive side.
    #[must_use]
    pub fn upper_bound(&self, index: i32) -> f64 {
        if self.has_custom_buckets() {
            return usize::try_from(index)
                .ok()
                .map_or(f64::NEG_INFINITY, |i| self.custom_values.get(i).copied().unwrap_or(f64::INFINITY));
        }
        exponential_bound(index, self.schema)
    }

    /// Populated buckets above zero, ascending.
    pub fn positive_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        let custom = self.has_custom_buckets();
        self.positive.iter().map(move |&(index, count)| {
            let upper = self.upper_bound(index);
            let lower = self.upper_bound(index.saturating_sub(1));
            Bucket {
                lower,
                upper,
                lower_inclusive: custom && index == 0,
                upper_inclusive: true,
                count,
                index,
            }
        })
    }

    /// Populated buckets below zero, from zero outwards.
    pub fn negative_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> + '_ {
        self.negative.iter().map(|&(index, count)| Bucket {
            lower: -self.upper_bound(index),
            upper: -self.upper_bound(index.saturating_sub(1)),
            lower_inclusive: true,
            upper_inclusive: false,
            count,
            index,
        })
    }

    /// The zero bucket, if it holds anything.
    #[must_use]
    pub fn zero_bucket(&self) -> Option<Bucket> {
        (self.zero_count != 0.0).then_some(Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
            index: 0,
        })
    }

    /// All populated buckets, ascending.
    #[must_use]
    pub fn all_buckets(&self) -> Vec<Bucket> {
        self.negative_buckets().rev().chain(self.zero_bucket()).chain(self.positive_buckets()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_the_schema() {
        assert_eq!(exponential_bound(0, 0), 1.0);
        assert_eq!(exponential_bound(3, 0), 8.0);
        assert_eq!(exponential_bound(-1, 0), 0.5);
        assert_eq!(exponential_bound(1, -1), 4.0);
        assert!((exponential_bound(1, 1) - 2f64.sqrt()).abs() < 1e-15);
        assert!((exponential_bound(-1, 1) - 0.5f64.sqrt()).abs() < 1e-15);
        assert_eq!(exponential_bound(1024, 0), f64::MAX);
        assert_eq!(exponential_bound(i32::MAX, -4), f64::INFINITY);
    }
}
