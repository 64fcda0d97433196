//! The engines without a screen: probes, who may call what, actions, reloads, and how it ends.

mod support;

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use support::{Home, Server, eventually};

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn serve(home: &Home, more: &[&str]) -> Server {
    let mut args = vec!["serve", LISTEN[0], LISTEN[1]];
    args.extend(more);
    home.serve(&args)
}

/// A configuration with a service that this process's own metrics belong to.
const CATALOGUE: &str = "[metrics.host]\ninterval = \"1s\"\n[services.host]\nmatches = '{job=\"host\"}'\n";

fn with_catalogue(home: &Home) -> (Server, String) {
    let config = home.file("quarterdeck.toml", CATALOGUE).display().to_string();
    let server = serve(home, &["--config", &config]);
    eventually("the service is known", || {
        let (code, _, _) =
            home.run(&["act", "services.limit", "service:host", "limit=saturation", "value=default"]);
        // Refused because nothing would change, or done: either way the service is there.
        let (_, _, error) =
            home.run(&["act", "services.limit", "service:hots", "limit=saturation", "value=90"]);
        (error.contains("no service hots") && code != 5).then_some(())
    });
    (server, config)
}

#[test]
fn probes_answer_and_tell_of_the_engines() {
    let home = Home::new();
    let server = serve(&home, &[]);
    for probe in ["/livez", "/readyz", "/startupz", "/-/healthy", "/-/ready"] {
        let (status, body) = server.get(probe);
        assert_eq!(status, 200, "{probe}: {body}");
        let life: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(life["state"], "running", "{probe}");
        for engine in ["metrics", "scrape", "services", "streams"] {
            assert_eq!(life["engines"][engine]["state"], "running", "{engine}: {body}");
        }
    }
    let (status, _) = server.get("/nothing-here");
    assert_eq!(status, 404);
    let (status, metrics) = server.get("/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("\nquarterdeck_"), "{metrics}");
}

#[test]
fn calls_that_change_something_need_the_token_and_come_from_here() {
    let home = Home::new();
    let server = serve(&home, &[]);
    let call = json!({"action": "timeline.note", "args": {"text": "by hand"}}).to_string();
    let post = |headers: &[(&str, &str)]| {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        server.request("POST", "/api/quarterdeck/v1/act", &all, call.as_bytes())
    };
    let bearer = format!("Bearer {}", server.token);
    let token = ("authorization", bearer.as_str());

    let (status, body) = post(&[]);
    assert_eq!(status, 401, "{body}");
    assert!(body.contains("Authorization: Bearer"), "it says what is needed: {body}");
    assert_eq!(post(&[("authorization", "Bearer nonsense")]).0, 401);
    assert_eq!(post(&[("authorization", "Basic b3BzOng=")]).0, 401);
    assert_eq!(post(&[token, ("origin", "https://evil.example")]).0, 403);
    assert_eq!(post(&[token, ("origin", "null")]).0, 403);
    assert_eq!(post(&[token, ("host", "evil.example")]).0, 403);
    assert_eq!(server.request("GET", "/livez", &[("host", "rebound.example:80")], b"").0, 403);
    assert_eq!(server.request("POST", "/-/reload", &[], b"").0, 401);
    assert!(!server.timeline().iter().any(|e| e["summary"].as_str().unwrap_or_default().contains("by hand")));

    assert_eq!(post(&[token]).0, 200);
    let origin = server.url.clone();
    assert_eq!(post(&[token, ("origin", &origin)]).0, 200, "its own pages may");
    // Reading is open here, also by the form that Prometheus's clients send.
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(server.request("POST", "/api/v1/query", &form, b"query=up").0, 200);

    // The token is readable by this user alone, and what comes over HTTP is said to have come so.
    use std::os::unix::fs::PermissionsExt;
    let runtime = home.path("run/quarterdeck");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&runtime), 0o700);
    assert_eq!(mode(&runtime.join(format!("console-{}.json", server.child.id()))), 0o600);
    let notes: Vec<_> = server.timeline().into_iter().filter(|e| e["summary"] == "by hand").collect();
    assert_eq!(notes.len(), 2);
    assert!(notes.iter().all(|e| e["actor"]["via"] == "http"), "{notes:?}");
}

