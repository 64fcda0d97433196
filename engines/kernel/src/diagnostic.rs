//! Errors in what people wrote, told so that they can mend them.

use std::fmt;

use serde::Serialize;

/// One mistake in a file or text: where it is, what was found, what is allowed, what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// File name, or what the text is (`query`, `--arg`); empty when there is none.
    pub source: String,
    /// Line, from 1; 0 when there is none.
    pub line: usize,
    /// Column in characters, from 1; 0 when there is none.
    pub column: usize,
    /// How many characters are wrong; 0 when that is not known.
    pub length: usize,
    /// What is wrong, in one sentence without a full stop, naming the offending value.
    pub message: String,
    /// What to do or what is allowed; empty when the message says it all.
    pub advice: String,
}

impl Diagnostic {
    /// A diagnostic without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// The same, with advice.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// The same, placed at a byte range of a text: line and column are counted from it.
    #[must_use]
    pub fn at(mut self, source: impl Into<String>, text: &str, range: std::ops::Range<usize>) -> Self {
        let start = floor_char_boundary(text, range.start);
        let end = floor_char_boundary(text, range.end).max(start);
        let before = &text[..start];
        self.source = source.into();
        self.line = before.matches('\n').count() + 1;
        self.column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        self.length = text[start..end].chars().take_while(|c| *c != '\n').count();
        self
    }
}

fn floor_char_boundary(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index -= 1;
    }
    index
}

/// `file:3:14: message: advice`, as compilers write it, so that editors can jump there.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.source.is_empty() {
            f.write_str(&self.source)?;
            if self.line > 0 {
                write!(f, ":{}:{}", self.line, self.column)?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters_from_one() {
        let text = "a = 1\nbé = \"x\"\n";
        let start = text.find('"').unwrap();
        let d = Diagnostic::new("found \"x\"").advise("write a number").at("f.toml", text, start..start + 3);
        assert_eq!(d.to_string(), "f.toml:2:6: found \"x\"; write a number");
        assert_eq!(d.length, 3);
    }
}
