//! From the first replica of the new version to the last rung of the ladder.

use quarterdeck_kernel::Severity;

use super::active::{Active, Poll};
use super::canary;
use super::input::Stage;
use crate::model::{AnalysisPhase, AnalysisPlace, Mirror, Phase, RoutedHeader, StepStatus};
use crate::replicas::{Side, routed, shared};
use crate::strategy::{Step, StrategyKind};

impl Active<'_> {
    /// The new version comes up; the checks before its first request follow.
    pub(super) fn starting(&mut self) -> bool {
        let need = match &self.r.strategy.kind {
            StrategyKind::Canary(kind) if self.r.from.is_some() => canary::first_need(self, kind),
            StrategyKind::Canary(_) => self.full(),
            StrategyKind::BlueGreen(kind) => {
                self.p.preview = kind.preview_replicas;
                self.counts().new
            }
            // The first that its limits allow; none when an old one has to go first.
            StrategyKind::Rolling(_) => self.counts().new.min(1),
        };
        if self.p.asked.is_none() && !self.p.smoked {
            let to = self.r.to.clone();
            match self.wait_for(&to, need) {
                Poll::Wait(_) => return false,
                Poll::Late(why) | Poll::Failed(why) => {
                    self.late(&why);
                    return true;
                }
                Poll::Done => {}
            }
            if self.r.strategy.checks.as_ref().is_some_and(Vec::is_empty) {
                self.p.smoked = true;
            } else {
                self.ask_checks(Stage::Started);
                return false;
            }
        }
        if let Some(asked) = self.p.asked
            && !self.p.smoked
        {
            if self.now < asked + self.r.strategy.progress_deadline {
                return false;
            }
            self.p.asked = None;
            self.fail("the checks before its first request gave no answer in time");
            return true;
        }
        self.set_phase(Phase::Progressing);
        self.r.step = Some(0);
        true
    }

    /// One step; whether there may be another turn.
    pub(super) fn stepping(&mut self) -> bool {
        let Some(at) = self.r.step else { return false };
        if self.p.held.is_some() {
            return false;
        }
        let Some(state) = self.r.steps.get(at) else {
            self.conclude();
            return true;
        };
        match state.status {
            StepStatus::Waiting => {
                self.begin_step(at);
                return true;
            }
            StepStatus::Running => {}
            StepStatus::Done | StepStatus::Skipped | StepStatus::Failed | StepStatus::Dropped => {
                self.r.step = Some(at + 1);
                return true;
            }
        }
        match self.poll_step(at) {
            Poll::Wait(until) => {
                self.r.steps[at].until = until;
                false
            }
            Poll::Done => {
                self.end_step(at, StepStatus::Done);
                true
            }
            Poll::Failed(why) => {
                self.fail(&why);
                true
            }
            Poll::Late(why) => {
                self.late(&why);
                true
            }
        }
    }

    fn begin_step(&mut self, at: usize) {
        let step = self.r.steps[at].step.clone();
        let (now, count) = (self.now, self.r.steps.len());
        let state = &mut self.r.steps[at];
        state.status = StepStatus::Running;
        state.started = Some(now);
        self.p.waiting = None;
        self.r.message = step.to_string();
        match &step {
            Step::Pause(duration) => {
                self.r.until = duration.map(|duration| now + duration);
                self.set_phase(Phase::Paused);
            }
            Step::Promote | Step::Switch => self.set_phase(Phase::Promoting),
            _ => self.set_phase(Phase::Progressing),
        }
        self.begin_background(at);
        self.tell(Severity::Info, format!("step {} of {count}: {step}", at + 1), true);
    }

    /// A step is over.
    pub(super) fn end_step(&mut self, at: usize, status: StepStatus) {
        if let Some(state) = self.r.steps.get_mut(at) {
            state.status = status;
            state.ended = Some(self.now);
            state.until = None;
        }
        self.p.step_run = None;
        self.r.step = Some(at + 1);
        self.set_phase(Phase::Progressing);
    }

    fn poll_step(&mut self, at: usize) -> Poll {
        match self.r.steps[at].step.clone() {
            Step::SetWeight(weight) => self.set_weight(weight.min(100)),
            Step::Pause(None) => Poll::Wait(None),
            Step::Pause(Some(duration)) => {
                let until = self.r.until.unwrap_or(self.now + duration);
                if self.now >= until { Poll::Done } else { Poll::Wait(Some(until)) }
            }
            Step::SetCanaryScale(scale) => {
                self.p.scale = Some(scale);
                let need = self.counts().new;
                let to = self.r.to.clone();
                self.wait_for(&to, need)
            }
            Step::SetHeaderRoute { name, headers } => {
                self.r.headers.retain(|route| route.name != name);
                let version = &self.r.to;
                self.r.headers.extend(headers.into_iter().map(|(header, value)| RoutedHeader {
                    name: name.clone(),
                    header,
                    value,
                    version: version.clone(),
                }));
                Poll::Done
            }
            Step::SetMirrorRoute { name, percent: Some(percent) } => {
                self.r.mirror = Some(Mirror { name, version: self.r.to.clone(), percent: percent.min(100) });
                Poll::Done
            }
            Step::SetMirrorRoute { name, percent: None } => {
                if self.r.mirror.as_ref().is_some_and(|mirror| mirror.name == name) {
                    self.r.mirror = None;
                }
                Poll::Done
            }
            Step::Analysis(spec) => self.analyse(&spec, at),
            Step::Preview(replicas) => {
                self.p.preview = replicas;
                let need = self.counts().new;
                let to = self.r.to.clone();
                self.wait_for(&to, need)
            }
            Step::Promote | Step::Switch => {
                self.p.preview = None;
                self.p.scale = None;
                self.set_weight(100)
            }
            Step::Replace => self.replace(),
        }
    }

    /// Replicas first, then traffic.
    fn set_weight(&mut self, weight: u32) -> Poll {
        self.p.goal = weight;
        let (full, to) = (self.full(), self.r.to.clone());
        let need = match &self.r.strategy.kind {
            StrategyKind::Canary(kind) => match &kind.shared {
                None => routed(full, weight, self.p.scale, kind.min_replicas),
                // What the table comes to in the end, not what it allows now.
                Some(limits) => at_rest(full, weight, limits),
            },
            StrategyKind::BlueGreen(_) | StrategyKind::Rolling(_) => full,
        };
        // No weight without a replica, whatever the scale says.
        let need = if weight == 0 { 0 } else { need.max(1) };
        match self.wait_for(&to, need) {
            Poll::Done => {}
            other => return other,
        }
        self.intend(weight);
        Poll::Done
    }

    /// The analysis of a step.
    fn analyse(&mut self, spec: &crate::strategy::AnalysisSpec, at: usize) -> Poll {
        let Some(id) = self.p.step_run.clone() else {
            return match self.begin_analysis(spec, AnalysisPlace::Step(at)) {
                Ok(id) => {
                    self.p.step_run = Some(id);
                    self.r.message = format!("analysis {} runs", spec.name);
                    self.run_analyses();
                    self.analyse(spec, at)
                }
                Err(why) => Poll::Failed(why),
            };
        };
        let Some((phase, message)) = self.r.analysis(&id).map(|state| (state.phase, state.message.clone()))
        else {
            self.p.step_run = None;
            return Poll::Failed("its analysis is gone".to_owned());
        };
        match phase {
            AnalysisPhase::Pending | AnalysisPhase::Running => Poll::Wait(None),
            AnalysisPhase::Successful => Poll::Done,
            AnalysisPhase::Failed | AnalysisPhase::Error => {
                Poll::Failed(format!("analysis {}: {message}", spec.name))
            }
            AnalysisPhase::Inconclusive => {
                self.hold(&format!("analysis {} is inconclusive: {message}", spec.name));
                Poll::Wait(None)
            }
            AnalysisPhase::Stopped => Poll::Failed(format!("analysis {} was stopped", spec.name)),
        }
    }

    /// Waits for a key although no step says so.
    pub(super) fn hold(&mut self, why: &str) {
        if self.p.held.is_some() {
            return;
        }
        self.p.held = Some(why.to_owned());
        self.r.until = None;
        self.set_phase(Phase::Paused);
        self.r.message = format!("{why}; promote goes on, abort takes it back");
        self.tell(Severity::Warning, format!("paused: {why}"), true);
    }
}

/// Replicas of the new version once two versions that share have come to rest.
fn at_rest(replicas: u32, weight: u32, limits: &crate::strategy::Rolling) -> u32 {
    let (mut old, mut new) = (Side::new(replicas, replicas), Side::default());
    for _ in 0..=2 * replicas {
        let next = shared(replicas, weight, limits, old, new, 0);
        (old, new) = (Side::new(next.old, next.old), Side::new(next.new, next.new));
    }
    new.wanted
}
