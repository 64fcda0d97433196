//! A rollout in full: its ladder, weights, versions side by side, verdicts, and what led to them.

use quarterdeck_deploy::model::{
    AnalysisState, CheckVerdict, Class, JudgeState, JudgedMetric, MetricState, Rollout, ServiceView,
    StepStatus, Verdict, VersionRole,
};
use quarterdeck_gateway::model::Traffic;
use quarterdeck_kernel::Timestamp;
use quarterdeck_widgets::{Glyph, Look, Role, format, text};

use super::{tree, words};
use crate::World;
use crate::lines::Details;

/// Measurements of a metric told at most.
const MEASURED: usize = 8;
/// Lines of the configuration's difference told at most.
const CHANGES: usize = 20;

fn padded(text: &str, width: usize) -> String {
    let cut = text::cut(text, width);
    let pad = width.saturating_sub(text::width(&cut));
    format!("{cut}{:pad$}", "")
}

fn left(at: Timestamp, now: Timestamp) -> String {
    format::countdown(at.as_millis() - now.as_millis())
}

/// Where it is, in a sentence.
pub(super) fn state(details: &mut Details, rollout: &Rollout, now: Timestamp) {
    let step = match (rollout.step, rollout.steps.len()) {
        (Some(step), of) => format!("step {} of {of}", (step + 1).min(of)),
        (None, _) => String::new(),
    };
    details.section(format!("{} · {}", rollout.service, rollout.title()), step);
    let (glyph, role) = words::phase(rollout.phase);
    details.glyph(glyph, role);
    details.more([(rollout.phase.as_str(), role)]);
    if let Some(until) = rollout.until.filter(|_| !rollout.ended()) {
        details.more([(&format!(", {} left", left(until, now)), Role::Text)]);
    }
    if let Some(outcome) = rollout.outcome {
        details.more([(&format!(": {outcome}"), role)]);
    }
    if !rollout.message.is_empty() {
        details.wrapped(&rollout.message, Role::Text, 5);
    }
    if let Some(freeze) = &rollout.frozen {
        let since = format::age(now.as_millis() - freeze.since.as_millis());
        let told = format!("Frozen for {since} by {}: {}. z goes on.", freeze.by, freeze.why);
        details.wrapped(&told, Role::Frozen, 3);
    }
}

/// The ladder: what is done, what is being done, what is to come and when.
pub(super) fn ladder(details: &mut Details, rollout: &Rollout, look: &Look, now: Timestamp) {
    const WHEN: usize = 8;
    const TOOK: usize = 10;
    let room = details.width().saturating_sub(2 + 4 + WHEN + TOOK + 2).max(10);
    let before = |place: usize| place.checked_sub(1).and_then(|at| rollout.steps.get(at));
    let now = rollout.countdowns_at(now);
    for (place, step) in rollout.steps.iter().enumerate() {
        let (glyph, role) = words::step(step.status);
        let when = match step.status {
            StepStatus::Waiting => before(place)
                .filter(|before| before.status == StepStatus::Running)
                .and_then(|before| before.until)
                .map(|until| format!("in {}", left(until, now)))
                .unwrap_or_default(),
            StepStatus::Skipped => "skipped".to_owned(),
            StepStatus::Dropped => "not done".to_owned(),
            _ => step.started.map(|at| look.clock(at)).unwrap_or_default(),
        };
        let took = match (step.started, step.ended, step.until) {
            (Some(from), Some(to), _) => format!("+{}", format::span(to.as_millis() - from.as_millis())),
            (Some(_), None, Some(until)) if step.status == StepStatus::Running => {
                format!("{} left", left(until, now))
            }
            _ => String::new(),
        };
        let name = match step.status {
            StepStatus::Running => Role::Text,
            StepStatus::Failed => Role::Critical,
            _ => Role::Muted,
        };
        details.glyph(glyph, role);
        details.more([
            (&format!("{:>2}  ", place + 1), Role::Faint),
            (&padded(&step.step.to_string(), room), name),
            (&format!(" {when:>WHEN$}"), Role::Muted),
            (&format!(" {took:>TOOK$}"), Role::Faint),
        ]);
        if !step.message.is_empty() && step.status != StepStatus::Done {
            details.wrapped(&format!("       {}", step.message), Role::Muted, 2);
        }
    }
}

