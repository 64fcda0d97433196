//! Reading what a process writes to a file of its own, which outlives the console as the process does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Clock;
use quarterdeck_kernel::time::SystemClock;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::OutputConfig;
use crate::target::output::{Follow, Source, Tail};

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// How much of an older file is read when it is taken over.
const BACK: u64 = 64 << 10;

/// Where in the file to begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum From {
    /// Where the process does, which has just been started: taken before it was, for it may have died already.
    Start(u64),
    /// With its newest lines; it began there, under an earlier console.
    Newest(u64),
}

/// Follows the file until it is told that the process has ended, by the sender or by its end; then what is left is read, the
/// line without an end too. `cut` is called after the file was cut to nothing; it may block.
pub(super) fn follow(
    log: &Path,
    output: &OutputConfig,
    tail: &Arc<Tail>,
    from: From,
    cut: impl Fn() + Clone + Send + 'static,
) -> (JoinHandle<()>, oneshot::Sender<()>) {
    let (begin, back) = match from {
        From::Start(begin) => (begin, None),
        From::Newest(begin) => (begin, Some(BACK)),
    };
    let mut follow = Follow::new(log, output.file_bytes, output.files, begin, back);
    let (tail, log) = (Arc::clone(tail), log.to_owned());
    let (ended, mut end) = oneshot::channel();
    let task = tokio::spawn(async move {
        let (mut told, mut last) = (false, false);
        loop {
            let now = SystemClock.now();
            let (lines, cut) = (Arc::clone(&tail), cut.clone());
            let read = tokio::task::spawn_blocking(move || {
                let push = |line| lines.push(now, Source::Both, line);
                let result = follow.read(push);
                if let Ok(true) = result {
                    cut();
                }
                if last {
                    follow.last().into_iter().for_each(push);
                }
                (follow, result)
            });
            let Ok((again, result)) = read.await else { return };
            follow = again;
            if let Err(error) = result
                && !std::mem::replace(&mut told, true)
            {
                tail.push(now, Source::Console, format!("{}: {error}", log.display()));
            }
            if last {
                return;
            }
            last = tokio::time::timeout(LOOK, &mut end).await.is_ok();
        }
    });
    (task, ended)
}
