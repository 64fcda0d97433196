//! The task over a store that fails and comes back.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quarterdeck_alerting::request::{Refused, Request};
use quarterdeck_alerting::task::SEND_UNSAVED_AFTER;
use quarterdeck_alerting::{Console, Deliver, Done, Handle, Job, Options, Runner, Setting};
use quarterdeck_journal::store::Db;
use quarterdeck_journal::testing::{START, Scratch};
use quarterdeck_kernel::{Actor, Clock};
use tokio::sync::mpsc;

use super::{alert, plan, roster};

/// Remembers what it was given, and says nothing.
#[derive(Default)]
pub(super) struct Sent(Mutex<Vec<Job>>);

impl Deliver for Sent {
    fn deliver(&self, job: Job) {
        self.0.lock().push(job);
    }

    fn withdraw(&self) {
        self.0.lock().clear();
    }
}

async fn change(db: &Db, statement: &'static str) {
    let mut tx = db.begin().await.expect("a transaction");
    tx.execute(statement, &[]).await.expect("it is done");
    tx.commit().await.expect("a commit");
}

pub(super) async fn eventually(what: &str, mut probe: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !probe() {
        assert!(begun.elapsed() < Duration::from_secs(60), "still waiting: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) struct Running {
    pub(super) handle: Handle,
    sent: Arc<Sent>,
    db: Db,
    scratch: Scratch,
    pub(super) task: tokio::task::JoinHandle<Result<(), String>>,
    _done: mpsc::Sender<Done>,
}

pub(super) async fn start() -> Running {
    let scratch = Scratch::sqlite();
    let timeline = scratch.timeline(&[quarterdeck_alerting::MIGRATIONS]).await;
    let db = timeline.db().clone();
    let (sent, clock) = (Arc::new(Sent::default()), Arc::clone(&scratch.clock) as Arc<dyn Clock>);
    let (send, done) = mpsc::channel(16);
    let setting = Setting { plan: plan(), options: Options::default(), roster: roster() };
    let deliver = Arc::clone(&sent) as Arc<dyn Deliver>;
    let (runner, handle) = Runner::new(setting, timeline, deliver, done, clock, Console::default());
    let task = tokio::spawn(runner.run(std::future::pending()));
    handle.read_back().await.expect("it starts");
    Running { handle, sent, db, scratch, task, _done: send }
}

async fn post(handle: &Handle, labels: &str) -> Result<(), Refused> {
    handle.ask(Request::Post(vec![alert(labels)]), Actor::system("test"), false).await.map(|_| ())
}

#[tokio::test]
async fn what_was_answered_is_seen_at_once() {
    let running = start().await;
    for n in 0..20 {
        post(&running.handle, &format!("alertname=A{n}")).await.expect("it is taken");
        assert_eq!(running.handle.view().alerts.alerts.len(), n + 1);
    }
    running.task.abort();
}

/// On a disk that is full, nothing can be saved. Nothing is sent either, for it could not be known after a crash whether it
/// was: until half a minute has passed. A page that may come twice is then better than none.
#[tokio::test]
async fn while_nothing_can_be_saved_it_waits_for_half_a_minute_and_then_sends() {
    let running = start().await;
    let Running { handle, sent, db, scratch, .. } = &running;
    post(handle, "alertname=Before").await.expect("it is taken");
    change(db, "ALTER TABLE alerting_records RENAME TO elsewhere").await;
    let refused = post(handle, "alertname=Down,severity=critical").await.expect_err("it is not saved");
    assert!(matches!(refused, Refused::NotSaved(_)), "{refused}");
    eventually("it is shown", || handle.view().unsaved.is_some()).await;
    let unsaved = handle.view().unsaved.clone().expect("it is shown");
    assert!(unsaved.rows > 0 && unsaved.why.contains("alerting_records"), "{unsaved:?}");

    // The group is due: both alerts should be told.
    scratch.clock.advance(Duration::from_secs(6));
    eventually("the groups are looked at", || {
        handle.view().alerts.groups.iter().all(|group| group.last_flush.is_some())
    })
    .await;
    scratch.clock.advance(SEND_UNSAVED_AFTER - Duration::from_secs(8));
    // Several writes were tried meanwhile.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert!(sent.0.lock().is_empty(), "nothing is sent while nothing is saved: {:?}", sent.0.lock());
    scratch.clock.advance(Duration::from_secs(3));
    let told = |name: &str| {
        let jobs = sent.0.lock();
        jobs.iter()
            .filter(|job| match job {
                Job::Notification(attempt) => attempt.alerts.iter().any(|a| a.alert.name() == name),
                Job::Page(page) => page.alerts.iter().any(|a| a.alert.name() == name),
                Job::Over(_) => false,
            })
            .count()
    };
    // Down is told its group's receiver, and pages Alice.
    eventually("it is sent all the same", || told("Before") == 1 && told("Down") == 2).await;
    assert!(handle.view().unsaved.is_some());

    // There is room again: everything is saved, and nothing is sent a second time.
    change(db, "ALTER TABLE elsewhere RENAME TO alerting_records").await;
    eventually("it is saved", || handle.view().unsaved.is_none()).await;
    post(handle, "alertname=After").await.expect("it is taken");
    let stored = quarterdeck_alerting::store::load(db).await.expect("it is read");
    let kept = format!("{:?}", stored.records);
    assert!(["Before", "Down", "After"].iter().all(|name| kept.contains(name)), "{kept}");
    assert_eq!((told("Before"), told("Down")), (1, 2));
    running.task.abort();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_even_while_nothing_can_be_saved() {
    let running = start().await;
    change(&running.db, "ALTER TABLE alerting_records RENAME TO elsewhere").await;
    let nothing = Request::Retry(uuid::Uuid::nil());
    let refused = running.handle.ask(nothing, Actor::system("test"), false).await.expect_err("there is none");
    assert!(matches!(refused, Refused::Missing(_)), "{refused}");
    running.task.abort();
}

/// An hour back: what joins a group is told at its next tick by the new time, not an hour later.
#[tokio::test]
async fn a_clock_that_is_set_back_holds_nothing_up() {
    let running = start().await;
    let Running { handle, sent, scratch, .. } = &running;
    scratch.clock.advance(Duration::from_secs(1800));
    post(handle, "alertname=Down,host=a").await.expect("it is taken");
    scratch.clock.advance(Duration::from_secs(6));
    let told = |host: &str| {
        let is = |a: &quarterdeck_alerting::model::Notified| a.alert.labels.get("host") == Some(host);
        let jobs = sent.0.lock();
        jobs.iter().any(|job| matches!(job, Job::Notification(attempt) if attempt.alerts.iter().any(is)))
    };
    eventually("the first is told", || told("a")).await;
    scratch.clock.set(START);
    post(handle, "alertname=Down,host=b").await.expect("it is taken");
    scratch.clock.advance(Duration::from_secs(1));
    // The delivery of the first was under way, and is done once more before anything new is told of the group.
    eventually("it is timed anew", || handle.view().at < START.plus_millis(60_000)).await;
    let begun = std::time::Instant::now();
    while !told("b") {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is told within some ticks");
        assert!(handle.now() < START.plus_millis(900_000), "not an hour later");
        scratch.clock.advance(Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    running.task.abort();
}
