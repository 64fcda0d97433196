//! The real terminal, on a pseudo-terminal: whatever ends the program, the terminal is as it was.
//!
//! The program under test is this test binary itself, told by a variable what to do.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use quarterdeck_kernel::SystemClock;
use quarterdeck_ui::run::{Session, run};
use quarterdeck_ui::terminal::{Terminal, TerminalError, signals};
use tokio::sync::watch;

use crate::support::{Desk, Fake};

const ROLE: &str = "QUARTERDECK_TEST_TERMINAL";

/// Runs only as the child of the tests below.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ended = runtime.block_on(async {
        let mut desk = Desk::new(Fake::default());
        let mut terminal = match Terminal::enter(true) {
            Ok(terminal) => terminal,
            Err(error @ TerminalError::NotATerminal { .. }) => return error.to_string(),
            Err(error) => panic!("{error}"),
        };
        let (_worlds, seen) = watch::channel(Arc::new(Fake::default()));
        let (_inputs, taken) = tokio::sync::mpsc::channel(8);
        if role == "thread" {
            let panicked = std::thread::spawn(|| panic!("an engine failed")).join();
            assert!(panicked.is_err());
        }
        let session = Session {
            shell: &mut desk.shell,
            screen: &mut terminal,
            events: crossterm::event::EventStream::new(),
            signals: signals().expect("signals"),
            worlds: seen,
            inputs: taken,
            clock: &SystemClock,
        };
        let ended = run(session, |_| assert!(role != "panic", "it broke while running")).await;
        drop(terminal);
        format!("{ended:?}")
    });
    println!("ENDED {ended}");
}

struct Pty {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Vec<u8>>>,
    closed: mpsc::Receiver<()>,
    hang_up: Arc<AtomicBool>,
}

impl Pty {
    fn new(role: &str) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", "terminals::child", "--nocapture"]);
        command.env(ROLE, role);
        command.env("TERM", "xterm-256color");
        command.env("RUST_BACKTRACE", "0");
        let child = pair.slave.spawn_command(command).expect("the child starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (done, closed) = mpsc::channel();
        let hang_up = Arc::new(AtomicBool::new(false));
        let (into, leave) = (seen.clone(), hang_up.clone());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut chunk) {
                into.lock().expect("the lock").extend_from_slice(&chunk[..count]);
                if leave.load(Ordering::SeqCst) {
                    break;
                }
            }
            let _ = done.send(());
        });
        Self { master: Some(pair.master), writer: Some(writer), child, seen, closed, hang_up }
    }

    fn output(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("the lock")).into_owned()
    }

    fn screen(&self) -> String {
        let mut parser = vt100::Parser::new(24, 80, 0);
        parser.process(&self.seen.lock().expect("the lock"));
        parser.screen().contents()
    }

    fn wait_for(&self, what: &str) {
        let start = Instant::now();
        while !self.screen().contains(what) {
            assert!(start.elapsed() < Duration::from_secs(60), "{what:?} did not come:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn type_keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().expect("still open");
        writer.write_all(keys.as_bytes()).and_then(|()| writer.flush()).expect("keys are taken");
    }

    fn kill(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.process_id().expect("an id")).expect("an id");
        let pid = rustix::process::Pid::from_raw(id).expect("an id");
        rustix::process::kill_process(pid, signal).expect("it is there");
    }

    /// Waits for the end and returns everything that was written.
    fn end(mut self) -> String {
        let start = Instant::now();
        while self.child.try_wait().expect("it can be waited for").is_none() {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not end:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.closed.recv_timeout(Duration::from_millis(500));
        self.output()
    }
}

/// The terminal was taken over, and given back afterwards.
fn assert_restored(output: &str) {
    for (on, off) in [
        ("\x1b[?1049h", "\x1b[?1049l"),
        ("\x1b[?2004h", "\x1b[?2004l"),
        ("\x1b[?25l", "\x1b[?25h"),
        ("\x1b[?1000h", "\x1b[?1000l"),
    ] {
        let (taken, given) = (output.rfind(on), output.rfind(off));
        assert!(taken.is_some() && given > taken, "{on:?} was not taken back: {output:?}");
    }
}

#[test]
fn quitting_gives_the_terminal_back() {
    let mut pty = Pty::new("quit");
    pty.wait_for("services");
    pty.type_keys("gl");
    pty.wait_for("─ log ─");
    pty.type_keys("q");
    let output = pty.end();
    assert_restored(&output);
    assert!(output.contains("ENDED Quit"), "{output:?}");
    assert!(output.contains("\x1b[?2026h"), "frames are synchronised");
}

#[test]
fn signals_give_the_terminal_back() {
    use rustix::process::Signal;
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::HUP, "SIGHUP"), (Signal::INT, "SIGINT")] {
        let pty = Pty::new("signal");
        pty.wait_for("services");
        pty.kill(signal);
        let output = pty.end();
        assert_restored(&output);
        assert!(output.contains(name), "{output:?}");
    }
}

#[test]
fn a_stop_gives_the_terminal_back_and_continuing_takes_it_again() {
    use rustix::process::Signal;
    let mut pty = Pty::new("stop");
    pty.wait_for("services");
    pty.kill(Signal::TSTP);
    let start = Instant::now();
    while !pty.output().ends_with("\x1b[23;0t") {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not stop: {:?}", pty.output());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_restored(&pty.output());
    std::thread::sleep(Duration::from_millis(50));
    pty.seen.lock().expect("the lock").clear();
    pty.kill(Signal::CONT);
    pty.wait_for("services");
    pty.type_keys("q");
    assert_restored(&pty.end());
}

#[test]
fn without_a_shell_above_nothing_is_stopped() {
    let mut pty = Pty::new("alone");
    pty.wait_for("services");
    pty.type_keys("\x1a");
    pty.wait_for("not stopped: no shell started this console");
    pty.type_keys("q");
    assert_restored(&pty.end());
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_told() {
    let mut pty = Pty::new("panic");
    pty.wait_for("services");
    pty.type_keys("a");
    let output = pty.end();
    assert_restored(&output);
    let given = output.rfind("\x1b[?1049l").unwrap_or(0);
    assert!(output[given..].contains("it broke while running"), "{output:?}");
}

#[test]
fn a_panic_elsewhere_does_not_write_over_the_screen() {
    let mut pty = Pty::new("thread");
    pty.wait_for("services");
    pty.type_keys("q");
    let output = pty.end();
    assert_restored(&output);
    assert!(!output.contains("an engine failed"), "{output:?}");
}

#[test]
fn a_terminal_closed_mid_run_ends_the_program() {
    let mut pty = Pty::new("closed");
    pty.wait_for("services");
    pty.hang_up.store(true, Ordering::SeqCst);
    // Who reads holds the terminal open until something comes: the help does.
    pty.type_keys("?");
    (pty.master, pty.writer) = (None, None);
    let start = Instant::now();
    while pty.child.try_wait().expect("it can be waited for").is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_is_no_terminal_is_told_before_anything_is_touched() {
    let output = std::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "terminals::child", "--nocapture"])
        .env(ROLE, "pipe")
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("ENDED standard input is not a terminal: run quarterdeck in one"), "{told}");
    assert!(!told.contains('\x1b'), "{told:?}");
}
