//! What the house itself has at stake: whether it takes orders at all, and what it earns and loses by them.

use std::sync::atomic::{AtomicBool, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::shell::metrics::FloatGauge;
use crate::wire::Fill;

/// What the house charges for a share traded, dollars.
const COMMISSION: f64 = 0.005;
/// What a trade that could not be booked costs it: it takes the trade over and gets rid of it at a worse price.
const ERROR_COST: f64 = 0.001;
/// What the house owns when it opens, dollars.
const EQUITY: f64 = 250_000.0;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabel {
    cache: &'static str,
}

/// The latest quotes that the service keeps, as metrics name them.
const QUOTES: CacheLabel = CacheLabel { cache: "quotes" };

/// The house.
pub(super) struct House {
    stopped: AtomicBool,
    kill_switch: Gauge,
    profit: FloatGauge,
    hits: Family<CacheLabel, Counter>,
    misses: Family<CacheLabel, Counter>,
}

impl House {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let house = Self {
            stopped: AtomicBool::new(false),
            kill_switch: Gauge::default(),
            profit: FloatGauge::default(),
            hits: Family::default(),
            misses: Family::default(),
        };
        let equity = FloatGauge::default();
        equity.set(EQUITY);
        house.hits.get_or_create(&QUOTES).inc_by(0);
        house.misses.get_or_create(&QUOTES).inc_by(0);
        registry.register(
            "trading_kill_switch_active",
            "Whether no order is taken",
            house.kill_switch.clone(),
        );
        registry.register(
            "trading_pnl_dollars",
            "What the house has made since it opened",
            house.profit.clone(),
        );
        registry.register("trading_equity_dollars", "What the house owned when it opened", equity);
        registry.register("cache_hits", "Look-ups that found something", house.hits.clone());
        registry.register("cache_misses", "Look-ups that found nothing", house.misses.clone());
        house
    }

    /// Takes orders, or takes none.
    pub(super) fn stop(&self, stopped: bool) {
        self.stopped.store(stopped, Ordering::Relaxed);
        self.kill_switch.set(i64::from(stopped));
    }

    /// Whether no order is taken.
    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Counts a look-up of a quote.
    pub(super) fn looked_up(&self, found: bool) {
        let family = if found { &self.hits } else { &self.misses };
        family.get_or_create(&QUOTES).inc();
    }

    /// Counts what an order brought: its commission, or, when its trades could not be booked, what they cost.
    pub(super) fn traded(&self, fills: &[Fill], booked: bool) {
        let shares: i64 = fills.iter().map(|fill| fill.quantity).sum();
        let value: f64 = fills.iter().map(|fill| fill.price * fill.quantity as f64).sum();
        self.profit.inc_by(if booked { COMMISSION * shares as f64 } else { -ERROR_COST * value });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booked_trades_earn_and_others_cost() {
        let house = House::new(&mut Registry::default());
        let fills = [Fill { quantity: 200, price: 50.0 }, Fill { quantity: 100, price: 51.0 }];
        house.traded(&fills, true);
        assert!((house.profit.get() - 1.5).abs() < 1e-9, "{}", house.profit.get());
        house.traded(&fills, false);
        assert!((house.profit.get() - (1.5 - 15.1)).abs() < 1e-9, "{}", house.profit.get());
    }
}
