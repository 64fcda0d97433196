//! Starting a process: its command, its environment, where what it writes goes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use parking_lot::Mutex;
use quarterdeck_kernel::Clock;
use quarterdeck_kernel::time::SystemClock;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::system::TAG;
use super::template::{Values, fill};
use super::{Places, Settings, launcher};
use crate::config::{LimitsConfig, OutputConfig};
use crate::target::output::{Lines, Rotating, Source, Tail, appending};

/// What of this console's environment a process gets without asking.
const GIVEN: [&str; 8] = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR"];

/// The marks that a process carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks<'a> {
    pub(super) tag: Uuid,
    /// The keeper's variable and lease.
    pub(super) lease: Option<(&'a str, Uuid)>,
}

/// Starts a process. What it writes goes to pipes, or, if it outlives the console, to a file of its own.
///
/// # Errors
/// Why it could not be started, in words.
pub(super) fn spawn(
    settings: &Settings,
    Places { base, launcher, .. }: &Places,
    values: &Values<'_>,
    marks: Marks<'_>,
    log: &Path,
    tail: &Tail,
) -> Result<Child, String> {
    let process = &settings.process;
    let words: Vec<String> = process.command.iter().map(|word| fill(word, values)).collect();
    let (program, args) = words.split_first().ok_or("there is no command")?;
    let dir = match &process.dir {
        Some(dir) => base.join(fill(&dir.to_string_lossy(), values)),
        None => base.to_owned(),
    };
    if !dir.is_dir() {
        return Err(format!("there is no folder {}", dir.display()));
    }
    // A path with a folder in it begins at the folder of the process; a bare name is looked up in PATH.
    let path = if program.contains('/') { dir.join(program) } else { PathBuf::from(program) };
    let limits = Some(&process.limits).filter(|limits| **limits != LimitsConfig::default());
    let mut command = match (launcher, limits) {
        (Some(launcher), Some(limits)) => {
            let own = process.env.get("PATH").map(|path| OsString::from(fill(path, values)));
            if !launcher::finds(&path, own.or_else(|| std::env::var_os("PATH")).as_deref()) {
                return Err(format!("there is no program {}", path.display()));
            }
            let mut command = Command::new(launcher);
            command.args(launcher::words(limits)).arg(&path);
            command
        }
        _ => Command::new(&path),
    };
    command.args(args).current_dir(&dir).env_clear().stdin(Stdio::null()).process_group(0);
    let inherited = GIVEN.iter().copied().chain(process.inherit.iter().map(String::as_str));
    command.envs(inherited.filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs(process.env.iter().map(|(name, value)| (name, fill(value, values))));
    command.envs(process.secrets.iter().map(|(name, secret)| (name, secret.secret().expose())));
    command.env(TAG, marks.tag.to_string());
    if let Some((variable, lease)) = marks.lease {
        command.env(variable, lease.to_string());
    }
    if process.outlive {
        let file = log.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| appending(log));
        let files = file.and_then(|out| Ok((out.try_clone()?, out)));
        match files {
            Ok((out, err)) => drop(command.stdout(out).stderr(err)),
            Err(error) => {
                let text = format!("what it writes is lost: {}: {error}", log.display());
                tail.push(SystemClock.now(), Source::Console, text);
                command.stdout(Stdio::null()).stderr(Stdio::null());
            }
        }
    } else {
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    }
    command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no program {}", path.display()),
        std::io::ErrorKind::PermissionDenied => {
            format!("{} cannot be run: it is not executable, or not for this user", path.display())
        }
        _ => format!("{} cannot be started: {error}", path.display()),
    })
}

/// Takes what a process writes to its pipes, until it and all that it has started have closed them.
pub(super) fn read_pipes(
    child: &mut Child,
    log: &Path,
    output: &OutputConfig,
    tail: &Arc<Tail>,
) -> Vec<JoinHandle<()>> {
    let file = match Rotating::open(log, output.file_bytes, output.files) {
        Ok(file) => Some(file),
        Err(error) => {
            let text = format!("what it writes is kept in memory alone: {}: {error}", log.display());
            tail.push(SystemClock.now(), Source::Console, text);
            None
        }
    };
    let file = Arc::new(Mutex::new(file));
    let mut readers = Vec::new();
    if let Some(out) = child.stdout.take() {
        readers.push(tokio::spawn(read(out, Source::Out, Arc::clone(&file), Arc::clone(tail))));
    }
    if let Some(err) = child.stderr.take() {
        readers.push(tokio::spawn(read(err, Source::Err, file, Arc::clone(tail))));
    }
    readers
}

async fn read(
    mut pipe: impl AsyncRead + Unpin,
    source: Source,
    file: Arc<Mutex<Option<Rotating>>>,
    tail: Arc<Tail>,
) {
    let mut piece = vec![0; 16 << 10];
    let mut lines = Lines::default();
    while let Ok(count) = pipe.read(&mut piece).await {
        if count == 0 {
            break;
        }
        let now = SystemClock.now();
        let mut file = file.lock();
        if let Some(Err(error)) = file.as_mut().map(|file| file.write(&piece[..count])) {
            // The disk is full, or gone: from here on it is kept in memory alone.
            tail.push(now, Source::Console, format!("what it writes is kept in memory alone: {error}"));
            *file = None;
        }
        drop(file);
        lines.take(&piece[..count], |line| tail.push(now, source, line));
    }
    if let Some(line) = lines.last() {
        tail.push(SystemClock.now(), source, line);
    }
}
