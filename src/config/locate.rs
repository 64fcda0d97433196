//! Where a setting stands in a file.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The bytes of the value at a dotted path (`streams.quotes.metrics[0].name`), or of the deepest table on the way that is
/// there. None when the file holds nothing of it.
pub(super) fn locate(text: &str, path: &str) -> Option<Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let mut found = None;
    let mut here: Option<&Spanned<DeValue<'_>>> = None;
    for step in steps(path) {
        let next = match (&here, &step) {
            (None, Step::Key(key)) => root.get_ref().get(key.as_str()),
            (Some(value), Step::Key(key)) => value.get_ref().as_table().and_then(|t| t.get(key.as_str())),
            (Some(value), Step::Index(index)) => value.get_ref().as_array().and_then(|a| a.get(*index)),
            (None, Step::Index(_)) => None,
        };
        let Some(next) = next else { break };
        found = Some(next.span());
        here = Some(next);
    }
    found
}

#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Splits a path at dots, brackets and quotes: `a."b c".d[1]`.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, behind) = after.split_once(']').unwrap_or((after, ""));
            match index.parse() {
                Ok(index) => steps.push(Step::Index(index)),
                Err(_) => steps.push(Step::Key(index.to_owned())),
            }
            rest = behind.trim_start_matches('.');
        } else if let Some(after) = rest.strip_prefix('"') {
            let (key, behind) = after.split_once('"').unwrap_or((after, ""));
            steps.push(Step::Key(key.to_owned()));
            rest = behind.trim_start_matches('.');
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = rest[end..].trim_start_matches('.');
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_found_and_their_table_where_they_are_missing() {
        let text = "[streams.quotes]\nurl = \"ftp://x\"\n[[streams.quotes.metrics]]\nname = \"a b\"\n";
        let at = |path| locate(text, path).map(|range| &text[range]);
        assert_eq!(at("streams.quotes.url"), Some("\"ftp://x\""));
        assert_eq!(at("streams.quotes.metrics[0].name"), Some("\"a b\""));
        assert!(at("streams.quotes.nothing").is_some());
        assert_eq!(at("scrape.jobs"), None);
    }

    #[test]
    fn keys_may_be_quoted() {
        let key = |k: &str| Step::Key(k.to_owned());
        assert_eq!(steps("a.\"b c\".d[1].e"), [key("a"), key("b c"), key("d"), Step::Index(1), key("e")]);
    }
}
