use crate::market::symbols::Symbol;
use crate::wire::{Execution, ExecutionStatus, Fill, Side, Ticks, to_dollars};

/// Price levels that the venue shows.
const LEVELS: i64 = 8;
/// One order in this many is refused by the venue.
const REFUSAL_ODDS: u64 = 350;

/// An order as the venue sees it. Prices in ticks.
pub(crate) struct Order {
    pub(crate) symbol: &'static Symbol,
    pub(crate) side: Side,
    pub(crate) quantity: i64,
    pub(crate) limit: Ticks,
    pub(crate) bid: Ticks,
    pub(crate) ask: Ticks,
}

impl Order {
    /// The best price on the other side.
    pub(crate) fn touch(&self) -> Ticks {
        match self.side {
            Side::Buy => self.ask,
            Side::Sell => self.bid,
        }
    }
}

/// Walks the book from its best price to the order's limit. The same order in the same market always ends the same.
pub(crate) fn execute(order: &Order, id: &str) -> Execution {
    if hash(id.as_bytes(), 0).is_multiple_of(REFUSAL_ODDS) {
        let status = ExecutionStatus::Rejected;
        return Execution { status, reason: "venue_reject".into(), fills: Vec::new() };
    }
    let mut left = order.quantity;
    let mut fills = Vec::new();
    for level in 0..LEVELS {
        let price = order.touch() + order.side.signed(level);
        let beyond = order.side.signed(price) > order.side.signed(order.limit);
        if left == 0 || beyond || price <= 0 {
            break;
        }
        let quantity = offered(order.symbol, price).min(left);
        left -= quantity;
        fills.push(Fill { quantity, price: to_dollars(price) });
    }
    let (status, reason) = if fills.is_empty() {
        (ExecutionStatus::Unfilled, "beyond_limit")
    } else if left > 0 {
        (ExecutionStatus::PartiallyFilled, "none")
    } else {
        (ExecutionStatus::Filled, "none")
    };
    Execution { status, reason: reason.into(), fills }
}

/// Shares on offer at a price: between half and one and a half of the usual depth, in hundreds.
fn offered(symbol: &Symbol, price: Ticks) -> i64 {
    let spread = symbol.depth / 100;
    let drawn = hash(symbol.name.as_bytes(), price.unsigned_abs()) % (spread.unsigned_abs() + 1);
    100 * (spread / 2 + drawn as i64).max(1)
}

/// FNV-1a with a final mix, so that near inputs end far apart.
fn hash(bytes: &[u8], salt: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let folded =
        bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (folded ^ (folded >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::market::symbols::find;

    fn order(side: Side, quantity: i64, limit: Ticks) -> Order {
        Order { symbol: find("HELM").unwrap(), side, quantity, limit, bid: 9_900, ask: 9_902 }
    }

    /// An id that the venue does not refuse.
    const ID: &str = "v1-1";

    #[test]
    fn walks_the_book_to_its_limit() {
        let buy = execute(&order(Side::Buy, 3_000, 9_910), ID);
        assert!(buy.fills.len() > 1, "{buy:?}");
        assert!(buy.fills.is_sorted_by(|a, b| a.price < b.price), "{buy:?}");
        assert!(buy.fills.iter().all(|fill| fill.price <= 99.10 && fill.quantity > 0), "{buy:?}");
        let sell = execute(&order(Side::Sell, 3_000, 9_890), ID);
        assert!(sell.fills.is_sorted_by(|a, b| a.price > b.price), "{sell:?}");
        assert!(sell.fills.iter().all(|fill| fill.price >= 98.90), "{sell:?}");
    }

    #[test]
    fn what_trades_never_exceeds_what_was_asked() {
        for quantity in [1, 99, 100, 1_000, 50_000] {
            let execution = execute(&order(Side::Buy, quantity, 10_900), ID);
            let traded: i64 = execution.fills.iter().map(|fill| fill.quantity).sum();
            assert!(traded <= quantity, "{quantity}: {execution:?}");
            assert_eq!(traded == quantity, execution.status == ExecutionStatus::Filled, "{execution:?}");
        }
        assert_eq!(execute(&order(Side::Buy, 50_000, 10_900), ID).status, ExecutionStatus::PartiallyFilled);
    }

    #[test]
    fn nothing_trades_beyond_the_limit() {
        assert_eq!(execute(&order(Side::Buy, 100, 9_901), ID).status, ExecutionStatus::Unfilled);
        assert_eq!(execute(&order(Side::Sell, 100, 9_901), ID).status, ExecutionStatus::Unfilled);
    }

    #[test]
    fn the_venue_refuses_a_few() {
        let refused = (0..35_000)
            .filter(|number| {
                let execution = execute(&order(Side::Buy, 100, 9_910), &format!("v1-00c0ffee-{number}"));
                execution.status == ExecutionStatus::Rejected
            })
            .count();
        assert!((60..150).contains(&refused), "{refused} of 35 000");
    }
}
