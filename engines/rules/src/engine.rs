//! The state machine of one group: `(state, data, time) → samples`. No clock and no I/O of its own; data come from and
//! go to a [`Backend`].

mod alert;
mod group;
mod restore;
mod schedule;
#[cfg(test)]
mod tests;

use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::{PointValue, Value, VectorSample};

pub use alert::Alert;
pub use group::{Context, Group, Rule};
pub use restore::{FOR_GRACE, OUTAGE_TOLERANCE};
pub use schedule::Schedule;

/// How long a resolved alert is remembered.
pub const RESOLVED_RETENTION: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// The metric of pending and firing alerts.
pub const ALERTS: &str = "ALERTS";
/// The metric that tells since when an alert's expression has held, in seconds since 1970.
pub const ALERTS_FOR_STATE: &str = "ALERTS_FOR_STATE";
/// The label with an alert's name.
pub const ALERT_NAME: &str = "alertname";
/// The label with an alert's state.
pub const ALERT_STATE: &str = "alertstate";

/// A sample that a rule yields.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series.
    pub labels: Labels,
    /// When.
    pub t: Timestamp,
    /// What.
    pub v: PointValue,
}

/// Where a group's data come from and go to. What is written is seen by the queries that follow.
pub trait Backend {
    /// Evaluates an expression at one moment.
    ///
    /// # Errors
    /// Why it failed, in words.
    fn query(&self, query: &Query<'_>, at: Timestamp) -> Result<Value, String>;

    /// Takes samples.
    ///
    /// # Errors
    /// Why not all were taken, in words.
    fn write(&self, samples: &[Sample]) -> Result<(), String>;

    /// The newest sample of each series of a metric and alert between two moments.
    ///
    /// # Errors
    /// Why it failed, in words.
    fn for_state(
        &self,
        alert: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Labels, quarterdeck_kernel::Sample)>, String>;
}

/// What is asked of a [`Backend`].
#[derive(Clone, Copy, Debug)]
pub enum Query<'a> {
    /// A rule's expression.
    Expr(&'a quarterdeck_promql::Expr),
    /// What a template asks.
    Text(&'a str),
}

/// A vector or scalar as the vector that rules work on.
fn as_vector(value: Value) -> Result<Vec<VectorSample>, String> {
    match value {
        Value::Vector(vector) => Ok(vector),
        Value::Scalar { t, v } => Ok(vec![VectorSample {
            labels: Labels::default(),
            point: quarterdeck_promql::Point { t, v: PointValue::Float(v) },
        }]),
        Value::String { .. } | Value::Matrix(_) => Err("rule result is not a vector or scalar".to_owned()),
    }
}
