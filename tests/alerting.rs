//! Alerting end to end: the built program with an unmodified `alertmanager.yml`, a webhook that is told, Debian's amtool
//! and a real Prometheus that sends its alerts.

#[path = "alerting/doubt.rs"]
mod doubt;
#[path = "alerting/full.rs"]
mod full;
#[path = "alerting/kill.rs"]
mod kill;
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use support::peers::program;
use support::{Home, Server, eventually, eventually_or};

/// A webhook that remembers what it is told.
struct Webhook {
    address: String,
    told: Arc<Mutex<Vec<Told>>>,
    /// Whether it takes what comes and does not answer.
    holds: Arc<AtomicBool>,
}

/// What a webhook was told.
#[derive(Clone, Debug)]
struct Told {
    /// The payload.
    body: Value,
    /// When it came.
    at: std::time::Instant,
    /// The name that the notification has each time it comes.
    key: String,
    /// Whether it may have come before.
    possibly_duplicate: bool,
}

impl Webhook {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let sink = Arc::clone(&told);
        let holds = Arc::<AtomicBool>::default();
        let held = Arc::clone(&holds);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sink, held) = (Arc::clone(&sink), Arc::clone(&held));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
                    let mut stream = stream;
                    loop {
                        let (mut length, mut key, mut possibly_duplicate) = (0, String::new(), false);
                        loop {
                            let mut line = String::new();
                            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                                return;
                            }
                            if line == "\r\n" {
                                break;
                            }
                            let line = line.to_ascii_lowercase();
                            if let Some(value) = line.strip_prefix("content-length:") {
                                length = value.trim().parse().unwrap_or(0);
                            }
                            if let Some(value) = line.strip_prefix("idempotency-key:") {
                                key = value.trim().to_owned();
                            }
                            possibly_duplicate |= line.starts_with("x-quarterdeck-possibly-duplicate:");
                        }
                        let mut body = vec![0; length];
                        if reader.read_exact(&mut body).is_err() {
                            return;
                        }
                        let body = serde_json::from_slice(&body).expect("JSON");
                        let at = std::time::Instant::now();
                        sink.lock().expect("the sink").push(Told { body, at, key, possibly_duplicate });
                        if held.load(Ordering::SeqCst) {
                            // Until the other end goes.
                            let _ = reader.read(&mut [0]);
                            return;
                        }
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, told, holds }
    }

    fn hold(&self, whether: bool) {
        self.holds.store(whether, Ordering::SeqCst);
    }

    fn told(&self) -> Vec<Value> {
        self.told_whole().into_iter().map(|told| told.body).collect()
    }

    fn told_whole(&self) -> Vec<Told> {
        self.told.lock().expect("the sink").clone()
    }
}

/// A configuration that tells one webhook of everything.
fn configuration(webhook: &Webhook) -> String {
    format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 2s, repeat_interval: 1h}}\n\
         receivers:\n- name: hook\n  webhook_configs:\n  - url: http://{}/\n    send_resolved: true\n",
        webhook.address
    )
}

