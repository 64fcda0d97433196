//! Recording and alerting rules, from unmodified rule files, as Prometheus 3.5 evaluates them.
//!
//! [`file`] reads rule files and tells every mistake with its place; [`template`] expands the templates of labels and
//! annotations; [`engine`] is the pure state machine of one group; [`task`] runs groups over a store and publishes
//! [`Snapshot`]s; [`unittest`] runs promtool's unit-test files in simulated time; [`api`] answers `/api/v1/rules` and
//! `/api/v1/alerts`. The engine promises: rules of a group see each other's output of the same evaluation, a series
//! that a rule no longer yields ends at once, and how long an alert has been pending survives a restart.

pub mod api;
pub mod config;
pub mod engine;
pub mod file;
pub mod model;
pub mod task;
pub mod template;
pub mod unittest;

pub use config::{Plan, RulesConfig};
pub use file::{RuleFile, RuleGroup, RuleKind, RuleSpec};
pub use model::{AlertState, AlertView, GroupView, RuleHealth, RuleView, Snapshot};
pub use task::{Engine, Handle, Stopped};
