//! The exposition formats: Prometheus text 0.0.4 and OpenMetrics 1.0, read without copying and written.
//!
//! [`parse`] yields what stands in a page, line by line, borrowed from it; it accepts what Prometheus accepts when it
//! scrapes. [`validate`] is the full OpenMetrics validation that `check` uses.

mod error;
mod format;
mod item;
mod labels;
mod number;
mod parser;
mod strict;
mod write;

pub use error::ParseError;
pub use format::{Format, UnsupportedType};
pub use item::{ExemplarItem, Item, SampleItem};
pub use labels::LabelIter;
pub use parser::Parser;
pub use strict::{PageSummary, validate};
pub use write::Writer;

/// Reads a page. The iterator ends after the first error.
#[must_use]
pub fn parse(format: Format, page: &[u8]) -> Parser<'_> {
    Parser::new(format, page, false)
}
