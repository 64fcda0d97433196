//! The Mann-Whitney U test (Wilcoxon's rank-sum test) in its normal approximation with corrections for ties and continuity,
//! as R's `wilcox.test(exact = FALSE)` and SciPy's `mannwhitneyu(method = "asymptotic")` have it; the confidence interval
//! of the shift by inverting the test, and Hodges and Lehmann's estimate of it.

use super::normal;

/// Values of either side that are compared at most; of more, evenly spaced ones.
pub const MOST: usize = 1000;

/// How the values of a new version lie to those of a stable one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// U of the new version: pairs in which its value is the larger, ties as a half.
    pub u: f64,
    /// The probability of such a difference or a larger one, to either side, where there is none.
    pub p_value: f64,
    /// Hodges and Lehmann's shift: the median of all differences new − stable.
    pub shift: f64,
    /// The lower end of the shift's confidence interval.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
    /// The probability that a value of the new version is larger than one of the stable (common-language effect size).
    pub superiority: f64,
}

/// Σ (t³ − t) over groups of `t` equal values.
fn ties(sorted: &[f64]) -> f64 {
    sorted
        .chunk_by(|a, b| a == b)
        .map(|group| {
            let t = group.len() as f64;
            t * t * t - t
        })
        .sum()
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// At most `most` of the values, evenly spaced in their order; the same ones each time.
#[must_use]
pub fn thinned(values: &[f64], most: usize) -> Vec<f64> {
    if values.len() <= most {
        return values.to_vec();
    }
    (0..most).filter_map(|i| values.get(i * values.len() / most)).copied().collect()
}

/// The standard deviation of U for sides of `m` and `n` values, corrected for ties.
fn deviation(m: f64, n: f64, ties: f64) -> f64 {
    let all = m + n;
    (m * n / 12.0 * ((all + 1.0) - ties / (all * (all - 1.0)))).max(0.0).sqrt()
}

/// Compares `new` with `stable`; none when one has no values, or when all values of both are equal, of which the test says
/// nothing. NaN must have been left out before. `confidence` is that of the interval, as in 0.98.
#[must_use]
pub fn compare(stable: &[f64], new: &[f64], confidence: f64) -> Option<Comparison> {
    let (stable, new) = (thinned(stable, MOST), thinned(new, MOST));
    if stable.is_empty() || new.is_empty() {
        return None;
    }
    let mut differences: Vec<f64> = new.iter().flat_map(|x| stable.iter().map(move |y| x - y)).collect();
    differences.sort_by(f64::total_cmp);
    let (m, n) = (new.len() as f64, stable.len() as f64);

    let u: f64 = differences
        .iter()
        .map(|d| {
            if *d > 0.0 {
                1.0
            } else if *d == 0.0 {
                0.5
            } else {
                0.0
            }
        })
        .sum();
    let both = sorted(&[stable.as_slice(), new.as_slice()].concat());
    let spread = deviation(m, n, ties(&both));
    if spread == 0.0 {
        return None;
    }
    let distance = ((u - m * n / 2.0).abs() - 0.5).max(0.0);
    let p_value = (2.0 * normal::tail(distance / spread)).min(1.0);

    // Shifting the new values by d and testing again falls in d and changes only where d is one of the differences:
    // between two of them no value of one side equals one of the other, so the ties are those within the sides.
    let spread = deviation(m, n, ties(&sorted(&stable)) + ties(&sorted(&new)));
    let z = normal::quantile((1.0 - confidence) / 2.0);
    let pairs = differences.len();
    let statistic = |above: usize| {
        let z = above as f64 - m * n / 2.0;
        (z - 0.5 * if z == 0.0 { 0.0 } else { z.signum() }) / spread
    };
    // The first difference behind which the statistic is no more than `wanted`.
    let root = |wanted: f64| {
        let behind = partition(pairs, |k| statistic(pairs - 1 - k) > wanted);
        differences.get(behind).or(differences.last()).copied().unwrap_or(0.0)
    };
    let (lower, upper) = (root(z), root(-z));
    let shift = match (differences.get((pairs - 1) / 2), differences.get(pairs / 2)) {
        (Some(a), Some(b)) => f64::midpoint(*a, *b),
        _ => 0.0,
    };
    Some(Comparison { u, p_value, shift, lower, upper, superiority: u / (m * n) })
}

/// The first of `0..n` for which `before` no longer holds.
fn partition(n: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = usize::midpoint(low, high);
        if before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
