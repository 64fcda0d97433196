use rand::Rng;

use super::symbols::Symbol;
use crate::wire::{Quote, Ticks, to_dollars};

/// One quote in this many is news: a jump of several standard deviations.
const NEWS_ODDS: u32 = 1_500;

/// The price of one instrument on its way through the day: a random walk drawn gently back to where the day opened.
pub(crate) struct Walk {
    symbol: &'static Symbol,
    /// In fractions of a tick, so that small moves add up.
    mid: f64,
    anchor: f64,
    volume: u64,
}

impl Walk {
    pub(crate) fn new(symbol: &'static Symbol) -> Self {
        Self { symbol, mid: symbol.price as f64, anchor: symbol.price as f64, volume: 0 }
    }

    /// A new day: volume starts again, and the day opens half-way between its predecessors' end and the long-run price.
    pub(crate) fn open(&mut self) {
        self.anchor = 0.5 * (self.mid + self.symbol.price as f64);
        self.volume = 0;
    }

    /// The next quote.
    pub(crate) fn step(&mut self, rng: &mut impl Rng, activity: f64, now_ms: i64) -> Quote {
        let jump = if rng.random_ratio(1, NEWS_ODDS) { 12.0 } else { 1.0 };
        let deviation = self.mid * self.symbol.volatility * 1e-6 * activity.sqrt() * jump;
        self.mid += deviation * normal(rng) + (self.anchor - self.mid) * 0.000_8;
        // A long unlucky run must not end below a price that the tick can express sensibly.
        self.mid = self.mid.clamp(self.symbol.price as f64 * 0.5, self.symbol.price as f64 * 2.0);
        // Spreads widen when it is hectic and when nobody is there.
        let nervous = i64::from(activity > 1.5) + i64::from(activity < 0.5);
        let spread = (self.symbol.spread + nervous + i64::from(rng.random_ratio(1, 4))).max(1);
        let bid = self.mid as Ticks - spread / 2;
        let ask = bid + spread;
        let last = if rng.random::<bool>() { ask } else { bid };
        self.volume += 100 * rng.random_range(1..=8_u64);
        Quote {
            symbol: self.symbol.name.to_owned(),
            bid: to_dollars(bid),
            ask: to_dollars(ask),
            last: to_dollars(last),
            volume: self.volume,
            ts: now_ms,
        }
    }
}

/// A draw that is close to the standard normal distribution: the sum of twelve uniform ones, less six.
pub(crate) fn normal(rng: &mut impl Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::super::symbols::SYMBOLS;
    use super::*;

    fn quotes(seed: u64, count: usize) -> Vec<Quote> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut walk = Walk::new(&SYMBOLS[0]);
        (0..count).map(|step| walk.step(&mut rng, 1.0, step as i64)).collect()
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(quotes(11, 500), quotes(11, 500));
        assert_ne!(quotes(11, 500), quotes(12, 500));
    }

    #[test]
    fn quotes_are_sane_for_a_long_day() {
        for seed in 0..5 {
            let mut volume = 0;
            for quote in quotes(seed, 20_000) {
                assert!(quote.bid < quote.ask, "seed {seed}: {quote:?}");
                assert!(quote.bid <= quote.last && quote.last <= quote.ask, "seed {seed}: {quote:?}");
                assert!((20.0..85.0).contains(&quote.last), "seed {seed}: {quote:?}");
                assert!(quote.volume > volume, "seed {seed}: {quote:?}");
                volume = quote.volume;
            }
        }
    }

    #[test]
    fn it_moves() {
        let prices: Vec<f64> = quotes(3, 10_000).iter().map(|quote| quote.last).collect();
        let low = prices.iter().copied().fold(f64::INFINITY, f64::min);
        let high = prices.iter().copied().fold(0.0, f64::max);
        assert!(high / low > 1.005, "seed 3: {low} to {high}");
    }
}
