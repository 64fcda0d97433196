//! The built program with its state in PostgreSQL: a private server, started and removed by the test.

mod support;

use quarterdeck_journal::testing::Server as Postgres;
use rustix::process::Signal;
use serde_json::json;
use support::{Home, Server, Terminal, eventually};

/// A home whose configuration names a database; the address is a secret and comes from a file.
fn home_on(database: &str) -> (Home, String) {
    let home = Home::new();
    let url = home.file("database", database).display().to_string();
    let text = format!("[metrics.host]\ninterval = \"1s\"\n[store]\npostgres = {{ file = {url:?} }}\n");
    let config = home.file("quarterdeck.toml", &text).display().to_string();
    (home, config)
}

fn serve(home: &Home, config: &str) -> Server {
    home.serve(&["serve", "--config", config, "--listen", "127.0.0.1:0"])
}

fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

fn note(server: &Server, text: &str) {
    let (status, body) = server.act(&json!({"action": "timeline.note", "args": {"text": text}}));
    assert_eq!(status, 200, "{body}");
}

fn summaries(server: &Server) -> Vec<String> {
    server.timeline().iter().map(|e| e["summary"].as_str().unwrap_or_default().to_owned()).collect()
}

fn has(all: &[String], part: &str) -> bool {
    all.iter().any(|summary| summary.contains(part))
}

#[test]
fn what_is_done_is_kept_undone_and_verified_in_postgresql() {
    let Some(postgres) = Postgres::start() else { return };
    let (home, config) = home_on(&postgres.database());
    let mut server = serve(&home, &config);
    note(&server, "before the crash");
    let limit = |value: &str| {
        let (_, out, error) = eventually("the host is a service", || {
            let value = format!("value={value}");
            let done = home.run(&["act", "services.limit", "service:host", "limit=saturation", &value]);
            (done.0 == 0).then_some(done)
        });
        assert_eq!(error, "");
        out
    };
    limit("85");
    server.kill();

    // What was acknowledged is there after a kill, and so is the limit; the timeline is whole.
    let server = serve(&home, &config);
    let all = summaries(&server);
    for part in ["before the crash", "is now 85", "the console before (process", "console started"] {
        assert!(has(&all, part), "{part}: {all:#?}");
    }
    assert!(limit("90").contains("85"), "the limit was in force again");
    let newest = server.timeline();
    let entry = newest.iter().find(|e| e["summary"].as_str().unwrap_or_default().contains("is now 90"));
    let id = &entry.expect("the limit is on the timeline")["id"];
    let subject = format!("entry:{}/{}", id["writer"].as_str().expect("a writer"), id["seq"]);
    let (code, out, error) = home.run(&["act", "timeline.undo", &subject]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(has(&summaries(&server), "is now 85"));
    let (code, out, error) = home.run(&["timeline", "verify", "--config", &config]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("entries, whole"), "{out}");
    assert!(!home.path("data/quarterdeck/quarterdeck.db").exists(), "nothing of it is in SQLite");
    stop(server);

    // A screen on it shows what was done.
    let mut terminal = Terminal::start(&home, &["--config", &config, "--listen", "127.0.0.1:0"], 160, 50);
    terminal.wait_for("console started");
    terminal.send(":");
    terminal.wait_for("─ palette ─");
    terminal.send("timeline");
    terminal.wait_for("› timeline");
    terminal.send("\r");
    terminal.wait_for("before the crash");
    terminal.send("q");
    assert_eq!(terminal.wait(), 0, "{}", terminal.text());
    home.deserted();
}

#[test]
fn two_consoles_share_a_database_and_see_each_other() {
    let Some(postgres) = Postgres::start() else { return };
    let database = postgres.database();
    let ((here, config), (there, other)) = (home_on(&database), home_on(&database));
    let (one, two) = (serve(&here, &config), serve(&there, &other));
    note(&one, "said by one");
    note(&two, "said by two");
    for server in [&one, &two] {
        eventually("each sees what the other has done", || {
            let all = summaries(server);
            (has(&all, "said by one") && has(&all, "said by two")).then_some(())
        });
    }
    let (code, out, error) = here.run(&["timeline", "verify", "--config", &config]);
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(out.matches("entries, whole").count(), 2, "a chain for each: {out}");
    stop(one);
    stop(two);
}

#[test]
fn a_database_that_is_not_there_is_told_without_its_password() {
    let (home, config) = home_on("postgres://ops:s3cret@127.0.0.1:1/nowhere");
    let (code, _, error) = home.run(&["serve", "--config", &config, "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 6, "{error}");
    assert!(error.contains("127.0.0.1:1") && !error.contains("s3cret"), "{error}");
    home.deserted();
}
