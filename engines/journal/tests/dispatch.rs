//! The dispatcher: every promise of an action.

#![allow(clippy::unwrap_used, reason = "a helper of tests that panics is a test that fails")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quarterdeck_journal::dispatch::{
    BoxFuture, DispatchError, Dispatcher, Execute, External, Failure, How, Outcome, Reconciled,
    RegisterError, Registry, Stored, Unrecorded,
};
use quarterdeck_journal::store::{Db, Migrations, Step, Tx};
use quarterdeck_journal::testing::Scratch;
use quarterdeck_journal::values;
use quarterdeck_kernel::{
    ActionSpec, Actor, ArgKind, ArgSpec, ChangeKind, Danger, EntryId, Invocation, Phase, Reason, Subject,
    SubjectKind,
};

const LIMITS: Migrations = Migrations {
    engine: "limits",
    steps: &[Step::both("limits", "CREATE TABLE limits (service TEXT PRIMARY KEY, ms BIGINT NOT NULL);")],
};

/// Sets a limit in the store; the memory follows after the commit.
#[derive(Default)]
struct SetLimit {
    memory: Mutex<BTreeMap<String, String>>,
}

impl Execute for SetLimit {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        match subject {
            Some(s) if s.id == "frozen" => Err(Reason("frozen is frozen".into())),
            _ => Ok(()),
        }
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        vec![format!("limit becomes {} ms", invocation.args["ms"])]
    }

    fn how(&self) -> How<'_> {
        How::Stored(self)
    }
}

impl Stored for SetLimit {
    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        tx: &'a mut Tx,
    ) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let service = &invocation.subject.as_ref().expect("checked by the dispatcher").id;
            let row = tx.row("SELECT ms FROM limits WHERE service = $1", &values![service]).await?;
            let was = row.map_or(Ok(0), |row| row.int("ms"))?;
            Failure::unless_expected(invocation, &was.to_string())?;
            let ms = invocation.args["ms"].parse::<i64>().map_err(|e| Failure::Refused(e.to_string()))?;
            tx.execute(
                "INSERT INTO limits (service, ms) VALUES ($1, $2) ON CONFLICT (service) DO UPDATE SET ms = $2",
                &values![service, ms],
            )
            .await?;
            match ms {
                13 => return Err(Failure::Failed("thirteen is unlucky".into())),
                14 => panic!("fourteen is worse"),
                _ => {}
            }
            let inverse = Invocation::new("limits.set", Actor::default())
                .on(Subject::service(service))
                .arg("ms", was.to_string());
            let summary = format!("{service}: limit is now {ms} ms (was {was} ms)");
            Ok(Outcome::new(ChangeKind::Operation, summary).service(service).undo(inverse, ms.to_string()))
        })
    }

    fn committed(&self, invocation: &Invocation, _: &Outcome) {
        let service = invocation.subject.as_ref().map(|s| s.id.clone()).unwrap_or_default();
        self.memory.lock().insert(service, invocation.args["ms"].clone());
    }
}

/// Something outside: counts its runs.
#[derive(Default)]
struct Switch {
    runs: AtomicU32,
    urgent: AtomicBool,
    becomes: Mutex<Option<Reconciled>>,
}

impl Execute for Switch {
    fn kind(&self) -> ChangeKind {
        ChangeKind::Deployment
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for Switch {
    fn intent(&self, _: &Invocation) -> Outcome {
        Outcome::new(ChangeKind::Deployment, "switching")
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            self.runs.fetch_add(1, Ordering::SeqCst);
            match invocation.args.get("how").map(String::as_str) {
                Some("fail") => Err(Failure::Failed("the other side said no".into())),
                Some("panic") => panic!("dropped it"),
                Some("hang") => std::future::pending().await,
                _ => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(Outcome::new(ChangeKind::Deployment, "switched"))
                }
            }
        })
    }

    fn reconcile<'a>(&'a self, _: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async move { self.becomes.lock().clone().expect("asked though nothing was interrupted") })
    }

    fn urgent(&self) -> bool {
        self.urgent.load(Ordering::SeqCst)
    }
}