/// A live bar for each version, beside the requests that it takes.
pub(super) fn weights(details: &mut Details, service: &ServiceView, now: Timestamp) {
    let shown: Vec<_> = service
        .versions
        .iter()
        .enumerate()
        .filter(|(_, version)| version.role != VersionRole::Stopped || version.share > 0)
        .collect();
    let name = shown.iter().map(|(_, v)| text::width(&v.name)).max().unwrap_or(0).min(16);
    let room = details.width().saturating_sub(name + 2 + 28).clamp(6, 50);
    for (place, version) in &shown {
        let bar = (f64::from(version.share) / 100.0 * room as f64).round() as usize;
        let bar = "━".repeat(if version.share > 0 { bar.max(1) } else { 0 });
        let ready = if version.ready < version.wanted { Role::Warning } else { Role::Muted };
        details.pieces([
            (&format!("{}  ", padded(&version.name, name)), Role::Text),
            (&padded(&bar, room), tree::series(*place)),
            (&format!(" {:>3} %", version.share), Role::Text),
            (&format!(" {:>8}", format!("{}/s", format::figure(version.rate))), Role::Text),
            (&format!(" {:>3}/{} ready", version.ready, version.wanted), ready),
        ]);
    }
    for (_, version) in shown {
        if let (VersionRole::Old, Some(until)) = (version.role, version.return_until) {
            let told = format!("{} is kept for {}: R returns to it at once.", version.name, left(until, now));
            details.wrapped(&told, Role::Info, 2);
        } else if let (VersionRole::Stable, 0, Some(took)) = (version.role, version.ready, version.last_start)
        {
            let took = format::span(took.as_millis() as i64);
            let told = format!("{} is not ready; the last time it took {took} to come up.", version.name);
            details.wrapped(&told, Role::Warning, 2);
        }
    }
}

/// What the gateway measures of both versions.
pub(super) fn beside(details: &mut Details, world: &World, rollout: &Rollout) {
    let Some(service) = world.gateway.service(&rollout.service) else { return };
    let of = |name: &str| service.versions.iter().find(|version| *version.name == *name);
    let (Some(stable), Some(new)) = (rollout.from.as_deref().and_then(of), of(&rollout.to)) else { return };
    details.section("side by side, at the gateway", "");
    details.pieces([
        (&padded("METRIC", 14), Role::Heading),
        (&format!("{:>9}", text::cut(&stable.name, 9)), Role::Heading),
        (&format!("{:>9}", text::cut(&new.name, 9)), Role::Heading),
    ]);
    type Read = fn(&Traffic) -> Option<f64>;
    let rows: [(&str, Read); 5] = [
        ("requests /s", |t| Some(t.rate)),
        ("errors %", |t| t.errors.map(|share| share * 100.0)),
        ("p50 ms", |t| t.p50.map(|seconds| seconds * 1e3)),
        ("p95 ms", |t| t.p95.map(|seconds| seconds * 1e3)),
        ("p99 ms", |t| t.p99.map(|seconds| seconds * 1e3)),
    ];
    for (name, read) in rows {
        let told = |traffic: &Traffic| read(traffic).map_or(format::UNKNOWN.to_owned(), format::figure);
        details.pieces([
            (&padded(name, 14), Role::Muted),
            (&format!("{:>9}", told(&stable.traffic)), Role::Text),
            (&format!("{:>9}", told(&new.traffic)), Role::Text),
        ]);
    }
}

/// The newest judgement, metric by metric.
pub(super) fn judge(
    details: &mut Details,
    rollout: &Rollout,
    judge: &JudgeState,
    look: &Look,
    explain: bool,
) {
    let (word, role) = match judge.verdict {
        Verdict::Pass => ("passes", Role::Ok),
        Verdict::Marginal => ("is marginal", Role::Warning),
        Verdict::Fail => ("fails", Role::Critical),
    };
    if !judge.has_data() && !rollout.ended() {
        details.section("judge", "no data yet");
        let told = format!(
            "Nothing was measured of {} metric{} yet; {} passes at a score of {}.",
            judge.metrics.len(),
            if judge.metrics.len() == 1 { "" } else { "s" },
            rollout.to,
            format::figure(judge.passes_at)
        );
        details.wrapped(&told, Role::Muted, 2);
        return;
    }
    let score =
        format!("score {}, passes at {}", format::figure(judge.score), format::figure(judge.passes_at));
    details.section(format!("judge: {} {word}", rollout.to), score);
    let room = details.width();
    let name = (room / 4).clamp(10, 22);
    let stable = rollout.from.as_deref().unwrap_or("stable");
    details.pieces([
        (&padded("METRIC", name), Role::Heading),
        (&format!("{:>7}", text::cut(stable, 7)), Role::Heading),
        (&format!("{:>7}  ", text::cut(&rollout.to, 7)), Role::Heading),
        ("VERDICT", Role::Heading),
    ]);
    for metric in &judge.metrics {
        let (glyph, verdict) = words::class(metric.class);
        let figure = |value: Option<f64>| value.map_or(format::UNKNOWN.to_owned(), format::figure);
        let title = match metric.unit.as_str() {
            "" => metric.name.clone(),
            unit => format!("{} {unit}", metric.name),
        };
        let critical = if metric.critical && role == Role::Critical { " (critical)" } else { "" };
        details.pieces([
            (&padded(&title, name), Role::Text),
            (&format!("{:>7}", figure(metric.stable)), Role::Muted),
            (&format!("{:>7}  ", figure(metric.canary)), Role::Text),
            (look.glyph(glyph), verdict),
            (&format!(" {}{critical}", found(metric)), verdict),
        ]);
        if explain {
            let effect =
                metric.effect.map(|e| format!("; {} times the mean", format::figure(e))).unwrap_or_default();
            let told = format!(
                "  {}; {} values of {stable}, {} of {}{effect}",
                metric.message, metric.values.0, metric.values.1, rollout.to
            );
            details.wrapped(&told, Role::Faint, 3);
        }
    }
    details.wrapped(&judge.message, role, if explain { 6 } else { 2 });
}

