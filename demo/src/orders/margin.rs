use crate::market::symbols::{SYMBOLS, Symbol};

/// How far prices are shocked when margin is computed, as a fraction, and how far volatility is.
const PRICE_RANGE: f64 = 0.15;
const VOLATILITY_RANGE: f64 = 0.4;

/// What share of its value an order in each symbol must be backed by: the worst loss over a grid of shocks to price
/// and volatility.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MarginTable {
    rates: [f64; SYMBOLS.len()],
}

impl MarginTable {
    /// Revalues every symbol on a grid of `points` × `points` shocks. The first version does this once; the second
    /// does it for every order, which is where its time goes.
    pub(crate) fn compute(points: usize) -> Self {
        let mut rates = [0.0; SYMBOLS.len()];
        for (rate, symbol) in rates.iter_mut().zip(&SYMBOLS) {
            *rate = worst_loss(symbol, points.max(2));
        }
        Self { rates }
    }

    /// The rate of a symbol; the highest of all for one that is not in the table.
    pub(crate) fn rate(&self, symbol: &str) -> f64 {
        let place = SYMBOLS.iter().position(|known| known.name == symbol);
        place.map_or_else(|| self.rates.iter().copied().fold(0.0, f64::max), |place| self.rates[place])
    }
}

fn worst_loss(symbol: &Symbol, points: usize) -> f64 {
    // A yearly volatility from that of one quote: the quotes of a day, the days of a year.
    let volatility = symbol.volatility * 1e-6 * (6_000.0_f64).sqrt() * 4.0;
    let shock = |step: usize, range: f64| (step as f64 / (points - 1) as f64 * 2.0 - 1.0) * range;
    let mut worst = 0.0_f64;
    for price_step in 0..points {
        let moved = 1.0 + shock(price_step, PRICE_RANGE);
        for volatility_step in 0..points {
            let sigma = volatility * (1.0 + shock(volatility_step, VOLATILITY_RANGE));
            // The cost of the hedge that would have to be bought in that world: a short-dated option at the money.
            let d1 = moved.ln() / sigma + 0.5 * sigma;
            let hedge = moved * normal_cdf(d1) - normal_cdf(d1 - sigma);
            worst = worst.max((1.0 - moved).abs() + hedge.max(0.0));
        }
    }
    worst.min(1.0)
}

/// The standard normal distribution function, by the logistic approximation with a cubic term (error below 0.0003).
fn normal_cdf(x: f64) -> f64 {
    1.0 / (1.0 + (-1.595_769 * x - 0.070_566 * x * x * x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finer_grids_agree_with_coarser_ones() {
        let (coarse, fine) = (MarginTable::compute(17), MarginTable::compute(65));
        for symbol in &SYMBOLS {
            let (coarse, fine) = (coarse.rate(symbol.name), fine.rate(symbol.name));
            assert!((coarse - fine).abs() < 0.01, "{}: {coarse} and {fine}", symbol.name);
            assert!((0.15..=1.0).contains(&fine), "{}: {fine}", symbol.name);
        }
    }

    #[test]
    fn the_unknown_costs_most() {
        let table = MarginTable::compute(17);
        assert!(SYMBOLS.iter().all(|symbol| table.rate(symbol.name) <= table.rate("NOPE")));
    }

    #[test]
    fn distribution_function_is_close() {
        for (x, expected) in
            [(-3.0, 0.001_35), (-1.0, 0.158_66), (0.0, 0.5), (1.0, 0.841_34), (2.0, 0.977_25)]
        {
            assert!((normal_cdf(x) - expected).abs() < 3e-4, "{x}: {}", normal_cdf(x));
        }
    }
}
