//! An incident written down: what is known of an alert and those told with it, as Markdown and JSON with charts as PNG, in a
//! directory of its own.

mod gather;
mod json;
mod markdown;
mod report;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quarterdeck_alerting::actions::{EXPORT, alert_of};
use quarterdeck_journal::dispatch::{BoxFuture, RegisterError, Unrecorded};
use quarterdeck_journal::{Execute, Failure, How, Registry};
use quarterdeck_kernel::{ActionSpec, ArgKind, ArgSpec, Danger, Invocation, Reason, Subject, SubjectKind};
use quarterdeck_panes::World;
use tokio::sync::watch;

use crate::answers::Sources;
use crate::live::Live;
use report::Incident;

/// Directories of one name that are tried.
const NAMES: usize = 1000;

/// What incidents are written down from.
#[derive(Clone)]
pub struct Desk {
    /// What is true now.
    pub worlds: watch::Receiver<Arc<World>>,
    /// Answers what is in no world: values over time, older entries.
    pub sources: Sources,
}

/// The action's spec.
pub fn specs() -> Vec<ActionSpec> {
    let to = ArgSpec {
        name: "to",
        description: "the directory that gets the incident's own; the console's working directory if not given",
        kind: ArgKind::Text,
        required: false,
    };
    vec![ActionSpec {
        id: EXPORT,
        title: "Export incident",
        description: "Writes what is known of an alert and those told with it to files: Markdown, JSON, charts as PNG.",
        subject: Some(SubjectKind::Alert),
        args: vec![to],
        danger: Danger::Safe,
        inverse: None,
    }]
}

/// Adds the action.
pub fn register(registry: &mut Registry, desk: &Live<Desk>) -> Result<(), RegisterError> {
    for spec in specs() {
        registry.register(spec, Arc::new(Export(desk.clone())))?;
    }
    Ok(())
}

struct Export(Live<Desk>);

impl Execute for Export {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        let desk = self.0.get()?;
        let Some(print) = subject.and_then(alert_of) else { return Ok(()) };
        let world = desk.worlds.borrow();
        match world.alerting.alerts.alert(print) {
            Some(_) => Ok(()),
            None => Err(Reason("there is no such alert any more".to_owned())),
        }
    }

    fn how(&self) -> How<'_> {
        // Nothing is changed but a directory that was not there before.
        How::Unrecorded(self)
    }
}

impl Unrecorded for Export {
    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let desk = self.0.get().map_err(|reason| Failure::Refused(reason.0))?;
            let missing =
                || Failure::Refused("an alert is named by its fingerprint: 16 hexadecimal digits".to_owned());
            let print = invocation.subject.as_ref().and_then(alert_of).ok_or_else(missing)?;
            let into =
                directory(invocation.args.get("to").map_or("", |to| to.trim())).map_err(Failure::Refused)?;
            let incident = gather::gather(&desk, print).await.map_err(Failure::Failed)?;
            let written = tokio::task::spawn_blocking(move || write(&incident, &into)).await;
            let (path, charts) = written
                .map_err(|e| Failure::Failed(format!("the incident could not be written: {e}")))?
                .map_err(Failure::Failed)?;
            let charts = match charts {
                0 => "no chart".to_owned(),
                1 => "1 chart".to_owned(),
                n => format!("{n} charts"),
            };
            Ok(format!("incident written to {} (incident.md, incident.json, {charts})", path.display()))
        })
    }
}

/// The directory that gets the incident's own, whole.
fn directory(to: &str) -> Result<PathBuf, String> {
    let here = std::env::current_dir().unwrap_or_else(|_| std::env::temp_dir());
    let path = if to.is_empty() { here } else { here.join(to) };
    if path.is_dir() {
        return Ok(path);
    }
    Err(format!("to is {}, which is not a directory: make it first, or name another", path.display()))
}

/// Writes the files into a directory that was not there before: where, and how many charts.
fn write(incident: &Incident, into: &Path) -> Result<(PathBuf, usize), String> {
    let told =
        |path: &Path, error: std::io::Error| format!("{} could not be written: {error}", path.display());
    let path = own_directory(into, &incident.name).map_err(|e| told(&into.join(&incident.name), e))?;
    let charts: Vec<_> =
        incident.charts.iter().filter_map(|chart| Some((chart, chart.png.as_ref()?))).collect();
    for (chart, png) in &charts {
        file(&path.join(&chart.file), png).map_err(|e| told(&path.join(&chart.file), e))?;
    }
    let json = path.join("incident.json");
    file(&json, json::text(incident).as_bytes()).map_err(|e| told(&json, e))?;
    let markdown = path.join("incident.md");
    file(&markdown, markdown::text(incident).as_bytes()).map_err(|e| told(&markdown, e))?;
    Ok((path, charts.len()))
}

fn own_directory(into: &Path, name: &str) -> std::io::Result<PathBuf> {
    for number in 1..=NAMES {
        let path = into.join(if number == 1 { name.to_owned() } else { format!("{name}-{number}") });
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("a thousand directories of that name are there already"))
}

fn file(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ever_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let first = own_directory(dir.path(), "incident-x").unwrap();
        let second = own_directory(dir.path(), "incident-x").unwrap();
        assert_eq!(second, dir.path().join("incident-x-2"));
        file(&first.join("a"), b"1").unwrap();
        assert!(file(&first.join("a"), b"2").is_err());
        assert_eq!(std::fs::read(first.join("a")).unwrap(), b"1");
    }

    #[test]
    fn a_directory_that_is_not_there_is_refused_by_name() {
        let refused = directory("/nowhere/at/all").unwrap_err();
        assert!(refused.contains("/nowhere/at/all") && refused.contains("make it first"), "{refused}");
    }
}
