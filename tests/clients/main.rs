//! Clients of Prometheus against the running console, its answers against the published schema, a real Prometheus server
//! that writes into it, and history into and out of it.

mod openapi;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use openapi::Schema;
use serde_json::{Value, json};
use support::peers::{Peer, peers, program};
use support::{Home, Server, eventually};

const QUIET: &str = "[metrics.host]\nenabled = false\n";

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

/// Three series of one metric, every 15 s over an hour up to `end`.
fn page(end: i64) -> String {
    let mut text = String::from("# HELP shop_requests Requests of the shop.\n# TYPE shop_requests counter\n");
    for (labels, slope) in
        [("code=\"200\",job=\"api\"", 10), ("code=\"500\",job=\"api\"", 1), ("code=\"200\",job=\"web\"", 3)]
    {
        for step in 0..=240 {
            let t = end - 3600 + step * 15;
            text.push_str(&format!("shop_requests_total{{{labels}}} {} {t}\n", step * slope));
        }
    }
    text.push_str("# EOF\n");
    text
}

/// A console with that history, and the moment at which it ends.
fn shop(home: &Home) -> (Server, i64) {
    let end = now() / 15 * 15;
    let history = home.file("shop.om", &page(end)).display().to_string();
    let config = home.file("quarterdeck.toml", QUIET).display().to_string();
    let (code, out, error) = home.run(&["import", "openmetrics", &history, "--config", &config]);
    assert_eq!(code, 0, "{error}");
    assert!(out.starts_with("723 samples taken from "), "{out}");
    (home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]), end)
}

fn encoded(pairs: &[(&str, &str)]) -> String {
    let each = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    pairs.iter().map(|(k, v)| format!("{}={}", each(k), each(v))).collect::<Vec<_>>().join("&")
}

/// An answer by GET or by POST of a form.
fn ask(server: &Server, method: &str, path: &str, pairs: &[(&str, &str)]) -> (u16, Value) {
    let form = encoded(pairs);
    let (status, body) = if method == "get" {
        server.get(&format!("{path}?{form}"))
    } else {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        server.request("POST", path, &headers, form.as_bytes())
    };
    let answer =
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path} answered {status}: {e}: {body}"));
    (status, answer)
}

