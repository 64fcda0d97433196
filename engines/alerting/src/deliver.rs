//! From jobs to deliveries, and from their reports back.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, Labels, Timestamp};
use quarterdeck_notify::{
    Action, Attempt as Delivery, Bell, Notification, NotifiedAlert, Notifier, Outcome as Delivered, Report,
    Settings,
};
use quarterdeck_oncall::PageId;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::{Destination, Ready};
use crate::desk::{Done, Job, OverJob, PageJob};
use crate::model::{Attempt, AttemptAction, Notified, Outcome};
use crate::task::Deliver;

/// How long a page is tried to be delivered before its step counts as undelivered.
const PAGE_DEADLINE: Duration = Duration::from_secs(120);
/// Outcomes that may wait to be taken.
const QUEUE: usize = 65_536;

/// A page on one channel that is under way: how many of the channel's integrations have not answered, and whether any
/// has taken it.
struct Paging {
    page: PageId,
    channel: Arc<str>,
    left: usize,
    delivered: bool,
    why: Option<String>,
}

/// A destination and a group: what is told there about it belongs together.
type Conversation = (Arc<str>, Arc<str>);

/// Deliveries under way.
#[derive(Default)]
struct UnderWay {
    /// Notifications by the name of their delivery, which is their own: where they go, and about which group.
    notifications: HashMap<Uuid, Conversation>,
    /// Pages by the name of their delivery.
    pages: HashMap<Uuid, Uuid>,
    paging: HashMap<Uuid, Paging>,
}

/// Delivers by [`quarterdeck_notify`].
pub struct Dispatch {
    notifier: Notifier,
    ready: ArcSwap<Ready>,
    clock: Arc<dyn Clock>,
    done: mpsc::Sender<Done>,
    under_way: Mutex<UnderWay>,
    /// What receivers gave back, by destination and group: Slack's message, to be changed later.
    receipts: Mutex<HashMap<Conversation, Arc<str>>>,
}

/// Receipts kept at most; beyond that the next notification is a new message.
const MAX_RECEIPTS: usize = 10_000;

impl Dispatch {
    /// Deliveries by a configuration; what comes of them is read from the receiver.
    #[must_use]
    pub fn new(
        ready: Ready,
        allow_hosts: &[String],
        clock: Arc<dyn Clock>,
        bell: Option<Bell>,
    ) -> (Arc<Self>, mpsc::Receiver<Done>) {
        let settings = Settings { allow_hosts: allow_hosts.to_vec(), ..Settings::default() };
        let (notifier, reports) = Notifier::new(settings, Arc::clone(&clock), bell);
        let (done, outcomes) = mpsc::channel(QUEUE);
        let dispatch = Arc::new(Self {
            notifier,
            ready: ArcSwap::from_pointee(ready),
            clock,
            done,
            under_way: Mutex::default(),
            receipts: Mutex::default(),
        });
        tokio::spawn(listen(Arc::downgrade(&dispatch), reports));
        (dispatch, outcomes)
    }

    /// Delivers by another configuration from now on.
    pub fn reload(&self, ready: Ready) {
        let names: std::collections::BTreeSet<String> = ready
            .destinations
            .iter()
            .flat_map(|(receiver, all)| all.iter().map(|d| destination(receiver, d)))
            .collect();
        self.ready.store(Arc::new(ready));
        self.notifier.retain(|name| names.contains(name));
    }

    /// How destinations do, as far as this console has told them anything.
    #[must_use]
    pub fn destinations(&self) -> Vec<quarterdeck_notify::DestinationStatus> {
        self.notifier.destinations()
    }

    fn deadline(&self, at: Timestamp) -> Instant {
        Instant::now() + at.since(self.clock.now())
    }

    fn tell(&self, done: Done) {
        if let Err(error) = self.done.try_send(done) {
            // Its deadline makes it unknown: it is not lost, only later.
            tracing::error!(%error, "an outcome could not be handed on");
        }
    }

