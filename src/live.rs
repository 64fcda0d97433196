//! Handles of engines that may be started again.

use std::sync::Arc;

use parking_lot::RwLock;
use quarterdeck_kernel::Reason;

/// The handle of an engine's newest run, if it runs. Whoever acts on the engine asks for it each time: after a failure the
/// engine is started again with a new one.
pub struct Live<T> {
    engine: &'static str,
    handle: Arc<RwLock<Option<T>>>,
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self { engine: self.engine, handle: Arc::clone(&self.handle) }
    }
}

impl<T: Clone> Live<T> {
    /// No handle yet.
    pub fn new(engine: &'static str) -> Self {
        Self { engine, handle: Arc::default() }
    }

    /// The engine runs, and this is its handle.
    pub fn set(&self, handle: T) {
        *self.handle.write() = Some(handle);
    }

    /// The handle.
    ///
    /// # Errors
    /// In words for the operator, when the engine does not run.
    pub fn get(&self) -> Result<T, Reason> {
        let handle = self.handle.read().clone();
        handle.ok_or_else(|| Reason(format!("the {} engine is not running yet", self.engine)))
    }
}
