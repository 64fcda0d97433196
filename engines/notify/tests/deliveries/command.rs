//! Programs that are started: what they are given, what their ends mean, and what becomes of those that do not end.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quarterdeck_notify::{Channel, Command};

use crate::support::*;

fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("notify.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn command(program: PathBuf) -> Command {
    Command {
        program,
        arguments: vec!["{{ .CommonLabels.instance }}".to_owned(), "two words; $(id)".to_owned()],
        environment: BTreeMap::from([("TEAM".to_owned(), "{{ .Receiver }}".to_owned())]),
        send_resolved: true,
        timeout_seconds: 5,
    }
}

fn to(command: Command) -> Channel {
    Channel::Command(Arc::new(command))
}

#[tokio::test]
async fn a_command_gets_arguments_environment_and_json() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let text = format!(
        "{{ printf '%s|' \"$@\" \"$TEAM\" \"$QUARTERDECK_STATUS\" \"$QUARTERDECK_SUBJECT\"; cat; }} > {}",
        out.display()
    );
    let mut console = Console::new();
    delivered(&console.deliver(firing(to(command(script(dir.path(), &text))))).await);
    let said = std::fs::read_to_string(out).unwrap();
    let (words, json) = said.rsplit_once('|').unwrap();
    assert_eq!(words, "a:1|two words; $(id)|team|firing|[FIRING:1] Down (a:1 critical)");
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["version"], "4");
}

#[tokio::test]
async fn exit_codes_and_time_decide() {
    let dir = tempfile::tempdir().unwrap();
    let mut console = Console::new();
    let count = dir.path().join("count");
    let text = format!("echo x >> {0}; [ $(wc -l < {0}) -ge 3 ] || exit 75", count.display());
    assert_eq!(delivered(&console.deliver(firing(to(command(script(dir.path(), &text))))).await), 3);

    // What it says is told, in part; that it says a lot does not matter.
    let text = "echo no such pager >&2; head -c 10000000 /dev/zero >&2; exit 3";
    let (reason, permanent) = failed(&console.deliver(firing(to(command(script(dir.path(), text))))).await);
    assert!(permanent && reason.contains("no such pager") && reason.contains('3'), "{reason}");
    assert!(reason.len() < 2000);

    let (reason, permanent) = failed(&console.deliver(firing(to(command(dir.path().join("nothing"))))).await);
    assert!(permanent && reason.contains("cannot start"), "{reason}");
}

/// Whether a process lives; what nobody has waited for yet is dead.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until none of the processes whose numbers are in a file lives.
async fn ended(pids: &Path) {
    let pids = std::fs::read_to_string(pids).unwrap();
    let begun = Instant::now();
    while pids.split_whitespace().any(lives) {
        assert!(begun.elapsed() < Duration::from_secs(60), "still alive: {pids}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(pids.split_whitespace().count(), 2, "the program and its child: {pids}");
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_with_its_children_and_the_next_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    // It hangs until it has once told who it is.
    let text = format!(
        "[ -e {0} ] && exit 0; sleep 1000 & echo $$ $! > {0}.new; mv {0}.new {0}; wait",
        pids.display()
    );
    let mut hangs = command(script(dir.path(), &text));
    hangs.timeout_seconds = 2;
    let mut console = Console::new();
    let (mut first, mut second) = (firing(to(hangs.clone())), firing(to(hangs)));
    second.destination = Arc::clone(&first.destination);
    for attempt in [&mut first, &mut second] {
        attempt.deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    }
    let ids = [first.id, second.id];
    console.notifier.send(first).unwrap();
    console.notifier.send(second).unwrap();
    assert!(delivered(&console.report(ids[0]).await) >= 2, "it was tried again");
    assert_eq!(delivered(&console.report(ids[1]).await), 1, "and the next, which waited behind it, goes on");
    ended(&pids).await;

    // One that never does anything else is given up, and the next is tried all the same.
    std::fs::remove_file(&pids).unwrap();
    let text = format!("sleep 1000 & echo $$ $! > {0}.new; mv {0}.new {0}; wait", pids.display());
    let mut always = command(script(dir.path(), &text));
    always.timeout_seconds = 1;
    let mut stuck = firing(to(always));
    stuck.deadline = tokio::time::Instant::now() + Duration::from_secs(4);
    let mut next = firing(to(command(script(&fine(dir.path()), "exit 0"))));
    next.destination = Arc::clone(&stuck.destination);
    next.deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let ids = [stuck.id, next.id];
    console.notifier.send(stuck).unwrap();
    console.notifier.send(next).unwrap();
    let (reason, permanent) = failed(&console.report(ids[0]).await);
    assert!(!permanent && reason.contains("did not end within 1 s"), "{reason}");
    assert_eq!(delivered(&console.report(ids[1]).await), 1);
    ended(&pids).await;
}

fn fine(dir: &Path) -> PathBuf {
    let fine = dir.join("fine");
    std::fs::create_dir(&fine).unwrap();
    fine
}
