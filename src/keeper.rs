//! The keeper: a small process of the same binary that cleans up when the console dies, however it dies.
//!
//! It is started first and holds the reading end of a pipe (its standard input). The console writes a lease before it
//! starts a child or a fault, and a release after the child has ended. When the pipe closes — the console quit, was
//! killed, or the machine's memory ran out — the keeper ends what is still leased, resumes what is stopped, and ends
//! itself. Where the console has a screen, the keeper also gives the terminal back if the console has not.
//!
//! A leased process is known by a marker in its environment, which its own children inherit: unlike a process id, a
//! marker cannot be reused by a stranger, and it is written down before the process exists, so that there is no
//! instant in which a child could be lost.

mod terminal;

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use terminal::Modes;

/// The environment variable that marks leased processes.
pub const MARKER: &str = "QUARTERDECK_LEASE";

/// How long leased processes have between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(3);

/// How long the terminal may take what gives it back. One that is stopped, or whose other end does not read, takes nothing.
const TERMINAL_GRACE: Duration = Duration::from_secs(2);

/// One line from the console to the keeper.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    /// From now on, processes with this marker end with the console.
    Lease(Uuid),
    /// The marker's processes have ended.
    Release(Uuid),
    /// The terminal is taken over; so it was before.
    Taken(Modes),
    /// The terminal is given back.
    Returned,
}

/// What is to be cleaned up.
#[derive(Debug, Default, PartialEq, Eq)]
struct Owed {
    leases: BTreeSet<Uuid>,
    /// The modes of a terminal that was taken over and not given back.
    terminal: Option<Modes>,
}

/// The console's side of the keeper.
pub struct Keeper {
    pipe: Mutex<Option<ChildStdin>>,
    child: Mutex<Option<Child>>,
}

impl Keeper {
    /// Starts the keeper process. To be called before anything that might need cleaning up. With a screen, the keeper
    /// shares this process's terminal, if it has one.
    ///
    /// # Errors
    /// When the binary cannot be started again.
    pub fn start(screen: bool) -> std::io::Result<Self> {
        let terminal = screen && std::io::stdout().is_terminal();
        let mut child = Command::new(std::env::current_exe()?)
            .arg("keeper")
            .stdin(Stdio::piped())
            .stdout(if terminal { Stdio::inherit() } else { Stdio::null() })
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = child.stdin.take();
        Ok(Self { pipe: Mutex::new(pipe), child: Mutex::new(Some(child)) })
    }

    /// Takes a lease: set [`MARKER`] to the returned value in the environment of what is started.
    ///
    /// # Errors
    /// When the keeper is gone: nothing may be started then.
    pub fn lease(&self) -> std::io::Result<Uuid> {
        let id = Uuid::new_v4();
        self.send(&Message::Lease(id))?;
        Ok(id)
    }

    /// Gives a lease back, after what it covered has ended.
    pub fn release(&self, lease: Uuid) {
        if let Err(error) = self.send(&Message::Release(lease)) {
            tracing::warn!(%error, "the keeper did not take a release");
        }
    }

    /// Tells that the terminal is about to be taken over, or has been given back.
    pub fn terminal(&self, taken: Option<Modes>) {
        let message = taken.map_or(Message::Returned, Message::Taken);
        if let Err(error) = self.send(&message) {
            tracing::warn!(%error, "the keeper does not know of the terminal");
        }
    }

    /// Closes the pipe and waits until the keeper has ended everything that is still leased.
    pub fn finish(&self) {
        self.pipe.lock().take();
        if let Some(mut child) = self.child.lock().take()
            && let Err(error) = child.wait()
        {
            tracing::warn!(%error, "the keeper could not be waited for");
        }
    }

    fn send(&self, message: &Message) -> std::io::Result<()> {
        let mut line = serde_json::to_string(message)?;
        line.push('\n');
        let mut pipe = self.pipe.lock();
        let pipe = pipe.as_mut().ok_or_else(|| std::io::Error::other("the keeper has ended"))?;
        pipe.write_all(line.as_bytes())?;
        pipe.flush()
    }
}

/// The keeper process: reads what is owed until the pipe closes, then cleans up.
pub fn run(input: impl BufRead) {
    // A session of its own: Ctrl-C and the closing of the terminal are the console's business, and a terminal that does not
    // control this session lets its modes be set from here. It fails only for a leader of a group, which has what it needs.
    let _ = rustix::process::setsid();
    let owed = read(input);
    let (told, returned) = mpsc::channel::<()>();
    if let Some(before) = owed.terminal {
        // In a thread of its own: what is leased must end even if the terminal takes nothing.
        std::thread::spawn(move || {
            // A terminal that is gone needs nothing.
            let _ = terminal::give_back(before, &mut std::io::stdout());
            drop(told);
        });
    } else {
        drop(told);
    }
    end(&owed.leases);
    let _ = returned.recv_timeout(TERMINAL_GRACE);
}