struct Refresh;

impl Execute for Refresh {
    fn how(&self) -> How<'_> {
        How::Unrecorded(self)
    }
}

impl Unrecorded for Refresh {
    fn run<'a>(&'a self, _: &'a Invocation) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async { Ok("refreshed".to_owned()) })
    }
}

fn spec(id: &'static str, subject: Option<SubjectKind>, danger: Danger, args: Vec<ArgSpec>) -> ActionSpec {
    ActionSpec { id, title: "Do it", description: "Does it.", subject, args, danger, inverse: None }
}

fn arg(name: &'static str, kind: ArgKind, required: bool) -> ArgSpec {
    ArgSpec { name, description: "a value", kind, required }
}

struct House {
    dispatcher: Dispatcher,
    limits: Arc<SetLimit>,
    switch: Arc<Switch>,
}

impl House {
    async fn new(scratch: &Scratch) -> Self {
        let timeline = scratch.timeline(&[LIMITS]).await;
        let (limits, switch) = (Arc::new(SetLimit::default()), Arc::new(Switch::default()));
        let mut registry = Registry::new();
        registry.register_all(timeline.actions()).unwrap();
        let ms = vec![
            arg("ms", ArgKind::Number, true),
            arg("mode", ArgKind::Choice(vec!["hard".into(), "soft".into()]), false),
            arg("for", ArgKind::Duration, false),
            arg("quiet", ArgKind::Bool, false),
        ];
        let set = spec("limits.set", Some(SubjectKind::Service), Danger::Disruptive, ms);
        registry.register(set, Arc::clone(&limits) as Arc<dyn Execute>).unwrap();
        let how = vec![arg("how", ArgKind::Text, false)];
        let deploy = spec("deploy.switch", None, Danger::Disruptive, how);
        registry.register(deploy, Arc::clone(&switch) as Arc<dyn Execute>).unwrap();
        registry.register(spec("targets.refresh", None, Danger::Safe, vec![]), Arc::new(Refresh)).unwrap();
        registry.check().unwrap();
        Self { dispatcher: Dispatcher::new(registry, timeline), limits, switch }
    }

    fn db(&self) -> &Db {
        self.dispatcher.timeline().db()
    }

    async fn limit(&self, service: &str) -> Option<i64> {
        let row = self.db().row("SELECT ms FROM limits WHERE service = $1", &values![service]).await.unwrap();
        row.map(|r| r.int("ms").unwrap())
    }

    /// Phases and summaries, oldest first.
    fn told(&self) -> Vec<(Phase, String)> {
        let recent = self.dispatcher.timeline().recent_now();
        recent.entries.iter().rev().map(|e| (e.phase, e.summary.clone())).collect()
    }

    async fn error(&self, invocation: Invocation) -> String {
        self.dispatcher.dispatch(invocation).await.unwrap_err().to_string()
    }
}

fn me() -> Actor {
    Actor { user: "ada".into(), ..Actor::default() }
}

fn set(service: &str, ms: &str) -> Invocation {
    Invocation::new("limits.set", me()).on(Subject::service(service)).arg("ms", ms)
}

fn undo(entry: &EntryId) -> Invocation {
    Invocation::new("timeline.undo", me()).on(Subject::new(SubjectKind::Entry, entry.to_string()))
}

