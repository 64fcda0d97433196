//! `quarterdeck timeline`: reading and verifying.

use quarterdeck_journal::store::{Db, Location};
use quarterdeck_journal::timeline;
use quarterdeck_kernel::{Clock, Entry, SystemClock};
use serde::Deserialize;

use super::client::Client;
use super::{say, say_exactly};
use crate::cli::{Global, Output, Server, TimelineCommand};
use crate::config::Loaded;
use crate::exit::Failure;
use crate::paths::Paths;

/// Runs the command.
///
/// # Errors
/// When there is nothing to read, or what was verified is not whole.
pub async fn run(global: &Global, command: TimelineCommand) -> Result<(), Failure> {
    match command {
        TimelineCommand::List { limit, service, server, output } => {
            list(global, limit, service, &server, output).await
        }
        TimelineCommand::Verify => verify(global).await,
    }
}

#[derive(Deserialize)]
struct Page {
    entries: Vec<Entry>,
}

async fn list(
    global: &Global,
    limit: usize,
    service: Option<String>,
    server: &Server,
    output: Output,
) -> Result<(), Failure> {
    let client = Client::find(global, server)?;
    let mut query = vec![("limit", limit.to_string())];
    query.extend(service.map(|name| ("service", name)));
    let page: Page = client.get_json("/api/quarterdeck/v1/timeline", &query).await?;
    for entry in page.entries {
        match output {
            Output::Json => say_exactly(&serde_json::json!(entry).to_string()),
            Output::Table => {
                let phase = match entry.phase {
                    quarterdeck_kernel::Phase::Done => String::new(),
                    other => format!(" [{}]", other.as_str()),
                };
                let reason = entry.reason.map(|r| format!(" ({r})")).unwrap_or_default();
                say(&format!(
                    "{}  {}  {:<14} {}{phase}{reason}  {}",
                    entry.id,
                    entry.at,
                    entry.kind.as_str(),
                    entry.summary,
                    entry.actor
                ));
            }
        }
    }
    Ok(())
}

/// Verifies the chain of a data directory, while a console runs on it or not: reading needs no lock.
async fn verify(global: &Global) -> Result<(), Failure> {
    let paths = Paths::new(global, "")?;
    let loaded = Loaded::start(global, &paths)?;
    let location = match loaded.config.store.postgres_url()? {
        Some(url) => Location::Postgres(url),
        None => Location::Sqlite(paths.data_dir.join("quarterdeck.db")),
    };
    if let Location::Sqlite(path) = &location
        && !path.exists()
    {
        return Err(Failure::Data(format!(
            "{} does not exist: no console has run with this data directory",
            path.display()
        )));
    }
    let opened =
        Db::open_read_only(&location, SystemClock.now()).await.map_err(|e| Failure::Data(e.to_string()))?;
    let report = timeline::verify(&opened, &paths.data_dir.join("timeline"))
        .await
        .map_err(|e| Failure::Data(e.to_string()))?;
    for chain in &report.chains {
        let state = if chain.problems.is_empty() { "whole" } else { "not whole" };
        println!("{}: {} entries, {state}", chain.writer, chain.entries);
    }
    for problem in report.problems() {
        println!("  {problem}");
    }
    if report.is_sound() { Ok(()) } else { Err(Failure::NotRight("the timeline is not whole".to_owned())) }
}
