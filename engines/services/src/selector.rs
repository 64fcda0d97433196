//! Selectors on labels: `{job="orders", env!="test"}`.

use std::fmt;

use quarterdeck_kernel::labels::is_legacy_label_name;
use quarterdeck_kernel::{Labels, MatchOp, Matcher};

/// Conditions of which all must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Vec<Matcher>);

/// Why a text is not a selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a selector ({why}): write it as in {{job=\"orders\"}}")]
pub struct SelectorError {
    /// What was found.
    pub found: String,
    /// What is wrong with it.
    pub why: String,
    /// Where, in bytes.
    pub at: usize,
}

impl Selector {
    /// A selector of one equality.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self(vec![Matcher::equal(name, value)])
    }

    /// Reads a selector; the braces may be left out.
    ///
    /// # Errors
    /// When it does not read, is empty, or matches series without any label.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut reader = Reader { text, at: 0 };
        let matchers =
            reader.matchers().map_err(|why| SelectorError { found: text.to_owned(), why, at: reader.at })?;
        if matchers.iter().all(Matcher::matches_empty) {
            let why = "it would match every series".to_owned();
            return Err(SelectorError { found: text.to_owned(), why, at: 0 });
        }
        Ok(Self(matchers))
    }

    /// Whether a label set fulfils all conditions.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default()))
    }

    /// Its conditions.
    #[must_use]
    pub fn matchers(&self) -> &[Matcher] {
        &self.0
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, matcher) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{matcher}")?;
        }
        f.write_str("}")
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn matchers(&mut self) -> Result<Vec<Matcher>, String> {
        let braces = self.take("{");
        let mut out = Vec::new();
        loop {
            self.space();
            if braces && self.take("}") || !braces && self.rest().is_empty() {
                break;
            }
            if !out.is_empty() && !self.take(",") {
                return Err("a comma is missing between conditions".to_owned());
            }
            self.space();
            // A comma behind the last condition is lawful, as in PromQL.
            if braces && self.take("}") {
                break;
            }
            out.push(self.matcher()?);
        }
        self.space();
        if self.rest().is_empty() { Ok(out) } else { Err("something follows the selector".to_owned()) }
    }

    fn matcher(&mut self) -> Result<Matcher, String> {
        let name = if self.rest().starts_with(['"', '\'']) {
            self.quoted()?
        } else {
            let length = self
                .rest()
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(self.rest().len());
            let name = self.rest()[..length].to_owned();
            if !is_legacy_label_name(&name) {
                return Err("a label name is missing".to_owned());
            }
            self.at += length;
            name
        };
        let operators = [
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
            ("!=", MatchOp::NotEqual),
            ("=", MatchOp::Equal),
        ];
        let Some((_, op)) = operators.into_iter().find(|(token, _)| self.take(token)) else {
            return Err(format!("one of = != =~ !~ is missing behind {name}"));
        };
        self.space();
        let value = self.quoted()?;
        Matcher::new(op, name, value).map_err(|e| e.to_string())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut chars = self.rest().char_indices();
        let Some((_, quote @ ('"' | '\''))) = chars.next() else {
            return Err("a quoted value is missing".to_owned());
        };
        let mut value = String::new();
        while let Some((i, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, 't')) => value.push('\t'),
                    Some((_, c @ ('\\' | '"' | '\''))) => value.push(c),
                    // Any other pair is kept whole: regular expressions are full of them.
                    Some((_, c)) => value.extend(['\\', c]),
                    None => break,
                },
                _ if c == quote => {
                    self.at += i + 1;
                    return Ok(value);
                }
                _ => value.push(c),
            }
        }
        Err("a quoted value is not closed".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_as_promql_does() {
        let selector = Selector::parse(r#"{job="orders", env!="test", zone=~"eu-.*",}"#).unwrap();
        let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied());
        assert!(selector.matches(&labels(&[("job", "orders"), ("zone", "eu-1")])));
        assert!(!selector.matches(&labels(&[("job", "orders"), ("zone", "us-1")])));
        assert!(!selector.matches(&labels(&[("job", "orders"), ("zone", "eu-1"), ("env", "test")])));
        assert_eq!(selector.to_string(), r#"{job="orders",env!="test",zone=~"eu-.*"}"#);
        assert_eq!(Selector::parse("job='a'"), Selector::parse("{job=\"a\"}"));
    }

    #[test]
    fn bad_selectors_say_why() {
        for (text, why) in [
            ("{}", "it would match every series"),
            ("{job=~\".*\"}", "it would match every series"),
            ("{job}", "one of = != =~ !~ is missing behind job"),
            ("{job=orders}", "a quoted value is missing"),
            ("{job=\"orders}", "a quoted value is not closed"),
            ("{job=\"a\" b=\"c\"}", "a comma is missing between conditions"),
            ("{job=\"a\"} x", "something follows the selector"),
            ("{=\"a\"}", "a label name is missing"),
        ] {
            assert_eq!(Selector::parse(text).unwrap_err().why, why, "{text}");
        }
    }
}
