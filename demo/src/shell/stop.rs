use std::io::Read;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::DemoError;

/// Cancels `stop` on SIGTERM or SIGINT and, with `parent_pipe`, when standard input ends.
///
/// The parent holds the other end of that pipe: however it dies, the system closes it.
pub(crate) fn watch(stop: &CancellationToken, parent_pipe: bool) -> Result<(), DemoError> {
    let refused = |source| DemoError::Io { doing: "watching signals", source };
    let mut terminate = signal(SignalKind::terminate()).map_err(refused)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refused)?;
    let on_signal = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        on_signal.cancel();
    });
    if parent_pipe {
        let on_end = stop.clone();
        std::thread::Builder::new()
            .name("parent-pipe".into())
            .spawn(move || {
                let mut stdin = std::io::stdin().lock();
                let mut buffer = [0; 256];
                loop {
                    match stdin.read(&mut buffer) {
                        Ok(0) => break,
                        Err(error) if error.kind() != std::io::ErrorKind::Interrupted => break,
                        Ok(_) | Err(_) => {}
                    }
                }
                on_end.cancel();
            })
            .map_err(|source| DemoError::Io { doing: "watching the parent", source })?;
    }
    Ok(())
}
