//! One analysis, from its first measurement to its outcome.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use serde::{Deserialize, Serialize};

use super::args::{ArgsError, Arguments, fill};
use super::assess;
use super::condition::{Condition, ConditionError, Value};
use crate::model::{AnalysisPhase, AnalysisPlace, AnalysisState, JudgeState, Measured, MetricState, Verdict};
use crate::strategy::{AnalysisSpec, JudgeSpec, MetricSpec};

/// How long after an error a metric without an interval is measured again; Argo's.
const RETRY: Duration = Duration::from_secs(10);
/// How long an answer is waited for; then it is an error.
const PATIENCE: Duration = Duration::from_secs(30);
/// Measurements that are kept of each metric, the newest.
const KEPT: usize = 20;
/// Errors of the judge one after the other that end it, as of a metric.
const JUDGE_ERRORS: u32 = 4;

/// Why an analysis cannot begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A placeholder.
    #[error("metric {metric}: {error}")]
    Args {
        /// The metric.
        metric: String,
        /// What is wrong.
        error: ArgsError,
    },
    /// A condition.
    #[error("metric {metric}: condition `{text}`: {error}")]
    Condition {
        /// The metric.
        metric: String,
        /// The condition, filled in.
        text: String,
        /// What is wrong.
        error: ConditionError,
    },
}

/// What is to be measured now.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Ask this PromQL as of now; tell [`Run::measured`] what came of it.
    Measure {
        /// The metric.
        metric: String,
        /// The query, filled in.
        query: String,
    },
    /// Compare both versions; tell [`Run::judged`] what came of it.
    Judge(Box<JudgeRequest>),
}

/// What the judge is to compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeRequest {
    /// What, and what passes. The queries are filled in, but for `{{version}}`.
    pub spec: JudgeSpec,
    /// The stable version.
    pub stable: String,
    /// The new version.
    pub canary: String,
    /// The time range that is compared, both ends included.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

impl JudgeRequest {
    /// The range queries of one version: name of the metric, PromQL.
    #[must_use]
    pub fn queries(&self, version: &str) -> Vec<(String, String)> {
        let of = |query: &str| {
            fill(query, &Arguments::default(), Some(version)).unwrap_or_else(|_| query.to_owned())
        };
        self.spec.metrics.iter().map(|m| (m.name.clone(), of(&m.query))).collect()
    }
}

/// What is not shown but needed to go on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Since when an answer is waited for.
    asked: Option<Timestamp>,
    /// When the last one came.
    answered: Option<Timestamp>,
    /// Whether that was an error.
    erred: bool,
    consecutive_successes: u32,
}

/// The judge's count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Judging {
    progress: Progress,
    phase: AnalysisPhase,
    judgements: u32,
    failed: u32,
    consecutive_errors: u32,
    message: String,
}

/// One analysis: what it measures, and how far it is. Its serialised form is enough to go on from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    metrics: Vec<MetricSpec>,
    conditions: Vec<(Option<Condition>, Option<Condition>)>,
    judge: Option<JudgeSpec>,
    stable: String,
    latest: String,
    progress: BTreeMap<String, Progress>,
    judging: Judging,
    state: AnalysisState,
}

