//! Deployment control in the built program: versions that are processes, rolled out, judged by their exit codes and rolled
//! back from a shell, with traffic that counts every answer.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use support::{Home, Server, eventually};

/// Not a test: a version of the service, as the others start it. It answers its name.
#[test]
fn a_version() {
    let (Ok(version), Ok(port)) = (std::env::var("SERVE_VERSION"), std::env::var("SERVE_PORT")) else {
        return;
    };
    if version == "crash" {
        eprintln!("there is no database");
        std::process::exit(3);
    }
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port is free");
    for stream in listener.incoming().flatten() {
        let version = version.clone();
        std::thread::spawn(move || {
            let (mut stream, mut buffer) = (stream, [0; 4096]);
            while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{version}", version.len());
                if stream.write_all(answer.as_bytes()).is_err() {
                    break;
                }
            }
        });
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port")
}

struct Fixture {
    home: Home,
    gateway: SocketAddr,
    args: Vec<String>,
}

impl Fixture {
    fn new() -> Self {
        let (home, gateway) = (Home::new(), free());
        let program = std::env::current_exe().expect("this program");
        let config = home.file(
            "quarterdeck.toml",
            &format!(
                r#"
                [gateway]
                listen = ["{gateway}"]
                [gateway.services.orders]
                versions = {{ v1 = "http://127.0.0.1:1" }}

                [deploy.services.orders]
                stable = "v1"
                drain = "5s"
                [deploy.services.orders.process]
                command = [{program:?}, "--exact", "a_version", "--nocapture"]
                env = {{ SERVE_VERSION = "{{version}}", SERVE_PORT = "{{port}}" }}
                stop_grace = "5s"
                [deploy.services.orders.probes.readiness]
                path = "/ready"
                period = "1s"
                timeout = "10s"
                [[deploy.services.orders.checks.smoke]]
                path = "/orders"
                contains = "v"
                timeout = "10s"
                "#
            ),
        );
        let args = ["serve", "--listen", "127.0.0.1:0", "--config"].map(str::to_owned).into_iter();
        let args = args.chain([config.display().to_string()]).collect();
        Self { home, gateway, args }
    }

    fn serve(&self) -> Server {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let server = self.home.serve(&args);
        eventually("the stable version takes traffic", || {
            (self.ask().as_deref() == Some("v1")).then_some(())
        });
        server
    }

    /// Who answers; None if nobody does.
    fn ask(&self) -> Option<String> {
        answer(self.gateway)
    }

    fn deploy(&self, words: &[&str]) -> (i32, String, String) {
        self.home.run(&[&["deploy"], words].concat())
    }

    /// A strategy file.
    fn strategy(&self, name: &str, text: &str) -> String {
        self.home.file(name, text).display().to_string()
    }
}

/// The body of a good answer of the gateway.
fn answer(gateway: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(gateway).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let request = "GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}

/// Requests without a pause, each counted.
struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    bad: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    fn begin(gateway: SocketAddr) -> Self {
        let (stop, good, bad) = (Arc::default(), Arc::default(), Arc::default());
        let threads = (0..4)
            .map(|_| {
                let (stop, good, bad): (Arc<AtomicBool>, Arc<AtomicUsize>, Arc<AtomicUsize>) =
                    (Arc::clone(&stop), Arc::clone(&good), Arc::clone(&bad));
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let counter = if answer(gateway).is_some() { &good } else { &bad };
                        counter.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(2));
                    }
                })
            })
            .collect();
        Self { stop, good, bad, threads }
    }

    /// Good and bad answers.
    fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a thread that ends");
        }
        (self.good.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed))
    }
}

#[test]
fn a_pipeline_rolls_out_and_back_by_exit_codes_and_no_request_is_lost() {
    let f = Fixture::new();
    let quick = f.strategy(
        "quick.yaml",
        "strategy:\n  canary:\n    steps:\n      - setWeight: 20\n      - pause: {duration: 1s}\n      - setWeight: 60\n",
    );
    let waits = f.strategy(
        "waits.yaml",
        "strategy:\n  canary:\n    steps:\n      - setWeight: 50\n      - pause: {}\n",
    );
    let short = f.strategy(
        "short.yaml",
        "progressDeadlineSeconds: 3\nstrategy:\n  canary:\n    steps:\n      - setWeight: 50\n",
    );
    let (code, out, error) = f.deploy(&["check", &quick, &waits, &short]);
    assert_eq!(code, 0, "{out}{error}");
    let odd = f.strategy("odd.yaml", "strategy:\n  canary:\n    steps:\n      - setWeight: 120\n");
    let (code, _, error) = f.deploy(&["check", &odd]);
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("odd.yaml:4:"), "{error}");
    let (code, _, error) = f.deploy(&["status"]);
    assert_eq!(code, 5, "no console runs yet: {error}");

    let mut server = f.serve();
    let load = Load::begin(f.gateway);

    let (code, out, error) = f.deploy(&[
        "start",
        "orders",
        "--version",
        "v2",
        "--strategy",
        &quick,
        "--reason",
        "new prices",
        "--wait",
    ]);
    assert_eq!(code, 0, "{out}{error}");
    assert!(out.contains("canary v1 → v2") && out.contains("promoted"), "{out}");
    assert_eq!(f.ask().as_deref(), Some("v2"));

    let (code, _, error) =
        f.deploy(&["start", "orders", "--version", "crash", "--strategy", &short, "--wait"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("v2 → crash"), "{error}");
    assert_eq!(f.ask().as_deref(), Some("v2"), "what crashes at start never takes traffic");

    let (code, _, error) = f.deploy(&["promote", "orders"]);
    assert_eq!(code, 4, "{error}");
    let (code, _, error) = f.deploy(&["start", "orders", "--version", "v3", "--strategy", &waits]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = f.deploy(&["start", "orders", "--version", "v4", "--strategy", &quick]);
    assert_eq!(code, 4, "two at a time: {error}");
    let (code, _, error) = f.deploy(&["status", "orders", "--watch", "--timeout", "1s"]);
    assert_eq!(code, 7, "it waits for a key: {error}");
    eventually("half of the traffic goes to v3", || {
        let (_, out, _) = f.deploy(&["status", "orders"]);
        (out.contains("paused") && out.lines().any(|l| l.contains("v3") && l.contains(" 50 %"))).then_some(())
    });
    let (code, out, error) = f.deploy(&["abort", "orders", "--reason", "second thoughts", "--wait"]);
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(f.ask().as_deref(), Some("v2"));

    let (code, out, error) = f.deploy(&["rollback", "orders", "--wait"]);
    assert_eq!(code, 0, "{out}{error}");
    assert_eq!(f.ask().as_deref(), Some("v1"));

    let (good, bad) = load.end();
    println!("{good} good answers, {bad} bad ones");
    assert_eq!(bad, 0, "of {good}");
    assert!(good > 200, "{good}");

    let (code, out, error) = f.deploy(&["history", "orders"]);
    assert_eq!(code, 0, "{error}");
    for part in ["canary v1 → v2", "v2 → crash", "canary v2 → v3", "promoted", "aborted", "change fail rate"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, _) = f.deploy(&["history", "orders", "--limit", "1", "-o", "json"]);
    let newest: serde_json::Value = serde_json::from_str(out.trim()).expect("a line of JSON");
    assert_eq!((code, newest["to"].as_str()), (0, Some("v1")));
    let (code, _, error) = f.deploy(&["status", "order"]);
    assert_eq!(code, 2, "{error}");
    assert!(server.timeline().iter().any(|e| e["reason"] == "second thoughts"));

    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(), Some(0));
    f.home.deserted();
}
