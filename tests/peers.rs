//! Real systems of others, reached through the documented configuration: node_exporter, a Prometheus server, and a WebSocket
//! server. They are looked for below `$QUARTERDECK_PEERS` (`target/peers` if not set), then on the system; `tests/run`
//! fetches them.

mod support;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use support::peers::{Peer, peers, program};
use support::{Home, eventually};

/// A port that the system has just given and taken back, for peers that cannot tell which one they got.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port()
}

/// What a plain HTTP GET answers.
fn get(address: &str, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(support::PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer
        .starts_with("HTTP/1.0 200")
        .then_some(answer)
        .and_then(|a| Some(a.split_once("\r\n\r\n")?.1.to_owned()))
}

/// One file for both: the real Prometheus and Quarterdeck read the same `prometheus.yml`, scrape the same exporters, and
/// answer the same question the same way.
#[test]
fn a_real_prometheus_and_its_exporter_through_one_unmodified_file() {
    let (Some(prometheus), Some(exporter)) = (program("prometheus"), program("prometheus-node-exporter"))
    else {
        return;
    };
    let home = Home::new();
    let (own, node) = (port(), port());
    let text = include_str!("peers/prometheus.yml")
        .replace("9090", &own.to_string())
        .replace("9100", &node.to_string());
    let file = home.file("prometheus.yml", &text).display().to_string();

    let _exporter = Peer::start(Command::new(exporter).arg(format!("--web.listen-address=127.0.0.1:{node}")));
    let _prometheus = Peer::start(
        Command::new(prometheus)
            .arg(format!("--config.file={file}"))
            .arg(format!("--storage.tsdb.path={}", home.path("tsdb").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{own}")),
    );
    eventually("the peers serve", || {
        get(&format!("127.0.0.1:{own}"), "/-/ready").and(get(&format!("127.0.0.1:{node}"), "/metrics"))
    });

    let (code, out, error) = home.run(&["check", &file]);
    assert_eq!(code, 0, "{out}{error}");
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--prometheus-config", &file]);
    eventually("both are up", || {
        (server.query("up{job=~\"prometheus|node\"} == 1").len() == 2).then_some(())
    });

    // The Targets pane shows both.
    let out = home.path("targets.txt").display().to_string();
    let (code, _, error) = home.run(&["screenshot", "targets", "--size", "120x40", "--out", &out]);
    assert_eq!(code, 0, "{error}");
    let shown = std::fs::read_to_string(&out).expect("a picture");
    for instance in [format!("localhost:{own}"), format!("localhost:{node}")] {
        assert!(shown.lines().any(|l| l.contains(&instance) && l.contains("up")), "{instance}:\n{shown}");
    }

    // What both have scraped from the same exporters is the same, name by name and label by label.
    let theirs = |promql: &str| {
        let encoded: String = promql.bytes().map(|b| format!("%{b:02x}")).collect();
        let answer = get(&format!("127.0.0.1:{own}"), &format!("/api/v1/query?query={encoded}"))?;
        let answer: serde_json::Value = serde_json::from_str(&answer).ok()?;
        let mut series: Vec<String> = answer["data"]["result"]
            .as_array()?
            .iter()
            .map(|s| format!("{} {}", s["metric"], s["value"][1].as_str().unwrap_or_default()))
            .collect();
        series.sort();
        Some(series)
    };
    let ours = |promql: &str| {
        let mut series: Vec<String> =
            server.query(promql).iter().map(|(metric, value)| format!("{metric} {value}")).collect();
        series.sort();
        series
    };
    for promql in [
        "up",
        "node_uname_info",
        "node_boot_time_seconds",
        "node_memory_MemTotal_bytes",
        "count by (mode) (node_cpu_seconds_total{job=\"node\"})",
        "count by (job, __name__) ({job=\"node\", __name__=~\"node_(cpu|filesystem|network)_.*\"})",
        "prometheus_build_info",
        "count by (le) (prometheus_http_response_size_bytes_bucket{handler=\"/metrics\"})",
    ] {
        eventually(&format!("{promql} is the same here and there"), || {
            let (theirs, ours) = (theirs(promql)?, ours(promql));
            // This console also watches itself and this host, which the real one does not.
            let ours: Vec<String> = ours
                .into_iter()
                .filter(|s| !s.contains("\"job\":\"host\"") && !s.contains("\"job\":\"quarterdeck\""))
                .collect();
            (!theirs.is_empty() && theirs == ours).then_some(())
        });
    }
}

/// Prometheus's own tool asks this console as it would ask a Prometheus server.
#[test]
fn promtool_queries_the_console() {
    let Some(promtool) = program("promtool") else { return };
    let home = Home::new();
    let config = home.file("quarterdeck.toml", "[metrics.host]\ninterval = \"1s\"\n").display().to_string();
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);
    eventually("this host is measured", || server.query("node_load1").pop());
    let ask = |args: &[&str]| {
        let out = Command::new(&promtool).args(args).output().expect("promtool runs");
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{args:?}: {text}{}", String::from_utf8_lossy(&out.stderr));
        text
    };
    let instant = ask(&["query", "instant", &server.url, "up{job=\"host\"}"]);
    assert!(
        instant.contains("up{") && instant.contains("job=\"host\"") && instant.contains("=> 1"),
        "{instant}"
    );
    let range = ask(&["query", "range", "--step=1s", &server.url, "node_load1"]);
    assert!(range.contains("node_load1{"), "{range}");
    let series = ask(&["query", "series", "--match=node_load1", &server.url]);
    assert!(series.contains("node_load1"), "{series}");
    let labels = ask(&["query", "labels", &server.url, "job"]);
    assert!(labels.lines().any(|l| l == "host"), "{labels}");
    // What the console says about itself passes the tool's linter.
    let (_, page) = server.get("/metrics");
    let mut lint = Command::new(&promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    std::io::Write::write_all(&mut lint.stdin.take().expect("its input"), page.as_bytes()).expect("it reads");
    let out = lint.wait_with_output().expect("promtool ends");
    let found = String::from_utf8_lossy(&out.stderr).into_owned();
    let ours: Vec<&str> = found.lines().filter(|l| l.starts_with("quarterdeck_")).collect();
    assert!(ours.is_empty() && !found.contains("error while linting"), "{found}");
}

/// A server of the Python library `websockets`: sends a quote every 20 ms, numbered, to whoever has subscribed.
const FEED: &str = r#"
import asyncio, json, websockets

async def feed(socket, path=None):
    asked = json.loads(await socket.recv())
    assert asked["op"] == "subscribe", asked
    number = 0
    try:
        while True:
            number += 1
            symbol = "ABC" if number % 2 else "XYZ"
            quote = {"seq": number, "data": {"symbol": symbol, "bid": 100 + number % 7, "ask": 101 + number % 7}}
            await socket.send(json.dumps(quote))
            await asyncio.sleep(0.02)
    except websockets.exceptions.ConnectionClosed:
        print("left with", socket.close_code, flush=True)

async def main():
    async with websockets.serve(feed, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()

asyncio.run(main())
"#;

#[test]
fn a_websocket_server_of_others_is_a_feed() {
    let modules = peers().join("usr/lib/python3/dist-packages");
    let python = Path::new("/usr/bin/python3");
    if !python.exists() || !modules.join("websockets").is_dir() {
        eprintln!("SKIPPED: python3-websockets is not here; tests/run fetches it");
        return;
    }
    let mut child = Command::new(python)
        .args(["-c", FEED])
        .env("PYTHONPATH", modules)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python runs");
    let output = child.stdout.take().expect("its output");
    let peer = Peer(child);
    let mut line = String::new();
    let mut output = BufReader::new(output);
    output.read_line(&mut line).expect("its port");
    let port: u16 = line.trim().parse().unwrap_or_else(|e| panic!("{e}: {line:?}"));

    let home = Home::new();
    let text = format!(
        r#"
[streams.quotes]
url = "ws://127.0.0.1:{port}/quotes"
subscribe = ['{{"op":"subscribe","channel":"quotes"}}']
columns = ["symbol", "bid", "ask"]
fields = {{ symbol = "data.symbol", bid = "data.bid", ask = "data.ask" }}
sequence = {{ path = "seq" }}
stale_after = "2s"

[[streams.quotes.metrics]]
name = "quote_bid"
path = "data.bid"
labels = {{ symbol = "data.symbol" }}
"#
    );
    let config = home.file("quarterdeck.toml", &text).display().to_string();
    let (code, _, error) = home.run(&["check", &config]);
    assert_eq!(code, 0, "{error}");
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);
    let bids = eventually("both symbols are series", || {
        Some(server.query("quote_bid")).filter(|bids| bids.len() == 2)
    });
    for (metric, bid) in bids {
        assert!(matches!(metric["symbol"].as_str(), Some("ABC" | "XYZ")), "{metric}");
        assert!((100.0..107.0).contains(&bid.parse::<f64>().expect("a number")), "{bid}");
    }
    let (code, out, error) =
        home.run(&["act", "streams.pause", "stream:quotes", "--reason", "the venue asked"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("quotes"), "{out}");
    line.clear();
    output.read_line(&mut line).expect("what it says of the goodbye");
    assert_eq!(line.trim(), "left with 1000", "a pause is a normal end");
    let newest = || {
        let at = server.query("timestamp(last_over_time(quote_bid[1m]))");
        at.iter().filter_map(|(_, at)| at.parse::<f64>().ok()).fold(0.0, f64::max)
    };
    let paused = newest();
    let (code, _, error) = home.run(&["act", "streams.resume", "stream:quotes"]);
    assert_eq!(code, 0, "{error}");
    eventually("it flows again", || {
        (server.query("quote_bid").len() == 2 && newest() > paused).then_some(())
    });
    drop(peer);
    // The feed's end is seen: its series end, and the console goes on.
    eventually("its series end", || server.query("quote_bid").is_empty().then_some(()));
    assert_eq!(server.get("/readyz").0, 200);
}

/// Every rule that ships is proven by a test that Prometheus's own tool agrees with.
#[test]
fn the_rules_that_ship_are_proven_here_and_by_promtool() {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let files: Vec<String> = ["rules/trading_test.yml", "demo/rules_test.yml"]
        .iter()
        .map(|file| assets.join(file).display().to_string())
        .collect();
    let (code, out, error) = Home::new().run(&["test", "rules", &files[0], &files[1]]);
    assert_eq!(code, 0, "{out}{error}");
    let Some(promtool) = program("promtool") else { return };
    for file in &files {
        let out = Command::new(&promtool).args(["test", "rules", file]).output().expect("promtool runs");
        let text =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{text}");
    }
}
