use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::shell::pool::{Full, Pool};

/// The line to the venue. Like the sessions of real venues, each of a few sessions takes one message per slot of
/// fixed length: an order holds a session for as many slots as it has messages, and others wait their turn.
pub(super) struct Venue {
    sessions: Arc<Pool>,
    slot: Duration,
    /// Bits of the factor by which slots are longer than usual.
    slowdown: AtomicU64,
}

impl Venue {
    pub(super) fn new(sessions: Arc<Pool>, slot: Duration) -> Self {
        Self { sessions, slot, slowdown: AtomicU64::new(1.0_f64.to_bits()) }
    }

    /// Sends `messages` one after the other over one session, when one is free.
    pub(super) async fn transmit(&self, messages: u32) -> Result<(), Full> {
        let _session = self.sessions.enter().await?;
        let mut free = Instant::now();
        for _ in 0..messages {
            free += self.slot.mul_f64(self.slowdown());
            sleep_until(free).await;
        }
        Ok(())
    }

    pub(super) fn slowdown(&self) -> f64 {
        f64::from_bits(self.slowdown.load(Ordering::Relaxed))
    }

    /// Takes effect with the next message.
    pub(super) fn set_slowdown(&self, factor: f64) {
        self.slowdown.store(factor.to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use tokio::time::sleep;

    use super::*;
    use crate::market::exponential;
    use crate::shell::pool::PoolMetrics;

    /// What an hour of orders saw.
    #[derive(Debug)]
    struct Seen {
        p50: Duration,
        p99: Duration,
        refused: usize,
        deepest: usize,
    }

    /// Orders come at `rate` per second, drawn from `seed`, for a simulated `seconds`.
    async fn load(seed: u64, rate: f64, slowdown: f64, seconds: u64) -> Seen {
        let sessions = Pool::new("sessions", 2, 128, &PoolMetrics::new(&mut Registry::default()));
        let venue = Arc::new(Venue::new(Arc::clone(&sessions), Duration::from_millis(6)));
        venue.set_slowdown(slowdown);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut orders = Vec::new();
        let mut deepest = 0;
        while Instant::now() < end {
            sleep(Duration::from_secs_f64(exponential(&mut rng, rate))).await;
            deepest = deepest.max(sessions.waiting());
            let (venue, messages) = (Arc::clone(&venue), rng.random_range(1..=4));
            orders.push(tokio::spawn(async move {
                let came = Instant::now();
                venue.transmit(messages).await.map(|()| came.elapsed())
            }));
        }
        let mut took = Vec::new();
        let mut refused = 0;
        for order in orders {
            match order.await.unwrap() {
                Ok(duration) => took.push(duration),
                Err(_) => refused += 1,
            }
        }
        took.sort();
        let quantile = |share: f64| took[(took.len() as f64 * share) as usize];
        Seen { p50: quantile(0.5), p99: quantile(0.99), refused, deepest }
    }

    #[tokio::test(start_paused = true)]
    async fn doubling_the_load_raises_p99() {
        for seed in [1, 2, 3] {
            let usual = load(seed, 50.0, 1.0, 120).await;
            let double = load(seed, 100.0, 1.0, 120).await;
            assert!(usual.refused == 0 && double.refused == 0, "seed {seed}: {usual:?} {double:?}");
            assert!(double.p99 > usual.p99.mul_f64(1.4), "seed {seed}: {usual:?} {double:?}");
            assert!(double.p50 > usual.p50, "seed {seed}: {usual:?} {double:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_venue_backs_orders_up_until_the_queue_is_full() {
        let usual = load(4, 50.0, 1.0, 60).await;
        assert!(usual.deepest < 15 && usual.refused == 0, "seed 4: {usual:?}");
        let slow = load(4, 50.0, 4.0, 60).await;
        assert_eq!(slow.deepest, 128, "seed 4: {slow:?}");
        assert!(slow.refused > 0, "seed 4: {slow:?}");
        assert!(slow.p50 > Duration::from_secs(1), "seed 4: {slow:?}");
    }
}
