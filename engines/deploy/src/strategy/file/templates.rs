//! Analysis templates, and the analyses that steps make of them.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::suggest::nearest;
use quarterdeck_kernel::{MatchOp, Matcher};
use quarterdeck_yaml::{Location, Spanned};

use super::raw::{
    RawAnalysis, RawArg, RawBackground, RawDryRun, RawJudge, RawMetric, RawTemplateName, Template, Word,
};
use super::words::Problems;
use crate::analysis::{Arguments, Condition, fill};
use crate::strategy::{AnalysisSpec, ArgValue, Effect, JudgeMetric, JudgeSpec, MetricSpec};

/// Metrics of one analysis.
const MAX_METRICS: usize = 100;

/// Where templates are looked up: in the file itself, then in the other files.
pub(super) struct Library<'a> {
    pub own: &'a BTreeMap<String, Template>,
    pub others: &'a BTreeMap<String, Template>,
}

impl Library<'_> {
    fn get(&self, name: &str) -> Option<&Template> {
        self.own.get(name).or_else(|| self.others.get(name))
    }
}

/// Which templates are used, and with what.
pub(super) struct Use {
    templates: Vec<RawTemplateName>,
    args: Vec<RawArg>,
    dry_run: Vec<RawDryRun>,
}

impl Use {
    fn new(
        mut templates: Vec<RawTemplateName>,
        single: Option<Word>,
        args: Vec<RawArg>,
        dry_run: Vec<RawDryRun>,
    ) -> Self {
        if single.is_some() {
            templates.push(RawTemplateName { template_name: single, cluster_scope: None });
        }
        Self { templates, args, dry_run }
    }
}

impl From<RawAnalysis> for Use {
    fn from(raw: RawAnalysis) -> Self {
        Self::new(raw.templates, raw.template_name, raw.args, raw.dry_run)
    }
}

impl From<RawBackground> for Use {
    fn from(raw: RawBackground) -> Self {
        Self::new(raw.templates, raw.template_name, raw.args, raw.dry_run)
    }
}

/// Puts templates together to one analysis; none, and said why, when that cannot be.
pub(super) fn analysis(
    used: &Use,
    place: Location,
    library: &Library<'_>,
    problems: &mut Problems<'_>,
) -> Option<AnalysisSpec> {
    let before = problems.errors.len();
    if used.templates.is_empty() {
        problems.error(place, "the analysis has no template", "write templates: [{templateName: …}]");
    }
    let mut spec = AnalysisSpec::default();
    let mut names = Vec::new();
    let mut given = BTreeMap::new();
    for arg in &used.args {
        if let Some((name, Some(value))) = argument(arg, place, problems) {
            given.insert(name, value);
        }
    }
    for name in &used.templates {
        let Some(name) = &name.template_name else {
            problems.error(place, "a template has no name", "write templateName");
            continue;
        };
        let Some(template) = library.get(&name.value) else {
            let known = library.own.keys().chain(library.others.keys()).map(String::as_str);
            let advice = nearest(&name.value, known).map_or_else(
                || {
                    "write it in this file under analysis, or as a document of the kind AnalysisTemplate"
                        .to_owned()
                },
                |near| format!("did you mean {near:?}?"),
            );
            problems.error(name.referenced, format!("there is no template {:?}", name.value), advice);
            continue;
        };
        names.push(name.value.clone());
        for arg in &template.args {
            let Some((arg, default)) = argument(arg, name.referenced, problems) else { continue };
            match (given.contains_key(&arg), default) {
                (true, _) => {}
                (false, Some(default)) => {
                    given.insert(arg, default);
                }
                (false, None) => problems.error(
                    name.referenced,
                    format!("the argument {arg:?} of {} has no value", name.value),
                    "write it under args",
                ),
            }
        }
        let dry = dry_runs(template.dry_run.iter().chain(&used.dry_run), problems);
        for metric in &template.metrics {
            spec.metrics.extend(self::metric(metric, &dry, problems));
        }
        if let Some(judge) = &template.judge {
            if spec.judge.is_some() {
                problems.error(judge.referenced, "the analysis has two judges", "leave one");
            }
            spec.judge = self::judge(judge, problems);
        }
    }
    spec.name = names.join("+");
    spec.args = given.into_iter().collect();
    let places: Vec<(String, Location)> = used
        .templates
        .iter()
        .filter_map(|name| library.get(&name.template_name.as_ref()?.value))
        .flat_map(|template| &template.metrics)
        .filter_map(|metric| Some((metric.value.name.as_ref()?.value.clone(), metric.referenced)))
        .collect();
    check(&spec, &places, place, problems);
    (problems.errors.len() == before).then_some(spec)
}

