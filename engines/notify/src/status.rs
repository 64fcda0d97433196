//! How destinations do, as others see it.

use std::sync::Arc;

use quarterdeck_kernel::Timestamp;
use quarterdeck_resilience::breaker::View;
use tokio::time::Instant;

use crate::line::Line;

/// How a destination does.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationStatus {
    /// Its name.
    pub destination: Arc<str>,
    /// Attempts that have no outcome yet, those under way included.
    pub waiting: usize,
    /// Tries that are under way.
    pub running: usize,
    /// Attempts that were delivered, since the console started.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Tries that failed.
    pub failed_tries: u64,
    /// Attempts that were refused because too many waited.
    pub refused: u64,
    /// When the last one was delivered.
    pub last_delivered: Option<Timestamp>,
    /// When and why the last try failed, if none has succeeded since.
    pub last_failure: Option<(Timestamp, String)>,
    /// Its circuit breaker. It holds nothing back; its times are on a clock of its own.
    pub breaker: View,
    /// Since when the breaker is not closed.
    pub down_since: Option<Timestamp>,
}

impl DestinationStatus {
    pub(crate) fn of(name: &Arc<str>, line: &Line) -> Self {
        let figures = line.figures(|f| f.clone());
        let (breaker, down_since) = line.breaker(Instant::now());
        Self {
            destination: Arc::clone(name),
            waiting: figures.waiting,
            running: line.running(),
            delivered: figures.delivered,
            failed: figures.failed,
            failed_tries: figures.retries,
            refused: figures.refused,
            last_delivered: figures.last_delivered,
            last_failure: figures.last_failure,
            breaker,
            down_since,
        }
    }
}
