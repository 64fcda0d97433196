//! Services and rollouts as lines of text.

use std::time::Duration;

use quarterdeck_deploy::model::{Dora, Elsewhere, Phase, ReplicaState, Rollout, StepStatus, share_of};
use quarterdeck_kernel::Timestamp;
use quarterdeck_kernel::time::format_duration;
use serde::Deserialize;

/// What the console tells of everything; what it tells beyond this is left out.
#[derive(Debug, Deserialize)]
pub(super) struct Status {
    /// When it was so.
    pub(super) taken: Timestamp,
    pub(super) services: Vec<Service>,
    pub(super) rollouts: Vec<Rollout>,
    pub(super) history: Vec<Rollout>,
    pub(super) dora: Dora,
    pub(super) freezes: Vec<Freeze>,
    /// The console that does the rollouts, when it is another one.
    #[serde(default)]
    pub(super) elsewhere: Option<Elsewhere>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) stable: Option<String>,
    pub(super) target: String,
    pub(super) outlives: bool,
    pub(super) versions: Vec<Version>,
    pub(super) dora: Dora,
    pub(super) trouble: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) share: u32,
    pub(super) wanted: u32,
    pub(super) ready: u32,
    pub(super) replicas: Vec<ReplicaState>,
    pub(super) rate: f64,
    pub(super) return_until: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Freeze {
    pub(super) reason: String,
    pub(super) services: Vec<String>,
    pub(super) until: Timestamp,
}

fn glyph(status: StepStatus) -> char {
    match status {
        StepStatus::Done => '✔',
        StepStatus::Running => '●',
        StepStatus::Failed => '✖',
        StepStatus::Skipped => '»',
        StepStatus::Dropped => '-',
        StepStatus::Waiting => '◌',
    }
}

/// To the second; what is shorter is "0s".
fn rough(duration: Duration) -> String {
    format_duration(Duration::from_secs(duration.as_secs()))
}

fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// Every service that is wanted, with what is under way.
pub(super) fn status(status: &Status, shown: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    if status.services.is_empty() {
        lines.push("no service is deployed by this console: name one in [deploy.services]".to_owned());
    }
    if let Some(elsewhere) = &status.elsewhere {
        lines.push(elsewhere.refusal());
    }
    for freeze in &status.freezes {
        if freeze.services.is_empty() || freeze.services.iter().any(|name| shown(name)) {
            let whom =
                if freeze.services.is_empty() { "everything".to_owned() } else { freeze.services.join(", ") };
            let why = if freeze.reason.is_empty() { String::new() } else { format!(": {}", freeze.reason) };
            lines.push(format!("{whom} frozen until {}{why}", freeze.until));
        }
    }
    for service in status.services.iter().filter(|service| shown(&service.name)) {
        of_service(service, status, &mut lines);
    }
    lines
}

fn of_service(service: &Service, status: &Status, lines: &mut Vec<String>) {
    let rollout = status.rollouts.iter().find(|rollout| rollout.service == service.name);
    let runs = match (service.target.as_str(), service.outlives) {
        ("external", _) => "run by somebody else",
        (_, true) => "processes that outlive the console",
        _ => "processes that end with the console",
    };
    let stable = service.stable.as_deref().unwrap_or("no version");
    lines.push(format!("{}  {stable}  ({runs})", service.name));
    if !service.trouble.is_empty() {
        lines.push(format!("  ! {}", service.trouble));
    }
    let width = service.versions.iter().map(|v| v.name.chars().count()).max().unwrap_or(0);
    for version in &service.versions {
        let until = version.return_until.filter(|until| *until > status.taken && version.share == 0);
        let until = until.map_or_else(String::new, |until| {
            format!("  can be returned to at once for {}", rough(until.since(status.taken)))
        });
        lines.push(format!(
            "  {:width$}  {:<7} {:>3} %  {}/{} ready  {:.1} requests/s{until}",
            version.name, version.role, version.share, version.ready, version.wanted, version.rate
        ));
        let troubled = version.replicas.iter().filter(|r| !r.phase.is_ready());
        for replica in troubled {
            let message =
                if replica.message.is_empty() { String::new() } else { format!(": {}", replica.message) };
            lines.push(format!("    {} {}{message}", replica.id, replica.phase));
        }
    }
    if let Some(rollout) = rollout {
        ladder(rollout, status.taken, lines);
    }
}

