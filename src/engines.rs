//! Setting the engines to work, each under the supervisor: one that fails is shown and started again.

use std::collections::HashSet;
use std::sync::Arc;

use quarterdeck_alerting::model::AlertState;
use quarterdeck_deploy::checks::OpenAlert;
use quarterdeck_deploy::target::{Leases, Targets};
use quarterdeck_deploy::traffic::GatewayTraffic;
use quarterdeck_journal::Timeline;
use quarterdeck_journal::store::Db;
use quarterdeck_kernel::Clock;
use quarterdeck_metrics::{Ingest, Store};
use quarterdeck_services::{PromSource, Source};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::actions::{self, Handles};
use crate::config::Loaded;
use crate::exit::Failure;
use crate::keeper::{Keeper, MARKER};
use crate::lifecycle::Supervisor;
use crate::worlds::Parts;

/// What engines run on.
pub struct Running<'a> {
    /// Who starts them again.
    pub supervisor: &'a Supervisor,
    /// Where their snapshots go.
    pub parts: &'a Arc<Parts>,
    /// The configuration now and from now on.
    pub loaded: watch::Receiver<Arc<Loaded>>,
    /// The metrics store.
    pub store: Store,
    /// The durable store.
    pub db: Db,
    /// The timeline.
    pub timeline: Timeline,
    /// Where this console's interfaces are.
    pub address: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ends everything.
    pub stop: CancellationToken,
    /// Who ends processes that were started, should the console not do so itself.
    pub keeper: Option<Arc<Keeper>>,
    /// Where deployed processes have their things.
    pub places: quarterdeck_deploy::target::process::Places,
}

