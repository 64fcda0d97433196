//! What the rest of the console holds of the services engine.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use quarterdeck_kernel::{Diagnostic, Invocation, Reason, Timestamp};
use tokio::sync::{Notify, watch};

use crate::catalogue::Plan;
use crate::config::{Catalogue, SignalsConfig, validate};
use crate::core::Core;
use crate::history::{heatmap, series};
use crate::model::{Heatmap, SignalSeries, Snapshot};
use crate::overrides::{LimitChange, Overrides};
use crate::source::Source;

/// What handle and engine share.
pub(crate) struct Shared {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) plan: RwLock<Arc<Plan>>,
    pub(crate) overrides: Mutex<Overrides>,
    /// Something has changed that the next evaluation should show at once.
    pub(crate) changed: Notify,
}

/// Shows the services and sets their limits. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Handle {
    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Snapshots as they are published.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Evaluates now instead of at the next interval, as after new data.
    pub fn nudge(&self) {
        self.shared.changed.notify_one();
    }

    /// All services as they were at a time, from the metrics that are kept. Blocking: takes as long as its queries.
    #[must_use]
    pub fn at(&self, moment: Timestamp) -> Snapshot {
        let plan = Arc::clone(&self.shared.plan.read());
        let overrides = self.shared.overrides.lock().clone();
        Core::new(plan).evaluate(&*self.shared.source, &overrides, moment)
    }

    /// Signals of a service, or of one of its transactions, over time. Blocking.
    ///
    /// # Errors
    /// When there is no such service, the range is not one, or a query fails.
    pub fn series(
        &self,
        service: &str,
        transaction: Option<&str>,
        from: Timestamp,
        to: Timestamp,
        columns: usize,
    ) -> Result<SignalSeries, Reason> {
        let plan = Arc::clone(&self.shared.plan.read());
        let overrides = self.shared.overrides.lock().clone();
        series(&plan, &*self.shared.source, &overrides, (service, transaction), (from, to, columns))
    }

    /// How many requests of a service, or of one of its transactions, took how long over time. Blocking.
    ///
    /// # Errors
    /// As [`Handle::series`].
    pub fn heatmap(
        &self,
        service: &str,
        transaction: Option<&str>,
        from: Timestamp,
        to: Timestamp,
        columns: usize,
    ) -> Result<Heatmap, Reason> {
        let plan = Arc::clone(&self.shared.plan.read());
        heatmap(&plan, &*self.shared.source, (service, transaction), (from, to, columns))
    }

    /// What an invocation of `services.limit` would change: the row to store and the invocation that undoes it.
    /// Nothing is changed; when the row is durable, call [`Handle::apply`].
    ///
    /// # Errors
    /// When subject or arguments do not make sense, or the limit is not what the invocation expects to find.
    pub fn plan_limit(&self, invocation: &Invocation) -> Result<LimitChange, Reason> {
        let plan = Arc::clone(&self.shared.plan.read());
        self.shared.overrides.lock().plan(&plan, &self.snapshot(), invocation)
    }

    /// Takes a stored row into account: a limit set at run time, or taken back when the value is none.
    pub fn apply(&self, key: &str, value: Option<&str>) {
        self.shared.overrides.lock().set(key, value);
        self.shared.changed.notify_one();
    }

    /// Takes another configuration. Histories of services that stay are kept.
    ///
    /// # Errors
    /// Every mistake of the configuration; then nothing has changed.
    pub fn reload(
        &self,
        catalogue: Catalogue,
        signals: SignalsConfig,
    ) -> Result<(), Vec<(String, Diagnostic)>> {
        let wrong = validate::validate(&catalogue, &signals);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        *self.shared.plan.write() = Arc::new(Plan::new(catalogue, signals));
        self.shared.changed.notify_one();
        Ok(())
    }
}
