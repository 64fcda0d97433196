use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::book::Exposure;
use crate::market::symbols::SYMBOLS;
use crate::market::walk::normal;

/// Returns of all symbols on days that might have been: drawn once from the seed, with a common market factor.
pub(super) struct History {
    days: Vec<[f32; SYMBOLS.len()]>,
}

/// The loss that is exceeded on this share of days is the value at risk.
const TAIL: f64 = 0.01;
/// How many quotes' moves make up a day's, about.
const QUOTES_PER_DAY: f64 = 6_000.0;

impl History {
    pub(super) fn new(seed: u64, days: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7269_736b);
        let days = (0..days.max(100))
            .map(|_| {
                let market = normal(&mut rng);
                std::array::from_fn(|place| {
                    let deviation = SYMBOLS[place].volatility * 1e-6 * QUOTES_PER_DAY.sqrt();
                    (deviation * (0.6 * market + 0.8 * normal(&mut rng))) as f32
                })
            })
            .collect();
        Self { days }
    }

    /// Revalues `exposure` on every day and answers the loss at the tail, dollars, at least 0.
    pub(super) fn value_at_risk(&self, exposure: &Exposure) -> f64 {
        let exposure: [f32; SYMBOLS.len()] = exposure.map(|value| value as f32);
        let mut results: Vec<f32> =
            self.days.iter().map(|day| day.iter().zip(&exposure).map(|(a, b)| a * b).sum()).collect();
        let place = (results.len() as f64 * TAIL) as usize;
        let (_, tail, _) = results.select_nth_unstable_by(place, f32::total_cmp);
        f64::from(-*tail).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_normal_quantile_for_one_symbol() {
        let history = History::new(1, 50_000);
        let mut exposure = [0.0; SYMBOLS.len()];
        exposure[3] = 1_000_000.0;
        let deviation = SYMBOLS[3].volatility * 1e-6 * QUOTES_PER_DAY.sqrt();
        // 2.326 standard deviations leave one percent; the sum of uniforms has slightly thinner tails.
        let expected = 2.3 * deviation * 1_000_000.0;
        let found = history.value_at_risk(&exposure);
        assert!((found / expected - 1.0).abs() < 0.05, "seed 1: {found}, expected {expected}");
    }

    #[test]
    fn spreading_a_position_lowers_the_risk() {
        let history = History::new(2, 5_000);
        let mut one = [0.0; SYMBOLS.len()];
        one[0] = 800_000.0;
        let mut spread = [0.0; SYMBOLS.len()];
        spread[0] = 400_000.0;
        spread[5] = 400_000.0;
        assert!(history.value_at_risk(&spread) < history.value_at_risk(&one), "seed 2");
        assert_eq!(history.value_at_risk(&[0.0; SYMBOLS.len()]), 0.0);
    }
}
