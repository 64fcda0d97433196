//! Strategies as data. Names and defaults are those of Argo Rollouts where it has them.

use std::fmt;
use std::time::Duration;

use quarterdeck_kernel::time::format_duration;
use serde::{Deserialize, Serialize};

/// How a service is moved from its stable version to a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    /// Its name: that of its file, or of the document in it.
    pub name: String,
    /// The file it was read from; empty when it was made here, as for a rollback by key.
    pub source: String,
    /// What kind, and what that kind is told.
    pub kind: StrategyKind,
    /// Replicas of a version that takes all the traffic; as the service is configured when not given.
    pub replicas: Option<u32>,
    /// How long replicas may take to come up, each time that some are waited for.
    pub progress_deadline: Duration,
    /// Whether a missed progress deadline takes the rollout back (true) or freezes it (false); as
    /// [`Strategy::on_failure`] says when not given.
    pub progress_deadline_abort: Option<bool>,
    /// How long a replica must have been ready to count.
    pub min_ready: Duration,
    /// A version that was stable within this many rollouts of its service comes back without steps and analyses.
    pub rollback_window: Option<u32>,
    /// How long the old version is kept after a promotion, to return to.
    pub scale_down_delay: Duration,
    /// How long the new version is kept after it was taken back; none is for ever (0 in a file, as with Argo).
    pub abort_scale_down_delay: Option<Duration>,
    /// What a failed verdict, probe, alert or deadline does.
    pub on_failure: OnFailure,
    /// How traffic goes back when a failure takes it back; at once when not given.
    pub gradual_rollback: Option<Gradual>,
    /// What becomes of a rollout that the console was in the middle of when it ended.
    pub on_restart: OnRestart,
    /// How long requests under way to the version that lost are waited for.
    pub drain: Duration,
    /// How long the new version may be without a ready replica while it is to have traffic.
    pub unready_limit: Duration,
    /// A new version of which one replica has ended by itself this often has failed.
    pub crash_limit: u32,
    /// Alerts that take the rollout back when they begin to fire: a list of conditions on labels, each as in
    /// `severity="critical", team=~"a|b"`; one that holds is enough.
    pub abort_on_alerts: Vec<String>,
    /// Checks before the rollout, by name; all that the service has when not given.
    pub checks: Option<Vec<String>>,
}

/// The kinds of strategies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StrategyKind {
    /// Replicas are replaced, a few at a time; traffic follows them.
    Rolling(Rolling),
    /// The new version comes up whole beside the stable one, then takes all the traffic at once.
    BlueGreen(BlueGreen),
    /// The new version takes more and more of the traffic, step by step.
    Canary(Canary),
}

impl StrategyKind {
    /// As shown to people.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Rolling(_) => "rolling",
            Self::BlueGreen(_) => "blue-green",
            Self::Canary(_) => "canary",
        }
    }
}

/// A number of replicas, or a part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// So many.
    Count(u32),
    /// So many of a hundred.
    Percent(u32),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

/// A rolling update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// Replicas above the wanted number while it goes on.
    pub max_surge: Limit,
    /// Replicas below the wanted number while it goes on.
    pub max_unavailable: Limit,
}

impl Default for Rolling {
    fn default() -> Self {
        Self { max_surge: Limit::Count(1), max_unavailable: Limit::Count(0) }
    }
}

/// A blue-green deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlueGreen {
    /// Whether traffic is switched without a key.
    pub auto_promotion: bool,
    /// How long after the preview is ready it is switched by itself; at once when not given.
    pub auto_promotion_after: Option<Duration>,
    /// Replicas of the new version before the switch; all when not given.
    pub preview_replicas: Option<u32>,
    /// Analysis before the switch.
    pub pre_promotion: Option<AnalysisSpec>,
    /// Analysis after the switch.
    pub post_promotion: Option<AnalysisSpec>,
}

impl Default for BlueGreen {
    fn default() -> Self {
        Self {
            auto_promotion: true,
            auto_promotion_after: None,
            preview_replicas: None,
            pre_promotion: None,
            post_promotion: None,
        }
    }
}

