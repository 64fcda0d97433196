//! Alertmanager's timed acceptance cases over real HTTP: the whole engine behind its own interface on a socket, alerts and
//! silences posted at their times, webhooks that write down what they are told.
//!
//! All cases run at once, each with a server, a store and webhooks of its own. The cases give a notification 0.65 s. On a
//! machine that is busy with other things that is not always enough, and says nothing about the engine: what was not as
//! it should be is run again with all times doubled, and doubled again.
//!
//! All seventeen apply. `TestClusterDeduplication` is about two servers that gossip; here two share a PostgreSQL store. Where
//! there is no PostgreSQL it is run with one.

#[path = "judge.rs"]
mod judge;
mod server;

use std::sync::Arc;
use std::time::Duration;

use judge::{Came, Told};
use quarterdeck_alerting::Role;
use quarterdeck_journal::store::Location;
use quarterdeck_journal::testing;
use quarterdeck_kernel::{Clock, Secret, SystemClock, Timestamp};
use serde_json::{Value, json};
use server::{Hook, Server, Webhook};
use tokio::task::JoinSet;

/// How many times longer than written the cases take, one after the other, until they pass.
const SCALES: [u32; 3] = [1, 2, 4];
/// How long before the case's beginning its servers are started: the original's are up for about that long.
const BEFORE: f64 = 0.5;