/// What the judge found of a metric, in a word or two beside its figures.
fn found(metric: &JudgedMetric) -> String {
    let p = metric.p_value.map(|p| format!(", {}", words::probability(p))).unwrap_or_default();
    match metric.class {
        Class::High => format!("higher{p}"),
        Class::Low => format!("lower{p}"),
        Class::Pass if metric.message.ends_with("which is allowed") => "allowed".to_owned(),
        Class::Pass => "no difference".to_owned(),
        Class::Nodata => "no data".to_owned(),
        Class::Error => "not measured".to_owned(),
    }
}

fn metric(details: &mut Details, metric: &MetricState, look: &Look, now: Timestamp, explain: bool) {
    let (glyph, role) = words::analysis(metric.phase);
    let mut counts = vec![format!("{} ok", metric.successful)];
    for (count, word) in
        [(metric.failed, "failed"), (metric.inconclusive, "inconclusive"), (metric.errors, "errors")]
    {
        if count > 0 {
            counts.push(format!("{count} {word}"));
        }
    }
    let dry = if metric.dry_run { " · counts for nothing" } else { "" };
    details.glyph(glyph, role);
    details.more([
        (&padded(&metric.name, 18), Role::Text),
        (&format!(" {}{dry}", counts.join(", ")), Role::Muted),
    ]);
    if !metric.message.is_empty() {
        details.wrapped(&format!("  {}", metric.message), Role::Muted, if explain { 4 } else { 2 });
    }
    if !explain {
        return;
    }
    let skipped = metric.measurements.len().saturating_sub(MEASURED);
    for measured in &metric.measurements[skipped..] {
        let (_, role) = words::analysis(measured.phase);
        details.pieces([
            (&format!("  {:>9} ", look.when(measured.at, now)), Role::Faint),
            (measured.phase.as_str(), role),
            (&format!(" {} {}", measured.value, measured.message), Role::Muted),
        ]);
    }
}

fn analysis(details: &mut Details, analysis: &AnalysisState, look: &Look, now: Timestamp, explain: bool) {
    details.section(format!("analysis {}", analysis.name), analysis.phase.as_str().to_owned());
    if !analysis.message.is_empty() {
        let (_, role) = words::analysis(analysis.phase);
        details.wrapped(&analysis.message, role, if explain { 6 } else { 2 });
    }
    for state in &analysis.metrics {
        metric(details, state, look, now, explain);
    }
}

/// Verdicts: the newest judgement, then the analyses, newest first; in full with every measurement.
pub(super) fn verdicts(details: &mut Details, rollout: &Rollout, look: &Look, now: Timestamp, explain: bool) {
    let newest = rollout.analyses.iter().rev().find_map(|analysis| analysis.judge.as_ref());
    if let Some(judgement) = newest {
        judge(details, rollout, judgement, look, explain);
    }
    for state in rollout.analyses.iter().rev().filter(|analysis| explain || !analysis.metrics.is_empty()) {
        analysis(details, state, look, now, explain);
    }
}

