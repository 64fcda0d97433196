//! Alerts from first firing to resolved: grouping, inhibition, silences, acknowledgement, escalation, notification.
//!
//! [`model`] is what the engine talks about; [`engine`] is the pure state machine. It works as Alertmanager does, and
//! adds what people miss there: acknowledgement, silences that recur or end with the last alert, maintenance windows,
//! dead-man's switches, histories, explanations. It promises: what was told as saved is never lost, whatever dies; a
//! notification is written down before it is sent, and one whose outcome is known is never sent again.

pub mod actions;
pub mod api;
pub mod config;
pub mod deliver;
pub mod desk;
pub mod engine;
pub mod feed;
pub mod model;
pub mod request;
pub mod store;
pub mod task;
pub mod told;
pub mod whatchanged;

pub use config::{AlertingConfig, Ready};
pub use deliver::Dispatch;
pub use desk::{Desk, Done, Job, OverJob, PageJob};
pub use engine::{Effects, Engine, Options, Plan};
pub use model::{Alert, AlertState, Group, Record, Silence, Snapshot};
pub use quarterdeck_journal::lease::Console;
pub use quarterdeck_notify::DestinationStatus;
pub use request::{Answer, Ask, Refused, Request};
pub use store::MIGRATIONS;
pub use task::{Deliver, Handle, Role, Runner, Setting, Unsaved, View};
