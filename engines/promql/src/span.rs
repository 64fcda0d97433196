//! Where in a query something stands.

use std::ops::Range;

/// A range of bytes in the query text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to but without `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// As a range, for slicing.
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// The smallest span that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// Line and column of the first byte in `text`, both counted from 1, the column in characters.
    #[must_use]
    pub fn line_column(self, text: &str) -> (usize, usize) {
        let upto: String = text.char_indices().take_while(|(i, _)| *i < self.start).map(|(_, c)| c).collect();
        let line = upto.matches('\n').count() + 1;
        let column = upto.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        assert_eq!(Span::new(0, 1).line_column("up"), (1, 1));
        assert_eq!(Span::new(6, 7).line_column("é +\n  x"), (2, 2));
    }
}
