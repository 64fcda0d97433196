//! Driving the built program: in a pseudo-terminal (keys in, screens out) or over its protocols.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of this")]

pub mod peers;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// The built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_quarterdeck");

/// How long anything that should happen may take on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A home of its own for one run of the program: nothing of the user's is read or written.
pub struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub fn new() -> Self {
        let dir =
            tempfile::Builder::new().prefix("quarterdeck-test").tempdir().expect("a temporary directory");
        for sub in ["config", "data", "run", "work"] {
            std::fs::create_dir_all(dir.path().join(sub)).expect("a directory");
        }
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and gives its path.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// The environment that leads the program here.
    pub fn environment(&self) -> Vec<(String, String)> {
        let at = |sub: &str| self.path(sub).display().to_string();
        vec![
            ("HOME".into(), self.dir.path().display().to_string()),
            ("XDG_CONFIG_HOME".into(), at("config")),
            ("XDG_DATA_HOME".into(), at("data")),
            ("XDG_STATE_HOME".into(), at("data")),
            ("XDG_RUNTIME_DIR".into(), at("run")),
            ("USER".into(), "ops-1".into()),
        ]
    }

    /// A command of the program in this home.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        for name in inherited() {
            command.env_remove(name);
        }
        command.args(args).envs(self.environment()).current_dir(self.path("work")).stdin(Stdio::null());
        command
    }

    /// Living processes of this home: the program itself, its keeper, and whatever they have started.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let marker = format!("HOME={}", self.dir.path().display());
        let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
        processes
            .flatten()
            .filter_map(|entry| {
                let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
                let environ = std::fs::read(entry.path().join("environ")).ok()?;
                let ours = environ.split(|b| *b == 0).any(|pair| pair == marker.as_bytes());
                let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                ours.then(|| (pid, String::from_utf8_lossy(&line).replace('\0', " ")))
            })
            .collect()
    }

    /// Waits until no process of this home is left.
    pub fn deserted(&self) {
        let begun = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "processes are left: {left:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a command to its end: exit code, standard output, standard error.
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let out = self.command(args).output().expect("the program runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
    }

    /// Starts a command that runs until it is dropped (killed) and waits until it is ready.
    pub fn serve(&self, args: &[&str]) -> Server {
        let stderr = std::fs::File::options().create(true).append(true).open(self.path("stderr"));
        let child = self
            .command(args)
            .stdout(Stdio::null())
            .stderr(stderr.expect("a file"))
            .spawn()
            .expect("the program runs");
        let mut server = Server { child, url: String::new(), token: String::new() };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some((url, token)) = self.beacon(server.child.id()) {
                (server.url, server.token) = (url, token);
                if server.get("/readyz").0 == 200 {
                    return server;
                }
            }
            if let Some(status) = server.child.try_wait().expect("a child") {
                panic!("the program ended at once: {status}\n{}", self.stderr());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the program is not ready after {PATIENCE:?}\n{}", self.stderr());
    }

    /// What running programs have written to standard error.
    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    /// Address and token of the console with this process id.
    pub fn beacon(&self, pid: u32) -> Option<(String, String)> {
        let path = find(&self.path("run"), &format!("console-{pid}.json"))
            .or_else(|| find(&self.path("data"), &format!("console-{pid}.json")))?;
        let value: serde_json::Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        Some((value["url"].as_str()?.to_owned(), value["token"].as_str()?.to_owned()))
    }
}

/// Variables of whoever runs the tests that would change what the program does.
fn inherited() -> Vec<String> {
    std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("QUARTERDECK_")).collect()
}

fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(dir).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        if path.is_dir() { find(&path, name) } else { path.ends_with(name).then_some(path) }
    })
}

/// A running program without a screen.
pub struct Server {
    pub child: Child,
    pub url: String,
    pub token: String,
}