impl Run {
    /// An analysis that begins now; `arguments` are added to those of the specification, which come first.
    ///
    /// # Errors
    /// When a placeholder has no value, or a condition is none once it is filled in.
    pub fn new(
        id: String,
        spec: &AnalysisSpec,
        place: AnalysisPlace,
        arguments: &Arguments,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let mut known = arguments.clone();
        known.values.extend(spec.args.iter().cloned());
        let mut metrics = spec.metrics.clone();
        let mut conditions = Vec::with_capacity(metrics.len());
        for metric in &mut metrics {
            let name = metric.name.clone();
            let filled = |text: &str| {
                fill(text, &known, None).map_err(|error| StartError::Args { metric: name.clone(), error })
            };
            let condition = |text: &Option<String>| {
                let Some(text) = text else { return Ok(None) };
                let text = filled(text)?;
                Condition::parse(&text).map(Some).map_err(|error| StartError::Condition {
                    metric: name.clone(),
                    text,
                    error,
                })
            };
            conditions.push((condition(&metric.success)?, condition(&metric.failure)?));
            metric.query = filled(&metric.query)?;
        }
        let mut judge = spec.judge.clone();
        for metric in judge.iter_mut().flat_map(|j| &mut j.metrics) {
            // `{{version}}` stays: it is filled in for either version when it is asked.
            metric.query = fill(&metric.query, &known, Some("{{version}}"))
                .map_err(|error| StartError::Args { metric: metric.name.clone(), error })?;
        }
        let states = metrics
            .iter()
            .zip(&conditions)
            .map(|(metric, (success, failure))| MetricState {
                name: metric.name.clone(),
                dry_run: metric.dry_run,
                condition: words(success.as_ref(), failure.as_ref()),
                ..MetricState::default()
            })
            .collect();
        let state = AnalysisState {
            id,
            name: spec.name.clone(),
            place,
            phase: AnalysisPhase::Running,
            started: now,
            metrics: states,
            ..AnalysisState::default()
        };
        let mut run = Self {
            metrics,
            conditions,
            judge,
            stable: known.stable,
            latest: known.latest,
            progress: BTreeMap::new(),
            judging: Judging::default(),
            state,
        };
        run.conclude(now);
        Ok(run)
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> &AnalysisState {
        &self.state
    }

    /// How far it is in all.
    #[must_use]
    pub fn phase(&self) -> AnalysisPhase {
        self.state.phase
    }

    /// What is due now. What has been asked for too long without an answer counts as an error first.
    pub fn poll(&mut self, now: Timestamp) -> Vec<Ask> {
        let late = |p: &Progress| p.asked.is_some_and(|asked| now >= asked + PATIENCE);
        let silent: Vec<String> =
            self.progress.iter().filter(|(_, p)| late(p)).map(|(name, _)| name.clone()).collect();
        for metric in silent {
            self.measured(&metric, &Err(format!("no answer within {} s", PATIENCE.as_secs())), now);
        }
        if late(&self.judging.progress) {
            self.judged(Err(format!("no answer within {} s", PATIENCE.as_secs())), now);
        }
        if self.state.phase.ended() {
            return Vec::new();
        }
        let mut asks = Vec::new();
        for index in 0..self.metrics.len() {
            if self.due(index).is_some_and(|due| due <= now) {
                let metric = &self.metrics[index];
                self.progress.entry(metric.name.clone()).or_default().asked = Some(now);
                self.state.metrics[index].phase = AnalysisPhase::Running;
                asks.push(Ask::Measure { metric: metric.name.clone(), query: metric.query.clone() });
            }
        }
        if let (Some(spec), Some(due)) = (&self.judge, self.judge_due())
            && due <= now
        {
            self.judging.progress.asked = Some(now);
            self.judging.phase = AnalysisPhase::Running;
            let from = (now - spec.window).max(self.state.started);
            asks.push(Ask::Judge(Box::new(JudgeRequest {
                spec: spec.clone(),
                stable: self.stable.clone(),
                canary: self.latest.clone(),
                from,
                to: now,
            })));
        }
        asks
    }

    /// When [`Run::poll`] has something to do next.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        if self.state.phase.ended() {
            return None;
        }
        let waiting = |p: &Progress| p.asked.map(|asked| asked + PATIENCE);
        (0..self.metrics.len())
            .filter_map(|index| self.due(index))
            .chain(self.progress.values().filter_map(waiting))
            .chain(self.judge_due())
            .chain(waiting(&self.judging.progress))
            .min()
    }

    /// When a metric is measured next; none when it has ended, or an answer is waited for.
    fn due(&self, index: usize) -> Option<Timestamp> {
        let (metric, state) = (&self.metrics[index], &self.state.metrics[index]);
        let none = Progress::default();
        let progress = self.progress.get(&metric.name).unwrap_or(&none);
        if state.phase.ended() || progress.asked.is_some() {
            return None;
        }
        match progress.answered {
            None => Some(self.state.started + metric.initial_delay),
            Some(last) => Some(last + metric.interval.unwrap_or(RETRY)),
        }
    }

    fn judge_due(&self) -> Option<Timestamp> {
        let spec = self.judge.as_ref()?;
        let judging = &self.judging;
        if judging.phase.ended() || judging.progress.asked.is_some() {
            return None;
        }
        match judging.progress.answered {
            None => Some(self.state.started + spec.initial_delay),
            Some(_) if judging.progress.erred => {
                judging.progress.answered.map(|last| last + spec.interval.map_or(RETRY, |i| i.min(RETRY)))
            }
            Some(last) => Some(last + spec.interval.unwrap_or(RETRY)),
        }
    }

    /// What came of a measurement. One that was not asked for, or of a metric that has ended, changes nothing.
    pub fn measured(&mut self, metric: &str, result: &Result<Value, String>, now: Timestamp) {
        let Some(index) = self.metrics.iter().position(|m| m.name == metric) else { return };
        let progress = self.progress.entry(metric.to_owned()).or_default();
        if progress.asked.take().is_none() || self.state.phase.ended() {
            return;
        }
        let (success, failure) = &self.conditions[index];
        let (phase, value, message) = match result {
            Ok(value) => {
                let (phase, message) = assess(success.as_ref(), failure.as_ref(), value);
                (phase, value.to_string(), message)
            }
            Err(error) => (AnalysisPhase::Error, String::new(), error.clone()),
        };
        progress.answered = Some(now);
        progress.erred = phase == AnalysisPhase::Error;
        let succeeded = phase == AnalysisPhase::Successful;
        progress.consecutive_successes = if succeeded { progress.consecutive_successes + 1 } else { 0 };
        let streak = progress.consecutive_successes;
        let state = &mut self.state.metrics[index];
        if phase == AnalysisPhase::Error {
            state.errors += 1;
            state.consecutive_errors += 1;
        } else {
            state.count += 1;
            state.consecutive_errors = 0;
            match phase {
                AnalysisPhase::Failed => state.failed += 1,
                AnalysisPhase::Inconclusive => state.inconclusive += 1,
                _ => state.successful += 1,
            }
        }
        state.message = match phase {
            AnalysisPhase::Error => format!("could not be measured: {message}"),
            _ if state.condition.is_empty() => value.clone(),
            AnalysisPhase::Successful => format!("{value}, as it must be: {}", state.condition),
            AnalysisPhase::Failed => format!("{value}, but it must be {}", state.condition),
            _ => format!("{value}, which is neither good nor bad: it must be {}", state.condition),
        };
        state.measurements.push(Measured { at: now, phase, value, message });
        let surplus = state.measurements.len().saturating_sub(KEPT);
        state.measurements.drain(..surplus);
        let (ended, why) = outcome(&self.metrics[index], state, streak);
        state.phase = ended;
        if !why.is_empty() {
            state.message = format!("{}; {why}", state.message);
        }
        self.conclude(now);
    }

    /// What the judge says, or why it cannot say anything.
    pub fn judged(&mut self, result: Result<JudgeState, String>, now: Timestamp) {
        let Some(spec) = &self.judge else { return };
        let judging = &mut self.judging;
        if judging.progress.asked.take().is_none() || self.state.phase.ended() {
            return;
        }
        judging.progress.answered = Some(now);
        judging.progress.erred = result.is_err();
        let verdict = match result {
            Err(error) => {
                judging.consecutive_errors += 1;
                judging.message = format!("the judge could not compare: {error}");
                if judging.consecutive_errors > JUDGE_ERRORS {
                    judging.phase = AnalysisPhase::Error;
                }
                None
            }
            Ok(judgement) => {
                judging.consecutive_errors = 0;
                judging.judgements += 1;
                judging.message.clone_from(&judgement.message);
                let verdict = judgement.verdict;
                self.state.judge = Some(judgement);
                Some(verdict)
            }
        };
        if verdict == Some(Verdict::Fail) {
            judging.failed += 1;
        }
        let count = spec.count.or(spec.interval.is_none().then_some(1));
        if spec.failure_limit >= 0 && i64::from(judging.failed) > spec.failure_limit {
            judging.phase = AnalysisPhase::Failed;
        } else if verdict.is_some() && count.is_some_and(|count| judging.judgements >= count) {
            judging.phase = match verdict {
                Some(Verdict::Marginal) => AnalysisPhase::Inconclusive,
                _ => AnalysisPhase::Successful,
            };
        }
        self.conclude(now);
    }

    /// Ends it because nobody needs it any more; what has ended stays as it is.
    pub fn stop(&mut self, why: &str, now: Timestamp) {
        if self.state.phase.ended() {
            return;
        }
        self.stop_metrics(AnalysisPhase::Stopped);
        self.state.phase = AnalysisPhase::Stopped;
        self.state.ended = Some(now);
        why.clone_into(&mut self.state.message);
    }

    /// After a restart: answers that were waited for will not come, so they are asked for again.
    pub fn resumed(&mut self) {
        for progress in self.progress.values_mut().chain([&mut self.judging.progress]) {
            progress.asked = None;
        }
    }

    fn stop_metrics(&mut self, phase: AnalysisPhase) {
        for progress in self.progress.values_mut().chain([&mut self.judging.progress]) {
            progress.asked = None;
        }
        for metric in self.state.metrics.iter_mut().filter(|m| !m.phase.ended()) {
            metric.phase = phase;
        }
        if self.judge.is_some() && !self.judging.phase.ended() {
            self.judging.phase = phase;
        }
    }

    /// The outcome, when there is one: the worst of what counts, as soon as one of it went wrong or all have ended.
    fn conclude(&mut self, now: Timestamp) {
        if self.state.phase.ended() {
            return;
        }
        let counted = || self.state.metrics.iter().filter(|m| !m.dry_run);
        let judge = self.judge.as_ref().map(|_| self.judging.phase);
        let worst = counted().map(|m| m.phase).chain(judge).max_by_key(|p| badness(*p));
        let wrong = worst.is_some_and(|p| badness(p) > badness(AnalysisPhase::Stopped));
        let running = counted().map(|m| m.phase).chain(judge).any(|p| !p.ended());
        // What runs dry and without end does not keep it going once all that counts has ended.
        let dry = self.metrics.iter().zip(&self.state.metrics).any(|(spec, state)| {
            let endless = spec.count.is_none() && spec.interval.is_some();
            state.dry_run && !state.phase.ended() && !(endless && worst.is_some())
        });
        if !wrong && (running || dry) {
            return;
        }
        self.state.phase = match worst {
            Some(phase) if wrong => phase,
            _ => AnalysisPhase::Successful,
        };
        self.state.message = self.explain();
        self.state.ended = Some(now);
        self.stop_metrics(AnalysisPhase::Stopped);
    }

    /// The outcome in one sentence.
    fn explain(&self) -> String {
        if self.state.phase == AnalysisPhase::Successful {
            let counted = self.state.metrics.iter().filter(|m| !m.dry_run).count();
            return match (&self.state.judge, counted) {
                (Some(judge), _) => judge.message.clone(),
                (None, 1) => "the metric is as it must be".to_owned(),
                (None, n) => format!("all {n} metrics are as they must be"),
            };
        }
        let metrics = self.state.metrics.iter().filter(|m| !m.dry_run && m.phase == self.state.phase);
        let mut reasons: Vec<String> = metrics.map(|m| format!("{}: {}", m.name, m.message)).collect();
        if self.judge.is_some() && self.judging.phase == self.state.phase {
            reasons.insert(0, self.judging.message.clone());
        }
        reasons.join("; ")
    }
}

