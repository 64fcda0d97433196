//! Alertmanager's timed acceptance cases over real HTTP: the whole engine behind its own interface on a socket, alerts and
//! silences posted at their times, webhooks that write down what they are told.
//!
//! All cases run at once, each with a server, a store and webhooks of its own. The cases give a notification 0.65 s. On a
//! machine that is busy with other things that is not always enough, and says nothing about the engine: a case is run again
//! with all times doubled, and doubled again, where everything came but some of it late, or where this process itself was
//! seen to be late (its timers, or the answers to what it posts). A wrong notification at its right time fails at once.
//!
//! All seventeen apply. `TestClusterDeduplication` is about two servers that gossip; here two share a PostgreSQL store. Where
//! there is no PostgreSQL it is run with one.

#[path = "judge.rs"]
mod judge;
mod judging;
mod server;
mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use judge::{Came, Told};
use quarterdeck_alerting::Role;
use quarterdeck_journal::store::Location;
use quarterdeck_journal::testing;
use quarterdeck_kernel::{Clock, Secret, SystemClock, Timestamp};
use serde_json::{Value, json};
use server::Server;
use tokio::task::JoinSet;
use webhook::{Hook, Webhook};

/// How many times longer than written the cases take, one after the other, until they pass.
const SCALES: [u32; 3] = [1, 2, 4];
/// How long after its end a case waits for what has not come, to tell late from never, in its seconds.
const STRAGGLERS: f64 = 2.0;
/// How often this process's own timers are looked at.
const PULSE: Duration = Duration::from_millis(10);
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
    /// The longest that this process was late with anything: posting, being answered, waking up.
    behind: Behind,
}

/// The longest of several times, in milliseconds.
#[derive(Clone, Default)]
struct Behind(Arc<AtomicU64>);

impl Behind {
    fn by(&self, late: Duration) {
        self.0.fetch_max(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn longest(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }

    /// Notes how late timers are.
    async fn watch(self) {
        loop {
            let begun = Instant::now();
            tokio::time::sleep(PULSE).await;
            self.by(begun.elapsed().saturating_sub(PULSE));
        }
    }
}

/// How a run of a case ended.
enum Ended {
    Passed,
    /// It was late, or this process was: that is to be seen with more time.
    Late(Vec<String>),
    Wrong(Vec<String>),
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
        let at = event["at"].as_f64().expect("a moment");
        self.until(at).await;
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
        self.behind.by(SystemClock.now().since(self.at(at)));
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

async fn run(case: Value, scale: u32, postgres: Option<Arc<testing::Server>>) -> Ended {
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
    let behind = Behind::default();
    tasks.spawn(behind.clone().watch());
    let mut under_way = Case { case: &case, scale, beginning, silence: String::new(), behind };
    for event in case["events"].as_array().expect("events") {
        under_way.event(event, &servers).await;
    }
    let end = judge::end(under_way.case) + judge::WATCHED;
    under_way.until(end).await;
    let mut verdict = judge::judge(&case, &under_way.came(&hooks));
    if !verdict.passed() {
        under_way.until(end + STRAGGLERS).await;
        verdict = judge::judge(&case, &under_way.came(&hooks));
    }
    tasks.shutdown().await;
    let (behind, late) = (under_way.behind.longest(), verdict.only_late());
    let mut problems = verdict.problems;
    let tolerance = Duration::from_secs_f64(case["tolerance_s"].as_f64().expect("a tolerance")) * scale;
    match problems.first_mut() {
        None => return Ended::Passed,
        Some(first) => first.push_str(&format!(" (this process was late by up to {behind:?})")),
    }
    if late || behind > tolerance { Ended::Late(problems) } else { Ended::Wrong(problems) }
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanagers_acceptance_cases_over_http() {
    let Some(mut cases) = judge::cases() else { return };
    let postgres = tokio::task::spawn_blocking(testing::Server::shared).await.expect("it is looked for");
    let members = if postgres.is_some() { "two consoles on one PostgreSQL store" } else { "one console" };
    let (mut late, mut wrong) = (Vec::new(), Vec::new());
    for scale in SCALES {
        let mut running = JoinSet::new();
        for case in cases.drain(..) {
            let postgres = postgres.clone();
            running.spawn(async move { (run(case.clone(), scale, postgres).await, case) });
        }
        let all = running.join_all().await;
        let count = all.len();
        late.clear();
        for (ended, case) in all {
            match ended {
                Ended::Passed => {}
                Ended::Late(problems) => {
                    late.extend(problems);
                    cases.push(case);
                }
                Ended::Wrong(problems) => wrong.extend(problems),
            }
        }
        eprintln!(
            "acceptance over HTTP, times × {scale}: {count} cases, {} late, {} things wrong",
            cases.len(),
            wrong.len()
        );
        if cases.is_empty() || !wrong.is_empty() {
            break;
        }
        eprintln!("{}", late.join("\n"));
    }
    eprintln!("acceptance over HTTP: TestClusterDeduplication with {members}");
    assert!(wrong.is_empty(), "wrong, and not for want of time:\n{}", wrong.join("\n"));
    assert!(late.is_empty(), "late even with all times × {}:\n{}", SCALES[2], late.join("\n"));
}
