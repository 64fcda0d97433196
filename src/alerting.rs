//! Alerting in this program: what its configuration files become, how it is run, what its API is served from.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use quarterdeck_alerting::api::{Facts, Source};
use quarterdeck_alerting::{Dispatch, Handle, Ready, Setting};
use quarterdeck_kernel::{Clock, Diagnostic, Timestamp};
use quarterdeck_notify::{Bell, Ring};
use quarterdeck_oncall::Roster;
use tokio::sync::watch;

use crate::config::{Config, Loaded};
use crate::live::Live;

/// What alerting and on-call work by, read whole.
#[derive(Clone, Debug)]
pub struct Alerting {
    /// Routes, receivers, options, templates.
    pub ready: Ready,
    /// Persons, schedules, policies.
    pub roster: Arc<Roster>,
    /// Hosts that may be notified although they are link-local.
    pub allow_hosts: Vec<String>,
}

/// A mistake with the path of the setting, or, without one, with its own place in another file.
type Mistake = (Option<String>, Diagnostic);

impl Alerting {
    /// Reads what `[alerting]` and `[oncall]` name. `file` is the command line's `alertmanager.yml`. Blocks.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read(config: &Config, file: Option<&Path>, base: &Path) -> Result<Self, Vec<Mistake>> {
        let mut wrong: Vec<Mistake> = Vec::new();
        let ready = config.alerting.ready(file, base).map_err(|found| {
            wrong.extend(found.into_iter().map(|(at, d)| (at.map(|at| format!("alerting.{at}")), d)));
        });
        let roster = Roster::new(&config.oncall)
            .map_err(|found| wrong.extend(found.into_iter().map(|(at, d)| (Some(at), d))));
        match (ready, roster) {
            (Ok(ready), Ok(roster)) => {
                let receivers = ready.receivers.iter().map(ToString::to_string).collect();
                let channels =
                    quarterdeck_oncall::config::validate::check_channels(&config.oncall, &receivers);
                if channels.is_empty() {
                    let allow_hosts = config.alerting.allow_hosts.clone();
                    return Ok(Self { ready, roster: Arc::new(roster), allow_hosts });
                }
                Err(channels.into_iter().map(|(at, d)| (Some(at), d)).collect())
            }
            _ => Err(wrong),
        }
    }

    /// As the engine takes it.
    pub fn setting(&self) -> Setting {
        Setting {
            plan: Arc::clone(&self.ready.plan),
            options: self.ready.options.clone(),
            roster: Arc::clone(&self.roster),
        }
    }

    /// Files that were read for it.
    pub fn files(&self) -> Vec<PathBuf> {
        self.ready.files.clone()
    }
}

/// What receivers of the kind `bell` ring: every screen that listens.
#[derive(Clone)]
pub struct Rings(tokio::sync::broadcast::Sender<Ring>);

impl Default for Rings {
    fn default() -> Self {
        // A screen that is so far behind has rung enough.
        Self(tokio::sync::broadcast::channel(16).0)
    }
}

impl Rings {
    /// Hears every ring from now on.
    pub fn hear(&self) -> tokio::sync::broadcast::Receiver<Ring> {
        self.0.subscribe()
    }

    /// As deliveries ring it.
    pub fn bell(&self) -> Bell {
        let this = self.clone();
        // Without a screen nobody hears it, and the notification has failed.
        Arc::new(move |ring| this.0.send(ring).is_ok())
    }
}

/// The deliverer of the present run, to be told of a new configuration.
pub(crate) type Deliverer = Arc<RwLock<Option<Arc<Dispatch>>>>;

/// What alerts of rules carry beyond their own: external labels, and where people find their expression.
pub(crate) fn bearings(loaded: &Loaded) -> quarterdeck_alerting::feed::Bearings {
    let own = &*loaded.alerting.ready.external_url;
    quarterdeck_alerting::feed::Bearings {
        external_url: if own.is_empty() { loaded.rules.external_url.clone() } else { own.to_owned() },
        external_labels: loaded.rules.external_labels.clone(),
    }
}

/// What Alertmanager's API is served from.
pub(crate) struct Served {
    /// Running alerting.
    pub handle: Live<Handle>,
    /// The configuration in force.
    pub loaded: watch::Receiver<Arc<Loaded>>,
    /// When the console started.
    pub started: Timestamp,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Source for Served {
    fn handle(&self) -> Result<Handle, String> {
        self.handle.get().map_err(|reason| reason.0)
    }

    fn facts(&self) -> Facts {
        let loaded = self.loaded.borrow();
        Facts {
            original: Arc::clone(&loaded.alerting.ready.original),
            receivers: Arc::clone(&loaded.alerting.ready.receivers),
            started: self.started,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    fn read_only(&self) -> bool {
        self.loaded.borrow().config.read_only
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
