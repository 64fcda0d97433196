use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::metrics::{DurationFamily, FloatCounter, duration_family};

/// The queue was full: the caller must be told to come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue of {pool} is full at {limit}")]
pub(crate) struct Full {
    /// Which pool.
    pub(crate) pool: &'static str,
    /// How many may wait.
    pub(crate) limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabel {
    pool: &'static str,
}

/// The metrics that all pools of a service share.
#[derive(Clone)]
pub(crate) struct PoolMetrics {
    workers: Family<PoolLabel, Gauge>,
    busy: Family<PoolLabel, Gauge>,
    worked: Family<PoolLabel, FloatCounter>,
    depth: Family<PoolLabel, Gauge>,
    capacity: Family<PoolLabel, Gauge>,
    refused: Family<PoolLabel, Counter>,
    waited: DurationFamily<PoolLabel>,
}

impl PoolMetrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            workers: Family::default(),
            busy: Family::default(),
            worked: Family::default(),
            depth: Family::default(),
            capacity: Family::default(),
            refused: Family::default(),
            waited: duration_family(),
        };
        registry.register("workers", "Workers of the pool", metrics.workers.clone());
        registry.register("workers_busy", "Workers that are working", metrics.busy.clone());
        // Busy workers at the moment of a scrape say little when work is short: utilisation is the rate of this.
        registry.register_with_unit(
            "worker_busy",
            "Time that workers worked, all together",
            Unit::Seconds,
            metrics.worked.clone(),
        );
        registry.register("queue_depth", "Work waiting for a worker", metrics.depth.clone());
        registry.register("queue_capacity", "Most work that may wait", metrics.capacity.clone());
        registry.register(
            "queue_refused",
            "Work refused because the queue was full",
            metrics.refused.clone(),
        );
        registry.register_with_unit(
            "queue_wait",
            "Time that work waited for a worker",
            Unit::Seconds,
            metrics.waited.clone(),
        );
        metrics
    }
}

/// A fixed number of workers before which a bounded number of requests may wait, first come, first served.
pub(crate) struct Pool {
    name: &'static str,
    workers: Arc<Semaphore>,
    waiting: AtomicUsize,
    limit: usize,
    busy: Gauge,
    worked: FloatCounter,
    depth: Gauge,
    refused: Counter,
    waited: Histogram,
}

impl Pool {
    pub(crate) fn new(name: &'static str, workers: usize, limit: usize, metrics: &PoolMetrics) -> Arc<Self> {
        let label = PoolLabel { pool: name };
        metrics.workers.get_or_create(&label).set(workers as i64);
        metrics.capacity.get_or_create(&label).set(limit as i64);
        Arc::new(Self {
            name,
            workers: Arc::new(Semaphore::new(workers)),
            waiting: AtomicUsize::new(0),
            limit,
            busy: metrics.busy.get_or_create_owned(&label),
            worked: metrics.worked.get_or_create_owned(&label),
            depth: metrics.depth.get_or_create_owned(&label),
            refused: metrics.refused.get_or_create_owned(&label),
            waited: metrics.waited.get_or_create_owned(&label),
        })
    }

    /// Waits for a worker; it is the caller's until the pass is dropped.
    pub(crate) async fn enter(self: &Arc<Self>) -> Result<Pass, Full> {
        let began = Instant::now();
        if let Ok(permit) = Arc::clone(&self.workers).try_acquire_owned() {
            return Ok(self.admit(permit, Duration::ZERO));
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.refused.inc();
            return Err(Full { pool: self.name, limit: self.limit });
        }
        self.depth.inc();
        let place = Place(self);
        let acquired = Arc::clone(&self.workers).acquire_owned().await;
        drop(place);
        match acquired {
            Ok(permit) => Ok(self.admit(permit, began.elapsed())),
            // The semaphore is never closed; if it were, refusing is the honest answer.
            Err(_) => Err(Full { pool: self.name, limit: self.limit }),
        }
    }

    /// Runs computing work on a worker's own thread. The worker stays busy until it ends, even if the caller left.
    pub(crate) async fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Full> {
        let pass = self.enter().await?;
        let run = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(pass);
            result
        });
        match run.await {
            Ok(result) => Ok(result),
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Full { pool: self.name, limit: self.limit }),
            },
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn admit(self: &Arc<Self>, permit: OwnedSemaphorePermit, waited: Duration) -> Pass {
        self.busy.inc();
        self.waited.observe(waited.as_secs_f64());
        Pass { pool: Arc::clone(self), since: Instant::now(), _permit: permit }
    }
}

/// A place in the queue, given back when the wait ends in any way.
struct Place<'a>(&'a Pool);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.depth.dec();
    }
}

/// A worker of a pool, held.
pub(crate) struct Pass {
    pool: Arc<Pool>,
    since: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.pool.busy.dec();
        self.pool.worked.inc_by(self.since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(workers: usize, limit: usize) -> Arc<Pool> {
        Pool::new("test", workers, limit, &PoolMetrics::new(&mut Registry::default()))
    }

    #[tokio::test]
    async fn refuses_beyond_the_queue_and_recovers() {
        let pool = pool(1, 1);
        let held = pool.enter().await.unwrap();
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.enter().await.map(drop) }
        });
        while pool.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.enter().await.err(), Some(Full { pool: "test", limit: 1 }));
        assert_eq!(pool.refused.get(), 1);
        drop(held);
        assert_eq!(waiting.await.unwrap(), Ok(()));
        assert_eq!(pool.busy.get(), 0);
        assert_eq!(pool.depth.get(), 0);
    }

    #[tokio::test]
    async fn a_waiter_that_leaves_gives_its_place_back() {
        let pool = pool(1, 1);
        let _held = pool.enter().await.unwrap();
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.enter().await.map(drop) }
        });
        while pool.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(pool.waiting(), 0);
        assert_eq!(pool.depth.get(), 0);
    }
}
