//! Strategy files: Argo's documents of the kind `Rollout`, or the short form that has the same names at the top.
//!
//! Beside Argo's names there are some of our own: `onFailure` (`rollback`, `freeze`), `onRestart` (`continue`, `revert`),
//! `gradualRollback` (`steps`, `interval`), `drainSeconds`, `unreadySeconds`, `crashLimit`, `abortOnAlerts`, `checks`,
//! `canary.sharedCapacity`, and `judge` in a template. What a file says and cannot be meant is refused with its place; what
//! Argo knows and has no meaning here is named in [`File::unused`].

mod documents;
mod raw;
mod steps;
mod templates;
mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_yaml::{Location, Spanned};

use super::{
    BlueGreen, Canary, Gradual, Limit, OnFailure, Rolling, Step, Strategy, StrategyKind, conditions,
};
use raw::{Body, RawBlueGreen, RawCanary, RawGradual, RawRolling, Template};
use templates::{Library, Use, analysis};
use words::{MAX_REPLICAS, Problems};

/// A strategy as read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// The strategy.
    pub strategy: Strategy,
    /// What is allowed and strange.
    pub warnings: Vec<Diagnostic>,
    /// What is read over, since it has no meaning here: `spec.selector`, `canaryService`.
    pub unused: Vec<String>,
}

/// Analysis templates of all files, for strategies that use those of another one.
#[derive(Default)]
pub struct Templates(BTreeMap<String, Template>);

impl Templates {
    /// Takes the templates of a file; how many there are.
    ///
    /// # Errors
    /// What is wrong with the file, with places.
    pub fn add(&mut self, text: &str, source: &str) -> Result<usize, Vec<Diagnostic>> {
        let found = documents::read(text, source)?;
        let count = found.templates.len();
        self.0.extend(found.templates);
        Ok(count)
    }

    /// Whether a file has templates only, and no strategy.
    ///
    /// # Errors
    /// What is wrong with the file, with places.
    pub fn only(text: &str, source: &str) -> Result<bool, Vec<Diagnostic>> {
        documents::read(text, source).map(|found| found.body.is_none() && !found.templates.is_empty())
    }
}

/// Reads a strategy. `name` is what it is called when the file does not say so.
///
/// # Errors
/// Everything that is wrong with the file, with places.
pub fn read(text: &str, source: &str, name: &str, templates: &Templates) -> Result<File, Vec<Diagnostic>> {
    let found = documents::read(text, source)?;
    let Some((body, document)) = found.body else {
        let told = Diagnostic::new("the file has no strategy")
            .advise("write strategy: {canary: …}, {blueGreen: …} or {rolling: …}");
        return Err(vec![Diagnostic { source: source.to_owned(), ..told }]);
    };
    let library = Library { own: &found.templates, others: &templates.0 };
    let mut problems = Problems::new(source);
    let mut unused = found.unused;
    let given = body.name.as_ref().map(|name| name.value.clone()).or(document);
    let name = given.unwrap_or_else(|| name.to_owned());
    let strategy = strategy(body, name, &library, &mut unused, &mut problems);
    match strategy {
        Some(mut strategy) if problems.errors.is_empty() => {
            source.clone_into(&mut strategy.source);
            Ok(File { strategy, warnings: problems.warnings, unused })
        }
        _ => Err(problems.errors),
    }
}

