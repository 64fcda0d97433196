//! The async shell: owns the desk, its time and its store.
//!
//! Whatever waits is taken together: its rows and timeline entries are written in one transaction, and only then are jobs
//! handed over and callers answered. When the store fails, what could not be written is kept (the newest state of each
//! thing) and tried again; callers are told so, and nothing is sent: until [`SEND_UNSAVED_AFTER`] has passed. A page that
//! may come twice after a crash is then better than none while a disk is full.
//!
//! On a store that several consoles share, one holds the lease and notifies; the others show what it wrote and hand their
//! operators' requests to it.

mod inlet;
mod lead;
mod save;
mod standby;

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alertmanager::{Fingerprint, Matchers};
use quarterdeck_journal::Timeline;
use quarterdeck_journal::lease::Console;
use quarterdeck_journal::store::Db;
use quarterdeck_kernel::{Actor, Clock, Timestamp, snapshot};
use quarterdeck_oncall::Roster;
use tokio::sync::{mpsc, oneshot, watch};

use crate::desk::{Done, Job};
use crate::engine::{Explanation, Options, Plan};
use crate::model::{Alert, Snapshot};
use crate::request::{Answer, Ask, Refused, Request};
use crate::store::{self, Lease};

use inlet::Inlet;
pub use inlet::{MAX_HELD, Room};

/// The shortest time between two published views.
const FRAME: Duration = Duration::from_millis(33);
/// The longest sleep: the clock may be set meanwhile.
const NAP: Duration = Duration::from_millis(500);
/// Requests that may wait.
const QUEUE: usize = 4096;
/// How long nothing is sent while nothing can be saved.
pub const SEND_UNSAVED_AFTER: Duration = Duration::from_secs(30);

/// Hands jobs to whoever delivers them. What comes of each is sent to the channel that the deliverer was made with.
pub trait Deliver: Send + Sync {
    /// Takes a job. Must not wait: a queue that is full is an outcome like any other.
    fn deliver(&self, job: Job);

    /// Forgets what it was given and has not delivered: another console does it.
    fn withdraw(&self);
}

/// What this console does about alerts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Not known yet.
    #[default]
    Starting,
    /// It notifies.
    Notifying,
    /// Another console on the same store notifies.
    Standby {
        /// Its name.
        holder: Arc<str>,
        /// Where its API is.
        address: Arc<str>,
    },
}

/// Why the store does not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsaved {
    /// Since when.
    pub since: Timestamp,
    /// What the store said last.
    pub why: Arc<str>,
    /// How many rows wait.
    pub rows: usize,
}

/// Everything that panes and interfaces show of alerting.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Grows with every change.
    pub version: u64,
    /// When it was taken.
    pub at: Timestamp,
    /// Alerts, groups, silences, notifications, figures.
    pub alerts: Snapshot,
    /// Schedules and escalations.
    pub oncall: quarterdeck_oncall::Snapshot,
    /// What this console does about them.
    pub role: Role,
    /// Why the store does not follow, if it does not.
    pub unsaved: Option<Unsaved>,
    /// Rows of the store that cannot be read: kind, name, why.
    pub unreadable: Arc<[(String, String, String)]>,
    /// Requests that were turned away since the start because too many waited, or too large ones.
    pub turned_away: u64,
}

impl snapshot::Snapshot for View {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.at
    }
}

/// A configuration made ready.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Routes, receivers, inhibition.
    pub plan: Arc<Plan>,
    /// The engine's own options.
    pub options: Options,
    /// Persons, schedules, policies.
    pub roster: Arc<Roster>,
}

/// What is sent to the task.
enum Message {
    Ask(Box<Ask>, oneshot::Sender<Result<Answer, Refused>>),
    Explain(Fingerprint, oneshot::Sender<Option<Explanation>>),
    Preview(Matchers, oneshot::Sender<Vec<Arc<Alert>>>),
    Reload(Box<Setting>, oneshot::Sender<()>),
    Past(Timestamp, oneshot::Sender<Result<Vec<Arc<Alert>>, Refused>>),
}

/// Running alerting. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    messages: mpsc::Sender<Message>,
    views: watch::Receiver<Arc<View>>,
    clock: Arc<dyn Clock>,
    inlet: Arc<Inlet>,
}

impl Handle {
    /// Room for the body of a request that is about to be read; none of it is taken yet.
    #[must_use]
    pub fn room(&self) -> Room {
        Room::new(Arc::clone(&self.inlet))
    }