impl Server {
    /// GET: status and body.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path, &[], b"")
    }

    /// GET of JSON.
    pub fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.get(path);
        serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path} answered {status}: {e}: {body}"))
    }

    /// The values of an instant query, by the printed labels.
    pub fn query(&self, promql: &str) -> Vec<(serde_json::Value, String)> {
        let encoded: String = promql.bytes().map(|b| format!("%{b:02x}")).collect();
        let answer = self.json(&format!("/api/v1/query?query={encoded}"));
        answer["data"]["result"]
            .as_array()
            .unwrap_or_else(|| panic!("{promql}: {answer}"))
            .iter()
            .map(|s| (s["metric"].clone(), s["value"][1].as_str().unwrap_or_default().to_owned()))
            .collect()
    }

    /// Any request, over a connection of its own, HTTP/1.1.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
        request(self.address(), method, path, headers, body)
    }

    /// The address that it listens on.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Calls an action with the token: status and body.
    pub fn act(&self, call: &serde_json::Value) -> (u16, String) {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.request("POST", "/api/quarterdeck/v1/act", &headers, call.to_string().as_bytes())
    }

    /// Entries of the timeline, newest first.
    pub fn timeline(&self) -> Vec<serde_json::Value> {
        let page = self.json("/api/quarterdeck/v1/timeline?limit=1000");
        page["entries"].as_array().unwrap_or_else(|| panic!("no entries: {page}")).clone()
    }

    /// Waits for the end: exit code, if it has one.
    pub fn wait(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "the program does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child that can be killed");
        self.child.wait().expect("a child");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .expect("a living child");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Any request to any host, over a connection of its own, HTTP/1.1: status and body, 0 if there was no whole answer.
pub fn request(host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let attempt = || -> std::io::Result<(u16, String)> {
        let mut stream = std::net::TcpStream::connect(host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("Host: {host}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Ok((status, if chunked { dechunk(body) } else { body.to_owned() }))
    };
    attempt().unwrap_or((0, String::new()))
}

/// Posts JSON to a console with its token: status and body.
pub fn call(url: &str, token: &str, path: &str, body: &serde_json::Value) -> (u16, String) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    request(url.trim_start_matches("http://"), "POST", path, &headers, body.to_string().as_bytes())
}

/// Calls an action of a console that may die at any moment: the status, 0 if there was no whole answer.
pub fn post(url: &str, token: &str, call: &serde_json::Value) -> u16 {
    let host = url.trim_start_matches("http://");
    let body = call.to_string();
    let attempt = || -> std::io::Result<u16> {
        let mut stream = std::net::TcpStream::connect(host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "POST /api/quarterdeck/v1/act HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        Ok(text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0))
    };
    attempt().unwrap_or(0)
}

fn dechunk(mut body: &str) -> String {
    let mut out = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 || rest.len() < size || !rest.is_char_boundary(size) {
            break;
        }
        out.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    out
}

/// Waits until `probe` gives something.
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    eventually_or(what, probe, String::new)
}

/// The same; when it never comes, `why` says what was seen instead.
pub fn eventually_or<T>(what: &str, mut probe: impl FnMut() -> Option<T>, why: impl Fn() -> String) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "still waiting after {PATIENCE:?}: {what}\n{}", why());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The program in a pseudo-terminal.
pub struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    raw: Arc<Mutex<Vec<u8>>>,
    writer: Box<dyn Write + Send>,
    pub child: Box<dyn portable_pty::Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    /// The terminal's modes before the program started.
    modes: String,
    reading: Option<std::thread::JoinHandle<()>>,
    closing: Arc<AtomicBool>,
    blind: Arc<AtomicBool>,
}

impl Terminal {
    /// Starts the program at a size.
    pub fn start(home: &Home, args: &[&str], columns: u16, rows: u16) -> Self {
        Self::start_with(home, args, columns, rows, &[])
    }

    /// Starts the program at a size with more environment.
    pub fn start_with(home: &Home, args: &[&str], columns: u16, rows: u16, more: &[(&str, &str)]) -> Self {
        Self::run(home, PROGRAM, args, columns, rows, more)
    }