fn strategy(
    body: Body,
    name: String,
    library: &Library<'_>,
    unused: &mut Vec<String>,
    problems: &mut Problems<'_>,
) -> Option<Strategy> {
    const KINDS: &str = "write one of canary, blueGreen and rolling under strategy";
    let place = body.strategy.as_ref().map(|strategy| strategy.referenced).unwrap_or_default();
    let Some(kinds) = body.strategy else {
        problems.error(place, "the strategy is missing", KINDS);
        return None;
    };
    let mut strategy = Strategy::new(name, StrategyKind::Rolling(Rolling::default()));
    match (kinds.value.canary, kinds.value.blue_green, kinds.value.rolling) {
        (Some(raw), None, None) => canary(raw, library, &mut strategy, unused, problems),
        (None, Some(raw), None) => blue_green(raw, library, &mut strategy, unused, problems),
        (None, None, Some(raw)) => strategy.kind = StrategyKind::Rolling(rolling(&raw.value, problems)),
        (None, None, None) => problems.error(place, "the strategy says nothing", KINDS),
        _ => problems.error(place, "the strategy is of several kinds", KINDS),
    }
    if let Some(replicas) = &body.replicas {
        strategy.replicas = problems.number(replicas, "replicas", 1..=MAX_REPLICAS);
    }
    let set = |word: &Option<raw::Word>, what: &str, to: &mut Duration, problems: &mut Problems<'_>| {
        if let Some(duration) = word.as_ref().and_then(|word| problems.duration(word, what)) {
            *to = duration;
        }
    };
    set(
        &body.progress_deadline_seconds,
        "progressDeadlineSeconds",
        &mut strategy.progress_deadline,
        problems,
    );
    set(&body.min_ready_seconds, "minReadySeconds", &mut strategy.min_ready, problems);
    set(&body.drain_seconds, "drainSeconds", &mut strategy.drain, problems);
    set(&body.unready_seconds, "unreadySeconds", &mut strategy.unready_limit, problems);
    if strategy.progress_deadline <= strategy.min_ready {
        let place = body.progress_deadline_seconds.as_ref().or(body.min_ready_seconds.as_ref());
        problems.error(
            place.map(|word| word.referenced).unwrap_or_default(),
            "the progress deadline is not longer than a replica has to be ready",
            "write progressDeadlineSeconds above minReadySeconds",
        );
    }
    strategy.progress_deadline_abort = body.progress_deadline_abort;
    let revisions = body.rollback_window.and_then(|window| window.revisions);
    strategy.rollback_window = revisions.and_then(|word| problems.number(&word, "revisions", 0..=50));
    strategy.on_failure = body.on_failure.unwrap_or_default();
    strategy.on_restart = body.on_restart.unwrap_or_default();
    if let Some(limit) = &body.crash_limit {
        strategy.crash_limit = problems.number(limit, "crashLimit", 0..=1000).unwrap_or_default();
    }
    strategy.gradual_rollback = body.gradual_rollback.and_then(|raw| gradual(&raw, place, problems));
    if strategy.gradual_rollback.is_some() && strategy.on_failure == OnFailure::Freeze {
        problems.warn(place, "gradualRollback is not used with onFailure: freeze", "leave one of them out");
    }
    for alert in &body.abort_on_alerts {
        if let Err(why) = conditions(&alert.value) {
            let message = format!("{:?} are no conditions on an alert's labels: {why}", alert.value);
            problems.error(
                alert.referenced,
                message,
                "write them as in severity=\"critical\", team=~\"a|b\"",
            );
        }
        strategy.abort_on_alerts.push(alert.value.clone());
    }
    strategy.checks = body.checks.map(|checks| checks.into_iter().map(|check| check.value).collect());
    Some(strategy)
}

fn rolling(raw: &RawRolling, problems: &mut Problems<'_>) -> Rolling {
    let default = Rolling::default();
    let mut limit = |word: &Option<raw::Word>, what: &str, default: Limit| {
        word.as_ref().and_then(|word| problems.replicas(word, what)).unwrap_or(default)
    };
    Rolling {
        max_surge: limit(&raw.max_surge, "maxSurge", default.max_surge),
        max_unavailable: limit(&raw.max_unavailable, "maxUnavailable", default.max_unavailable),
    }
}

/// The way back in steps: falling weights.
fn gradual(raw: &RawGradual, place: Location, problems: &mut Problems<'_>) -> Option<Gradual> {
    let mut steps = Vec::new();
    for word in &raw.steps {
        let step = problems.number(word, "a step of gradualRollback", 0..=100)?;
        if steps.last().is_some_and(|before| step >= *before) {
            problems.error(
                word.referenced,
                "the steps of gradualRollback do not fall",
                "write weights as in [50, 25, 10]",
            );
        }
        steps.push(step);
    }
    let interval = raw.interval.as_ref().and_then(|word| problems.duration(word, "interval"));
    let Some(interval) = interval.filter(|interval| !interval.is_zero()) else {
        problems.error(
            place,
            "gradualRollback has no interval",
            "write how long each step lasts, as in interval: 30s",
        );
        return None;
    };
    if steps.is_empty() {
        problems.error(place, "gradualRollback has no steps", "write weights as in [50, 25, 10]");
        return None;
    }
    Some(Gradual { steps, interval })
}

/// Delays that canaries and blue-green deployments share; with Argo, 0 keeps an aborted version for ever.
fn delays(
    strategy: &mut Strategy,
    delay: Option<&raw::Word>,
    abort: Option<&raw::Word>,
    problems: &mut Problems<'_>,
) {
    if let Some(delay) = delay.and_then(|word| problems.duration(word, "scaleDownDelaySeconds")) {
        strategy.scale_down_delay = delay;
    }
    if let Some(delay) = abort.and_then(|word| problems.duration(word, "abortScaleDownDelaySeconds")) {
        strategy.abort_scale_down_delay = (!delay.is_zero()).then_some(delay);
    }
}