/// Who, why, how, what differs, what was checked.
pub(super) fn facts(details: &mut Details, rollout: &Rollout, look: &Look, now: Timestamp) {
    details.section("about it", rollout.id.clone());
    let by = format!("{}, {}", rollout.actor.user, look.near(rollout.started, now));
    details.field("started by", &by, Role::Text);
    if !rollout.reason.is_empty() {
        details.field("why", &rollout.reason, Role::Text);
    }
    let source = if rollout.strategy.source.is_empty() {
        rollout.strategy.name.clone()
    } else {
        format!("{} ({})", rollout.strategy.name, rollout.strategy.source)
    };
    details.field("strategy", &source, Role::Text);
    if let Some(undone) = &rollout.rollback_of {
        details.field("takes back", undone, Role::Text);
    }
    if let Some(ended) = rollout.ended {
        let took = format::span(ended.as_millis() - rollout.started.as_millis());
        details.field("ended", &format!("{}, after {took}", look.near(ended, now)), Role::Text);
    }
    for route in &rollout.headers {
        let told = format!("{}: {} goes to {}", route.header, route.value, route.version);
        details.field("header route", &told, Role::Text);
    }
    if let Some(mirror) = &rollout.mirror {
        details.field("mirror", &format!("{} % also to {}", mirror.percent, mirror.version), Role::Text);
    }
    for (key, value) in &rollout.metadata {
        let at = || value.parse().ok().map(Timestamp::from_millis);
        match key.as_str() {
            // By which the console finds what it began; nothing that an operator could check.
            "invocation" => {}
            "commit_time" => {
                let told = at().map_or_else(|| value.clone(), |at| look.near(at, now));
                details.field("committed", &told, Role::Muted);
            }
            "unplanned" => details.field("unplanned", "yes: it mends what a deployment broke", Role::Muted),
            _ => details.field(key, value, Role::Muted),
        }
    }
    if !rollout.checks.is_empty() {
        details.section("checks", "");
    }
    for check in &rollout.checks {
        let (glyph, role) = match check.verdict {
            CheckVerdict::Ok => (Glyph::Done, Role::Ok),
            CheckVerdict::Failed => (Glyph::Failed, Role::Critical),
            CheckVerdict::Skipped => (Glyph::Missing, Role::Muted),
        };
        details.glyph(glyph, role);
        details.more([(&padded(&check.name, 18), Role::Text), (&format!(" {}", check.message), Role::Muted)]);
    }
    if rollout.diff.is_empty() {
        return;
    }
    let settings = match rollout.diff.len() {
        1 => "1 setting".to_owned(),
        n => format!("{n} settings"),
    };
    details.section("what differs", settings);
    for change in rollout.diff.iter().take(CHANGES) {
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "(not set)".to_owned());
        let told = format!("{} → {}", side(&change.before), side(&change.after));
        details.field(&change.key, &told, Role::Text);
    }
    let more = rollout.diff.len().saturating_sub(CHANGES);
    if more > 0 {
        details.wrapped(&format!("and {more} more"), Role::Faint, 1);
    }
}

/// A service of which nothing is under way.
pub(super) fn service(details: &mut Details, world: &World, view: &ServiceView, look: &Look, now: Timestamp) {
    let (glyph, role, words) = words::service(view, None);
    let target = match (view.target, view.outlives) {
        ("process", true) => "processes that outlive the console",
        ("process", false) => "processes that end with the console",
        (other, _) => other,
    };
    details.section(view.name.clone(), target);
    details.glyph(glyph, role);
    details.more([(&words, role)]);
    if !view.trouble.is_empty() {
        details.wrapped(&view.trouble, Role::Critical, 4);
    }
    weights(details, view, now);
    details.field("replicas", &view.replicas.to_string(), Role::Text);
    if !view.strategy.is_empty() {
        details.field("strategy", &view.strategy, Role::Text);
    }
    let known: Vec<&str> = view
        .versions
        .iter()
        .filter(|version| version.role == VersionRole::Stopped)
        .map(|version| version.name.as_str())
        .collect();
    if !known.is_empty() {
        details.field("stopped", &known.join(", "), Role::Muted);
    }
    for freeze in
        world.deploy.freezes.iter().filter(|f| f.services.is_empty() || f.services.contains(&view.name))
    {
        let told = if freeze.from <= now {
            format!("no rollouts for {}: {}", left(freeze.until, now), freeze.reason)
        } else {
            format!("no rollouts {}: {}", format::ago(freeze.from, now), freeze.reason)
        };
        details.wrapped(&told, Role::Frozen, 2);
    }
    if let Some(last) = world.deploy.history.iter().find(|rollout| rollout.service == view.name) {
        let ended = last.ended.map(|at| look.near(at, now)).unwrap_or_default();
        let told = format!("{}, {} {ended}", last.title(), words::outcome(last.outcome).2);
        details.field("last rollout", &told, Role::Muted);
    }
}
