//! Label matchers as Alertmanager has them: `name="value"`, `!=`, `=~`, `!~`; a label that is absent has the empty
//! value. Two grammars read them: the UTF-8 one and the classic one it falls back to.

mod classic;
mod pattern;
mod utf8;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use quarterdeck_kernel::{Labels, MatchOp};

use crate::quote::quote;
use pattern::Pattern;

/// The longest text that is read as matchers, in bytes. What people write is a hundredth of that.
pub const MAX_TEXT: usize = 64 << 10;

/// Why a text is not a list of matchers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// The UTF-8 grammar refuses it. Columns are counted in characters from 0, the end is exclusive; where there is no
    /// more to read, the start is 0. `0:8: end of input: expected close brace`
    #[error("{start}:{end}: {what}")]
    Syntax {
        /// Column of the first character in question.
        start: usize,
        /// Column behind the last.
        end: usize,
        /// What is wrong.
        what: String,
    },
    /// The classic grammar refuses it.
    #[error("{0}")]
    Classic(String),
    /// The pattern of a `=~` or `!~` cannot be used.
    #[error("regular expression {pattern:?} cannot be used: {why}")]
    Pattern {
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// One matcher was asked for and there is another number.
    #[error("{}", if *.0 == 0 { "no matchers".to_owned() } else { format!("expected 1 matcher, found {}", .0) })]
    NotOne(usize),
    /// More than [`MAX_TEXT`] bytes.
    #[error("matchers of {0} bytes are longer than the {MAX_TEXT} that are read")]
    TooLong(usize),
}

/// One condition on one label.
#[derive(Clone)]
pub struct Matcher {
    /// Label name.
    pub name: String,
    /// How it compares.
    pub op: MatchOp,
    /// Value or pattern, as written.
    pub value: String,
    pattern: Option<Pattern>,
}

impl Matcher {
    /// A matcher; patterns are compiled here, anchored at both ends, in Go's notation and with bounded size.
    ///
    /// # Errors
    /// When the pattern does not compile or becomes too large.
    pub fn new(op: MatchOp, name: impl Into<String>, value: impl Into<String>) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Pattern::new(&value)?),
        };
        Ok(Self { name, op, value, pattern })
    }

    /// `name="value"`, which cannot fail.
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), op: MatchOp::Equal, value: value.into(), pattern: None }
    }

    /// Reads exactly one matcher, UTF-8 grammar first, classic as the fallback. Braces around it are refused, as
    /// Alertmanager's API does for its filters.
    ///
    /// # Errors
    /// When neither grammar reads it, or there is not exactly one.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        if text.starts_with('{') || text.ends_with('}') {
            return Err(MatcherError::Classic(format!("unexpected open or close brace: {text}")));
        }
        Matchers::parse(text)?.only()
    }

    /// Whether a label's value (empty for an absent label) fulfils the condition.
    #[must_use]
    pub fn matches_value(&self, value: &str) -> bool {
        let pattern = || self.pattern.as_ref().is_some_and(|p| p.matches(value));
        match self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex => pattern(),
            MatchOp::NotRegex => !pattern(),
        }
    }

    /// Whether a label set fulfils the condition.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or_default())
    }

    /// What every value begins with that fulfils the condition, where more can be said than nothing: a cheap first look.
    #[must_use]
    pub fn prefix(&self) -> Option<&str> {
        let prefix = match (self.op, &self.pattern) {
            (MatchOp::Equal, _) => &self.value,
            (MatchOp::Regex, Some(Pattern::Prefix(head, _))) => &**head,
            _ => return None,
        };
        Some(prefix).filter(|prefix| !prefix.is_empty())
    }

    /// Whether it is `=~` or `!~`.
    #[must_use]
    pub const fn is_regex(&self) -> bool {
        matches!(self.op, MatchOp::Regex | MatchOp::NotRegex)
    }

    /// Whether it is `=` or `=~`.
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        matches!(self.op, MatchOp::Equal | MatchOp::Regex)
    }
}

fn rank(op: MatchOp) -> u8 {
    match op {
        MatchOp::Equal => 0,
        MatchOp::NotEqual => 1,
        MatchOp::Regex => 2,
        MatchOp::NotRegex => 3,
    }
}

/// Name, then value, then operator: the order in which Alertmanager keeps and prints them.
impl Ord for Matcher {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name
            .cmp(&other.name)
            .then_with(|| self.value.cmp(&other.value))
            .then_with(|| rank(self.op).cmp(&rank(other.op)))
    }
}

impl PartialOrd for Matcher {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Matcher {}

/// Whether a character must be quoted in the UTF-8 grammar.
fn is_reserved(c: char) -> bool {
    c.is_whitespace() || "{}!=~,\\\"'`".contains(c)
}

/// As Alertmanager prints it: `name="value"`; a name with reserved characters is quoted too.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = self.op.as_str();
        if self.name.is_empty() || self.name.contains(is_reserved) {
            return write!(f, "{}{op}{}", quote(&self.name), quote(&self.value));
        }
        write!(f, "{}{op}\"", self.name)?;
        for c in self.value.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '"' => f.write_str("\\\"")?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Matchers that must all hold; none at all holds for every label set.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// The matchers in the order given.
    #[must_use]
    pub fn new(matchers: Vec<Matcher>) -> Self {
        Self(matchers)
    }

    /// The same, in Alertmanager's order: by name, value, operator.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.0.sort();
        self
    }

    /// Reads zero or more matchers: the UTF-8 grammar, and the classic one where that refuses the text or the two
    /// read different things, as Alertmanager does by default.
    ///
    /// # Errors
    /// When neither reads it: the classic grammar's reason.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let classic = Self::parse_classic(text);
        match Self::parse_utf8(text) {
            Ok(utf8) => Ok(classic.ok().filter(|classic| *classic != utf8).unwrap_or(utf8)),
            Err(MatcherError::TooLong(length)) => Err(MatcherError::TooLong(length)),
            Err(_) => classic,
        }
    }

    /// Reads zero or more matchers in the UTF-8 grammar alone.
    ///
    /// # Errors
    /// When the text is not of that grammar or a pattern cannot be used.
    pub fn parse_utf8(text: &str) -> Result<Self, MatcherError> {
        bounded(text)?;
        utf8::parse(text).map(Self)
    }

    /// Reads zero or more matchers in the classic grammar alone.
    ///
    /// # Errors
    /// When the text is not of that grammar or a pattern cannot be used.
    pub fn parse_classic(text: &str) -> Result<Self, MatcherError> {
        bounded(text)?;
        classic::parse(text).map(Self)
    }

    /// The one matcher that is here.
    ///
    /// # Errors
    /// When there is none or more than one.
    pub fn only(mut self) -> Result<Matcher, MatcherError> {
        let count = self.0.len();
        self.0.pop().filter(|_| count == 1).ok_or(MatcherError::NotOne(count))
    }

    /// Whether a label set fulfils all of them.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }

    /// The matchers, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Matcher] {
        &self.0
    }

    /// The matchers, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Matcher> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn bounded(text: &str) -> Result<(), MatcherError> {
    if text.len() > MAX_TEXT { Err(MatcherError::TooLong(text.len())) } else { Ok(()) }
}

impl<'a> IntoIterator for &'a Matchers {
    type Item = &'a Matcher;
    type IntoIter = std::slice::Iter<'a, Matcher>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl FromIterator<Matcher> for Matchers {
    fn from_iter<I: IntoIterator<Item = Matcher>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl FromStr for Matchers {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// `{a="1",b=~"2"}`, as group keys have them.
impl fmt::Display for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, matcher) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{matcher}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Matchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