#[tokio::test]
async fn a_stored_action_is_one_with_its_entry_and_runs_once() {
    for scratch in Scratch::each() {
        let house = House::new(&scratch).await;
        let invocation = set("orders", "50").because("p99 is high");
        let done = house.dispatcher.dispatch(invocation.clone()).await.unwrap();
        assert_eq!(done.message, "orders: limit is now 50 ms (was 0 ms)", "{}", scratch.name());
        assert_eq!(house.limits.memory.lock().get("orders").map(String::as_str), Some("50"));
        let entry = house.dispatcher.timeline().entry(done.entry.as_ref().unwrap()).await.unwrap().unwrap();
        assert_eq!((entry.actor, entry.reason.as_deref()), (me(), Some("p99 is high")));
        assert_eq!(entry.invocation.as_ref(), Some(&invocation));
        assert_eq!(entry.service.as_deref(), Some("orders"));

        assert_eq!(house.dispatcher.dispatch(invocation.clone()).await, Ok(done.clone()));
        let other = Invocation { id: invocation.id, ..set("orders", "51") };
        assert!(matches!(house.dispatcher.dispatch(other.clone()).await, Err(DispatchError::Reused(_))));
        assert_eq!(house.told().len(), 1);
        house.db().close().await;
        drop(house);

        let house = House::new(&scratch).await;
        assert_eq!(house.dispatcher.dispatch(invocation).await, Ok(done), "after a restart too");
        assert!(matches!(house.dispatcher.dispatch(other).await, Err(DispatchError::Reused(_))));
        assert_eq!(house.told().len(), 1);
        house.db().close().await;
    }
}

#[tokio::test]
async fn a_stored_action_that_fails_or_panics_changes_nothing_and_is_recorded() {
    for scratch in Scratch::each() {
        let house = House::new(&scratch).await;
        let failing = set("orders", "13");
        let error = house.dispatcher.dispatch(failing.clone()).await.unwrap_err();
        assert!(
            matches!(&error, DispatchError::Failed { message, entry: Some(_) } if message == "thirteen is unlucky")
        );
        assert_eq!(house.error(set("orders", "14")).await, "it panicked: fourteen is worse");
        assert_eq!(house.limit("orders").await, None, "{}", scratch.name());
        assert!(house.limits.memory.lock().is_empty());
        let told = [
            (Phase::Failed, "Do it failed: thirteen is unlucky".to_owned()),
            (Phase::Failed, "Do it failed: it panicked: fourteen is worse".to_owned()),
        ];
        assert_eq!(house.told(), told);
        assert_eq!(house.dispatcher.dispatch(failing).await, Err(error), "the same again, and not run again");
        assert!(house.dispatcher.dispatch(set("orders", "15")).await.is_ok(), "and life goes on");
        assert!(house.dispatcher.timeline().verify().await.unwrap().is_sound());
        house.db().close().await;
    }
}

#[tokio::test]
async fn undo_reverts_once_shows_conflicts_and_can_be_undone() {
    for scratch in Scratch::each() {
        let house = House::new(&scratch).await;
        let registry = house.dispatcher.registry();
        let first = house.dispatcher.dispatch(set("orders", "50")).await.unwrap().entry.unwrap();
        let second = house.dispatcher.dispatch(set("orders", "80")).await.unwrap().entry.unwrap();

        let conflict = house.dispatcher.dispatch(undo(&first)).await.unwrap_err();
        let expected = DispatchError::Conflict { expected: "50".into(), found: "80".into() };
        assert_eq!(conflict, expected, "{}", scratch.name());
        assert_eq!(house.limit("orders").await, Some(80), "nothing was overwritten");

        let invocation = undo(&second).because("wrong number");
        assert_eq!(registry.preview(&invocation), Ok(vec!["limit becomes 50 ms".to_owned()]));
        let undone = house.dispatcher.dispatch(invocation.clone()).await.unwrap();
        assert_eq!(undone.message, "orders: limit is now 50 ms (was 80 ms)");
        assert_eq!(house.limit("orders").await, Some(50));
        let entry = house.dispatcher.timeline().entry(&second).await.unwrap().unwrap();
        assert_eq!(entry.undone_by, undone.entry);
        let by = house.dispatcher.timeline().entry(undone.entry.as_ref().unwrap()).await.unwrap().unwrap();
        assert_eq!((by.actor, by.reason.as_deref()), (me(), Some("wrong number")));
        assert_eq!(by.invocation.unwrap().undoes, Some(second.clone()));
        assert_eq!(
            house.dispatcher.dispatch(invocation).await.as_ref(),
            Ok(&undone),
            "the same invocation again"
        );

        let twice = house.error(undo(&second)).await;
        assert_eq!(twice, format!("entry {second} was already undone by {}", undone.entry.as_ref().unwrap()));
        let subject = Subject::new(SubjectKind::Entry, second.to_string());
        assert_eq!(registry.available("timeline.undo", Some(&subject)), Err(Reason(twice)));

        house.dispatcher.dispatch(undo(undone.entry.as_ref().unwrap())).await.unwrap();
        assert_eq!(house.limit("orders").await, Some(80), "undo of undo");
        assert_eq!(house.dispatcher.timeline().entry(&second).await.unwrap().unwrap().undone_by, None);

        let note = Invocation::new("timeline.note", me()).arg("text", "found it").arg("service", "orders");
        let note = house.dispatcher.dispatch(note).await.unwrap().entry.unwrap();
        assert_eq!(
            house.error(undo(&note)).await,
            format!("entry {note} has no inverse: it cannot be undone")
        );
        let missing = EntryId { seq: 999, ..note };
        let said = house.error(undo(&missing)).await;
        assert_eq!(said, format!("there is no timeline entry {missing}: it may have been pruned"));
        house.db().close().await;
    }
}

