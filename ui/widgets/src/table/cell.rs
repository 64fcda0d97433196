//! What draws into one cell of a table.

use ratatui::buffer::Buffer;
use ratatui::style::Style;

use super::column::Align;
use crate::sparkline::{self, Range};
use crate::{Glyph, Look, Role, text};

/// Draws into one cell; never beyond it.
pub struct CellPainter<'a> {
    pub(super) look: &'a Look,
    pub(super) buffer: &'a mut Buffer,
    pub(super) x: u16,
    pub(super) y: u16,
    pub(super) width: u16,
    pub(super) align: Align,
    pub(super) selected: bool,
}

impl CellPainter<'_> {
    /// The look, for glyphs and times.
    #[must_use]
    pub fn look(&self) -> &Look {
        self.look
    }

    /// How wide the cell is.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether its row is selected.
    #[must_use]
    pub fn selected(&self) -> bool {
        self.selected
    }

    /// Draws text as text.
    pub fn text(&mut self, text: &str) {
        self.role(text, Role::Text);
    }

    /// Draws text in a role, where the column's text stands.
    pub fn role(&mut self, text: &str, role: impl Into<Role>) {
        self.styled(text, self.look.style(role));
    }

    /// Draws text in a style of the caller's.
    pub fn styled(&mut self, text: &str, style: Style) {
        match self.align {
            Align::Left => text::put(self.buffer, self.x, self.y, self.width, text, style),
            Align::Right => text::put_right(self.buffer, self.x, self.y, self.width, text, style),
        };
    }

    /// Draws a sign and a word in one role: `▲ degraded`.
    pub fn state(&mut self, glyph: impl Into<Glyph>, word: &str, role: impl Into<Role>) {
        let style = self.look.style(role);
        let sign = self.look.glyph(glyph);
        if word.is_empty() {
            return self.styled(sign, style);
        }
        self.spans(&[(sign, style), (" ", style), (word, style)]);
    }

    /// Draws pieces of several styles.
    pub fn spans(&mut self, spans: &[(&str, Style)]) {
        let taken: usize = spans.iter().map(|(piece, _)| text::width(piece)).sum();
        let start = match self.align {
            Align::Left => 0,
            Align::Right => self.width.saturating_sub(u16::try_from(taken).unwrap_or(u16::MAX)),
        };
        text::put_spans(self.buffer, self.x + start, self.y, self.width - start, spans);
    }

    /// Draws a number at the left part and a sparkline behind it: `412 ▂▃▃▄▅▅▄▅▆▆`. The number takes `number_width`
    /// columns, so that sparklines of a column stand under each other.
    pub fn trend(
        &mut self,
        number: &str,
        number_width: u16,
        role: impl Into<Role>,
        values: &[f64],
        range: Range,
    ) {
        let role = role.into();
        let room = number_width.min(self.width);
        text::put_right(self.buffer, self.x, self.y, room, number, self.look.style(role));
        if self.width > room + 2 {
            let chart = self.width - room - 1;
            // A healthy trend stays in the background.
            let line = if matches!(role, Role::Text | Role::Muted) { Role::Faint } else { role };
            sparkline::sparkline(
                self.look,
                self.buffer,
                (self.x + room + 1, self.y),
                chart,
                values,
                range,
                line,
            );
        }
    }

    /// Draws a bar of a part from 0 to 1 over the whole cell.
    pub fn bar(&mut self, part: f64, role: impl Into<Role>) {
        crate::gauge::bar(self.look, self.buffer, (self.x, self.y), self.width, part, role);
    }
}
