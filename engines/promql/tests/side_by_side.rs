//! The same generated queries on the same data, here and in a real Prometheus 3.5: `PROMETHEUS` names the folder with
//! its `prometheus` (and `promtool`, else the one on the path), `QUERIES` how many (1,000 by default), `SEED` which.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::testing::MemoryStorage;
use quarterdeck_promql::{Budget, Engine, EngineOptions, Output, PointValue, QueryError, Value};
use serde_json::Value as Json;

/// Where the data begin, in milliseconds.
const BEGIN: i64 = 1_700_000_000_000;

/// Splitmix64: enough to choose.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// Every series with its samples: counters with resets, gauges with odd values and gaps, a classic histogram.
fn data(random: &mut Random) -> Vec<(Labels, Vec<(i64, f64)>)> {
    let mut all = vec![];
    for i in 0..12 {
        let labels = [
            ("__name__", "requests_total".to_owned()),
            ("job", ["api", "web", "db"][i % 3].to_owned()),
            ("instance", format!("i{}", i / 3)),
            ("code", ["200", "500"][i % 2].to_owned()),
        ];
        let (mut t, mut v) = (BEGIN + random.below(15_000) as i64, random.below(50) as f64);
        let mut samples = vec![];
        while t < BEGIN + 3_600_000 {
            samples.push((t, v));
            v = if random.below(60) == 0 {
                random.below(5) as f64
            } else {
                v + random.below(100) as f64 / 8.0
            };
            t += if random.below(50) == 0 { 400_000 } else { 15_000 };
        }
        all.push((Labels::from_pairs(labels), samples));
    }
    for i in 0..9 {
        let labels = [
            ("__name__", ["temperature", "memory_bytes"][i % 2].to_owned()),
            ("job", ["api", "web", "db"][i % 3].to_owned()),
            ("instance", format!("i{}", i / 3)),
        ];
        let mut samples = vec![];
        for step in 0..240 {
            let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];
            let v = if random.below(40) == 0 {
                odd[random.below(4)]
            } else {
                random.below(10_000) as f64 / 16.0 - 200.0
            };
            if random.below(12) > 0 {
                samples.push((BEGIN + step * 15_000, v));
            }
        }
        all.push((Labels::from_pairs(labels), samples));
    }
    for instance in ["i0", "i1"] {
        let mut counts = [0.0; 5];
        let mut samples = vec![vec![]; 5];
        for step in 0..240 {
            let mut more = 0.0;
            for (count, samples) in counts.iter_mut().zip(&mut samples) {
                more += random.below(6) as f64;
                *count += more;
                samples.push((BEGIN + step * 15_000, *count));
            }
        }
        for (le, samples) in ["0.1", "0.5", "1", "5", "+Inf"].iter().zip(samples) {
            let labels =
                [("__name__", "latency_seconds_bucket"), ("instance", instance), ("job", "api"), ("le", le)];
            all.push((Labels::from_pairs(labels), samples));
        }
    }
    all
}

fn selector(random: &mut Random) -> String {
    let name = random.one(&[
        "requests_total",
        "requests_total{code=\"200\"}",
        "requests_total{job=~\"a.*|db\"}",
        "temperature",
        "memory_bytes",
        "{__name__=~\"temperature|memory_bytes\", job!=\"db\"}",
        "latency_seconds_bucket",
        "requests_total{instance!~\"i[01]\"}",
        "nothing",
    ]);
    name.to_owned()
}

fn modifier(random: &mut Random) -> &'static str {
    random.one(&[
        "",
        "",
        "",
        "",
        "",
        " offset 3m",
        " offset -2m",
        " @ 1700001234.5",
        " @ end()",
        " @ start() offset 1m",
    ])
}

fn number(random: &mut Random) -> &'static str {
    random.one(&[
        "0",
        "1",
        "2.5",
        "-3",
        "7",
        "0.1",
        "NaN",
        "Inf",
        "5m",
        "scalar(temperature{instance=\"i0\", job=\"api\"})",
        "time()",
        "pi()",
    ])
}

