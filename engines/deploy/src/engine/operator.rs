//! What operators want.

use quarterdeck_kernel::{Actor, Severity};

use super::active::Active;
use super::input::Refusal;
use crate::model::{Phase, StepStatus};
use crate::strategy::{Gradual, Step, StrategyKind};

impl Active<'_> {
    fn not_now(&self, what: &'static str, advice: &'static str) -> Refusal {
        Refusal::NotNow { what, service: self.s.name.clone(), phase: self.r.phase.to_string(), advice }
    }

    /// Goes on from a wait, or to the end.
    pub(super) fn promote(&mut self, full: bool, by: &Actor) -> Result<(), Refusal> {
        match self.r.phase {
            Phase::Validating => {
                return Err(self.not_now("there is nothing to promote yet", "its checks are still running"));
            }
            Phase::RollingBack | Phase::Draining | Phase::Healthy | Phase::Degraded => {
                return Err(self.not_now("there is nothing to promote", "start it anew once it has ended"));
            }
            Phase::Frozen => self.thaw(),
            Phase::Starting | Phase::Progressing | Phase::Paused | Phase::Promoting => {}
        }
        self.p.held = None;
        if full {
            self.tell_by(
                Severity::Warning,
                "promoted in full: its steps are skipped".to_owned(),
                Some(by.clone()),
                true,
            );
            self.stop_analyses("the rollout was promoted in full");
            let last = |step: &Step| matches!(step, Step::Promote | Step::Switch | Step::Replace);
            for state in &mut self.r.steps {
                if matches!(state.status, StepStatus::Waiting | StepStatus::Running | StepStatus::Failed)
                    && !last(&state.step)
                {
                    state.status = StepStatus::Skipped;
                    state.ended = Some(self.now);
                    state.until = None;
                }
            }
            if self.r.phase == Phase::Paused {
                self.set_phase(Phase::Progressing);
            }
            return Ok(());
        }
        let Some(at) = self.r.step else {
            return Err(self.not_now("nothing waits to be promoted", "promote it in full to skip its steps"));
        };
        match self.r.steps.get(at).map(|state| &state.step) {
            Some(Step::Pause(_) | Step::Analysis(_)) => {
                self.tell_by(
                    Severity::Info,
                    format!("step {} was ended by key", at + 1),
                    Some(by.clone()),
                    true,
                );
                self.skip_step(at);
                Ok(())
            }
            // It was held by the analysis beside the steps, or was frozen: it goes on.
            _ if self
                .p
                .background
                .as_ref()
                .and_then(|id| self.r.analysis(id))
                .is_some_and(|a| a.phase.ended()) =>
            {
                self.p.background = None;
                self.set_phase(Phase::Progressing);
                Ok(())
            }
            _ => Err(self.not_now("nothing waits to be promoted", "promote it in full to skip its steps")),
        }
    }

    /// Ends the step, and the analysis in it.
    fn skip_step(&mut self, at: usize) {
        if let Some(id) = self.p.step_run.take()
            && let Some(run) = self.p.runs.get_mut(&id)
        {
            run.stop("skipped by key", self.now);
        }
        self.copy_states();
        // An analysis beside the steps that held the rollout does so no more.
        if self.p.background.as_ref().and_then(|id| self.r.analysis(id)).is_some_and(|a| a.phase.ended()) {
            self.p.background = None;
        }
        let waited = matches!(self.r.steps[at].step, Step::Pause(None));
        self.end_step(at, if waited { StepStatus::Done } else { StepStatus::Skipped });
    }

    /// Ends the pause.
    pub(super) fn skip_pause(&mut self, by: &Actor) -> Result<(), Refusal> {
        let at = self
            .r
            .step
            .filter(|at| matches!(self.r.steps.get(*at).map(|state| &state.step), Some(Step::Pause(_))));
        match (self.r.phase, at) {
            (Phase::Paused, Some(at)) if self.p.held.is_none() => {
                self.tell_by(
                    Severity::Info,
                    format!("the pause of step {} was skipped", at + 1),
                    Some(by.clone()),
                    true,
                );
                self.skip_step(at);
                Ok(())
            }
            (Phase::Frozen, _) => Err(self.not_now("there is no pause to skip", "resume it first")),
            _ => Err(self.not_now("there is no pause to skip", "promote goes on where it waits for a key")),
        }
    }

    /// Stands still.
    pub(super) fn freeze_by(&mut self, why: &str, by: &Actor) -> Result<(), Refusal> {
        match self.r.phase {
            Phase::Frozen => Err(self.not_now("it stands still already", "resume goes on")),
            Phase::Draining | Phase::Healthy | Phase::Degraded => {
                Err(self.not_now("there is nothing to freeze", "its traffic has been moved"))
            }
            Phase::RollingBack if self.p.back.as_ref().is_none_or(|back| back.gradual.is_none()) => Err(self
                .not_now(
                    "there is nothing to freeze",
                    "traffic goes back as soon as the stable version is ready",
                )),
            _ => {
                let why = if why.is_empty() { "no reason given" } else { why };
                self.tell_by(Severity::Warning, format!("frozen: {why}"), Some(by.clone()), false);
                self.freeze(why, &by.user, false);
                Ok(())
            }
        }
    }

    /// Goes on after a freeze.
    pub(super) fn resume(&mut self, by: &Actor) -> Result<(), Refusal> {
        if self.r.phase != Phase::Frozen {
            return Err(self.not_now("it is not frozen", "promote goes on where it waits for a key"));
        }
        self.thaw();
        self.tell_by(Severity::Info, "goes on after a freeze".to_owned(), Some(by.clone()), true);
        Ok(())
    }

    /// The time that it stood still does not count; what failed is tried again.
    fn thaw(&mut self) {
        let Some(freeze) = self.r.frozen.take() else { return };
        let stood = self.now.since(freeze.since);
        for at in [&mut self.p.waiting, &mut self.p.unready, &mut self.p.until] {
            *at = at.map(|at| at + stood);
        }
        for end in self.p.ends.values_mut() {
            *end = *end + stood;
        }
        if let Some(back) = &mut self.p.back {
            back.next = back.next.map(|next| next + stood);
        }
        // What checks answered meanwhile was not heard.
        self.p.asked = None;
        self.set_phase(freeze.was);
        self.r.until = self.p.until.take();
        self.account();
        if let Some(state) = self.r.step.and_then(|at| self.r.steps.get_mut(at)) {
            state.until = state.until.map(|until| until + stood);
            if state.status == StepStatus::Failed {
                state.status = StepStatus::Running;
                state.message.clear();
                self.p.step_run = None;
            }
        }
        if freeze.failure {
            self.p.waiting = None;
            self.p.unready = None;
            self.p.smoked |= self.r.step.is_some();
            let replicas = self.s.versions.get(&self.r.to).map(|v| v.replicas.as_slice()).unwrap_or_default();
            self.p.crashes = replicas.iter().map(|r| (r.id.clone(), r.restarts)).collect();
            let at = self.r.step;
            if let (Some(at), None) = (at, &self.p.background) {
                self.begin_background(at);
            }
        }
        self.r.message = self
            .r
            .step
            .and_then(|at| self.r.steps.get(at))
            .map_or_else(|| self.r.phase.to_string(), |state| state.step.to_string());
    }

    /// Takes it back.
    pub(super) fn abort(&mut self, why: &str, by: &Actor, gradual: Option<Gradual>) -> Result<(), Refusal> {
        let why = if why.is_empty() { format!("by {}", by.user) } else { format!("{why} (by {})", by.user) };
        match self.r.phase {
            Phase::Validating => {
                self.r.message = format!("aborted: {why}");
                self.begin_back(&why, Some(by.clone()), None);
                Ok(())
            }
            // What went back in steps goes back at once.
            Phase::RollingBack if self.p.back.as_ref().is_some_and(|back| back.gradual.is_some()) => {
                if let Some(back) = &mut self.p.back {
                    back.gradual = None;
                    back.next = None;
                }
                self.tell_by(
                    Severity::Warning,
                    format!("rolling back at once: {why}"),
                    Some(by.clone()),
                    false,
                );
                Ok(())
            }
            Phase::RollingBack => Err(self.not_now("it goes back already", "wait until it has ended")),
            Phase::Draining if self.p.back.is_some() => {
                Err(self.not_now("it went back already", "wait until it has ended"))
            }
            Phase::Healthy | Phase::Degraded => {
                Err(self.not_now("it has ended", "roll the service back instead"))
            }
            _ => {
                self.begin_back(&why, Some(by.clone()), gradual);
                Ok(())
            }
        }
    }

    /// A weight by hand, which only blue-green deployments take.
    pub(super) fn weigh(&mut self, weight: u32, by: &Actor) -> Result<(), Refusal> {
        if !matches!(self.r.strategy.kind, StrategyKind::BlueGreen(_)) {
            return Err(
                self.not_now("only blue-green deployments are weighed by hand", "its steps set the weight")
            );
        }
        if !matches!(self.r.phase, Phase::Progressing | Phase::Paused | Phase::Frozen) {
            return Err(self.not_now("it cannot be weighed", "both colours must be up, and neither going"));
        }
        let weight = weight.min(100);
        if weight > 0 && self.s.ready(&self.r.to) == 0 {
            return Err(Refusal::NotReady { service: self.s.name.clone(), version: self.r.to.clone() });
        }
        if weight < 100
            && let Some(from) = &self.r.from
            && self.s.ready(from) == 0
        {
            return Err(Refusal::NotReady { service: self.s.name.clone(), version: from.clone() });
        }
        self.intend(weight);
        self.tell_by(Severity::Info, format!("weight {weight} % by hand"), Some(by.clone()), true);
        Ok(())
    }
}