#[test]
fn every_answer_fits_the_schema() {
    let Some(schema) = Schema::load() else { return };
    let home = Home::new();
    let (server, end) = shop(&home);
    let target = format!(
        "{QUIET}[scrape]\ninterval = \"1s\"\ntimeout = \"1s\"\n[[scrape.jobs]]\nname = \"itself\"\ntargets = [\"{}\"]\n",
        server.address()
    );
    home.file("quarterdeck.toml", &target);
    eventually("the console scrapes itself", || server.query("up{job=\"itself\"} == 1").pop());
    let (start, end) = ((end - 600).to_string(), end.to_string());
    let metric = "shop_requests_total";
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16);
    let cases: Vec<Case> = vec![
        ("/query", vec![("query", metric), ("time", &end)], 200),
        ("/query", vec![("query", metric), ("time", &end), ("stats", "all")], 200),
        ("/query", vec![("query", "1"), ("time", &end)], 200),
        ("/query", vec![("query", "shop_requests_total[1m]"), ("time", &end)], 200),
        ("/query", vec![("query", "sum(")], 400),
        (
            "/query",
            vec![("query", "shop_requests_total / on (job) shop_requests_total"), ("time", &end)],
            422,
        ),
        (
            "/query_range",
            vec![
                ("query", "sum(rate(shop_requests_total[1m]))"),
                ("start", &start),
                ("end", &end),
                ("step", "15s"),
            ],
            200,
        ),
        ("/query_range", vec![("query", metric), ("start", "0"), ("end", &end), ("step", "1")], 400),
        ("/query_exemplars", vec![("query", metric), ("start", &start), ("end", &end)], 200),
        ("/format_query", vec![("query", "sum  by(job)(up)")], 200),
        (
            "/parse_query",
            vec![(
                "query",
                "sum by (job) (rate(up{a=~\"b\"}[5m] offset 1m @ end())) / on (job) group_left up or vector(-1)",
            )],
            200,
        ),
        ("/labels", vec![], 200),
        ("/labels", vec![("match[]", metric), ("start", &start), ("end", &end), ("limit", "1")], 200),
        ("/series", vec![("match[]", metric)], 200),
        ("/series", vec![], 400),
        ("/metadata", vec![], 200),
        ("/metadata", vec![("metric", "shop_requests"), ("limit", "5")], 200),
        ("/targets", vec![], 200),
        ("/targets", vec![("state", "active"), ("scrapePool", "itself")], 200),
        ("/targets/metadata", vec![("match_target", "{job=\"itself\"}"), ("limit", "1")], 200),
        ("/targets/metadata", vec![("metric", "go_threads")], 200),
        ("/targets/metadata", vec![("match_target", "{")], 400),
        ("/rules", vec![], 200),
        ("/rules", vec![("type", "alert"), ("exclude_alerts", "true")], 200),
        ("/alerts", vec![], 200),
        ("/scrape_pools", vec![], 200),
        ("/status/config", vec![], 200),
        ("/status/buildinfo", vec![], 200),
        ("/status/runtimeinfo", vec![], 200),
        ("/status/flags", vec![], 200),
        ("/status/tsdb", vec![], 200),
    ];
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (path, pairs, wanted) in &cases {
        let forms = [
            "/query",
            "/query_range",
            "/query_exemplars",
            "/format_query",
            "/parse_query",
            "/labels",
            "/series",
        ];
        for method in ["get", "post"] {
            if method == "post" && !forms.contains(path) {
                continue;
            }
            let (status, answer) = ask(&server, method, &format!("/api/v1{path}"), pairs);
            if status != *wanted {
                wrong.push(format!("{method} {path} {pairs:?}: {status} {answer}"));
            }
            let faults = schema.faults(path, method, status, &answer);
            wrong.extend(faults.into_iter().map(|fault| format!("{method} {path} {pairs:?}: {fault}")));
            checked += 1;
        }
    }
    let (status, answer) = ask(&server, "get", "/api/v1/label/job/values", &[]);
    wrong.extend(schema.faults("/label/{name}/values", "get", status, &answer));
    assert!(wrong.is_empty(), "{} faults in {checked} answers:\n{}", wrong.len(), wrong.join("\n"));

    let targets = server.json("/api/v1/targets?state=active")["data"]["activeTargets"].clone();
    assert_eq!(
        (&targets[0]["scrapePool"], &targets[0]["health"]),
        (&json!("itself"), &json!("up")),
        "{targets}"
    );
    let yaml = server.json("/api/v1/status/config")["data"]["yaml"].as_str().unwrap_or_default().to_owned();
    assert!(yaml.contains("job_name: \"itself\""), "{yaml}");
}

/// The calls that Grafana's Prometheus data source makes, as its documentation lists them.
#[test]
fn grafana_finds_what_it_asks_for() {
    let home = Home::new();
    let (server, end) = shop(&home);
    let (start, end) = ((end - 600).to_string(), end.to_string());
    let window = [("start", start.as_str()), ("end", end.as_str())];
    let (status, answer) = ask(&server, "post", "/api/v1/query", &[("query", "1+1"), ("time", &end)]);
    assert_eq!((status, &answer["data"]["result"][1]), (200, &json!("2")), "the connection test: {answer}");
    let panel = [
        &[("query", "sum by (code) (rate(shop_requests_total{job=~\"api|web\"}[1m]))"), ("step", "15")],
        &window[..],
    ]
    .concat();
    let (status, answer) = ask(&server, "post", "/api/v1/query_range", &panel);
    assert_eq!(status, 200, "{answer}");
    let series = answer["data"]["result"].as_array().expect("series");
    assert_eq!(series.len(), 2);
    assert!(series.iter().all(|s| s["values"].as_array().map(Vec::len) == Some(41)), "{answer}");
    let (_, names) = ask(&server, "get", "/api/v1/label/__name__/values", &window);
    assert!(
        names["data"].as_array().is_some_and(|list| list.contains(&json!("shop_requests_total"))),
        "{names}"
    );
    let (_, codes) = ask(
        &server,
        "get",
        "/api/v1/label/code/values",
        &[&[("match[]", "shop_requests_total{job=\"web\"}")], &window[..]].concat(),
    );
    assert_eq!(codes["data"], json!(["200"]));
    for method in ["get", "post"] {
        let (_, series) = ask(
            &server,
            method,
            "/api/v1/series",
            &[&[("match[]", "shop_requests_total")], &window[..]].concat(),
        );
        assert_eq!(series["data"].as_array().map(Vec::len), Some(3), "{series}");
    }
    let (_, about) = ask(&server, "get", "/api/v1/metadata", &[("metric", "shop_requests")]);
    assert_eq!(about["data"]["shop_requests"][0]["type"], "counter", "{about}");
    let (status, rules) = ask(&server, "get", "/api/v1/rules", &[]);
    assert_eq!((status, &rules["data"]["groups"]), (200, &json!([])), "{rules}");
    let (_, build) = ask(&server, "get", "/api/v1/status/buildinfo", &[]);
    assert!(build["data"]["version"].as_str().is_some_and(|v| v.starts_with("3.5.")), "{build}");
    // Large answers are compressed for who asks for it, and only then.
    let path = format!("/api/v1/query_range?{}", encoded(&panel));
    let plain = server.get(&path).1;
    let (status, packed) = server.request("GET", &path, &[("accept-encoding", "gzip, deflate")], b"");
    assert_eq!(status, 200);
    assert!(packed.len() < plain.len() && !packed.starts_with('{'), "{} of {}", packed.len(), plain.len());
}

