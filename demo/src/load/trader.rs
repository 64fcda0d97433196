use std::collections::HashMap;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::market::symbols::SYMBOLS;
use crate::wire::{OrderRequest, Quote, Side};

/// The clients' accounts.
pub(crate) const ACCOUNTS: [&str; 5] = ["anchor", "binnacle", "capstan", "davit", "ensign"];
/// Position at which a client only wants out, shares.
const COMFORT: f64 = 6_000.0;

/// Decides what the clients order: who, what, which way, how much and how far from the market.
pub(crate) struct Trader {
    inventory: HashMap<(&'static str, &'static str), i64>,
    /// Each symbol's price, slowly following: the clients lean towards buying below it and selling above.
    trend: HashMap<&'static str, f64>,
    prefix: String,
    count: u64,
}

impl Trader {
    pub(crate) fn new(seed: u64) -> Self {
        let mark: u32 = ChaCha8Rng::seed_from_u64(seed ^ 0x6f72_6465).random();
        Self { inventory: HashMap::new(), trend: HashMap::new(), prefix: format!("c{mark:08x}"), count: 0 }
    }

    /// The next order; none while the market has no quote for what was drawn.
    pub(crate) fn next(
        &mut self,
        rng: &mut impl Rng,
        market: impl Fn(&str) -> Option<Quote>,
    ) -> Option<OrderRequest> {
        let symbol = SYMBOLS[rng.random_range(0..SYMBOLS.len())].name;
        let account = ACCOUNTS[rng.random_range(0..ACCOUNTS.len())];
        let quote = market(symbol)?;
        let mid = 0.5 * (quote.bid + quote.ask);

        let trend = self.trend.entry(symbol).or_insert(mid);
        let cheap = ((*trend - mid) / mid * 60.0).clamp(-0.25, 0.25);
        *trend += (mid - *trend) * 0.000_8;
        let held = self.inventory.get(&(account, symbol)).copied().unwrap_or(0) as f64;
        let wish_to_buy = (0.5 + cheap - 0.5 * held / COMFORT).clamp(0.02, 0.98);
        let side = if rng.random_bool(wish_to_buy) { Side::Buy } else { Side::Sell };

        // Most orders are small, some are as large as ten of them.
        let lots = if rng.random_ratio(1, 12) { rng.random_range(8..=20) } else { rng.random_range(1..=6) };
        let towards = match side {
            Side::Buy => 1.0,
            Side::Sell => -1.0,
        };
        let away = match rng.random_range(0..100) {
            // Sweeps take whatever is on offer up to a limit far into the book, some too far.
            0..9 => rng.random_range(0.035..0.051),
            // Bargain hunters hope that the market comes to them, and mostly do not trade.
            9..15 => -rng.random_range(0.000_1..0.000_6),
            _ => rng.random_range(0.000_3..0.003),
        };
        self.count += 1;
        Some(OrderRequest {
            client_order_id: format!("{}-{}", self.prefix, self.count),
            account: account.to_owned(),
            symbol: symbol.to_owned(),
            side,
            quantity: 100 * lots,
            limit: (mid * (1.0 + towards * away) * 100.0).round() / 100.0,
        })
    }

    /// Takes what an order traded into account.
    pub(crate) fn traded(&mut self, account: &str, symbol: &str, side: Side, quantity: i64) {
        let account = ACCOUNTS.iter().find(|known| **known == account);
        let symbol = SYMBOLS.iter().find(|known| known.name == symbol);
        if let (Some(account), Some(symbol)) = (account, symbol) {
            *self.inventory.entry((account, symbol.name)).or_default() += side.signed(quantity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::matching;
    use crate::market::symbols::find;
    use crate::market::walk::Walk;
    use crate::wire::to_ticks;

    fn market(symbol: &str) -> Option<Quote> {
        Some(Quote { symbol: symbol.into(), bid: 50.0, ask: 50.02, last: 50.0, volume: 0, ts: 0 })
    }

    fn orders(seed: u64) -> Vec<OrderRequest> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut trader = Trader::new(seed);
        (0..300).map(|_| trader.next(&mut rng, market).unwrap()).collect()
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(orders(5), orders(5));
        assert_ne!(orders(5), orders(6));
    }

    #[test]
    fn positions_stay_bounded_over_a_long_day() {
        for seed in 0..3 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut trader = Trader::new(seed);
            for _ in 0..50_000 {
                let order = trader.next(&mut rng, market).unwrap();
                trader.traded(&order.account, &order.symbol, order.side, order.quantity);
            }
            let largest = trader.inventory.values().map(|held| held.abs()).max().unwrap();
            assert!(largest < 12_000, "seed {seed}: {largest}");
        }
    }

    /// Dollars that the clients made on a day in fast motion, everything valued at its end.
    fn profit(seed: u64) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut walks: Vec<Walk> = SYMBOLS.iter().map(Walk::new).collect();
        let mut trader = Trader::new(seed);
        let mut quotes: HashMap<String, Quote> = HashMap::new();
        let mut held: HashMap<String, i64> = HashMap::new();
        let mut cash = 0.0;
        for step in 0..84_000 {
            let walk = rng.random_range(0..walks.len());
            let quote = walks[walk].step(&mut rng, 1.0, step);
            quotes.insert(quote.symbol.clone(), quote);
            let due = step % 14 < 3;
            let Some(order) = due.then(|| trader.next(&mut rng, |name| quotes.get(name).cloned())).flatten()
            else {
                continue;
            };
            let quote = &quotes[&order.symbol];
            let seen = matching::Order {
                symbol: find(&order.symbol).unwrap(),
                side: order.side,
                quantity: order.quantity,
                limit: to_ticks(order.limit),
                bid: to_ticks(quote.bid),
                ask: to_ticks(quote.ask),
            };
            for fill in matching::execute(&seen, &order.client_order_id).fills {
                let signed = order.side.signed(fill.quantity);
                *held.entry(order.symbol.clone()).or_default() += signed;
                cash -= signed as f64 * fill.price;
                trader.traded(&order.account, &order.symbol, order.side, fill.quantity);
            }
        }
        cash + held.iter().map(|(symbol, held)| *held as f64 * quotes[symbol].last).sum::<f64>()
    }

    #[test]
    fn some_days_are_won_and_some_are_lost() {
        let days: Vec<f64> = (0..6).map(profit).collect();
        assert!(days.iter().any(|day| *day > 0.0), "{days:?}");
        assert!(days.iter().any(|day| *day < 0.0), "{days:?}");
        assert!(days.iter().all(|day| day.abs() < 300_000.0), "{days:?}");
    }

    #[test]
    fn nothing_without_a_market() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(Trader::new(1).next(&mut rng, |_| None), None);
    }
}