fn ladder(rollout: &Rollout, now: Timestamp, lines: &mut Vec<String>) {
    let why = if rollout.reason.is_empty() { String::new() } else { format!(", {}", rollout.reason) };
    lines.push(format!(
        "  {}: {}, {} ({} ago by {}{why})",
        rollout.id,
        rollout.title(),
        rollout.phase,
        rough(now.since(rollout.started)),
        rollout.actor
    ));
    let now = rollout.countdowns_at(now);
    for (index, step) in rollout.steps.iter().enumerate() {
        let left = step.until.filter(|until| step.status == StepStatus::Running && *until > now);
        let left = left.map_or_else(String::new, |until| format!("  {} left", rough(until.since(now))));
        let at = step.started.map_or_else(String::new, |at| format!("  {}", clock(at)));
        let message = if step.message.is_empty() { String::new() } else { format!("  {}", step.message) };
        lines.push(format!("    {} {:>2} {}{at}{left}{message}", glyph(step.status), index + 1, step.step));
    }
    for analysis in &rollout.analyses {
        let score = match &analysis.judge {
            Some(judge) if judge.has_data() => format!(", score {:.0}", judge.score),
            Some(_) if !analysis.phase.ended() => ", no data yet".to_owned(),
            _ => String::new(),
        };
        let message =
            if analysis.message.is_empty() { String::new() } else { format!(": {}", analysis.message) };
        lines.push(format!("    {} {}{score}{message}", analysis.name, analysis.phase));
        for metric in &analysis.metrics {
            lines.push(format!("      {} {}: {}", metric.name, metric.phase, metric.message));
        }
    }
    if !rollout.message.is_empty() {
        lines.push(format!("    {}", rollout.message));
    }
}

/// A rollout in one line, which changes when something happens and not by the clock.
pub(super) fn progress(rollout: &Rollout) -> String {
    let step = match rollout.step.and_then(|step| Some((step, rollout.steps.get(step)?))) {
        Some((index, step)) if !rollout.ended() => {
            format!(" {}/{} {}", index + 1, rollout.steps.len(), step.step)
        }
        _ => String::new(),
    };
    let shares: Vec<String> =
        rollout.shares.iter().map(|(name, share)| format!("{name} {share} %")).collect();
    let shares = if shares.is_empty() { String::new() } else { format!("  {}", shares.join(" ")) };
    let state = match rollout.outcome {
        Some(outcome) => outcome.to_string(),
        None => rollout.phase.to_string(),
    };
    let message = if rollout.message.is_empty() { String::new() } else { format!("  {}", rollout.message) };
    let wait =
        if rollout.phase == Phase::Paused && rollout.until.is_none() { ", waits for promote" } else { "" };
    format!("{}  {}  {state}{wait}{step}{shares}{message}", rollout.service, rollout.title())
}

/// Ended rollouts, newest first, and what they come to.
pub(super) fn history(rollouts: &[Rollout], dora: Option<&Dora>) -> Vec<String> {
    let mut lines: Vec<String> = rollouts
        .iter()
        .map(|rollout| {
            let took = rollout.ended.map_or_else(String::new, |ended| rough(ended.since(rollout.started)));
            let outcome = rollout.outcome.map_or_else(String::new, |outcome| outcome.to_string());
            let most = rollout.reached.max(share_of(&rollout.shares, &rollout.to));
            format!(
                "{}  {}  {}  {outcome} at {most} % after {took}  {}  {}",
                rollout.id,
                rollout.started,
                rollout.title(),
                rollout.actor,
                rollout.message
            )
        })
        .collect();
    if lines.is_empty() {
        lines.push("no rollout has ended yet".to_owned());
    }
    lines.extend(dora.map(measures));
    lines
}

/// DORA's five in a line; what is not known says so.
fn measures(dora: &Dora) -> String {
    let time = |time: Option<Duration>| time.map_or_else(|| "not known".to_owned(), rough);
    let rate =
        |rate: Option<f64>| rate.map_or_else(|| "not known".to_owned(), |r| format!("{:.0} %", r * 100.0));
    let frequency =
        dora.frequency.map_or_else(|| "not known".to_owned(), |frequency| format!("{frequency:.2} a day"));
    format!(
        "last {}: {} deployment{}, frequency {frequency}, lead time {}, change fail rate {}, recovery time {}, rework rate {}",
        rough(dora.window),
        dora.deployments,
        if dora.deployments == 1 { "" } else { "s" },
        time(dora.lead_time),
        rate(dora.fail_rate),
        time(dora.recovery),
        rate(dora.rework_rate)
    )
}

#[cfg(test)]
mod tests;