/// Installs a client library beside the other peers, if it is not there and can be had.
fn install(what: &str, there: &Path, command: &mut Command) -> bool {
    if there.exists() {
        return true;
    }
    let installed = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if installed.is_ok_and(|status| status.success()) && there.exists() {
        return true;
    }
    eprintln!("SKIPPED: {what} is not here and could not be installed");
    false
}

fn passes(command: &mut Command) {
    let out = command.stdin(Stdio::null()).output().expect("the client runs");
    let (text, error) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.trim_end().ends_with("OK"), "{text}{error}");
}

#[test]
fn the_python_client_works_unmodified() {
    let folder = peers().join("python");
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--target"])
        .arg(&folder)
        .arg("prometheus-api-client");
    if !install("the Python library prometheus-api-client", &folder.join("prometheus_api_client"), &mut pip) {
        return;
    }
    let home = Home::new();
    let (server, end) = shop(&home);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/client.py");
    let mut python = Command::new("python3");
    passes(python.env("PYTHONPATH", &folder).arg(script).args([&server.url, &end.to_string()]));
}

#[test]
fn the_node_client_works_unmodified() {
    let folder = peers().join("node");
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(&folder)
        .arg("prometheus-query");
    if !install("the Node library prometheus-query", &folder.join("node_modules/prometheus-query"), &mut npm)
    {
        return;
    }
    let home = Home::new();
    let (server, end) = shop(&home);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/client.cjs");
    let mut node = Command::new("node");
    passes(
        node.env("NODE_PATH", folder.join("node_modules")).arg(script).args([&server.url, &end.to_string()]),
    );
}

