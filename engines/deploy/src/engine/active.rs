//! A rollout under way: what all of its parts need.

use std::time::Duration;

use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{Actor, Severity, Timestamp};

use super::input::{Effect, Fact, Stage};
use super::state::{Progress, Retire, Service};
use super::{blue_green, canary, rolling};
use crate::model::{
    AnalysisPhase, CheckState, CheckVerdict, Freeze, LedgerEntry, MetricState, Outcome, Phase, Rollout,
    Shares, StepState, StepStatus,
};
use crate::replicas::Counts;
use crate::strategy::{OnFailure, StrategyKind};

/// Steps that are done at once, one after the other, in one go; more than any strategy has.
const MAX_TURNS: usize = 10_000;

/// A rollout that was taken out of its service to be moved on.
pub(super) struct Active<'a> {
    pub s: &'a mut Service,
    pub r: Rollout,
    pub p: Progress,
    pub now: Timestamp,
    pub out: &'a mut Vec<Effect>,
}

/// What came of looking at a step.
pub(super) enum Poll {
    /// Not yet; when it is over by itself, if that is known.
    Wait(Option<Timestamp>),
    Done,
    /// Why it failed.
    Failed(String),
    /// Replicas did not come up in time.
    Late(String),
}

impl Active<'_> {
    /// Moves the rollout on as far as it goes now.
    pub(super) fn advance(&mut self) {
        for _ in 0..MAX_TURNS {
            if self.s.is_settling() || !self.turn() {
                return;
            }
        }
    }

    /// One turn; whether there may be another.
    fn turn(&mut self) -> bool {
        match self.r.phase {
            Phase::Validating => self.validating(),
            Phase::Starting | Phase::Progressing | Phase::Paused | Phase::Promoting => {
                if let Some(why) = self.symptom() {
                    self.fail(&why);
                    return true;
                }
                if self.run_analyses() {
                    return true;
                }
                if self.r.phase == Phase::Starting { self.starting() } else { self.stepping() }
            }
            Phase::RollingBack => self.going_back(),
            Phase::Draining => self.draining(),
            Phase::Frozen | Phase::Healthy | Phase::Degraded => false,
        }
    }

    /// The checks before anything is changed.
    fn validating(&mut self) -> bool {
        if self.r.strategy.checks.as_ref().is_some_and(Vec::is_empty) {
            self.begin_starting();
            return true;
        }
        let Some(asked) = self.p.asked else {
            self.ask_checks(Stage::Before);
            return false;
        };
        if self.now < asked + self.r.strategy.progress_deadline {
            return false;
        }
        self.refuse("the checks before it gave no answer in time");
        true
    }

    pub(super) fn ask_checks(&mut self, stage: Stage) {
        self.p.asked = Some(self.now);
        self.r.message = match stage {
            Stage::Before => "checks before it run".to_owned(),
            Stage::Started => format!("{} is up; checks before its first request run", self.r.to),
        };
        self.out.push(Effect::RunChecks { service: self.s.name.clone(), rollout: self.r.id.clone(), stage });
    }

    /// What came of checks.
    pub(super) fn checked(&mut self, stage: Stage, results: Vec<CheckState>) {
        let expected = match self.r.phase {
            Phase::Validating => stage == Stage::Before,
            Phase::Starting => stage == Stage::Started && !self.p.smoked,
            _ => false,
        };
        if !expected || self.p.asked.is_none() {
            return;
        }
        self.p.asked = None;
        let failed: Vec<String> = results
            .iter()
            .filter(|check| check.verdict == CheckVerdict::Failed)
            .map(|check| format!("{}: {}", check.name, check.message))
            .collect();
        self.r.checks.extend(results);
        match (stage, failed.is_empty()) {
            (Stage::Before, true) => self.begin_starting(),
            (Stage::Before, false) => self.refuse(&failed.join("; ")),
            (Stage::Started, true) => self.p.smoked = true,
            (Stage::Started, false) => self.fail(&failed.join("; ")),
        }
    }

    /// Ends it before anything was changed.
    fn refuse(&mut self, why: &str) {
        self.r.message = format!("not begun: {why}");
        self.drop_steps();
        self.end(Outcome::Refused);
    }

    fn begin_starting(&mut self) {
        self.set_phase(Phase::Starting);
        let to = self.r.to.clone();
        let version = self.s.versions.entry(to).or_default();
        version.retire = None;
        self.p.crashes =
            version.replicas.iter().map(|replica| (replica.id.clone(), replica.restarts)).collect();
    }

    /// Replicas of a version that takes all the traffic.
    pub(super) fn full(&self) -> u32 {
        self.r.strategy.replicas.unwrap_or_else(|| self.s.full()).max(1)
    }

    /// Replicas that count: ready for long enough.
    pub(super) fn available(&self, version: &str) -> u32 {
        self.s.versions.get(version).map_or(0, |v| v.available(self.r.strategy.min_ready, self.now))
    }

    /// What it wants of its versions now.
    pub(super) fn wanted(&self) -> Vec<(String, u32)> {
        let phase = self.r.frozen.as_ref().map_or(self.r.phase, |freeze| freeze.was);
        match phase {
            Phase::Starting | Phase::Progressing | Phase::Paused | Phase::Promoting => {
                let counts = self.counts();
                let old = self.r.from.clone().map(|from| (from, counts.old));
                old.into_iter().chain([(self.r.to.clone(), counts.new)]).collect()
            }
            Phase::RollingBack => self.r.from.clone().map(|from| (from, self.full())).into_iter().collect(),
            Phase::Validating | Phase::Frozen | Phase::Draining | Phase::Healthy | Phase::Degraded => {
                Vec::new()
            }
        }
    }

    /// How many replicas both versions are to have while it goes forward.
    pub(super) fn counts(&self) -> Counts {
        match &self.r.strategy.kind {
            StrategyKind::Canary(kind) => canary::counts(self, kind),
            StrategyKind::BlueGreen(_) => blue_green::counts(self),
            StrategyKind::Rolling(kind) => rolling::counts(self, kind),
        }
    }

    /// Waits until a version has so many replicas that count, no longer than the progress deadline.
    pub(super) fn wait_for(&mut self, version: &str, replicas: u32) -> Poll {
        let available = self.available(version);
        if available >= replicas {
            self.p.waiting = None;
            return Poll::Done;
        }
        let since = *self.p.waiting.get_or_insert(self.now);
        let deadline = since + self.r.strategy.progress_deadline;
        let have = format!("{available} of {replicas} replicas of {version} are ready");
        if self.now >= deadline {
            let limit = format_duration(self.r.strategy.progress_deadline);
            return Poll::Late(format!("{have} after {limit}{}", self.ailment(version)));
        }
        self.r.message = format!("{have}{}", self.ailment(version));
        Poll::Wait(Some(deadline))
    }

    /// What a version suffers from, in words; empty when nothing is known.
    pub(super) fn ailment(&self, version: &str) -> String {
        let replicas = self.s.versions.get(version).map(|v| v.replicas.as_slice()).unwrap_or_default();
        let sick = replicas.iter().find(|replica| !replica.phase.is_ready() && !replica.message.is_empty());
        sick.map_or_else(String::new, |replica| format!("; {}: {}", replica.id, replica.message))
    }

    /// What is wrong with the new version, if that is reason enough to take it back.
    fn symptom(&mut self) -> Option<String> {
        let version = self.s.versions.get(&self.r.to)?;
        let limit = self.r.strategy.crash_limit;
        for replica in &version.replicas {
            let before = self.p.crashes.get(&replica.id).copied().unwrap_or(0);
            let crashes = replica.restarts.saturating_sub(before);
            if limit > 0 && crashes >= limit {
                let why =
                    if replica.message.is_empty() { String::new() } else { format!(": {}", replica.message) };
                return Some(format!("{} ended by itself {crashes} times{why}", replica.id));
            }
        }
        if self.r.weight == 0 || version.ready() > 0 {
            self.p.unready = None;
            return None;
        }
        let since = *self.p.unready.get_or_insert(self.now);
        let limit = self.r.strategy.unready_limit;
        (self.now >= since + limit).then(|| {
            let to = &self.r.to;
            format!("no replica of {to} has been ready for {}{}", format_duration(limit), self.ailment(to))
        })
    }

    /// Something failed: the rollout goes back or stands still, as its strategy says.
    pub(super) fn fail(&mut self, why: &str) {
        self.failed(why, self.r.strategy.on_failure);
    }

    /// Replicas did not come up in time.
    pub(super) fn late(&mut self, why: &str) {
        let what = match self.r.strategy.progress_deadline_abort {
            Some(true) => OnFailure::Rollback,
            Some(false) => OnFailure::Freeze,
            None => self.r.strategy.on_failure,
        };
        self.failed(&format!("progress deadline exceeded: {why}"), what);
    }

    fn failed(&mut self, why: &str, what: OnFailure) {
        let since = self.suffering();
        self.p.broke.get_or_insert(since);
        if let Some(step) = self.r.step.and_then(|at| self.r.steps.get_mut(at))
            && step.status == StepStatus::Running
        {
            step.status = StepStatus::Failed;
            why.clone_into(&mut step.message);
        }
        match what {
            OnFailure::Rollback => self.begin_back(why, None, self.r.strategy.gradual_rollback.clone()),
            OnFailure::Freeze => {
                self.tell(Severity::Critical, format!("frozen: {why}"), true);
                self.freeze(why, "deployment control", true);
            }
        }
    }

    /// Since when users have suffered from what is noticed now. Of a metric that failed it is known until when it was well;
    /// of what the judge says, that it holds for the new version since it takes traffic.
    fn suffering(&self) -> Timestamp {
        let first = self.r.first_traffic.unwrap_or(self.now);
        let failed = self.r.analyses.iter().filter(|a| a.phase == AnalysisPhase::Failed);
        let since = failed.map(|analysis| {
            let mut bad = analysis.metrics.iter().filter(|m| m.failed > 0 && !m.dry_run).peekable();
            if bad.peek().is_none() {
                return first;
            }
            let well = |metric: &MetricState| {
                let before = metric.measurements.iter().take_while(|m| m.phase != AnalysisPhase::Failed);
                before.filter(|m| m.phase == AnalysisPhase::Successful).map(|m| m.at).last()
            };
            bad.map(|metric| well(metric).unwrap_or(first)).min().unwrap_or(first)
        });
        since.chain(self.p.unready).min().unwrap_or(self.now).max(first)
    }

    /// Stands still.
    pub(super) fn freeze(&mut self, why: &str, by: &str, failure: bool) {
        let was = self.r.phase;
        self.r.frozen =
            Some(Freeze { since: self.now, by: by.to_owned(), why: why.to_owned(), was, failure });
        self.p.until = self.r.until;
        self.set_phase(Phase::Frozen);
        self.r.message = format!("frozen by {by}: {why}");
    }

    /// Changes the phase; keeps the account of how long it waited for people.
    pub(super) fn set_phase(&mut self, phase: Phase) {
        self.r.phase = phase;
        if phase != Phase::Paused {
            self.r.until = None;
        }
        self.account();
    }

    /// Whether it waits for people from here on.
    pub(super) fn account(&mut self) {
        let idle = match self.r.phase {
            Phase::Frozen => true,
            Phase::Paused => self.r.until.is_none(),
            _ => false,
        };
        match (idle, self.p.idle) {
            (true, None) => self.p.idle = Some(self.now),
            (false, Some(since)) => {
                self.r.waited += self.now.since(since);
                self.p.idle = None;
            }
            _ => {}
        }
    }

    /// A line for the timeline.
    pub(super) fn tell(&mut self, severity: Severity, summary: impl std::fmt::Display, undo: bool) {
        self.tell_by(severity, summary, None, undo);
    }

    /// A line for the timeline, of something that an operator did.
    pub(super) fn tell_by(
        &mut self,
        severity: Severity,
        summary: impl std::fmt::Display,
        actor: Option<Actor>,
        undo: bool,
    ) {
        self.out.push(Effect::Tell(Fact {
            service: self.s.name.clone(),
            rollout: Some(self.r.id.clone()),
            severity,
            summary: format!("{} {}: {summary}", self.s.name, self.r.to),
            reason: None,
            actor,
            undo,
        }));
    }

    /// The shares that should be.
    pub(super) fn intend(&mut self, weight: u32) {
        self.r.weight = weight.min(100);
        self.s.intended = match &self.r.from {
            Some(from) => super::guard::split(from, &self.r.to, weight),
            None if weight == 0 => Shares::new(),
            None => vec![(self.r.to.clone(), 100)],
        };
    }

    /// A version lost: it is kept for a while, then stopped.
    pub(super) fn retire(&mut self, version: &str, keep: Option<Duration>) {
        let drain_until = self.now + self.r.strategy.drain;
        if let Some(version) = self.s.versions.get_mut(version) {
            let keep_until = keep.map(|keep| self.now + keep);
            version.retire = Some(Retire { since: self.now, keep_until, drain_until });
        }
    }

    /// Steps whose turn did not come will not have it.
    pub(super) fn drop_steps(&mut self) {
        for step in &mut self.r.steps {
            if matches!(step.status, StepStatus::Waiting | StepStatus::Running) {
                step.status = StepStatus::Dropped;
                step.ended = step.started.map(|_| self.now);
                step.until = None;
            }
        }
    }

    /// All steps are done: the new version is the stable one.
    pub(super) fn conclude(&mut self) {
        self.stop_analyses("the new version is promoted");
        self.intend(100);
        self.r.step = None;
        self.s.stable = Some(self.r.to.clone());
        self.s.scale = self.r.strategy.replicas.or(self.s.scale);
        self.s.past.retain(|(version, _)| *version != self.r.to);
        self.s.past.push((self.r.to.clone(), self.r.revision));
        if self.s.past.len() > 50 {
            self.s.past.remove(0);
        }
        if let Some(from) = self.r.from.clone() {
            let keep = match self.r.strategy.kind {
                // Its replicas have gone one after the other.
                StrategyKind::Rolling(_) => Duration::ZERO,
                StrategyKind::BlueGreen(_) | StrategyKind::Canary(_) => self.r.strategy.scale_down_delay,
            };
            self.retire(&from, Some(keep));
            self.r.message = format!("requests under way to {from} end");
        }
        self.p.draining = Some(self.now);
        self.set_phase(Phase::Draining);
        self.tell(Severity::Info, format!("promoted, takes all traffic ({})", self.r.title()), true);
    }

    /// Waits until the version that lost has ended what was under way.
    fn draining(&mut self) -> bool {
        let back = self.p.back.is_some();
        let loser = if back { Some(self.r.to.clone()) } else { self.r.from.clone() };
        let since = *self.p.draining.get_or_insert(self.now);
        if let Some(loser) = loser
            && self.now < since + self.r.strategy.drain
        {
            let heard = self.s.in_flight.get(&loser).filter(|(_, at)| *at > since);
            let gone = heard.is_some_and(|(count, _)| *count == 0)
                || !self.s.versions.get(&loser).is_some_and(super::state::Version::answers);
            if !gone || self.s.share(&loser) > 0 {
                if let Some((count, _)) = heard {
                    self.r.message = format!("{count} requests under way to {loser} end");
                }
                return false;
            }
        }
        let outcome = match &self.p.back {
            None => Outcome::Promoted,
            Some(back) if back.by.is_some() => Outcome::Aborted,
            Some(_) => Outcome::RolledBack,
        };
        self.end(outcome);
        true
    }

    /// Ends it.
    pub(super) fn end(&mut self, outcome: Outcome) {
        let good = outcome == Outcome::Promoted;
        self.r.message = match (&self.p.back, outcome) {
            (_, Outcome::Promoted) => format!("{} is stable", self.r.to),
            (Some(back), Outcome::RolledBack | Outcome::Aborted) => back.why.clone(),
            _ => std::mem::take(&mut self.r.message),
        };
        self.set_phase(if good { Phase::Healthy } else { Phase::Degraded });
        self.r.frozen = None;
        self.r.ended = Some(self.now);
        self.r.outcome = Some(outcome);
        self.r.step = None;
        if good {
            self.s.last_change = Some((self.r.id.clone(), self.r.from.clone()));
        }
        let severity = if good { Severity::Info } else { Severity::Warning };
        self.tell(severity, format!("{outcome}: {}", self.r.message), good);
    }

    /// What is kept for good.
    pub(super) fn ledger(&self, outcome: Outcome) -> LedgerEntry {
        let said = |key: &str| self.r.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        let committed = said("commit_time").and_then(|text| {
            let millis = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
            millis.or_else(|_| text.parse::<i64>()).ok().map(Timestamp::from_millis)
        });
        LedgerEntry {
            id: self.r.id.clone(),
            service: self.s.name.clone(),
            from: self.r.from.clone(),
            to: self.r.to.clone(),
            started: self.r.started,
            first_traffic: self.r.first_traffic,
            ended: self.r.ended.unwrap_or(self.now),
            outcome,
            reason: if self.r.reason.is_empty() { self.r.message.clone() } else { self.r.reason.clone() },
            actor: self.r.actor.user.clone(),
            rollback_of: self.r.rollback_of.clone(),
            committed,
            unplanned: self.r.rollback_of.is_some() || said("unplanned") == Some("true"),
            broke: self.p.broke.filter(|_| self.r.first_traffic.is_some()),
            restored: self.p.restored,
        }
    }
}

/// The rungs of a strategy.
pub(super) fn ladder(kind: &StrategyKind) -> Vec<StepState> {
    let steps = match kind {
        StrategyKind::Canary(kind) => canary::ladder(kind),
        StrategyKind::BlueGreen(kind) => blue_green::ladder(kind),
        StrategyKind::Rolling(_) => rolling::ladder(),
    };
    steps.into_iter().map(StepState::new).collect()
}
