//! The frame around all panes: header, tab line, headline, hint line; and what floats without taking keys.

pub(crate) mod header;
pub(crate) mod headline;
pub(crate) mod hints;
pub(crate) mod pending;
pub(crate) mod tabs;
pub(crate) mod toasts;

use ratatui::style::Style;

/// A piece of text with its style.
pub(crate) type Piece = (String, Style);

/// How many columns pieces take together.
pub(crate) fn pieces_width(pieces: &[Piece]) -> usize {
    pieces.iter().map(|(text, _)| quarterdeck_widgets::text::width(text)).sum()
}
