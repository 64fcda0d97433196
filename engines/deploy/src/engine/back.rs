//! Back to the stable version: at once or in steps, and never before it is ready.

use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{Actor, Severity};

use super::active::{Active, Poll};
use super::state::Back;
use crate::model::{Outcome, Phase, StepStatus};
use crate::strategy::{Gradual, StrategyKind};

impl Active<'_> {
    /// Takes the rollout back: `by` is the operator who wants it, if one does.
    pub(super) fn begin_back(&mut self, why: &str, by: Option<Actor>, gradual: Option<Gradual>) {
        self.stop_analyses("the rollout is taken back");
        self.r.frozen = None;
        self.r.headers.clear();
        self.r.mirror = None;
        self.p.held = None;
        self.p.asked = None;
        self.p.waiting = None;
        self.p.unready = None;
        if let Some(step) = self.r.step.and_then(|at| self.r.steps.get_mut(at))
            && step.status == StepStatus::Running
        {
            step.status = StepStatus::Dropped;
            step.ended = Some(self.now);
        }
        self.drop_steps();
        let gradual = gradual.map(|mut gradual| {
            let weight = self.r.weight;
            gradual.steps.retain(|step| *step < weight && *step > 0);
            gradual
        });
        let words = match (&by, &gradual) {
            (_, Some(gradual)) if !gradual.steps.is_empty() => "rolling back in steps",
            _ => "rolling back",
        };
        let severity = if by.is_some() { Severity::Warning } else { Severity::Critical };
        self.tell_by(severity, format!("{words}: {why}"), by.clone(), false);
        self.p.back = Some(Back { why: why.to_owned(), by, gradual, next: None, since: self.now });
        self.set_phase(Phase::RollingBack);
        self.r.message = format!("{words}: {why}");
        let Some(from) = self.r.from.clone() else {
            // There is nothing to go back to.
            let to = self.r.to.clone();
            self.intend(0);
            self.s.intended.clear();
            self.retire(&to, Some(std::time::Duration::ZERO));
            let outcome = if self.p.back.as_ref().is_some_and(|back| back.by.is_some()) {
                Outcome::Aborted
            } else {
                Outcome::Failed
            };
            self.end(outcome);
            return;
        };
        // The new version may have been declared stable already.
        self.s.stable = Some(from.clone());
        self.s.past.retain(|(version, revision)| *version != self.r.to || *revision != self.r.revision);
        if let Some(version) = self.s.versions.get_mut(&from) {
            version.retire = None;
        }
    }

    /// Whether the stable version gave up replicas for the new one: then traffic goes back as they come back.
    fn gave_way(&self) -> bool {
        match &self.r.strategy.kind {
            StrategyKind::Rolling(_) => true,
            StrategyKind::Canary(kind) => kind.shared.is_some(),
            StrategyKind::BlueGreen(_) => false,
        }
    }

    /// Moves traffic back as far as the stable version is there for it.
    pub(super) fn going_back(&mut self) -> bool {
        let (Some(from), to) = (self.r.from.clone(), self.r.to.clone()) else { return false };
        let ready = self.s.ready(&from);
        if self.r.weight == 0 && self.s.share(&to) == 0 {
            return self.went_back(&to);
        }
        let full = self.full();
        if ready == 0 || (self.gave_way() && ready < full) {
            // Started again, if it was stopped; traffic follows as far as it is there.
            match self.wait_for_back(&from, full) {
                Poll::Late(why) if ready == 0 => return self.give_up(&from, &to, &why),
                Poll::Late(_) => self.intend(0),
                _ if ready == 0 => return false,
                _ => {
                    let back = (ready * 100 / full).min(100);
                    let weight = (100 - back).min(self.r.weight);
                    self.intend(weight);
                    return false;
                }
            }
            return false;
        }
        let now = self.now;
        if let Some(back) = &mut self.p.back
            && let Some(gradual) = &mut back.gradual
            && (back.next.is_none_or(|next| now < next) || !gradual.steps.is_empty())
        {
            match back.next {
                Some(next) if now < next => return false,
                _ => {}
            }
            if !gradual.steps.is_empty() {
                let weight = gradual.steps.remove(0);
                back.next = Some(now + gradual.interval);
                let left = gradual.steps.len();
                self.intend(weight);
                self.r.until = self.p.back.as_ref().and_then(|back| back.next);
                self.r.message =
                    format!("rolling back in steps: {to} has {weight} % now, {left} steps are left");
                self.tell(Severity::Info, format!("rolling back: weight {weight} %"), false);
                return false;
            }
        }
        self.intend(0);
        // In force when the shares are put in force, which may be now.
        if self.s.share(&to) == 0 { self.went_back(&to) } else { false }
    }

    fn wait_for_back(&mut self, from: &str, full: u32) -> Poll {
        let took = self.s.versions.get(from).and_then(|version| version.last_start);
        let poll = self.wait_for(from, full.max(1));
        let took = took.map(|took| format!("; it took {} last time", format_duration(took)));
        self.r.message = format!("rolling back, {}{}", self.r.message, took.unwrap_or_default());
        poll
    }

    /// The stable version has all the traffic.
    fn went_back(&mut self, to: &str) -> bool {
        self.p.restored.get_or_insert(self.now);
        self.p.waiting = None;
        let keep = self.r.strategy.abort_scale_down_delay;
        self.retire(to, keep);
        self.p.draining = Some(self.now);
        self.set_phase(Phase::Draining);
        let why = self.p.back.as_ref().map(|back| back.why.clone()).unwrap_or_default();
        self.r.message = format!("requests under way to {to} end; taken back: {why}");
        let from = self.r.from.clone().unwrap_or_default();
        if self.r.first_traffic.is_some() {
            self.tell(Severity::Info, format!("all new requests go to {from} again"), false);
        }
        true
    }

    /// The stable version did not come up: traffic stays where something is ready.
    fn give_up(&mut self, from: &str, to: &str, why: &str) -> bool {
        self.intend(0);
        self.retire(to, self.r.strategy.abort_scale_down_delay);
        let cause = self.p.back.as_ref().map(|back| back.why.clone()).unwrap_or_default();
        self.r.message = format!(
            "taken back because of {cause}, but {from} did not come up ({why}): traffic stays where it is until it does"
        );
        self.end(Outcome::Failed);
        true
    }
}
