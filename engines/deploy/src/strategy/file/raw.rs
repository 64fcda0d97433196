//! Strategy files as they are written: Argo's names, every value with its place where a mistake in it would be shown.

use std::collections::BTreeMap;
use std::fmt;

use quarterdeck_yaml::Spanned;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// A scalar as written: `10s`, `25%`, `3`.
pub(super) type Word = Spanned<String>;

/// The keys of a mapping, with their places.
#[derive(Default)]
pub(super) struct Keys(pub Vec<Word>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_unit<E>(self) -> Result<Keys, E> {
                Ok(Keys::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = entries.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Names)
    }
}

/// What kind of document it is.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Head {
    pub kind: Option<Word>,
    pub metadata: Metadata,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub name: Option<Word>,
}

/// The keys of a document of Argo's kind.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct KeysOfSpec {
    pub spec: Keys,
}

/// A document of Argo's kind `Rollout`.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct RolloutDocument {
    pub spec: Body,
}

/// A document of Argo's kind `AnalysisTemplate`.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct TemplateDocument {
    pub spec: Template,
}

/// `spec` of a Rollout, and the whole of the short form.
#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Body {
    pub name: Option<Word>,
    pub strategy: Option<Spanned<Strategies>>,
    pub replicas: Option<Word>,
    pub progress_deadline_seconds: Option<Word>,
    pub progress_deadline_abort: Option<bool>,
    pub min_ready_seconds: Option<Word>,
    pub rollback_window: Option<Window>,
    // Ours.
    pub on_failure: Option<crate::strategy::OnFailure>,
    pub on_restart: Option<crate::strategy::OnRestart>,
    pub gradual_rollback: Option<RawGradual>,
    pub drain_seconds: Option<Word>,
    pub unready_seconds: Option<Word>,
    pub crash_limit: Option<Word>,
    pub abort_on_alerts: Vec<Word>,
    pub checks: Option<Vec<Word>>,
    pub analysis: BTreeMap<String, Template>,
}

