//! Processes as the system knows them: who they are, how they ended, how they are told to end.
//!
//! A replica carries a tag in its environment, which its children inherit. A process id may be a stranger's by the time
//! that it is used; a tag cannot.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process, kill_process_group, pidfd_open, prlimit,
    setpriority_process,
};
use tokio::process::Child;
use uuid::Uuid;

use crate::config::LimitsConfig;

/// The variable that carries the tag.
pub(crate) const TAG: &str = "QUARTERDECK_REPLICA";

/// How often a process that is not this console's child is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    /// It was not this console's child.
    NotKnown,
}

impl Exit {
    pub(crate) fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) | Self::NotKnown => None,
        }
    }

    /// In words that go behind a name: "exited with code 1".
    pub(crate) fn words(self) -> String {
        match self {
            Self::Code(code) => format!("exited with code {code}"),
            Self::Signal(9) => "was killed (SIGKILL: by somebody, or for want of memory)".to_owned(),
            Self::Signal(signal) => match Signal::from_named_raw(signal) {
                Some(named) => format!("was ended by {}", name(named).unwrap_or("a signal")),
                None => format!("was ended by signal {signal}"),
            },
            Self::NotKnown => "ended (how is not known: an earlier console had started it)".to_owned(),
        }
    }
}

fn name(signal: Signal) -> Option<&'static str> {
    Some(match signal {
        Signal::TERM => "SIGTERM",
        Signal::INT => "SIGINT",
        Signal::HUP => "SIGHUP",
        Signal::ABORT => "SIGABRT",
        Signal::SEGV => "SIGSEGV",
        Signal::BUS => "SIGBUS",
        Signal::ILL => "SIGILL",
        Signal::FPE => "SIGFPE",
        Signal::PIPE => "SIGPIPE",
        Signal::QUIT => "SIGQUIT",
        Signal::TRAP => "SIGTRAP",
        Signal::XCPU => "SIGXCPU",
        Signal::XFSZ => "SIGXFSZ (a file grew too large)",
        _ => return None,
    })
}

/// The process of a replica.
#[derive(Debug)]
pub(crate) enum Main {
    /// This console started it.
    Child(Child),
    /// An earlier one did; the descriptor stays that process's even when its number is used again.
    Adopted(Pid, OwnedFd),
}

impl Main {
    /// Takes over a process that carries the tag. None if there is none.
    pub(crate) fn adopt(known: Option<(u32, u64)>, tag: Uuid) -> Option<Self> {
        let of_record = known.filter(|(pid, start)| is(*pid, *start, tag)).map(|(pid, _)| pid);
        // It was written down before it was started, and the console ended before it knew the number.
        let pid = of_record.or_else(|| tagged(tag).into_iter().map(raw).find(|pid| leads_group(*pid)))?;
        let start = start_time(pid)?;
        let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
        let descriptor = pidfd_open(number, PidfdFlags::empty()).ok()?;
        // Now that it is held, it is looked at again: between the two the number may have changed hands.
        if !is(pid, start, tag) {
            return None;
        }
        Some(Self::Adopted(number, descriptor))
    }

    /// Waits until it has ended. Nothing is lost when it is dropped while it waits.
    pub(crate) async fn wait(&mut self) -> Exit {
        match self {
            Self::Child(child) => match child.wait().await {
                Ok(status) => match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::NotKnown,
                },
                Err(error) => {
                    tracing::warn!(%error, "a process could not be waited for");
                    Exit::NotKnown
                }
            },
            Self::Adopted(_, descriptor) => {
                // It can be read from once it has ended; nobody but its parent is told.
                while !has_ended(descriptor) {
                    tokio::time::sleep(LOOK).await;
                }
                Exit::NotKnown
            }
        }
    }

    /// Its number, as long as it has not been waited for.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Child(child) => child.id(),
            Self::Adopted(pid, _) => Some(raw(*pid)),
        }
    }

    /// Signals it and what it has started in its group. Its number is its own: nobody has waited for it yet.
    pub(crate) fn signal(&self, signal: Signal) {
        let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) else { return };
        // Whoever has ended meanwhile is as wanted.
        let _ = kill_process_group(pid, signal);
    }
}

fn has_ended(descriptor: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(descriptor, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut watched, Some(&now)).is_ok_and(|ready| ready > 0)
}

fn raw(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// Fields of `/proc/PID/stat` behind the name, which may hold anything.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let behind = text.rsplit_once(')')?.1;
    Some(behind.split_whitespace().skip(1).map(|field| field.parse().unwrap_or(0)).collect())
}

/// When a process started, in the system's ticks since it did itself. With its number, names a process until the next start
/// of the machine.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    // Field 22; the first in the list is field 4.
    stat(pid)?.get(18).copied()
}

fn leads_group(pid: u32) -> bool {
    stat(pid).and_then(|fields| fields.get(1).copied()) == Some(u64::from(pid))
}

fn is(pid: u32, start: u64, tag: Uuid) -> bool {
    start_time(pid) == Some(start) && tag_of(pid) == Some(tag)
}

fn tag_of(pid: u32) -> Option<Uuid> {
    let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value =
        environ.split(|b| *b == 0).find_map(|pair| pair.strip_prefix(TAG.as_bytes())?.strip_prefix(b"="))?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The processes that carry a tag and have not ended, the oldest number first.
pub(crate) fn tagged(tag: Uuid) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found: Vec<u32> = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| tag_of(*pid) == Some(tag))
        .collect();
    found.sort_unstable();
    found.into_iter().filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).collect()
}

/// Signals every process that carries a tag, in a thread that may wait for the system. How many there were.
pub(crate) async fn signal_tagged(tag: Uuid, signal: Signal) -> usize {
    let signalled = tokio::task::spawn_blocking(move || {
        let found = tagged(tag);
        for pid in &found {
            // As above.
            let _ = kill_process(*pid, signal);
        }
        found.len()
    });
    signalled.await.unwrap_or(0)
}

/// Limits a process that has just been started. What could not be limited, in words.
pub(crate) fn limit(pid: u32, limits: &LimitsConfig) -> Vec<String> {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap_or(0));
    pid.map_or_else(Vec::new, |pid| limit_process(Some(pid), limits))
}

/// Limits this process. What could not be limited, in words.
pub(crate) fn limit_own(limits: &LimitsConfig) -> Vec<String> {
    limit_process(None, limits)
}

fn limit_process(pid: Option<Pid>, limits: &LimitsConfig) -> Vec<String> {
    let mut failed = Vec::new();
    for (what, resource, most) in [
        ("memory", Resource::Data, limits.memory),
        ("files", Resource::Nofile, limits.files),
        ("file_bytes", Resource::Fsize, limits.file_bytes),
    ] {
        if let Some(most) = most
            && let Err(error) = prlimit(pid, resource, Rlimit { current: Some(most), maximum: Some(most) })
        {
            failed.push(format!("limits.{what} is not in force: {error}"));
        }
    }
    if limits.nice > 0
        && let Err(error) = setpriority_process(pid, i32::from(limits.nice))
    {
        failed.push(format!("limits.nice is not in force: {error}"));
    }
    failed
}