#[tokio::test]
async fn an_external_action_has_intent_and_outcome() {
    for scratch in Scratch::each() {
        let house = House::new(&scratch).await;
        let switch = |how: &str| Invocation::new("deploy.switch", me()).arg("how", how);
        let invocation = switch("well");
        // Twice at once: it runs once, and both get the answer.
        let (a, b) = tokio::join!(
            house.dispatcher.dispatch(invocation.clone()),
            house.dispatcher.dispatch(invocation.clone())
        );
        assert_eq!(a, b);
        assert_eq!(a.unwrap().message, "switched");
        assert_eq!(house.switch.runs.load(Ordering::SeqCst), 1, "{}", scratch.name());
        assert_eq!(house.error(switch("fail")).await, "the other side said no");
        assert_eq!(house.error(switch("panic")).await, "it panicked: dropped it");
        let told = [
            (Phase::Intent, "switching"),
            (Phase::Done, "switched"),
            (Phase::Intent, "switching"),
            (Phase::Failed, "Do it failed: the other side said no"),
            (Phase::Intent, "switching"),
            (Phase::Failed, "Do it failed: it panicked: dropped it"),
        ];
        assert_eq!(house.told(), told.map(|(phase, text)| (phase, text.to_owned())));
        let recent = house.dispatcher.timeline().recent_now();
        assert!(recent.entries.iter().all(|e| e.kind == ChangeKind::Deployment));
        assert_eq!(recent.entries[0].outcome_of, Some(recent.entries[1].id.clone()));
        assert!(house.dispatcher.timeline().open_intents().await.unwrap().is_empty());
        house.db().close().await;
    }
}

