//! The async shell of deployment control: it owns the state machine, hears targets, traffic and metrics, makes every new
//! state durable together with the timeline entries that tell of it, and only then does what follows.

mod save;
mod standby;
mod view;
mod work;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_journal::Timeline;
use quarterdeck_journal::lease::{Console, Lease, LeaseError, TERM};
use quarterdeck_journal::store::Db;
use quarterdeck_kernel::{Clock, Timestamp};
use quarterdeck_services::Source;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::checks::{Alerts, Check, Configured, Frozen, OpenAlert, Smoke, Stable};
use crate::config::Config;
use crate::engine::{Engine, Fact, Input, Plan, Refusal, Service, ServicePlan};
use crate::model::{Elsewhere, LedgerEntry, Rollout, Snapshot};
use crate::strategies::Strategies;
use crate::target::{OutputLine, Target, Targets};
use crate::traffic::Traffic;
use crate::{dora, store};

use save::Waiting;
use view::Rates;
use work::{Done, Held};

/// Requests that wait at most.
const QUEUE: usize = 256;
/// Answers of measurements and checks that wait at most.
const DONE: usize = 1_024;
/// The longest that nothing is looked at.
const NAP: Duration = Duration::from_secs(1);
/// How often traffic is looked at while something moves.
const LOOK: Duration = Duration::from_millis(100);
/// Alerts that are kept at most while nothing can be done about them; more push out the oldest.
const MISSED: usize = 1_000;
/// Snapshots are published no more often than this.
const FRAME: Duration = Duration::from_millis(33);
/// How long processes have to end when the console does.
const CLOSE: Duration = Duration::from_secs(20);
/// How long renewing the lease may take, and how long after it failed it is tried again.
const RENEWAL: Duration = Duration::from_secs(1);

/// Why what was asked for is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It makes no sense now.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// It makes no sense at all.
    #[error("{0}")]
    Bad(String),
    /// The store does not take it; nothing was changed.
    #[error("it could not be saved, and nothing was changed: {0}")]
    NotSaved(String),
    /// Done, but a restart will not know of it.
    #[error("it is done, but could not be saved yet: {0}")]
    DoneUnsaved(String),
    /// Another console does the rollouts.
    #[error("{0}")]
    Elsewhere(String),
    /// Too much waits already.
    #[error("too many requests wait already")]
    Busy,
    /// It has ended.
    #[error("deployment control does not run")]
    Stopped,
}

/// A rollout as somebody asks for it.
#[derive(Clone, Debug)]
pub struct Begin {
    /// The service.
    pub service: String,
    /// The version that it is to have.
    pub to: String,
    /// The name of a strategy; the service's own when not given.
    pub strategy: Option<String>,
    /// A strategy itself, as a file has it, instead of a name.
    pub document: Option<String>,
    /// Who.
    pub actor: quarterdeck_kernel::Actor,
    /// Why.
    pub reason: String,
    /// What is known of the change, beside what the configuration says of the version.
    pub metadata: Vec<(String, String)>,
}

enum Message {
    Begin(Box<Begin>, oneshot::Sender<Result<Vec<Fact>, Refused>>),
    Operate(Box<Input>, oneshot::Sender<Result<Vec<Fact>, Refused>>),
    Alert(Option<String>, Vec<(String, String)>),
    Reload(Arc<Config>, oneshot::Sender<()>),
}

/// Running deployment control. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    messages: mpsc::Sender<Message>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    targets: Arc<Targets>,
}

impl Handle {
    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Snapshots as they are published, at most 30 a second.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// The newest lines that a replica has written, oldest first.
    #[must_use]
    pub fn output(&self, replica: &str, lines: usize) -> Vec<OutputLine> {
        self.targets.output(replica, lines)
    }

    /// Begins a rollout; answers what is to be told of it, when it is durable.
    ///
    /// # Errors
    /// Why not; see [`Refused`].
    pub async fn begin(&self, begin: Begin) -> Result<Vec<Fact>, Refused> {
        self.send(|answer| Message::Begin(Box::new(begin), answer)).await
    }

