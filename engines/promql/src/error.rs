//! What can go wrong with a query.

use std::fmt;
use std::ops::Range;

use crate::StorageError;

/// A query that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Which bytes of the query it is about; at the end of the text when something is missing there.
    pub range: Range<usize>,
    /// What to do about it.
    pub advice: Option<String>,
    /// Further errors in the same query.
    pub others: Vec<ParseError>,
}

impl ParseError {
    pub(crate) fn new(message: impl Into<String>, range: Range<usize>) -> Self {
        Self { message: message.into(), range, advice: None, others: vec![] }
    }

    pub(crate) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// The message with line and column, as the HTTP API reports it: `1:5: parse error: …`.
    #[must_use]
    pub fn with_position(&self, query: &str) -> String {
        let (line, column) = crate::Span::new(self.range.start, self.range.end).line_column(query);
        format!("{line}:{column}: parse error: {}", self.message)
    }

    /// This error and the others.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

/// A query that failed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// It cannot be understood.
    #[error("{0}")]
    Parse(#[from] ParseError),
    /// The store failed, or the query used up its time or samples, or was cancelled.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// It cannot be evaluated on these data.
    #[error("{message}")]
    Evaluation {
        /// What is wrong.
        message: String,
        /// Which part of the query it is about.
        span: crate::Span,
    },
    /// A range that is not one, or an expression without a value per step.
    #[error("{0}")]
    Range(String),
}

impl QueryError {
    pub(crate) fn evaluation(span: crate::Span, message: impl Into<String>) -> Self {
        Self::Evaluation { message: message.into(), span }
    }

    /// As the HTTP API's `errorType` names it.
    #[must_use]
    pub const fn error_type(&self) -> &'static str {
        match self {
            Self::Parse(_) | Self::Range(_) => "bad_data",
            Self::Storage(StorageError::Cancelled) => "canceled",
            Self::Storage(StorageError::TimedOut) => "timeout",
            Self::Storage(StorageError::TooManySamples) | Self::Evaluation { .. } => "execution",
            Self::Storage(StorageError::Storage(_)) => "internal",
        }
    }
}