/// The keys of [`Body`].
pub(super) const BODY: [&str; 16] = [
    "name",
    "strategy",
    "replicas",
    "progressDeadlineSeconds",
    "progressDeadlineAbort",
    "minReadySeconds",
    "rollbackWindow",
    "onFailure",
    "onRestart",
    "gradualRollback",
    "drainSeconds",
    "unreadySeconds",
    "crashLimit",
    "abortOnAlerts",
    "checks",
    "analysis",
];

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Window {
    pub revisions: Option<Word>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawGradual {
    pub steps: Vec<Word>,
    pub interval: Option<Word>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Strategies {
    pub canary: Option<Spanned<RawCanary>>,
    pub blue_green: Option<Spanned<RawBlueGreen>>,
    #[serde(alias = "rollingUpdate")]
    pub rolling: Option<Spanned<RawRolling>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawRolling {
    pub max_surge: Option<Word>,
    pub max_unavailable: Option<Word>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawBlueGreen {
    pub auto_promotion_enabled: Option<bool>,
    pub auto_promotion_seconds: Option<Word>,
    pub preview_replica_count: Option<Word>,
    pub scale_down_delay_seconds: Option<Word>,
    pub abort_scale_down_delay_seconds: Option<Word>,
    pub pre_promotion_analysis: Option<RawAnalysis>,
    pub post_promotion_analysis: Option<RawAnalysis>,
    // Read and not used: the gateway, not a Kubernetes service, moves traffic.
    pub active_service: Option<IgnoredAny>,
    pub preview_service: Option<IgnoredAny>,
    pub active_metadata: Option<IgnoredAny>,
    pub preview_metadata: Option<IgnoredAny>,
    pub anti_affinity: Option<IgnoredAny>,
    pub max_unavailable: Option<IgnoredAny>,
    pub scale_down_delay_revision_limit: Option<IgnoredAny>,
}

impl RawBlueGreen {
    pub(super) fn unused(&self) -> Vec<&'static str> {
        present([
            ("activeService", self.active_service.is_some()),
            ("previewService", self.preview_service.is_some()),
            ("activeMetadata", self.active_metadata.is_some()),
            ("previewMetadata", self.preview_metadata.is_some()),
            ("antiAffinity", self.anti_affinity.is_some()),
            ("maxUnavailable", self.max_unavailable.is_some()),
            ("scaleDownDelayRevisionLimit", self.scale_down_delay_revision_limit.is_some()),
        ])
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawCanary {
    pub steps: Vec<Spanned<RawStep>>,
    pub analysis: Option<Spanned<RawBackground>>,
    pub max_surge: Option<Word>,
    pub max_unavailable: Option<Word>,
    pub min_pods_per_replica_set: Option<Word>,
    pub scale_down_delay_seconds: Option<Word>,
    pub abort_scale_down_delay_seconds: Option<Word>,
    // Ours.
    pub shared_capacity: Option<bool>,
    // Read and not used.
    pub canary_service: Option<IgnoredAny>,
    pub stable_service: Option<IgnoredAny>,
    pub traffic_routing: Option<IgnoredAny>,
    pub canary_metadata: Option<IgnoredAny>,
    pub stable_metadata: Option<IgnoredAny>,
    pub anti_affinity: Option<IgnoredAny>,
    pub ping_pong: Option<IgnoredAny>,
    pub dynamic_stable_scale: Option<IgnoredAny>,
    pub scale_down_delay_revision_limit: Option<IgnoredAny>,
}

impl RawCanary {
    pub(super) fn unused(&self) -> Vec<&'static str> {
        present([
            ("canaryService", self.canary_service.is_some()),
            ("stableService", self.stable_service.is_some()),
            ("trafficRouting", self.traffic_routing.is_some()),
            ("canaryMetadata", self.canary_metadata.is_some()),
            ("stableMetadata", self.stable_metadata.is_some()),
            ("antiAffinity", self.anti_affinity.is_some()),
            ("pingPong", self.ping_pong.is_some()),
            ("dynamicStableScale", self.dynamic_stable_scale.is_some()),
            ("scaleDownDelayRevisionLimit", self.scale_down_delay_revision_limit.is_some()),
        ])
    }
}

fn present<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    keys.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect()
}

/// One step: exactly one of these.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawStep {
    pub set_weight: Option<Word>,
    pub pause: Option<RawPause>,
    pub set_canary_scale: Option<RawScale>,
    pub set_header_route: Option<RawHeaderRoute>,
    pub set_mirror_route: Option<RawMirrorRoute>,
    pub analysis: Option<RawAnalysis>,
    pub experiment: Option<IgnoredAny>,
    pub plugin: Option<IgnoredAny>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawPause {
    pub duration: Option<Word>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawScale {
    pub replicas: Option<Word>,
    pub weight: Option<Word>,
    pub match_traffic_weight: Option<bool>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHeaderRoute {
    pub name: Option<Word>,
    #[serde(rename = "match")]
    pub matches: Vec<RawHeaderMatch>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawHeaderMatch {
    pub header_name: Option<Word>,
    pub header_value: Option<RawValueMatch>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawValueMatch {
    pub exact: Option<Word>,
    pub prefix: Option<Word>,
    pub regex: Option<Word>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawMirrorRoute {
    pub name: Option<Word>,
    pub percentage: Option<Word>,
    #[serde(rename = "match")]
    pub matches: Option<Spanned<Vec<IgnoredAny>>>,
}

/// Which templates, with which arguments.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawAnalysis {
    pub templates: Vec<RawTemplateName>,
    /// As older files have it.
    pub template_name: Option<Word>,
    pub args: Vec<RawArg>,
    pub dry_run: Vec<RawDryRun>,
    pub measurement_retention: Option<IgnoredAny>,
    pub analysis_run_metadata: Option<IgnoredAny>,
}

/// The same, beside the steps.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawBackground {
    pub templates: Vec<RawTemplateName>,
    pub template_name: Option<Word>,
    pub args: Vec<RawArg>,
    pub dry_run: Vec<RawDryRun>,
    pub starting_step: Option<Word>,
    pub measurement_retention: Option<IgnoredAny>,
    pub analysis_run_metadata: Option<IgnoredAny>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawTemplateName {
    pub template_name: Option<Word>,
    pub cluster_scope: Option<IgnoredAny>,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawArg {
    pub name: Option<Word>,
    pub value: Option<Word>,
    pub value_from: Option<Spanned<RawValueFrom>>,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawValueFrom {
    pub pod_template_hash_value: Option<Word>,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawDryRun {
    pub metric_name: Option<Word>,
}

/// `spec` of an AnalysisTemplate.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Template {
    pub args: Vec<RawArg>,
    pub metrics: Vec<Spanned<RawMetric>>,
    pub dry_run: Vec<RawDryRun>,
    pub judge: Option<Spanned<RawJudge>>,
    pub measurement_retention: Option<Ignored>,
}

/// Something that is read over, and can be copied.
#[derive(Clone, Default)]
pub(super) struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|IgnoredAny| Self)
    }
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawMetric {
    pub name: Option<Word>,
    pub interval: Option<Word>,
    pub count: Option<Word>,
    pub initial_delay: Option<Word>,
    pub success_condition: Option<Word>,
    pub failure_condition: Option<Word>,
    pub failure_limit: Option<Word>,
    pub inconclusive_limit: Option<Word>,
    pub consecutive_error_limit: Option<Word>,
    pub consecutive_success_limit: Option<Word>,
    pub provider: Option<Spanned<RawProvider>>,
}

/// Who is asked: Prometheus's language only.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct RawProvider {
    pub prometheus: Option<RawPrometheus>,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawPrometheus {
    pub query: Option<Word>,
    pub address: Option<Ignored>,
    pub timeout: Option<Ignored>,
    pub insecure: Option<Ignored>,
    pub headers: Option<Ignored>,
    pub authentication: Option<Ignored>,
    pub range_query: Option<Word>,
}

/// The judge, with Kayenta's names.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawJudge {
    pub metrics: Vec<Spanned<RawJudgeMetric>>,
    pub group_weights: BTreeMap<String, f64>,
    pub pass: Option<Spanned<f64>>,
    pub marginal: Option<Spanned<f64>>,
    pub window: Option<Word>,
    pub step: Option<Word>,
    pub initial_delay: Option<Word>,
    pub interval: Option<Word>,
    pub count: Option<Word>,
    pub failure_limit: Option<Word>,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawJudgeMetric {
    pub name: Option<Word>,
    pub query: Option<Word>,
    pub unit: String,
    pub group: Option<String>,
    pub direction: crate::strategy::Direction,
    pub nan_strategy: crate::strategy::NanStrategy,
    pub critical: bool,
    pub must_have_data: bool,
    pub outliers: crate::strategy::Outliers,
    pub effect_size: RawEffect,
    pub weight: Option<Spanned<f64>>,
}

#[derive(Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawEffect {
    pub allowed_increase: Option<f64>,
    pub allowed_decrease: Option<f64>,
    pub critical_increase: Option<f64>,
    pub critical_decrease: Option<f64>,
}
