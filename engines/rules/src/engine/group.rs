//! A group and its rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, STALE_NAN, Timestamp, time::millis};
use quarterdeck_promql::{PointValue, VectorSample};

use super::alert::{Alert, Alerts, Terms, labels_of};
use super::{Backend, Query, Sample, as_vector, restore};
use crate::file::{AlertSpec, RuleGroup, RuleKind, RuleSpec};
use crate::model::{AlertState, AlertingView, GroupView, RuleHealth, RuleView};
use crate::template::{Environment, Queries, Subject, Template};

/// What is the same for all groups.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// `$externalLabels`
    pub external_labels: Labels,
    /// `$externalURL`
    pub external_url: String,
}

/// A group with its state.
#[derive(Clone, Debug)]
pub struct Group {
    /// Name, unique in its file.
    pub name: Arc<str>,
    /// The file.
    pub file: Arc<str>,
    /// How often it is evaluated.
    pub interval: Duration,
    offset: Duration,
    limit: usize,
    rules: Vec<Rule>,
    context: Arc<Context>,
    last_evaluation: Option<Timestamp>,
    duration: Duration,
    /// Evaluations that were left out.
    pub missed: u64,
    /// Series of rules that are no longer in the group: they end at the next evaluation.
    orphans: BTreeSet<Labels>,
}

/// A rule with its state.
#[derive(Clone, Debug)]
pub struct Rule {
    spec: Arc<RuleSpec>,
    health: RuleHealth,
    last_error: Option<Arc<str>>,
    last_evaluation: Option<Timestamp>,
    duration: Duration,
    /// What it yielded last: what of it is gone now has ended.
    series: BTreeSet<Labels>,
    alerts: Alerts,
    restored: bool,
}

impl Rule {
    fn new(spec: Arc<RuleSpec>, restored: bool) -> Self {
        Self {
            spec,
            health: RuleHealth::Unknown,
            last_error: None,
            last_evaluation: None,
            duration: Duration::ZERO,
            series: BTreeSet::new(),
            alerts: Alerts::default(),
            restored,
        }
    }

    /// What it is.
    #[must_use]
    pub fn spec(&self) -> &RuleSpec {
        &self.spec
    }

    /// Why the last evaluation failed, if it did.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Its pending and firing alerts.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.active()
    }

    /// Its resolved alerts that are still remembered.
    pub fn resolved(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.by_labels.values().filter(|alert| alert.state == AlertState::Inactive)
    }

    fn fail(&mut self, error: &str) {
        self.health = RuleHealth::Bad;
        self.last_error = Some(error.into());
    }
}

