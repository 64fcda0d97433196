//! How things of a rollout stand: signs, roles, words.

use quarterdeck_deploy::model::{
    AnalysisPhase, Class, Outcome, Phase, ReplicaPhase, Rollout, ServiceView, StepStatus, VersionRole,
    VersionView,
};
use quarterdeck_deploy::strategy::StrategyKind;
use quarterdeck_widgets::{Glyph, Role};

/// Whether it waits in a pause.
pub(super) fn waits(rollout: &Rollout) -> bool {
    rollout.phase == Phase::Paused && rollout.frozen.is_none()
}

/// Whether the weight of a colour can be set.
pub(super) fn weighable(rollout: &Rollout) -> bool {
    matches!(rollout.strategy.kind, StrategyKind::BlueGreen(_))
}

pub(super) fn phase(phase: Phase) -> (Glyph, Role) {
    match phase {
        Phase::Validating | Phase::Starting | Phase::Progressing | Phase::Promoting | Phase::Draining => {
            (Glyph::Running, Role::Running)
        }
        Phase::Paused => (Glyph::Frozen, Role::Info),
        Phase::Frozen => (Glyph::Frozen, Role::Frozen),
        Phase::RollingBack => (Glyph::Running, Role::Warning),
        Phase::Healthy => (Glyph::Done, Role::Ok),
        Phase::Degraded => (Glyph::Failed, Role::Critical),
    }
}

pub(super) fn outcome(outcome: Option<Outcome>) -> (Glyph, Role, &'static str) {
    match outcome {
        Some(Outcome::Promoted) => (Glyph::Done, Role::Ok, "promoted"),
        Some(Outcome::RolledBack) => (Glyph::Failed, Role::Critical, "rolled back"),
        Some(Outcome::Aborted) => (Glyph::Failed, Role::Warning, "aborted"),
        Some(Outcome::Refused) => (Glyph::Missing, Role::Muted, "refused"),
        Some(Outcome::Failed) => (Glyph::Failed, Role::Critical, "failed"),
        None => (Glyph::Running, Role::Running, "running"),
    }
}

pub(super) fn step(status: StepStatus) -> (Glyph, Role) {
    match status {
        StepStatus::Waiting => (Glyph::Unknown, Role::Faint),
        StepStatus::Running => (Glyph::Ok, Role::Running),
        StepStatus::Done => (Glyph::Done, Role::Ok),
        StepStatus::Skipped => (Glyph::Arrow, Role::Muted),
        StepStatus::Failed => (Glyph::Failed, Role::Critical),
        StepStatus::Dropped => (Glyph::Missing, Role::Faint),
    }
}

pub(super) fn replica(phase: ReplicaPhase) -> (Glyph, Role) {
    match phase {
        ReplicaPhase::Unknown => (Glyph::Unknown, Role::Muted),
        ReplicaPhase::Starting => (Glyph::Unknown, Role::Running),
        ReplicaPhase::Ready => (Glyph::Ok, Role::Ok),
        ReplicaPhase::NotReady => (Glyph::Warning, Role::Warning),
        ReplicaPhase::Draining => (Glyph::Running, Role::Muted),
        ReplicaPhase::Exited { .. } => (Glyph::Critical, Role::Critical),
    }
}

/// How a version stands, and what it is to its service.
pub(super) fn version(version: &VersionView) -> (Glyph, Role, &'static str) {
    let word = match version.role {
        VersionRole::Stable => "stable",
        VersionRole::New => "new",
        VersionRole::Old => "kept",
        VersionRole::Stopped => return (Glyph::Missing, Role::Faint, "stopped"),
    };
    match version.ready {
        0 if version.share > 0 => (Glyph::Critical, Role::Critical, word),
        0 if version.wanted > 0 => (Glyph::Unknown, Role::Running, word),
        ready if ready < version.wanted => (Glyph::Warning, Role::Warning, word),
        _ => (Glyph::Ok, Role::Ok, word),
    }
}

/// How a service stands: its rollout if there is one, else its stable version.
pub(super) fn service(service: &ServiceView, rollout: Option<&Rollout>) -> (Glyph, Role, String) {
    if let Some(rollout) = rollout {
        let (glyph, role) = phase(rollout.phase);
        return (glyph, role, format!("{}, {}", rollout.title(), rollout.phase));
    }
    if !service.trouble.is_empty() {
        return (Glyph::Critical, Role::Critical, "in trouble".to_owned());
    }
    match &service.stable {
        Some(stable) => (Glyph::Ok, Role::Ok, format!("{stable} is stable")),
        None => (Glyph::Unknown, Role::Muted, "nothing runs yet".to_owned()),
    }
}

pub(super) fn analysis(phase: AnalysisPhase) -> (Glyph, Role) {
    match phase {
        AnalysisPhase::Pending => (Glyph::Unknown, Role::Faint),
        AnalysisPhase::Running => (Glyph::Running, Role::Running),
        AnalysisPhase::Successful => (Glyph::Done, Role::Ok),
        AnalysisPhase::Failed => (Glyph::Failed, Role::Critical),
        AnalysisPhase::Inconclusive => (Glyph::Warning, Role::Warning),
        AnalysisPhase::Error => (Glyph::Warning, Role::Critical),
        AnalysisPhase::Stopped => (Glyph::Missing, Role::Muted),
    }
}

pub(super) fn class(class: Class) -> (Glyph, Role) {
    match class {
        Class::Pass => (Glyph::Done, Role::Ok),
        Class::High | Class::Low => (Glyph::Failed, Role::Critical),
        Class::Nodata => (Glyph::Missing, Role::Muted),
        Class::Error => (Glyph::Warning, Role::Warning),
    }
}

/// A probability, as papers write it.
pub(super) fn probability(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}
