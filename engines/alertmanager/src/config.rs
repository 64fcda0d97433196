//! `alertmanager.yml`, unmodified.

mod http;
mod receiver;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Diagnostic;

use crate::inhibit::InhibitRule;
use crate::interval::TimeIntervals;
use crate::route::Routes;

pub use http::{Authorization, BasicAuth, Header, HttpClient, OAuth2, Tls, TlsVersion};
pub use receiver::{
    Email, Integration, PagerDuty, PagerDutyImage, PagerDutyLink, Receiver, ReceiverKind, SecretSource,
    Settings, Slack, SlackAction, SlackConfirmation, SlackField, Webhook,
};

/// A configuration that is lawful, with everything inherited that is.
#[derive(Clone, Debug)]
pub struct Config {
    /// The path, as it was named.
    pub path: Arc<str>,
    /// How long after its last post an alert without an end counts as resolved.
    pub resolve_timeout: Duration,
    /// The routing tree.
    pub routes: Arc<Routes>,
    /// The receivers, in order, names unique.
    pub receivers: Vec<Arc<Receiver>>,
    /// The inhibition rules, in order.
    pub inhibit_rules: Arc<[InhibitRule]>,
    /// The time intervals, of both lists, names unique.
    pub time_intervals: Arc<TimeIntervals>,
    /// Template files, as globs, relative ones joined to the file's folder.
    pub templates: Vec<PathBuf>,
    /// The file as YAML with every secret shown as `<secret>`: Alertmanager's `config.original`.
    pub original: Arc<str>,
    /// What is lawful but looks unintended, and receivers that are not delivered by this version.
    pub notes: Vec<Diagnostic>,
}

impl Config {
    /// The receiver of a name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Arc<Receiver>> {
        self.receivers.iter().find(|receiver| &*receiver.name == name)
    }
}
