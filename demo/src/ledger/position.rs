use std::collections::{BTreeMap, HashMap};

use crate::wire::{Booking, PositionView, Ticks, to_dollars, to_ticks};

/// What an account holds of a symbol. Amounts in ticks; the cost is that of all shares held, negative when short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) quantity: i64,
    pub(super) cost: Ticks,
    pub(super) realized: Ticks,
}

impl Position {
    /// The position after a trade of `signed` shares, by the average-cost method.
    pub(super) fn trade(self, signed: i64, price: Ticks) -> Self {
        let closes = if self.quantity.signum() == -signed.signum() {
            signed.abs().min(self.quantity.abs())
        } else {
            0
        };
        let mut next = self;
        if closes > 0 {
            // What closes leaves at its share of the cost; the difference to the price is made or lost.
            let leaving =
                (i128::from(self.cost) * i128::from(closes) / i128::from(self.quantity.abs())) as Ticks;
            let received = self.quantity.signum() * closes * price;
            next.cost -= leaving;
            next.realized += received - leaving;
        }
        let opens = signed.abs() - closes;
        next.cost += signed.signum() * opens * price;
        next.quantity += signed;
        next
    }

    fn average(&self) -> f64 {
        if self.quantity == 0 { 0.0 } else { self.cost as f64 / self.quantity as f64 / 100.0 }
    }
}

/// Profit over all accounts, dollars.
pub(super) struct Profit {
    pub(super) realized: f64,
    pub(super) unrealized: f64,
}

/// All positions, valued at the last price that each symbol traded at.
pub(super) struct Positions {
    held: BTreeMap<(String, String), Position>,
    marks: HashMap<String, Ticks>,
}

impl Positions {
    pub(super) fn new(held: BTreeMap<(String, String), Position>) -> Self {
        Self { held, marks: HashMap::new() }
    }

    /// The position after a booking, and what it made, dollars. Nothing changes yet.
    pub(super) fn after(&self, booking: &Booking) -> (Position, f64) {
        let key = (booking.account.clone(), booking.symbol.clone());
        let before = self.held.get(&key).copied().unwrap_or_default();
        let after = booking.fills.iter().fold(before, |position, fill| {
            position.trade(booking.side.signed(fill.quantity), to_ticks(fill.price))
        });
        (after, to_dollars(after.realized - before.realized))
    }

    /// Makes a booking's position the current one.
    pub(super) fn set(&mut self, booking: &Booking, position: Position) {
        self.held.insert((booking.account.clone(), booking.symbol.clone()), position);
        if let Some(fill) = booking.fills.last() {
            self.marks.insert(booking.symbol.clone(), to_ticks(fill.price));
        }
    }

    /// Shares of a symbol over all accounts.
    pub(super) fn net(&self, symbol: &str) -> i64 {
        self.held.iter().filter(|((_, held), _)| held == symbol).map(|(_, position)| position.quantity).sum()
    }

    pub(super) fn profit(&self) -> Profit {
        let mut profit = Profit { realized: 0.0, unrealized: 0.0 };
        for ((_, symbol), position) in &self.held {
            profit.realized += to_dollars(position.realized);
            if let Some(mark) = self.marks.get(symbol) {
                profit.unrealized += to_dollars(position.quantity * mark - position.cost);
            }
        }
        profit
    }

    pub(super) fn views(&self) -> Vec<PositionView> {
        let view = |((account, symbol), position): (&(String, String), &Position)| PositionView {
            account: account.clone(),
            symbol: symbol.clone(),
            quantity: position.quantity,
            average_price: position.average(),
            realized: to_dollars(position.realized),
        };
        self.held.iter().map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn closes_at_average_cost_and_turns_around() {
        let long = Position::default().trade(100, 1_000).trade(100, 1_200);
        assert_eq!(long, Position { quantity: 200, cost: 220_000, realized: 0 });
        let half = long.trade(-100, 1_300);
        assert_eq!(half, Position { quantity: 100, cost: 110_000, realized: 20_000 });
        let short = half.trade(-300, 1_000);
        assert_eq!(short, Position { quantity: -200, cost: -200_000, realized: 10_000 });
        let flat = short.trade(200, 900);
        assert_eq!(flat, Position { quantity: 0, cost: 0, realized: 30_000 });
    }

    #[test]
    fn nothing_is_made_or_lost_by_the_accounting() {
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut position, mut cash) = (Position::default(), 0);
            for _ in 0..1_000 {
                let signed = rng.random_range(-500..=500);
                let price = rng.random_range(900..1_100);
                position = position.trade(signed, price);
                cash -= signed * price;
            }
            assert_eq!(position.realized - position.cost, cash, "seed {seed}");
        }
    }
}