fn vector(random: &mut Random, depth: usize) -> String {
    let labels = random.one(&["job", "instance", "job, instance", "", "code", "le, instance", "nope"]);
    let clause = random.one(&["by", "without"]);
    if depth == 0 {
        return match random.below(3) {
            0 => selector(random) + modifier(random),
            _ => {
                let length = random.one(&["1m", "2m30s", "5m", "17m", "40", "1h"]);
                let range = format!("{}[{length}]{}", selector(random), modifier(random));
                let function = random.one(&[
                    "rate",
                    "rate",
                    "increase",
                    "delta",
                    "irate",
                    "idelta",
                    "deriv",
                    "changes",
                    "resets",
                    "avg_over_time",
                    "min_over_time",
                    "max_over_time",
                    "sum_over_time",
                    "count_over_time",
                    "last_over_time",
                    "present_over_time",
                    "stddev_over_time",
                    "stdvar_over_time",
                    "absent_over_time",
                    "quantile",
                    "predict",
                    "smooth",
                    "mad_over_time",
                    "ts_of_max_over_time",
                    "ts_of_last_over_time",
                ]);
                match function {
                    "quantile" => format!(
                        "quantile_over_time({}, {range})",
                        random.one(&["0.5", "0.99", "0", "1", "1.5"])
                    ),
                    "predict" => format!("predict_linear({range}, {})", random.one(&["60", "1h", "-30"])),
                    "smooth" => format!("double_exponential_smoothing({range}, 0.3, 0.7)"),
                    _ => format!("{function}({range})"),
                }
            }
        };
    }
    let inner = vector(random, depth - 1);
    match random.below(18) {
        0..=3 => {
            let op = random.one(&["sum", "avg", "min", "max", "count", "group", "stddev", "stdvar"]);
            format!("{op} {clause} ({labels}) ({inner})")
        }
        // Which of several equal elements topk picks is chance, in Prometheus too: only inputs without equal ones.
        4 => {
            let op = random.one(&["topk", "bottomk"]);
            let input = random.one(&["rate(requests_total[5m])", "avg_over_time(memory_bytes[7m])"]);
            format!("{op} {clause} ({labels}) ({}, {input})", random.one(&["1", "2", "5"]))
        }
        5 => format!("quantile {clause} ({labels}) ({}, {inner})", random.one(&["0.5", "0.9", "-1"])),
        6 => {
            let op = random.one(&["+", "-", "*", "/", "%", "^", "==", "!=", ">", "<=", "> bool", "atan2"]);
            if random.below(2) == 0 {
                format!("({inner}) {op} {}", number(random))
            } else {
                format!("{} {op} ({inner})", number(random))
            }
        }
        7 | 8 => {
            let op = random.one(&[
                "+",
                "-",
                "/",
                "*",
                "==",
                "< bool",
                "and",
                "or",
                "unless",
                "and on (instance)",
                "or on (job)",
                "unless ignoring (code)",
            ]);
            format!("({inner}) {op} ({})", vector(random, depth - 1))
        }
        9 => {
            let side = random.one(&["group_left", "group_right", "group_left (code)", ""]);
            format!(
                "({inner}) * on (instance, job) {side} (sum by (instance, job) ({}))",
                vector(random, depth - 1)
            )
        }
        10 | 11 => {
            let function = random.one(&[
                "abs",
                "ceil",
                "floor",
                "sqrt",
                "ln",
                "exp",
                "sgn",
                "timestamp",
                "absent",
                "-",
                "round",
                "hour",
                "day_of_week",
                "minute",
                "deg",
                "sort_desc",
                "tanh",
                "month",
                "days_in_month",
                "log2",
            ]);
            format!("{function}({inner})")
        }
        15 => format!(
            "limit_ratio {clause} ({labels}) ({}, {inner})",
            random.one(&["0.3", "0.5", "-0.5", "1", "0", "-2"])
        ),
        // Not info(): that of 3.5 mixes up series where some have no sample at a step.
        16 => random
            .one(&["limitk by (job) (2, requests_total)", "sort_by_label(requests_total, \"instance\")"])
            .to_owned(),
        12 => format!("clamp({inner}, {}, {})", number(random), number(random)),
        13 => {
            let function = random.one(&[
                "max_over_time",
                "avg_over_time",
                "sum_over_time",
                "rate",
                "last_over_time",
                "count_over_time",
            ]);
            let range = random.one(&["5m:1m", "10m:", "3m:20s", "10m:90s"]);
            format!("{function}(({inner})[{range}]{})", modifier(random))
        }
        14 => random
            .one(&[
                "histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))",
                "histogram_quantile(0.5, sum by (le) (latency_seconds_bucket))",
                "histogram_fraction(0.2, 0.7, latency_seconds_bucket)",
                "histogram_quantile(2, latency_seconds_bucket)",
            ])
            .to_owned(),
        _ => {
            let call = random.one(&[
                "label_replace(X, \"job\", \"$1-x\", \"instance\", \"(i).\")",
                "label_join(X, \"new\", \"-\", \"job\", \"instance\")",
                "label_replace(X, \"instance\", \"\", \"job\", \"api\")",
                "vector(scalar(X))",
                "count_values(\"v\", round(clamp(X, -99, 99)))",
            ]);
            call.replace('X', &inner)
        }
    }
}

