//! Programs that are started for a notification.

use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command as Process};

use crate::config::Command;
use crate::failure::{Failure, short};
use crate::render::Start;

/// How much of what a program says is kept, in bytes; the rest is read and dropped.
const MAX_OUTPUT: usize = 16 << 10;

/// The exit code that means: try again.
const TRY_AGAIN: i32 = 75;

/// Ends the program and what it started when it is dropped.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// Starts the program and waits for its end, within its time.
pub(crate) async fn run(command: &Command, start: Start) -> Result<(), Failure> {
    let mut process = Process::new(&command.program);
    process
        .args(&start.arguments)
        .envs(start.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let shown = command.program.display();
    let mut child =
        process.spawn().map_err(|error| Failure::never(format!("cannot start {shown}: {error}")))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    let mut group = Group(pid);
    let limit = std::time::Duration::from_secs(command.timeout_seconds.into());
    let ended = tokio::time::timeout(limit, talk(&mut child, start.input)).await;
    let Ok(ended) = ended else {
        return Err(Failure::later(format!("{shown} did not end within {} s", command.timeout_seconds)));
    };
    let (status, said) = ended.map_err(|error| Failure::later(format!("{shown}: {error}")))?;
    // It has been waited for: its number may be another's by now. What it left behind is its own.
    group.0 = None;
    if status.success() {
        return Ok(());
    }
    let said = if said.is_empty() { String::new() } else { format!(": {}", short(&said)) };
    let told = format!("{shown} ends with {status}{said}");
    Err(if status.code() == Some(TRY_AGAIN) { Failure::later(told) } else { Failure::never(told) })
}

async fn talk(child: &mut Child, input: Vec<u8>) -> std::io::Result<(std::process::ExitStatus, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program need not read it.
            let _ = stdin.write_all(&input).await;
        }
    };
    let listen = async move {
        match stderr {
            Some(stderr) => keep(stderr).await,
            None => String::new(),
        }
    };
    // A child of the program may hold the pipe open after it: what was said by its end is enough.
    let mut listen = std::pin::pin!(listen);
    let mut feed = std::pin::pin!(feed);
    let (mut said, mut fed) = (None, false);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            text = &mut listen, if said.is_none() => said = Some(text),
            () = &mut feed, if !fed => fed = true,
        }
    };
    let said = match said {
        Some(said) => said,
        None => tokio::time::timeout(std::time::Duration::from_millis(200), listen).await.unwrap_or_default(),
    };
    Ok((status, said))
}

async fn keep(mut from: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let room = MAX_OUTPUT - kept.len().min(MAX_OUTPUT);
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}
