//! The demo: a small trading platform of real processes, seen through the protocols that any system would use.

mod support;

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{Home, Server, Terminal, eventually, request};

/// The platform's processes that start with it.
const SERVICES: [&str; 6] = ["broker", "clients", "ledger", "market-data", "orders", "risk"];

fn demo(home: &Home) -> Server {
    home.serve(&["demo", "--headless", "--listen", "127.0.0.1:0"])
}

/// The value of a query that gives one number.
fn number(server: &Server, promql: &str) -> Option<f64> {
    server.query(promql).first().and_then(|(_, value)| value.parse().ok())
}

/// Processes of a home that carry a lease: the platform's.
fn leased(home: &Home) -> Vec<u32> {
    let mark = b"QUARTERDECK_LEASE=";
    home.processes()
        .into_iter()
        .map(|(pid, _)| pid)
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environ| environ.split(|b| *b == 0).any(|pair| pair.starts_with(mark)))
        })
        .collect()
}

fn picture(home: &Home, args: &[&str], out: &str) -> Vec<u8> {
    let out = home.path(out);
    let named = out.display().to_string();
    let mut all = vec!["screenshot"];
    all.extend(args);
    all.extend(["--out", &named]);
    let (code, _, error) = home.run(&all);
    assert_eq!(code, 0, "{all:?}: {error}");
    std::fs::read(out).expect("a picture")
}

fn text_picture(home: &Home, args: &[&str]) -> String {
    String::from_utf8(picture(home, args, "picture.txt")).expect("text")
}

/// One platform for all that only looks, since it takes a while until it has something to show.
#[test]
fn the_platform_lives_and_every_pane_shows_it() {
    let home = Home::new();
    let mut server = demo(&home);
    assert_eq!(leased(&home).len(), SERVICES.len(), "{:?}", home.processes());

    eventually("every service is scraped", || {
        (number(&server, "count(up{job!~\"host|quarterdeck\"} == 1)") == Some(6.0)).then_some(())
    });
    let first = eventually("orders come", || number(&server, "sum(orders_total)").filter(|n| *n > 0.0));
    eventually("orders go on", || number(&server, "sum(orders_total)").filter(|n| *n > first));
    eventually("orders are filled", || number(&server, "sum(fills_total)").filter(|n| *n > 0.0));
    let quotes =
        eventually("the feed is received", || number(&server, "sum(quotes_total)").filter(|n| *n > 0.0));
    eventually("the feed goes on", || number(&server, "sum(quotes_total)").filter(|n| *n > quotes));
    eventually("the shape of latency is known", || {
        number(&server, "histogram_quantile(0.99, sum by (le) (rate(http_server_request_duration_seconds_bucket{service=\"orders\"}[1m])))")
            .filter(|p99| *p99 > 0.0 && *p99 < 60.0)
    });

    let overview = eventually("the overview tells of all of them", || {
        Some(text_picture(&home, &["overview", "--size", "120x40"]))
            .filter(|text| SERVICES.iter().all(|s| text.contains(s)) && text.contains("● ok"))
    });
    assert!(overview.contains("demo"), "{overview}");
    let targets = text_picture(&home, &["targets", "--size", "120x40"]);
    assert!(SERVICES.iter().all(|s| targets.contains(s)), "{targets}");

    every_pane_in_every_size(&home);
    pictures_in_every_format(&home);

    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0), "{}", home.stderr());
    home.deserted();
    // What it stored is whole, and it can start again on it.
    let data = home.path("data/quarterdeck/demo").display().to_string();
    let (code, out, error) = home.run(&["timeline", "verify", "--data-dir", &data]);
    assert_eq!(code, 0, "{out}{error}");
}

/// The panes that there are, as the console tells them.
fn panes(home: &Home) -> Vec<String> {
    let out = home.path("none.txt").display().to_string();
    let (code, _, error) = home.run(&["screenshot", "no-such-pane", "--out", &out]);
    assert_eq!(code, 2, "{error}");
    let (_, list) = error.trim().split_once("is not a pane: ").unwrap_or_else(|| panic!("{error}"));
    list.split(", ").map(str::to_owned).collect()
}

fn every_pane_in_every_size(home: &Home) {
    let panes = panes(home);
    for must in ["overview", "targets", "timeline", "self"] {
        assert!(panes.iter().any(|p| p == must), "{must}: {panes:?}");
    }
    for pane in &panes {
        for (columns, rows) in [(80, 24), (120, 40), (200, 60)] {
            let text = text_picture(home, &[pane, "--size", &format!("{columns}x{rows}")]);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), rows, "{pane} at {columns}x{rows}");
            assert!(lines[0].contains("quarterdeck") && lines[rows - 1].contains("? help"), "{pane}: {text}");
            let drawn = lines[2..rows - 1].iter().filter(|l| !l.trim().is_empty()).count();
            assert!(drawn >= 3, "{pane} at {columns}x{rows} is empty:\n{text}");
            assert!(!text.contains("panicked"), "{pane}: {text}");
        }
    }
}

