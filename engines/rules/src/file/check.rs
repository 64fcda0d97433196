//! The checks that Prometheus makes, and the form in which rules run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::time::parse_duration;
use quarterdeck_promql::{Expr, ParseError};
use quarterdeck_yaml::{Location, Spanned};

use super::raw::{File, Group, Placed, Rule};
use super::{AlertSpec, RuleFile, RuleGroup, RuleKind, RuleSpec, place};
use crate::template::Template;

/// What a rule yields: whether alerts, the name, the labels.
type Output<'a> = (bool, &'a str, &'a [(String, String)]);

type Pairs = BTreeMap<String, Spanned<String>>;

struct Check<'a> {
    text: &'a str,
    name: &'a str,
    mistakes: Vec<Diagnostic>,
}

pub(super) fn check(file: File, text: &str, name: &str) -> Result<RuleFile, Vec<Diagnostic>> {
    let mut check = Check { text, name, mistakes: Vec::new() };
    let mut groups: Vec<RuleGroup> = Vec::new();
    for group in file.groups.unwrap_or_default() {
        groups.extend(check.group(group, &groups));
    }
    if !check.mistakes.is_empty() {
        return Err(check.mistakes);
    }
    let notes = duplicates(&groups, name);
    Ok(RuleFile { path: name.into(), groups, notes })
}