impl Group {
    /// A group without history. `restored` says that there is no state from before a restart to wait for.
    #[must_use]
    pub fn new(
        spec: &RuleGroup,
        file: &Arc<str>,
        interval: Duration,
        offset: Duration,
        context: &Arc<Context>,
        restored: bool,
    ) -> Self {
        Self {
            name: Arc::clone(&spec.name),
            file: Arc::clone(file),
            interval: spec.interval.unwrap_or(interval),
            offset: spec.query_offset.unwrap_or(offset),
            limit: spec.limit,
            rules: spec.rules.iter().map(|rule| Rule::new(Arc::clone(rule), restored)).collect(),
            context: Arc::clone(context),
            last_evaluation: None,
            duration: Duration::ZERO,
            missed: 0,
            orphans: BTreeSet::new(),
        }
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Takes over the state of an older version of the group: alerts and series of the rules that both have.
    pub fn inherit(&mut self, old: Self) {
        (self.last_evaluation, self.duration, self.missed) = (old.last_evaluation, old.duration, old.missed);
        self.orphans = old.orphans;
        let mut left = old.rules;
        for rule in &mut self.rules {
            // As Prometheus: by name and labels, in order; whatever else changed.
            let same = |other: &Rule| {
                other.spec.name() == rule.spec.name()
                    && other.spec.labels == rule.spec.labels
                    && std::mem::discriminant(&other.spec.kind) == std::mem::discriminant(&rule.spec.kind)
            };
            if let Some(place) = left.iter().position(same) {
                let other = left.remove(place);
                rule.series = other.series;
                rule.alerts = other.alerts;
                rule.restored = other.restored;
                (rule.health, rule.last_error) = (other.health, other.last_error);
                (rule.last_evaluation, rule.duration) = (other.last_evaluation, other.duration);
            }
        }
        self.orphans.extend(left.into_iter().flat_map(|rule| rule.series));
    }

    /// Evaluates every rule at a moment, in order; each sees what those before it have written.
    pub fn evaluate(&mut self, now: Timestamp, backend: &dyn Backend) {
        let started = Instant::now();
        let at = now.plus_millis(-millis(self.offset));
        for rule in &mut self.rules {
            let began = Instant::now();
            let yielded = match &rule.spec.kind {
                RuleKind::Recording { record } => record_samples(rule, record, at, self.limit, backend),
                RuleKind::Alerting(_) => alert_samples(rule, now, at, self.limit, &self.context, backend),
            };
            match yielded {
                Ok(samples) => {
                    (rule.health, rule.last_error) = (RuleHealth::Ok, None);
                    write(rule, samples, at, backend);
                }
                Err(error) => rule.fail(&error),
            }
            rule.duration = began.elapsed();
            rule.last_evaluation = Some(now);
        }
        if !self.orphans.is_empty() {
            let orphans = std::mem::take(&mut self.orphans);
            let kept: BTreeSet<&Labels> = self.rules.iter().flat_map(|rule| &rule.series).collect();
            let ended =
                orphans.iter().filter(|labels| !kept.contains(labels)).map(|labels| stale(labels, at));
            if let Err(error) = backend.write(&ended.collect::<Vec<_>>()) {
                tracing::warn!(group = &*self.name, %error, "series of removed rules could not be ended");
            }
        }
        self.last_evaluation = Some(now);
        self.duration = started.elapsed();
    }

    /// Reads back how long alerts have been pending. To be called once, after the second evaluation: at the first,
    /// data may not be there yet. Alerts are written from the next evaluation on.
    pub fn restore(&mut self, now: Timestamp, backend: &dyn Backend) {
        for rule in self.rules.iter_mut().filter(|rule| !rule.restored) {
            if let RuleKind::Alerting(spec) = &rule.spec.kind {
                restore::restore(&mut rule.alerts, &spec.alert, spec.hold, now, backend);
            }
            rule.restored = true;
        }
    }

    /// Ends every series that the group has yielded: for a group that is no longer configured.
    pub fn end(&mut self, now: Timestamp, backend: &dyn Backend) -> Result<(), String> {
        let at = now.plus_millis(-millis(self.offset));
        let series = self.rules.iter().flat_map(|rule| &rule.series).chain(&self.orphans);
        let ended: Vec<Sample> = series.map(|labels| stale(labels, at)).collect();
        backend.write(&ended)
    }

    /// The group as others see it.
    #[must_use]
    pub fn view(&self) -> GroupView {
        GroupView {
            name: Arc::clone(&self.name),
            file: Arc::clone(&self.file),
            interval: self.interval,
            limit: self.limit,
            last_evaluation: self.last_evaluation,
            duration: self.duration,
            missed: self.missed,
            rules: self.rules.iter().map(|rule| Arc::new(rule_view(rule))).collect(),
        }
    }
}

fn rule_view(rule: &Rule) -> RuleView {
    let alerting = match &rule.spec.kind {
        RuleKind::Recording { .. } => None,
        RuleKind::Alerting(spec) => Some(AlertingView {
            hold: spec.hold,
            keep_firing: spec.keep_firing,
            annotations: Arc::clone(&spec.annotations),
            alerts: rule.alerts.active().map(|alert| Arc::new(alert.view())).collect(),
        }),
    };
    RuleView {
        name: Arc::clone(rule.spec.name()),
        query: Arc::clone(&rule.spec.query),
        labels: Arc::clone(&rule.spec.labels),
        health: rule.health,
        last_error: rule.last_error.clone(),
        last_evaluation: rule.last_evaluation,
        duration: rule.duration,
        line: rule.spec.line,
        alerting,
    }
}

fn stale(labels: &Labels, t: Timestamp) -> Sample {
    Sample { labels: labels.clone(), t, v: PointValue::Float(STALE_NAN) }
}

/// Writes what a rule yielded, and ends what it no longer yields.
fn write(rule: &mut Rule, mut samples: Vec<Sample>, at: Timestamp, backend: &dyn Backend) {
    let present: BTreeSet<Labels> = samples.iter().map(|sample| sample.labels.clone()).collect();
    samples.extend(rule.series.difference(&present).map(|labels| stale(labels, at)));
    if let Err(error) = backend.write(&samples) {
        rule.fail(&error);
    }
    rule.series = present;
}

fn vector(spec: &RuleSpec, at: Timestamp, backend: &dyn Backend) -> Result<Vec<VectorSample>, String> {
    as_vector(backend.query(&Query::Expr(&spec.expr), at)?)
}

fn record_samples(
    rule: &Rule,
    record: &str,
    at: Timestamp,
    limit: usize,
    backend: &dyn Backend,
) -> Result<Vec<Sample>, String> {
    let found = vector(&rule.spec, at, backend)?;
    let mut seen = BTreeSet::new();
    let mut samples = Vec::with_capacity(found.len());
    for element in found {
        let own = rule.spec.labels.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let labels = Labels::from_pairs(element.labels.iter().chain([(METRIC_NAME, record)]).chain(own));
        if !seen.insert(labels.clone()) {
            return Err(
                "vector contains metrics with the same labelset after applying rule labels".to_owned()
            );
        }
        samples.push(Sample { labels, t: at, v: element.point.v });
    }
    if limit > 0 && samples.len() > limit {
        return Err(format!("exceeded limit of {limit} with {} series", samples.len()));
    }
    Ok(samples)
}

/// What templates ask, at the evaluation's time.
struct Asked<'a> {
    backend: &'a dyn Backend,
    at: Timestamp,
}