    fn notification(&self, attempt: &Attempt) {
        let record = Arc::clone(&attempt.record);
        let ready = self.ready.load_full();
        let found = ready
            .destinations
            .get(&record.receiver)
            .and_then(|all| all.iter().find(|d| d.kind == record.integration && d.index == record.index));
        let Some(to) = found else {
            let why = format!("{} is no longer configured", record.destination());
            self.failed(record.id, &why);
            return;
        };
        let name: Arc<str> = destination(&record.receiver, to).into();
        let key = (Arc::clone(&name), Arc::clone(&record.group));
        let delivery = Delivery {
            id: record.id,
            destination: name,
            channel: to.channel.clone(),
            action: match record.action {
                AttemptAction::Notify => Action::Notify,
                AttemptAction::Acknowledge => Action::Acknowledge,
            },
            notification: Arc::new(Notification {
                receiver: Arc::clone(&record.receiver),
                group_key: Arc::clone(&record.group_key),
                group_labels: attempt.group_labels.clone(),
                alerts: attempt.alerts.iter().map(told).collect(),
                external_url: Arc::clone(&ready.external_url),
            }),
            templates: Arc::clone(&ready.templates),
            deadline: self.deadline(record.deadline),
            possibly_duplicate: attempt.possibly_duplicate,
            receipt: self.receipts.lock().get(&key).cloned(),
        };
        self.under_way.lock().notifications.insert(record.id, key);
        if let Err(full) = self.notifier.send(delivery) {
            self.under_way.lock().notifications.remove(&record.id);
            self.failed(record.id, &full.to_string());
        }
    }

    fn failed(&self, id: Uuid, why: &str) {
        self.tell(Done::Notification { id, outcome: Outcome::Failed(why.into()), tries: 0 });
    }

    fn page(&self, job: &PageJob) {
        let ready = self.ready.load_full();
        let (page, channel) = (job.page.id.clone(), Arc::clone(&job.channel));
        let to: Vec<Destination> = ready
            .destinations
            .get(&channel)
            .into_iter()
            .flatten()
            .filter(|d| deliverable(&d.channel))
            .cloned()
            .collect();
        if to.is_empty() {
            let result = Err(format!("receiver {channel} has nothing that this version delivers to"));
            self.tell(Done::Page { page, channel: channel.to_string(), result });
            return;
        }
        let notification = Arc::new(self.paged(job, &ready));
        let deadline = Instant::now() + PAGE_DEADLINE;
        let paging = Uuid::new_v4();
        let waiting = Paging { page, channel, left: to.len(), delivered: false, why: None };
        self.under_way.lock().paging.insert(paging, waiting);
        for to in to {
            let id = name_of(&job.page.id, &job.channel, &to);
            self.under_way.lock().pages.insert(id, paging);
            let delivery = Delivery {
                id,
                destination: destination(&job.channel, &to).into(),
                channel: to.channel.clone(),
                action: Action::Notify,
                notification: Arc::clone(&notification),
                templates: Arc::clone(&ready.templates),
                deadline,
                possibly_duplicate: job.page.possibly_duplicate,
                receipt: None,
            };
            if let Err(full) = self.notifier.send(delivery) {
                self.paged_one(id, Err(full.to_string()));
            }
        }
    }

    /// What a page says: the group's alerts, and in their annotations why this person is told.
    fn paged(&self, job: &PageJob, ready: &Ready) -> Notification {
        let (page, because) = (&job.page, &job.because);
        let step = match page.step {
            Some(step) => format!("step {} of policy {}", step + 1, page.policy),
            None => format!("policy {}", page.policy),
        };
        let alerts = job
            .alerts
            .iter()
            .map(|alert| {
                let mut alert = told(alert);
                let mut pairs: Vec<(String, String)> =
                    alert.annotations.pairs().iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
                pairs.push(("paged_because".to_owned(), because.clone()));
                pairs.push(("escalation".to_owned(), format!("{step}: {}", page.cause.words())));
                alert.annotations = Labels::from_pairs(pairs);
                alert
            })
            .collect();
        Notification {
            receiver: Arc::clone(&job.channel),
            group_key: page_key(&page.id.key),
            group_labels: job.group.as_ref().map(|group| group.labels.clone()).unwrap_or_default(),
            alerts,
            external_url: Arc::clone(&ready.external_url),
        }
    }

    /// Closes what pages opened. Nobody waits for the outcome.
    fn over(&self, job: &OverJob) {
        let ready = self.ready.load_full();
        for channel in &job.channels {
            let notification = Arc::new(Notification {
                receiver: Arc::clone(channel),
                group_key: page_key(&job.key),
                group_labels: job.group.labels.clone(),
                alerts: job.alerts.iter().map(told).collect(),
                external_url: Arc::clone(&ready.external_url),
            });
            for to in
                ready.destinations.get(channel).into_iter().flatten().filter(|d| deliverable(&d.channel))
            {
                let delivery = Delivery {
                    id: Uuid::new_v4(),
                    destination: destination(channel, to).into(),
                    channel: to.channel.clone(),
                    action: Action::Notify,
                    notification: Arc::clone(&notification),
                    templates: Arc::clone(&ready.templates),
                    deadline: Instant::now() + PAGE_DEADLINE,
                    possibly_duplicate: false,
                    receipt: None,
                };
                if let Err(full) = self.notifier.send(delivery) {
                    tracing::warn!(%full, "whoever was paged is not told that it is over");
                }
            }
        }
    }