    /// Does what an operator wants; answers what is to be told of it, when it is durable.
    ///
    /// # Errors
    /// Why not; see [`Refused`].
    pub async fn operate(&self, input: Input) -> Result<Vec<Fact>, Refused> {
        self.send(|answer| Message::Operate(Box::new(input), answer)).await
    }

    async fn send(
        &self,
        message: impl FnOnce(oneshot::Sender<Result<Vec<Fact>, Refused>>) -> Message,
    ) -> Result<Vec<Fact>, Refused> {
        let (answer, answered) = oneshot::channel();
        self.messages.try_send(message(answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refused::Busy,
            mpsc::error::TrySendError::Closed(_) => Refused::Stopped,
        })?;
        answered.await.unwrap_or(Err(Refused::Stopped))
    }

    /// An alert began to fire.
    pub async fn alert(&self, service: Option<String>, labels: Vec<(String, String)>) {
        // Nobody listens any more: no matter.
        let _ = self.messages.send(Message::Alert(service, labels)).await;
    }

    /// Takes another configuration into use: for what begins from now on.
    pub async fn reload(&self, config: Arc<Config>) {
        let (answer, answered) = oneshot::channel();
        if self.messages.send(Message::Reload(config, answer)).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// What an undo must find: the rollout that is under way, or else the one that changed the stable version last.
    #[must_use]
    pub fn marker(&self, service: &str) -> String {
        let snapshot = self.snapshot();
        let newest = snapshot.rollout_of(service).or_else(|| {
            let mut ended = snapshot.history.iter();
            ended.find(|r| r.service == service && r.outcome == Some(crate::model::Outcome::Promoted))
        });
        newest.map_or_else(|| "no rollout".to_owned(), |rollout| rollout.id.clone())
    }
}

/// The state of services as it was written; what cannot be read is left aside and told.
fn read_services(stored: &[(String, String)]) -> Vec<Service> {
    let read = stored.iter().map(|(name, body)| (name, serde_json::from_str(body)));
    read.filter_map(|(name, read)| {
        read.map_err(|why| {
            tracing::error!(service = name, %why, "the state of a service cannot be read and is left aside");
        })
        .ok()
    })
    .collect()
}

/// Tells the alerts that are open on a service.
pub type AlertsOf = Arc<dyn Fn(&str) -> Vec<OpenAlert> + Send + Sync>;

/// What deployment control works with.
pub struct Seams {
    /// Moves traffic.
    pub traffic: Arc<dyn Traffic>,
    /// Runs versions.
    pub targets: Arc<Targets>,
    /// Answers PromQL.
    pub metrics: Arc<dyn Source>,
    /// The alerts that are open on a service.
    pub alerts: AlertsOf,
    /// Where what is durable goes.
    pub timeline: Timeline,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This console among those that share the store.
    pub console: Console,
}

/// Deployment control, to be run.
pub struct Runner {
    config: Arc<Config>,
    strategies: Strategies,
    seams: Seams,
    messages: mpsc::Receiver<Message>,
    done: mpsc::Receiver<Done>,
    tell: mpsc::Sender<Done>,
    publisher: watch::Sender<Arc<Snapshot>>,
    engine: Engine,
    waiting: Waiting,
    held: BTreeMap<String, Held>,
    rates: Rates,
    history: Vec<Arc<Rollout>>,
    ledger: Vec<LedgerEntry>,
    version: u64,
    published: Option<Instant>,
    dirty: bool,
    looked: Option<Instant>,
    /// The right to do the rollouts; none on a store that nobody shares.
    lease: Option<Lease>,
    /// Another console has taken over.
    lost: bool,
    /// When the lease is to be renewed next, after that failed.
    renew: Option<Instant>,
    elsewhere: Option<Elsewhere>,
    /// Alerts that began to fire while nothing could be done about them here.
    missed: Vec<(Timestamp, Input)>,
}

/// Why the task no longer does the rollouts.
enum Left {
    /// It was told to stop.
    Stopped,
    /// Another console has taken over.
    Lost,
}

impl Runner {
    /// Deployment control over these; [`Runner::run`] sets it to work.
    #[must_use]
    pub fn new(config: Arc<Config>, base: &std::path::Path, seams: Seams) -> (Self, Handle) {
        let (send, messages) = mpsc::channel(QUEUE);
        let (tell, done) = mpsc::channel(DONE);
        let (publisher, snapshots) = watch::channel(Arc::default());
        let handle = Handle { messages: send, snapshots, targets: Arc::clone(&seams.targets) };
        let strategies = Strategies::load(&config.strategies, base);
        let runner = Self {
            config,
            strategies,
            seams,
            messages,
            done,
            tell,
            publisher,
            engine: Engine::new(),
            waiting: Waiting::default(),
            held: BTreeMap::new(),
            rates: Rates::default(),
            history: Vec::new(),
            ledger: Vec::new(),
            version: 0,
            published: None,
            dirty: true,
            looked: None,
            lease: None,
            lost: false,
            renew: None,
            elsewhere: None,
            missed: Vec::new(),
        };
        (runner, handle)
    }

