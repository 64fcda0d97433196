//! What is wrong with a template, in the words of Go's text/template, so that people find the same text everywhere.

use std::fmt;

/// A template that cannot be read: `line: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseError {
    pub(crate) line: usize,
    /// First byte of what is wrong.
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl ParseError {
    pub(crate) fn new(text: &str, at: usize, message: impl Into<String>) -> Self {
        let upto = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
        let line = upto.iter().filter(|b| **b == b'\n').count() + 1;
        Self { line, at, message: message.into() }
    }
}

/// Why a template cannot be read, or has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The whole message, as Go writes it: `template: NAME:LINE: …`, or
    /// `template: NAME:LINE:COLUMN: executing "NAME" at <…>: …`.
    pub message: String,
    /// What is wrong, without the names of template and place.
    pub reason: String,
    /// The name of the text that is wrong: a file, or what the template was parsed as.
    pub template: String,
    /// The line in that text, from 1.
    pub line: usize,
    /// First byte in that text of what is wrong.
    pub at: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
