//! The panes: what is shown, which actions are offered.
//!
//! One module per pane, each a pure function of the [`world::World`] that it is given: no I/O, no clock, no policy. Modules do not use each
//! other; what two of them share belongs in `quarterdeck-ui`, or, where it speaks of engines, in a module of its own here.

pub mod alarms;
mod alert_words;
pub mod alerts;
pub mod charted;
mod delivery;
pub mod deployments;
mod dialogs;
mod form;
pub mod gateway;
mod hides;
pub mod itself;
mod ladder;
mod lines;
mod lists;
pub mod metrics;
pub mod oncall;
pub mod overview;
pub mod services;
mod signals;
mod split;
mod standing;
mod steps;
pub mod streams;
pub mod targets;
pub mod timeline;
mod trouble;
mod undo;
mod unit;
pub mod world;

use quarterdeck_ui::Pane;
pub use world::World;

/// Ids of every pane, in the order of the tab line. The first nine have the digits; the rest stand behind them.
pub const PANES: [&str; 11] = [
    "overview",
    "services",
    "alerts",
    "oncall",
    "metrics",
    "streams",
    "targets",
    "timeline",
    "self",
    "gateway",
    "deployments",
];

/// Every pane, in the order of the tab line.
#[must_use]
pub fn all() -> Vec<Box<dyn Pane<World>>> {
    vec![
        Box::new(overview::Overview::new()),
        Box::new(services::Services::new()),
        Box::new(alerts::Alerts::new()),
        Box::new(oncall::Oncall::new()),
        Box::new(metrics::Metrics::new()),
        Box::new(streams::Streams::new()),
        Box::new(targets::Targets::new()),
        Box::new(timeline::Timeline::new()),
        Box::new(itself::Itself::new()),
        Box::new(gateway::Gateway::new()),
        Box::new(deployments::Deployments::new()),
    ]
}