    fn now(&self) -> Timestamp {
        self.seams.clock.now()
    }

    /// Works until `stop` completes.
    ///
    /// # Errors
    /// When what was written cannot be read back.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), String> {
        let mut stop = std::pin::pin!(stop);
        loop {
            // On SQLite the data directory is locked: nobody else can be there.
            if let Db::Postgres(_) = self.seams.timeline.db() {
                let Some(lease) = self.stand_by(stop.as_mut()).await else { break };
                self.lease = Some(lease);
            }
            match self.lead(stop.as_mut()).await? {
                Left::Stopped => break,
                Left::Lost => tracing::warn!("another console does the rollouts now"),
            }
        }
        if let Some(lease) = self.lease.take()
            && let Err(error) = lease.give_back(self.seams.timeline.db()).await
        {
            tracing::warn!(%error, "the lease of rollouts could not be given back; another console waits for its end");
        }
        self.seams.targets.close(CLOSE).await;
        Ok(())
    }

    /// Does the rollouts until told to stop or another console does them.
    async fn lead(&mut self, mut stop: Pin<&mut impl Future<Output = ()>>) -> Result<Left, String> {
        self.lost = false;
        self.elsewhere = None;
        self.own();
        self.waiting = Waiting::default();
        self.restore().await?;
        let mut observed = self.seams.targets.watch();
        self.observe(&observed.borrow_and_update().clone());
        // Of those that began longer ago the console before this one has heard.
        let since = self.now() - TERM * 3;
        self.hear_missed(since);
        loop {
            self.flush().await;
            self.keep().await;
            if self.lost {
                (self.lease, self.lost) = (None, false);
                return Ok(Left::Lost);
            }
            self.show();
            let nap = self.nap();
            tokio::select! {
                () = &mut stop => return Ok(Left::Stopped),
                message = self.messages.recv() => match message {
                    Some(message) => self.message(message).await,
                    None => return Ok(Left::Stopped),
                },
                Some(done) = self.done.recv() => self.heard(done),
                changed = observed.changed() => {
                    if changed.is_err() {
                        return Err("what runs the versions has ended".to_owned());
                    }
                    let newest = observed.borrow_and_update().clone();
                    self.observe(&newest);
                }
                () = tokio::time::sleep(nap) => {
                    self.tick();
                    self.insist().await;
                }
            }
            if self.waiting.recovered() {
                // What was not heard while nothing could be saved.
                self.observe(&observed.borrow().clone());
                self.hear_missed(Timestamp::from_millis(0));
            }
        }
    }

    /// Keeps an alert for when something can be done about it.
    fn miss(&mut self, alert: Input) {
        if self.missed.len() >= MISSED {
            self.missed.remove(0);
        }
        self.missed.push((self.now(), alert));
    }

    /// Hears the alerts that were kept since then, and forgets those of before.
    fn hear_missed(&mut self, since: Timestamp) {
        for (at, alert) in std::mem::take(&mut self.missed) {
            if at >= since {
                self.input(alert);
            }
        }
    }

