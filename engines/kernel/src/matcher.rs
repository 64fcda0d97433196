//! Label matchers: `name="value"`, `!=`, `=~`, `!~`.

use std::fmt;

use regex::Regex;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends; `.` matches newlines (Prometheus 3).
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// As written in PromQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// Why a matcher was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("regular expression {pattern:?} cannot be used: {why}")]
pub struct MatcherError {
    /// The pattern as written.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

/// One condition on one label. An absent label has the empty value.
#[derive(Clone)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// How it compares.
    pub op: MatchOp,
    /// Value or pattern as written.
    pub value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// A matcher. Patterns are compiled here, with bounded size.
    ///
    /// # Errors
    /// When the pattern does not compile or compiles to more than 1 MiB.
    pub fn new(op: MatchOp, name: impl Into<String>, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(anchored(&value)?),
        };
        Ok(Self { name, op, value, regex })
    }

    /// `name="value"`, which cannot fail.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), regex: None }
    }

    /// Whether a label value (empty for an absent label) fulfils the condition.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let pattern = || self.regex.as_ref().is_some_and(|r| r.is_match(value));
        match self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex => pattern(),
            MatchOp::NotRegex => !pattern(),
        }
    }

    /// Whether a series without the label fulfils the condition.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The values an `=~` matcher lists when its pattern is a plain alternation of literals (`a|b|c`): an index
    /// can look these up instead of testing every value.
    #[must_use]
    pub fn literal_alternatives(&self) -> Option<Vec<&str>> {
        let plain = |part: &&str| !part.bytes().any(|b| br"\.+*?()[]{}^$".contains(&b));
        match self.op {
            MatchOp::Equal => Some(vec![&self.value]),
            MatchOp::Regex => {
                let parts: Vec<&str> = self.value.split('|').collect();
                parts.iter().all(plain).then_some(parts)
            }
            MatchOp::NotEqual | MatchOp::NotRegex => None,
        }
    }
}

/// Compiles a pattern as Prometheus does: anchored at both ends, `.` matching newlines too.
///
/// # Errors
/// When the pattern does not compile or compiles to more than 1 MiB.
pub fn anchored(pattern: &str) -> Result<Regex, MatcherError> {
    regex::RegexBuilder::new(&format!("^(?s:{pattern})$")).size_limit(1 << 20).build().map_err(|e| {
        MatcherError {
            pattern: pattern.to_owned(),
            why: match e {
                regex::Error::CompiledTooBig(_) => "it compiles to more than 1 MiB".to_owned(),
                // The crate's message is a drawing over several lines; its last line says what is wrong.
                other => other
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim_start_matches("error: ")
                    .to_owned(),
            },
        }
    })
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.op == other.op && self.value == other.value
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if crate::labels::is_legacy_label_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            write!(f, "{:?}", self.name)?;
        }
        write!(f, "{}{:?}", self.op.as_str(), self.value)
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_and_span_lines() {
        let matcher = |op, value| Matcher::new(op, "l", value).unwrap();
        assert!(matcher(MatchOp::Regex, "a.c").matches("a\nc"));
        assert!(!matcher(MatchOp::Regex, "a").matches("ab"));
        assert!(matcher(MatchOp::Regex, "a|b").matches("b"));
        assert!(!matcher(MatchOp::Regex, "a|b").matches("ab"));
        assert!(matcher(MatchOp::NotRegex, "a+").matches_empty());
    }

    #[test]
    fn literal_alternations_are_recognised() {
        let alternatives =
            |p| Matcher::new(MatchOp::Regex, "l", p).unwrap().literal_alternatives().map(|v| v.join(","));
        assert_eq!(alternatives("a|b"), Some("a,b".to_owned()));
        assert_eq!(alternatives("a.*|b"), None);
    }

    #[test]
    fn a_bad_pattern_says_why() {
        let error = Matcher::new(MatchOp::Regex, "l", "a(").unwrap_err();
        assert_eq!(error.to_string(), "regular expression \"a(\" cannot be used: unclosed group");
    }
}
