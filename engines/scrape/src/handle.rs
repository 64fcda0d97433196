//! The handle by which the rest of the console speaks with this engine.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::Plan;
use crate::model::Snapshot;

/// Why a request to the engine was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// There is no such target.
    #[error("no target {instance:?} in job {job:?} is being scraped")]
    NoTarget {
        /// Job asked for.
        job: String,
        /// Instance asked for.
        instance: String,
    },
    /// The engine has stopped.
    #[error("scraping has stopped")]
    Stopped,
}

/// What the handle asks of the engine's task.
#[derive(Debug)]
pub(crate) enum Request {
    Retry { job: String, instance: String, answer: oneshot::Sender<Result<(), HandleError>> },
    Reload { plan: Box<Plan>, answer: oneshot::Sender<()> },
    Shutdown { answer: oneshot::Sender<()> },
}

/// A running scrape engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Handle {
    /// Follows the engine's state. Clone the `Arc` out of `borrow()` at once: while its guard is held, the engine waits
    /// to publish.
    #[must_use]
    pub fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Scrapes a target at once. Returns as soon as the scrape is under way.
    ///
    /// # Errors
    /// When there is no such target or the engine has stopped.
    pub async fn retry(&self, job: &str, instance: &str) -> Result<(), HandleError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Retry { job: job.to_owned(), instance: instance.to_owned(), answer };
        self.requests.send(request).await.map_err(|_| HandleError::Stopped)?;
        answered.await.map_err(|_| HandleError::Stopped)?
    }

    /// Runs another plan from now on. Targets that are the same in both keep their rhythm, series and state.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn reload(&self, plan: Plan) -> Result<(), HandleError> {
        let (answer, answered) = oneshot::channel();
        let request = Request::Reload { plan: Box::new(plan), answer };
        self.requests.send(request).await.map_err(|_| HandleError::Stopped)?;
        answered.await.map_err(|_| HandleError::Stopped)
    }

    /// Ends every scrape and waits until all has ended. Series are left as they are: a console that starts again
    /// soon goes on with them, as Prometheus does.
    pub async fn shutdown(&self) {
        let (answer, answered) = oneshot::channel();
        if self.requests.send(Request::Shutdown { answer }).await.is_ok() {
            let _ = answered.await;
        }
    }
}
