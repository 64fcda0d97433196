//! `quarterdeck deploy`: rollouts from a shell, so that a pipeline can drive them.

mod check;
mod follow;
mod show;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use quarterdeck_deploy::actions;
use quarterdeck_deploy::model::{Outcome, Rollout};
use quarterdeck_kernel::action::{Done, Via};
use quarterdeck_kernel::time::parse_duration;
use quarterdeck_kernel::{Subject, SubjectKind};

use super::act::{Call, actor};
use super::client::Client;
use super::{say, say_exactly};
use crate::cli::{DeployCommand, Global, Operate, Output, Server};
use crate::exit::Failure;
use follow::Follow;

/// Where the console tells of rollouts.
const ROOT: &str = "/api/quarterdeck/v1/deploy";

/// Runs the command.
///
/// # Errors
/// When the words make no sense, no console answers, it refuses, or what was waited for did not go well.
pub async fn run(global: &Global, command: DeployCommand) -> Result<(), Failure> {
    use DeployCommand as C;
    let (action, service, args, operate) = match command {
        C::Start { service, version, strategy, commit_time, unplanned, operate } => {
            let mut args = vec![("version", version)];
            if let Some(strategy) = strategy {
                args.push(named_or_read(&strategy)?);
            }
            args.extend(commit_time.map(|time| ("commit_time", time)));
            args.extend(unplanned.then(|| ("unplanned", "yes".to_owned())));
            (actions::START, service, args, operate)
        }
        C::Promote { service, full, operate } => {
            let full = full.then(|| ("full", "yes".to_owned()));
            (actions::PROMOTE, service, full.into_iter().collect(), operate)
        }
        C::Skip { service, operate } => (actions::SKIP, service, Vec::new(), operate),
        C::Pause { service, operate } => (actions::FREEZE, service, Vec::new(), operate),
        C::Resume { service, operate } => (actions::RESUME, service, Vec::new(), operate),
        C::Abort { service, operate } => (actions::ABORT, service, Vec::new(), operate),
        C::Rollback { service, to, gradual, operate } => {
            let mut args: Vec<(&str, String)> = to.map(|to| ("to", to)).into_iter().collect();
            args.extend(gradual.then(|| ("gradual", "yes".to_owned())));
            (actions::ROLLBACK, service, args, operate)
        }
        C::Weight { service, weight, operate } => {
            (actions::WEIGHT, service, vec![("weight", weight.to_string())], operate)
        }
        C::Status { service, watch, timeout, server, output } => {
            return status(global, service, watch, timeout.as_deref(), &server, output).await;
        }
        C::History { service, limit, server, output } => {
            return history(global, service, limit, &server, output).await;
        }
        C::Check { files } => return check::run(&files),
    };
    operate_on(global, action, service, args, operate).await
}

