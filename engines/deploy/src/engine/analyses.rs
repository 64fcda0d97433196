//! The analyses of a rollout: begun, asked on, and what their outcome means for it.

use std::time::Duration;

use quarterdeck_kernel::{Severity, Timestamp};

use super::active::Active;
use super::input::Effect;
use super::state::Progress;
use crate::analysis::{Arguments, Ask, Run, longest};
use crate::model::{AnalysisPhase, AnalysisPlace};
use crate::strategy::{AnalysisSpec, StrategyKind};

/// Analyses that are kept of one rollout; those that ran again after a freeze add up.
const MAX_ANALYSES: usize = 100;

/// What an analysis may take longer than its own account of it.
const GRACE: Duration = Duration::from_secs(60);

/// The end of an analysis of a step that has none of its own; files with such steps are refused.
const UNBOUND: Duration = Duration::from_secs(86_400);

impl Active<'_> {
    /// Begins an analysis; its id, or why it cannot begin.
    pub(super) fn begin_analysis(
        &mut self,
        spec: &AnalysisSpec,
        place: AnalysisPlace,
    ) -> Result<String, String> {
        self.p.next_run += 1;
        let id = format!("{}-a{}", self.r.id, self.p.next_run);
        let arguments = Arguments {
            service: self.s.name.clone(),
            stable: self.r.from.clone().unwrap_or_default(),
            latest: self.r.to.clone(),
            values: Vec::new(),
        };
        let run = Run::new(id.clone(), spec, place, &arguments, self.now)
            .map_err(|error| format!("analysis {} cannot begin: {error}", spec.name))?;
        self.r.analyses.push(run.state().clone());
        if self.r.analyses.len() > MAX_ANALYSES {
            self.r.analyses.remove(0);
        }
        if place != AnalysisPlace::Background {
            let limit = bound(spec).unwrap_or(UNBOUND);
            self.p.ends.insert(id.clone(), self.now + limit);
        }
        self.p.runs.insert(id.clone(), run);
        Ok(id)
    }

    /// Begins the analysis beside the steps when its step has come.
    pub(super) fn begin_background(&mut self, at: usize) {
        let StrategyKind::Canary(kind) = &self.r.strategy.kind else { return };
        let Some((spec, from)) = kind.background.clone() else { return };
        if self.p.background.is_some() || at < from {
            return;
        }
        match self.begin_analysis(&spec, AnalysisPlace::Background) {
            Ok(id) => self.p.background = Some(id),
            Err(why) => self.fail(&why),
        }
    }

    /// Asks what is due, and reacts to the analysis beside the steps; whether that changed the phase.
    pub(super) fn run_analyses(&mut self) -> bool {
        for (id, run) in &mut self.p.runs {
            if run.phase().ended() {
                continue;
            }
            for ask in run.poll(self.now) {
                let (service, rollout, analysis) = (self.s.name.clone(), self.r.id.clone(), id.clone());
                self.out.push(match ask {
                    Ask::Measure { metric, query } => {
                        Effect::Measure { service, rollout, analysis, metric, query }
                    }
                    Ask::Judge(request) => Effect::Judge { service, rollout, analysis, request },
                });
            }
            if self.p.ends.get(id).is_some_and(|end| self.now >= *end) {
                run.stop("it took longer than it can take", self.now);
            }
        }
        self.copy_states();
        let Some(id) = self.p.background.clone() else { return false };
        let Some(state) = self.r.analysis(&id) else { return false };
        let (phase, message, name) = (state.phase, state.message.clone(), state.name.clone());
        match phase {
            AnalysisPhase::Failed | AnalysisPhase::Error => {
                self.p.background = None;
                self.fail(&format!("analysis {name}: {message}"));
                true
            }
            AnalysisPhase::Inconclusive => {
                let before = self.p.held.is_some();
                self.hold(&format!("analysis {name} is inconclusive: {message}"));
                !before
            }
            _ => false,
        }
    }

    /// What runs know is what is shown; each new outcome is told.
    pub(super) fn copy_states(&mut self) {
        let mut told = Vec::new();
        for (id, run) in &self.p.runs {
            let Some(state) = self.r.analyses.iter_mut().find(|state| state.id == *id) else { continue };
            if !state.phase.ended() && run.phase().ended() && run.phase() != AnalysisPhase::Stopped {
                let why = &run.state().message;
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                let severity =
                    if run.phase() == AnalysisPhase::Successful { Severity::Info } else { Severity::Warning };
                told.push((severity, format!("analysis {} is {}{why}", run.state().name, run.phase())));
            }
            if state != run.state() {
                run.state().clone_into(state);
            }
        }
        for (severity, summary) in told {
            self.tell(severity, summary, false);
        }
    }

    /// Nobody needs them any more.
    pub(super) fn stop_analyses(&mut self, why: &str) {
        for run in self.p.runs.values_mut() {
            run.stop(why, self.now);
        }
        self.copy_states();
        self.p.runs.clear();
        self.p.ends.clear();
        self.p.step_run = None;
        self.p.background = None;
    }

    /// When analyses have something to do next.
    pub(super) fn analyses_wake(progress: &Progress) -> Option<Timestamp> {
        let due = |(id, run): (&String, &Run)| {
            let end = progress.ends.get(id).copied();
            if run.phase().ended() { None } else { run.next_wake().into_iter().chain(end).min() }
        };
        progress.runs.iter().filter_map(due).min()
    }
}

/// How long an analysis of a step takes at most, with what it is granted beyond its own account.
pub(crate) fn bound(spec: &AnalysisSpec) -> Option<Duration> {
    longest(spec).map(|longest| longest + GRACE)
}