/// A result in a form that both sides can be brought to: series, and moments with values.
type Shown = BTreeMap<String, Vec<(i64, f64)>>;

fn ours(output: &Result<Output, QueryError>) -> Option<Shown> {
    let value = |v: &PointValue| v.as_float().unwrap_or(f64::NAN);
    Some(match &output.as_ref().ok()?.value {
        Value::Scalar { t, v } => BTreeMap::from([("scalar".to_owned(), vec![(t.as_millis(), *v)])]),
        Value::String { v, .. } => BTreeMap::from([(v.clone(), vec![])]),
        Value::Vector(vector) => {
            let each = vector.iter();
            each.map(|s| (s.labels.to_string(), vec![(s.point.t.as_millis(), value(&s.point.v))])).collect()
        }
        Value::Matrix(matrix) => matrix
            .iter()
            .map(|s| {
                (s.labels.to_string(), s.points.iter().map(|p| (p.t.as_millis(), value(&p.v))).collect())
            })
            .collect(),
    })
}

fn theirs(answer: &Json) -> Option<Shown> {
    let point = |p: &Json| {
        let t = (p[0].as_f64().unwrap() * 1000.0).round() as i64;
        (t, p[1].as_str().unwrap().parse::<f64>().unwrap())
    };
    let data = answer.get("data").filter(|_| answer["status"] == "success")?;
    let result = &data["result"];
    if data["resultType"] == "scalar" {
        return Some(BTreeMap::from([("scalar".to_owned(), vec![point(result)])]));
    }
    let mut shown = BTreeMap::new();
    for series in result.as_array().unwrap() {
        let pairs = series["metric"].as_object().unwrap();
        let labels =
            Labels::from_pairs(pairs.iter().map(|(n, v)| (n.clone(), v.as_str().unwrap().to_owned())));
        let points = match series.get("values") {
            Some(values) => values.as_array().unwrap().iter().map(point).collect(),
            None => vec![point(&series["value"])],
        };
        shown.insert(labels.to_string(), points);
    }
    Some(shown)
}

fn agree(a: &Shown, b: &Shown) -> bool {
    let same = |a: f64, b: f64| {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-6)
    };
    a.len() == b.len()
        && a.iter().zip(b).all(|((la, pa), (lb, pb))| {
            la == lb && pa.len() == pb.len() && pa.iter().zip(pb).all(|(x, y)| x.0 == y.0 && same(x.1, y.1))
        })
}

fn remarks_of(answer: &Json) -> Vec<String> {
    let list = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    let all = list("warnings").into_iter().chain(list("infos"));
    remarks(all.filter_map(|v| v.as_str().map(str::to_owned)))
}

/// Messages without positions, each once: Prometheus keeps one position per message, and reports that of a subquery as
/// the start of the query.
fn remarks(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> =
        all.map(|m| m.rsplit_once(" (").map_or(m.clone(), |(m, _)| m.to_owned())).collect();
    all.sort();
    all.dedup();
    all
}

/// A running Prometheus, ended with this value.
struct Peer {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = &self.folder;
    }
}