    /// Starts another program (a shell) as if it were ours.
    pub fn run(
        home: &Home,
        program: &str,
        args: &[&str],
        columns: u16,
        rows: u16,
        more: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })
            .expect("a pseudo-terminal");
        let modes = modes(&*pair.master);
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(home.path("work"));
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.env_remove("NO_COLOR");
        command.env_remove("TMUX");
        command.env_remove("COLORFGBG");
        for name in inherited() {
            command.env_remove(name);
        }
        for (name, value) in home.environment() {
            command.env(name, value);
        }
        for (name, value) in more {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("the program runs");
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (drawn, bytes) = (Arc::clone(&screen), Arc::clone(&raw));
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let blind = Arc::new(AtomicBool::new(false));
        let unseen = Arc::clone(&blind);
        let reading = std::thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                if !unseen.load(Ordering::SeqCst) {
                    drawn.lock().expect("a lock").process(&chunk[..n]);
                }
                bytes.lock().expect("a lock").extend_from_slice(&chunk[..n]);
                if closed.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let writer = pair.master.take_writer().expect("a writer");
        let (master, reading) = (Some(pair.master), Some(reading));
        Self { screen, raw, writer, child, master, modes, reading, closing, blind }
    }

    /// Types text as it is (control characters included).
    pub fn send(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).expect("the terminal takes keys");
        self.writer.flush().expect("the terminal takes keys");
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        self.screen.lock().expect("a lock").screen().contents()
    }

    /// One row of the screen.
    pub fn row(&self, row: u16) -> String {
        let parser = self.screen.lock().expect("a lock");
        let columns = parser.screen().size().1;
        parser.screen().rows(0, columns).nth(row.into()).unwrap_or_default()
    }

    /// Colour of the ground at a place.
    pub fn ground(&self, row: u16, column: u16) -> vt100::Color {
        let parser = self.screen.lock().expect("a lock");
        parser.screen().cell(row, column).expect("a place on the screen").bgcolor()
    }

    /// Everything the program has written so far.
    pub fn raw(&self) -> Vec<u8> {
        self.raw.lock().expect("a lock").clone()
    }

    /// Waits until the screen shows something.
    pub fn wait_for(&self, what: &str) -> String {
        self.wait_until(what, |text| text.contains(what))
    }

    /// Waits until the screen fulfils a condition.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if condition(&text) {
                return text;
            }
            assert!(begun.elapsed() < PATIENCE, "still waiting after {PATIENCE:?}: {what}\n{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Takes the terminal through sizes, the last of which it keeps.
    ///
    /// What is drawn meanwhile is for sizes that are gone when it arrives, and the terminal of these tests does not bear
    /// that: it looks away, and has everything drawn anew at the end.
    pub fn resize(&mut self, sizes: impl IntoIterator<Item = (u16, u16)>, pause: Duration) {
        self.blind.store(true, Ordering::SeqCst);
        let mut last = (0, 0);
        for (columns, rows) in sizes {
            last = (columns, rows);
            let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
            self.master.as_ref().expect("an open terminal").resize(size).expect("the terminal takes a size");
            std::thread::sleep(pause);
        }
        // What was drawn for the sizes before has arrived when the program has been silent for a while.
        let mut seen = 0;
        while seen != self.raw().len() {
            seen = self.raw().len();
            std::thread::sleep(Duration::from_millis(200));
        }
        self.screen.lock().expect("a lock").screen_mut().set_size(last.1, last.0);
        self.blind.store(false, Ordering::SeqCst);
        self.send("\x0c");
    }

    /// The program's process.
    pub fn pid(&self) -> rustix::process::Pid {
        let id = self.child.process_id().and_then(|id| i32::try_from(id).ok()).expect("a living child");
        rustix::process::Pid::from_raw(id).expect("a process id")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("a living child");
    }

    /// Closes the terminal, as when its window is closed.
    pub fn close(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        self.master.take();
        self.writer = Box::new(std::io::sink());
        // The reader holds the terminal too: it leaves with the next thing that the program draws.
        if let Some(reading) = self.reading.take() {
            reading.join().expect("a reader that ends well");
        }
    }

    /// Waits for the end: exit code.
    pub fn wait(&mut self) -> u32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.exit_code();
            }
            assert!(begun.elapsed() < PATIENCE, "the program does not end\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the program has taken the terminal over.
    pub fn taken(&self) -> bool {
        !self.is_plain()
    }

    /// Whether the program, which has ended, has left the terminal as it found it: modes, alternate screen, cursor, bracketed
    /// paste, mouse. Its last words may still be on their way.
    pub fn restored(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if self.is_plain() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn is_plain(&self) -> bool {
        let parser = self.screen.lock().expect("a lock");
        let screen = parser.screen();
        self.master.as_ref().is_none_or(|master| modes(&**master) == self.modes)
            && !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
            && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
    }
}

/// The modes of a terminal (raw, echo, …), to be compared.
fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
