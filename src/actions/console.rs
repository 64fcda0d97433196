//! `console.reload`, `console.log-level`

use std::sync::Arc;

use quarterdeck_journal::dispatch::{BoxFuture, External, Reconciled, RegisterError};
use quarterdeck_journal::{Execute, Failure, How, Outcome, Registry};
use quarterdeck_kernel::{ActionSpec, Actor, ArgKind, ArgSpec, ChangeKind, Danger, Invocation};
use tracing::level_filters::LevelFilter;

use crate::logs::LevelSwitch;

/// Reads the configuration again.
pub trait Reload: Send + Sync {
    /// Validates the whole, swaps the whole, or keeps the old and says why. Writes its own timeline entry.
    fn reload<'a>(&'a self, actor: &'a Actor) -> BoxFuture<'a, Result<String, String>>;
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The console's own actions, as data.
pub(super) fn specs() -> [ActionSpec; 2] {
    [
        ActionSpec {
            id: "console.reload",
            title: "Reload configuration",
            description: "Reads the configuration again: all of it takes effect, or none and the old stays in force.",
            subject: None,
            args: Vec::new(),
            danger: Danger::Disruptive,
            inverse: None,
        },
        ActionSpec {
            id: "console.log-level",
            title: "Set log level",
            description: "Sets how much the console's own log tells, until it is set again or the console ends.",
            subject: None,
            args: vec![ArgSpec {
                name: "level",
                description: "error, warn, info, debug or trace",
                kind: ArgKind::Choice(LEVELS.map(str::to_owned).to_vec()),
                required: true,
            }],
            danger: Danger::Safe,
            inverse: Some("console.log-level"),
        },
    ]
}

pub(super) fn register(
    registry: &mut Registry,
    level: &LevelSwitch,
    reload: &Arc<dyn Reload>,
) -> Result<(), RegisterError> {
    let [reload_spec, level_spec] = specs();
    registry.register(reload_spec, Arc::new(Reloading(Arc::clone(reload))))?;
    registry.register(level_spec, Arc::new(Level(level.clone())))
}

struct Reloading(Arc<dyn Reload>);

impl Execute for Reloading {
    fn kind(&self) -> ChangeKind {
        ChangeKind::Configuration
    }

    fn preview(&self, _invocation: &Invocation) -> Vec<String> {
        vec!["What has not changed in the files goes on undisturbed.".to_owned()]
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for Reloading {
    fn intent(&self, _invocation: &Invocation) -> Outcome {
        Outcome::new(ChangeKind::Configuration, "reading the configuration again")
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let message = self.0.reload(&invocation.actor).await.map_err(Failure::Failed)?;
            Ok(Outcome::new(ChangeKind::Configuration, message))
        })
    }

    fn reconcile<'a>(&'a self, _invocation: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async {
            let summary = "the configuration was read when the console was started again";
            Reconciled::Done(Outcome::new(ChangeKind::Configuration, summary))
        })
    }
}

struct Level(LevelSwitch);

impl Execute for Level {
    fn kind(&self) -> ChangeKind {
        ChangeKind::Configuration
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for Level {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        let level = invocation.args.get("level").map(String::as_str).unwrap_or_default();
        Outcome::new(ChangeKind::Configuration, format!("setting the log level to {level}"))
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let before = self.0.level().to_string();
            Failure::unless_expected(invocation, &before)?;
            let wanted = invocation.args.get("level").map(String::as_str).unwrap_or_default();
            let level: LevelFilter = wanted
                .parse()
                .map_err(|_| Failure::Refused(format!("{wanted:?} is not a level: {}", LEVELS.join(", "))))?;
            self.0.set(level);
            let summary = format!("log level is now {level} (was {before})");
            let inverse = Invocation::new("console.log-level", invocation.actor.clone()).arg("level", before);
            Ok(Outcome::new(ChangeKind::Configuration, summary).undo(inverse, level.to_string()))
        })
    }

    fn reconcile<'a>(&'a self, _invocation: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async {
            Reconciled::Failed("the console was started again: its log has the configured level".to_owned())
        })
    }
}
