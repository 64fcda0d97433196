//! A silence for chosen alerts: which matchers.

use std::collections::BTreeSet;
use std::sync::Arc;

use quarterdeck_alerting::model::Alert;
use quarterdeck_alertmanager::{MatchOp, Matcher, Matchers};

/// Values of a label that are listed at most; a label with more is left out.
const VALUES: usize = 20;

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