#[test]
fn paths_can_be_closed_and_a_token_of_ones_own_be_used() {
    let home = Home::new();
    home.file("token", "0123456789abcdef0123456789abcdef\n");
    let text = "[listen]\nclosed = [\"/api/v1/write\"]\ntoken = { file = \"token\" }\n";
    let config = home.file("quarterdeck.toml", text).display().to_string();
    let server = serve(&home, &["--config", &config]);
    assert_eq!(server.request("POST", "/api/v1/write", &[], b"").0, 403);
    assert_eq!(server.token, "0123456789abcdef0123456789abcdef");
    assert_eq!(server.act(&json!({"action": "timeline.note", "args": {"text": "x"}})).0, 200);
}

#[test]
fn addresses_that_cannot_be_used_are_refused_with_what_to_do() {
    let home = Home::new();
    let (code, _, error) = home.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, 1, "{error}");
    for part in ["0.0.0.0:0", "tls", "token", "127.0.0.1"] {
        assert!(error.contains(part), "{error}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, _, error) = home.run(&["serve", "--listen", &address]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains(&address) && error.contains("--listen ADDR"), "{error}");
    home.deserted();
}

#[test]
fn actions_from_a_shell_are_done_told_and_refused() {
    let home = Home::new();
    let server = serve(&home, &[]);
    let act = |args: &[&str]| {
        let mut all = vec!["act"];
        all.extend(args);
        home.run(&all)
    };
    let (code, out, error) =
        act(&["timeline.note", "text=disk replaced", "service=ledger", "--reason", "it was full"]);
    assert_eq!(code, 0, "{out}{error}");
    let (code, list, _) = home.run(&["timeline", "list"]);
    assert_eq!(code, 0);
    let line = list.lines().find(|l| l.contains("disk replaced")).unwrap_or_else(|| panic!("{list}"));
    assert!(line.contains("ops-1") && line.contains("(it was full)"), "{line}");
    let (_, list, _) = home.run(&["timeline", "list", "--service", "ledger", "--output", "json"]);
    let entry: serde_json::Value =
        serde_json::from_str(list.trim()).unwrap_or_else(|e| panic!("{e}: {list}"));
    assert_eq!((&entry["reason"], &entry["actor"]["via"]), (&json!("it was full"), &json!("shell")));

    let refused = |args: &[&str], parts: &[&str]| {
        let (code, out, error) = act(args);
        assert_ne!(code, 0, "{args:?}: {out}");
        for part in parts {
            assert!(error.contains(part), "{args:?} is answered with {part:?}: {error}");
        }
        code
    };
    assert_eq!(
        refused(
            &["timeline.nota", "text=x"],
            &["\"timeline.nota\" is not an action", "did you mean timeline.note?"]
        ),
        2
    );
    refused(&["timeline.note", "txt=x"], &["\"txt\"", "did you mean text?"]);
    refused(&["timeline.note"], &["text", "needed"]);
    refused(&["console.log-level", "level=loud"], &["\"loud\"", "error, warn, info, debug, trace"]);
    refused(&["services.limit", "limit=latency", "value=50ms"], &["service:NAME"]);
    refused(&["services.limit", "stream:x", "limit=latency", "value=50ms"], &["service"]);
    assert_eq!(
        refused(&["services.limit", "service:nobody", "limit=latency", "value=50ms"], &["no service nobody"]),
        4
    );
    assert_eq!(refused(&["timeline.note", "text=a", "text=b"], &["given twice"]), 2);
    assert_eq!(refused(&["timeline.note", "orders", "text=b"], &["service:orders"]), 2);
    assert_eq!(refused(&["timeline.undo", "entry:nowhere/9"], &["nowhere/9"]), 4);

    let (code, all, _) = act(&[]);
    assert_eq!(code, 0);
    for id in [
        "timeline.note",
        "timeline.undo",
        "services.limit",
        "targets.retry",
        "console.reload",
        "streams.pause",
    ] {
        assert!(all.lines().any(|l| l.starts_with(id)), "{id} is listed: {all}");
    }
    // A reader that goes away early (`| head`) is no failure.
    let mut early = home
        .command(&["act"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(early.stdout.take());
    let ended = early.wait_with_output().expect("an end");
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));

    drop(server);
    let (code, _, error) = act(&["timeline.note", "text=nobody hears"]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains("quarterdeck serve"), "{error}");
}

#[test]
fn log_level_and_limits_are_set_and_undone() {
    let home = Home::new();
    let (server, _) = with_catalogue(&home);
    // The host is a service once its first metrics have been looked at.
    let (out, error) = eventually("the limit of the host is set", || {
        let (code, out, error) =
            home.run(&["act", "services.limit", "service:host", "limit=saturation", "value=85"]);
        (code == 0).then_some((out, error))
    });
    assert_eq!(error, "");
    assert!(out.contains("saturation") && out.contains("85"), "{out}");
    let newest = |summary: &str| {
        let entry = server
            .timeline()
            .into_iter()
            .find(|e| e["summary"].as_str().unwrap_or_default().contains(summary));
        let entry = entry.unwrap_or_else(|| panic!("{summary} is on the timeline"));
        let (writer, seq) = (
            entry["id"]["writer"].as_str().expect("a writer"),
            entry["id"]["seq"].as_u64().expect("a number"),
        );
        (format!("entry:{writer}/{seq}"), entry)
    };
    let (first, entry) = newest("85");
    assert_eq!((&entry["service"], &entry["undo"]["action"]), (&json!("host"), &json!("services.limit")));

    let (code, out, error) = home.run(&["act", "timeline.undo", &first]);
    assert_eq!(code, 0, "{out}{error}");
    let (code, _, error) = home.run(&["act", "timeline.undo", &first]);
    assert_eq!(code, 4, "an entry is undone once: {error}");
    assert!(error.contains("already undone"), "{error}");

    // Undo refuses when somebody has moved things since, and says what it found.
    for value in ["70", "60"] {
        let (code, _, error) = home.run(&[
            "act",
            "services.limit",
            "service:host",
            "limit=saturation",
            &format!("value={value}"),
        ]);
        assert_eq!(code, 0, "{error}");
    }
    let (seventy, _) = newest("is now 70");
    let (code, _, error) = home.run(&["act", "timeline.undo", &seventy]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("is now 60, not 70"), "{error}");
    drop(server);

    // A limit set by key outlives the console.
    let config = home.path("quarterdeck.toml").display().to_string();
    let server = serve(&home, &["--config", &config]);
    let undone = eventually("the service is known again", || {
        let (code, out, _) =
            home.run(&["act", "services.limit", "service:host", "limit=saturation", "value=default"]);
        (code == 0).then_some(out)
    });
    assert!(undone.contains("60"), "{undone}");
    let (code, out, _) = home.run(&["act", "console.log-level", "level=debug"]);
    assert_eq!(code, 0);
    assert!(out.contains("debug (was info)"), "{out}");
    let log = || std::fs::read_to_string(home.path("data/quarterdeck/log/quarterdeck.log")).expect("the log");
    let (_, _) = server.get("/livez");
    eventually("requests are logged with their id", || {
        log()
            .lines()
            .any(|l| l.contains("\"DEBUG\"") && l.contains("\"request\":\"") && l.contains("/livez"))
            .then_some(())
    });
    assert!(
        log().lines().all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()),
        "every line is JSON"
    );
}

