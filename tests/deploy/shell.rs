//! Rollouts from a shell: back in steps, weights by hand, following over a restart of the console, limits of processes.

use std::io::Read;
use std::process::Stdio;

use crate::fixture::{Fixture, own_process, under_load};
use crate::support::{eventually, eventually_or};

const WAITS: &str = "strategy:\n  canary:\n    steps:\n      - setWeight: 50\n      - pause: {}\n";

/// Waits until a line of `status` says all of these.
fn until(f: &Fixture, what: &str, parts: &[&str]) {
    let seen = || f.deploy(&["status", "orders"]).1;
    let says = || seen().lines().any(|line| parts.iter().all(|part| line.contains(part))).then_some(());
    eventually_or(what, says, seen);
}

#[test]
fn back_in_steps_loses_no_request() {
    let f = Fixture::new();
    let steps =
        f.strategy("steps.yaml", &format!("gradualRollback: {{steps: [30, 10], interval: 1s}}\n{WAITS}"));
    let server = f.serve();
    let (code, _, error) = f.deploy(&["start", "orders", "--version", "v2", "--strategy", &steps]);
    assert_eq!(code, 0, "{error}");
    until(&f, "half of the traffic goes to v2", &["v2", " 50 %"]);
    let (code, out, error) =
        under_load(&f, "back in steps", || f.deploy(&["rollback", "orders", "--gradual", "--wait"]));
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("rolling back in steps"), "{out}");
    let told: Vec<String> =
        server.timeline().iter().map(|e| e["summary"].as_str().unwrap_or_default().to_owned()).collect();
    let at = |part: &str| told.iter().position(|summary| summary.contains(part));
    let (thirty, ten, over) =
        (at("rolling back: weight 30 %"), at("rolling back: weight 10 %"), at("all new requests go to v1"));
    // Newest first.
    assert!(over < ten && ten < thirty && over.is_some(), "{told:#?}");
    assert_eq!(f.ask().as_deref(), Some("v1"));
}

#[test]
fn the_colours_of_a_blue_green_deployment_are_weighed_by_hand() {
    let f = Fixture::new();
    let colours = f.strategy(
        "colours.yaml",
        "strategy:\n  blueGreen:\n    autoPromotionEnabled: false\n    scaleDownDelaySeconds: 30\n",
    );
    let _server = f.serve();
    let (code, _, error) = f.deploy(&["weight", "orders", "30"]);
    assert_eq!(code, 4, "nothing is under way: {error}");
    let (code, _, error) = f.deploy(&["start", "orders", "--version", "v2", "--strategy", &colours]);
    assert_eq!(code, 0, "{error}");
    until(&f, "the preview is up", &["orders-0001", "paused"]);
    let (code, out, error) = f.deploy(&["weight", "orders", "30"]);
    assert_eq!(code, 0, "{out}{error}");
    until(&f, "v2 has its share", &["v2", " 30 %"]);
    eventually("both answer", || {
        let answers: Vec<String> = (0..20).filter_map(|_| f.ask()).collect();
        ["v1", "v2"].iter().all(|version| answers.iter().any(|a| a == version)).then_some(())
    });
    let (code, _, error) = f.deploy(&["weight", "orders", "101"]);
    assert_eq!(code, 2, "{error}");
    let (code, out, error) =
        under_load(&f, "promoted", || f.deploy(&["promote", "orders", "--full", "--wait"]));
    assert_eq!(code, 0, "{out}{error}");
    let (code, _, error) = f.deploy(&["weight", "orders", "30"]);
    assert_eq!(code, 4, "it is over: {error}");
    assert_eq!(f.ask().as_deref(), Some("v2"));
}

/// Whoever follows a rollout follows it to its end, whatever becomes of the console meanwhile.
#[test]
fn it_is_followed_over_a_kill_of_the_console() {
    let f = Fixture::new();
    let waits = f.strategy("waits.yaml", WAITS);
    let mut server = f.serve();
    let (code, _, error) = f.deploy(&["start", "orders", "--version", "v2", "--strategy", &waits]);
    assert_eq!(code, 0, "{error}");
    until(&f, "half of the traffic goes to v2", &["v2", " 50 %"]);
    let mut follower = f
        .home
        .command(&["deploy", "status", "orders", "--watch", "--timeout", "10m"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    // It has seen the console once it has printed where things are.
    let mut out = follower.stdout.take().expect("its output");
    let mut first = [0; 1];
    out.read_exact(&mut first).expect("it prints");
    server.kill();
    let _server = f.begin();
    until(&f, "it goes on where it stood", &["v2", " 50 %", "1/1 ready"]);
    assert!(follower.try_wait().expect("a child").is_none(), "it follows still");
    let (code, out_of, error) = f.deploy(&["promote", "orders", "--full"]);
    assert_eq!(code, 0, "{out_of}{error}");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("its output");
    let ended = follower.wait_with_output().expect("a child");
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(0), "{rest}{error}");
    assert!(rest.contains("promoted"), "{rest}{error}");
}

/// A process is limited from its first instruction on, and a program that is not there is told as such.
#[test]
fn processes_are_limited_before_they_begin() {
    let program = std::env::current_exe().expect("this program");
    let f = Fixture::with(&format!(
        r#"{}
        limits = {{ files = 123, nice = 1 }}
        [deploy.services.orders.versions.v2]
        command = ["/bin/sh", "-c", "echo files: $(ulimit -n); exec \"$0\" --exact a_version --nocapture", {program:?}]
        [deploy.services.orders.versions.v3]
        command = ["no-such-program-anywhere"]
        "#,
        own_process()
    ));
    let quick = f.strategy(
        "quick.yaml",
        "progressDeadlineSeconds: 20\nstrategy:\n  canary:\n    steps:\n      - setWeight: 50\n",
    );
    let server = f.serve();
    let (code, out, error) =
        f.deploy(&["start", "orders", "--version", "v2", "--strategy", &quick, "--wait"]);
    assert_eq!(code, 0, "{out}{error}");
    let (status, said) = server.get("/api/quarterdeck/v1/deploy/output/orders%2Fv2%2F0");
    assert!(status == 200 && said.contains("files: 123"), "{status} {said}");
    let (code, out, error) = f.deploy(&["start", "orders", "--version", "v3", "--strategy", &quick]);
    assert_eq!(code, 0, "{out}{error}");
    until(&f, "what is wrong is told", &["there is no program no-such-program-anywhere"]);
    let (code, out, error) = f.deploy(&["abort", "orders", "--wait"]);
    assert_eq!(code, 0, "{out}{error}");
}
