//! The engines at work: opened in order, supervised, ended in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_journal::lease;
use quarterdeck_journal::store::{Db, Location};
use quarterdeck_journal::timeline::{self, Retention};
use quarterdeck_journal::{DataDir, DataDirError, Dispatcher, NewEntry, StoreError, Timeline};
use quarterdeck_kernel::{Actor, ChangeKind, Clock, Secret, Severity};
use quarterdeck_metrics::Store;
use quarterdeck_panes::World;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::actions::{self, Asked};
use crate::answers::Sources;
use crate::config::Loaded;
use crate::console::Pulse;
use crate::demo::Children;
use crate::exit::Failure;
use crate::host::{Backstage, Worlds};
use crate::http::{self, guard::Guard, listener::Listener};
use crate::keeper::Keeper;
use crate::lifecycle::{State, Supervisor};
use crate::live::Live;
use crate::logs::LevelSwitch;
use crate::paths::{Beacon, Lit, Paths};
use crate::reload::Reloader;
use crate::vigil::{Sign, Vigil};
use crate::worlds::{self, Parts};

/// How long readiness waits for the state of alerts: a store that fails must not keep the console from starting.
const READ_BACK: Duration = Duration::from_secs(10);

/// Everything must have ended within this time after it was told to.
const SHUTDOWN: Duration = Duration::from_secs(25);
/// Entries of the timeline that are kept unless configured otherwise.
const TIMELINE_ENTRIES: u64 = 1_000_000;

/// What the engines are started with.
#[derive(Clone)]
pub struct Setup {
    /// Where things are.
    pub paths: Paths,
    /// The configuration, and where it came from.
    pub loaded: Loaded,
    /// Who started the console.
    pub actor: Actor,
    /// The demo's platform, if this is the demo.
    pub demo: Option<Arc<Children>>,
    /// Who cleans up when this process dies; a console without a screen and without children needs nobody.
    pub keeper: Option<Arc<Keeper>>,
    /// The own log.
    pub level: LevelSwitch,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What a screen needs before the engines have started: a world that is still empty, and where what comes later will appear.
pub struct Stage {
    /// Engines' states.
    pub supervisor: Supervisor,
    /// Newest snapshots.
    pub parts: Arc<Parts>,
    /// Worlds to draw.
    pub worlds: Worlds,
    /// Actions and questions, once there are any.
    pub backstage: watch::Receiver<Option<Backstage>>,
    /// The actions, as panes ask for them.
    pub asked: Arc<Asked>,
    publish: watch::Sender<Arc<World>>,
    ready: watch::Sender<Option<Backstage>>,
    handles: actions::Handles,
    reloader: Arc<Reloader>,
}

/// The engines at work.
pub struct System {
    supervisor: Supervisor,
    backstage: Backstage,
    timeline: Timeline,
    store: Store,
    db: Db,
    scrape: Live<quarterdeck_scrape::Handle>,
    actor: Actor,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    beacon: Option<Lit>,
    vigil: Arc<Vigil>,
    /// Held to the very end: the next console may start only when everything is closed.
    _data: DataDir,
    /// The base address of the listener.
    pub url: String,
}

impl Stage {
    /// Sets the stage. Nothing is opened yet.
    pub fn new(setup: &Setup) -> Self {
        let supervisor = Supervisor::new(Arc::clone(&setup.clock));
        let parts = Arc::new(Parts::default());
        let (scrape, streams, services) = (Live::new("scrape"), Live::new("streams"), Live::new("services"));
        let (rules, alerting) = (Live::new("rules"), Live::new("alerting"));
        let (gateway, deploy) = (Live::new("gateway"), Live::new("deploy"));
        let deliverer = crate::alerting::Deliverer::default();
        let reloader = Arc::new(Reloader::new(
            setup,
            scrape.clone(),
            streams.clone(),
            services.clone(),
            rules.clone(),
            alerting.clone(),
            gateway.clone(),
            deploy.clone(),
            Arc::clone(&deliverer),
        ));
        let reload: Arc<dyn actions::Reload> = Arc::clone(&reloader) as _;
        let store = Live::new("metrics");
        let level = setup.level.clone();
        let demo = setup.demo.clone();
        let handles = actions::Handles {
            scrape,
            streams,
            services,
            rules,
            alerting,
            gateway,
            deploy,
            incidents: Live::new("alerting"),
            rings: crate::alerting::Rings::default(),
            deliverer,
            store,
            level,
            reload,
            demo,
        };
        let asked = Arc::new(Asked::new(setup.demo.is_some()));
        parts.console.set(Arc::new(Pulse::new(setup).console(&supervisor.life(), &setup.loaded)));
        let world =
            parts.world(1, setup.clock.now(), &(Arc::clone(&asked) as _), &mut worlds::Leading::default());
        let (publish, worlds) = watch::channel(Arc::new(world));
        let (ready, backstage) = watch::channel(None);
        Self { supervisor, parts, worlds, backstage, asked, publish, ready, handles, reloader }
    }
}

impl Stage {
    /// Every ring of a receiver of the kind `bell`, from now on.
    pub fn rings(&self) -> tokio::sync::broadcast::Receiver<quarterdeck_notify::Ring> {
        self.handles.rings.hear()
    }