/// A strategy as the console takes it: the text of a file, or a name that it knows.
fn named_or_read(strategy: &str) -> Result<(&'static str, String), Failure> {
    let path = Path::new(strategy);
    let looks_like_a_file =
        strategy.contains('/') || path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    if !looks_like_a_file && !path.is_file() {
        return Ok(("strategy", strategy.to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|e| {
        Failure::Usage(format!("--strategy {strategy}: {e}; write a file, or the name of a strategy"))
    })?;
    Ok(("document", text))
}

fn limit(timeout: Option<&str>) -> Result<Option<Duration>, Failure> {
    let read = |text: &str| parse_duration(text).map_err(|e| Failure::Usage(format!("--timeout: {e}")));
    timeout.map(read).transpose()
}

/// Whether what was wanted has come: for a way back, that the stable version has the traffic again.
fn is_good(action: &str, outcome: Outcome) -> bool {
    let back = matches!(action, actions::ABORT | actions::ROLLBACK);
    match outcome {
        Outcome::Promoted => true,
        Outcome::RolledBack | Outcome::Aborted => back,
        Outcome::Refused | Outcome::Failed => false,
    }
}

async fn operate_on(
    global: &Global,
    action: &'static str,
    service: String,
    args: Vec<(&'static str, String)>,
    operate: Operate,
) -> Result<(), Failure> {
    let timeout = limit(operate.timeout.as_deref())?;
    let client = Client::find(global, &operate.server)?;
    let args: BTreeMap<String, String> =
        args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let call = Call {
        action: action.to_owned(),
        subject: Some(Subject::new(SubjectKind::Service, service.clone())),
        args,
        reason: operate.reason,
        confirm: None,
        actor: actor(Via::Shell),
    };
    let done: Done = client.post_json("/api/quarterdeck/v1/act", &call).await?;
    match operate.output {
        Output::Table => say(&done.message),
        Output::Json => say_exactly(&serde_json::json!(done).to_string()),
    }
    if !operate.wait {
        return Ok(());
    }
    let mut follow = Follow::new(global, &operate.server, client, operate.output, timeout);
    let ended = follow.until_it_ends(&service).await?;
    let Some(rollout) = ended else {
        return Err(Failure::Failed(format!("the console no longer knows of a rollout of {service}")));
    };
    verdict(&rollout, |outcome| is_good(action, outcome))
}

/// The end of a rollout as the program's own.
fn verdict(rollout: &Rollout, is_good: impl Fn(Outcome) -> bool) -> Result<(), Failure> {
    let Some(outcome) = rollout.outcome else { return Ok(()) };
    if is_good(outcome) {
        return Ok(());
    }
    let told = format!("{}: {} {outcome}: {}", rollout.id, rollout.title(), rollout.message);
    Err(if outcome == Outcome::Refused { Failure::Refused(told) } else { Failure::Failed(told) })
}

async fn status(
    global: &Global,
    service: Option<String>,
    watch: bool,
    timeout: Option<&str>,
    server: &Server,
    output: Output,
) -> Result<(), Failure> {
    let timeout = limit(timeout)?;
    let client = Client::find(global, server)?;
    let status: show::Status = client.get_json(ROOT, &[]).await?;
    let known = |name: &String| status.services.iter().any(|s| s.name == *name);
    if let Some(name) = service.as_ref().filter(|name| !known(name)) {
        let names: Vec<&str> = status.services.iter().map(|s| s.name.as_str()).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(Failure::Usage(format!("{name:?} is not deployed by this console; services: {there}")));
    }
    let shown = |name: &str| service.as_deref().is_none_or(|wanted| wanted == name);
    match output {
        Output::Table => show::status(&status, shown).iter().for_each(|line| say(line)),
        Output::Json if !watch => {
            let path = service.as_ref().map_or_else(|| ROOT.to_owned(), |name| follow::path_of(name));
            let whole: serde_json::Value = client.get_json(&path, &[]).await?;
            say_exactly(&whole.to_string());
        }
        Output::Json => {}
    }
    if !watch {
        return Ok(());
    }
    let mut follow = Follow::new(global, server, client, output, timeout);
    let Some(name) = service else { return follow.all().await };
    match follow.until_it_ends(&name).await? {
        Some(rollout) => verdict(&rollout, |outcome| outcome == Outcome::Promoted),
        None => Ok(()),
    }
}

async fn history(
    global: &Global,
    service: Option<String>,
    limit: usize,
    server: &Server,
    output: Output,
) -> Result<(), Failure> {
    let client = Client::find(global, server)?;
    let mut query = vec![("limit", limit.to_string())];
    query.extend(service.clone().map(|name| ("service", name)));
    let path = format!("{ROOT}/history");
    if output == Output::Json {
        let rollouts: Vec<serde_json::Value> = client.get_json(&path, &query).await?;
        rollouts.iter().for_each(|rollout| say_exactly(&rollout.to_string()));
        return Ok(());
    }
    let rollouts: Vec<Rollout> = client.get_json(&path, &query).await?;
    let status: show::Status = client.get_json(ROOT, &[]).await?;
    let dora = match &service {
        Some(name) => status.services.iter().find(|s| s.name == *name).map(|s| &s.dora),
        None => Some(&status.dora),
    };
    show::history(&rollouts, dora).iter().for_each(|line| say(line));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_is_a_name_or_a_file() {
        assert_eq!(named_or_read("canary").unwrap(), ("strategy", "canary".to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("slow.yaml");
        std::fs::write(&file, "strategy: {}").unwrap();
        let found = named_or_read(file.to_str().unwrap()).unwrap();
        assert_eq!(found, ("document", "strategy: {}".to_owned()));
        let missing = named_or_read("no/such.yaml").unwrap_err();
        assert_eq!(missing.code(), 2);
        assert!(missing.to_string().contains("--strategy no/such.yaml: "), "{missing}");
    }

    #[test]
    fn the_end_of_a_rollout_is_good_or_bad_by_what_was_wanted() {
        for outcome in [Outcome::Promoted, Outcome::RolledBack, Outcome::Aborted] {
            assert!(is_good(actions::ROLLBACK, outcome), "{outcome}");
            assert_eq!(is_good(actions::START, outcome), outcome == Outcome::Promoted, "{outcome}");
        }
        assert!(!is_good(actions::ABORT, Outcome::Failed) && !is_good(actions::START, Outcome::Refused));
        assert_eq!(limit(Some("90s")).unwrap(), Some(Duration::from_secs(90)));
        assert_eq!(limit(Some("soon")).unwrap_err().code(), 2);
    }
}
