//! Versions as real processes: good ones, and those that crash, hang, flap, or do not want to end.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_deploy::config::Config;
use quarterdeck_deploy::model::ReplicaPhase;
use quarterdeck_deploy::target::probe::Http;
use quarterdeck_deploy::target::process::ProcessTarget;
use quarterdeck_deploy::target::{Board, Target, TargetError};
use support::{Counted, config, ended, places, runs, until, wait, want, with_liveness};

/// Not a test: what the others start.
#[test]
fn a_version() {
    support::serve_if_asked();
}

struct Fixture {
    target: ProcessTarget,
    leases: Arc<Counted>,
    folder: tempfile::TempDir,
}

fn open(config: Arc<Config>) -> Fixture {
    let folder = tempfile::tempdir().expect("a folder");
    let leases = Arc::new(Counted::default());
    let target = target(config, &leases, folder.path());
    Fixture { target, leases, folder }
}

fn target(config: Arc<Config>, leases: &Arc<Counted>, folder: &std::path::Path) -> ProcessTarget {
    let http = Http::new().expect("a client");
    ProcessTarget::open(config, Board::default(), http, Arc::clone(leases) as _, places(folder))
        .expect("a target")
}

fn said(target: &ProcessTarget, replica: &str) -> String {
    let lines: Vec<String> = target.output(replica, 1000).into_iter().map(|line| line.text).collect();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_come_up_take_requests_and_end() {
    let f = open(config(""));
    f.target.ensure(want("v1", 2, 1)).await.unwrap();
    let seen = until(&f.target, "v1", "two are ready", |v| v.ready() == 2).await;
    assert!(seen.is_settled() && seen.target == "process" && !seen.outlives, "{seen:?}");
    let urls: BTreeSet<&str> = seen.ready_urls().collect();
    assert_eq!(urls.len(), 2, "{urls:?}");
    assert!(said(&f.target, "orders/v1/0").contains("v1 on "), "{}", said(&f.target, "orders/v1/0"));
    let log = f.folder.path().join("data/output/orders.v1.1.log");
    assert!(std::fs::read_to_string(log).unwrap().contains("v1 on "));
    // The same again changes nothing; an older wish is refused.
    f.target.ensure(want("v1", 2, 1)).await.unwrap();
    f.target.ensure(want("v1", 1, 5)).await.unwrap();
    assert_eq!(f.target.ensure(want("v1", 9, 4)).await, Err(TargetError::Conflict { observed: 5 }));
    let pids: Vec<u32> = seen.replicas.iter().filter_map(|r| r.pid).collect();
    let seen = until(&f.target, "v1", "one is left", |v| v.replicas.len() == 1).await;
    assert_eq!(seen.replicas[0].id, "orders/v1/0", "the last that came goes first");
    assert_eq!(seen.replicas[0].pid, Some(pids[0]), "the other is as it was");
    ended(pids[1]).await;
    f.target.ensure(want("v1", 0, 6)).await.unwrap();
    until(&f.target, "v1", "none is left", |v| v.replicas.is_empty()).await;
    ended(pids[0]).await;
    assert!(said(&f.target, "orders/v1/0").contains("on being told to end"), "its output is still there");
    let sorted =
        |leases: &parking_lot::Mutex<Vec<uuid::Uuid>>| leases.lock().iter().copied().collect::<BTreeSet<_>>();
    assert_eq!(sorted(&f.leases.lent).len(), 2);
    assert_eq!(sorted(&f.leases.lent), sorted(&f.leases.returned));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_crashes_at_start_is_started_again_after_longer_and_longer_pauses() {
    let f = open(config(""));
    let mut watch = f.target.watch();
    f.target.ensure(want("crash", 1, 1)).await.unwrap();
    let seen = wait(&mut watch, "crash", "it loops", |v| {
        v.replicas.first().is_some_and(|r| r.restarts >= 2 && r.message.starts_with("CrashLoopBackOff: "))
    })
    .await;
    let replica = &seen.replicas[0];
    assert_eq!(replica.phase, ReplicaPhase::Exited { code: Some(3), signal: None });
    assert!(replica.message.contains("it exited with code 3 after"), "{replica:?}");
    assert!(replica.message.contains("its last words: there is no database"), "{replica:?}");
    assert!(replica.message.contains("it is started again in 0."), "{replica:?}");
    assert_eq!(replica.pid, None);
    f.target.ensure(want("crash", 0, 2)).await.unwrap();
    until(&f.target, "crash", "it is gone", |v| v.replicas.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_becomes_ready_says_why_and_can_be_stopped() {
    let f = open(config(""));
    f.target.ensure(want("never", 1, 1)).await.unwrap();
    let seen = until(&f.target, "never", "it says why", |v| {
        v.replicas.first().is_some_and(|r| r.message == "GET /ready answered 503")
    })
    .await;
    assert_eq!((seen.replicas[0].phase, seen.ready()), (ReplicaPhase::Starting, 0));
    f.target.ensure(want("never", 0, 2)).await.unwrap();
    until(&f.target, "never", "it is gone", |v| v.replicas.is_empty()).await;
    ended(seen.replicas[0].pid.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ignores_sigterm_is_killed_after_its_grace() {
    let f = open(config("stop_grace = \"300ms\""));
    let mut watch = f.target.watch();
    f.target.ensure(want("stubborn", 1, 1)).await.unwrap();
    let seen = wait(&mut watch, "stubborn", "it is ready", |v| v.ready() == 1).await;
    f.target.ensure(want("stubborn", 0, 2)).await.unwrap();
    wait(&mut watch, "stubborn", "it is told to end", |v| {
        v.replicas.first().is_some_and(|r| r.phase == ReplicaPhase::Draining)
    })
    .await;
    wait(&mut watch, "stubborn", "it is gone", |v| v.replicas.is_empty()).await;
    ended(seen.replicas[0].pid.unwrap()).await;
    let said = said(&f.target, "orders/stubborn/0");
    assert!(
        said.contains("not now") && said.contains("did not end within 300ms of SIGTERM: SIGKILL"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flapping_endpoint_makes_it_ready_and_not_ready_but_does_not_restart_it() {
    let f = open(config(""));
    let mut watch = f.target.watch();
    f.target.ensure(want("flapping", 1, 1)).await.unwrap();
    for round in 0..2 {
        let first = |v: &quarterdeck_deploy::target::ObservedVersion, phase| {
            v.replicas.first().is_some_and(|r| r.phase == phase)
        };
        let what = format!("round {round}");
        wait(&mut watch, "flapping", &what, |v| first(v, ReplicaPhase::Ready)).await;
        let seen = wait(&mut watch, "flapping", &what, |v| first(v, ReplicaPhase::NotReady)).await;
        assert_eq!(seen.replicas[0].restarts, 0);
        assert!(seen.replicas[0].message.contains("answered 503"), "{seen:?}");
    }
    f.target.close(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_no_longer_lives_is_ended_and_started_again() {
    let f = open(with_liveness(&config("")));
    let mut watch = f.target.watch();
    f.target.ensure(want("dying", 1, 1)).await.unwrap();
    let first = wait(&mut watch, "dying", "it is ready", |v| v.ready() == 1).await.replicas[0].clone();
    let second =
        wait(&mut watch, "dying", "it is ready again", |v| v.ready() == 1 && v.replicas[0].restarts > 0)
            .await;
    assert_eq!(second.replicas[0].url, first.url, "it has the same port");
    assert_ne!(second.replicas[0].pid, first.pid);
    ended(first.pid.unwrap()).await;
    let said = said(&f.target, "orders/dying/0");
    assert!(said.contains("it does not live: GET /live answered 503; it is ended"), "{said}");
    f.target.close(Duration::from_secs(30)).await;
    ended(second.replicas[0].pid.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_has_started_ends_with_it() {
    let f = open(config(""));
    f.target.ensure(want("parent", 1, 1)).await.unwrap();
    let seen = until(&f.target, "parent", "it is ready", |v| v.ready() == 1).await;
    let said = said(&f.target, "orders/parent/0");
    let child: u32 = said.lines().find_map(|l| l.strip_prefix("child ")?.parse().ok()).expect(&said);
    assert!(runs(child));
    // Killed by somebody, it leaves its child behind.
    let pid = rustix::process::Pid::from_raw(seen.replicas[0].pid.unwrap() as i32).unwrap();
    let mut watch = f.target.watch();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    ended(child).await;
    let seen =
        wait(&mut watch, "parent", "it is ready again", |v| v.ready() == 1 && v.replicas[0].restarts == 1)
            .await;
    assert!(runs(seen.replicas[0].pid.unwrap()));
    f.target.close(Duration::from_secs(30)).await;
    ended(seen.replicas[0].pid.unwrap()).await;
    assert_eq!(f.target.leaves_behind(), 0);
    let late = f.target.ensure(want("v1", 1, 1)).await;
    assert_eq!(late, Err(TargetError::Unreachable("the console is ending".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_says_so() {
    let f = open(config("ports = \"1-1\""));
    let refused = |e: Result<(), TargetError>| e.unwrap_err().to_string();
    let mut other = want("v1", 1, 1);
    other.service = "ledger".to_owned();
    assert!(refused(f.target.ensure(other).await).contains("there is no service \"ledger\""));
    assert!(refused(f.target.ensure(want("-rf", 1, 1)).await).contains("is not a name for a version"));
    assert!(refused(f.target.ensure(want("v1", 501, 1)).await).contains("more than 500"));
    // Port 1 belongs to the administrator, or to whoever is there.
    if std::net::TcpListener::bind("127.0.0.1:1").is_err() {
        f.target.ensure(want("v1", 1, 1)).await.unwrap();
        until(&f.target, "v1", "there is no port", |v| {
            v.replicas.first().is_some_and(|r| r.message.contains("every port of 1-1 is taken"))
        })
        .await;
    } else {
        println!("SKIPPED: this user may listen at port 1");
    }
    f.target.reload(config(""));
    f.target.ensure(want("nothing", 1, 1)).await.unwrap();
    let seen = until(&f.target, "nothing", "there is no program", |v| {
        v.replicas.first().is_some_and(|r| r.message.contains("there is no program /no/such/program"))
    })
    .await;
    assert_eq!(seen.replicas[0].phase, ReplicaPhase::Exited { code: None, signal: None });
    f.target.close(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_gets_what_it_is_given_and_no_more() {
    let f = open(config("limits = { files = 64, nice = 3 }\ninherit = [\"CARGO_MANIFEST_DIR\"]"));
    f.target.ensure(want("environment", 1, 1)).await.unwrap();
    let seen = until(&f.target, "environment", "it is ready", |v| v.ready() == 1).await;
    let said = said(&f.target, "orders/environment/0");
    for has in ["PATH", "SERVE_PORT", "QUARTERDECK_REPLICA", "TEST_LEASE"] {
        assert!(said.lines().any(|l| l == format!("has {has}")), "{has}: {said}");
    }
    assert!(!said.contains("has CARGO_PKG_NAME"), "{said}");
    let pid = seen.replicas[0].pid.unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let files = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("64"), "{files}");
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let nice: i32 = stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap();
    let own = rustix::process::getpriority_process(None).unwrap();
    assert!(nice == 3 || own > 3, "{stat}");
    f.target.close(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn much_output_is_bounded() {
    let config = {
        let mut config = (*config("")).clone();
        config.output.file_bytes = 64 << 10;
        config.output.files = 1;
        config.output.lines = 100;
        Arc::new(config)
    };
    let f = open(config);
    f.target.ensure(want("noisy", 1, 1)).await.unwrap();
    until(&f.target, "noisy", "it is ready", |v| v.ready() == 1).await;
    let lines = f.target.output("orders/noisy/0", 1000);
    assert_eq!(lines.len(), 100);
    assert!(lines.iter().any(|l| l.text == "line 19999"), "{:?}", lines.last());
    let folder = f.folder.path().join("data/output");
    let sizes: Vec<u64> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).collect();
    assert_eq!(sizes.len(), 2, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 64 << 10), "{sizes:?}");
    f.target.close(Duration::from_secs(30)).await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn what_outlives_the_console_is_taken_over_and_a_stranger_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let leases = Arc::new(Counted::default());
    let config = config("outlive = true");
    let output = folder.path().join("data/output");
    std::fs::create_dir_all(&output).unwrap();
    std::fs::write(output.join("orders.v1.0.log"), "words of an earlier process\n").unwrap();
    let first = runtime();
    let pid = first.block_on(async {
        let target = target(Arc::clone(&config), &leases, folder.path());
        target.ensure(want("v1", 1, 7)).await.unwrap();
        let seen = until(&target, "v1", "it is ready", |v| v.ready() == 1).await;
        assert!(seen.outlives && target.outlives() && target.leaves_behind() == 1);
        target.close(Duration::from_secs(5)).await;
        seen.replicas[0].pid.unwrap()
    });
    first.shutdown_timeout(Duration::from_secs(5));
    assert!(runs(pid), "it outlives the console");
    assert_eq!(leases.lent.lock().len(), 0, "the keeper would have ended it");

    // A stranger has the number that was written down of another one.
    let file = folder.path().join("data/processes.json");
    let mut records: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mut stranger = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let mut forged = records.as_object().unwrap().values().next().unwrap().clone();
    forged["version"] = "v0".into();
    forged["process"] = serde_json::json!([stranger.id(), forged["process"][1]]);
    records[uuid::Uuid::new_v4().to_string()] = forged;
    std::fs::write(&file, records.to_string()).unwrap();

    let second = runtime();
    second.block_on(async {
        let target = target(Arc::clone(&config), &leases, folder.path());
        let seen = until(&target, "v1", "it is ready", |v| v.ready() == 1).await;
        assert_eq!(seen.replicas[0].pid, Some(pid));
        let text = said(&target, "orders/v1/0");
        assert!(text.contains(&format!("taken over, process {pid}")), "{text}");
        assert!(!text.contains("an earlier process"), "{text}");
        // What is wanted is there: nothing else is started.
        target.ensure(want("v1", 1, 1)).await.unwrap();
        let seen = until(&target, "v1", "it is wanted", |v| v.generation == 1).await;
        assert_eq!(seen.replicas.len(), 1);
        assert!(target.watch().borrow().version("orders", "v0").is_none());
        target.ensure(want("v1", 0, 2)).await.unwrap();
        until(&target, "v1", "it is gone", |v| v.replicas.is_empty()).await;
        ended(pid).await;
    });
    second.shutdown_timeout(Duration::from_secs(5));
    assert!(stranger.try_wait().unwrap().is_none(), "a stranger is left alone");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_words_of_one_that_outlives_the_console_and_dies_at_once_are_heard() {
    let f = open(config(
        "outlive = true\n[services.orders.versions.brief]\n\
         command = [\"/bin/sh\", \"-c\", \"printf 'no newline, no time'; exit 3\"]",
    ));
    f.target.ensure(want("brief", 1, 1)).await.unwrap();
    let seen = until(&f.target, "brief", "it has died", |v| {
        v.replicas.first().is_some_and(|r| r.message.contains("it is started again"))
    });
    let message = seen.await.replicas[0].message.clone();
    assert!(message.contains("its last words: no newline, no time"), "{message}");
    f.target.ensure(want("brief", 0, 2)).await.unwrap();
    until(&f.target, "brief", "it is gone", |v| v.replicas.is_empty()).await;
}

#[test]
fn one_that_was_about_to_be_started_is_found_by_its_tag() {
    let folder = tempfile::tempdir().unwrap();
    let leases = Arc::new(Counted::default());
    let config = config("outlive = true");
    let first = runtime();
    let pid = first.block_on(async {
        let target = target(Arc::clone(&config), &leases, folder.path());
        target.ensure(want("v1", 1, 1)).await.unwrap();
        until(&target, "v1", "it is ready", |v| v.ready() == 1).await.replicas[0].pid.unwrap()
    });
    // Without a word, as if it had been killed.
    first.shutdown_background();
    let file = folder.path().join("data/processes.json");
    let mut records: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for record in records.as_object_mut().unwrap().values_mut() {
        record["process"] = serde_json::Value::Null;
    }
    std::fs::write(&file, records.to_string()).unwrap();
    let second = runtime();
    second.block_on(async {
        let target = target(Arc::clone(&config), &leases, folder.path());
        let seen = until(&target, "v1", "it is ready", |v| v.ready() == 1).await;
        assert_eq!(seen.replicas[0].pid, Some(pid));
        target.ensure(want("v1", 0, 2)).await.unwrap();
        until(&target, "v1", "it is gone", |v| v.replicas.is_empty()).await;
        ended(pid).await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_place_to_write_it_down_nothing_that_outlives_is_started() {
    let f = open(config("outlive = true"));
    // A file where the folder should be.
    std::fs::write(f.folder.path().join("data"), "").unwrap();
    f.target.ensure(want("v1", 1, 1)).await.unwrap();
    let seen = until(&f.target, "v1", "it says so", |v| {
        v.replicas.first().is_some_and(|r| r.message.contains("cannot be written down"))
    })
    .await;
    assert_eq!(seen.replicas[0].pid, None);
    assert!(said(&f.target, "orders/v1/0").lines().all(|l| !l.starts_with("started")));
    f.target.ensure(want("v1", 0, 2)).await.unwrap();
    until(&f.target, "v1", "it is gone", |v| v.replicas.is_empty()).await;
}
