//! Clients that everybody has, unmodified, through the gateway of the built program: curl, wrk, h2load, a WebSocket client as a
//! browser is one, and http-sfv, which reads the fields of answers. Behind it is what a new user has at hand: two
//! `python3 -m http.server` processes, and ten lines of configuration. `tests/run` fetches what is not here.

mod curl;
mod fields;
mod load;
#[path = "../support/mod.rs"]
mod support;
mod websocket;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use support::peers::Peer;
use support::{Home, Server, eventually};

/// What the user writes.
const TEN_LINES: &str = r#"
[gateway]
listen = ["127.0.0.1:GATEWAY"]

[gateway.services.site]
versions = { v1 = "http://127.0.0.1:FIRST", v2 = "http://127.0.0.1:SECOND" }
split = { v1 = 100, v2 = 0 }
"#;

/// One service, of a program of this folder.
const ONE_SERVICE: &str = r#"
[gateway]
listen = ["127.0.0.1:GATEWAY"]
[gateway.services.files]
versions = { v1 = "http://127.0.0.1:PORT" }
"#;

/// The system's Python, if there is one.
fn python() -> Option<Command> {
    let here = Path::new("/usr/bin/python3").exists();
    if !here {
        eprintln!("SKIPPED: python3 is not here");
    }
    here.then(|| Command::new("/usr/bin/python3"))
}

/// Starts a Python program that says its port, as `http.server` does: the first number behind the word `port`.
fn listening(command: &mut Command) -> (Peer, u16) {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = spawned.expect("Python runs");
    let output = child.stdout.take().expect("its output");
    let peer = Peer(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).expect("its port");
    let mut words = line.split_whitespace().skip_while(|word| *word != "port").skip(1);
    let port = words.next().and_then(|word| word.parse().ok());
    (peer, port.unwrap_or_else(|| panic!("no port: {line:?}")))
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

/// A body of five megabytes that looks like nothing else.
fn large() -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    (0..5_000_000 / 4).flat_map(|_| next()).collect()
}

/// The gateway in front of whatever the test wants.
struct Gateway {
    home: Home,
    server: Server,
    /// `http://127.0.0.1:PORT`
    url: String,
    _behind: Vec<Peer>,
}

impl Gateway {
    /// `text` is the configuration; `GATEWAY` in it becomes the port.
    fn start(home: Home, behind: Vec<Peer>, text: &str) -> Self {
        let port = free();
        let text = text.replace("GATEWAY", &port.to_string());
        let config = home.file("quarterdeck.toml", &text).display().to_string();
        let (code, out, error) = home.run(&["check", &config]);
        assert_eq!(code, 0, "{out}{error}");
        let server = home.serve(&["serve", "--listen", "127.0.0.1:0", "--config", &config]);
        let gateway = Self { home, server, url: format!("http://127.0.0.1:{port}"), _behind: behind };
        eventually("the gateway listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        gateway
    }

    /// Two folders served by `python3 -m http.server`, as the words of it are on every machine.
    fn site() -> Option<Self> {
        let home = Home::new();
        let mut behind = Vec::new();
        let mut text = TEN_LINES.to_owned();
        for (name, word) in [("one", "FIRST"), ("two", "SECOND")] {
            std::fs::create_dir_all(home.path(name).join("folder")).expect("a folder");
            home.file(&format!("{name}/who"), name);
            home.file(&format!("{name}/folder/index.html"), "<p>a folder</p>");
            std::fs::write(home.path(name).join("large"), large()).expect("a file");
            let mut server = python()?;
            server.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]);
            let (peer, port) = listening(server.arg(home.path(name)));
            behind.push(peer);
            text = text.replace(word, &port.to_string());
        }
        assert!(text.trim().lines().count() <= 10, "{text}");
        Some(Self::start(home, behind, &text))
    }

    /// A Python program of this folder behind the gateway; `PORT` in the configuration is where it listens. `files` stand
    /// beside the configuration.
    fn before(script: &str, files: &[(&str, &str)], text: &str) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gateway_clients").join(script);
        let (peer, port) = listening(python()?.arg("-u").arg(script));
        let home = Home::new();
        for (name, text) in files {
            home.file(name, text);
        }
        Some(Self::start(home, vec![peer], &text.replace("PORT", &port.to_string())))
    }

    /// The sum of a counter of the gateway's over all series that have a part of a label in them.
    fn counted(&self, name: &str, part: &str) -> f64 {
        let (_, page) = self.server.get("/metrics");
        let ours = page.lines().filter(|l| l.starts_with(&format!("{name}{{")) && l.contains(part));
        ours.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}