#[tokio::test]
async fn what_is_urgent_is_done_though_nothing_can_be_written_down() {
    for scratch in Scratch::each() {
        let house = House::new(&scratch).await;
        let rename = async |sql: &'static str| {
            let mut tx = house.db().begin().await.unwrap();
            tx.execute(sql, &[]).await.unwrap();
            tx.commit().await.unwrap();
        };
        rename("ALTER TABLE timeline_entries RENAME TO elsewhere").await;
        let switch = || Invocation::new("deploy.switch", me());
        let refused = house.dispatcher.dispatch(switch()).await.unwrap_err();
        assert!(matches!(refused, DispatchError::Timeline(_)), "{}: {refused}", scratch.name());
        assert_eq!(house.switch.runs.load(Ordering::SeqCst), 0);

        house.switch.urgent.store(true, Ordering::SeqCst);
        let done = house.dispatcher.dispatch(switch()).await.unwrap();
        assert_eq!(house.switch.runs.load(Ordering::SeqCst), 1);
        assert_eq!(done.entry, None);
        assert!(done.message.starts_with("switched (not on the timeline: "), "{}", done.message);
        let failed = house.dispatcher.dispatch(switch().arg("how", "fail")).await.unwrap_err();
        let said = "the other side said no".to_owned();
        assert_eq!(failed, DispatchError::Failed { message: said, entry: None });

        rename("ALTER TABLE elsewhere RENAME TO timeline_entries").await;
        let done = house.dispatcher.dispatch(switch()).await.unwrap();
        assert_eq!((done.message.as_str(), done.entry.is_some()), ("switched", true));
        assert!(house.dispatcher.timeline().verify().await.unwrap().is_sound());
        house.db().close().await;
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_what_was_begun() {
    let scratch = Scratch::sqlite();
    let house = House::new(&scratch).await;
    let invocation = Invocation::new("deploy.switch", me());
    let dispatch = house.dispatcher.dispatch(invocation.clone());
    assert!(tokio::time::timeout(Duration::from_millis(5), dispatch).await.is_err(), "the caller gives up");
    assert_eq!(house.dispatcher.drain(Duration::from_secs(5)).await, 0);
    assert_eq!(house.dispatcher.dispatch(invocation).await.unwrap().message, "switched");
    assert_eq!(house.switch.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_crash_interrupted_is_told_and_reconciled() {
    for (becomes, phase, last) in [
        (Reconciled::Done(Outcome::new(ChangeKind::Deployment, "it was done")), Phase::Done, "it was done"),
        (Reconciled::Failed("it was not done".into()), Phase::Failed, "it was not done"),
        (Reconciled::Unknown, Phase::Interrupted, "interrupted by a crash: switching"),
    ] {
        let scratch = Scratch::sqlite();
        let house = House::new(&scratch).await;
        let invocation = Invocation::new("deploy.switch", me()).arg("how", "hang");
        let dispatch = house.dispatcher.dispatch(invocation.clone());
        assert!(tokio::time::timeout(Duration::from_millis(200), dispatch).await.is_err());
        house.db().close().await;
        drop(house);

        let house = House::new(&scratch).await;
        assert!(matches!(
            house.dispatcher.dispatch(invocation.clone()).await,
            Err(DispatchError::Interrupted(_))
        ));
        *house.switch.becomes.lock() = Some(becomes);
        let ended = house.dispatcher.recover().await.unwrap();
        assert_eq!(ended.iter().map(|(_, p)| *p).collect::<Vec<_>>(), [phase]);
        let told = house.told();
        assert_eq!(told[1], (Phase::Interrupted, "interrupted by a crash: switching".to_owned()));
        assert_eq!(told.last(), Some(&(phase, last.to_owned())));
        assert_eq!(house.switch.runs.load(Ordering::SeqCst), 0, "it is never run again by itself");
        let again = house.dispatcher.recover().await.unwrap();
        assert_eq!(again.len(), usize::from(phase == Phase::Interrupted), "asked again only while unknown");
        assert_eq!(house.told(), told, "and told once");
        match house.dispatcher.dispatch(invocation).await {
            Ok(done) => assert_eq!((phase, done.message.as_str()), (Phase::Done, last)),
            Err(DispatchError::Failed { message, .. }) => {
                assert_eq!((phase, message.as_str()), (Phase::Failed, last));
            }
            Err(error) => {
                assert!(matches!(error, DispatchError::Interrupted(_)) && phase == Phase::Interrupted);
            }
        }
    }
}

#[tokio::test]
async fn invocations_are_checked_before_anything_is_tried() {
    let scratch = Scratch::sqlite();
    let house = House::new(&scratch).await;
    let cases = [
        (Invocation::new("limit.set", me()), "\"limit.set\" is not an action; did you mean limits.set?"),
        (Invocation::new("limits.set", me()), "limits.set acts on a service: name one, as in service:NAME"),
        (
            Invocation::new("limits.set", me()).on(Subject::new(SubjectKind::Flag, "x")),
            "limits.set acts on a service, not on flag:x",
        ),
        (
            Invocation::new("targets.refresh", me()).on(Subject::service("x")),
            "targets.refresh acts on the console as a whole: leave the subject out",
        ),
        (
            Invocation::new("limits.set", me()).on(Subject::service("x")).arg("mss", "5").arg("mode", "hart"),
            "limits.set: argument mode is \"hart\": write one of hard, soft; did you mean hard?; there is no argument \"mss\"; did you mean ms?; argument ms is needed: a value",
        ),
        (
            set("x", "fast").arg("for", "5 minutes").arg("quiet", "yes"),
            "limits.set: argument for is \"5 minutes\": write a duration such as 90s or 1h30m; argument ms is \"fast\": write a number; argument quiet is \"yes\": write true or false",
        ),
        (set("frozen", "5"), "frozen is frozen"),
        (
            Invocation::new("timeline.note", me()).arg("text", " "),
            "timeline.note: argument text is \" \": write a text that is not empty",
        ),
        (
            Invocation::new("timeline.undo", me()).on(Subject::new(SubjectKind::Entry, "x")),
            "\"x\" is not a timeline entry: write WRITER/NUMBER",
        ),
    ];
    for (invocation, expected) in cases {
        assert_eq!(house.error(invocation).await, expected);
    }
    assert!(house.told().is_empty());
    let fine = set("x", "1e2").arg("mode", "soft").arg("for", "90s").arg("quiet", "true");
    let error = house.error(fine).await;
    assert_eq!(error, "invalid digit found in string", "the engine's own check");
    assert!(house.told().is_empty(), "refused, not failed");
    let done = house.dispatcher.dispatch(Invocation::new("targets.refresh", me())).await.unwrap();
    assert_eq!((done.message.as_str(), done.entry), ("refreshed", None));
}

#[tokio::test]
async fn read_only_leaves_safe_actions_alone() {
    let scratch = Scratch::sqlite();
    let house = House::new(&scratch).await;
    let entry = house.dispatcher.dispatch(set("orders", "50")).await.unwrap().entry.unwrap();
    house.dispatcher.set_read_only(true);
    let left: Vec<_> = house.dispatcher.actions().iter().map(|s| s.id).collect();
    assert_eq!(left, ["targets.refresh", "timeline.note"]);
    let refused = house.error(set("orders", "60")).await;
    assert_eq!(refused, "this console is read-only and limits.set is disruptive");
    assert!(house.error(undo(&entry)).await.contains("read-only"));
    house.dispatcher.dispatch(Invocation::new("targets.refresh", me())).await.unwrap();
}

#[tokio::test]
async fn mistakes_of_the_program_are_found_when_it_starts() {
    let mut registry = Registry::new();
    let mut register = |s: ActionSpec| registry.register(s, Arc::new(Refresh));
    assert_eq!(register(spec("a.b", None, Danger::Safe, vec![])), Ok(()));
    assert_eq!(
        register(spec("a.b", None, Danger::Safe, vec![])),
        Err(RegisterError::Duplicate("a.b".into()))
    );
    assert_eq!(register(spec("Nope", None, Danger::Safe, vec![])), Err(RegisterError::Id("Nope".into())));
    let harmful = spec("a.c", None, Danger::Disruptive, vec![]);
    assert_eq!(register(harmful), Err(RegisterError::Unrecorded("a.c".into())));
    let mut inverse = spec("a.d", None, Danger::Safe, vec![]);
    inverse.inverse = Some("a.e");
    register(inverse).unwrap();
    assert_eq!(
        registry.check().unwrap_err().to_string(),
        "action a.d names a.e as its inverse, which is not registered"
    );
}