/// A canary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// The steps, as the file has them.
    pub steps: Vec<Step>,
    /// Analysis beside the steps, and the index of the step from which on it runs.
    pub background: Option<(AnalysisSpec, usize)>,
    /// The stable version makes room for the new one instead of staying whole: at most so many replicas above and
    /// below the wanted number in all. None: it stays whole.
    pub shared: Option<Rolling>,
    /// The new version has at least so many replicas, whatever its weight is.
    pub min_replicas: u32,
}

/// A step. The last four are not written in files: they are the rungs of rolling updates and blue-green deployments, and
/// the end of every canary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// So many of 100 requests go to the new version.
    SetWeight(u32),
    /// Wait: so long, or for a key.
    Pause(Option<Duration>),
    /// The new version has so many replicas from here on.
    SetCanaryScale(CanaryScale),
    /// Requests with a header go to the new version whatever the weight is; no header takes the route of this name away.
    SetHeaderRoute {
        /// The name of the route.
        name: String,
        /// Header and value; empty takes the route away.
        headers: Vec<(String, String)>,
    },
    /// A copy of requests goes to the new version; no percentage takes the mirror of this name away.
    SetMirrorRoute {
        /// The name of the mirror.
        name: String,
        /// Of 100 requests, how many are copied.
        percent: Option<u32>,
    },
    /// Measure, and go on when it was successful.
    Analysis(AnalysisSpec),
    /// Bring the new version up beside the stable one: so many replicas, or all.
    Preview(Option<u32>),
    /// All the traffic goes to the new version; the old one stays.
    Switch,
    /// Replace replica by replica.
    Replace,
    /// Bring the new version to full size; all the traffic goes to it.
    Promote,
}

/// For people, in a few words.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetWeight(weight) => write!(f, "weight {weight} %"),
            Self::Pause(Some(duration)) => write!(f, "pause {}", format_duration(*duration)),
            Self::Pause(None) => f.write_str("pause until a key"),
            Self::SetCanaryScale(CanaryScale::Replicas(count)) => write!(f, "scale to {count}"),
            Self::SetCanaryScale(CanaryScale::Percent(percent)) => write!(f, "scale to {percent} %"),
            Self::SetCanaryScale(CanaryScale::MatchWeight) => f.write_str("scale by weight"),
            Self::SetHeaderRoute { name, headers } if headers.is_empty() => {
                write!(f, "end of header route {name}")
            }
            Self::SetHeaderRoute { headers, .. } => {
                f.write_str("header route ")?;
                for (index, (header, value)) in headers.iter().enumerate() {
                    write!(f, "{}{header}: {value}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::SetMirrorRoute { name, percent: None } => write!(f, "end of mirror {name}"),
            Self::SetMirrorRoute { percent: Some(percent), .. } => write!(f, "mirror {percent} %"),
            Self::Analysis(analysis) => write!(f, "analysis {}", analysis.name),
            Self::Preview(Some(1)) => f.write_str("preview, 1 replica"),
            Self::Preview(Some(count)) => write!(f, "preview, {count} replicas"),
            Self::Preview(None) => f.write_str("preview"),
            Self::Switch => f.write_str("switch all traffic"),
            Self::Replace => f.write_str("replace replicas"),
            Self::Promote => f.write_str("promote"),
        }
    }
}

/// How many replicas the new version of a canary has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CanaryScale {
    /// So many.
    Replicas(u32),
    /// So many of 100 of the service's replicas, rounded up.
    Percent(u32),
    /// As its weight needs.
    MatchWeight,
}

/// What a failure does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// Traffic goes back to the stable version.
    #[default]
    Rollback,
    /// The rollout stands still until somebody decides.
    Freeze,
}

/// What a restart of the console does to a rollout that it was in the middle of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnRestart {
    /// It goes on from the last durable step.
    #[default]
    Continue,
    /// Traffic goes back to the stable version.
    Revert,
}

/// A way back in steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gradual {
    /// Weights that the new version still has, falling; those above what it has now are left out, 0 comes last.
    pub steps: Vec<u32>,
    /// How long each lasts.
    pub interval: Duration,
}

/// What an analysis measures: the templates of a step put together, with their arguments filled in as far as they are
/// known before a rollout begins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AnalysisSpec {
    /// The names of the templates, joined with `+`.
    pub name: String,
    /// What is measured.
    pub metrics: Vec<MetricSpec>,
    /// The judge, if it is to compare the new version with the stable one.
    pub judge: Option<JudgeSpec>,
    /// Arguments that are known when a rollout begins: `{{args.NAME}}` in queries and conditions.
    pub args: Vec<(String, ArgValue)>,
}

