//! The platform as processes: this program starts itself again, once for each service.
//!
//! However the platform is ended, no process of it is left.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use quarterdeck_demo::{Platform, PlatformOptions, SUBCOMMAND, Supervisor, role};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use common::{request, samples, sum, wait_for};

/// The hidden command under which this program is the supervisor of a platform and waits to be killed.
const SUPERVISE: &str = "supervise";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [command, name, rest @ ..] if command == SUBCOMMAND => match role(name, rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{name}: {error}");
                ExitCode::FAILURE
            }
        },
        [command, dir] if command == SUPERVISE => supervise(Path::new(dir)),
        args => run(args),
    }
}

fn run(args: &[String]) -> ExitCode {
    let tests: [(&str, fn()); 4] = [
        ("all_children_serve_and_end_in_order", all_children_serve_and_end_in_order),
        ("a_child_ends_on_sigterm", a_child_ends_on_sigterm),
        ("no_child_outlives_a_killed_supervisor", no_child_outlives_a_killed_supervisor),
        ("a_child_that_cannot_start_says_why", a_child_that_cannot_start_says_why),
    ];
    // Test runners ask for the list of tests, and name one to run it.
    if args.iter().any(|arg| arg == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    for (name, test) in tests {
        if filter.is_none_or(|filter| name.contains(filter.as_str())) {
            // A test that fails panics, which ends the program with a failure.
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn prepare(dir: &Path) -> Platform {
    Platform::prepare(&PlatformOptions { order_rate: 20.0, ..PlatformOptions::new(dir) }).unwrap()
}

fn address(platform: &Platform, name: &str) -> SocketAddr {
    platform.url(name).unwrap().strip_prefix("http://").unwrap().parse().unwrap()
}

fn is_alive(pid: u32) -> bool {
    // One that has ended but was not yet waited for by whoever inherited it is not alive.
    if std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z ")) {
        return false;
    }
    test_kill_process(Pid::from_raw(pid.cast_signed()).unwrap()).is_ok()
}

fn supervise(dir: &Path) -> ExitCode {
    let platform = prepare(dir);
    runtime().block_on(async {
        let mut supervisor = Supervisor::new();
        let program = std::env::current_exe().unwrap();
        for spec in platform.children() {
            supervisor.start(&program, spec, Stdio::null()).await.unwrap();
        }
        for (name, pid) in supervisor.pids() {
            println!("{name} {pid}");
        }
        println!("started");
        supervisor.first_to_end().await;
    });
    ExitCode::FAILURE
}

fn all_children_serve_and_end_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let platform = prepare(dir.path());
    let program = std::env::current_exe().unwrap();
    runtime().block_on(async {
        let mut supervisor = Supervisor::new();
        for spec in platform.children() {
            supervisor.start(&program, spec, Stdio::null()).await.unwrap();
        }
        let listed = dir.path().join("targets/orders-v2.json");
        assert!(listed.exists(), "the second version lists itself");
        wait_for("orders are filled", || {
            sum(&samples(address(&platform, "orders")), "orders_total", r#"status="filled""#) > 5.0
        });
        for spec in platform.children() {
            let (status, body) = request(address(&platform, &spec.name), "GET /livez", "").unwrap();
            assert_eq!((status, body.as_str()), (200, "ok"), "{}", spec.name);
        }
        let pids = supervisor.pids();
        assert_eq!(pids.len(), 7);
        assert_eq!(supervisor.stop().await, Vec::<String>::new(), "had to be killed");
        assert!(!pids.iter().any(|(_, pid)| is_alive(*pid)));
        assert!(!listed.exists(), "the second version takes itself off the list");
    });
}

fn a_child_ends_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let platform = prepare(dir.path());
    for spec in platform.children().iter().filter(|spec| ["market-data", "ledger"].contains(&&*spec.name)) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(&spec.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ready = address(&platform, &spec.name);
        wait_for("ready", || request(ready, "GET /readyz", "").is_ok_and(|(status, _)| status == 200));
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), Signal::TERM).unwrap();
        wait_for("it ends", || child.try_wait().unwrap().is_some());
        assert!(child.wait().unwrap().success(), "{}", spec.name);
        let lines: Vec<serde_json::Value> = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        assert_eq!(lines.first().unwrap()["msg"], "started");
        assert_eq!(lines.last().unwrap()["msg"], "ended");
    }
}

fn no_child_outlives_a_killed_supervisor() {
    let dir = tempfile::tempdir().unwrap();
    let mut supervisor = Command::new(std::env::current_exe().unwrap())
        .arg(SUPERVISE)
        .arg(dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let pids: Vec<u32> = BufReader::new(supervisor.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .take_while(|line| line != "started")
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 7);
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    wait_for("all children end", || !pids.iter().any(|pid| is_alive(*pid)));
}

fn a_child_that_cannot_start_says_why() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([SUBCOMMAND, "orders", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "orders: role orders needs --feed-url\n");
    let output = Command::new(std::env::current_exe().unwrap()).args([SUBCOMMAND, "helm"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("unknown role `helm`: use one of market-data, ledger"), "{said}");
}