#[test]
fn read_only_refuses_all_that_is_not_safe() {
    let home = Home::new();
    let server = serve(&home, &["--read-only"]);
    let (code, _, error) = home.run(&["act", "console.reload"]);
    assert_eq!(code, 4, "{error}");
    assert!(error.contains("read-only"), "{error}");
    let (status, body) = server.act(&json!({"action": "console.reload"}));
    assert_eq!(status, 403, "{body}");
    let bearer = format!("Bearer {}", server.token);
    assert_eq!(server.request("POST", "/-/reload", &[("authorization", &bearer)], b"").0, 403);
}

#[test]
fn a_changed_file_is_taken_over_and_a_bad_one_is_not() {
    let home = Home::new();
    let config = home.file("quarterdeck.toml", CATALOGUE).display().to_string();
    let server = serve(&home, &["--config", &config]);
    let told = |needle: &str| {
        eventually(&format!("the timeline tells {needle:?}"), || {
            server.timeline().into_iter().find(|e| e["summary"].as_str().unwrap_or_default().contains(needle))
        })
    };
    let jobs =
        "[[scrape.jobs]]\nname = \"itself\"\ntargets = [\"ADDRESS\"]\n".replace("ADDRESS", server.address());
    home.file(
        "quarterdeck.toml",
        &format!("{CATALOGUE}[scrape]\ninterval = \"1s\"\ntimeout = \"1s\"\n{jobs}"),
    );
    told("configuration read again");
    eventually("the new job is scraped", || server.query("up{job=\"itself\"} == 1").pop());

    let bad = format!("{CATALOGUE}[scrape]\ninterval = \"1s\"\nintervall = \"2s\"\n{jobs}");
    home.file("quarterdeck.toml", &bad);
    let entry = told("refused");
    let summary = entry["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("quarterdeck.toml:7:1"), "the place: {summary}");
    assert!(
        summary.contains("intervall") && summary.contains("interval"),
        "the slip and what is meant: {summary}"
    );
    assert_eq!(entry["severity"], "warning");
    // The old one stays in force, and the Self pane shows what is wrong.
    let out = home.path("self.txt").display().to_string();
    let (code, _, error) = home.run(&["screenshot", "self", "--size", "200x60", "--out", &out]);
    assert_eq!(code, 0, "{error}");
    let shown = std::fs::read_to_string(&out).expect("a picture");
    assert!(shown.contains("intervall"), "{shown}");
    assert!(!server.query("up{job=\"itself\"} == 1").is_empty());

    // SIGHUP and the action do the same as a changed file, at once.
    let (code, _, error) = home.run(&["act", "console.reload"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("quarterdeck.toml:7:1"), "{error}");
    home.file("quarterdeck.toml", CATALOGUE);
    server.signal(Signal::HUP);
    eventually("SIGHUP reads it again", || {
        server.timeline().into_iter().find(|e| {
            e["summary"].as_str().unwrap_or_default().starts_with("configuration read again")
                && e["actor"]["user"] == "SIGHUP"
        })
    });
    eventually("the job is gone", || server.query("up{job=\"itself\"}").is_empty().then_some(()));
}

#[test]
fn consoles_stand_side_by_side_and_a_data_directory_has_one() {
    let home = Home::new();
    let (a, b) = (home.path("data/a").display().to_string(), home.path("data/b").display().to_string());
    let one = serve(&home, &["--data-dir", &a]);
    let two = serve(&home, &["--data-dir", &b]);
    assert_ne!(one.url, two.url);
    let (code, _, error) = home.run(&["act", "timeline.note", "text=which"]);
    assert_eq!(code, 5, "{error}");
    assert!(error.contains(&one.url) && error.contains(&two.url), "both are named: {error}");
    for args in [["--data-dir", a.as_str()], ["--server", one.url.as_str()]] {
        let (code, _, error) = home.run(&["act", "timeline.note", "text=for one", args[0], args[1]]);
        assert_eq!(code, 0, "{args:?}: {error}");
    }
    let notes = |server: &Server| server.timeline().iter().filter(|e| e["summary"] == "for one").count();
    assert_eq!((notes(&one), notes(&two)), (2, 0));

    let (code, _, error) = home.run(&["serve", LISTEN[0], LISTEN[1], "--data-dir", &a]);
    assert_eq!(code, 6, "{error}");
    assert!(error.contains(&format!("pid {}", one.child.id())) && error.contains("--data-dir"), "{error}");
    // The lock goes with its process, however that ends.
    let mut one = one;
    one.kill();
    let again = serve(&home, &["--data-dir", &a]);
    assert_eq!(notes(&again), 2);
}

#[test]
fn it_drains_and_ends_in_order() {
    let home = Home::new();
    let mut server = serve(&home, &[]);
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0), "{}", home.stderr());
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert!(home.beacon(server.child.id()).is_none(), "nobody is led to a console that has ended");
    home.deserted();
    let (code, out, error) = home.run(&["timeline", "verify"]);
    assert_eq!(code, 0, "{out}{error}");
    let server = serve(&home, &[]);
    let summaries: Vec<String> =
        server.timeline().iter().map(|e| e["summary"].as_str().unwrap_or_default().to_owned()).collect();
    assert!(summaries.iter().any(|s| s == "console stopped (SIGTERM)"), "{summaries:?}");
}