/// Ends every process under these leases.
fn end(leases: &BTreeSet<Uuid>) {
    if leases.is_empty() {
        return;
    }
    let begun = Instant::now();
    for pid in marked(leases) {
        // A stopped process acts on SIGTERM only once it goes on.
        signal(pid, Signal::TERM);
        signal(pid, Signal::CONT);
    }
    while begun.elapsed() < GRACE && !marked(leases).is_empty() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Processes may still be forking: go on until none is left, within reason.
    for _ in 0..50 {
        let left = marked(leases);
        if left.is_empty() {
            break;
        }
        for pid in left {
            signal(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn read(input: impl BufRead) -> Owed {
    let mut owed = Owed::default();
    // A line that was cut off by the console's death names what has not begun.
    for line in input.lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Message::Lease(id)) => {
                owed.leases.insert(id);
            }
            Ok(Message::Release(id)) => {
                owed.leases.remove(&id);
            }
            Ok(Message::Taken(before)) => owed.terminal = Some(before),
            Ok(Message::Returned) => owed.terminal = None,
            Err(_) => {}
        }
    }
    owed
}

fn signal(pid: Pid, signal: Signal) {
    // The process may have ended meanwhile: that is what was wanted.
    let _ = kill_process(pid, signal);
}

/// Processes that carry one of the markers and are not already dead (zombies have no environment left).
fn marked(leases: &BTreeSet<Uuid>) -> Vec<Pid> {
    let own = rustix::process::getpid();
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    processes
        .flatten()
        .filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
        .filter(|pid| *pid != own)
        .filter(|pid| {
            std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero()))
                .is_ok_and(|environ| lease_of(&environ).is_some_and(|id| leases.contains(&id)))
        })
        .collect()
}

/// The lease in a process's environment block (`NAME=value` separated by NUL).
fn lease_of(environ: &[u8]) -> Option<Uuid> {
    environ
        .split(|b| *b == 0)
        .find_map(|pair| pair.strip_prefix(MARKER.as_bytes())?.strip_prefix(b"="))
        .and_then(|value| std::str::from_utf8(value).ok()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owed_is_what_was_not_given_back_and_a_cut_line_is_ignored() {
        let (a, b) = (Uuid::new_v4(), Uuid::new_v4());
        let line = |m: &Message| serde_json::to_string(m).unwrap() + "\n";
        let modes: Modes =
            serde_json::from_str(r#"{"input":1,"output":2,"control":3,"local":4,"least":1,"wait":0}"#)
                .unwrap();
        let lease = |id| line(&Message::Lease(id));
        let mut text =
            lease(a) + &lease(b) + "nonsense\n" + &line(&Message::Taken(modes)) + &line(&Message::Release(a));
        let cut = text.clone() + "{\"lease\":\"12";
        assert_eq!(read(cut.as_bytes()), Owed { leases: BTreeSet::from([b]), terminal: Some(modes) });
        text += &line(&Message::Returned);
        assert_eq!(read(text.as_bytes()).terminal, None);
    }

    #[test]
    fn the_marker_is_found_in_an_environment_block() {
        let id = Uuid::new_v4();
        let block = format!("HOME=/\0{MARKER}={id}\0X=1\0");
        assert_eq!(lease_of(block.as_bytes()), Some(id));
        assert_eq!(lease_of(b"HOME=/\0"), None);
    }

    #[test]
    fn a_stopped_child_and_its_child_end_with_the_lease_and_strangers_live() {
        let lease = Uuid::new_v4();
        let script = "sleep 600 & wait";
        let spawn = |marker: Uuid| {
            Command::new("sh").args(["-c", script]).env(MARKER, marker.to_string()).spawn().unwrap()
        };
        let other = Uuid::new_v4();
        let (mut ours, mut stranger) = (spawn(lease), spawn(other));
        while marked(&BTreeSet::from([lease])).len() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = Pid::from_child(&ours);
        kill_process(pid, Signal::STOP).unwrap();
        end(&BTreeSet::from([lease]));
        assert!(marked(&BTreeSet::from([lease])).is_empty());
        ours.wait().unwrap();
        assert!(stranger.try_wait().unwrap().is_none(), "a process under another lease must live");
        end(&BTreeSet::from([other]));
        stranger.wait().unwrap();
    }
}