impl Running<'_> {
    /// Starts every engine.
    ///
    /// # Errors
    /// When limits that were set at run time cannot be read, or the configuration does not fit.
    pub async fn start(self, handles: &Handles) -> Result<(), Failure> {
        self.metrics();
        self.scrape(handles);
        self.streams(handles);
        self.rules(handles);
        self.alerting(handles);
        self.gateway(handles).await?;
        self.deploy(handles)?;
        self.services(handles).await
    }

    fn metrics(&self) {
        let (store, parts, clock, stop) =
            (self.store.clone(), Arc::clone(self.parts), Arc::clone(&self.clock), self.stop.clone());
        self.supervisor.run("metrics", move || {
            let (engine, snapshots) = quarterdeck_metrics::Engine::new(store.clone(), Arc::clone(&clock));
            let (parts, stop) = (Arc::clone(&parts), stop.clone());
            async move {
                tokio::select! {
                    () = engine.run(stop.cancelled_owned()) => {}
                    () = parts.metrics.follow(snapshots) => {}
                }
                Ok(())
            }
        });
    }

    fn scrape(&self, handles: &Handles) {
        let (store, parts, clock, stop) =
            (self.store.clone(), Arc::clone(self.parts), Arc::clone(&self.clock), self.stop.clone());
        let (live, loaded) = (handles.scrape.clone(), self.loaded.clone());
        self.supervisor.run("scrape", move || {
            let plan = loaded.borrow().plan.clone();
            let handle = quarterdeck_scrape::start(
                plan,
                Arc::new(store.clone()) as Arc<dyn Ingest>,
                Arc::clone(&clock),
            );
            live.set(handle.clone());
            let (parts, stop) = (Arc::clone(&parts), stop.clone());
            async move {
                tokio::select! {
                    () = parts.targets.follow(handle.snapshot()) => Err("it ended by itself".to_owned()),
                    () = stop.cancelled() => Ok(()),
                }
            }
        });
    }

    fn streams(&self, handles: &Handles) {
        let (store, parts, clock, stop) =
            (self.store.clone(), Arc::clone(self.parts), Arc::clone(&self.clock), self.stop.clone());
        let (live, loaded) = (handles.streams.clone(), self.loaded.clone());
        self.supervisor.run("streams", move || {
            let feeds = loaded.borrow().config.streams.clone();
            let made = quarterdeck_streams::Engine::new(
                feeds,
                Arc::new(store.clone()) as Arc<dyn Ingest>,
                Arc::clone(&clock),
            );
            let (parts, stop, live) = (Arc::clone(&parts), stop.clone(), live.clone());
            async move {
                let (engine, handle) = made.map_err(|wrong| {
                    wrong.iter().map(|(at, d)| format!("streams.{at}: {d}")).collect::<Vec<_>>().join("; ")
                })?;
                live.set(handle.clone());
                tokio::select! {
                    () = engine.run(stop.cancelled_owned()) => {}
                    () = parts.streams.follow(handle.subscribe()) => {}
                }
                Ok(())
            }
        });
    }

    fn rules(&self, handles: &Handles) {
        let (store, parts, clock, stop) =
            (self.store.clone(), Arc::clone(self.parts), Arc::clone(&self.clock), self.stop.clone());
        let (live, loaded) = (handles.rules.clone(), self.loaded.clone());
        self.supervisor.run("rules", move || {
            let now = loaded.borrow().clone();
            let (engine, handle) = quarterdeck_rules::Engine::new(
                &now.rules,
                Arc::new(store.clone()),
                Arc::new(store.clone()) as Arc<dyn Ingest>,
                Arc::new(quarterdeck_metrics::api::engine(&now.config.metrics.query)),
                Arc::clone(&clock),
            );
            live.set(handle.clone());
            let (parts, stop) = (Arc::clone(&parts), stop.clone());
            async move {
                tokio::select! {
                    () = engine.run(stop.cancelled_owned()) => {}
                    () = parts.rules.follow(handle.subscribe()) => {}
                }
                Ok(())
            }
        });
    }

    fn alerting(&self, handles: &Handles) {
        let (parts, clock, stop) = (Arc::clone(self.parts), Arc::clone(&self.clock), self.stop.clone());
        let (live, rules, deliverer) =
            (handles.alerting.clone(), handles.rules.clone(), Arc::clone(&handles.deliverer));
        let bell = handles.rings.bell();
        let (loaded, timeline, address) = (self.loaded.clone(), self.timeline.clone(), self.address.clone());
        self.supervisor.run("alerting", move || {
            let now = loaded.borrow().clone();
            let (parts, clock, stop) = (Arc::clone(&parts), Arc::clone(&clock), stop.clone());
            let (live, rules, deliverer) = (live.clone(), rules.clone(), Arc::clone(&deliverer));
            let (timeline, address, loaded) = (timeline.clone(), address.clone(), loaded.clone());
            let bell = Arc::clone(&bell);
            async move {
                let alerting = &now.alerting;
                let (dispatch, done) = quarterdeck_alerting::Dispatch::new(
                    alerting.ready.clone(),
                    &alerting.allow_hosts,
                    Arc::clone(&clock),
                    Some(bell),
                );
                *deliverer.write() = Some(Arc::clone(&dispatch));
                let console =
                    quarterdeck_alerting::Console { name: uuid::Uuid::new_v4().to_string(), address };
                let (runner, handle) = quarterdeck_alerting::Runner::new(
                    alerting.setting(),
                    timeline,
                    dispatch,
                    done,
                    Arc::clone(&clock),
                    console,
                );
                live.set(handle.clone());
                let feed = async {
                    // The rules engine may be started after this one, and again.
                    loop {
                        if let Ok(rules) = rules.get() {
                            let bearings = || crate::alerting::bearings(&loaded.borrow());
                            let (handle, clock) = (handle.clone(), Arc::clone(&clock));
                            quarterdeck_alerting::feed::follow(rules.subscribe(), handle, bearings, clock)
                                .await;
                        }
                        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                    }
                };
                // A task of its own, so that whoever waits for an answer does not wait for what follows from it, which is
                // done next; it ends with the runner.
                let views = handle.subscribe();
                tokio::spawn(async move { parts.alerting.follow(views).await });
                tokio::select! {
                    ended = runner.run(stop.cancelled_owned()) => ended,
                    () = feed => Ok(()),
                }
            }
        });
    }

    async fn gateway(&self, handles: &Handles) -> Result<(), Failure> {
        if !self.loaded.borrow().config.gateway.listens() {
            return Ok(());
        }
        let make = {
            let (loaded, clock, db) = (self.loaded.clone(), Arc::clone(&self.clock), self.db.clone());
            move || {
                let (config, clock, db) =
                    (Arc::clone(&loaded.borrow().config), Arc::clone(&clock), db.clone());
                async move {
                    let stored = quarterdeck_gateway::store::load(&db).await.map_err(|e| e.to_string())?;
                    let started =
                        quarterdeck_gateway::Engine::start(config.gateway.clone(), stored, clock).await;
                    started.map_err(|wrong| {
                        wrong
                            .iter()
                            .map(|(at, d)| format!("gateway.{at}: {d}"))
                            .collect::<Vec<_>>()
                            .join("; ")
                    })
                }
            }
        };
        // The first start is here, so that an address that is taken is told before anything is shown.
        let (first, handle) = make().await.map_err(Failure::Failed)?;
        handles.gateway.set(handle.clone());
        for address in handle.addresses() {
            tracing::info!(%address, "the gateway takes traffic");
        }
        let mut first = Some((first, handle));
        let (parts, stop, live, db) =
            (Arc::clone(self.parts), self.stop.clone(), handles.gateway.clone(), self.db.clone());
        self.supervisor.run("gateway", move || {
            let (first, make) = (first.take(), make.clone());
            let (parts, stop, live, db) = (Arc::clone(&parts), stop.clone(), live.clone(), db.clone());
            async move {
                let (engine, handle) = match first {
                    Some(first) => first,
                    None => make().await?,
                };
                live.set(handle.clone());
                let ended = CancellationToken::new();
                let running = async {
                    tokio::select! {
                        () = engine.run(stop.cancelled_owned()) => {}
                        () = parts.gateway.follow(handle.subscribe()) => {}
                    }
                    ended.cancel();
                };
                tokio::join!(running, quotas(&handle, &db, &ended));
                save(&handle, &db).await;
                Ok(())
            }
        });
        Ok(())
    }

    fn deploy(&self, handles: &Handles) -> Result<(), Failure> {
        let config = Arc::new(self.loaded.borrow().config.deploy.clone());
        let leases = Arc::new(Leased(self.keeper.clone()));
        let targets = Targets::open(config, leases, self.places.clone())
            .map_err(|e| Failure::Data(format!("what runs deployed versions cannot be read: {e}")))?;
        let targets = Arc::new(targets);
        let source: Arc<dyn Source> = Arc::new(PromSource::new(Arc::new(self.store.clone())));
        let (gateway, alerting, live) =
            (handles.gateway.clone(), Arc::clone(self.parts), handles.deploy.clone());
        let (loaded, timeline, base) = (self.loaded.clone(), self.timeline.clone(), self.places.base.clone());
        let (parts, clock, stop) = (Arc::clone(self.parts), Arc::clone(&self.clock), self.stop.clone());
        let console = quarterdeck_journal::lease::Console::kept(&self.places.data, self.address.clone())
            .map_err(|e| Failure::Data(format!("the name of this console cannot be kept: {e}")))?;
        self.supervisor.run("deploy", move || {
            let (gateway, alerting) = (gateway.clone(), Arc::clone(&alerting));
            let seams = quarterdeck_deploy::Seams {
                traffic: Arc::new(GatewayTraffic(Arc::new(move || gateway.get()))),
                targets: Arc::clone(&targets),
                metrics: Arc::clone(&source),
                alerts: Arc::new(move |service| open_alerts(&alerting.alerting.get(), service)),
                timeline: timeline.clone(),
                clock: Arc::clone(&clock),
                console: console.clone(),
            };
            let config = Arc::new(loaded.borrow().config.deploy.clone());
            let (runner, handle) = quarterdeck_deploy::Runner::new(config, &base, seams);
            live.set(handle.clone());
            let (parts, stop) = (Arc::clone(&parts), stop.clone());
            async move {
                tokio::select! {
                    ended = runner.run(stop.cancelled_owned()) => ended,
                    () = parts.deploy.follow(handle.subscribe()) => Ok(()),
                    () = tell_alerts(&parts, &handle) => Ok(()),
                }
            }
        });
        Ok(())
    }

    async fn services(&self, handles: &Handles) -> Result<(), Failure> {
        // The first start is here, so that a configuration that does not fit is told before anything is shown.
        let limits = actions::load_limits(&self.db).await.map_err(|e| Failure::Data(e.to_string()))?;
        let make = {
            let source: Arc<dyn Source> = Arc::new(PromSource::new(Arc::new(self.store.clone())));
            let (loaded, clock) = (self.loaded.clone(), Arc::clone(&self.clock));
            move |limits: Vec<(String, String)>| {
                let config = Arc::clone(&loaded.borrow().config);
                let (catalogue, signals) = (config.services.clone(), config.signals.clone());
                quarterdeck_services::Engine::new(
                    catalogue,
                    signals,
                    limits,
                    Arc::clone(&source),
                    Arc::clone(&clock),
                )
                .map_err(|wrong| {
                    wrong.iter().map(|(at, d)| format!("{at}: {d}")).collect::<Vec<_>>().join("; ")
                })
            }
        };
        let (first, handle) = make(limits).map_err(Failure::Failed)?;
        handles.services.set(handle.clone());
        let mut first = Some((first, handle));
        let (parts, stop, live, db) =
            (Arc::clone(self.parts), self.stop.clone(), handles.services.clone(), self.db.clone());
        self.supervisor.run("services", move || {
            let (first, make) = (first.take(), make.clone());
            let (parts, stop, live, db) = (Arc::clone(&parts), stop.clone(), live.clone(), db.clone());
            async move {
                let (engine, handle) = match first {
                    Some(first) => first,
                    None => make(actions::load_limits(&db).await.map_err(|e| e.to_string())?)?,
                };
                live.set(handle.clone());
                tokio::select! {
                    () = engine.run(stop.cancelled_owned()) => {}
                    () = parts.services.follow(handle.subscribe()) => {}
                }
                Ok(())
            }
        });
        Ok(())
    }
}

