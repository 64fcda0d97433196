//! A console with one service behind its gateway, and traffic that counts every answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::support::{Home, Server, eventually};

pub(crate) fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port")
}

/// A home with a configuration of `orders` behind a gateway.
pub(crate) struct Fixture {
    pub(crate) home: Home,
    pub(crate) gateway: SocketAddr,
    args: Vec<String>,
}

/// How this test program is started as a version of `orders`: the table of its process.
pub(crate) fn own_process() -> String {
    let program = std::env::current_exe().expect("this program");
    format!(
        r#"
        [deploy.services.orders.process]
        command = [{program:?}, "--exact", "a_version", "--nocapture"]
        env = {{ SERVE_VERSION = "{{version}}", SERVE_PORT = "{{port}}" }}
        stop_grace = "5s"
        "#
    )
}

const PROBES: &str = r#"
    [deploy.services.orders.probes.readiness]
    path = "/"
    period = "1s"
    timeout = "10s"
    [[deploy.services.orders.checks.smoke]]
    path = "/"
    contains = "v"
    timeout = "10s"
"#;

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(&own_process())
    }

    /// With what runs the versions as given.
    pub(crate) fn with(runs: &str) -> Self {
        Self::on("", runs)
    }

    /// With more before `[gateway]`, too.
    pub(crate) fn on(first: &str, runs: &str) -> Self {
        let (home, gateway) = (Home::new(), free());
        let config = home.file(
            "quarterdeck.toml",
            &format!(
                r#"
                {first}
                [gateway]
                listen = ["{gateway}"]
                [gateway.services.orders]
                versions = {{ v1 = "http://127.0.0.1:1" }}

                [deploy.services.orders]
                stable = "v1"
                drain = "5s"
                {runs}
                {PROBES}
                "#
            ),
        );
        let args = ["serve", "--listen", "127.0.0.1:0", "--config"].map(str::to_owned).into_iter();
        let args = args.chain([config.display().to_string()]).collect();
        Self { home, gateway, args }
    }

    pub(crate) fn serve(&self) -> Server {
        let server = self.begin();
        eventually("the stable version takes traffic", || self.ask().filter(|who| who == "v1"));
        server
    }

    /// What starts the console with a screen.
    pub(crate) fn screen(&self) -> Vec<&str> {
        self.args.iter().skip(1).map(String::as_str).collect()
    }

    /// Starts the console and waits for nothing more.
    pub(crate) fn begin(&self) -> Server {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.home.serve(&args)
    }

    /// Who answers; None if nobody does.
    pub(crate) fn ask(&self) -> Option<String> {
        answer(self.gateway)
    }

    pub(crate) fn deploy(&self, words: &[&str]) -> (i32, String, String) {
        self.home.run(&[&["deploy"], words].concat())
    }

    /// A strategy file.
    pub(crate) fn strategy(&self, name: &str, text: &str) -> String {
        self.home.file(name, text).display().to_string()
    }
}

/// The body of a good answer of the gateway.
pub(crate) fn answer(gateway: SocketAddr) -> Option<String> {
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
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    good: Arc<AtomicUsize>,
    bad: Arc<AtomicUsize>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn begin(gateway: SocketAddr) -> Self {
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
    pub(crate) fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("a thread that ends");
        }
        (self.good.load(Ordering::Relaxed), self.bad.load(Ordering::Relaxed))
    }
}

/// Does something while requests go on and every answer is counted: none may fail.
pub(crate) fn under_load<T>(f: &Fixture, what: &str, work: impl FnOnce() -> T) -> T {
    let load = Load::begin(f.gateway);
    let done = work();
    let (good, bad) = load.end();
    println!("{what}: {good} good answers, {bad} bad ones");
    assert_eq!(bad, 0, "{what}: of {good}");
    assert!(good > 50, "{what}: {good}");
    done
}