    /// Takes what came of one integration of a page's channel. A page has arrived when any has taken it.
    fn paged_one(&self, id: Uuid, result: Result<(), String>) {
        let mut under_way = self.under_way.lock();
        let Some(paging) = under_way.pages.remove(&id) else { return };
        let Some(page) = under_way.paging.get_mut(&paging) else { return };
        page.left -= 1;
        match result {
            Ok(()) => page.delivered = true,
            Err(why) => page.why = Some(why),
        }
        if page.left > 0 {
            return;
        }
        let Some(page) = under_way.paging.remove(&paging) else { return };
        drop(under_way);
        let result = if page.delivered { Ok(()) } else { Err(page.why.unwrap_or_default()) };
        self.tell(Done::Page { page: page.page, channel: page.channel.to_string(), result });
    }

    fn report(&self, report: Report) {
        let known = self.under_way.lock().notifications.remove(&report.id);
        let Some(key) = known else {
            let result = match report.outcome {
                Delivered::Delivered { .. } | Delivered::Nothing => Ok(()),
                Delivered::Failed { reason, .. } => Err(reason.to_string()),
            };
            self.paged_one(report.id, result);
            return;
        };
        let outcome = match report.outcome {
            Delivered::Delivered { receipt } => {
                self.keep_receipt(key, receipt);
                Outcome::Delivered
            }
            Delivered::Nothing => Outcome::Delivered,
            Delivered::Failed { reason, .. } => Outcome::Failed(reason),
        };
        self.tell(Done::Notification { id: report.id, outcome, tries: report.tries });
    }

    /// Remembers what a receiver gave back for the group's next notification.
    fn keep_receipt(&self, key: Conversation, receipt: Option<Arc<str>>) {
        let mut receipts = self.receipts.lock();
        let Some(receipt) = receipt else {
            receipts.remove(&key);
            return;
        };
        if receipts.len() >= MAX_RECEIPTS {
            receipts.clear();
        }
        receipts.insert(key, receipt);
    }
}

impl Deliver for Dispatch {
    fn deliver(&self, job: Job) {
        match job {
            Job::Notification(attempt) => self.notification(&attempt),
            Job::Page(page) => self.page(&page),
            Job::Over(over) => self.over(&over),
        }
    }

    fn withdraw(&self) {
        self.notifier.withdraw();
        *self.under_way.lock() = UnderWay::default();
    }
}

async fn listen(dispatch: Weak<Dispatch>, mut reports: mpsc::UnboundedReceiver<Report>) {
    while let Some(report) = reports.recv().await {
        let Some(dispatch) = dispatch.upgrade() else { return };
        dispatch.report(report);
    }
}

fn destination(receiver: &str, to: &Destination) -> String {
    format!("{receiver}/{}[{}]", to.kind, to.index)
}

/// What a page is told by: apart from the group's own notification, and the same for its steps and its end.
fn page_key(escalation: &str) -> Arc<str> {
    format!("page:{escalation}").into()
}

fn deliverable(channel: &quarterdeck_notify::Channel) -> bool {
    match channel {
        quarterdeck_notify::Channel::Receiver(integration) => {
            quarterdeck_notify::deliverability(integration) == quarterdeck_notify::Deliverability::Delivered
        }
        quarterdeck_notify::Channel::Command(_)
        | quarterdeck_notify::Channel::LogFile(_)
        | quarterdeck_notify::Channel::Bell => true,
    }
}

/// The same page on the same channel has the same name after a restart, so that a receiver can tell a repetition.
fn name_of(page: &PageId, channel: &str, to: &Destination) -> Uuid {
    let mut hash = Sha256::new();
    // Lengths in front keep two pages apart whatever their names contain.
    for part in [&*page.key, channel, &*to.kind] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(page.opened.as_millis().to_be_bytes());
    hash.update(page.number.to_be_bytes());
    hash.update(to.index.to_be_bytes());
    let mut name = [0; 16];
    name.copy_from_slice(&hash.finalize()[..16]);
    Uuid::from_bytes(name)
}

fn told(alert: &Notified) -> NotifiedAlert {
    NotifiedAlert {
        labels: alert.alert.labels.clone(),
        annotations: alert.alert.annotations.clone(),
        starts_at: alert.alert.starts_at,
        ends_at: alert.ends_at,
        generator_url: Arc::clone(&alert.alert.generator_url),
        fingerprint: alert.alert.fingerprint.0,
    }
}
