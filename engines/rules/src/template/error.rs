//! What is wrong with a template, in the words of Go's text/template, so that people find the same text everywhere.

use std::fmt;

/// A template that cannot be read: `line: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParseError {
    pub(super) line: usize,
    /// First byte of what is wrong.
    pub(super) at: usize,
    pub(super) message: String,
}

impl ParseError {
    pub(super) fn new(text: &str, at: usize, message: impl Into<String>) -> Self {
        let upto = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
        let line = upto.iter().filter(|b| **b == b'\n').count() + 1;
        Self { line, at, message: message.into() }
    }
}

/// Why a template has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The whole message, as Prometheus shows it.
    pub message: String,
    /// What is wrong, without the names of template and place.
    pub reason: String,
    /// First byte, in the text as the rule has it, of what is wrong.
    pub at: usize,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}
