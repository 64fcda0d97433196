//! Deliveries: webhook, Slack, PagerDuty, email, command, log file, bell, each with its own queue.
//!
//! A [`Notifier`] takes an [`Attempt`] and reports its [`Outcome`] through a channel. Every destination has a queue and
//! a worker of its own, so that one that hangs delays no other; within one, what is about one group is delivered in
//! order. What may succeed later is tried again with growing pauses until the attempt's deadline; what was refused for
//! good is not. A circuit breaker for each destination tells whether it takes what it is told, and when it does again: it makes
//! no notification later, but those that pause or hang then go at once.
//!
//! Texts are rendered with Alertmanager's templates, away from the runtime and within bounds. Requests do not follow
//! redirects, never reach a link-local or metadata address that is not allowed by name, and read a bounded part of an
//! answer. Secrets in files are read for each try.

mod circuit;
mod client;
mod command;
mod config;
mod deliver;
mod failure;
mod files;
mod guard;
mod line;
mod log_file;
mod model;
mod notifier;
mod oauth;
mod one_try;
mod payload;
mod render;
mod schedule;
mod secret;
mod smtp;
mod status;
mod tls;
mod worker;

pub use config::{Command, LogFile, Settings};
pub use files::load_templates;
pub use model::{
    Action, Attempt, Channel, Deliverability, Notification, NotifiedAlert, Outcome, Report, Ring,
    channel_name, deliverability,
};
pub use notifier::{Bell, Notifier, Refused};
pub use quarterdeck_templates::notification::Templates;
pub use status::DestinationStatus;
