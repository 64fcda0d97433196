use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::wire::OrderView;

/// Orders that can be asked for; older ones are in the ledger.
const KEPT: usize = 10_000;

/// The latest orders, and the names of new ones.
pub(super) struct Recent {
    prefix: String,
    count: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_id: HashMap<String, OrderView>,
    ages: VecDeque<String>,
}

impl Recent {
    pub(super) fn new(version: &str) -> Self {
        // Names stay unique across restarts of the service, so that the ledger never takes two orders for one.
        let run: u32 = rand::random();
        Self { prefix: format!("{version}-{run:08x}"), count: AtomicU64::new(0), kept: Mutex::default() }
    }

    pub(super) fn next_id(&self) -> String {
        format!("{}-{}", self.prefix, self.count.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn keep(&self, view: OrderView) {
        let mut kept = self.kept.lock();
        kept.ages.push_back(view.id.clone());
        kept.by_id.insert(view.id.clone(), view);
        if kept.ages.len() > KEPT
            && let Some(oldest) = kept.ages.pop_front()
        {
            kept.by_id.remove(&oldest);
        }
    }

    pub(super) fn get(&self, id: &str) -> Option<OrderView> {
        self.kept.lock().by_id.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{OrderRequest, OrderStatus, Side};

    #[test]
    fn keeps_the_latest_only() {
        let recent = Recent::new("v1");
        let request = OrderRequest {
            client_order_id: "c".into(),
            account: "a".into(),
            symbol: "HELM".into(),
            side: Side::Buy,
            quantity: 100,
            limit: 1.0,
        };
        let ids: Vec<String> = (0..=KEPT).map(|_| recent.next_id()).collect();
        for id in &ids {
            recent.keep(OrderView {
                id: id.clone(),
                version: "v1".into(),
                request: request.clone(),
                status: OrderStatus::Filled,
                reason: "none".into(),
                filled: 100,
                average_price: Some(1.0),
            });
        }
        assert_eq!(recent.get(&ids[0]), None);
        assert!(recent.get(&ids[1]).is_some());
        assert_eq!(recent.kept.lock().by_id.len(), KEPT);
    }
}