fn blue_green(
    raw: Spanned<RawBlueGreen>,
    library: &Library<'_>,
    strategy: &mut Strategy,
    unused: &mut Vec<String>,
    problems: &mut Problems<'_>,
) {
    let (place, raw) = (raw.referenced, raw.value);
    unused.extend(raw.unused().into_iter().map(|key| format!("blueGreen.{key}")));
    let (delay, abort) = (&raw.scale_down_delay_seconds, &raw.abort_scale_down_delay_seconds);
    delays(strategy, delay.as_ref(), abort.as_ref(), problems);
    let after = raw.auto_promotion_seconds.as_ref();
    let preview = raw.preview_replica_count.as_ref();
    let analysis = |raw: Option<raw::RawAnalysis>, what: &str, problems: &mut Problems<'_>| {
        let spec = analysis(&Use::from(raw?), place, library, problems)?;
        if crate::analysis::longest(&spec).is_none() {
            let message = format!("{what} {} has no end: a metric with an interval has no count", spec.name);
            problems.error(place, message, "write how many measurements it takes");
        }
        Some(spec)
    };
    let pre_promotion = analysis(raw.pre_promotion_analysis, "prePromotionAnalysis", problems);
    let post_promotion = analysis(raw.post_promotion_analysis, "postPromotionAnalysis", problems);
    strategy.kind = StrategyKind::BlueGreen(BlueGreen {
        auto_promotion: raw.auto_promotion_enabled.unwrap_or(true),
        auto_promotion_after: after
            .and_then(|word| problems.duration(word, "autoPromotionSeconds"))
            .filter(|after| !after.is_zero()),
        preview_replicas: preview
            .and_then(|word| problems.number(word, "previewReplicaCount", 1..=MAX_REPLICAS)),
        pre_promotion,
        post_promotion,
    });
}

fn canary(
    raw: Spanned<RawCanary>,
    library: &Library<'_>,
    strategy: &mut Strategy,
    unused: &mut Vec<String>,
    problems: &mut Problems<'_>,
) {
    let (place, raw) = (raw.referenced, raw.value);
    unused.extend(raw.unused().into_iter().map(|key| format!("canary.{key}")));
    let (delay, abort) = (&raw.scale_down_delay_seconds, &raw.abort_scale_down_delay_seconds);
    delays(strategy, delay.as_ref(), abort.as_ref(), problems);
    // Argo's defaults for canaries.
    let mut limit = |word: &Option<raw::Word>, what: &str, default: Limit| {
        word.as_ref().and_then(|word| problems.replicas(word, what)).unwrap_or(default)
    };
    let limits = Rolling {
        max_surge: limit(&raw.max_surge, "maxSurge", Limit::Percent(25)),
        max_unavailable: limit(&raw.max_unavailable, "maxUnavailable", Limit::Percent(25)),
    };
    if raw.steps.is_empty() && raw.analysis.is_none() {
        // As with Argo: a canary without steps is a rolling update.
        problems.warn(
            place,
            "a canary without steps is a rolling update",
            "write steps, or strategy: {rolling: {}}",
        );
        strategy.kind = StrategyKind::Rolling(limits);
        return;
    }
    let shared = raw.shared_capacity.unwrap_or(false);
    if !shared && (raw.max_surge.is_some() || raw.max_unavailable.is_some()) {
        unused.extend(["canary.maxSurge", "canary.maxUnavailable"].map(str::to_owned));
    }
    let count = raw.steps.len();
    let read = steps::steps(raw.steps, library, problems);
    let background = raw.analysis.and_then(|background| {
        let at = background.referenced;
        let start = background.value.starting_step.as_ref();
        let most = u32::try_from(count).unwrap_or(u32::MAX);
        let start = match start {
            Some(word) => problems.number(word, "startingStep", 0..=most)?,
            None => 0,
        };
        let spec = analysis(&Use::from(background.value), at, library, problems)?;
        Some((spec, usize::try_from(start).unwrap_or(0)))
    });
    let scaled = read.iter().any(|step| matches!(step, Step::SetCanaryScale(_)));
    if shared && scaled {
        problems.warn(place, "setCanaryScale is not used with sharedCapacity", "leave one of them out");
    }
    let least = raw.min_pods_per_replica_set.as_ref();
    strategy.kind = StrategyKind::Canary(Canary {
        steps: read,
        background,
        shared: shared.then_some(limits),
        min_replicas: least
            .and_then(|word| problems.number(word, "minPodsPerReplicaSet", 0..=MAX_REPLICAS))
            .unwrap_or(1)
            .max(1),
    });
}
