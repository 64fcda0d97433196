//! The normal distribution: its tail to 14 digits, and the quantile that belongs to a tail.

use std::f64::consts::{PI, SQRT_2};

/// The complementary error function. A Taylor series near 0, a continued fraction (Abramowitz and Stegun 7.1.14) in the
/// tail: no tables of coefficients, and a relative error below 1e-13.
#[must_use]
pub fn erfc(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x < 0.0 {
        return 2.0 - erfc(-x);
    }
    if x < 2.0 {
        // erf x = 2/√π · e^(−x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!: all terms are positive, so nothing cancels.
        let (mut term, mut sum, mut n) = (x, x, 0.0);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * x * x / (2.0 * n + 1.0);
            sum += term;
        }
        return 1.0 - 2.0 / PI.sqrt() * (-x * x).exp() * sum;
    }
    // √π e^(x²) erfc x = 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + …)))), from the inside out.
    let fraction = (1..=120).rev().fold(x, |below, n| x + f64::from(n) / 2.0 / below);
    (-x * x).exp() / PI.sqrt() / fraction
}

/// The probability of more than `z`.
#[must_use]
pub fn tail(z: f64) -> f64 {
    0.5 * erfc(z / SQRT_2)
}

/// The `z` of which the probability of more is `p`, for `0 < p < 1`; infinite at the ends.
#[must_use]
pub fn quantile(p: f64) -> f64 {
    if p.is_nan() {
        return f64::NAN;
    }
    if p <= 0.0 {
        return f64::INFINITY;
    }
    if p >= 1.0 {
        return f64::NEG_INFINITY;
    }
    // The tail falls strictly: halving finds it to the last bit.
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if tail(middle) > p {
            low = middle;
        } else {
            high = middle;
        }
        if high - low <= f64::EPSILON * high.abs() {
            break;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::{erfc, quantile, tail};

    /// From the definition, by hand to 50 digits and rounded.
    #[test]
    fn known_values() {
        for (x, wanted) in [
            (0.0, 1.0),
            (0.5, 0.479_500_122_186_953_5),
            (1.0, 0.157_299_207_050_285_13),
            (2.0, 0.004_677_734_981_047_266),
            (3.0, 2.209_049_699_858_544e-5),
            (5.0, 1.537_459_794_428_034_8e-12),
            (10.0, 2.088_487_583_762_545e-45),
            (-1.0, 1.842_700_792_949_715),
        ] {
            let found: f64 = erfc(x);
            assert!((found / wanted - 1.0).abs() < 1e-13, "erfc({x}) = {found}, wanted {wanted}");
        }
        assert!((tail(1.959_963_984_540_054) - 0.025).abs() < 1e-15);
        assert!((quantile(0.01) - 2.326_347_874_040_841).abs() < 1e-12);
        assert!((quantile(0.99) + 2.326_347_874_040_841).abs() < 1e-12);
        assert_eq!(quantile(0.0), f64::INFINITY);
    }

    #[test]
    fn the_quantile_is_the_inverse_of_the_tail() {
        for i in 1..400 {
            let z = f64::from(i) / 50.0 - 4.0;
            assert!((quantile(tail(z)) - z).abs() < 1e-9, "{z}");
        }
        let mut last = 1.0;
        for i in 0..2000 {
            let t = tail(f64::from(i) / 100.0 - 10.0);
            assert!(t <= last, "falls at {i}");
            last = t;
        }
    }
}