fn pictures_in_every_format(home: &Home) {
    let mut grounds = Vec::new();
    for theme in ["harbour", "daylight", "contrast", "sixteen"] {
        for pane in panes(home) {
            let svg = picture(home, &[&pane, "--size", "120x40", "--theme", theme], "picture.svg");
            let svg = String::from_utf8(svg).expect("text");
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{pane} in {theme}");
            // Glyphs are drawn as outlines: it looks the same where the font is missing.
            assert!(svg.contains("viewBox") && svg.matches("<use").count() > 100, "{pane} in {theme}");
            if pane == "overview" {
                grounds.push(
                    svg.split("fill=\"")
                        .nth(1)
                        .unwrap_or_default()
                        .split('"')
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                );
            }
        }
    }
    assert_ne!(grounds[0], grounds[1], "a dark and a light theme have different grounds");
    let png = picture(home, &["overview", "--size", "80x24"], "picture.png");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    let size = |at: usize| u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]);
    assert!(size(16) >= 80 * 4 && size(20) >= 24 * 8, "{}×{} pixels", size(16), size(20));
    // A subject can be opened and keys be pressed first.
    let helped = text_picture(home, &["overview", "--size", "100x30", "--keys", "?"]);
    assert!(helped.contains("─ keys ─"), "{helped}");
    let opened = text_picture(home, &["overview", "--size", "120x40", "--at", "service:orders"]);
    assert!(opened.contains("orders"), "{opened}");
}

#[test]
fn killed_it_leaves_no_process() {
    let home = Home::new();
    let mut server = demo(&home);
    assert_eq!(leased(&home).len(), SERVICES.len());
    server.kill();
    home.deserted();
}

/// The keeper ends what the console cannot: a stopped child, with the console killed.
#[test]
fn a_stopped_process_of_the_platform_ends_too() {
    let home = Home::new();
    let mut server = demo(&home);
    let child = leased(&home)[0];
    let pid = Pid::from_raw(i32::try_from(child).expect("an id")).expect("an id");
    kill_process(pid, Signal::STOP).expect("a living process");
    server.kill();
    home.deserted();
}

#[test]
fn a_process_that_dies_is_named() {
    let home = Home::new();
    let mut server = demo(&home);
    let broker = home
        .processes()
        .into_iter()
        .find(|(pid, line)| line.contains("broker") && leased(&home).contains(pid))
        .unwrap_or_else(|| panic!("{:?}", home.processes()));
    let pid = Pid::from_raw(i32::try_from(broker.0).expect("an id")).expect("an id");
    kill_process(pid, Signal::KILL).expect("a living process");
    assert_eq!(server.wait(), Some(1));
    let told = home.stderr();
    assert!(told.contains("the demo's broker has ended"), "{told}");
    home.deserted();
}

#[test]
fn on_a_screen_it_asks_before_it_ends_the_platform() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["demo", "--listen", "127.0.0.1:0"], 120, 40);
    terminal.wait_for("console started");
    terminal.wait_for("orders");
    // What disturbs carries its mark, also where a key of the pane's own leads to it.
    terminal.send("2");
    terminal.wait_for("L! set limit");
    terminal.send("q");
    terminal.wait_for("The demo's platform ends with the console.");
    terminal.send("\x1b");
    terminal.wait_until("Esc never ends anything", |text| !text.contains("ends with the console"));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(leased(&home).len(), SERVICES.len());
    terminal.send("q");
    terminal.wait_for("The demo's platform ends with the console.");
    terminal.send("y");
    assert_eq!(terminal.wait(), 0);
    assert!(terminal.restored(), "{}", terminal.text());
    home.deserted();
}

#[test]
fn a_closed_terminal_ends_the_platform() {
    let home = Home::new();
    let mut terminal = Terminal::start(&home, &["demo", "--listen", "127.0.0.1:0"], 120, 40);
    terminal.wait_for("console started");
    terminal.close();
    terminal.wait();
    home.deserted();
}