    /// Renews the lease well before it ends.
    async fn keep(&mut self) {
        let now = self.now();
        let Some(lease) = &self.lease else { return };
        let early = lease.until.since(now) > TERM.mul_f64(0.6);
        if self.lost || early || self.renew.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let renewed = tokio::time::timeout(RENEWAL, lease.renew(self.seams.timeline.db(), now)).await;
        self.renew = Some(Instant::now() + RENEWAL);
        match renewed {
            Ok(Ok(lease)) => (self.lease, self.renew) = (Some(lease), None),
            Ok(Err(LeaseError::Lost)) => self.lost = true,
            Ok(Err(error)) => tracing::warn!(%error, "the lease of rollouts could not be renewed"),
            Err(_) => tracing::warn!("the lease of rollouts could not be renewed in time"),
        }
    }

    async fn restore(&mut self) -> Result<(), String> {
        let now = self.now();
        let db = self.seams.timeline.db();
        let stored = store::load(db, now - dora::WINDOW * 13).await.map_err(|e| e.to_string())?;
        for (what, why) in &stored.unreadable {
            tracing::error!(what, why, "a row of deployment control cannot be read and is left aside");
        }
        let services = read_services(&stored.services);
        self.history = stored.history.into_iter().map(Arc::new).collect();
        self.ledger = stored.ledger;
        let (engine, effects) = Engine::restore(services, now);
        self.engine = engine;
        self.dirty = true;
        self.take(effects);
        self.configure();
        Ok(())
    }

    fn configure(&mut self) {
        let plans = self.config.services.iter().map(|(name, service)| ServicePlan {
            name: name.clone(),
            replicas: service.replicas,
            stable: Some(service.stable.clone()).filter(|stable| !stable.is_empty()),
        });
        let plans = plans.collect();
        self.input(Input::Configure(plans));
    }

    /// Tells the state machine what no operator asked for.
    fn input(&mut self, input: Input) {
        let now = self.now();
        match self.engine.handle(input, now) {
            Ok(effects) => self.take(effects),
            Err(refusal) => tracing::error!(%refusal, "deployment control refused what was observed"),
        }
    }

    fn tick(&mut self) {
        if self.waiting.is_stuck() {
            return;
        }
        self.look();
        self.input(Input::Tick);
        self.steer_all();
    }

