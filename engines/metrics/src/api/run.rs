//! Where queries run: on threads that may block, a few at a time, as long as somebody waits for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quarterdeck_promql::Budget;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ApiError;
use crate::config::QueryConfig;

/// Runs queries.
pub(super) struct Runner {
    places: Arc<Semaphore>,
    max_samples: u64,
    timeout: Duration,
}

/// Stops a query when the one who asked no longer waits.
struct StopOnDrop(Budget);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Runner {
    pub(super) fn new(config: &QueryConfig) -> Self {
        Self {
            places: Arc::new(Semaphore::new(config.concurrency.clamp(1, Semaphore::MAX_PERMITS))),
            max_samples: config.max_samples,
            timeout: config.timeout,
        }
    }

    /// Runs a query with a budget; waiting for a place counts against its time.
    pub(super) async fn query<T: Send + 'static>(
        &self,
        timeout: Option<Duration>,
        work: impl FnOnce(&Budget) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let timeout = timeout.map_or(self.timeout, |asked| asked.min(self.timeout));
        let budget = Budget::new(self.max_samples, Instant::now().checked_add(timeout));
        let place = self.place(timeout).await?;
        let _stop = StopOnDrop(budget.clone());
        self.blocking(move || {
            let result = work(&budget);
            drop(place);
            result
        })
        .await?
    }

    /// Waits for a place among those that run at once.
    pub(super) async fn place(&self, timeout: Duration) -> Result<OwnedSemaphorePermit, ApiError> {
        match tokio::time::timeout(timeout, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(ApiError::internal("the query runner is closed")),
            Err(_) => Err(ApiError::timeout("query timed out in query queue")),
        }
    }

    /// Runs anything that may block.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "a request panicked");
            ApiError::internal("this request failed inside the console; its log tells more")
        })
    }
}