/// The value of an argument of an analysis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ArgValue {
    /// This text.
    Text(String),
    /// The name of the stable version (Argo: `podTemplateHashValue: Stable`).
    Stable,
    /// The name of the new version (Argo: `podTemplateHashValue: Latest`).
    Latest,
    /// The name of the service.
    Service,
}

/// One metric of an analysis; Argo's fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSpec {
    /// Its name.
    pub name: String,
    /// PromQL, in which `{{args.NAME}}` is replaced.
    pub query: String,
    /// The time between two measurements; none when there is only one.
    pub interval: Option<Duration>,
    /// How many measurements there are; without end when not given and there is an interval.
    pub count: Option<u32>,
    /// How long after the analysis began the first one is taken.
    pub initial_delay: Duration,
    /// What must hold.
    pub success: Option<String>,
    /// What must not hold.
    pub failure: Option<String>,
    /// More failed measurements than these fail it; -1 is without limit.
    pub failure_limit: i64,
    /// More inconclusive measurements than these make it inconclusive; -1 is without limit.
    pub inconclusive_limit: i64,
    /// More errors than these one after the other make it an error; -1 is without limit.
    pub consecutive_error_limit: i64,
    /// After this many successes one after the other it is successful whatever its count is.
    pub consecutive_success_limit: Option<u32>,
    /// Whether its outcome counts for nothing but is shown.
    pub dry_run: bool,
}

/// A comparison of the new version with the stable one by Kayenta's judge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JudgeSpec {
    /// What is compared.
    pub metrics: Vec<JudgeMetric>,
    /// Weights of the groups in the score; equal when not given. Those given are out of 100 and share the rest.
    pub group_weights: Vec<(String, f64)>,
    /// A score of at least this passes.
    pub pass: f64,
    /// A score of at least this is marginal; below, it fails.
    pub marginal: f64,
    /// How far back values are compared; from the beginning of the analysis when it is younger.
    pub window: Duration,
    /// The time between two values.
    pub step: Duration,
    /// How long after the analysis began it judges first.
    pub initial_delay: Duration,
    /// The time between two judgements; none when there is only one.
    pub interval: Option<Duration>,
    /// How many judgements there are; without end when not given and there is an interval.
    pub count: Option<u32>,
    /// More failed judgements than these fail the analysis; -1 is without limit.
    pub failure_limit: i64,
}

/// One metric that the judge compares; Kayenta's fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeMetric {
    /// Its name.
    pub name: String,
    /// PromQL, in which `{{version}}` is the version that is asked for and `{{args.NAME}}` is replaced.
    pub query: String,
    /// The unit of its values, for people.
    pub unit: String,
    /// The group that it counts in; its own name when not given.
    pub group: String,
    /// Which change is bad.
    pub direction: Direction,
    /// What becomes of values that are not there.
    pub nan_strategy: NanStrategy,
    /// Whether a failure of it alone fails the whole.
    pub critical: bool,
    /// Whether it fails, rather than not counting, when it has no data.
    pub must_have_data: bool,
    /// What becomes of outliers.
    pub outliers: Outliers,
    /// How large a difference must be to count.
    pub effect: Effect,
    /// How much it counts within its group.
    pub weight: f64,
}

/// Which change of a metric is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// More is bad.
    Increase,
    /// Less is bad.
    Decrease,
    /// Both are.
    #[default]
    Either,
}

/// What becomes of values that are not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NanStrategy {
    /// They are left out.
    #[default]
    Remove,
    /// They count as 0.
    Replace,
}

/// What becomes of outliers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outliers {
    /// They count.
    #[default]
    Keep,
    /// They are left out: further than three interquartile ranges (or as `factor` says) from the quartiles.
    Remove,
}

/// How large a difference must be to count: ratios of the new version's mean to the stable one's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// A ratio up to this is no increase.
    pub allowed_increase: Option<f64>,
    /// A ratio down to this is no decrease.
    pub allowed_decrease: Option<f64>,
    /// A ratio from this on fails the whole.
    pub critical_increase: Option<f64>,
    /// A ratio down to this fails the whole.
    pub critical_decrease: Option<f64>,
}
