//! Alerts on the screen of the built program: what rings, what the title says, what an incident's files hold.

mod support;

use serde_json::{Value, json};
use support::{Home, Terminal, eventually};

/// A configuration of its own that asks for little.
const CONFIG: &str = "[metrics.host]\ninterval = \"1s\"\n";

fn start(home: &Home, columns: u16, rows: u16) -> Terminal {
    let config = home.file("quarterdeck.toml", CONFIG).display().to_string();
    let args = ["--config", config.as_str(), "--listen", "127.0.0.1:0"];
    Terminal::start(home, &args, columns, rows)
}

/// The console behind a screen, to be called over HTTP; the process stays the terminal's.
fn post(home: &Home, terminal: &Terminal, path: &str, body: &Value) -> (u16, String) {
    let pid = terminal.child.process_id().expect("a living child");
    let (url, token) = eventually("the console tells where it is", || home.beacon(pid));
    support::call(&url, &token, path, body)
}

fn fire(home: &Home, terminal: &Terminal, name: &str, severity: &str) {
    let alert = json!([{
        "labels": { "alertname": name, "severity": severity, "service": "orders" },
        "annotations": { "summary": "orders are lost" },
    }]);
    assert_eq!(post(home, terminal, "/api/v2/alerts", &alert).0, 200);
}

/// Bells rung: BEL also ends the sequence that sets a title or copies.
fn bells(terminal: &Terminal) -> usize {
    let raw = terminal.raw();
    let (mut count, mut within) = (0, false);
    for (place, byte) in raw.iter().enumerate() {
        match byte {
            0x1b => within = raw.get(place + 1) == Some(&b']'),
            0x07 if within => within = false,
            0x07 => count += 1,
            _ => {}
        }
    }
    count
}

fn titled(terminal: &Terminal, title: &str) -> bool {
    String::from_utf8_lossy(&terminal.raw()).contains(title)
}

#[test]
fn a_new_critical_alert_rings_once_and_is_said_and_titled() {
    let home = Home::new();
    let mut terminal = start(&home, 100, 30);
    terminal.wait_for("console started");
    fire(&home, &terminal, "SmallTrouble", "warning");
    terminal.wait_for("SmallTrouble of orders fires");
    assert_eq!(bells(&terminal), 0, "a warning does not ring");

    fire(&home, &terminal, "KillSwitch", "critical");
    terminal.wait_for("KillSwitch of orders: orders are lost");
    assert_eq!(bells(&terminal), 1);
    assert!(titled(&terminal, "1 critical · Overview"), "{}", terminal.text());
    // What is posted again is the same alert; what is taken does not ring, nor when it is given back.
    fire(&home, &terminal, "KillSwitch", "critical");
    terminal.send("ga");
    terminal.wait_until("the pane", |text| text.contains("PAGING"));
    terminal.send("a");
    terminal.wait_for("1 acknowledged");
    terminal.send("A");
    terminal.wait_for("2 firing");
    assert_eq!(bells(&terminal), 1, "{}", terminal.text());

    // A console that starts again finds it, and does not ring.
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    drop(terminal);
    let mut terminal = start(&home, 100, 30);
    terminal.wait_for("KillSwitch of orders fires");
    assert!(titled(&terminal, "1 critical · Alerts"));
    assert_eq!(bells(&terminal), 0, "{}", terminal.text());
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
}

/// A rule of this console that fires at once, on what this host tells of itself.
const RULES: &str = "groups:\n- name: host\n  interval: 1s\n  rules:\n  - alert: MemoryKnown\n    expr: node_memory_MemTotal_bytes > 1\n    \
                     labels: {severity: critical, service: orders}\n    annotations: {summary: 'there is memory | *much*'}\n";

