//! What dialogs about deployments say: what will happen, in numbers.

use quarterdeck_deploy::model::{Rollout, ServiceView, StepStatus, VersionRole};
use quarterdeck_kernel::Invocation;
use quarterdeck_widgets::format;

use super::act::{ABORT, FREEZE, PROMOTE, RESUME, ROLLBACK, SKIP, START, WEIGHT};
use super::{asking, words};
use crate::World;

fn arg<'a>(invocation: &'a Invocation, name: &str) -> &'a str {
    invocation.args.get(name).map_or("", |text| text.trim())
}

fn named(invocation: &Invocation) -> &str {
    invocation.subject.as_ref().map_or("", |subject| &subject.id)
}

/// How a dialog about an action of deployment control is headed.
pub(crate) fn title(world: &World, invocation: &Invocation) -> Option<String> {
    let service = named(invocation);
    let version =
        || world.deploy.rollout_of(service).map_or("the new version", |rollout| rollout.to.as_str());
    Some(match invocation.action.as_str() {
        START => match arg(invocation, "version") {
            "" => format!("Roll out a version of {service}"),
            version => format!("Roll out {service} {version}"),
        },
        PROMOTE if arg(invocation, "full") == "yes" => {
            format!("Give {} of {service} all the traffic", version())
        }
        PROMOTE => format!("Go on with {} of {service}", version()),
        SKIP => format!("End the pause of {} of {service}", version()),
        FREEZE => format!("Freeze the rollout of {service}"),
        RESUME => format!("Go on with the rollout of {service}"),
        ABORT => format!("Abort the rollout of {service}"),
        ROLLBACK => match (arg(invocation, "to"), arg(invocation, "gradual")) {
            ("", "yes") => format!("Roll {service} back slowly"),
            ("", _) => format!("Roll {service} back"),
            (to, _) => format!("Roll {service} back to {to}"),
        },
        WEIGHT => format!("Set the weight of {} of {service}", arg(invocation, "version")),
        _ => return None,
    })
}

/// What an argument can be in this very case: the version to go back to, the colour to be weighed.
pub(crate) fn choices(
    world: &World,
    invocation: &Invocation,
    argument: &str,
) -> Option<Vec<(String, String)>> {
    if !matches!((invocation.action.as_str(), argument), (ROLLBACK, "to") | (WEIGHT, "version")) {
        return None;
    }
    let view = world.deploy.service(named(invocation))?;
    let weighed = invocation.action == WEIGHT;
    let known = view.versions.iter().filter(|version| !weighed || version.role != VersionRole::Stopped);
    let told = known.map(|version| {
        let word = words::version(version).2;
        (version.name.clone(), format!("{word}, {} % now, {} ready", version.share, version.ready))
    });
    Some(told.collect())
}

/// What an argument of a new rollout could be.
pub(crate) fn complete(world: &World, invocation: &Invocation, argument: &str) -> Vec<String> {
    if invocation.action != START {
        return Vec::new();
    }
    match argument {
        "strategy" => world.deploy.strategies.iter().map(|strategy| strategy.name.clone()).collect(),
        "version" => {
            let view = world.deploy.service(named(invocation));
            let versions = view.iter().flat_map(|view| &view.versions);
            versions.filter(|version| version.role != VersionRole::Stable).map(|v| v.name.clone()).collect()
        }
        _ => Vec::new(),
    }
}

/// What an invocation will do; None for what the engine itself says of it.
pub(crate) fn preview(world: &World, invocation: &Invocation) -> Option<Vec<String>> {
    if !invocation.action.starts_with("deploy.") {
        return None;
    }
    let engine = world.actions.preview(invocation);
    if !engine.is_empty() {
        return Some(engine);
    }
    let service = named(invocation);
    let view = world.deploy.service(service)?;
    let rollout = world.deploy.rollout_of(service);
    Some(match (invocation.action.as_str(), rollout) {
        (START, _) => {
            let told = asking::start(world, service, arg(invocation, "version"), arg(invocation, "strategy"));
            told.into_iter().map(|(line, _)| line).collect()
        }
        (ABORT, Some(rollout)) => back(view, rollout, rollout.from.as_deref()),
        (ROLLBACK, Some(rollout)) => {
            let to = arg(invocation, "to");
            back(view, rollout, if to.is_empty() { rollout.from.as_deref() } else { Some(to) })
        }
        (PROMOTE, Some(rollout)) => forward(view, rollout, arg(invocation, "full") == "yes"),
        _ => return None,
    })
}

/// Requests a second that a version takes now.
fn rate(view: &ServiceView, version: &str) -> String {
    let rate = view.versions.iter().find(|v| v.name == version).map_or(0.0, |v| v.rate);
    format::figure(rate)
}

/// Traffic goes back.
fn back(view: &ServiceView, rollout: &Rollout, to: Option<&str>) -> Vec<String> {
    let new = &rollout.to;
    let share = quarterdeck_deploy::model::share_of(&rollout.shares, new);
    let mut lines = vec![format!("{new} takes {share} % of the requests now, {} a second", rate(view, new))];
    let Some(to) = to else {
        lines.push("There is no version to go back to.".to_owned());
        return lines;
    };
    match view.versions.iter().find(|version| version.name == to) {
        Some(version) if version.ready > 0 => {
            let replicas =
                format!("{} of {} replicas ready", version.ready, version.wanted.max(version.ready));
            lines.push(format!(
                "All new requests will go to {to} ({replicas}); those under way end on {new}."
            ));
        }
        known => {
            let took = known.and_then(|version| version.last_start);
            let took = took
                .map(|took| format!("; the last time that took {}", format::span(took.as_millis() as i64)));
            lines.push(format!("{to} does not run: it is started first{}.", took.unwrap_or_default()));
        }
    }
    lines
}

/// The new version takes more.
fn forward(view: &ServiceView, rollout: &Rollout, full: bool) -> Vec<String> {
    let new = &rollout.to;
    let share = quarterdeck_deploy::model::share_of(&rollout.shares, new);
    let mut lines = vec![format!("{new} takes {share} % of the requests now, {} a second", rate(view, new))];
    let left: Vec<String> = rollout
        .steps
        .iter()
        .filter(|step| matches!(step.status, StepStatus::Waiting | StepStatus::Running))
        .map(|step| step.step.to_string())
        .collect();
    lines.push(match (full, left.as_slice()) {
        (true, []) => format!("{new} will take everything."),
        (true, left) => {
            format!("{new} will take everything; what is left of the steps is not done: {}.", left.join(", "))
        }
        (false, [_, next, ..]) => format!("The step that waits is done; next is {next}."),
        (false, _) => format!("It was the last step: {new} will take everything."),
    });
    lines
}