    /// How many requests wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.messages.max_capacity() - self.messages.capacity()
    }

    /// The time by which alerting works.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Follows the state.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<View>> {
        self.views.clone()
    }

    /// The newest state.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    /// The newest state, once there is one: until what was written down is read back, nothing can be said.
    ///
    /// # Errors
    /// When alerting has stopped.
    pub async fn read_back(&self) -> Result<Arc<View>, Refused> {
        let mut views = self.views.clone();
        let found = views.wait_for(|view| view.role != Role::Starting).await;
        found.map(|view| Arc::clone(&view)).map_err(|_| Refused::Stopped)
    }

    /// Asks for something to be done. When this answers, it is durable. With `told`, the caller writes the timeline entry
    /// of what the operator did.
    ///
    /// # Errors
    /// Why it was not done; see [`Refused`].
    pub async fn ask(&self, request: Request, by: Actor, told: bool) -> Result<Answer, Refused> {
        let (answer, answered) = oneshot::channel();
        let message = Message::Ask(Box::new(Ask { request, by, told }), answer);
        self.messages.try_send(message).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => self.inlet.turn_away(),
            mpsc::error::TrySendError::Closed(_) => Refused::Stopped,
        })?;
        answered.await.unwrap_or(Err(Refused::Stopped))
    }

    /// Why an alert was, or was not, told; `None` when there is none.
    ///
    /// # Errors
    /// When alerting has stopped.
    pub async fn explain(&self, alert: Fingerprint) -> Result<Option<Explanation>, Refused> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Explain(alert, answer)).await.map_err(|_| Refused::Stopped)?;
        answered.await.map_err(|_| Refused::Stopped)
    }

    /// The open alerts that matchers would hide.
    ///
    /// # Errors
    /// When alerting has stopped.
    pub async fn preview(&self, matchers: Matchers) -> Result<Vec<Arc<Alert>>, Refused> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Preview(matchers, answer)).await.map_err(|_| Refused::Stopped)?;
        answered.await.map_err(|_| Refused::Stopped)
    }

    /// Alerts that were open at a past moment and have been forgotten since, as they were at their end: their histories
    /// tell what they were then. Those that are still known are in the [`View`].
    ///
    /// # Errors
    /// When alerting has stopped, or the store cannot be read.
    pub async fn past(&self, moment: Timestamp) -> Result<Vec<Arc<Alert>>, Refused> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Past(moment, answer)).await.map_err(|_| Refused::Stopped)?;
        answered.await.map_err(|_| Refused::Stopped)?
    }

    /// Takes another configuration into use.
    ///
    /// # Errors
    /// When alerting has stopped.
    pub async fn reload(&self, setting: Setting) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Reload(Box::new(setting), answer)).await.map_err(|_| Refused::Stopped)?;
        answered.await.map_err(|_| Refused::Stopped)
    }
}

/// Alerting, to be run.
pub struct Runner {
    setting: Setting,
    timeline: Timeline,
    clock: Arc<dyn Clock>,
    deliver: Arc<dyn Deliver>,
    done: mpsc::Receiver<Done>,
    messages: mpsc::Receiver<Message>,
    views: watch::Sender<Arc<View>>,
    console: Console,
    inlet: Arc<Inlet>,
    version: u64,
}

/// Why the task left a role.
enum Left {
    /// It was told to stop.
    Stopped,
    /// Another console notifies.
    Lost,
    /// The clock was set back, from what it had shown before: everything is to be timed anew. The lease is still held, if
    /// there is one.
    SetBack(Option<Lease>, Timestamp),
}

impl Runner {
    /// Alerting over the store of a timeline; [`Runner::run`] sets it to work.
    #[must_use]
    pub fn new(
        setting: Setting,
        timeline: Timeline,
        deliver: Arc<dyn Deliver>,
        done: mpsc::Receiver<Done>,
        clock: Arc<dyn Clock>,
        console: Console,
    ) -> (Self, Handle) {
        let (send, messages) = mpsc::channel(QUEUE);
        let (views, watched) = watch::channel(Arc::default());
        let inlet = Arc::<Inlet>::default();
        let handle =
            Handle { messages: send, views: watched, clock: Arc::clone(&clock), inlet: Arc::clone(&inlet) };
        let version = 0;
        let runner =
            Self { setting, timeline, clock, deliver, done, messages, views, console, inlet, version };
        (runner, handle)
    }

    /// Works until `stop` completes.
    ///
    /// # Errors
    /// When what was written cannot be read back.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), String> {
        let mut stop = std::pin::pin!(stop);
        let mut kept: Option<Option<Lease>> = None;
        let mut shown = None;
        loop {
            let lease = match (kept.take(), self.db()) {
                (Some(lease), _) => lease,
                // The data directory is locked: nobody else can be there.
                (None, Db::Sqlite(_)) => None,
                (None, Db::Postgres(_)) => match self.stand_by(stop.as_mut()).await? {
                    Some(lease) => Some(lease),
                    None => return Ok(()),
                },
            };
            match self.lead(lease, shown.take(), stop.as_mut()).await? {
                Left::Stopped => return Ok(()),
                Left::Lost => tracing::warn!("another console notifies now"),
                Left::SetBack(lease, latest) => {
                    tracing::warn!("the clock was set back: what waits is timed anew");
                    (kept, shown) = (Some(lease), Some(latest));
                }
            }
        }
    }

    fn db(&self) -> &Db {
        self.timeline.db()
    }

    /// Answers a question about the past beside everything else.
    fn past(&self, moment: Timestamp, asker: oneshot::Sender<Result<Vec<Arc<Alert>>, Refused>>) {
        let (db, options) = (self.db().clone(), self.setting.options.clone());
        tokio::spawn(async move {
            let read = store::past::at(&db, moment).await;
            let answer = read.map_err(|error| Refused::NotRead(error.to_string())).map(|alerts| {
                let known = |alert: Alert| {
                    let severity = options.severity(&alert.labels);
                    let service = alert.labels.get(&options.service_label).map(Arc::from);
                    Arc::new(Alert { severity, service, ..alert })
                };
                alerts.into_iter().map(known).collect()
            });
            // Nobody waits any more: no matter.
            let _ = asker.send(answer);
        });
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How long until a moment of the clock, at most [`NAP`].
    fn until(&self, at: Option<Timestamp>) -> Duration {
        at.map_or(NAP, |at| at.since(self.now()).min(NAP))
    }
}
