//! Taking a changed configuration over: all of it, or none.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_journal::dispatch::BoxFuture;
use quarterdeck_journal::{NewEntry, Timeline};
use quarterdeck_kernel::{Actor, ChangeKind, Diagnostic, Phase, Severity, Subject, SubjectKind};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use crate::actions::Reload;
use crate::config::{Loaded, Origin};
use crate::live::Live;
use crate::logs::LevelSwitch;
use crate::system::Setup;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Holds the configuration in force and replaces it.
pub struct Reloader {
    origin: Origin,
    loaded: watch::Sender<Arc<Loaded>>,
    level: LevelSwitch,
    scrape: Live<quarterdeck_scrape::Handle>,
    streams: Live<quarterdeck_streams::Handle>,
    services: Live<quarterdeck_services::Handle>,
    rules: Live<quarterdeck_rules::Handle>,
    alerting: Live<quarterdeck_alerting::Handle>,
    gateway: Live<quarterdeck_gateway::Handle>,
    deploy: Live<quarterdeck_deploy::Handle>,
    deliverer: crate::alerting::Deliverer,
    /// One reload at a time.
    busy: Mutex<()>,
}

impl Reloader {
    /// A reloader of the configuration that the console starts with.
    #[expect(clippy::too_many_arguments, reason = "each is one engine to tell")]
    pub fn new(
        setup: &Setup,
        scrape: Live<quarterdeck_scrape::Handle>,
        streams: Live<quarterdeck_streams::Handle>,
        services: Live<quarterdeck_services::Handle>,
        rules: Live<quarterdeck_rules::Handle>,
        alerting: Live<quarterdeck_alerting::Handle>,
        gateway: Live<quarterdeck_gateway::Handle>,
        deploy: Live<quarterdeck_deploy::Handle>,
        deliverer: crate::alerting::Deliverer,
    ) -> Self {
        Self {
            origin: setup.loaded.origin.clone(),
            loaded: watch::Sender::new(Arc::new(setup.loaded.clone())),
            level: setup.level.clone(),
            scrape,
            streams,
            services,
            rules,
            alerting,
            gateway,
            deploy,
            deliverer,
            busy: Mutex::new(()),
        }
    }

    /// The configuration in force, now and from now on.
    pub fn watch(&self) -> watch::Receiver<Arc<Loaded>> {
        self.loaded.subscribe()
    }

    /// Reads and checks everything, then takes it over. What is told is for the operator.
    async fn take(&self) -> Result<String, String> {
        let _busy = self.busy.lock().await;
        let origin = self.origin.clone();
        let read =
            tokio::task::spawn_blocking(move || Loaded::read(&origin)).await.map_err(|e| e.to_string())?;
        let new = match read {
            Ok(new) => new,
            Err(wrong) => return Err(self.refuse(wrong)),
        };
        let old = self.loaded.borrow().clone();
        let later = new.config.needs_restart(&old.config);
        // Each of these checks the whole before it changes anything, and all have been checked by `Loaded::read`.
        let told = |wrong: Vec<(String, Diagnostic)>| wrong.into_iter().map(|(_, d)| d).collect::<Vec<_>>();
        let (config, plan) = (Arc::clone(&new.config), new.plan.clone());
        // The gateway first: an address may be taken, which nobody can know before it is tried.
        if let Ok(gateway) = self.gateway.get() {
            gateway.reload(config.gateway.clone()).await.map_err(|e| self.refuse(told(e)))?;
        }
        if let Ok(services) = self.services.get() {
            services
                .reload(config.services.clone(), config.signals.clone())
                .map_err(|e| self.refuse(told(e)))?;
        }
        if let Ok(streams) = self.streams.get() {
            streams.reload(config.streams.clone()).await.map_err(|e| self.refuse(told(e)))?;
        }
        if let Ok(scrape) = self.scrape.get() {
            scrape.reload(plan).await.map_err(|e| e.to_string())?;
        }
        if let Ok(rules) = self.rules.get() {
            rules.reload(new.rules.clone()).await.map_err(|e| e.to_string())?;
        }
        // The deliverer first: what the new configuration sends must find its receivers.
        if let Some(deliverer) = &*self.deliverer.read() {
            deliverer.reload(new.alerting.ready.clone());
        }
        if let Ok(alerting) = self.alerting.get() {
            alerting.reload(new.alerting.setting()).await.map_err(|e| e.to_string())?;
        }
        if let Ok(deploy) = self.deploy.get() {
            deploy.reload(Arc::new(config.deploy.clone())).await;
        }
        if config.log.level != old.config.log.level {
            self.level.set(config.log.level.into());
        }
        self.loaded.send_replace(Arc::new(new));
        Ok(match later.as_slice() {
            [] => "configuration read again".to_owned(),
            later => format!("configuration read again; {} take effect at the next start", later.join(", ")),
        })
    }

    /// Remembers why a configuration was refused; the old one stays in force.
    fn refuse(&self, wrong: Vec<Diagnostic>) -> String {
        let text = wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        self.loaded.send_modify(|loaded| Arc::make_mut(loaded).refused = wrong);
        format!("the configuration was refused and the old one stays in force: {text}")
    }

    /// Reads the configuration again whenever one of its files has changed, and tells the timeline.
    pub async fn watch_files(self: Arc<Self>, timeline: Timeline, stop: CancellationToken) {
        let mut seen = self.loaded.borrow().stamp();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => return,
            }
            if self.loaded.borrow().stamp() == seen {
                continue;
            }
            let (phase, severity, summary) = match self.take().await {
                Ok(summary) => (Phase::Done, Severity::Info, summary),
                Err(why) => (Phase::Failed, Severity::Warning, why),
            };
            // Another set of files may be in force now.
            seen = self.loaded.borrow().stamp();
            let entry = NewEntry::new(ChangeKind::Configuration, Actor::system("file watch"), summary)
                .phase(phase)
                .severity(severity)
                .about(Subject::new(SubjectKind::Config, "quarterdeck.toml"));
            if let Err(error) = timeline.append(entry).await {
                tracing::error!(%error, "the timeline could not tell of a reload");
            }
        }
    }
}

impl Reload for Reloader {
    fn reload<'a>(&'a self, _actor: &'a Actor) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(self.take())
    }
}
