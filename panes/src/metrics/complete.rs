//! What is offered while a query is typed.

use std::ops::Range;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{MatchOp, Matcher};
use quarterdeck_promql::functions::{aggregation_named, function};
use quarterdeck_promql::{CompletionKind, complete, context};
use quarterdeck_widgets::popup::Item;

use crate::world::Names;

/// At most this many names are offered.
pub(super) const LIMIT: usize = 100;

/// What may stand at the cursor.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// The bytes that a choice replaces.
    pub(super) replace: Range<usize>,
    /// What is typed of it.
    pub(super) prefix: String,
    /// Names that the store knows, and what is put behind one when it is chosen.
    pub(super) names: Option<(Names, Behind)>,
    /// What needs no store, with what is put behind.
    pub(super) words: Vec<(Item, Behind)>,
    /// Whether to offer although nothing is typed yet.
    pub(super) at_once: bool,
}

/// What follows a chosen completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing.
    #[default]
    Nothing,
    /// The parenthesis of a call.
    Call,
    /// Operator and quote of a label's condition.
    Condition,
    /// The closing quote.
    Quote,
    /// Both quotes: none is there yet.
    Quotes,
}

impl Behind {
    /// The text that follows.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Nothing | Self::Quotes => "",
            Self::Call => "(",
            Self::Condition => "=\"",
            Self::Quote => "\"",
        }
    }
}

/// What may stand at a cursor of a query.
pub(super) fn wanted(text: &str, cursor: usize) -> Wanted {
    let context = context(text, cursor);
    let before = text.get(..context.replace.start).unwrap_or_default();
    let quoted = before.ends_with(['"', '\'', '`']);
    let mut names = None;
    let mut at_once = false;
    for kind in &context.expected {
        names = match kind {
            CompletionKind::Metric => Some((Names::Metrics, Behind::Nothing)),
            CompletionKind::LabelName { matchers } if names.is_none() => {
                at_once = true;
                let behind = if in_braces(before) { Behind::Condition } else { Behind::Nothing };
                Some((Names::Labels(metric_of(matchers)), behind))
            }
            CompletionKind::LabelValue { label, matchers } => {
                at_once = true;
                let behind = if quoted { Behind::Quote } else { Behind::Quotes };
                Some((Names::Values { label: label.clone(), metric: metric_of(matchers) }, behind))
            }
            CompletionKind::Duration => {
                at_once = true;
                names
            }
            _ => names,
        };
    }
    let words = complete(text, cursor)
        .into_iter()
        .map(|c| {
            let behind = match c.kind {
                CompletionKind::Function | CompletionKind::Aggregation => Behind::Call,
                _ => Behind::Nothing,
            };
            (Item::new(c.text).note(c.help), behind)
        })
        .collect();
    Wanted { replace: context.replace, prefix: context.prefix, names, words, at_once }
}

/// The call that a cursor is in: its signature and what it does.
pub(super) fn signature(text: &str, cursor: usize) -> Option<String> {
    let (name, _) = context(text, cursor).call?;
    match function(name) {
        Some(function) => Some(format!("{} · {}", function.signature(), function.help)),
        None => aggregation_named(name).map(|a| format!("{} by (labels) (vector) · {}", a.name, a.help)),
    }
}

/// Whether the innermost open bracket is a brace; brackets in quotes do not count.
fn in_braces(before: &str) -> bool {
    let mut open = Vec::new();
    let mut quote = None;
    for c in before.chars() {
        match (quote, c) {
            (Some(q), c) if q == c => quote = None,
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '{' | '(' | '[') => open.push(c),
            (None, '}' | ')' | ']') => {
                open.pop();
            }
            _ => {}
        }
    }
    open.last() == Some(&'{')
}

fn metric_of(matchers: &[Matcher]) -> Option<String> {
    matchers.iter().find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal).map(|m| m.value.clone())
}

impl Wanted {
    /// The choices: names that begin with what is typed, then words, then other names.
    pub(super) fn choices(&self, names: &[String]) -> Vec<(Item, Behind)> {
        let behind = self.names.as_ref().map(|(_, behind)| *behind).unwrap_or_default();
        let note = match &self.names {
            Some((Names::Metrics, _)) => "metric",
            Some((Names::Labels(_), _)) => "label",
            _ => "",
        };
        let prefix = self.prefix.to_lowercase();
        let named = |name: &String| {
            let text = if behind == Behind::Quotes {
                format!("\"{}\"", escaped(name))
            } else {
                written(name, behind)
            };
            (Item::new(text).note(note), behind)
        };
        let (begin, others): (Vec<&String>, Vec<&String>) = names
            .iter()
            .filter(|n| n.to_lowercase().contains(&prefix))
            .take(LIMIT)
            .partition(|n| n.to_lowercase().starts_with(&prefix));
        let mut choices: Vec<_> = begin.into_iter().map(named).collect();
        choices.extend(self.words.iter().cloned());
        choices.extend(others.into_iter().map(named));
        // What is typed in full already is no offer.
        if choices.len() == 1 && choices[0].0.text == self.prefix {
            choices.clear();
        }
        choices
    }
}

fn written(name: &str, behind: Behind) -> String {
    if behind == Behind::Quote { escaped(name) } else { name.to_owned() }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(marked: &str) -> Wanted {
        let cursor = marked.find('|').expect("a cursor");
        wanted(&marked.replacen('|', "", 1), cursor)
    }

    fn texts(wanted: &Wanted, names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        wanted.choices(&names).into_iter().map(|(item, behind)| item.text + behind.text()).collect()
    }

    #[test]
    fn metrics_come_with_functions() {
        let wanted = at("sum(ra|");
        assert_eq!(wanted.names.as_ref().map(|(n, _)| n.clone()), Some(Names::Metrics));
        let texts = texts(&wanted, &["rate_limit", "orders_rate"]);
        assert_eq!(texts.first().map(String::as_str), Some("rate_limit"));
        assert!(
            texts.contains(&"rate(".to_owned()) && texts.last().is_some_and(|t| t == "orders_rate"),
            "{texts:?}"
        );
    }

    #[test]
    fn conditions_are_quoted_as_needed() {
        let labels = at("up{|");
        assert!(labels.at_once);
        assert_eq!(texts(&labels, &["job"]), ["job=\""]);
        assert_eq!(texts(&at("sum by (|) (up)"), &["job"]), ["job"]);
        assert_eq!(texts(&at("up{job=\"o|"), &["orders", "a\"o"]), ["orders\"", "a\\\"o\""]);
        assert_eq!(texts(&at("up{job=|"), &["orders"]), ["\"orders\""]);
        let values = Names::Values { label: "job".to_owned(), metric: Some("up".to_owned()) };
        assert_eq!(at("up{job=\"|").names.map(|(n, _)| n), Some(values));
    }

    #[test]
    fn calls_tell_their_signature() {
        let told = signature("sum(rate(up", 11).unwrap_or_default();
        assert!(told.starts_with("rate(range vector) → instant vector · Rate"), "{told}");
        assert!(signature("sum(up", 6).is_some_and(|t| t.starts_with("sum by (labels)")));
        assert_eq!(signature("up", 2), None);
    }

    #[test]
    fn what_is_typed_in_full_is_not_offered() {
        assert!(texts(&at("sum by (job|) (up)"), &["job"]).is_empty());
    }
}