#[test]
fn an_incident_is_written_down_whole_and_never_over_another() {
    let home = Home::new();
    let rules = home.file("rules.yml", RULES).display().to_string();
    let prometheus = format!("rule_files: ['{rules}']\n");
    let prometheus = home.file("prometheus.yml", &prometheus).display().to_string();
    let config = home.file("quarterdeck.toml", CONFIG).display().to_string();
    let server = home.serve(&[
        "serve",
        "--config",
        &config,
        "--listen",
        "127.0.0.1:0",
        "--prometheus-config",
        &prometheus,
    ]);
    let note = json!({ "action": "timeline.note", "args": { "text": "orders v2 rolled out", "service": "orders" },
        "actor": { "user": "alice", "via": "shell" } });
    let (status, answer) = server.act(&note);
    assert_eq!(status, 200, "{answer}");
    let alert = eventually("the rule fires", || {
        let alerts = server.json("/api/v2/alerts");
        alerts[0]["fingerprint"].as_str().map(str::to_owned)
    });
    let other = json!([{ "labels": { "alertname": "Posted", "severity": "warning", "service": "orders" } }]);
    let json_type = [("content-type", "application/json")];
    assert_eq!(server.request("POST", "/api/v2/alerts", &json_type, other.to_string().as_bytes()).0, 200);
    let acknowledge = json!({ "action": "alerts.acknowledge", "subject": format!("alert:{alert}"),
        "args": { "note": "on it" }, "actor": { "user": "alice", "via": "shell" } });
    assert_eq!(server.act(&acknowledge).0, 200);

    // From the shell, as an operator would.
    let into = home.path("incidents");
    std::fs::create_dir(&into).expect("a directory");
    let to = format!("to={}", into.display());
    let subject = format!("alert:{alert}");
    let export = || home.run(&["act", "incidents.export", &subject, &to]);
    let (code, out, err) = export();
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("incident written to") && out.contains("1 chart"), "{out}{err}");
    let directories = || -> Vec<std::path::PathBuf> {
        let mut all: Vec<_> = std::fs::read_dir(&into)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        all.sort();
        all
    };
    let first = directories().remove(0);
    assert!(out.contains(&first.display().to_string()), "the path is told: {out}");

    let text = std::fs::read(first.join("incident.json")).expect("the JSON");
    let told: Value = serde_json::from_slice(&text).expect("JSON");
    let leading = &told["alerts"][0];
    assert_eq!(leading["name"], "MemoryKnown");
    assert_eq!(leading["query"], "node_memory_MemTotal_bytes > 1");
    assert_eq!(leading["acknowledged"]["by"], "alice");
    assert_eq!(leading["acknowledged"]["note"], "on it");
    assert_eq!(leading["resolved"], Value::Null);
    let changes = told["whatChanged"].as_array().expect("a list");
    assert!(changes.iter().any(|c| c["entry"]["summary"] == "orders v2 rolled out"), "{told:#}");
    let summaries: Vec<&str> =
        told["timeline"].as_array().expect("entries").iter().filter_map(|e| e["summary"].as_str()).collect();
    assert!(summaries.iter().any(|s| s.contains("acknowledged")), "{summaries:#?}");
    assert_eq!(told["charts"][0]["threshold"], json!({ "op": ">", "value": 1.0 }));

    let png = std::fs::read(first.join("chart-1.png")).expect("the chart");
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.len() > 5_000, "{} bytes", png.len());
    let markdown = std::fs::read_to_string(first.join("incident.md")).expect("the document");
    for said in [
        "# MemoryKnown of orders",
        r"there is memory \| \*much\*",
        "![MemoryKnown over time](chart-1.png)",
        "by alice: on it",
        "orders v2 rolled out",
        "## Who was paged",
        "## Timeline",
    ] {
        assert!(markdown.contains(said), "{said}:\n{markdown}");
    }

    // Again: beside the first one, which stays as it is.
    let (code, again, err) = export();
    assert_eq!(code, 0, "{again}{err}");
    assert_eq!(directories().len(), 2, "{again}");
    assert_eq!(std::fs::read(first.join("incident.json")).expect("the JSON"), text);
    let (code, out, err) = home.run(&["act", "incidents.export", &subject, "to=/nowhere/at/all"]);
    assert!(code != 0 && format!("{out}{err}").contains("not a directory"), "{code} {out}{err}");
    let (code, out, err) = home.run(&["act", "incidents.export", "alert:0123456789abcdef", &to]);
    assert!(code != 0 && format!("{out}{err}").contains("no such alert"), "{code} {out}{err}");
}

#[test]
fn a_receiver_that_is_the_terminals_bell_rings_it() {
    let home = Home::new();
    let routes = "route: {receiver: ring, group_wait: 1s}\nreceivers: [{name: ring}]\n";
    home.file("alertmanager.yml", routes);
    let config = format!(
        "{CONFIG}[alerting]\nalertmanager_config = \"alertmanager.yml\"\n[alerting.channels.ring]\nbell = true\n"
    );
    let config = home.file("quarterdeck.toml", &config).display().to_string();
    let args = ["--config", config.as_str(), "--listen", "127.0.0.1:0"];
    let mut terminal = Terminal::start(&home, &args, 100, 30);
    terminal.wait_for("console started");
    // A warning rings only because somebody configured it.
    fire(&home, &terminal, "SmallTrouble", "warning");
    terminal.wait_for("[FIRING:1]");
    assert_eq!(bells(&terminal), 1, "{}", terminal.text());
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn a_rewound_screen_shows_alerts_that_were_forgotten_since() {
    let home = Home::new();
    let text = format!("{CONFIG}[alerting]\nresolved_retention = \"1s\"\n");
    let config = home.file("quarterdeck.toml", &text).display().to_string();
    let mut terminal =
        Terminal::start(&home, &["--config", config.as_str(), "--listen", "127.0.0.1:0"], 100, 30);
    terminal.wait_for("console started");
    fire(&home, &terminal, "KillSwitch", "critical");
    terminal.send("ga");
    terminal.wait_for("KillSwitch");
    // Of this range the cursor moves in steps of five seconds: long enough for two of them.
    terminal.send("++");
    std::thread::sleep(std::time::Duration::from_secs(11));
    let ended = json!([{
        "labels": { "alertname": "KillSwitch", "severity": "critical", "service": "orders" },
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2020-01-02T00:00:00Z",
    }]);
    assert_eq!(post(&home, &terminal, "/api/v2/alerts", &ended).0, 200);
    terminal.wait_until("the alert is forgotten", |text| !text.contains("KillSwitch"));
    eventually("a moment at which it fired", || {
        terminal.send("[@");
        std::thread::sleep(std::time::Duration::from_millis(700));
        terminal.text().contains("KillSwitch").then_some(())
    });
    assert!(terminal.text().contains("firing"), "{}", terminal.text());
    terminal.send("0");
    terminal.wait_until("the present", |text| !text.contains("KillSwitch"));
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
}