/// GET of JSON from a peer.
fn peer_json(address: &str, path: &str) -> Option<Value> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(support::PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

#[test]
fn a_real_prometheus_writes_here_and_both_answer_alike() {
    let Some(prometheus) = program("prometheus") else { return };
    let home = Home::new();
    let config = home.file("quarterdeck.toml", QUIET).display().to_string();
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let address = format!("127.0.0.1:{port}");
    let yaml = format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\nremote_write:\n- url: {}/api/v1/write\n  queue_config: {{ batch_send_deadline: 200ms }}\nscrape_configs:\n- job_name: peer\n  static_configs: [ {{ targets: [ '{address}' ] }} ]\n",
        server.url
    );
    let file = home.file("prometheus.yml", &yaml);
    let _peer = Peer(
        Command::new(prometheus)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", home.path("prometheus").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus runs"),
    );
    // Between two scrapes, so that no sample lies on the edge of a range: 2.x counts both edges.
    let at = eventually("it has scraped itself for a while", || {
        let enough = format!(
            "/api/v1/query?{}",
            encoded(&[("query", "timestamp(up) and (count_over_time(up[1m]) >= 8)")])
        );
        let answer = peer_json(&address, &enough)?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse::<f64>().ok()
    }) + 0.5;
    let at = format!("{at:.3}");
    let stamp = encoded(&[("query", "timestamp(prometheus_tsdb_head_series)"), ("time", &at)]);
    let both = |query: &str| {
        let path = format!("/api/v1/query?{query}");
        (peer_json(&address, &path).expect("prometheus answers"), server.json(&path))
    };
    eventually("what it scraped has arrived", || {
        let (theirs, ours) = both(&stamp);
        (theirs["data"]["result"] == ours["data"]["result"] && ours["data"]["result"][0].is_object())
            .then_some(())
    });
    let mut compared = 0;
    for query in [
        "up{job=\"peer\"}",
        "prometheus_http_requests_total",
        "{__name__=~\"go_.*\"}",
        "count by (__name__) ({job=\"peer\"})",
        "sum by (handler) (rate(prometheus_http_requests_total[5s]))",
        "histogram_quantile(0.9, sum by (le) (increase(prometheus_http_request_duration_seconds_bucket[6s])))",
        "avg_over_time(go_goroutines[6s]) > 1",
        "max_over_time(scrape_samples_scraped[8s])",
        "delta(process_resident_memory_bytes{job=\"peer\"}[5s])",
        "label_replace(prometheus_build_info, \"v\", \"$1\", \"version\", \"(.).*\") * on (job) group_left up",
        "topk(3, prometheus_http_requests_total)",
        "absent(nonsense)",
        "sort_desc(sum by (slice) (prometheus_engine_query_duration_seconds))",
    ] {
        let (theirs, ours) = both(&encoded(&[("query", query), ("time", &at)]));
        let sorted = |answer: &Value| {
            let mut list: Vec<(String, String)> = answer["data"]["result"]
                .as_array()
                .unwrap_or_else(|| panic!("{query}: {answer}"))
                .iter()
                .map(|s| (ordered(&s["metric"]), s["value"][1].as_str().unwrap_or_default().to_owned()))
                .collect();
            list.sort();
            list
        };
        let (theirs, ours) = (sorted(&theirs), sorted(&ours));
        let metrics = |list: &[(String, String)]| list.iter().map(|(m, _)| m.clone()).collect::<Vec<_>>();
        assert_eq!(metrics(&ours), metrics(&theirs), "{query}");
        for ((metric, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            let number = |text: &str| text.parse::<f64>().expect("a number");
            let (a, b) = (number(ours), number(theirs));
            let alike = ours == theirs || (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
            assert!(alike, "{query}: {metric}: {ours} here, {theirs} there");
            compared += 1;
        }
    }
    assert!(compared > 100, "only {compared} values were compared");
}

/// Labels in one order, whatever the server's.
fn ordered(metric: &Value) -> String {
    let mut pairs: Vec<String> =
        metric.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.sort();
    pairs.join(",")
}

#[test]
fn history_goes_in_and_out_and_a_backup_serves() {
    let home = Home::new();
    let (mut server, end) = shop(&home);
    let config = home.path("quarterdeck.toml").display().to_string();
    let history = home.path("shop.om").display().to_string();
    let (code, _, error) = home.run(&["import", "openmetrics", &history, "--config", &config]);
    assert_eq!(code, 6, "{error}");
    assert!(
        error.contains(&format!("pid {}", server.child.id())) && error.contains("no console runs"),
        "{error}"
    );

    // Out of one console, into another.
    let out = home.path("out.om").display().to_string();
    let select = "{__name__=~\"shop.*\"}";
    let (code, _, error) = home.run(&["export", "--match", select, "--out", &out]);
    assert_eq!(code, 0, "{error}");
    if let Some(promtool) = program("promtool") {
        let blocks = home.path("blocks").display().to_string();
        let made = Command::new(promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics", &out, &blocks])
            .output();
        let made = made.expect("promtool runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let other = home.path("data/other").display().to_string();
    let (code, told, error) =
        home.run(&["import", "openmetrics", &out, "--config", &config, "--data-dir", &other]);
    assert_eq!(code, 0, "{error}");
    assert!(told.starts_with("723 samples taken from "), "{told}");
    let (code, told, _) =
        home.run(&["import", "openmetrics", &out, "--config", &config, "--data-dir", &other]);
    assert!(code == 0 && told.starts_with("0 samples taken, 723 were there already"), "{told}");
    let from = (end - 30).to_string();
    let (code, csv, error) = home.run(&[
        "export",
        "--match",
        "shop_requests_total{job=\"web\"}",
        "--from",
        &from,
        "--format",
        "csv",
    ]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(csv.lines().count(), 1 + 3, "{csv}");
    let (code, lines, _) = home.run(&["export", "--match", select, "--format", "jsonl"]);
    assert_eq!((code, lines.lines().count()), (0, 3));
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    let (code, _, error) = home.run(&["export", "--match", "sum("]);
    assert!(code == 1 && error.contains("match[]"), "{error}");

    // A copy taken while it runs is a data directory of its own.
    let copy = home.path("copy").display().to_string();
    let (code, told, error) = home.run(&["backup", "metrics", &copy, "--reason", "drill"]);
    assert_eq!(code, 0, "{error}");
    assert!(told.contains("backed up to") && told.contains("1 segments"), "{told}");
    let (code, _, error) = home.run(&["backup", "metrics", &copy]);
    assert!(code == 1 && error.contains("is not empty"), "{error}");
    assert!(
        server.timeline().iter().any(|e| e["summary"].as_str().is_some_and(|s| s.contains("backed up to")))
    );
    server.kill();
    let asked = format!(
        "/api/v1/query?{}",
        encoded(&[("query", "sum(shop_requests_total)"), ("time", &end.to_string())])
    );
    for dir in [&copy, &other] {
        let server =
            home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config, "--data-dir", dir]);
        let answer = server.json(&asked);
        assert_eq!(answer["data"]["result"][0]["value"][1], "3360", "{dir}: {answer}");
    }

    // A file with a mistake changes nothing.
    let bad = home.file("bad.txt", "a 1 1600000000000\nb 2\n").display().to_string();
    let fresh = home.path("data/fresh").display().to_string();
    let (code, _, error) = home.run(&["import", "text", &bad, "--config", &config, "--data-dir", &fresh]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("bad.txt: line 2, column 1: b has no timestamp"), "{error}");
    assert!(!home.path("data/fresh/metrics").exists());
}

/// One target that exposes far more series than the store may hold.
#[test]
fn a_bomb_of_series_from_one_target_is_told_by_name_and_the_others_go_on() {
    use std::io::{Read, Write};
    let bomb = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = bomb.local_addr().expect("an address");
    let body: String =
        (0..20_000).map(|i| format!("bomb_total{{path=\"/a\",user=\"u{i}\"}} {i}\n")).collect();
    std::thread::spawn(move || {
        for stream in bomb.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    let home = Home::new();
    let text = format!(
        "[metrics]\nmax_series = 3000\n[metrics.host]\ninterval = \"1s\"\n[scrape]\ninterval = \"1s\"\ntimeout = \"1s\"\n\
         [[scrape.jobs]]\nname = \"bomb\"\ntargets = [\"{address}\"]\n"
    );
    let config = home.file("quarterdeck.toml", &text).display().to_string();
    let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);
    let held = eventually("the store is full", || {
        let (_, count) = server.query("count(bomb_total)").pop()?;
        let count: u64 = count.parse().ok()?;
        (count > 1500).then_some(count)
    });
    assert!(held < 3000, "{held}");
    // The refusal names metric and label where an operator looks, and to whoever writes from outside.
    let picture = home.path("targets.txt").display().to_string();
    let subject = format!("target:bomb/{address}");
    eventually("the target's page tells of it", || {
        let shot = ["screenshot", "targets", "--size", "200x60", "--at", &subject, "--out", &picture];
        let (code, _, error) = home.run(&shot);
        assert_eq!(code, 0, "{error}");
        let shown = std::fs::read_to_string(&picture).expect("a picture");
        (shown.contains("bomb_total has the most") && shown.contains("label user")).then_some(())
    });
    // Everybody else is served as before.
    let load =
        || server.query("node_load1").pop().map(|_| server.query("timestamp(node_load1)")[0].1.clone());
    let before = eventually("this host is measured", load);
    eventually("this host is still measured", || load().filter(|after| *after != before));
    assert_eq!(server.get("/readyz").0, 200);
}
