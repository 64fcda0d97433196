//! The functions behind actions whose engines hand out a handle, and the console's own actions.

mod console;
mod limit;
mod streams;
mod targets;

use std::sync::Arc;

use quarterdeck_journal::dispatch::RegisterError;
use quarterdeck_journal::store::{Migrations, Step};
use quarterdeck_journal::{Dispatcher, Registry};
use quarterdeck_kernel::{ActionSpec, Invocation, Reason, Subject};
use quarterdeck_panes::world::Actions;

pub use console::Reload;
pub use limit::load as load_limits;

use crate::logs::LevelSwitch;

/// Tables of the actions here.
pub const MIGRATIONS: Migrations = Migrations { engine: "services", steps: &[Step::same(limit::TABLE)] };

/// What the actions act on.
pub struct Handles {
    /// Scraping.
    pub scrape: quarterdeck_scrape::Handle,
    /// Feeds.
    pub streams: quarterdeck_streams::Handle,
    /// Services.
    pub services: quarterdeck_services::Handle,
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

/// The registry as panes may ask it.
pub struct Asked {
    dispatcher: Dispatcher,
    specs: Vec<ActionSpec>,
}

impl Asked {
    /// The actions of a dispatcher.
    pub fn new(dispatcher: Dispatcher) -> Self {
        let specs = dispatcher.registry().specs().map(|spec| (**spec).clone()).collect();
        Self { dispatcher, specs }
    }
}

impl Actions for Asked {
    fn specs(&self) -> &[ActionSpec] {
        &self.specs
    }

    fn available(&self, action: &str, subject: Option<&Subject>) -> Result<(), Reason> {
        self.dispatcher.registry().available(action, subject)
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        self.dispatcher.registry().preview(invocation).unwrap_or_default()
    }
}

/// The name of an invocation's subject; the dispatcher has checked that there is one of the right kind.
fn named(invocation: &Invocation) -> &str {
    invocation.subject.as_ref().map(|s| s.id.as_str()).unwrap_or_default()
}
