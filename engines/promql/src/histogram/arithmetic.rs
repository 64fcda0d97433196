//! Adding, scaling, comparing histograms; finding counter resets.

use super::{Histogram, Incompatible, ResetHint, SparseBuckets};

impl Histogram {
    /// Every count and the sum times `factor`. A negative factor makes it a gauge.
    pub fn scale(&mut self, factor: f64) {
        self.map(|v| v * factor);
        if factor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    /// Every count and the sum divided by `divisor`; a division by zero leaves no buckets.
    pub fn divide(&mut self, divisor: f64) {
        self.map(|v| v / divisor);
        if divisor == 0.0 {
            self.positive.clear();
            self.negative.clear();
        }
        if divisor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    fn map(&mut self, f: impl Fn(f64) -> f64) {
        self.zero_count = f(self.zero_count);
        self.count = f(self.count);
        self.sum = f(self.sum);
        for (_, count) in self.positive.iter_mut().chain(&mut self.negative) {
            *count = f(*count);
        }
    }

    /// Adds another histogram. Differing resolutions meet at the lower one, zero buckets at the wider one.
    ///
    /// # Errors
    /// When the two cannot be combined; `self` is then unchanged.
    pub fn add(&mut self, other: &Self) -> Result<(), Incompatible> {
        self.combine(other, 1.0)
    }

    /// Subtracts another histogram; see [`Histogram::add`].
    ///
    /// # Errors
    /// When the two cannot be combined; `self` is then unchanged.
    pub fn sub(&mut self, other: &Self) -> Result<(), Incompatible> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &Self, sign: f64) -> Result<(), Incompatible> {
        self.compatible(other)?;
        self.reset_hint = match (self.reset_hint, other.reset_hint) {
            (a, b) if a == b => a,
            (ResetHint::Gauge, _) | (_, ResetHint::Gauge) => ResetHint::Gauge,
            _ => ResetHint::Unknown,
        };
        let aligned;
        let other = if other.schema == self.schema && other.zero_threshold == self.zero_threshold {
            other
        } else {
            let mut copy = other.clone();
            if !self.has_custom_buckets() {
                let schema = self.schema.min(copy.schema);
                align_zero_buckets(self, &mut copy);
                self.reduce(schema);
                copy.reduce(schema);
            }
            aligned = copy;
            &aligned
        };
        self.zero_count += sign * other.zero_count;
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        self.positive = merge(&self.positive, &other.positive, sign);
        self.negative = merge(&self.negative, &other.negative, sign);
        Ok(())
    }

    /// Lowers the resolution of an exponential histogram to `schema`; a higher one is left alone.
    pub fn reduce(&mut self, schema: i32) {
        if self.has_custom_buckets() || schema >= self.schema {
            return;
        }
        let shift = (self.schema - schema).unsigned_abs().min(30);
        let step = 1i64 << shift;
        for side in [&mut self.positive, &mut self.negative] {
            let mut reduced: SparseBuckets = Vec::with_capacity(side.len());
            for &(index, count) in side.iter() {
                // Bucket i of the fine schema ends at bound i: it lies in the coarse bucket that ends at ceil(i / step).
                let coarse = (i64::from(index) + step - 1).div_euclid(step);
                let coarse = i32::try_from(coarse).unwrap_or(i32::MAX);
                match reduced.last_mut() {
                    Some(last) if last.0 == coarse => last.1 += count,
                    _ => reduced.push((coarse, count)),
                }
            }
            *side = reduced;
        }
        self.schema = schema;
    }

    /// Widens the zero bucket to at least `threshold`, taking in the buckets it reaches into, each as a whole.
    fn widen_zero_bucket(&mut self, threshold: f64) {
        let mut wide = threshold;
        loop {
            let reached = |b: super::Bucket, t: f64| b.count != 0.0 && b.lower.abs().min(b.upper.abs()) < t;
            let outer = self
                .positive_buckets()
                .chain(self.negative_buckets())
                .filter(|b| reached(*b, wide))
                .map(|b| b.lower.abs().max(b.upper.abs()))
                .fold(wide, f64::max);
            if outer <= wide {
                break;
            }
            wide = outer;
        }
        if wide <= self.zero_threshold {
            return;
        }
        let (schema, mut moved) = (self.schema, 0.0);
        for side in [&mut self.positive, &mut self.negative] {
            side.retain(|&(index, count)| {
                let inside = super::buckets::exponential_bound(index, schema) <= wide;
                if inside {
                    moved += count;
                }
                !inside
            });
        }
        self.zero_count += moved;
        self.zero_threshold = wide;
    }

    /// The zero count this histogram would have with a zero bucket of `threshold`, if that bound needs no bucket cut.
    fn zero_count_at(&self, threshold: f64) -> Option<f64> {
        let mut copy = self.clone();
        copy.widen_zero_bucket(threshold);
        (copy.zero_threshold == threshold).then_some(copy.zero_count)
    }

    /// Whether a counter was reset between `previous` and this histogram.
    #[must_use]
    pub fn is_reset_after(&self, previous: &Self) -> bool {
        match self.reset_hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < previous.count || self.compatible(previous).is_err() {
            return true;
        }
        if self.has_custom_buckets() {
            return lost_counts(&self.positive, &previous.positive);
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        match previous.zero_count_at(self.zero_threshold) {
            Some(before) if self.zero_count >= before => {}
            _ => return true,
        }
        let mut before = previous.clone();
        before.widen_zero_bucket(self.zero_threshold);
        before.reduce(self.schema);
        lost_counts(&self.positive, &before.positive) || lost_counts(&self.negative, &before.negative)
    }
}

fn align_zero_buckets(a: &mut Histogram, b: &mut Histogram) {
    // Each widening may swallow a bucket and end up wider than asked: repeat until both agree.
    while a.zero_threshold != b.zero_threshold {
        if a.zero_threshold < b.zero_threshold {
            a.widen_zero_bucket(b.zero_threshold);
        } else {
            b.widen_zero_bucket(a.zero_threshold);
        }
    }
}

fn lost_counts(now: &SparseBuckets, before: &SparseBuckets) -> bool {
    let mut now = now.iter().peekable();
    before.iter().filter(|(_, c)| *c != 0.0).any(|&(index, count)| {
        while now.next_if(|(i, _)| *i < index).is_some() {}
        match now.peek() {
            Some(&&(i, current)) if i == index => current < count,
            _ => count > 0.0,
        }
    })
}

fn merge(a: &SparseBuckets, b: &SparseBuckets, sign: f64) -> SparseBuckets {
    let mut merged = Vec::with_capacity(a.len().max(b.len()));
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let (x, y) = (a.get(i), b.get(j));
        match (x, y) {
            (Some(&(xi, xc)), Some(&(yi, yc))) if xi == yi => {
                merged.push((xi, xc + sign * yc));
                i += 1;
                j += 1;
            }
            (Some(&(xi, xc)), other) if other.is_none_or(|&(yi, _)| xi < yi) => {
                merged.push((xi, xc));
                i += 1;
            }
            (_, Some(&(yi, yc))) => {
                merged.push((yi, sign * yc));
                j += 1;
            }
            _ => break,
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(schema: i32, buckets: &[(i32, f64)]) -> Histogram {
        let count = buckets.iter().map(|b| b.1).sum();
        Histogram { schema, count, positive: buckets.to_vec(), ..Histogram::default() }
    }

    #[test]
    fn resolutions_meet_at_the_lower_one() {
        let mut a = histogram(0, &[(0, 1.0), (1, 2.0)]);
        a.add(&histogram(1, &[(1, 1.0), (2, 1.0), (3, 4.0)])).unwrap();
        assert_eq!(a.positive, [(0, 1.0), (1, 4.0), (2, 4.0)]);
        assert_eq!(a.count, 9.0);
    }

    #[test]
    fn a_bucket_that_loses_counts_is_a_reset() {
        let before = histogram(0, &[(0, 1.0), (1, 2.0)]);
        assert!(histogram(0, &[(0, 3.0), (1, 1.0)]).is_reset_after(&before));
        assert!(!histogram(0, &[(0, 1.0), (1, 2.0)]).is_reset_after(&before));
        assert!(histogram(0, &[(0, 5.0)]).is_reset_after(&before));
        assert!(!histogram(-1, &[(0, 1.0), (1, 2.0)]).is_reset_after(&before));
    }

    #[test]
    fn a_zero_bucket_takes_in_whole_buckets() {
        let mut h = histogram(0, &[(0, 1.0), (1, 2.0)]);
        h.widen_zero_bucket(0.75);
        assert_eq!((h.zero_threshold, h.zero_count), (1.0, 1.0));
        assert_eq!(h.positive, [(1, 2.0)]);
    }
}
