//! The functions behind actions whose engines hand out a handle, and the console's own actions.

mod alerts;
mod console;
mod limit;
mod metrics;
mod streams;
mod targets;

use std::sync::{Arc, OnceLock};

use quarterdeck_journal::dispatch::RegisterError;
use quarterdeck_journal::store::{Migrations, Step};
use quarterdeck_journal::{Dispatcher, Registry, Timeline};
use quarterdeck_kernel::suggest::nearest;
use quarterdeck_kernel::{ActionSpec, Invocation, Reason, Subject};
use quarterdeck_panes::world::Actions;

pub use console::Reload;
pub use limit::load as load_limits;

use crate::demo::{self, Children, Shift};
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
    /// The metrics store.
    pub store: Live<quarterdeck_metrics::Store>,
    /// Rules.
    pub rules: Live<quarterdeck_rules::Handle>,
    /// Alerts.
    pub alerting: Live<quarterdeck_alerting::Handle>,
    /// The traffic gateway.
    pub gateway: Live<quarterdeck_gateway::Handle>,
    /// Deployment control.
    pub deploy: Live<quarterdeck_deploy::Handle>,
    /// What incidents are written down from.
    pub incidents: Live<crate::incident::Desk>,
    /// Where bells are heard.
    pub rings: crate::alerting::Rings,
    /// Who delivers notifications.
    pub deliverer: crate::alerting::Deliverer,
    /// The own log.
    pub level: LevelSwitch,
    /// Reads the configuration again.
    pub reload: Arc<dyn Reload>,
    /// The demo's platform, if this is the demo.
    pub demo: Option<Arc<Children>>,
}

/// Why nothing can be done about what is not there; names what was meant, if something there is near.
fn absent<'a>(kind: &str, found: &str, there: impl IntoIterator<Item = &'a str>) -> Reason {
    let meant = nearest(found, there).map(|near| format!("; did you mean {near}?"));
    Reason(format!("there is no {kind} {found}{}", meant.unwrap_or_default()))
}

/// Every action of every engine.
///
/// # Errors
/// When two have one id, or an inverse is missing: a mistake in the program.
pub fn registry(handles: &Handles, timeline: &Timeline) -> Result<Registry, RegisterError> {
    let mut registry = Registry::new();
    registry.register_all(timeline.actions())?;
    targets::register(&mut registry, &handles.scrape)?;
    streams::register(&mut registry, &handles.streams)?;
    metrics::register(&mut registry, &handles.store)?;
    limit::register(&mut registry, &handles.services)?;
    alerts::register(&mut registry, &handles.alerting)?;
    let gateway = handles.gateway.clone();
    let live: quarterdeck_gateway::actions::Live = Arc::new(move || gateway.get());
    registry.register_all(quarterdeck_gateway::actions::executes(&live))?;
    let deploy = handles.deploy.clone();
    let live: quarterdeck_deploy::actions::Live = Arc::new(move || deploy.get());
    registry.register_all(quarterdeck_deploy::actions::executes(&live))?;
    crate::incident::register(&mut registry, &handles.incidents)?;
    console::register(&mut registry, &handles.level, &handles.reload)?;
    if let Some(children) = &handles.demo {
        for spec in demo::specs() {
            let (children, gateway) = (Arc::clone(children), handles.gateway.clone());
            registry.register(spec, Arc::new(Shift { children, gateway }))?;
        }
    }
    registry.check()?;
    Ok(registry)
}

/// Every action's spec, without any engine: for the first frame and for the reference.
pub fn specs(demo: bool) -> Vec<ActionSpec> {
    let engines = [
        quarterdeck_journal::dispatch::specs().to_vec(),
        quarterdeck_metrics::actions::actions(),
        quarterdeck_scrape::actions(),
        quarterdeck_streams::actions(),
        quarterdeck_services::actions(),
        quarterdeck_alerting::actions::actions(),
        quarterdeck_gateway::actions(),
        quarterdeck_deploy::actions(),
        crate::incident::specs(),
        console::specs().to_vec(),
    ];
    let mut all = engines.concat();
    if demo {
        all.extend(demo::specs());
    }
    all.sort_by_key(|spec| spec.id);
    all
}

/// The registry as panes may ask it: what there is, from the start; what makes sense, when the engines have started.
pub struct Asked {
    specs: Vec<ActionSpec>,
    dispatcher: OnceLock<Dispatcher>,
}

impl Asked {
    /// Every action, none of which makes sense yet.
    pub fn new(demo: bool) -> Self {
        Self { specs: specs(demo), dispatcher: OnceLock::new() }
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

#[cfg(test)]
mod tests {
    use quarterdeck_kernel::{Clock, SystemClock};

    use super::*;

    /// What the screen and the reference are told must be what can be done.
    #[tokio::test]
    async fn the_listed_actions_are_those_that_are_registered() {
        let dir = tempfile::tempdir().unwrap();
        let location = quarterdeck_journal::Location::Sqlite(dir.path().join("store.db"));
        let migrations = [quarterdeck_journal::timeline::MIGRATIONS, MIGRATIONS];
        let opened = quarterdeck_journal::Db::open(&location, &migrations, SystemClock.now()).await.unwrap();
        let options = quarterdeck_journal::timeline::Options::new(dir.path().join("timeline"), "host");
        let timeline = Timeline::open(opened.db, options, Arc::new(SystemClock)).await.unwrap();
        struct Never;
        impl Reload for Never {
            fn reload<'a>(
                &'a self,
                _: &'a quarterdeck_kernel::Actor,
            ) -> quarterdeck_journal::dispatch::BoxFuture<'a, Result<String, String>> {
                Box::pin(async { Err("not here".to_owned()) })
            }
        }
        let handles = Handles {
            scrape: Live::new("scrape"),
            streams: Live::new("streams"),
            services: Live::new("services"),
            rules: Live::new("rules"),
            alerting: Live::new("alerting"),
            gateway: Live::new("gateway"),
            deploy: Live::new("deploy"),
            incidents: Live::new("alerting"),
            rings: Default::default(),
            deliverer: Default::default(),
            store: Live::new("metrics"),
            level: LevelSwitch::default(),
            reload: Arc::new(Never),
            demo: None,
        };
        let registry = registry(&handles, &timeline).unwrap();
        let mut registered: Vec<ActionSpec> = registry.specs().map(|spec| (**spec).clone()).collect();
        registered.sort_by_key(|spec| spec.id);
        assert_eq!(registered, specs(false));
    }
}