#[test]
fn a_second_signal_does_not_wait() {
    let home = Home::new();
    let mut server = serve(&home, &[]);
    let requests = |server: &Server| -> f64 {
        let (_, page) = server.get("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix("quarterdeck_http_requests_total "));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no such metric: {page}"))
    };
    let before = requests(&server);
    // A client that has sent half a request keeps the drain waiting.
    let mut slow = std::net::TcpStream::connect(server.address()).expect("a connection");
    slow.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    let head = format!(
        "POST /api/v1/query HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\nquery",
        server.address()
    );
    slow.write_all(head.as_bytes()).expect("half a request");
    // Each look is a request itself: one more than looks is the one that is under way.
    let mut looks = 0.0;
    eventually("half a request is taken", || {
        looks += 1.0;
        (requests(&server) > before + looks).then_some(())
    });
    server.signal(Signal::TERM);
    // It leads nobody to itself any more, and waits for the request under way.
    eventually("it drains", || home.beacon(server.child.id()).is_none().then_some(()));
    assert!(server.child.try_wait().expect("a child").is_none(), "{}", home.stderr());
    server.signal(Signal::TERM);
    server.wait();
    let said = std::fs::read_to_string(home.path("data/quarterdeck/log/quarterdeck.log")).expect("the log");
    assert!(said.contains("the console is ended by force"), "it waited to the end all the same: {said}");
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    home.deserted();
}