/// From best to worst, as Argo orders what has ended.
fn badness(phase: AnalysisPhase) -> u8 {
    match phase {
        AnalysisPhase::Pending | AnalysisPhase::Running => 0,
        AnalysisPhase::Successful => 1,
        AnalysisPhase::Stopped => 2,
        AnalysisPhase::Inconclusive => 3,
        AnalysisPhase::Error => 4,
        AnalysisPhase::Failed => 5,
    }
}

fn over(count: u32, limit: i64) -> bool {
    limit >= 0 && i64::from(count) > limit
}

/// What has become of a metric after its newest measurement, and why if it has ended badly.
fn outcome(spec: &MetricSpec, state: &MetricState, streak: u32) -> (AnalysisPhase, String) {
    let limit = |what: &str, count: u32, limit: i64| match limit {
        0 => format!("{what} {count}×, none is allowed"),
        _ => format!("{what} {count}×, {limit} allowed"),
    };
    if over(state.consecutive_errors, spec.consecutive_error_limit) {
        let why = limit("errors one after the other", state.consecutive_errors, spec.consecutive_error_limit);
        return (AnalysisPhase::Error, why);
    }
    if over(state.inconclusive, spec.inconclusive_limit) {
        let why = limit("inconclusive", state.inconclusive, spec.inconclusive_limit);
        return (AnalysisPhase::Inconclusive, why);
    }
    if over(state.failed, spec.failure_limit) {
        return (AnalysisPhase::Failed, limit("failed", state.failed, spec.failure_limit));
    }
    let streak_wanted = spec.consecutive_success_limit.filter(|wanted| *wanted > 0);
    if streak_wanted.is_some_and(|wanted| streak >= wanted) {
        return (AnalysisPhase::Successful, String::new());
    }
    let count = spec.count.or(spec.interval.is_none().then_some(1));
    if count.is_some_and(|count| state.count >= count) {
        return match streak_wanted {
            None => (AnalysisPhase::Successful, String::new()),
            Some(wanted) => {
                let why = format!("{wanted} successes one after the other were asked for, {streak} came");
                (AnalysisPhase::Inconclusive, why)
            }
        };
    }
    (AnalysisPhase::Running, String::new())
}

