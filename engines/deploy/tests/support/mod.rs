//! Versions for tests: this very test program, started again as a server that misbehaves as its version says.

#![allow(dead_code, reason = "each test program uses a part")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use quarterdeck_deploy::config::Config;
use quarterdeck_deploy::target::process::Places;
use quarterdeck_deploy::target::{Desired, Leases, Observed, ObservedVersion, Target};
use tokio::sync::watch;
use uuid::Uuid;

/// How long anything may take on a machine that has much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The body of the test that is started again as a version.
pub(crate) fn serve_if_asked() {
    let (Ok(version), Ok(port)) = (std::env::var("SERVE_VERSION"), std::env::var("SERVE_PORT")) else {
        return;
    };
    println!("{version} on {port}");
    match version.as_str() {
        "crash" => {
            eprintln!("there is no database");
            std::process::exit(3);
        }
        "parent" => {
            let child = std::process::Command::new("sleep").arg("600").spawn();
            println!("child {}", child.map(|c| c.id()).unwrap_or_default());
        }
        "environment" => {
            for (name, _) in std::env::vars() {
                println!("has {name}");
            }
        }
        "noisy" => {
            for line in 0..20_000 {
                println!("line {line}");
            }
        }
        _ => {}
    }
    if version == "stubborn" {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .expect("a signal can be taken");
            std::thread::spawn(move || answer(&version, &port));
            loop {
                terminate.recv().await;
                println!("not now");
            }
        });
    } else {
        answer(&version, &port);
    }
}

/// Answers every request as the version does.
fn answer(version: &str, port: &str) {
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    let asked = AtomicU32::new(0);
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut request = [0; 2048];
        let count = stream.read(&mut request).unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..count]).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default();
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let well = match (version, path) {
            ("never", "/ready") => false,
            // Three times well, three times not.
            ("flapping", "/ready") => (number / 3).is_multiple_of(2),
            ("dying", "/live") => number < 4,
            _ => true,
        };
        let status = if well { "200 OK" } else { "503 Service Unavailable" };
        let body = format!("{version} answers {path}\n");
        let length = body.len();
        let _ = write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
    }
}

/// A section `[deploy]` with one service, `orders`, whose versions are this program; `more` goes into its table of the
/// process.
pub(crate) fn config(more: &str) -> Arc<Config> {
    let program = std::env::current_exe().expect("this program");
    let text = format!(
        r#"
        [services.orders]
        stable = "v1"
        [services.orders.process]
        command = [{program:?}, "--exact", "a_version", "--nocapture"]
        env = {{ SERVE_VERSION = "{{version}}", SERVE_PORT = "{{port}}" }}
        restart = {{ base = "100ms", longest = "400ms", reset = "10m" }}
        {more}
        [services.orders.probes.readiness]
        path = "/ready"
        period = "50ms"
        timeout = "5s"
        failures = 2
        [services.orders.versions.dying]
        [services.orders.versions.nothing]
        command = ["/no/such/program"]
        "#
    );
    let config: Config = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(quarterdeck_deploy::config::validate(&config), []);
    Arc::new(config)
}

/// The same with a liveness probe.
pub(crate) fn with_liveness(config: &Config) -> Arc<Config> {
    let mut config = config.clone();
    let probes = &mut config.services.get_mut("orders").expect("orders").probes;
    let mut liveness = probes.readiness.clone().expect("a probe");
    liveness.path = Some("/live".to_owned());
    probes.liveness = Some(liveness);
    Arc::new(config)
}

/// Lends markers and counts them.
#[derive(Default)]
pub(crate) struct Counted {
    pub(crate) lent: Mutex<Vec<Uuid>>,
    pub(crate) returned: Mutex<Vec<Uuid>>,
}

impl Leases for Counted {
    fn variable(&self) -> &str {
        "TEST_LEASE"
    }

    fn lease(&self) -> std::io::Result<Uuid> {
        let lease = Uuid::new_v4();
        self.lent.lock().push(lease);
        Ok(lease)
    }

    fn release(&self, lease: Uuid) {
        self.returned.lock().push(lease);
    }
}

pub(crate) fn places(folder: &Path) -> Places {
    Places { base: folder.to_owned(), data: folder.join("data"), launcher: None }
}

pub(crate) fn want(version: &str, replicas: u32, generation: u64) -> Desired {
    Desired { service: "orders".to_owned(), version: version.to_owned(), replicas, generation }
}

/// Waits until what is observed of a version is as it should be.
pub(crate) async fn until(
    target: &dyn Target,
    version: &str,
    what: &str,
    is: impl FnMut(&ObservedVersion) -> bool,
) -> ObservedVersion {
    let mut watch = target.watch();
    wait(&mut watch, version, what, is).await
}

/// As [`until`], and misses nothing since the receiver last looked.
pub(crate) async fn wait(
    watch: &mut watch::Receiver<Arc<Observed>>,
    version: &str,
    what: &str,
    mut is: impl FnMut(&ObservedVersion) -> bool,
) -> ObservedVersion {
    let none = ObservedVersion::default();
    let found = {
        let waited = watch.wait_for(|observed| is(observed.version("orders", version).unwrap_or(&none)));
        let found = tokio::time::timeout(PATIENCE, waited).await;
        found.map(|observed| Arc::clone(&observed.expect("the target is there"))).ok()
    };
    let Some(observed) = found else {
        panic!("{what}: {:#?}", watch.borrow().version("orders", version));
    };
    observed.version("orders", version).cloned().unwrap_or_default()
}

/// Whether a process is there and has not ended.
pub(crate) fn runs(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// Waits until a process has ended.
pub(crate) async fn ended(pid: u32) {
    let began = std::time::Instant::now();
    while runs(pid) {
        assert!(began.elapsed() < PATIENCE, "process {pid} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