impl Check<'_> {
    fn fail(&mut self, at: Location, message: impl Into<String>, advice: &str) {
        let told = Diagnostic::new(message).advise(advice);
        self.mistakes.push(quarterdeck_yaml::at(told, self.name, at));
    }

    fn group(&mut self, group: Spanned<Group>, others: &[RuleGroup]) -> Option<RuleGroup> {
        let (at, group) = (group.referenced, group.value);
        let place = group.name.as_ref().map_or(at, |name| name.referenced);
        let name = group.name.map(|name| name.value).unwrap_or_default();
        if name.is_empty() {
            self.fail(place, "the group has no name", "name it; names are unique in a file");
        } else if others.iter().any(|other| *other.name == *name) {
            self.fail(
                place,
                format!("the group name {name:?} is used twice in this file"),
                "give each its own",
            );
        }
        let labels = group.labels.unwrap_or_default();
        self.label_names(&labels, "label");
        let interval = self.duration(group.interval.as_ref(), "interval").filter(|d| !d.is_zero());
        let query_offset = self.duration(group.query_offset.as_ref(), "query_offset");
        let limit = usize::try_from(group.limit.unwrap_or_default()).unwrap_or_default();
        let rules = group.rules.unwrap_or_default();
        let rules = rules.into_iter().filter_map(|rule| self.rule(rule, &labels)).map(Arc::new).collect();
        Some(RuleGroup { name: name.into(), interval, query_offset, limit, rules })
    }

    fn duration(&mut self, written: Option<&Spanned<String>>, field: &str) -> Option<Duration> {
        let written = written?;
        match parse_duration(&written.value) {
            Ok(duration) => Some(duration),
            Err(error) => {
                self.fail(written.referenced, format!("{field}: {error}"), "");
                None
            }
        }
    }

    fn label_names(&mut self, pairs: &Pairs, what: &str) {
        for (name, value) in pairs {
            if name.is_empty() || (what == "label" && name == METRIC_NAME) {
                let told = format!("{name:?} is not a lawful {what} name here");
                self.fail(value.referenced, told, "choose another name");
            }
        }
    }

    fn rule(&mut self, rule: Spanned<Rule>, of_group: &Pairs) -> Option<RuleSpec> {
        let (at, rule) = (rule.referenced, rule.value);
        let before = self.mistakes.len();
        let given = |name: &Placed<String>| name.as_ref().filter(|n| !n.value.is_empty()).cloned();
        let (record, alert) = (given(&rule.record), given(&rule.alert));
        if let (Some(record), Some(_)) = (&record, &alert) {
            self.fail(record.referenced, "the rule has both record and alert", "keep one of them");
        } else if record.is_none() && alert.is_none() {
            self.fail(at, "the rule has neither record nor alert", "write one of them");
        }
        let hold = self.duration(rule.hold.as_ref(), "for").unwrap_or_default();
        let keep_firing = self.duration(rule.keep_firing_for.as_ref(), "keep_firing_for").unwrap_or_default();
        let annotations = rule.annotations.unwrap_or_default();
        let own = rule.labels.unwrap_or_default();
        self.label_names(&own, "label");
        self.label_names(&annotations, "annotation");
        let expr = match given(&rule.expr) {
            Some(expr) => self.expr(&expr),
            None => {
                self.fail(at, "the rule has no expr", "write the expression");
                None
            }
        };
        if let Some(record) = &record {
            self.recording(record, &annotations, (hold, &rule.hold), (keep_firing, &rule.keep_firing_for));
        }
        let mut labels = of_group.clone();
        labels.extend(own);
        let pairs = |pairs: &Pairs| -> Arc<[(String, String)]> {
            pairs.iter().map(|(n, v)| (n.clone(), v.value.clone())).collect()
        };
        let name = record.as_ref().or(alert.as_ref());
        let kind = match (&record, &alert) {
            (None, Some(alert)) => RuleKind::Alerting(Box::new(AlertSpec {
                alert: alert.value.as_str().into(),
                hold,
                keep_firing,
                annotations: pairs(&annotations),
                label_templates: self.templates(&alert.value, &labels, "label"),
                annotation_templates: self.templates(&alert.value, &annotations, "annotation"),
            })),
            _ => RuleKind::Recording { record: name.map_or_else(|| "".into(), |n| n.value.as_str().into()) },
        };
        let expr = expr.filter(|_| self.mistakes.len() == before)?;
        let query = expr.to_string().into();
        Some(RuleSpec { kind, query, expr, labels: pairs(&labels), line: at.line() })
    }

    fn recording(
        &mut self,
        record: &Spanned<String>,
        annotations: &Pairs,
        hold: (Duration, &Placed<String>),
        keep_firing: (Duration, &Placed<String>),
    ) {
        let name = &record.value;
        if let Some(first) = annotations.values().next() {
            self.fail(
                first.referenced,
                format!("the recording rule {name:?} has annotations"),
                "only alerting rules have them",
            );
        }
        for (duration, written, field) in
            [(hold.0, hold.1, "for"), (keep_firing.0, keep_firing.1, "keep_firing_for")]
        {
            if let Some(written) = written.as_ref().filter(|_| !duration.is_zero()) {
                let told = format!("the recording rule {name:?} has {field}");
                self.fail(written.referenced, told, "only alerting rules have it");
            }
        }
        if name.contains(['{', '}']) {
            let told = format!("there are braces in the name of the recording rule {name:?}");
            self.fail(record.referenced, told, "an expression belongs in expr, labels in labels");
        }
    }

    fn expr(&mut self, written: &Spanned<String>) -> Option<Expr> {
        let error = match quarterdeck_promql::parse(&written.value) {
            Ok(expr) => return Some(expr),
            Err(error) => error,
        };
        let told = |error: &ParseError| {
            Diagnostic::new(format!("expr: {}", error.message))
                .advise(error.advice.clone().unwrap_or_default())
        };
        for error in error.all() {
            let placed = place::inside(told(error), self.name, self.text, written, error.range.start);
            self.mistakes.push(placed);
        }
        None
    }

    fn templates(&mut self, alert: &str, pairs: &Pairs, what: &str) -> Vec<(String, Template)> {
        let mut parsed = Vec::new();
        for (name, value) in pairs {
            match Template::parse(alert, &value.value) {
                Ok(template) => parsed.push((name.clone(), template)),
                Err(error) => {
                    let told = Diagnostic::new(format!("{what} {name:?}: {}", error.reason));
                    self.mistakes.push(place::inside(told, self.name, self.text, value, error.at));
                }
            }
        }
        parsed
    }
}

/// Rules with one name and one set of labels: the later output replaces the earlier.
fn duplicates(groups: &[RuleGroup], name: &str) -> Vec<Diagnostic> {
    let mut seen: BTreeMap<Output<'_>, usize> = BTreeMap::new();
    let mut notes = Vec::new();
    for rule in groups.iter().flat_map(|group| &group.rules) {
        let alerting = matches!(rule.kind, RuleKind::Alerting(_));
        let key = (alerting, &**rule.name(), &*rule.labels);
        if let Some(first) = seen.get(&key) {
            let told = format!(
                "the rule {:?} is there twice with the same labels, first in line {first}",
                rule.name()
            );
            notes.push(Diagnostic {
                source: name.to_owned(),
                line: rule.line,
                column: 1,
                ..Diagnostic::new(told).advise("give one of them another name or other labels")
            });
        } else {
            seen.insert(key, rule.line);
        }
    }
    notes
}
