//! Alerts on the screen of the built program: what rings, what the title says, what an incident's files hold.

mod support;

use serde_json::{Value, json};
use support::{Home, Terminal, eventually};

/// A configuration of its own that asks for little.
const CONFIG: &str = "[metrics.host]\ninterval = \"1s\"\n";

fn start(home: &Home, columns: u16, rows: u16) -> Terminal {
    let config = home.file("quarterdeck.toml", CONFIG).display().to_string();
    let args = ["--config", config.as_str(), "--listen", "127.0.0.1:0"];
    let terminal = Terminal::start(home, &args, columns, rows);
    terminal.wait_for("console started");
    terminal
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
    fire(&home, &terminal, "SmallTrouble", "warning");
    terminal.wait_for("SmallTrouble");
    assert_eq!(bells(&terminal), 0, "a warning does not ring");
    assert!(terminal.text().contains("SmallTrouble of orders fires"), "it leads:\n{}", terminal.text());

    fire(&home, &terminal, "KillSwitch", "critical");
    terminal.wait_for("KillSwitch of orders: orders are lost");
    assert_eq!(bells(&terminal), 1);
    assert!(titled(&terminal, "1 critical · Overview"), "{}", terminal.text());
    // What is posted again is the same alert; what is taken does not ring, nor when it is given back.
    fire(&home, &terminal, "KillSwitch", "critical");
    terminal.send("ga");
    terminal.wait_until("the pane", |text| text.contains("PAGING"));
    terminal.send("a");
    terminal.wait_for("ack ");
    terminal.send("A");
    terminal.wait_until("it fires again", |text| !text.contains("ack "));
    assert_eq!(bells(&terminal), 1, "{}", terminal.text());

    // A console that starts again finds it, and does not ring.
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
    drop(terminal);
    let mut terminal = start(&home, 100, 30);
    terminal.wait_for("KillSwitch of orders fires");
    assert!(titled(&terminal, "1 critical · Overview"));
    assert_eq!(bells(&terminal), 0, "{}", terminal.text());
    terminal.send("q");
    assert_eq!(terminal.wait(), 0);
}