/// Both conditions as shown: "at least 0.95; less than 0.5 is a failure".
fn words(success: Option<&Condition>, failure: Option<&Condition>) -> String {
    match (success, failure) {
        (None, None) => String::new(),
        (Some(success), None) => success.words(),
        (None, Some(failure)) => failure.words_negated(),
        (Some(success), Some(failure)) => format!("{}; {} is a failure", success.words(), failure.words()),
    }
}

/// How long an analysis takes at most, whatever comes of it; none when it has no end of its own.
#[must_use]
pub fn longest(spec: &AnalysisSpec) -> Option<Duration> {
    // Each measurement may be preceded by as many errors as are allowed one after the other.
    let bound = |delay: Duration, interval: Option<Duration>, count: Option<u32>, errors: i64| {
        let count = count.or(interval.is_none().then_some(1))?;
        let errors = u32::try_from(errors).ok()?;
        let measurements = count.checked_mul(errors.checked_add(1)?)?.checked_add(1)?;
        let each = interval.unwrap_or(RETRY).max(RETRY) + PATIENCE;
        each.checked_mul(measurements)?.checked_add(delay)
    };
    let metrics = spec.metrics.iter().filter(|m| !(m.dry_run && m.count.is_none() && m.interval.is_some()));
    let mut longest = Duration::ZERO;
    for metric in metrics {
        let errors = metric.consecutive_error_limit;
        longest = longest.max(bound(metric.initial_delay, metric.interval, metric.count, errors)?);
    }
    if let Some(judge) = &spec.judge {
        let errors = i64::from(JUDGE_ERRORS);
        longest = longest.max(bound(judge.initial_delay, judge.interval, judge.count, errors)?);
    }
    Some(longest)
}
