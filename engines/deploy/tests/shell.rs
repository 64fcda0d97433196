//! The shell on both databases: what is durable before it is done, and what happens while nothing can be saved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quarterdeck_deploy::engine::Input;
use quarterdeck_deploy::model::{Outcome, Phase, share_of};
use quarterdeck_deploy::target::process::Places;
use quarterdeck_deploy::target::{Leases, Targets};
use quarterdeck_deploy::task::{Begin, Refused};
use quarterdeck_deploy::traffic::{Course, Traffic};
use quarterdeck_deploy::{Config, Handle, MIGRATIONS, Runner, Seams, actions};
use quarterdeck_journal::Timeline;
use quarterdeck_journal::dispatch::{DispatchError, Dispatcher, Registry};
use quarterdeck_journal::lease::Console;
use quarterdeck_journal::store::Db;
use quarterdeck_journal::testing::Scratch;
use quarterdeck_kernel::{Actor, Clock, Invocation, Subject, SubjectKind, SystemClock, Timestamp};
use quarterdeck_services::Source;
use quarterdeck_services::source::Line;

/// Remembers where traffic was told to go.
#[derive(Default)]
struct Told(Mutex<BTreeMap<String, Course>>);

impl Traffic for Told {
    fn steer(&self, service: &str, course: &Course) -> Result<(), String> {
        self.0.lock().insert(service.to_owned(), course.clone());
        Ok(())
    }

    fn in_flight(&self, _: &str, _: &str) -> u64 {
        0
    }

    fn routed(&self, _: &str, _: &str) -> u64 {
        0
    }

    fn holds(&self, service: &str) -> bool {
        self.0.lock().contains_key(service)
    }

    fn trouble(&self, _: &str) -> Option<String> {
        None
    }
}

impl Told {
    fn share(&self, version: &str) -> u32 {
        self.0.lock().get("shop").map_or(0, |course| share_of(&course.shares, version))
    }
}

struct Nothing;

impl Source for Nothing {
    fn range(&self, _: &str, _: Timestamp, _: Timestamp, _: Duration) -> Result<Vec<Line>, String> {
        Ok(Vec::new())
    }
}

impl Leases for Nothing {
    fn variable(&self) -> &str {
        "NOBODY"
    }

    fn lease(&self) -> std::io::Result<uuid::Uuid> {
        Err(std::io::Error::other("nothing is started here"))
    }

    fn release(&self, _: uuid::Uuid) {}
}

/// Half of the traffic, then a key.
const HALF: &str = "strategy: {canary: {steps: [{setWeight: 50}, {pause: {}}]}}\ndrainSeconds: 1\n\
                    abortOnAlerts: ['severity=\"critical\"']\n";

struct Desk {
    handle: Handle,
    told: Arc<Told>,
    task: tokio::task::JoinHandle<Result<(), String>>,
}

/// Deployment control over two versions that only take connections.
fn start(name: &str, timeline: &Timeline, shop: &Shop, folder: &std::path::Path) -> Desk {
    let config = &shop.config;
    let places = Places { base: folder.to_owned(), data: folder.join("deploy"), launcher: None };
    let targets = Targets::open(Arc::clone(config), Arc::new(Nothing), places).expect("targets");
    let told = Arc::new(Told::default());
    let seams = Seams {
        traffic: Arc::clone(&told) as Arc<dyn Traffic>,
        targets: Arc::new(targets),
        metrics: Arc::new(Nothing),
        alerts: Arc::new(|_| Vec::new()),
        timeline: timeline.clone(),
        clock: Arc::new(SystemClock) as Arc<dyn Clock>,
        console: Console { name: name.to_owned(), address: format!("http://{name}") },
    };
    let (runner, handle) = Runner::new(Arc::clone(config), folder, seams);
    Desk { handle, told, task: tokio::spawn(runner.run(std::future::pending())) }
}

impl Desk {
    async fn ready(&self) {
        until("v1 is ready", || {
            let snapshot = self.handle.snapshot();
            let shop = snapshot.service("shop");
            shop.is_some_and(|s| s.versions.iter().any(|v| v.name == "v1" && v.ready == 1))
        })
        .await;
    }

    /// Half of the traffic goes to v2, and that stays until somebody says otherwise.
    async fn half(&self) {
        self.handle.begin(begin()).await.expect("it begins");
        assert!(phase(&self.handle).is_some(), "who is answered sees at once what was begun");
        until("half of the traffic", || {
            self.told.share("v2") == 50 && phase(&self.handle) == Some(Phase::Paused)
        })
        .await;
    }
}