/// The second version of orders is started, loaded and stopped by an action, as an operator would deploy it.
#[test]
fn the_second_version_is_deployed_watched_and_undone() {
    let home = Home::new();
    let mut server = demo(&home);
    let whole = "write a whole number from 0 to 100";
    for (wrong, code, told) in
        [("101", 4, whole), ("-1", 4, whole), ("2.5", 4, whole), ("some", 2, "write a number")]
    {
        let (found, _, error) = home.run(&["act", "demo.orders-v2", &format!("percent={wrong}")]);
        assert_eq!(found, code, "{error}");
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(leased(&home).len(), SERVICES.len(), "what was refused started nothing");

    let (code, out, error) = home.run(&["act", "demo.orders-v2", "percent=40"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("orders v2 0 % → 40 %"), "{out}");
    assert_eq!(leased(&home).len(), SERVICES.len() + 1);
    // The console learns of it as of any other target, and orders arrive there.
    let second = "sum(orders_total{version=\"v2\"})";
    let first = eventually("v2 takes orders", || number(&server, second).filter(|n| *n > 0.0));
    eventually("v2 goes on taking them", || number(&server, second).filter(|n| *n > first));
    eventually("its slowness is an alert", || {
        server.query("ALERTS{alertname=\"SlowVersion\", version=\"v2\", alertstate=\"firing\"}").pop()
    });
    let before = number(&server, "sum(orders_total{version=\"v1\"})").expect("v1 is there too");
    eventually("and so does v1", || {
        number(&server, "sum(orders_total{version=\"v1\"})").filter(|n| *n > before)
    });

    let (code, out, error) = home.run(&["act", "demo.orders-v2", "percent=10"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("40 % → 10 %"), "{out}");
    let entry = |part: &str| {
        let all = server.timeline();
        let entry = all.iter().find(|e| {
            e["summary"].as_str().unwrap_or_default().contains(part)
                && e["undo"]["action"] == "demo.orders-v2"
        });
        let id = &entry.unwrap_or_else(|| panic!("{part} is on the timeline: {all:#?}"))["id"];
        format!("entry:{}/{}", id["writer"].as_str().expect("a writer"), id["seq"])
    };
    // The share was changed since: undoing the first change would take the second away too.
    let (code, _, error) = home.run(&["act", "timeline.undo", &entry("v2 0 % → 40 %")]);
    assert_eq!(code, 4, "{error}");
    let (code, out, error) = home.run(&["act", "timeline.undo", &entry("40 % → 10 %")]);
    assert_eq!(code, 0, "{out}{error}");
    let (code, out, error) = home.run(&["act", "timeline.undo", &entry("v2 0 % → 40 %")]);
    assert_eq!(code, 0, "{out}{error}");
    eventually("v2 has ended", || (leased(&home).len() == SERVICES.len()).then_some(()));

    // Deployed again and killed with it: the keeper ends what was started last, too.
    let (code, _, error) = home.run(&["act", "demo.orders-v2", "percent=100"]);
    assert_eq!(code, 0, "{error}");
    server.kill();
    home.deserted();
}

/// The person on call: a fault fires its alert, one of the standard rules; the page arrives at the pager; one action stops the
/// escalation; the pager hears of the end.
#[test]
fn a_fault_pages_whoever_is_on_call_until_they_take_it() {
    let home = Home::new();
    let server = demo(&home);
    let platform = home.path("data/quarterdeck/demo/platform");
    let config: toml::Table = std::fs::read_to_string(platform.join("quarterdeck.toml"))
        .expect("the demo's configuration")
        .parse()
        .expect("TOML");
    let address = |job: &str| {
        let jobs = config["scrape"]["jobs"].as_array().expect("jobs");
        let job = jobs.iter().find(|j| j["name"].as_str() == Some(job)).expect("the job");
        job["targets"][0].as_str().expect("a target").to_owned()
    };
    eventually("orders are scraped", || number(&server, "trading_kill_switch_active"));
    let pull = |active: bool| {
        let body = serde_json::json!({ "active": active }).to_string();
        let json = [("content-type", "application/json")];
        request(&address("orders"), "POST", "/admin/kill-switch", &json, body.as_bytes())
    };
    let pages = || -> Vec<serde_json::Value> {
        let (_, body) = request(&address("clients"), "GET", "/pages", &[], b"");
        serde_json::from_str(&body).unwrap_or_default()
    };
    let ours = |page: &serde_json::Value| page["groupLabels"]["alertname"] == "KillSwitchActive";
    assert_eq!(pull(true).0, 200);
    let page = eventually("the page arrives at the pager", || pages().into_iter().find(|p| ours(p)));
    assert_eq!((&page["status"], &page["receiver"]), (&"firing".into(), &"pager".into()), "{page}");
    let print = page["alerts"][0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let escalation = |state: &str| {
        let oncall = server.json("/api/quarterdeck/v1/oncall");
        let all = oncall["escalations"].as_array().cloned().unwrap_or_default();
        let ours = all.into_iter().find(|e| e.to_string().contains("KillSwitchActive"))?;
        ours["state"].as_str().unwrap_or_default().contains(state).then_some(())
    };
    let (status, answer) = server
        .act(&serde_json::json!({ "action": "alerts.acknowledge", "subject": format!("alert:{print}") }));
    assert_eq!(status, 200, "{answer}");
    eventually("the escalation stops", || escalation("acknowledged"));
    assert_eq!(pull(false).0, 200);
    eventually("the pager hears that it is over", || {
        pages().iter().any(|p| ours(p) && p["status"] == "resolved").then_some(())
    });
}
