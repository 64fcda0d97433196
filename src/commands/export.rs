//! `quarterdeck export` and `quarterdeck backup`: samples out of a running console.

use std::io::{self, Write};
use std::path::Path;

use quarterdeck_kernel::action::{Done, Via};

use super::act::{Call, actor};
use super::client::Client;
use super::say;
use crate::cli::{BackupCommand, Export, Global};
use crate::exit::Failure;

/// Runs `export`: what comes is written as it comes.
///
/// # Errors
/// When no console answers, it refuses, or the answer is cut off: what was written is not whole then.
pub async fn run(global: &Global, export: Export) -> Result<(), Failure> {
    let client = Client::find(global, &export.server)?;
    let mut params: Vec<(&str, String)> = export.select.into_iter().map(|s| ("match[]", s)).collect();
    params.push(("format", export.format.as_str().to_owned()));
    params.extend(export.from.map(|t| ("start", t)));
    params.extend(export.to.map(|t| ("end", t)));
    let mut answer = client.stream("/api/quarterdeck/v1/export", &params).await?;
    let mut out: Box<dyn Write> = match &export.out {
        None => Box::new(io::stdout().lock()),
        Some(path) => Box::new(create(path)?),
    };
    loop {
        let piece = answer.chunk().await.map_err(|e| {
            Failure::Failed(format!("the export was cut off, what was written is not whole: {e}"))
        })?;
        let Some(piece) = piece else { break };
        match out.write_all(&piece) {
            Ok(()) => {}
            // Whoever read this has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::Failed(format!("the export cannot be written: {error}"))),
        }
    }
    out.flush().map_err(|error| Failure::Failed(format!("the export cannot be written: {error}")))
}

fn create(path: &Path) -> Result<std::fs::File, Failure> {
    std::fs::File::create(path)
        .map_err(|e| Failure::Failed(format!("{} cannot be written: {e}", path.display())))
}

/// Runs `backup`.
///
/// # Errors
/// When no console answers or the copy fails.
pub async fn backup(global: &Global, command: BackupCommand) -> Result<(), Failure> {
    let BackupCommand::Metrics { dir, server, reason } = command;
    let client = Client::find(global, &server)?;
    let directory = std::path::absolute(&dir)
        .map_err(|e| Failure::Usage(format!("{} is not a path: {e}", dir.display())))?
        .into_os_string()
        .into_string()
        .map_err(|_| Failure::Usage(format!("{} is not UTF-8: choose another directory", dir.display())))?;
    let call = Call {
        action: quarterdeck_metrics::actions::BACKUP.to_owned(),
        subject: None,
        args: [("directory".to_owned(), directory)].into(),
        reason,
        confirm: None,
        actor: actor(Via::Shell),
    };
    let done: Done = client.post_json("/api/quarterdeck/v1/act", &call).await?;
    say(&done.message);
    Ok(())
}