impl Peer {
    fn start(bin: &Path, data: &[(Labels, Vec<(i64, f64)>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = String::new();
        for (labels, samples) in data {
            for (t, v) in samples {
                let v = quarterdeck_promql::format_float(*v);
                writeln!(text, "{} {v} {}.{:03}", labels.to_string().replace(", ", ","), t / 1000, t % 1000)
                    .unwrap();
            }
        }
        text.push_str("# EOF\n");
        let input = folder.path().join("data.om");
        std::fs::write(&input, text).unwrap();
        let store = folder.path().join("tsdb");
        let tool = bin.join("promtool");
        let tool = if tool.is_file() { tool } else { PathBuf::from("promtool") };
        let made = Command::new(tool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([&input, &store])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, "scrape_configs: []\n").unwrap();
        // A port that was free a moment ago; nothing else here asks for ports meanwhile.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(bin.join("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", store.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args([
                "--storage.tsdb.retention.time=100y",
                "--log.level=error",
                "--enable-feature=promql-experimental-functions",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let peer = Self { child, port, folder };
        for _ in 0..100 {
            if peer.get("/-/ready").is_some_and(|body| body.contains("Ready")) {
                return peer;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("Prometheus did not become ready");
    }

    fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    }

    fn query(&self, path: &str, query: &str, times: &str) -> Json {
        let mut encoded = String::new();
        for b in query.bytes() {
            write!(encoded, "%{b:02x}").unwrap();
        }
        let body = self.get(&format!("/api/v1/{path}?query={encoded}&{times}")).unwrap();
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{e}: {body}"))
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

#[test]
fn generated_queries_agree() {
    let Some(bin) = std::env::var_os("PROMETHEUS").map(PathBuf::from) else {
        eprintln!("skipped: PROMETHEUS does not name a folder with prometheus and promtool");
        return;
    };
    let (seed, count) = (variable("SEED", 1), variable("QUERIES", 1000));
    let mut random = Random(seed);
    let data = data(&mut random);
    let mut storage = MemoryStorage::default();
    for (labels, samples) in &data {
        for (t, v) in samples {
            storage.push(labels.clone(), Timestamp::from_millis(*t), *v);
        }
    }
    let peer = Peer::start(&bin, &data);
    let engine = Engine::new(EngineOptions { experimental_functions: true, ..EngineOptions::default() });
    let (mut different, mut remarked, mut failing) = (vec![], vec![], 0);
    for i in 0..count {
        let query = vector(&mut random, i as usize % 4);
        let t = BEGIN + random.below(3_900_000) as i64;
        let ms = Timestamp::from_millis;
        let (found, answer) = if i % 2 == 0 {
            let times = format!("time={}.{:03}", t / 1000, t % 1000);
            let found = engine.instant(&query, &storage, ms(t), &Budget::unbounded());
            (found, peer.query("query", &query, &times))
        } else {
            let (end, step) = (t + 1_200_000, 30_000 + random.below(60_000) as i64);
            let times = format!(
                "start={}.{:03}&end={}.{:03}&step={step}ms",
                t / 1000,
                t % 1000,
                end / 1000,
                end % 1000
            );
            let step = Duration::from_millis(step.unsigned_abs());
            let found = engine.range(&query, &storage, ms(t), ms(end), step, &Budget::unbounded());
            (found, peer.query("query_range", &query, &times))
        };
        let (a, b) = (ours(&found), theirs(&answer));
        failing += usize::from(a.is_none() && b.is_none());
        let same = match (&a, &b) {
            (Some(a), Some(b)) => agree(a, b),
            (None, None) => true,
            _ => false,
        };
        if !same {
            different.push(format!(
                "{query} at {t}\n  here  {a:?} {:?}\n  there {b:?} {}",
                found.as_ref().err(),
                answer["error"]
            ));
        } else if let Ok(output) = &found {
            let here = remarks(output.annotations.list().iter().map(|n| n.with_position(&query)));
            let there = remarks_of(&answer);
            if here != there {
                remarked.push(format!("{query} at {t}\n  here  {here:?}\n  there {there:?}"));
            }
        }
    }
    for (what, list) in [("results", &different), ("annotations", &remarked)] {
        for item in list.iter().take(12) {
            eprintln!("{what} differ: {}", &item.chars().take(1500).collect::<String>());
        }
    }
    println!(
        "seed {seed}: {count} queries, {failing} of them fail on both sides, {} differ, {} differ in annotations",
        different.len(),
        remarked.len()
    );
    assert!(remarked.is_empty(), "seed {seed}: {} of {count} queries differ in annotations", remarked.len());
    assert!(different.is_empty(), "seed {seed}: {} of {count} queries differ", different.len());
}
