//! Deployment control in the built program: versions that are processes, rolled out, judged by their exit codes and rolled
//! back from a shell, with traffic that counts every answer.

#[path = "deploy/fixture.rs"]
mod fixture;
#[path = "deploy/programs.rs"]
mod programs;
#[path = "deploy/shell.rs"]
mod shell;
mod support;
#[path = "deploy/two_consoles.rs"]
mod two_consoles;
#[path = "deploy/what_changed.rs"]
mod what_changed;

use std::io::{Read, Write};
use std::net::TcpListener;

use fixture::{Fixture, under_load};
use support::eventually;

/// Not a test: a version of the service, as the others start it. It answers its name.
#[test]
fn a_version() {
    let (Ok(version), Ok(port)) = (std::env::var("SERVE_VERSION"), std::env::var("SERVE_PORT")) else {
        return;
    };
    if version == "crash" {
        eprintln!("there is no database");
        std::process::exit(3);
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    for stream in listener.incoming().flatten() {
        let version = version.clone();
        std::thread::spawn(move || {
            let (mut stream, mut buffer) = (stream, [0; 4096]);
            while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{version}", version.len());
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        });
    }
}

#[test]
fn a_pipeline_rolls_out_and_back_by_exit_codes_and_no_request_is_lost() {
    let f = Fixture::new();
    let quick = f.strategy(
        "quick.yaml",
        "strategy:\n  canary:\n    steps:\n      - setWeight: 20\n      - pause: {duration: 1s}\n      - setWeight: 60\n",
    );
    let waits = f.strategy(
        "waits.yaml",
        "strategy:\n  canary:\n    steps:\n      - setWeight: 50\n      - pause: {}\n",
    );
    let short = f.strategy(
        "short.yaml",
        "progressDeadlineSeconds: 3\nstrategy:\n  canary:\n    steps:\n      - setWeight: 50\n",
    );
    let (code, out, error) = f.deploy(&["check", &quick, &waits, &short]);
    assert_eq!(code, 0, "{out}{error}");
    let odd = f.strategy("odd.yaml", "strategy:\n  canary:\n    steps:\n      - setWeight: 120\n");
    let (code, _, error) = f.deploy(&["check", &odd]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("odd.yaml:4:"), "{error}");
    let (code, _, error) = f.deploy(&["status"]);
    assert_eq!(code, 5, "no console runs yet: {error}");

    let mut server = f.serve();
    let (code, out, error) = under_load(&f, "a good rollout", || {
        f.deploy(&[
            "start",
            "orders",
            "--version",
            "v2",
            "--strategy",
            &quick,
            "--reason",
            "new prices",
            "--wait",
        ])
    });
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("canary v1 → v2") && out.contains("promoted"), "{out}");
    assert_eq!(f.ask().as_deref(), Some("v2"));

    let (code, _, error) =
        f.deploy(&["start", "orders", "--version", "crash", "--strategy", &short, "--wait"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("v2 → crash"), "{error}");
    assert_eq!(f.ask().as_deref(), Some("v2"), "what crashes at start never takes traffic");

    let (code, _, error) = f.deploy(&["promote", "orders"]);
    assert_eq!(code, 4, "{error}");
    let (code, _, error) = f.deploy(&["start", "orders", "--version", "v3", "--strategy", &waits]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = f.deploy(&["start", "orders", "--version", "v4", "--strategy", &quick]);
    assert_eq!(code, 4, "two at a time: {error}");
    let (code, _, error) = f.deploy(&["status", "orders", "--watch", "--timeout", "1s"]);
    assert_eq!(code, 7, "it waits for a key: {error}");
    eventually("half of the traffic goes to v3", || {
        let (_, out, _) = f.deploy(&["status", "orders"]);
        (out.contains("paused") && out.lines().any(|l| l.contains("v3") && l.contains(" 50 %"))).then_some(())
    });
    let (code, out, error) = under_load(&f, "an abort", || {
        f.deploy(&["abort", "orders", "--reason", "second thoughts", "--wait"])
    });
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(f.ask().as_deref(), Some("v2"));

    let (code, out, error) = under_load(&f, "a rollback", || f.deploy(&["rollback", "orders", "--wait"]));
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(f.ask().as_deref(), Some("v1"));

    let (code, out, error) = f.deploy(&["history", "orders"]);
    assert_eq!(code, 0, "{error}");
    for part in [
        "canary v1 → v2",
        "v2 → crash",
        "canary v2 → v3",
        "promoted at 100 %",
        "aborted at 50 %",
        "change fail rate",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, _) = f.deploy(&["history", "orders", "--limit", "1", "-o", "json"]);
    let newest: serde_json::Value = serde_json::from_str(out.trim()).expect("a line of JSON");
    assert_eq!((code, newest["to"].as_str()), (0, Some("v1")));
    let (code, _, error) = f.deploy(&["status", "order"]);
    assert_eq!(code, 2, "{error}");
    assert!(server.timeline().iter().any(|e| e["reason"] == "second thoughts"));

    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    f.home.deserted();
}