/// A service of two versions, as configured.
struct Shop {
    config: Arc<Config>,
    _versions: [tokio::net::TcpListener; 2],
}

impl Shop {
    async fn open() -> Self {
        let ((one, v1), (two, v2)) = (version().await, version().await);
        let text = format!(
            "[services.shop]\nstable = 'v1'\nversions.v1.endpoints = ['{v1}']\nversions.v2.endpoints = ['{v2}']\n\
             checks.skip = ['stable']\n"
        );
        let config = Arc::new(toml::from_str(&text).expect("a configuration"));
        Self { config, _versions: [one, two] }
    }
}

async fn version() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..1_500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come to this: {what}");
}

async fn change(db: &Db, sql: &'static str) {
    let mut tx = db.begin().await.expect("a transaction");
    tx.execute(sql, &[]).await.expect("a change");
    tx.commit().await.expect("a commit");
}

fn begin() -> Begin {
    Begin {
        service: "shop".to_owned(),
        to: "v2".to_owned(),
        strategy: None,
        document: Some(HALF.to_owned()),
        actor: Actor::system("test"),
        reason: String::new(),
        metadata: Vec::new(),
    }
}

fn rollback() -> Input {
    let by = Actor::system("test");
    Input::Rollback { service: "shop".to_owned(), to: None, gradual: None, reason: "bad".to_owned(), by }
}

