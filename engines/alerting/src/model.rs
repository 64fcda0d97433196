//! What the engine talks about: alerts, groups, silences, notifications, and what it writes down.
//!
//! Plain data, all of it cheap to share: an `Arc` of it is what panes, the API and the store see.

mod alert;
mod attempt;
mod fact;
mod group;
mod members;
mod pages;
mod record;
mod silence;
mod snapshot;
mod stats;

pub use alert::{
    Ack, Alert, AlertState, Cause, Detail, MAX_HISTORY, OperatorResolve, OperatorState, PostedAlert,
    Transition,
};
pub use attempt::{
    Attempt, AttemptAction, AttemptId, AttemptRecord, Notified, NotifyReason, Outcome, OutcomeRecord, Sent,
};
pub use fact::{Fact, FactKind};
pub use group::{Group, IntegrationState, LogEntry, Muted};
pub use members::Members;
pub use pages::{Pages, PagesIter};
pub use record::{AlertRecord, Beat, GroupRecord, LogRecord, Record, RecordKind};
pub(crate) use silence::Compiled;
pub use silence::{
    Cron, CronError, Schedule, Silence, SilenceDraft, SilenceError, SilenceId, SilenceKind, SilenceState,
    Span,
};
pub use snapshot::Snapshot;
pub use stats::{RuleStats, Stats, Totals};