    /// Where the gateway takes traffic, if it does.
    pub fn traffic(&self) -> Vec<std::net::SocketAddr> {
        self.handles.gateway.get().map(|gateway| gateway.addresses()).unwrap_or_default()
    }

    /// The configuration in force, now and from now on.
    pub fn reloaded(&self) -> watch::Receiver<Arc<Loaded>> {
        self.reloader.watch()
    }
}

impl System {
    /// Opens everything in order and sets the engines to work.
    ///
    /// # Errors
    /// What cannot be opened, and what to do about it. Nothing is left running then.
    pub async fn start(setup: Setup, stage: &Stage) -> Result<Self, Failure> {
        let config = Arc::clone(&setup.loaded.config);
        let listener = Arc::new(Listener::bind(&config.listen).await?);
        let data = DataDir::open(&setup.paths.data_dir).map_err(|e| data_failure(&e))?;
        let now = setup.clock.now();

        // Read while the other store is opened: its log may be long.
        let (folder, metrics_config) = (data.join("metrics"), config.metrics.clone());
        let metrics = tokio::task::spawn_blocking(move || Store::open(&folder, metrics_config));

        let location = match config.store.postgres_url()? {
            Some(url) => Location::Postgres(url),
            None => Location::Sqlite(data.join("quarterdeck.db")),
        };
        let migrations = [
            timeline::MIGRATIONS,
            lease::MIGRATIONS,
            actions::MIGRATIONS,
            quarterdeck_alerting::MIGRATIONS,
            quarterdeck_gateway::MIGRATIONS,
            quarterdeck_deploy::MIGRATIONS,
        ];
        let opened = Db::open(&location, &migrations, now).await.map_err(|e| store_failure(&e))?;
        let db = opened.db;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let mut options = timeline::Options::new(data.join("timeline"), host);
        options.quarantined = opened.quarantined;
        let timeline = Timeline::open(db.clone(), options, Arc::clone(&setup.clock))
            .await
            .map_err(|e| Failure::Data(e.to_string()))?;

        let store = metrics
            .await
            .map_err(|e| Failure::Failed(format!("the metrics store could not be opened: {e}")))?
            .map_err(|e| Failure::Data(format!("the metrics store cannot be opened: {e}")))?;

        stage.handles.store.set(store.clone());
        let stop = CancellationToken::new();
        let engine = Arc::new(quarterdeck_metrics::api::engine(&config.metrics.query));
        let running = crate::engines::Running {
            supervisor: &stage.supervisor,
            parts: &stage.parts,
            loaded: stage.reloader.watch(),
            store: store.clone(),
            db: db.clone(),
            timeline: timeline.clone(),
            address: listener.url(),
            clock: Arc::clone(&setup.clock),
            stop: stop.clone(),
            keeper: setup.keeper.clone(),
            places: quarterdeck_deploy::target::process::Places {
                base: setup.loaded.origin.folder(),
                data: data.join("deploy"),
                launcher: std::env::current_exe().ok(),
            },
        };
        running.start(&stage.handles).await?;

        let registry =
            actions::registry(&stage.handles, &timeline).map_err(|e| Failure::Failed(e.to_string()))?;
        let dispatcher = Dispatcher::new(registry, timeline.clone());
        dispatcher.set_read_only(config.read_only);
        dispatcher.recover().await.map_err(|e| Failure::Data(e.to_string()))?;
        stage.asked.ready(dispatcher.clone());
        let sources = Sources {
            storage: Arc::new(store.clone()),
            engine: Arc::clone(&engine),
            services: stage.handles.services.clone(),
            alerting: stage.handles.alerting.clone(),
            deploy: stage.handles.deploy.clone(),
            timeline: timeline.clone(),
        };
        stage
            .handles
            .incidents
            .set(crate::incident::Desk { worlds: stage.worlds.clone(), sources: sources.clone() });
        let backstage = Backstage { dispatcher, sources };

        let token = config.listen.token_or_new()?;
        let requests = Arc::new(std::sync::atomic::AtomicU64::new(0));
        crate::own::tell(
            Arc::clone(&stage.parts),
            stage.reloader.watch(),
            Arc::clone(&requests),
            stage.handles.gateway.clone(),
        );
        let router = http::router(http::Parts {
            guard: Arc::new(Guard::new(&config.listen, listener.address, token.clone())),
            life: stage.supervisor.watch(),
            store: store.clone(),
            engine,
            query: config.metrics.query.clone(),
            rules: {
                let parts = Arc::clone(&stage.parts);
                Arc::new(move || parts.rules.get())
            },
            alerting: Arc::new(crate::alerting::Served {
                handle: stage.handles.alerting.clone(),
                loaded: stage.reloader.watch(),
                started: now,
                clock: Arc::clone(&setup.clock),
            }),
            prometheus: http::prometheus::Sources {
                parts: Arc::clone(&stage.parts),
                loaded: stage.reloader.watch(),
                store: store.clone(),
            },
            deploy: {
                let deploy = stage.handles.deploy.clone();
                Arc::new(move || deploy.get())
            },
            api: http::api::Api { backstage: backstage.clone(), worlds: stage.worlds.clone() },
            requests: Arc::clone(&requests),
        });
        let url = listener.url();
        let serving = tokio::spawn(Arc::clone(&listener).serve(router, stop.child_token()));
        let beacon = light(&setup.paths, &listener, data.path(), &token);

        let pulse = Pulse::new(&setup).at(&url, &location, requests, Arc::clone(&stage.handles.deliverer));
        let mut tasks = vec![
            tokio::spawn(follow_timeline(timeline.clone(), Arc::clone(&stage.parts))),
            tokio::spawn(pulse.beat(
                Arc::clone(&stage.parts),
                stage.supervisor.watch(),
                stage.reloader.watch(),
                stop.clone(),
            )),
            tokio::spawn({
                let (parts, publish, asked) =
                    (Arc::clone(&stage.parts), stage.publish.clone(), Arc::clone(&stage.asked));
                let (clock, stop) = (Arc::clone(&setup.clock), stop.clone());
                async move { parts.publish(publish, asked, clock, stop).await }
            }),
            tokio::spawn(Arc::clone(&stage.reloader).watch_files(timeline.clone(), stop.clone())),
            tokio::spawn(crate::incidents::tell(Arc::clone(&stage.parts), timeline.clone(), stop.clone())),
            tokio::spawn(prune(
                timeline.clone(),
                config.store.timeline_entries.unwrap_or(TIMELINE_ENTRIES),
                stop.clone(),
            )),
        ];

        if let Some(before) = Sign::left(data.path()) {
            timeline.append(before.entry()).await.map_err(|e| Failure::Data(e.to_string()))?;
        }
        // From here on an end without a word is noticed, so also one just after the next entry.
        let vigil = Vigil::begin(data.path(), Arc::clone(&setup.clock));
        tasks.push(tokio::spawn(Arc::clone(&vigil).keep(stop.clone())));
        let summary = format!("console started ({}, {url})", config.environment);
        let entry = NewEntry::new(ChangeKind::Lifecycle, setup.actor.clone(), summary);
        timeline.append(entry).await.map_err(|e| Failure::Data(e.to_string()))?;
        for damage in &store.stats().damage {
            let summary = format!("metrics: {} is damaged: {}", damage.file, damage.what);
            let entry = NewEntry::new(ChangeKind::Lifecycle, Actor::system("metrics"), summary)
                .severity(Severity::Warning);
            timeline.append(entry).await.map_err(|e| Failure::Data(e.to_string()))?;
        }
        // Until alerts are read back, nothing could be said or done about them.
        let read_back = async {
            loop {
                match stage.handles.alerting.get() {
                    Ok(handle) if handle.read_back().await.is_ok() => return,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let _ = tokio::time::timeout(READ_BACK, read_back).await;
        stage.supervisor.enter(State::Running);
        stage.ready.send_replace(Some(backstage.clone()));
        Ok(Self {
            supervisor: stage.supervisor.clone(),
            backstage,
            timeline,
            store,
            db,
            scrape: stage.handles.scrape.clone(),
            actor: setup.actor,
            stop,
            serving,
            tasks,
            beacon,
            vigil,
            _data: data,
            url,
        })
    }

    /// Ends everything in order: nothing new is taken, what is under way finishes, engines stop, stores close. `forced`
    /// completes when the operator has asked a second time: what is left is then left.
    pub async fn shutdown(self, why: &str, forced: impl Future<Output = ()>) {
        let phases = self.phases(why.to_owned());
        tokio::select! {
            ended = tokio::time::timeout(SHUTDOWN, phases) => {
                if ended.is_err() {
                    tracing::error!("the console did not end within {SHUTDOWN:?} and is cut off");
                }
            }
            () = forced => tracing::warn!("the console is ended by force"),
        }
    }

    async fn phases(mut self, why: String) {
        self.supervisor.enter(State::Draining);
        // Readiness turns first; whoever asks sees it before connections are refused.
        self.beacon.take();
        let left = self.backstage.dispatcher.drain(Duration::from_secs(10)).await;
        if left > 0 {
            tracing::warn!(
                left,
                "actions are still under way; they are shown as interrupted at the next start"
            );
        }
        self.supervisor.stop();
        self.stop.cancel();
        if let Ok(scrape) = self.scrape.get() {
            scrape.shutdown().await;
        }
        let _ = self.serving.await;
        let entry =
            NewEntry::new(ChangeKind::Lifecycle, self.actor.clone(), format!("console stopped ({why})"));
        if let Err(error) = self.timeline.append(entry).await {
            tracing::error!(%error, "the timeline could not tell of the end");
        }
        self.vigil.end();
        for task in &self.tasks {
            task.abort();
        }
        let store = self.store.clone();
        let synced = tokio::task::spawn_blocking(move || store.sync()).await;
        if !matches!(synced, Ok(Ok(()))) {
            tracing::error!("the metrics store could not be synced at the end");
        }
        drop(self.timeline);
        self.db.close().await;
        self.supervisor.enter(State::Stopped);
    }
}

/// Leaves the address and token for commands to find; a console that cannot is still of use.
fn light(paths: &Paths, listener: &Listener, data_dir: &Path, token: &Secret) -> Option<Lit> {
    let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_path_buf());
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    let certificate = listener.certificate.as_ref().map(|c| c.to_vec());
    let beacon = Beacon { url: listener.url(), pid, data_dir, token: token.expose().to_owned(), certificate };
    match beacon.light(&paths.runtime_dir) {
        Ok(lit) => Some(lit),
        Err(error) => {
            tracing::warn!(%error, dir = %paths.runtime_dir.display(), "commands will not find this console by themselves");
            None
        }
    }
}

fn data_failure(error: &DataDirError) -> Failure {
    Failure::Data(error.to_string())
}

fn store_failure(error: &StoreError) -> Failure {
    Failure::Data(error.to_string())
}

async fn follow_timeline(timeline: Timeline, parts: Arc<Parts>) {
    let mut recent = timeline.recent();
    // Only the receiver stays: the timeline's tasks end with its last handle.
    drop(timeline);
    loop {
        let newest = recent.borrow_and_update().clone();
        parts.timeline.set(Arc::new(worlds::timeline(&newest)));
        if recent.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps the timeline within its bound; once an hour is often enough for entries that people make.
async fn prune(timeline: Timeline, entries: u64, stop: CancellationToken) {
    let keep = Retention { max_entries: Some(entries), max_age: None };
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(3600)) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = timeline.prune(keep).await {
            tracing::error!(%error, "the timeline could not be pruned");
        }
    }
}