/// A critical alert of the shop begins to fire.
async fn fire(handle: &Handle) {
    let labels = [("alertname", "Slow"), ("severity", "critical")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    handle.alert(Some("shop".to_owned()), labels).await;
}

fn phase(handle: &Handle) -> Option<Phase> {
    handle.snapshot().rollout_of("shop").map(|rollout| rollout.phase)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_saved_nothing_moves_but_the_way_back() {
    for scratch in Scratch::each() {
        let name = scratch.name();
        let timeline = scratch.timeline(&[MIGRATIONS]).await;
        let db = timeline.db().clone();
        let shop = Shop::open().await;
        let desk = start("desk", &timeline, &shop, scratch.path());
        let Desk { handle, told, task } = &desk;
        desk.ready().await;

        // What cannot be saved is refused, and changes nothing: neither now nor when there is room again.
        change(&db, "ALTER TABLE deploy_services RENAME TO elsewhere").await;
        let refused = handle.begin(begin()).await.expect_err("it is not saved");
        assert!(matches!(refused, Refused::NotSaved(_)), "{name}: {refused}");
        until("it is shown", || {
            handle.snapshot().service("shop").is_some_and(|s| s.trouble.contains("cannot be saved"))
        })
        .await;
        change(&db, "ALTER TABLE elsewhere RENAME TO deploy_services").await;
        until("it is over", || handle.snapshot().service("shop").is_some_and(|s| s.trouble.is_empty())).await;
        assert_eq!((phase(handle), told.share("v2")), (None, 0), "{name}");

        desk.half().await;

        // In the middle of it: what would go on does not, what takes traffic back does.
        change(&db, "ALTER TABLE deploy_services RENAME TO elsewhere").await;
        let promote = Input::Promote { service: "shop".to_owned(), full: true, by: Actor::system("test") };
        let refused = handle.operate(promote).await.expect_err("it is not saved");
        assert!(matches!(refused, Refused::NotSaved(_)), "{name}: {refused}");
        assert_eq!((told.share("v1"), told.share("v2")), (50, 50), "{name}");
        let done = handle.operate(rollback()).await.expect_err("done, but not saved");
        assert!(matches!(done, Refused::DoneUnsaved(_)), "{name}: {done}");
        assert_eq!((told.share("v1"), told.share("v2")), (100, 0), "{name}");

        // There is room again: it is saved, and ends as it should.
        change(&db, "ALTER TABLE elsewhere RENAME TO deploy_services").await;
        until("it has ended", || phase(handle).is_none()).await;
        assert_eq!(handle.snapshot().history[0].outcome, Some(Outcome::Aborted), "{name}");
        let stored =
            quarterdeck_deploy::store::load(&db, Timestamp::from_millis(0)).await.expect("it is read");
        assert_eq!((stored.history.len(), stored.ledger.len()), (1, 1), "{name}");
        task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_goes_on_after_the_console_was_killed_in_the_middle_of_it() {
    for scratch in Scratch::each() {
        let name = scratch.name();
        let timeline = scratch.timeline(&[MIGRATIONS]).await;
        let shop = Shop::open().await;
        let first = start("desk", &timeline, &shop, scratch.path());
        first.ready().await;
        first.half().await;
        // No farewell: what is known is what was durable.
        first.task.abort();
        let second = start("desk", &timeline, &shop, scratch.path());
        until("it stands where it stood", || {
            phase(&second.handle) == Some(Phase::Paused) && second.told.share("v2") == 50
        })
        .await;
        let promote = Input::Promote { service: "shop".to_owned(), full: true, by: Actor::system("test") };
        second.handle.operate(promote).await.expect("it goes on");
        until("v2 is stable", || {
            let snapshot = second.handle.snapshot();
            snapshot.service("shop").is_some_and(|s| s.stable.as_deref() == Some("v2"))
        })
        .await;
        assert_eq!((second.told.share("v1"), second.told.share("v2")), (0, 100), "{name}");
        second.task.abort();
    }
}

/// Two consoles on one store, in the middle of a rollout of the first.
struct Pair {
    scratch: Scratch,
    timeline: Timeline,
    shop: Shop,
    first: Desk,
    second: Desk,
}

impl Pair {
    /// None, and said, where there is no PostgreSQL: consoles share no other store.
    async fn start() -> Option<Self> {
        let Some(scratch) = Scratch::postgres() else {
            println!("SKIPPED: this machine has no PostgreSQL");
            return None;
        };
        let timeline = scratch.timeline(&[MIGRATIONS]).await;
        let shop = Shop::open().await;
        let first = start("one", &timeline, &shop, &scratch.path().join("one"));
        first.ready().await;
        first.half().await;
        let second = start("two", &timeline, &shop, &scratch.path().join("two"));
        until("the second shows it, and follows", || {
            phase(&second.handle) == Some(Phase::Paused) && second.told.share("v2") == 50
        })
        .await;
        Some(Self { scratch, timeline, shop, first, second })
    }
}

/// Two consoles on one store: one does the rollouts; the other shows them, lets its own gateway follow, and refuses changes
/// with the reason. When the first dies, the other goes on from what was durable.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_consoles_one_does_the_rollouts_and_the_other_takes_over() {
    let Some(Pair { scratch, timeline, shop, first, second }) = Pair::start().await else { return };
    let snapshot = second.handle.snapshot();
    let elsewhere = snapshot.elsewhere.as_ref().expect("another console does it");
    assert_eq!((elsewhere.console.as_str(), elsewhere.address.as_str()), ("one", "http://one"));
    assert_eq!(first.handle.snapshot().elsewhere, None);
    let view = snapshot.service("shop").expect("the service");
    let ready = |name: &str| view.versions.iter().any(|v| v.name == name && v.ready == 1 && v.share == 50);
    assert!(ready("v1") && ready("v2"), "{view:?}");
    let reason =
        quarterdeck_deploy::actions::available("deploy.rollback", &snapshot, "shop").expect_err("not here");
    assert!(reason.0.contains("http://one"), "{}", reason.0);
    for refused in [second.handle.operate(rollback()).await, second.handle.begin(begin()).await] {
        let refused = refused.expect_err("not here");
        assert!(matches!(&refused, Refused::Elsewhere(why) if why.contains("http://one")), "{refused}");
    }

    // The first dies without a farewell.
    first.task.abort();
    let died = std::time::Instant::now();
    until("the second takes over", || second.handle.snapshot().elsewhere.is_none()).await;
    println!("taken over after {:?}", died.elapsed());
    until("it stands where it stood", || phase(&second.handle) == Some(Phase::Paused)).await;
    let promote = Input::Promote { service: "shop".to_owned(), full: true, by: Actor::system("test") };
    second.handle.operate(promote).await.expect("it goes on");
    until("v2 is stable", || {
        let snapshot = second.handle.snapshot();
        snapshot.service("shop").is_some_and(|s| s.stable.as_deref() == Some("v2"))
    })
    .await;

    // Back again, the first is the one that follows.
    let first = start("one again", &timeline, &shop, &scratch.path().join("one"));
    until("the first follows", || first.told.share("v2") == 100).await;
    until("it shows the end", || first.handle.snapshot().history.len() == 1).await;
    assert_eq!(first.handle.snapshot().elsewhere.as_ref().map(|e| e.console.clone()), Some("two".to_owned()));
    assert_eq!(first.handle.snapshot().history[0].outcome, Some(Outcome::Promoted));
    // One that slept for longer than its lease, while another did the rollouts, writes nothing any more.
    let sql = "UPDATE leases SET holder = 'three', fence = fence + 1, until_ms = 9000000000000";
    change(timeline.db(), sql).await;
    assert_eq!(phase(&second.handle), None);
    let refused = second.handle.operate(rollback()).await.expect_err("it has lost the lease");
    assert!(matches!(refused, Refused::Elsewhere(_)), "{refused}");
    assert_eq!(phase(&second.handle), None, "a rollout that no store knows is shown by nobody");
    until("it knows that it has", || second.handle.snapshot().elsewhere.is_some()).await;
    assert_eq!((second.told.share("v1"), second.told.share("v2")), (0, 100), "nothing moved");
    let stored =
        quarterdeck_deploy::store::load(timeline.db(), Timestamp::from_millis(0)).await.expect("it is read");
    assert_eq!(stored.history.len(), 1);
    first.task.abort();
    second.task.abort();
}

/// With an action as the operator uses it, not with the task alone: the timeline cannot be written either.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_that_takes_traffic_back_works_though_the_timeline_cannot_be_written() {
    for scratch in Scratch::each() {
        let name = scratch.name();
        let timeline = scratch.timeline(&[MIGRATIONS]).await;
        let shop = Shop::open().await;
        let desk = start("desk", &timeline, &shop, scratch.path());
        let mut registry = Registry::new();
        let handle = desk.handle.clone();
        registry
            .register_all(actions::executes(&(Arc::new(move || Ok(handle.clone())) as _)))
            .expect("actions");
        let dispatcher = Dispatcher::new(registry, timeline.clone());
        let act = |action: &'static str| {
            Invocation::new(action, Actor::system("test")).on(Subject::new(SubjectKind::Service, "shop"))
        };
        desk.ready().await;
        desk.half().await;
        change(timeline.db(), "ALTER TABLE timeline_entries RENAME TO elsewhere").await;
        let refused = dispatcher.dispatch(act(actions::PROMOTE)).await.expect_err("it is not written down");
        assert!(matches!(refused, DispatchError::Timeline(_)), "{name}: {refused}");
        assert_eq!(desk.told.share("v2"), 50, "{name}");
        let told = dispatcher.dispatch(act(actions::ROLLBACK)).await.expect_err("done, but not saved");
        assert!(told.to_string().contains("it is done"), "{name}: {told}");
        assert_eq!((desk.told.share("v1"), desk.told.share("v2")), (100, 0), "{name}");
        change(timeline.db(), "ALTER TABLE elsewhere RENAME TO timeline_entries").await;
        until("it is saved and over", || phase(&desk.handle).is_none()).await;
        assert!(timeline.verify().await.expect("it is read").is_sound(), "{name}");
        desk.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_fires_while_nothing_can_be_saved_takes_traffic_back_once_it_can() {
    for scratch in Scratch::each() {
        let timeline = scratch.timeline(&[MIGRATIONS]).await;
        let shop = Shop::open().await;
        let desk = start("desk", &timeline, &shop, scratch.path());
        desk.ready().await;
        desk.half().await;
        change(timeline.db(), "ALTER TABLE deploy_services RENAME TO elsewhere").await;
        let promote = Input::Promote { service: "shop".to_owned(), full: true, by: Actor::system("test") };
        desk.handle.operate(promote).await.expect_err("it is not saved");
        fire(&desk.handle).await;
        change(timeline.db(), "ALTER TABLE elsewhere RENAME TO deploy_services").await;
        until("v1 has all the traffic", || desk.told.share("v2") == 0).await;
        until("it is over", || phase(&desk.handle).is_none()).await;
        assert_eq!(
            desk.handle.snapshot().history[0].outcome,
            Some(Outcome::RolledBack),
            "{}",
            scratch.name()
        );
        desk.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_only_the_standby_heard_takes_traffic_back_when_it_takes_over() {
    let Some(Pair { first, second, scratch: _scratch, shop: _shop, .. }) = Pair::start().await else {
        return;
    };
    first.task.abort();
    fire(&second.handle).await;
    until("the second has taken over and taken back", || {
        second.handle.snapshot().elsewhere.is_none() && second.told.share("v2") == 0
    })
    .await;
    until("it is over", || second.handle.snapshot().history.len() == 1).await;
    assert_eq!(second.handle.snapshot().history[0].outcome, Some(Outcome::RolledBack));
    second.task.abort();
}