/// What can only be seen when templates and arguments are put together.
fn check(spec: &AnalysisSpec, places: &[(String, Location)], place: Location, problems: &mut Problems<'_>) {
    if spec.metrics.is_empty() && spec.judge.is_none() {
        problems.error(place, "the analysis measures nothing", "write metrics, or a judge, in its template");
    }
    if spec.metrics.len() > MAX_METRICS {
        let message = format!("the analysis has {} metrics", spec.metrics.len());
        problems.error(place, message, format!("at most {MAX_METRICS} are measured"));
    }
    let arguments = Arguments {
        service: "service".to_owned(),
        stable: "stable".to_owned(),
        latest: "latest".to_owned(),
        values: spec.args.clone(),
    };
    for (index, metric) in spec.metrics.iter().enumerate() {
        let at = places.iter().find(|(name, _)| *name == metric.name).map_or(place, |(_, at)| *at);
        if spec.metrics[..index].iter().any(|other| other.name == metric.name) {
            problems.error(
                at,
                format!("the metric {:?} is there twice", metric.name),
                "give it another name",
            );
        }
        match fill(&metric.query, &arguments, None) {
            Ok(query) => promql(&query, &metric.name, at, problems),
            Err(error) => problems.error(at, format!("metric {}: {error}", metric.name), ""),
        }
        for condition in metric.success.iter().chain(&metric.failure) {
            match fill(condition, &arguments, None) {
                Ok(filled) => {
                    if let Err(error) = Condition::parse(&filled) {
                        problems.error(
                            at,
                            format!("metric {}: condition `{filled}`: {error}", metric.name),
                            "",
                        );
                    }
                }
                Err(error) => problems.error(at, format!("metric {}: {error}", metric.name), ""),
            }
        }
    }
    for metric in spec.judge.iter().flat_map(|judge| &judge.metrics) {
        match fill(&metric.query, &arguments, Some("version")) {
            Ok(query) => promql(&query, &metric.name, place, problems),
            Err(error) => problems.error(place, format!("metric {} of the judge: {error}", metric.name), ""),
        }
        if !metric.query.contains("{{version}}") {
            problems.error(
                place,
                format!("metric {} of the judge asks the same of both versions", metric.name),
                "write {{version}} where the version's name belongs",
            );
        }
    }
}

fn promql(query: &str, metric: &str, place: Location, problems: &mut Problems<'_>) {
    if let Err(error) = quarterdeck_promql::parse(query) {
        let first = error.to_string();
        let first = first.lines().next().unwrap_or_default();
        problems.error(
            place,
            format!("metric {metric}: the query is no PromQL: {first}"),
            format!("it is {query}"),
        );
    }
}

/// Name and value of an argument; no value when it has none yet.
fn argument(
    raw: &RawArg,
    place: Location,
    problems: &mut Problems<'_>,
) -> Option<(String, Option<ArgValue>)> {
    let Some(name) = &raw.name else {
        problems.error(place, "an argument has no name", "write name and value");
        return None;
    };
    if let Some(value) = &raw.value {
        return Some((name.value.clone(), Some(ArgValue::Text(value.value.clone()))));
    }
    let Some(from) = &raw.value_from else { return Some((name.value.clone(), None)) };
    let value = match from.value.pod_template_hash_value.as_ref().map(|which| which.value.as_str()) {
        Some("Latest") => ArgValue::Latest,
        Some("Stable") => ArgValue::Stable,
        _ => {
            problems.error(
                from.referenced,
                format!("the argument {} is taken from what is not here", name.value),
                "write a value, or valueFrom: {podTemplateHashValue: Latest} or Stable",
            );
            return None;
        }
    };
    Some((name.value.clone(), Some(value)))
}

