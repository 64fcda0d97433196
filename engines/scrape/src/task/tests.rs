//! The whole engine over real sockets, against targets that behave and targets that do not.

mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quarterdeck_kernel::{Health, SystemClock};

use self::server::{Reply, Server};
use crate::config::{Config, Discovery, Job, Plan, TargetGroup};
use crate::engine::tests::Memory;
use crate::handle::HandleError;
use crate::model::{Snapshot, TargetStatus};
use crate::{Handle, start};

/// Longer than anything here takes, so that a wait that ends is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

fn job(name: &str, targets: &[&str]) -> Job {
    let group =
        TargetGroup { targets: targets.iter().map(|t| Arc::from(*t)).collect(), ..TargetGroup::default() };
    Job {
        interval: Duration::from_millis(250),
        timeout: Duration::from_millis(250),
        discoveries: vec![Discovery::Static(vec![group])],
        ..Job::new(name)
    }
}

fn plan(jobs: impl IntoIterator<Item = Job>) -> Plan {
    Plan { jobs: jobs.into_iter().map(Arc::new).collect(), ..Plan::default() }
}

fn run(jobs: impl IntoIterator<Item = Job>) -> (Handle, Arc<Memory>) {
    let memory = Arc::new(Memory::default());
    (start(plan(jobs), Arc::clone(&memory) as _, Arc::new(SystemClock)), memory)
}

/// Waits until a snapshot fulfils the condition.
async fn until(handle: &Handle, what: &str, condition: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let mut snapshots = handle.snapshot();
    let found = tokio::time::timeout(PATIENCE, snapshots.wait_for(|s| condition(s))).await;
    match found {
        Ok(Ok(snapshot)) => Arc::clone(&snapshot),
        _ => panic!("{what} did not happen; last: {:#?}", handle.snapshot().borrow().targets),
    }
}

async fn scraped(handle: &Handle, job: &str) -> Arc<TargetStatus> {
    let of_job = |s: &Snapshot| s.targets.iter().find(|t| &*t.job == job && t.last_scrape.is_some()).cloned();
    let snapshot = until(handle, "a scrape", |s| of_job(s).is_some()).await;
    of_job(&snapshot).unwrap()
}

/// The values of a series so far, `stale` for markers.
fn values(memory: &Memory, name: &str) -> Vec<String> {
    let state = memory.state.lock().unwrap();
    let of_name = |id: &quarterdeck_metrics::SeriesId| state.series[id.0 as usize].name() == name;
    let show = |v: f64| if quarterdeck_kernel::is_stale(v) { "stale".to_owned() } else { v.to_string() };
    state.samples.iter().filter(|(id, ..)| of_name(id)).map(|(_, _, v)| show(*v)).collect()
}