/// A configuration with its durations multiplied.
fn scaled(yaml: &str, scale: u32) -> String {
    let times = |line: &str| -> Option<String> {
        let (key, value) = line.split_once(": ")?;
        let value = value.trim();
        let digits = value.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let (number, unit) = value.split_at(digits);
        let number: u32 = number.parse().ok()?;
        ["ms", "s", "m", "h"].contains(&unit).then(|| format!("{key}: {}{unit}", number * scale))
    };
    yaml.lines().map(|line| times(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

/// A case under way.
struct Case<'a> {
    case: &'a Value,
    scale: u32,
    beginning: Timestamp,
    silence: String,
}

impl Case<'_> {
    fn at(&self, seconds: f64) -> Timestamp {
        self.beginning + Duration::from_secs_f64((seconds * f64::from(self.scale)).max(0.0))
    }

    fn seconds(&self, at: Timestamp) -> f64 {
        (at.as_millis() - self.beginning.as_millis()) as f64 / 1000.0 / f64::from(self.scale)
    }

    async fn until(&self, seconds: f64) {
        tokio::time::sleep(self.at(seconds).since(SystemClock.now())).await;
    }

    fn posted(&self, value: &Value) -> Value {
        let alert = judge::alert(value);
        let mut posted = json!({ "labels": alert.labels, "annotations": alert.annotations });
        if let Some(start) = alert.start {
            posted["startsAt"] = self.at(start).to_string().into();
        }
        if let Some(end) = alert.end {
            posted["endsAt"] = self.at(end).to_string().into();
        }
        posted
    }

    async fn event(&mut self, event: &Value, servers: &[Server]) {
        self.until(event["at"].as_f64().expect("a moment")).await;
        match event["op"].as_str().expect("an operation") {
            "post_alerts" => {
                let batch: Vec<Value> =
                    event["alerts"].as_array().expect("alerts").iter().map(|a| self.posted(a)).collect();
                let body = Value::from(batch).to_string();
                for server in servers {
                    let answer = server.call("POST", "/api/v2/alerts", &body).await;
                    assert_eq!(answer, (200, String::new()));
                }
            }
            "post_silence" => {
                let mut silence = event["silence"].clone();
                let active = judge::moments(&silence["active"]);
                silence["startsAt"] = self.at(active[0]).to_string().into();
                silence["endsAt"] = self.at(active[1]).to_string().into();
                silence["createdBy"] = "ann".into();
                silence["comment"] = "a case".into();
                silence.as_object_mut().expect("an object").remove("active");
                let (status, answer) =
                    servers[0].call("POST", "/api/v2/silences", &silence.to_string()).await;
                assert_eq!(status, 200, "{answer}");
                let answer: Value = serde_json::from_str(&answer).expect("JSON");
                self.silence = answer["silenceID"].as_str().expect("an id").to_owned();
            }
            "delete_silence" => {
                let path = format!("/api/v2/silence/{}", self.silence);
                assert_eq!(servers[0].call("DELETE", &path, "").await.0, 200);
            }
            "SIGHUP" => servers[0].reload().await,
            other => panic!("unknown operation {other}"),
        }
    }

    fn came(&self, hooks: &[Arc<Webhook>]) -> Vec<Came> {
        let mut came: Vec<Came> = Vec::new();
        for (n, hook) in hooks.iter().enumerate() {
            for (at, payload) in hook.told.lock().iter() {
                let alerts = payload["alerts"].as_array().expect("alerts").iter();
                let alerts = alerts.map(|alert| {
                    let moment = |v: &Value| {
                        let at: jiff::Timestamp = v.as_str().unwrap_or("").parse().expect("a time");
                        self.seconds(Timestamp::from_millis(at.as_millisecond()))
                    };
                    let resolved = alert["status"] == "resolved";
                    Told {
                        labels: judge::pairs(&alert["labels"]),
                        annotations: judge::pairs(&alert["annotations"]),
                        start: Some(moment(&alert["startsAt"])),
                        end: resolved.then(|| moment(&alert["endsAt"])),
                    }
                });
                came.push((n, self.seconds(*at), alerts.collect()));
            }
        }
        came
    }
}

async fn run(case: Value, scale: u32, postgres: Option<Arc<testing::Server>>) -> Vec<String> {
    let name = case["name"].as_str().expect("a name");
    let ms = |seconds: f64| (seconds * 1000.0) as u64 * u64::from(scale);
    // What is said about misbehaving webhooks is code of the original's language: here it is by name.
    let behave = match name {
        "TestRetry" => [Hook::Good, Hook::Forgets(ms(4.5))],
        "TestWebhookTimeout" => [Hook::Late(ms(3.0), Duration::from_secs(1) * scale), Hook::Good],
        _ => [Hook::Good, Hook::Good],
    };
    let mut tasks = JoinSet::new();
    let mut hooks = Vec::new();
    let mut yaml = scaled(case["config"].as_str().expect("a configuration"), scale);
    for hook in behave {
        let (webhook, address) = Webhook::start(hook, &mut tasks).await;
        hooks.push(webhook);
        yaml = yaml.replacen("%s", &address.to_string(), 1);
    }
    let delayed = case["args"].to_string().contains("start-delay");
    let start_delay = if delayed { Duration::from_secs(5) * scale } else { Duration::ZERO };
    // Reload as Alertmanager does it, where a case is about that.
    let resets = case["events"].to_string().contains("SIGHUP");
    let dir = tempfile::tempdir().expect("a directory");
    let clustered = name == "TestClusterDeduplication";
    let mut servers = Vec::new();
    match postgres.filter(|_| clustered) {
        Some(postgres) => {
            let location = Location::Postgres(Secret::new(postgres.database()));
            for member in ["a", "b"] {
                let dir = dir.path().join(member);
                servers.push(Server::start(&yaml, &location, &dir, start_delay, resets, &mut tasks).await);
            }
        }
        None => {
            let location = Location::Sqlite(dir.path().join("quarterdeck.db"));
            servers.push(Server::start(&yaml, &location, dir.path(), start_delay, resets, &mut tasks).await);
        }
    }
    for server in &servers {
        let mut views = server.handle.subscribe();
        let known = views.wait_for(|view| view.role != Role::Starting).await.map(|_| ());
        known.expect("it starts");
    }
    let beginning = SystemClock.now() + Duration::from_secs_f64(BEFORE) * scale;
    for hook in &hooks {
        hook.begins(beginning);
    }
    let mut under_way = Case { case: &case, scale, beginning, silence: String::new() };
    for event in case["events"].as_array().expect("events") {
        under_way.event(event, &servers).await;
    }
    under_way.until(judge::end(under_way.case) + 0.3).await;
    let came = under_way.came(&hooks);
    tasks.shutdown().await;
    judge::judge(&case, &came)
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanagers_acceptance_cases_over_http() {
    let Some(mut cases) = judge::cases() else { return };
    let postgres = tokio::task::spawn_blocking(testing::Server::shared).await.expect("it is looked for");
    let members = if postgres.is_some() { "two consoles on one PostgreSQL store" } else { "one console" };
    let mut problems = Vec::new();
    for scale in SCALES {
        let mut running = JoinSet::new();
        for case in cases.drain(..) {
            let postgres = postgres.clone();
            running.spawn(async move { (run(case.clone(), scale, postgres).await, case) });
        }
        let all = running.join_all().await;
        let count = all.len();
        problems.clear();
        for (found, case) in all {
            if !found.is_empty() {
                problems.extend(found);
                cases.push(case);
            }
        }
        eprintln!("acceptance over HTTP, times × {scale}: {} of {count} cases passed", count - cases.len());
        if cases.is_empty() {
            break;
        }
        eprintln!("{}", problems.join("\n"));
    }
    eprintln!("acceptance over HTTP: TestClusterDeduplication with {members}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
