//! Latency buckets: percentiles, attainment and Apdex by interpolation.

/// How many requests took at most how long: bounds ascending, counts cumulative.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// Adds the cumulative count of one bound, in milliseconds; infinite for the last. Counts of equal bounds add up.
    pub fn add(&mut self, bound: f64, count: f64) {
        if bound.is_nan() || !count.is_finite() {
            return;
        }
        match self.0.binary_search_by(|(b, _)| b.total_cmp(&bound)) {
            Ok(at) => self.0[at].1 += count,
            Err(at) => self.0.insert(at, (bound, count)),
        }
    }

    /// Whether there is no bucket.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bounds with their cumulative counts. Counts never fall: rates of neighbouring buckets are taken at slightly
    /// different moments and may be uneven.
    fn monotonic(&self) -> impl Iterator<Item = (f64, f64)> {
        self.0.iter().scan(0.0f64, |highest, (bound, count)| {
            *highest = highest.max(*count);
            Some((*bound, *highest))
        })
    }

    /// All requests.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.monotonic().last().map_or(0.0, |(_, count)| count)
    }

    /// Upper bounds with the requests between each and the one before.
    pub fn widths(&self) -> impl Iterator<Item = (f64, f64)> {
        self.monotonic().scan(0.0, |below, (bound, count)| {
            let own = count - *below;
            *below = count;
            Some((bound, own))
        })
    }

    /// The latency that a part (0 to 1) of the requests did not exceed, in milliseconds. Within a bucket requests are
    /// taken as evenly spread; what lies beyond the highest finite bound is told as that bound.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let total = self.total();
        if total <= 0.0 {
            return None;
        }
        let rank = q * total;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in self.monotonic() {
            if count >= rank && count > below {
                if bound.is_infinite() {
                    return (self.0.len() > 1).then_some(lower);
                }
                // A first bound below zero has no lower end to interpolate from.
                let from = if bound <= 0.0 { bound } else { lower };
                return Some(from + (bound - from) * (rank - below) / (count - below));
            }
            (lower, below) = (bound, count);
        }
        Some(lower)
    }

    /// The part (0 to 1) of the requests that took at most `threshold` milliseconds. Requests beyond the highest finite
    /// bound count as slower.
    #[must_use]
    pub fn within(&self, threshold: f64) -> Option<f64> {
        let total = self.total();
        if total <= 0.0 || !self.0.iter().any(|(b, _)| b.is_finite()) {
            return None;
        }
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, count) in self.monotonic() {
            if threshold < bound {
                let inside = if bound.is_infinite() || bound <= lower {
                    0.0
                } else {
                    ((threshold - lower) / (bound - lower)).clamp(0.0, 1.0)
                };
                return Some((below + (count - below) * inside) / total);
            }
            (lower, below) = (bound, count);
        }
        Some(below / total)
    }

    /// Apdex: those within `threshold` milliseconds count whole, those within four times as much count half.
    #[must_use]
    pub fn apdex(&self, threshold: f64) -> Option<f64> {
        let satisfied = self.within(threshold)?;
        let tolerated = self.within(threshold * 4.0)?;
        Some(satisfied + (tolerated - satisfied) / 2.0)
    }
}

impl FromIterator<(f64, f64)> for Buckets {
    fn from_iter<I: IntoIterator<Item = (f64, f64)>>(iter: I) -> Self {
        let mut buckets = Self::default();
        iter.into_iter().for_each(|(bound, count)| buckets.add(bound, count));
        buckets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    /// 100 requests: 50 up to 10 ms, 40 up to 50 ms, 8 up to 100 ms, 2 slower.
    fn sample() -> Buckets {
        [(10.0, 50.0), (50.0, 90.0), (100.0, 98.0), (INF, 100.0)].into_iter().collect()
    }

    fn near(found: Option<f64>, expected: f64) {
        let found = found.unwrap();
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn percentiles_interpolate_within_a_bucket() {
        // By hand: the 25th request is halfway through 0–10 ms, the 70th halfway through 10–50, the 95th 5/8 through
        // 50–100, the 99th beyond the highest finite bound.
        near(sample().quantile(0.25), 5.0);
        near(sample().quantile(0.5), 10.0);
        near(sample().quantile(0.7), 30.0);
        near(sample().quantile(0.95), 81.25);
        near(sample().quantile(0.99), 100.0);
    }

    #[test]
    fn attainment_interpolates_and_is_never_flattered() {
        near(sample().within(10.0), 0.5);
        near(sample().within(30.0), 0.7);
        near(sample().within(75.0), 0.94);
        near(sample().within(100.0), 0.98);
        near(sample().within(5_000.0), 0.98);
        near(sample().within(0.0), 0.0);
    }

    #[test]
    fn apdex_counts_tolerated_requests_half() {
        // T = 10 ms: 50 satisfied; up to 40 ms: 50 + 40 · 30/40 = 80; (50 + 30 / 2) / 100.
        near(sample().apdex(10.0), 0.65);
    }

    #[test]
    fn nothing_is_known_without_requests() {
        let idle: Buckets = [(10.0, 0.0), (INF, 0.0)].into_iter().collect();
        for buckets in [Buckets::default(), idle] {
            assert_eq!(buckets.quantile(0.5), None);
            assert_eq!(buckets.within(10.0), None);
            assert_eq!(buckets.apdex(10.0), None);
        }
        let only_infinite: Buckets = [(INF, 5.0)].into_iter().collect();
        assert_eq!(only_infinite.quantile(0.5), None);
        assert_eq!(only_infinite.within(10.0), None);
    }

    #[test]
    fn uneven_counts_are_evened_and_equal_bounds_add_up() {
        let uneven: Buckets = [(10.0, 5.0), (20.0, 4.0), (INF, 6.0)].into_iter().collect();
        assert_eq!(uneven.widths().collect::<Vec<_>>(), [(10.0, 5.0), (20.0, 0.0), (INF, 1.0)]);
        let mut twice = sample();
        [(10.0, 50.0), (INF, 100.0)].into_iter().for_each(|(b, c)| twice.add(b, c));
        near(twice.quantile(0.5), 10.0);
        assert!((twice.total() - 200.0).abs() < 1e-9);
    }
}