/// Patterns of the names of metrics that run dry.
fn dry_runs<'a>(raw: impl Iterator<Item = &'a RawDryRun>, problems: &mut Problems<'_>) -> Vec<Matcher> {
    let mut patterns = Vec::new();
    for pattern in raw.filter_map(|dry| dry.metric_name.as_ref()) {
        // As with Argo, anywhere in the name.
        match Matcher::new(MatchOp::Regex, "metric", format!(".*(?:{}).*", pattern.value)) {
            Ok(matcher) => patterns.push(matcher),
            Err(error) => {
                problems.error(
                    pattern.referenced,
                    error.to_string(),
                    "write a name, or a pattern such as .*",
                );
            }
        }
    }
    patterns
}

fn metric(raw: &Spanned<RawMetric>, dry: &[Matcher], problems: &mut Problems<'_>) -> Option<MetricSpec> {
    let (place, raw) = (raw.referenced, &raw.value);
    let Some(name) = raw.name.as_ref().filter(|name| !name.value.is_empty()) else {
        problems.error(place, "a metric has no name", "write name");
        return None;
    };
    let Some(provider) = &raw.provider else {
        problems.error(
            place,
            format!("metric {} says nobody to ask", name.value),
            "write provider: {prometheus: {query: …}}",
        );
        return None;
    };
    let Some(prometheus) = &provider.value.prometheus else {
        problems.error(
            provider.referenced,
            format!("metric {} asks somebody who is not known here", name.value),
            "the console's own metrics are asked, in PromQL: write provider: {prometheus: {query: …}}",
        );
        return None;
    };
    if let Some(range) = &prometheus.range_query {
        problems.error(
            range.referenced,
            "range queries are not measured",
            "write an instant query, with a window in it",
        );
    }
    let Some(query) = &prometheus.query else {
        problems.error(provider.referenced, format!("metric {} has no query", name.value), "write query");
        return None;
    };
    let interval = raw.interval.as_ref().and_then(|word| problems.duration(word, "interval"));
    if interval.is_some_and(|interval| interval.is_zero()) {
        problems.error(
            place,
            format!("the interval of {} is 0", name.value),
            "write how long it is between two measurements",
        );
    }
    let count = raw.count.as_ref().and_then(|word| problems.number(word, "count", 1..=100_000));
    if interval.is_none() && count.is_some_and(|count| count > 1) {
        let message =
            format!("metric {} is measured {} times without an interval", name.value, count.unwrap_or(0));
        problems.error(place, message, "write interval");
    }
    let successes = raw.consecutive_success_limit.as_ref();
    Some(MetricSpec {
        name: name.value.clone(),
        query: query.value.clone(),
        interval,
        count,
        initial_delay: raw
            .initial_delay
            .as_ref()
            .and_then(|word| problems.duration(word, "initialDelay"))
            .unwrap_or_default(),
        success: raw.success_condition.as_ref().map(|word| word.value.clone()),
        failure: raw.failure_condition.as_ref().map(|word| word.value.clone()),
        failure_limit: problems.limit(raw.failure_limit.as_ref(), "failureLimit", 0),
        inconclusive_limit: problems.limit(raw.inconclusive_limit.as_ref(), "inconclusiveLimit", 0),
        consecutive_error_limit: problems.limit(
            raw.consecutive_error_limit.as_ref(),
            "consecutiveErrorLimit",
            4,
        ),
        consecutive_success_limit: successes
            .and_then(|word| problems.number(word, "consecutiveSuccessLimit", 0..=100_000))
            .filter(|limit| *limit > 0),
        dry_run: dry.iter().any(|pattern| pattern.matches(&name.value)),
    })
}

