//! The functions behind actions whose engines hand out a handle, and the console's own actions.

mod console;
mod limit;
mod streams;
mod targets;

use std::sync::{Arc, OnceLock};

use quarterdeck_journal::dispatch::RegisterError;
use quarterdeck_journal::store::{Migrations, Step};
use quarterdeck_journal::{Dispatcher, Registry};
use quarterdeck_kernel::{ActionSpec, Invocation, Reason, Subject};
use quarterdeck_panes::world::Actions;

pub use console::Reload;
pub use limit::load as load_limits;

use crate::live::Live;
use crate::logs::LevelSwitch;

/// Tables of the actions here.
pub const MIGRATIONS: Migrations = Migrations {
    engine: "services",
    steps: &[Step::both("limits of services that are set at run time", limit::TABLE)],
};

/// What the actions act on.
pub struct Handles {
    /// Scraping.
    pub scrape: Live<quarterdeck_scrape::Handle>,
    /// Feeds.
    pub streams: Live<quarterdeck_streams::Handle>,
    /// Services.
    pub services: Live<quarterdeck_services::Handle>,
    /// The own log.
    pub level: LevelSwitch,
    /// Reads the configuration again.
    pub reload: Arc<dyn Reload>,
}

/// Every action of every engine.
///
/// # Errors
/// When two have one id, or an inverse is missing: a mistake in the program.
pub fn registry(handles: &Handles) -> Result<Registry, RegisterError> {
    let mut registry = Registry::new();
    targets::register(&mut registry, &handles.scrape)?;
    streams::register(&mut registry, &handles.streams)?;
    limit::register(&mut registry, &handles.services)?;
    console::register(&mut registry, &handles.level, &handles.reload)?;
    registry.check()?;
    Ok(registry)
}

/// Every action's spec, without any engine: for the reference.
pub fn specs() -> Vec<ActionSpec> {
    let journal = Registry::new();
    let built_in = journal.specs().map(|spec| (**spec).clone());
    let engines =
        [quarterdeck_scrape::actions(), quarterdeck_streams::actions(), quarterdeck_services::actions()];
    let mut all: Vec<ActionSpec> =
        built_in.chain(engines.into_iter().flatten()).chain(console::specs()).collect();
    all.sort_by_key(|spec| spec.id);
    all
}

/// The registry as panes may ask it: what there is, from the start; what makes sense, when the engines have started.
pub struct Asked {
    specs: Vec<ActionSpec>,
    dispatcher: OnceLock<Dispatcher>,
}

impl Asked {
    /// The actions of a registry.
    pub fn new(registry: &Registry) -> Self {
        let specs = registry.specs().map(|spec| (**spec).clone()).collect();
        Self { specs, dispatcher: OnceLock::new() }
    }

    /// The engines have started.
    pub fn ready(&self, dispatcher: Dispatcher) {
        // A second call would be a second start of the console: the first stays.
        let _ = self.dispatcher.set(dispatcher);
    }
}

impl Actions for Asked {
    fn specs(&self) -> &[ActionSpec] {
        &self.specs
    }

    fn available(&self, action: &str, subject: Option<&Subject>) -> Result<(), Reason> {
        match self.dispatcher.get() {
            Some(dispatcher) => dispatcher.registry().available(action, subject),
            None => Err(Reason("the console is still starting".to_owned())),
        }
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        self.dispatcher.get().and_then(|d| d.registry().preview(invocation).ok()).unwrap_or_default()
    }
}

/// The name of an invocation's subject; the dispatcher has checked that there is one of the right kind.
fn named(invocation: &Invocation) -> &str {
    invocation.subject.as_ref().map(|s| s.id.as_str()).unwrap_or_default()
}