fn post(server: &Server, path: &str, body: &Value) -> (u16, String) {
    server.request("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
}

fn fires(server: &Server, name: &str) {
    let alert = json!([{ "labels": { "alertname": name, "severity": "critical", "service": "orders" } }]);
    assert_eq!(post(server, "/api/v2/alerts", &alert), (200, String::new()));
}

fn alerts(server: &Server) -> Vec<Value> {
    server.json("/api/v2/alerts").as_array().expect("a list").clone()
}

#[test]
fn what_was_told_taken_and_silenced_survives_a_kill() {
    let (home, webhook) = (Home::new(), Webhook::start());
    let file = home.file("alertmanager.yml", &configuration(&webhook)).display().to_string();
    let args = ["serve", "--listen", "127.0.0.1:0", "--alertmanager-config", &file];
    let mut server = home.serve(&args);
    fires(&server, "KillSwitch");
    let told = eventually("the webhook is told", || webhook.told().first().cloned());
    assert_eq!(told["version"], "4");
    assert_eq!(told["status"], "firing");
    assert_eq!(told["groupKey"], "{}:{alertname=\"KillSwitch\"}");
    assert_eq!(told["alerts"][0]["labels"]["service"], "orders");

    let print = alerts(&server)[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let (status, answer) = server.act(&json!({
        "action": "alerts.acknowledge", "subject": format!("alert:{print}"), "args": { "note": "on it" },
        "actor": { "user": "alice", "via": "shell" },
    }));
    assert_eq!(status, 200, "{answer}");
    let ends = "2099-01-01T00:00:00Z";
    let silence = json!({
        "matchers": [{ "name": "service", "value": "risk", "isRegex": false, "isEqual": true }],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": ends, "createdBy": "bob", "comment": "moving house",
    });
    let (status, answer) = post(&server, "/api/v2/silences", &silence);
    assert_eq!(status, 200, "{answer}");

    server.kill();
    let server = home.serve(&args);
    let explained = server.json(&format!("/api/quarterdeck/v1/alerts/{print}/explain"));
    assert_eq!(explained["state"], "acknowledged", "{explained}");
    assert_eq!(explained["owner"], "alice");
    assert_eq!(explained["history"][1]["note"], "on it");
    let silences = server.json("/api/v2/silences");
    assert_eq!(silences[0]["comment"], "moving house");
    assert_eq!(silences[0]["status"]["state"], "active");
    // Two looks of the group later nobody has been told again.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(webhook.told().len(), 1, "{:#?}", webhook.told());

    // An alert that ends is told once more, as resolved.
    let ended = json!([{ "labels": { "alertname": "KillSwitch", "severity": "critical", "service": "orders" },
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-02T00:00:00Z" }]);
    assert_eq!(post(&server, "/api/v2/alerts", &ended).0, 200);
    let told = eventually("the end is told", || webhook.told().get(1).cloned());
    assert_eq!(told["status"], "resolved");
    let summaries: Vec<String> =
        server.timeline().iter().filter_map(|e| e["summary"].as_str().map(str::to_owned)).collect();
    let said = |what: &str| assert!(summaries.iter().any(|s| s.contains(what)), "{what}: {summaries:#?}");
    said("KillSwitch (service=orders) – fired");
    said("KillSwitch (service=orders) acknowledged");
    said("silence");
    said("KillSwitch (service=orders) – resolved by its source");
}

/// A policy of two steps, each person with a webhook of their own.
fn on_call(home: &Home, hook: &Webhook, alice: &Webhook, bob: &Webhook) -> Vec<String> {
    let receiver = |name: &str, at: &Webhook| {
        format!(
            "- name: {name}\n  webhook_configs:\n  - url: http://{}/\n    send_resolved: true\n",
            at.address
        )
    };
    let text = format!("{}{}{}", configuration(hook), receiver("alice", alice), receiver("bob", bob));
    home.file("alertmanager.yml", &text);
    let text = "[alerting]\nalertmanager_config = \"alertmanager.yml\"\n\
                [oncall.persons.alice]\nchannels = [\"alice\"]\n\
                [oncall.persons.bob]\nchannels = [\"bob\"]\n\
                [[oncall.policies.p.steps]]\nnotify = [\"person:alice\"]\nwait = \"8s\"\n\
                [[oncall.policies.p.steps]]\nnotify = [\"person:bob\"]\nwait = \"1h\"\n\
                [[oncall.routes]]\nmatchers = ['severity=\"critical\"']\npolicy = \"p\"\n";
    let config = home.file("quarterdeck.toml", text).display().to_string();
    ["serve", "--listen", "127.0.0.1:0", "--config", &config].map(str::to_owned).to_vec()
}

#[test]
fn nobody_answers_the_next_is_paged_and_all_hear_that_it_is_over() {
    let (home, hook, alice, bob) = (Home::new(), Webhook::start(), Webhook::start(), Webhook::start());
    let args = on_call(&home, &hook, &alice, &bob);
    let server = home.serve(&args.iter().map(String::as_str).collect::<Vec<_>>());
    fires(&server, "KillSwitch");
    let paged = eventually("the first step is paged", || alice.told().first().cloned());
    assert_eq!(paged["alerts"][0]["annotations"]["paged_because"], "alice, named by the policy");
    let paged = eventually("the second step is paged", || bob.told().first().cloned());
    // Seen from here the first page may be late, the second is never early.
    let between = bob.told_whole()[0].at - alice.told_whole()[0].at;
    assert!(between > Duration::from_secs(4), "the second step has its time, and came after {between:?}");
    assert_eq!(paged["status"], "firing");
    assert_eq!(alice.told().len(), 1);
    let ended = json!([{ "labels": { "alertname": "KillSwitch", "severity": "critical", "service": "orders" },
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-02T00:00:00Z" }]);
    assert_eq!(post(&server, "/api/v2/alerts", &ended).0, 200);
    for whoever in [&alice, &bob] {
        let over = eventually("whoever was paged hears of the end", || whoever.told().get(1).cloned());
        assert_eq!((&over["status"], &over["groupKey"]), (&json!("resolved"), &paged["groupKey"]));
    }
}

#[test]
fn an_acknowledgement_stops_the_escalation_even_over_a_kill() {
    let (home, hook, alice, bob) = (Home::new(), Webhook::start(), Webhook::start(), Webhook::start());
    let args = on_call(&home, &hook, &alice, &bob);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut server = home.serve(&args);
    fires(&server, "KillSwitch");
    eventually("the first step is paged", || alice.told().first().cloned());
    let print = alerts(&server)[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let (status, answer) =
        server.act(&json!({ "action": "alerts.acknowledge", "subject": format!("alert:{print}") }));
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("acknowledged; paging stops"), "{answer}");
    let timeline = server.timeline();
    let of_it = timeline.iter().filter(|e| e["summary"].as_str().is_some_and(|s| s.contains("acknowledged")));
    assert_eq!(of_it.count(), 1, "one entry tells of it: {timeline:#?}");
    server.kill();
    let server = home.serve(&args);
    std::thread::sleep(Duration::from_secs(10));
    assert!(bob.told().is_empty(), "{:#?}", bob.told());
    let oncall = server.json("/api/quarterdeck/v1/oncall");
    assert!(
        oncall["escalations"][0]["state"].as_str().unwrap_or_default().contains("acknowledged"),
        "{oncall}"
    );
}

#[test]
fn a_read_only_console_takes_alerts_and_no_silences() {
    let (home, webhook) = (Home::new(), Webhook::start());
    let file = home.file("alertmanager.yml", &configuration(&webhook)).display().to_string();
    let args = ["serve", "--listen", "127.0.0.1:0", "--read-only", "--alertmanager-config", &file];
    let server = home.serve(&args);
    fires(&server, "KillSwitch");
    let silence = json!({
        "matchers": [{ "name": "service", "value": "orders", "isRegex": false }],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "bob", "comment": "x",
    });
    let (status, answer) = post(&server, "/api/v2/silences", &silence);
    assert_eq!(status, 403, "{answer}");
    let some = "/api/v2/silence/6f9619ff-8b86-4011-b42d-00c04fc964ff";
    let (status, answer) = server.request("DELETE", some, &[], b"");
    assert_eq!(status, 403, "{answer}");
    eventually("the alert is told all the same", || webhook.told().first().cloned());
}

/// Two consoles on one PostgreSQL store: one notifies, the other shows the same and hands on what it is asked; when the
/// first dies, the second goes on within ten seconds, and tells nothing twice.
#[test]
fn of_two_consoles_on_one_store_one_notifies_until_it_dies() {
    let Some(postgres) = quarterdeck_journal::testing::Server::start() else { return };
    let (database, webhook) = (postgres.database(), Webhook::start());
    let start = || {
        let home = Home::new();
        home.file("alertmanager.yml", &configuration(&webhook));
        let url = home.file("database", &database).display().to_string();
        let text = format!(
            "[store]\npostgres = {{ file = {url:?} }}\n[alerting]\nalertmanager_config = \"alertmanager.yml\"\n"
        );
        let config = home.file("quarterdeck.toml", &text).display().to_string();
        let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);
        (home, server)
    };
    let role =
        |server: &Server| server.json("/api/v2/status")["cluster"]["name"].as_str().unwrap_or("").to_owned();
    let (_home, mut first) = start();
    eventually("the first notifies", || (role(&first) == "notifying").then_some(()));
    let (_home, second) = start();
    eventually("the second stands by", || (role(&second) == "standby").then_some(()));

    // Asked of the second, done by the first, seen on both.
    fires(&second, "KillSwitch");
    eventually("the webhook is told", || webhook.told().first().cloned());
    for server in [&first, &second] {
        eventually("the alert is seen", || (alerts(server).len() == 1).then_some(()));
    }
    let print = alerts(&second)[0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let (status, answer) =
        second.act(&json!({ "action": "alerts.acknowledge", "subject": format!("alert:{print}") }));
    assert_eq!(status, 200, "{answer}");
    let path = format!("/api/quarterdeck/v1/alerts/{print}/explain");
    assert_eq!(first.json(&path)["state"], "acknowledged");

    first.kill();
    let died = std::time::Instant::now();
    eventually("the second takes over", || (role(&second) == "notifying").then_some(()));
    // That it may notify ten seconds later follows from the lease's term; here the machine has its share too.
    eprintln!("taken over after {:?}", died.elapsed());
    assert_eq!(second.json(&path)["state"], "acknowledged");
    fires(&second, "Another");
    eventually("the second notifies", || webhook.told().get(1).cloned());
    assert_eq!(webhook.told().len(), 2);
    assert_eq!(webhook.told()[1]["alerts"][0]["labels"]["alertname"], "Another");
}

#[test]
fn a_silence_hides_and_bad_alerts_do_not_spoil_a_batch() {
    let (home, webhook) = (Home::new(), Webhook::start());
    let file = home.file("alertmanager.yml", &configuration(&webhook)).display().to_string();
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--alertmanager-config", &file]);
    let batch = json!([
        { "labels": { "alertname": "Good" } },
        { "labels": {} },
        { "labels": { "alertname": "Long", "text": "x".repeat(1 << 20) } },
        { "labels": { "alertname": "Backwards" }, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z" },
    ]);
    let (status, answer) = post(&server, "/api/v2/alerts", &batch);
    assert_eq!(status, 400);
    assert!(answer.contains("alert 1: at least one label pair required"), "{answer}");
    assert!(
        answer.contains("alert 2") && answer.contains("alert 3: start time must be before end time"),
        "{answer}"
    );
    assert_eq!(alerts(&server).len(), 1, "the good one is taken");
    assert_eq!(post(&server, "/api/v2/alerts", &json!({ "not": "a list" })).0, 400);

    let silence = json!({
        "matchers": [{ "name": "alertname", "value": "Qu.*", "isRegex": true }],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z", "createdBy": "bob", "comment": "x",
    });
    assert_eq!(post(&server, "/api/v2/silences", &silence).0, 200);
    fires(&server, "Quiet");
    eventually("the good one is told", || webhook.told().first().cloned());
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(webhook.told().len(), 1, "the silenced one is not");
    let listed = server.json("/api/v2/alerts?filter=alertname%3DQuiet&silenced=true");
    assert_eq!(listed[0]["status"]["state"], "suppressed");
    assert_eq!(server.json("/api/v2/alerts?silenced=false").as_array().map(Vec::len), Some(1));
    assert_eq!(server.get("/api/v2/alerts?active=perhaps").0, 400);
    assert_eq!(server.get("/api/v2/silence/00000000-0000-4000-8000-000000000000").0, 404);
}

#[test]
fn a_wrong_alertmanager_yml_is_refused_with_its_place() {
    let home = Home::new();
    let file =
        home.file("alertmanager.yml", "route:\n  receiver: nobody\n  group_by: [alertname]\nreceivers: []\n");
    let (code, _, errors) =
        home.run(&["serve", "--listen", "127.0.0.1:0", "--alertmanager-config", &file.display().to_string()]);
    assert_ne!(code, 0);
    assert!(errors.contains("alertmanager.yml:2:"), "{errors}");
    assert!(errors.contains("nobody"), "{errors}");
}

#[test]
fn amtool_lists_silences_and_checks() {
    let Some(amtool) = program("amtool") else { return };
    let (home, webhook) = (Home::new(), Webhook::start());
    let file = home.file("alertmanager.yml", &configuration(&webhook)).display().to_string();
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--alertmanager-config", &file]);
    let run = |args: &[&str]| {
        let url = format!("--alertmanager.url=http://{}", server.address());
        let output = Command::new(&amtool)
            .arg(url)
            .args(args)
            .env("HOME", home.path("amtool"))
            .output()
            .expect("amtool runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    run(&["alert", "add", "DiskFull", "service=orders", "--annotation=summary=no room"]);
    assert!(run(&["alert", "query"]).contains("DiskFull"));
    let id =
        run(&["silence", "add", "service=orders", "-a", "me", "-c", "moving", "-d", "1h"]).trim().to_owned();
    assert!(run(&["silence", "query"]).contains(&id));
    assert!(!run(&["alert", "query"]).contains("DiskFull"), "active ones only");
    assert!(run(&["alert", "query", "--silenced"]).contains("DiskFull"));
    run(&["silence", "update", "-d", "2h", &id]);
    run(&["silence", "expire", &id]);
    assert!(!run(&["silence", "query"]).contains(&id));
    assert!(run(&["alert", "query"]).contains("DiskFull"));
    assert!(run(&["config", "show"]).contains("receiver: hook"));
    assert_eq!(run(&["config", "routes", "test", "severity=critical"]).trim(), "hook");
    assert!(run(&["check-config", &file]).contains("SUCCESS"));
}

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_prometheus_sends_its_alerts() {
    let Some(prometheus) = program("prometheus") else { return };
    let (home, webhook) = (Home::new(), Webhook::start());
    let file = home.file("alertmanager.yml", &configuration(&webhook)).display().to_string();
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--alertmanager-config", &file]);
    home.file(
        "rules.yml",
        "groups:\n- name: g\n  interval: 1s\n  rules:\n  - alert: AlwaysOn\n    expr: vector(7) > 5\n    annotations: \
         {summary: 'it is {{ $value }}'}\n",
    );
    let text = format!(
        "global: {{evaluation_interval: 1s}}\nrule_files: [rules.yml]\nalerting:\n  alertmanagers:\n  - \
         static_configs: [{{targets: ['{}']}}]\n",
        server.address()
    );
    let config = home.file("prometheus.yml", &text).display().to_string();
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let log = std::fs::File::create(home.path("prometheus.log")).expect("a log");
    let _peer = Peer(
        Command::new(prometheus)
            .arg(format!("--config.file={config}"))
            // What is sent before its discovery (each 5 s) has found us is lost to it; it sends again after this long.
            .arg("--rules.alert.resend-delay=1s")
            .arg(format!("--storage.tsdb.path={}", home.path("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus runs"),
    );
    let log = home.path("prometheus.log");
    let told = eventually_or(
        "its alert is told",
        || webhook.told().first().cloned(),
        || std::fs::read_to_string(&log).unwrap_or_default(),
    );
    assert_eq!(told["alerts"][0]["labels"]["alertname"], "AlwaysOn");
    assert_eq!(told["alerts"][0]["annotations"]["summary"], "it is 7");
}

/// What Alertmanager does not have is described by OpenAPI, and every path of the description is there.
#[test]
fn every_extension_has_its_own_path_and_is_described() {
    let (home, hook, alice, bob) = (Home::new(), Webhook::start(), Webhook::start(), Webhook::start());
    let args = on_call(&home, &hook, &alice, &bob);
    let server = home.serve(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let created = json!({ "severity": "critical", "title": "Down", "description": "no answer", "source": "me",
        "metadata": { "service": "orders" }, "group_key": "g" });
    let (status, answer) = post(&server, "/api/quarterdeck/v1/alerts", &created);
    // Making an alert changes something: it needs the token, as everything does that Alertmanager's clients do not send.
    assert_eq!(status, 401, "{answer}");
    let bearer = format!("Bearer {}", server.token);
    let call = |method: &str, path: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        server.request(method, path, &headers, body.as_bytes())
    };
    let (status, answer) = call("POST", "/api/quarterdeck/v1/alerts", &created);
    assert_eq!(status, 201, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let print = answer["alert"].as_str().expect("a fingerprint");
    eventually("it is paged", || alice.told().first().cloned());

    let at = |verb: &str| format!("/api/quarterdeck/v1/alerts/{print}/{verb}");
    assert_eq!(call("POST", &at("assign"), &json!({ "to": "bob", "note": "yours" })).0, 200);
    assert_eq!(call("POST", &at("acknowledge"), &json!({ "note": "on it", "hold": "1h" })).0, 200);
    let explained = server.json(&at("explain"));
    assert_eq!((&explained["state"], &explained["owner"]), (&json!("acknowledged"), &json!("bob")));
    assert_eq!(call("POST", &at("unacknowledge"), &Value::Null).0, 200);
    assert_eq!(call("POST", &at("acknowledge"), &json!({ "hold": 7 })).0, 400);
    assert_eq!(call("POST", &at("acknowledge"), &json!({ "hodl": "1h" })).0, 400);
    assert_eq!(call("POST", &at("resolve"), &json!({})).0, 200);

    let described = server.json("/api/quarterdeck/v1/alerting/openapi.json");
    let paths = described["paths"].as_object().expect("paths");
    assert!(paths.len() >= 13, "{}", paths.len());
    for (path, methods) in paths {
        let path = path.replace("{alert}", print).replace("{schedule}", "none");
        for method in methods.as_object().expect("methods").keys() {
            let (status, _) = server.request(&method.to_uppercase(), &path, &[], b"");
            let wanted: &[u16] = if method == "get" { &[200] } else { &[401] };
            assert!(wanted.contains(&status), "{method} {path} without the token answers {status}");
        }
    }
}
