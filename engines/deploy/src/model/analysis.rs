//! What is known of an analysis: of its metrics, and of the judge.

use std::fmt;

use quarterdeck_kernel::Timestamp;
use serde::{Deserialize, Serialize};

/// How far an analysis or one of its metrics is; Argo's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnalysisPhase {
    /// It has not measured yet.
    #[default]
    Pending,
    /// It measures.
    Running,
    /// Ended: the conditions held.
    Successful,
    /// Ended: the conditions did not hold.
    Failed,
    /// Ended: neither the success nor the failure condition held.
    Inconclusive,
    /// Ended: it could not be measured.
    Error,
    /// Ended because nobody needed it any more.
    Stopped,
}

impl AnalysisPhase {
    /// Whether it has ended.
    #[must_use]
    pub const fn ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// As shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::Error => "error",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for AnalysisPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which part of a rollout an analysis belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnalysisPlace {
    /// It runs beside the steps of a canary until the new version is promoted.
    #[default]
    Background,
    /// It is the step of this index.
    Step(usize),
}

/// One analysis of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnalysisState {
    /// Names it within its rollout.
    pub id: String,
    /// The templates it was made from, joined with `+`.
    pub name: String,
    /// What it belongs to.
    pub place: AnalysisPlace,
    /// How far it is.
    pub phase: AnalysisPhase,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// For people: why it is as it is, in one sentence; empty while there is nothing to say.
    pub message: String,
    /// Its metrics, in the order of the templates.
    pub metrics: Vec<MetricState>,
    /// What the judge says, where there is one.
    pub judge: Option<JudgeState>,
}

/// One metric of an analysis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricState {
    /// Its name.
    pub name: String,
    /// How far it is.
    pub phase: AnalysisPhase,
    /// Whether its outcome counts for nothing but is shown.
    pub dry_run: bool,
    /// What the value must be, in words: "at least 0.95"; empty when anything will do.
    pub condition: String,
    /// Measurements taken.
    pub count: u32,
    /// Of them, those whose condition held.
    pub successful: u32,
    /// Of them, those that failed.
    pub failed: u32,
    /// Of them, those that were neither.
    pub inconclusive: u32,
    /// Those that could not be taken.
    pub errors: u32,
    /// Those that could not be taken, one after the other, up to the newest.
    pub consecutive_errors: u32,
    /// The newest measurements, oldest first.
    pub measurements: Vec<Measured>,
    /// For people: the newest value against what is asked for.
    pub message: String,
}

/// One measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// When.
    pub at: Timestamp,
    /// What it counts as.
    pub phase: AnalysisPhase,
    /// The value as measured (`[0.98]`), or empty.
    pub value: String,
    /// Why it could not be taken or told nothing; empty otherwise.
    pub message: String,
}

/// What the judge says in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The score reaches what passes.
    Pass,
    /// The score is between what passes and what fails.
    Marginal,
    /// The score is below.
    #[default]
    Fail,
}

/// What the judge says of a metric; Kayenta's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// No difference that matters.
    Pass,
    /// Higher than it may be.
    High,
    /// Lower than it may be.
    Low,
    /// Too little data.
    #[default]
    Nodata,
    /// It could not be measured or compared.
    Error,
}

/// The judge's comparison of the new version with the stable one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JudgeState {
    /// When it judged.
    pub at: Timestamp,
    /// 0 to 100.
    pub score: f64,
    /// The score that passes.
    pub passes_at: f64,
    /// The score below which it fails; between the two it is marginal.
    pub fails_below: f64,
    /// What that means.
    pub verdict: Verdict,
    /// For people, in one sentence.
    pub message: String,
    /// The metrics, worst first.
    pub metrics: Vec<JudgedMetric>,
}

impl JudgeState {
    /// Whether anything was measured: without data, a score says nothing yet.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.metrics.iter().any(|metric| metric.values != (0, 0))
    }
}

/// One metric as the judge sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JudgedMetric {
    /// Its name.
    pub name: String,
    /// The group that it counts in.
    pub group: String,
    /// The unit of its values, as in `ms`; empty for plain numbers.
    pub unit: String,
    /// What the judge says.
    pub class: Class,
    /// Whether a failure of it alone fails the whole.
    pub critical: bool,
    /// Median of the stable version's values.
    pub stable: Option<f64>,
    /// Median of the new version's values.
    pub canary: Option<f64>,
    /// The probability of such a difference where there is none, by the Mann-Whitney test.
    pub p_value: Option<f64>,
    /// How large the difference is: the ratio of the means.
    pub effect: Option<f64>,
    /// How many values of either version were compared: stable, new.
    pub values: (usize, usize),
    /// For people: "84 ms against 29 ms, higher (p < 0.001)".
    pub message: String,
}
