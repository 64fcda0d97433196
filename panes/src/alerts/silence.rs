//! A silence for chosen alerts: which matchers, and what they would hide.

use std::collections::BTreeSet;
use std::sync::Arc;

use quarterdeck_alerting::model::Alert;
use quarterdeck_alertmanager::{MatchOp, Matcher, Matchers};
use quarterdeck_widgets::Role;

use crate::World;

/// Values of a label that are listed at most; a label with more is left out.
const VALUES: usize = 20;
/// Names that are told of what would be hidden.
const NAMES: usize = 6;

/// Matchers for all of these alerts: what they have in common, and what each of them has of the rest.
pub(super) fn propose(alerts: &[Arc<Alert>]) -> String {
    let Some(first) = alerts.first() else { return String::new() };
    let matcher = |(name, value): (&str, &str)| -> Option<Matcher> {
        let mut values = BTreeSet::from([value]);
        for alert in alerts {
            values.insert(alert.labels.get(name)?);
            if values.len() > VALUES {
                return None;
            }
        }
        if values.len() == 1 {
            return Some(Matcher::equal(name, value));
        }
        let listed: Vec<String> = values.into_iter().map(literal).collect();
        Matcher::new(MatchOp::Regex, name, listed.join("|")).ok()
    };
    let matchers: Matchers = first.labels.iter().filter_map(matcher).collect();
    let text = matchers.to_string();
    text.trim_start_matches('{').trim_end_matches('}').to_owned()
}

/// A text as a pattern that matches it alone.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if r"\.+*?()|[]{}^$#&-~".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// What matchers would hide, or what is wrong with them.
pub(super) fn preview(world: &World, text: &str) -> Vec<(String, Role)> {
    let matchers = match Matchers::parse(text) {
        Ok(matchers) if matchers.is_empty() => {
            return vec![("say which alerts: alertname=\"HighLatency\"".to_owned(), Role::Warning)];
        }
        Ok(matchers) => matchers,
        Err(error) => return vec![(error.to_string(), Role::Critical)],
    };
    let alerts = world.alerting.alerts.alerts.iter().filter(|alert| alert.state.is_open());
    let hidden: Vec<&Arc<Alert>> = alerts.filter(|alert| matchers.matches(&alert.labels)).collect();
    let mut names: Vec<&str> = Vec::new();
    for alert in &hidden {
        if names.len() < NAMES && !names.contains(&alert.name()) {
            names.push(alert.name());
        }
    }
    match hidden.len() {
        0 => vec![("hides nothing that is open now".to_owned(), Role::Warning)],
        1 => vec![(format!("hides 1 open alert: {}", names.join(", ")), Role::Info)],
        n => vec![(format!("hides {n} open alerts: {}", names.join(", ")), Role::Info)],
    }
}
