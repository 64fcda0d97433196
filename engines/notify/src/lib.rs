//! Deliveries: webhook, Slack, PagerDuty, email, command, log file, bell, each with its own queue.
//!
//! A [`Notifier`] takes an [`Attempt`] and reports its [`Outcome`] through a channel. Every destination has a queue and
//! a worker of its own, so that one that hangs delays no other; within one, what is about one group is delivered in
//! order. What may succeed later is tried again with growing pauses until the attempt's deadline; what was refused for
//! good is not.
//!
//! Texts are rendered with Alertmanager's templates, away from the runtime and within bounds. Requests do not follow
//! redirects, never reach a link-local or metadata address that is not allowed by name, and read a bounded part of an
//! answer. Secrets in files are read for each try.

mod backoff;
mod client;
mod command;
mod config;
mod deliver;
mod failure;
mod files;
mod guard;
mod log_file;
mod model;
mod notifier;
mod oauth;
mod payload;
mod render;
mod secret;
mod smtp;
mod tls;
mod worker;

pub use config::{Command, LogFile, Settings};
pub use files::load_templates;
pub use model::{
    Action, Attempt, Channel, Deliverability, Notification, NotifiedAlert, Outcome, Report, Ring,
    channel_name, deliverability,
};
pub use notifier::{Bell, DestinationStatus, Notifier, Refused};
pub use quarterdeck_templates::notification::Templates;