    /// Requests under way to versions, while that matters.
    fn look(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return;
        }
        self.looked = Some(Instant::now());
        let mut heard = Vec::new();
        for service in self.engine.services() {
            if service.rollout.is_none() && service.versions.values().all(|version| version.retire.is_none())
            {
                continue;
            }
            let gateway = self.gateway_of(&service.name);
            let of = |version: &String| (version.clone(), self.seams.traffic.in_flight(gateway, version));
            heard.push((service.name.clone(), service.versions.keys().map(of).collect()));
        }
        for (service, in_flight) in heard {
            self.input(Input::Traffic { service, in_flight });
        }
    }

    fn gateway_of<'a>(&'a self, service: &'a str) -> &'a str {
        let configured = self.config.services.get(service).and_then(|s| s.gateway.as_deref());
        configured.unwrap_or(service)
    }

    fn nap(&self) -> Duration {
        if self.waiting.is_stuck() {
            return NAP;
        }
        let moving = self
            .engine
            .services()
            .any(|s| s.rollout.is_some() || s.versions.values().any(|v| v.retire.is_some() && v.wanted > 0));
        let most = if moving { LOOK } else { NAP };
        self.engine
            .next_wake()
            .map_or(most, |at| at.since(self.now()).min(most))
            .max(Duration::from_millis(1))
    }

    async fn message(&mut self, message: Message) {
        match message {
            Message::Begin(begin, answer) => {
                let outcome = match self.plan(*begin) {
                    Ok(plan) => self.operate(Input::Start(Box::new(plan))).await,
                    Err(refused) => Err(refused),
                };
                self.answer(outcome, answer);
            }
            Message::Operate(input, answer) => {
                let outcome = self.operate(*input).await;
                self.answer(outcome, answer);
            }
            Message::Alert(service, labels) => {
                let alert = Input::Alert { service, labels };
                if self.waiting.is_stuck() {
                    self.miss(alert);
                } else {
                    self.input(alert);
                }
            }
            Message::Reload(config, answer) => {
                self.reload(config);
                self.configure();
                let _ = answer.send(());
            }
        }
        self.dirty = true;
    }

    /// Who is answered sees at once what was done; what another console does is shown by who follows it.
    fn answer(
        &mut self,
        outcome: Result<Vec<Fact>, Refused>,
        to: oneshot::Sender<Result<Vec<Fact>, Refused>>,
    ) {
        if !self.lost {
            self.publish(Instant::now());
        }
        // Nobody waits any more: no matter.
        let _ = to.send(outcome);
    }

    fn reload(&mut self, config: Arc<Config>) {
        self.seams.targets.reload(&config);
        self.strategies.reload(&config.strategies);
        self.config = config;
    }

    /// A rollout as it is about to begin.
    fn plan(&self, begin: Begin) -> Result<Plan, Refused> {
        let bad = |why: String| Refused::Bad(why);
        let Some(service) = self.config.services.get(&begin.service) else {
            let names: Vec<&str> = self.config.services.keys().map(String::as_str).collect();
            let near = quarterdeck_kernel::suggest::nearest(&begin.service, names.iter().copied());
            let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
            let known = if names.is_empty() { "[deploy] names none".to_owned() } else { names.join(", ") };
            return Err(bad(format!("{:?} is not deployed here; {near}services: {known}", begin.service)));
        };
        if !crate::config::is_name(&begin.to) {
            return Err(bad(format!(
                "{:?} is not a name for a version: write letters, digits, -, _ and .",
                begin.to
            )));
        }
        if let Some(why) = self.seams.traffic.trouble(self.gateway_of(&begin.service)) {
            return Err(bad(format!("traffic of {} cannot be moved: {why}", begin.service)));
        }
        let strategy = match (&begin.document, begin.strategy.as_ref().or(service.strategy.as_ref())) {
            (Some(document), name) => {
                self.strategies.read(document, name.map_or("strategy", String::as_str)).map_err(bad)?
            }
            (None, Some(name)) => self.strategies.named(name).map_err(bad)?,
            (None, None) => self.strategies.standard(),
        };
        let from = self.engine.service(&begin.service).and_then(|known| known.stable.clone());
        let after = service.metadata_of(&begin.to);
        let before = from.as_ref().map(|from| service.metadata_of(from)).unwrap_or_default();
        let mut metadata: BTreeMap<String, String> = after.clone();
        metadata.extend(begin.metadata);
        Ok(Plan {
            diff: work::difference(service, from.as_deref(), &begin.to, &before, &after),
            service: begin.service,
            to: begin.to,
            strategy,
            actor: begin.actor,
            reason: begin.reason,
            metadata: metadata.into_iter().collect(),
            rollback_of: None,
        })
    }

    fn checks(&self) -> Vec<Arc<dyn Check>> {
        let config = Arc::clone(&self.config);
        let traffic = Arc::clone(&self.seams.traffic);
        let alerts = Arc::clone(&self.seams.alerts);
        let freezes = Arc::new(
            self.config
                .freezes
                .iter()
                .filter_map(|freeze| crate::checks::freeze::Freeze::new(freeze).ok())
                .collect::<Vec<_>>(),
        );
        let http = self.seams.targets.http().clone();
        vec![
            Arc::new(Configured::new(move |plan| {
                let gateway = plan.config.gateway.as_deref().unwrap_or(&plan.service);
                if let Some(why) = traffic.trouble(gateway) {
                    return Err(format!("its traffic cannot be moved: {why}"));
                }
                work::can_run(&config, &plan.service, &plan.to)
            })),
            Arc::new(Frozen::new(move || Arc::clone(&freezes))),
            Arc::new(Alerts::new(move |plan| Ok(alerts(&plan.service)))),
            Arc::new(Stable::new(http.clone())),
            Arc::new(Smoke::new(http)),
        ]
    }
}