#[test]
fn exit_codes_are_those_that_help_tells() {
    let home = Home::new();
    let (code, help, _) = home.run(&["--help"]);
    assert_eq!(code, 0);
    for told in [
        "0  done",
        "1  failed",
        "2  the command line",
        "3  what was checked",
        "4  refused",
        "5  no console",
        "6  the data directory",
    ] {
        assert!(help.contains(told), "{told}: {help}");
    }
    let bad = home.file("bad.toml", "nonsense = 1\n").display().to_string();
    let under_a_file = home.file("file", "").join("data").display().to_string();
    let gone = home.path("nowhere").display().to_string();
    let cases: [(&[&str], i32); 9] = [
        (&["--version"], 0),
        (&["serve", "--config", &gone], 1),
        (&["serve", "--nonsense"], 2),
        (&["open", "nonsense"], 2),
        (&["screenshot", "overview", "--out", "picture.gif"], 2),
        (&["check", &bad], 3),
        (&["query", "up"], 5),
        (&["serve", "--listen", "127.0.0.1:0", "--data-dir", &under_a_file], 6),
        (&["timeline", "verify", "--data-dir", &gone], 6),
    ];
    for (args, wanted) in cases {
        let (code, out, error) = home.run(args);
        assert_eq!(code, wanted, "{args:?}: {out}{error}");
        assert!(code == 0 || !error.is_empty(), "{args:?} says why");
    }
}