/// Lends the keeper's markers to deployed processes.
struct Leased(Option<Arc<Keeper>>);

impl Leases for Leased {
    fn variable(&self) -> &str {
        MARKER
    }

    fn lease(&self) -> std::io::Result<uuid::Uuid> {
        let keeper = self.0.as_ref();
        let keeper =
            keeper.ok_or_else(|| std::io::Error::other("this console has no keeper; start it again"))?;
        keeper.lease()
    }

    fn release(&self, lease: uuid::Uuid) {
        if let Some(keeper) = &self.0 {
            keeper.release(lease);
        }
    }
}

/// The alerts that are open on a service and hidden by nobody.
fn open_alerts(view: &quarterdeck_alerting::View, service: &str) -> Vec<OpenAlert> {
    let open = view.alerts.alerts.iter().filter(|alert| alert.state.is_open());
    let its = open.filter(|alert| alert.service.as_deref() == Some(service));
    its.map(|alert| OpenAlert {
        name: alert.name().to_owned(),
        severity: alert.labels.get("severity").unwrap_or_default().to_owned(),
    })
    .collect()
}

/// Tells deployment control of every alert that begins to fire while something is rolled out.
async fn tell_alerts(parts: &Parts, deploy: &quarterdeck_deploy::Handle) {
    let mut snapshots = deploy.subscribe();
    loop {
        // Without a rollout nobody is interested, and nothing is looked at.
        if snapshots.wait_for(|snapshot| !snapshot.rollouts.is_empty()).await.is_err() {
            return std::future::pending().await;
        }
        // An alert that fires when one begins is the business of its checks.
        let mut firing: HashSet<_> =
            firing_alerts(&parts.alerting.get()).map(|alert| alert.fingerprint).collect();
        let mut beat = tokio::time::interval(std::time::Duration::from_millis(250));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while !snapshots.borrow().rollouts.is_empty() {
            beat.tick().await;
            let view = parts.alerting.get();
            for alert in firing_alerts(&view).filter(|alert| !firing.contains(&alert.fingerprint)) {
                let labels =
                    alert.labels.pairs().iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
                deploy.alert(alert.service.as_deref().map(str::to_owned), labels).await;
            }
            firing = firing_alerts(&view).map(|alert| alert.fingerprint).collect();
        }
    }
}

fn firing_alerts(
    view: &quarterdeck_alerting::View,
) -> impl Iterator<Item = &Arc<quarterdeck_alerting::Alert>> {
    view.alerts.alerts.iter().filter(|alert| alert.state == AlertState::Firing)
}

/// Writes what has been used of daily quotas, each second. What is being written at the end is written to its end.
async fn quotas(handle: &quarterdeck_gateway::Handle, db: &Db, ended: &CancellationToken) {
    let mut beat = tokio::time::interval(std::time::Duration::from_secs(1));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = beat.tick() => save(handle, db).await,
            () = ended.cancelled() => return,
        }
    }
}

async fn save(handle: &quarterdeck_gateway::Handle, db: &Db) {
    let (day, used) = handle.used_quotas();
    if let Err(error) = quarterdeck_gateway::store::save_quotas(db, day, &used).await {
        tracing::warn!(%error, "what has been used of quotas could not be stored");
        handle.keep_quotas(day, used.into_iter().map(|(consumer, _)| consumer));
    }
}
