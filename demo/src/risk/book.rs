use std::collections::HashMap;

use crate::market::symbols::SYMBOLS;
use crate::wire::{CheckRequest, PositionView};

/// The most shares in one order, and the most that an account may hold of one symbol, either way.
const ORDER_LIMIT: i64 = 5_000;
const POSITION_LIMIT: i64 = 12_000;

/// Value held per symbol, dollars; what is owed is negative.
pub(super) type Exposure = [f64; SYMBOLS.len()];

/// What an account has at stake without and with an order.
pub(super) struct Change {
    pub(super) before: Exposure,
    pub(super) after: Exposure,
}

/// Who holds what, as far as risk knows.
pub(super) struct Book {
    accounts: HashMap<String, [i64; SYMBOLS.len()]>,
    prices: Exposure,
    most_accounts: usize,
}

impl Book {
    pub(super) fn new(most_accounts: usize) -> Self {
        let mut prices = [0.0; SYMBOLS.len()];
        for (price, symbol) in prices.iter_mut().zip(&SYMBOLS) {
            *price = symbol.price as f64 / 100.0;
        }
        Self { accounts: HashMap::new(), prices, most_accounts }
    }

    /// What the account would have at stake, or the limit that the order breaks.
    pub(super) fn exposure_with(&mut self, request: &CheckRequest) -> Result<Change, &'static str> {
        let place = place(&request.symbol).ok_or("invalid")?;
        let known = self.accounts.contains_key(&request.account);
        if !known && self.accounts.len() >= self.most_accounts
            || !(request.price > 0.0 && request.price < 1e7)
        {
            return Err("invalid");
        }
        if !(1..=ORDER_LIMIT).contains(&request.quantity) {
            return Err("order_size");
        }
        self.prices[place] = request.price;
        let mut held = self.accounts.get(&request.account).copied().unwrap_or_default();
        let before = self.value(&held);
        let (was, becomes) = (held[place], held[place] + request.side.signed(request.quantity));
        if becomes.abs() > POSITION_LIMIT && becomes.abs() > was.abs() {
            return Err("position_limit");
        }
        held[place] = becomes;
        Ok(Change { before, after: self.value(&held) })
    }

    /// Counts an approved order as traded.
    pub(super) fn apply(&mut self, request: &CheckRequest) {
        if let Some(place) = place(&request.symbol) {
            let held = self.accounts.entry(request.account.clone()).or_default();
            held[place] += request.side.signed(request.quantity);
        }
    }

    /// Takes over what the ledger says.
    pub(super) fn replace(&mut self, positions: &[PositionView]) {
        self.accounts.clear();
        for position in positions {
            let room = self.accounts.len() < self.most_accounts;
            if let Some(place) = place(&position.symbol)
                && (room || self.accounts.contains_key(&position.account))
            {
                self.accounts.entry(position.account.clone()).or_default()[place] = position.quantity;
            }
        }
    }

    fn value(&self, held: &[i64; SYMBOLS.len()]) -> Exposure {
        std::array::from_fn(|place| held[place] as f64 * self.prices[place])
    }
}

fn place(symbol: &str) -> Option<usize> {
    SYMBOLS.iter().position(|known| known.name == symbol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Side;

    fn order(account: &str, side: Side, quantity: i64) -> CheckRequest {
        CheckRequest { account: account.into(), symbol: "HELM".into(), side, quantity, price: 100.0 }
    }

    #[test]
    fn limits_bind_only_in_the_direction_that_breaks_them() {
        let mut book = Book::new(2);
        for _ in 0..2 {
            book.exposure_with(&order("a", Side::Buy, 5_000)).unwrap();
            book.apply(&order("a", Side::Buy, 5_000));
        }
        assert_eq!(book.exposure_with(&order("a", Side::Buy, 2_001)).err(), Some("position_limit"));
        let change = book.exposure_with(&order("a", Side::Sell, 4_000)).unwrap();
        assert_eq!((change.before[3], change.after[3]), (1_000_000.0, 600_000.0));
        assert_eq!(book.exposure_with(&order("a", Side::Sell, 5_001)).err(), Some("order_size"));
    }

    #[test]
    fn accounts_are_bounded() {
        let mut book = Book::new(1);
        book.apply(&order("a", Side::Buy, 100));
        assert_eq!(book.exposure_with(&order("b", Side::Buy, 100)).err(), Some("invalid"));
    }

    #[test]
    fn the_ledger_has_the_last_word() {
        let mut book = Book::new(4);
        book.apply(&order("a", Side::Buy, 5_000));
        book.replace(&[PositionView {
            account: "a".into(),
            symbol: "HELM".into(),
            quantity: 100,
            average_price: 99.0,
            realized: 0.0,
        }]);
        assert_eq!(book.exposure_with(&order("a", Side::Buy, 100)).unwrap().before[3], 10_000.0);
    }
}
