//! `quarterdeck import`: history from a file into the store of a console that does not run.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use quarterdeck_journal::DataDir;
use quarterdeck_kernel::{Clock as _, SystemClock, time};
use quarterdeck_metrics::exposition::Format;
use quarterdeck_metrics::import::{check, import};
use quarterdeck_metrics::{MetricsConfig, Store};

use super::say;
use crate::cli::{Global, ImportCommand};
use crate::config::Loaded;
use crate::exit::Failure;
use crate::paths::Paths;

/// Runs the command.
///
/// # Errors
/// When the file has a mistake (nothing is changed then), a console has the data directory, or the store cannot write.
pub fn run(global: &Global, command: &ImportCommand) -> Result<(), Failure> {
    let (path, format) = match command {
        ImportCommand::Openmetrics { file } => (file, Format::OpenMetrics),
        ImportCommand::Text { file } => (file, Format::Text),
    };
    let paths = Paths::new(global, "")?;
    let config = Loaded::start(global, &paths)?.config.metrics.clone();
    let data = DataDir::open(&paths.data_dir)
        .map_err(|e| Failure::Data(format!("{e}; history is imported while no console runs on it")))?;
    let mut file =
        File::open(path).map_err(|e| Failure::Failed(format!("{} cannot be read: {e}", path.display())))?;
    let wrong = |e: &dyn std::fmt::Display| Failure::NotRight(format!("{}: {e}", path.display()));
    let now = SystemClock.now();
    let latest = now.plus_millis(time::millis(config.future_limit));
    let found = check(&mut file, format, latest).map_err(|e| wrong(&e))?;
    let store = open(&data.join("metrics"), &config)?;
    let begun = Instant::now();
    let mut last = begun;
    let done = import(&mut file, format, &store, |samples| {
        if last.elapsed() > Duration::from_secs(2) {
            last = Instant::now();
            eprintln!("quarterdeck: {samples} of {} samples", found.samples);
        }
    })
    .map_err(|e| Failure::Failed(format!("{}: {e}", path.display())))?;
    let known = if done.known > 0 { format!(", {} were there already", done.known) } else { String::new() };
    let range = match (done.oldest, done.newest) {
        (Some(oldest), Some(newest)) => format!(" from {oldest} to {newest}"),
        _ => String::new(),
    };
    say(&format!("{} samples taken{known}{range} in {:.1} s", done.taken, begun.elapsed().as_secs_f64()));
    let cutoff = now.plus_millis(-time::millis(config.retention));
    if done.oldest.is_some_and(|oldest| oldest < cutoff) {
        eprintln!(
            "quarterdeck: samples before {cutoff} are older than [metrics] retention ({}) and will be deleted by the console: \
             raise it to keep them",
            time::format_duration(config.retention)
        );
    }
    Ok(())
}

fn open(folder: &Path, config: &MetricsConfig) -> Result<Store, Failure> {
    Store::open(folder, config.clone())
        .map_err(|e| Failure::Data(format!("the metrics store cannot be opened: {e}")))
}