fn judge(raw: &Spanned<RawJudge>, problems: &mut Problems<'_>) -> Option<JudgeSpec> {
    let (place, raw) = (raw.referenced, &raw.value);
    if raw.metrics.is_empty() {
        problems.error(place, "the judge compares nothing", "write metrics, each with name and query");
        return None;
    }
    let mut metrics = Vec::new();
    for metric in &raw.metrics {
        let (at, metric) = (metric.referenced, &metric.value);
        let (Some(name), Some(query)) = (&metric.name, &metric.query) else {
            problems.error(at, "a metric of the judge is not complete", "write name and query");
            continue;
        };
        let weight = metric.weight.as_ref().map_or(1.0, |weight| weight.value);
        if !(weight.is_finite() && weight > 0.0) {
            problems.error(at, format!("the weight of {} is {weight}", name.value), "write a number above 0");
        }
        let effect = &metric.effect_size;
        metrics.push(JudgeMetric {
            name: name.value.clone(),
            query: query.value.clone(),
            unit: metric.unit.clone(),
            group: metric.group.clone().unwrap_or_else(|| name.value.clone()),
            direction: metric.direction,
            nan_strategy: metric.nan_strategy,
            critical: metric.critical,
            must_have_data: metric.must_have_data,
            outliers: metric.outliers,
            effect: Effect {
                allowed_increase: effect.allowed_increase,
                allowed_decrease: effect.allowed_decrease,
                critical_increase: effect.critical_increase,
                critical_decrease: effect.critical_decrease,
            },
            weight,
        });
    }
    // Kayenta's defaults.
    let pass = raw.pass.as_ref().map_or(95.0, |pass| pass.value);
    let marginal = raw.marginal.as_ref().map_or(pass.min(75.0), |marginal| marginal.value);
    if !(0.0..=100.0).contains(&pass) || !(0.0..=pass).contains(&marginal) {
        problems.error(
            raw.pass.as_ref().or(raw.marginal.as_ref()).map_or(place, |score| score.referenced),
            format!("it passes at {pass} and is marginal at {marginal}"),
            "write scores from 0 to 100, marginal not above pass",
        );
    }
    let total: f64 = raw.group_weights.values().sum();
    for (group, weight) in &raw.group_weights {
        if !metrics.iter().any(|metric| metric.group == *group) {
            problems.error(
                place,
                format!("no metric of the judge is in the group {group:?}"),
                "name a group of a metric",
            );
        }
        if !(weight.is_finite() && *weight >= 0.0 && total <= 100.0) {
            problems.error(
                place,
                format!("the weight of the group {group:?} is {weight}"),
                "weights are from 0 to 100, together at most 100",
            );
        }
    }
    let seconds = Duration::from_secs;
    let mut duration =
        |word: &Option<Word>, what: &str| word.as_ref().and_then(|word| problems.duration(word, what));
    let window = duration(&raw.window, "window").unwrap_or(seconds(300));
    let step = duration(&raw.step, "step").unwrap_or(seconds(5));
    let initial_delay = duration(&raw.initial_delay, "initialDelay").unwrap_or_default();
    let interval = duration(&raw.interval, "interval");
    let count = raw.count.as_ref().and_then(|word| problems.number(word, "count", 1..=100_000));
    if step.is_zero() || window < step || interval.is_some_and(|interval| interval.is_zero()) {
        problems.error(
            place,
            "the judge's times make no sense",
            "window is at least step, and neither step nor interval is 0",
        );
    }
    Some(JudgeSpec {
        metrics,
        group_weights: raw.group_weights.iter().map(|(group, weight)| (group.clone(), *weight)).collect(),
        pass,
        marginal,
        window,
        step,
        initial_delay,
        interval,
        count,
        failure_limit: problems.limit(raw.failure_limit.as_ref(), "failureLimit", 0),
    })
}