impl Queries for Asked<'_> {
    fn query(&self, text: &str) -> Result<Vec<(Labels, f64)>, String> {
        let found = as_vector(self.backend.query(&Query::Text(text), self.at)?)?;
        Ok(found.into_iter().filter_map(|s| Some((s.labels, s.point.v.as_float()?))).collect())
    }
}

fn alert_samples(
    rule: &mut Rule,
    now: Timestamp,
    at: Timestamp,
    limit: usize,
    context: &Context,
    backend: &dyn Backend,
) -> Result<Vec<Sample>, String> {
    let spec = Arc::clone(&rule.spec);
    let RuleKind::Alerting(terms) = &spec.kind else { return Ok(Vec::new()) };
    let found = vector(&spec, at, backend)?;
    let environment =
        Environment { external_labels: &context.external_labels, external_url: &context.external_url, now };
    let asked = Asked { backend, at: now };
    let mut alerts: BTreeMap<Labels, Alert> = BTreeMap::new();
    for element in &found {
        let alert = expand(element, terms, &environment, &asked, now);
        if alerts.insert(alert.labels.clone(), alert).is_some() {
            return Err(
                "vector contains metrics with the same labelset after applying alert labels".to_owned()
            );
        }
    }
    let terms = Terms {
        hold: terms.hold,
        keep_firing: terms.keep_firing,
        limit,
        sample_at: at,
        restored: rule.restored,
    };
    rule.alerts.advance(alerts, now, &terms)
}

fn expand(
    element: &VectorSample,
    spec: &AlertSpec,
    environment: &Environment<'_>,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Alert {
    let (value, histogram) = match &element.point.v {
        PointValue::Float(v) => (*v, None),
        PointValue::Histogram(h) => (0.0, Some(h.to_string())),
    };
    let subject = Subject { labels: &element.labels, value, histogram: histogram.as_deref() };
    let all = |templates: &[(String, Template)]| -> Vec<(String, String)> {
        let one = |(name, template): &(String, Template)| {
            (name.clone(), template.expand_or_tell(subject, environment, asked))
        };
        templates.iter().map(one).collect()
    };
    Alert {
        labels: labels_of(&element.labels, &all(&spec.label_templates), &spec.alert),
        annotations: all(&spec.annotation_templates).into(),
        state: AlertState::Pending,
        active_at: now,
        fired_at: None,
        resolved_at: None,
        keep_firing_since: None,
        value,
    }
}