#[tokio::test]
async fn a_good_target_is_up_and_asked_as_prometheus_asks() {
    let server = Server::start(|_, _| Reply::text("a 1\n")).await;
    let mut job = job("good", &[&server.address()]);
    job.params.insert("x".into(), vec!["y z".into()]);
    let (handle, memory) = run([job]);
    let status = scraped(&handle, "good").await;
    assert_eq!((status.health, status.scraped, status.last_error.as_deref()), (Health::Ok, 1, None));
    let request = server.last_request();
    assert!(request.starts_with("GET /metrics?x=y+z HTTP/1.1"), "{request}");
    for header in [
        "accept: application/openmetrics-text;version=1.0.0",
        "x-prometheus-scrape-timeout-seconds: 0.25",
        "accept-encoding: gzip",
    ] {
        assert!(request.contains(header), "{header} in {request}");
    }
    assert_eq!(values(&memory, "up")[0], "1");
    handle.shutdown().await;
    assert!(!values(&memory, "a").contains(&"stale".to_owned()), "a shutdown leaves series as they are");
    assert_eq!(handle.retry("good", "x").await, Err(HandleError::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_bad_targets_do_is_told_and_costs_only_their_scrape() {
    const LIMIT: u64 = 256 << 10;
    let bomb = server::gzip(&vec![b'#'; 4 << 20]);
    let cases: Vec<(&str, Reply, &str)> = vec![
        ("hangs", Reply::Hang, "no complete answer within 250ms"),
        ("resets", Reply::Reset, "connection"),
        ("endless", Reply::Endless, "body_size_limit exceeded"),
        (
            "announced",
            Reply::raw(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1073741824\r\n\r\na 1\n",
            ),
            "body_size_limit exceeded",
        ),
        ("drips", Reply::Drip, "no complete answer within"),
        ("garbage", Reply::raw("\u{1}\u{2}garbage\r\n\r\n"), "HTTP"),
        ("binary", Reply::text("\u{0}\u{1}\u{2} 1\n"), "line 1, column 1"),
        ("html", Reply::typed("text/html", "<html></html>"), "\"text/html\" is not supported"),
        ("untyped", Reply::typed("", "a 1\n"), "no Content-Type"),
        ("bad_utf8", Reply::bytes("text/plain", b"a{b=\"\xff\"} 1\n"), "not UTF-8"),
        ("cut_off", Reply::typed("application/openmetrics-text; version=1.0.0", "a 1\n"), "# EOF"),
        (
            "bomb",
            Reply::raw_bytes(server::head("text/plain\r\nContent-Encoding: gzip", bomb.len()), &bomb),
            "body_size_limit exceeded",
        ),
        (
            "not_gzip",
            Reply::typed("text/plain\r\nContent-Encoding: gzip", "a 1\n"),
            "it is gzip, but it is not",
        ),
        (
            "loops",
            Reply::raw(
                "HTTP/1.1 302 Found\r\nLocation: /metrics\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ),
            "redirect",
        ),
        (
            "missing",
            Reply::raw("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            "HTTP status 404 Not Found",
        ),
    ];
    let mut servers = Vec::new();
    let mut jobs = Vec::new();
    for (name, reply, _) in &cases {
        let reply = reply.clone();
        let server = Server::start(move |_, _| reply.clone()).await;
        let mut job = job(name, &[&server.address()]);
        job.limits.body_size = Some(LIMIT);
        if !matches!(*name, "hangs" | "drips") {
            // A busy machine must not turn another failure into a timeout.
            job.interval = Duration::from_secs(5);
            job.timeout = Duration::from_secs(5);
        }
        jobs.push(job);
        servers.push(server);
    }
    // A sample given twice is told; it is no reason to lose the page.
    let good = Server::start(|_, _| Reply::text("fine 1\nfine 2\n")).await;
    jobs.push(Job { timeout: Duration::from_millis(250), ..job("good", &[&good.address()]) });
    let (handle, memory) = run(jobs);
    until(&handle, "every target known", |s| s.targets.len() == cases.len() + 1).await;
    // The guard of a borrowed snapshot must not be held while the engine is asked: it would wait to publish.
    let known = Arc::clone(&handle.snapshot().borrow());
    for target in known.targets.iter() {
        handle.retry(&target.job, &target.instance).await.unwrap();
    }
    for (name, _, expected) in &cases {
        let status = scraped(&handle, name).await;
        let told = status.last_error.as_deref().unwrap_or_default();
        assert_eq!(status.health, Health::Down, "{name}");
        assert!(told.contains(expected), "{name}: {told}");
        assert!(status.bytes <= LIMIT as usize, "{name}: {} bytes", status.bytes);
    }
    until(&handle, "the good target goes on", |s| {
        let told = "1 sample was not taken: 1 given twice for the same time";
        let fine = |t: &TargetStatus| t.recent.len() > 3 && t.warning.as_deref() == Some(told);
        s.targets.iter().any(|t| &*t.job == "good" && fine(t))
    })
    .await;
    assert!(!values(&memory, "fine").is_empty());
    assert!(values(&memory, "a").is_empty(), "nothing of a bad page is kept");
    handle.shutdown().await;
}

#[tokio::test]
async fn a_target_vanishes_and_returns() {
    let server =
        Server::start(|_, n| if (2..5).contains(&n) { Reply::Reset } else { Reply::text("a 7\n") }).await;
    let (handle, memory) =
        run([Job { timeout: Duration::from_millis(250), ..job("j", &[&server.address()]) }]);
    until(&handle, "a failure", |s| s.targets[0].failures > 0).await;
    until(&handle, "the return", |s| s.targets[0].health == Health::Ok && s.targets[0].recent.len() > 4)
        .await;
    handle.shutdown().await;
    let values = values(&memory, "a");
    assert_eq!(values.iter().filter(|v| *v == "stale").count(), 1, "{values:?}");
    assert_eq!(values.last().map(String::as_str), Some("7"));
}

#[tokio::test]
async fn a_page_in_gzip_is_read() {
    let page = server::gzip(b"a 1\nb 2\n");
    let reply = Reply::raw_bytes(server::head("text/plain\r\nContent-Encoding: gzip", page.len()), &page);
    let server = Server::start(move |_, _| reply.clone()).await;
    let (handle, _) = run([Job { timeout: Duration::from_millis(250), ..job("j", &[&server.address()]) }]);
    let status = until(&handle, "a scrape", |s| s.targets[0].scraped == 2).await;
    assert_eq!(status.targets[0].bytes, 8);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_connection_that_closed_while_idle_is_no_failure() {
    // The server closes each connection after its answer without saying so: the next request may run into that.
    let server = Server::start(|_, _| {
        Reply::raw("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\na 1\n")
    })
    .await;
    let (handle, memory) =
        run([Job { interval: PATIENCE, timeout: PATIENCE, ..job("j", &[&server.address()]) }]);
    let address = server.address();
    for count in 1..20 {
        handle.retry("j", &address).await.unwrap();
        until(&handle, "the next scrape", |s| s.targets[0].recent.len() >= count).await;
    }
    handle.shutdown().await;
    assert!(values(&memory, "up").iter().all(|v| v == "1"), "{:?}", values(&memory, "up"));
}

#[tokio::test]
async fn credentials_are_sent_and_never_shown() {
    let server = Server::start(|request, _| {
        if request.contains("authorization: Basic dXNlcjpodW50ZXIy") {
            Reply::text("a 1\n")
        } else {
            Reply::raw("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "hunter2\n").unwrap();
    let text = format!(
        "scrape_configs:\n- job_name: j\n  scrape_interval: 100ms\n  basic_auth: {{username: user, password_file: password}}\n  static_configs: [{{targets: ['{}']}}]\n",
        server.address()
    );
    let plan = crate::prometheus::parse(&text, "p.yml", folder.path()).unwrap();
    let handle = start(plan, Arc::new(Memory::default()), Arc::new(SystemClock));
    let status = scraped(&handle, "j").await;
    assert_eq!(status.last_error, None);
    std::fs::remove_file(folder.path().join("password")).unwrap();
    let snapshot = until(&handle, "a failure", |s| s.targets[0].health == Health::Down).await;
    let printed = format!("{snapshot:?}");
    assert!(printed.contains("credential file") && !printed.contains("hunter2"), "{printed}");
    handle.shutdown().await;
}

#[tokio::test]
async fn a_reload_keeps_what_did_not_change_and_ends_what_is_gone() {
    let stays = Server::start(|_, _| Reply::text("stays 1\n")).await;
    let goes = Server::start(|_, _| Reply::text("goes 1\n")).await;
    let comes = Server::start(|_, _| Reply::text("comes 1\n")).await;
    let wide = |name: &str, server: &Server| Job {
        timeout: Duration::from_millis(250),
        ..job(name, &[&server.address()])
    };
    let (handle, memory) = run([wide("stays", &stays), wide("goes", &goes)]);
    until(&handle, "both", |s| s.targets.iter().all(|t| t.recent.len() >= 2)).await;
    let before = scraped(&handle, "stays").await;

    handle.reload(plan([wide("stays", &stays), wide("comes", &comes)])).await.unwrap();
    let after = scraped(&handle, "stays").await;
    assert!(after.recent.len() >= before.recent.len(), "its history goes on");
    let new = scraped(&handle, "comes").await;
    assert_eq!(new.health, Health::Ok);
    assert!(handle.snapshot().borrow().target("goes", &goes.address()).is_none());
    let deadline = Instant::now() + PATIENCE;
    while values(&memory, "goes").last().map(String::as_str) != Some("stale") {
        assert!(Instant::now() < deadline, "{:?}", values(&memory, "goes"));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        memory.state.lock().unwrap().samples.iter().filter(|s| quarterdeck_kernel::is_stale(s.2)).count(),
        6
    );
    assert!(!values(&memory, "stays").contains(&"stale".to_owned()));
    handle.shutdown().await;
}

#[tokio::test]
async fn retry_scrapes_at_once_and_unknown_targets_are_told() {
    let server = Server::start(|_, _| Reply::text("a 1\n")).await;
    let mut job = job("j", &[&server.address()]);
    job.interval = Duration::from_secs(3600);
    let (handle, _) = run([job]);
    handle.retry("j", &server.address()).await.unwrap();
    let status = scraped(&handle, "j").await;
    assert_eq!(status.subject().to_string(), format!("target:j/{}", server.address()));
    let error = handle.retry("j", "elsewhere").await.unwrap_err();
    assert_eq!(error.to_string(), "no target \"elsewhere\" in job \"j\" is being scraped");
    handle.shutdown().await;
}

#[tokio::test]
async fn targets_come_from_files_and_urls_and_unavailable_jobs_are_shown() {
    let target = Server::start(|_, _| Reply::text("a 1\n")).await;
    let listed = target.address();
    let list = Server::start(move |_, n| match n {
        0 => Reply::typed(
            "application/json",
            &format!("[{{\"targets\":[\"{listed}\"],\"labels\":{{\"from\":\"url\"}}}}]"),
        ),
        _ => Reply::raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("targets.yml");
    std::fs::write(&file, format!("- targets: ['{}']\n  labels: {{from: file}}\n", target.address()))
        .unwrap();
    let text = format!(
        "global: {{scrape_interval: 100ms}}\nscrape_configs:\n- job_name: files\n  file_sd_configs: [{{files: ['*.yml'], refresh_interval: 100ms}}]\n- job_name: urls\n  http_sd_configs: [{{url: 'http://{}/', refresh_interval: 100ms}}]\n- job_name: kube\n  kubernetes_sd_configs: [{{role: pod}}]\n",
        list.address()
    );
    let plan = crate::prometheus::parse(&text, "p.yml", folder.path()).unwrap();
    let handle = start(plan, Arc::new(Memory::default()), Arc::new(SystemClock));
    let snapshot =
        until(&handle, "both targets", |s| s.targets.iter().filter(|t| t.health == Health::Ok).count() == 2)
            .await;
    assert_eq!(snapshot.unavailable().map(|j| &*j.name).collect::<Vec<_>>(), ["kube"]);
    let from: Vec<_> =
        snapshot.targets.iter().map(|t| t.labels.get("from").unwrap_or_default().to_owned()).collect();
    assert_eq!(from, ["file", "url"]);

    let snapshot = until(&handle, "the failing URL", |s| !s.jobs[1].discovery_errors.is_empty()).await;
    assert!(snapshot.jobs[1].discovery_errors[0].contains("500"), "{:?}", snapshot.jobs[1]);
    assert_eq!(snapshot.targets.len(), 2, "the last good answer stays");

    std::fs::remove_file(&file).unwrap();
    until(&handle, "the target of the file gone", |s| s.targets.len() == 1).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn too_many_targets_fail_without_being_asked() {
    let server = Server::start(|_, _| Reply::text("a 1\n")).await;
    let mut job = job("j", &[&server.address(), "127.0.0.1:1"]);
    job.limits.targets = Some(1);
    let (handle, _) = run([job]);
    let snapshot = until(&handle, "failures", |s| s.targets.iter().all(|t| t.failures > 0)).await;
    assert!(
        snapshot.targets[0].last_error.as_deref().unwrap().contains("target_limit exceeded: the job has 2")
    );
    assert_eq!(server.requests(), 0);
    handle.shutdown().await;
}

#[tokio::test]
async fn the_section_of_quarterdeck_toml_runs() {
    let server = Server::start(|_, _| Reply::text("a 1\n")).await;
    let json = format!(
        r#"{{"interval":"100ms","jobs":[{{"name":"j","targets":["{}"],"labels":{{"env":"prod"}},"bearer":{{"env":"PATH"}}}}]}}"#,
        server.address()
    );
    let config: Config = serde_json::from_str(&json).unwrap();
    let handle =
        start(config.plan(Path::new("/")).unwrap(), Arc::new(Memory::default()), Arc::new(SystemClock));
    let status = scraped(&handle, "j").await;
    assert_eq!((status.health, status.labels.get("env")), (Health::Ok, Some("prod")));
    assert!(server.last_request().contains("authorization: Bearer "));
    handle.shutdown().await;
}
