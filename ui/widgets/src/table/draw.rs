//! Draws a table and finds what the mouse is on.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::arrange::Rows;
use super::cell::CellPainter;
use super::column::{Align, fit};
use super::state::{Direction, TableState};
use crate::scrollbar::scrollbar;
use crate::{Glyph, Look, Role, text};

/// Columns at the left edge: the selection's bar, the mark, a space.
const MARGIN: u16 = 3;

/// A table as drawn: a heading line, then rows.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// What the operator has done to it.
    pub state: &'a TableState,
    /// Whether keys go to it: the selection's bar is drawn in accent only then.
    pub focused: bool,
    /// Whether there is a heading line.
    pub heading: bool,
}

/// What the mouse is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableHit {
    /// A row, by its place.
    Row(usize),
    /// The heading of a column, by its id.
    Heading(&'static str),
    /// The scrollbar, at a place.
    Scrollbar(usize),
}

impl<'a> Table<'a> {
    /// A focused table with a heading.
    #[must_use]
    pub const fn new(state: &'a TableState) -> Self {
        Self { state, focused: true, heading: true }
    }

    /// The same, focused or not.
    #[must_use]
    pub const fn focused(mut self, focused: bool) -> Self {
        self.focused = focused;
        self
    }

    /// How many rows can be seen in an area.
    #[must_use]
    pub const fn height(&self, area: Rect) -> u16 {
        area.height.saturating_sub(self.heading as u16)
    }

    fn fitted(&self, area: Rect) -> Vec<(usize, u16, u16)> {
        fit(&self.state.columns, &self.state.shown(), area.width.saturating_sub(MARGIN + 2))
    }

    /// Draws the heading and the visible rows.
    pub fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect, rows: &(impl Rows + ?Sized)) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let columns = self.fitted(area);
        if self.heading {
            self.draw_heading(look, buffer, area, &columns);
        }
        let height = self.height(area);
        let offset = self.state.offset(height);
        let selected = self.state.selected_place();
        for line in 0..height {
            let place = offset + usize::from(line);
            let Some(row) = self.state.row_at(place) else { break };
            let y = area.y + u16::from(self.heading) + line;
            // An arrangement made in the background may speak of rows that are gone by now.
            if row < rows.len() {
                self.draw_row(
                    look,
                    buffer,
                    Rect { y, height: 1, ..area },
                    &columns,
                    rows,
                    row,
                    selected == Some(place),
                );
            }
        }
        if self.state.len() > usize::from(height) && height > 0 {
            let bar = Rect { x: area.right() - 1, y: area.bottom() - height, width: 1, height };
            scrollbar(look, buffer, bar, offset, usize::from(height), self.state.len());
        }
    }

    fn draw_heading(&self, look: &Look, buffer: &mut Buffer, area: Rect, columns: &[(usize, u16, u16)]) {
        for (index, offset, width) in columns {
            let column = &self.state.columns[*index];
            let sorted = self.state.sort().filter(|sort| sort.column == column.id);
            let style = look.style(if sorted.is_some() { Role::Title } else { Role::Heading });
            let mark = match sorted.map(|sort| sort.direction) {
                Some(Direction::Up) => look.glyph(Glyph::Ascending),
                Some(Direction::Down) => look.glyph(Glyph::Descending),
                None => "",
            };
            let x = area.x + MARGIN + offset;
            let room = (*width).min(area.right().saturating_sub(x));
            match column.align {
                Align::Left => {
                    let spaced = if mark.is_empty() { "" } else { " " };
                    text::put_spans(
                        buffer,
                        x,
                        area.y,
                        room,
                        &[(column.title, style), (spaced, style), (mark, style)],
                    )
                }
                // The mark stands in the gap, so that the heading stays flush with its numbers.
                Align::Right => {
                    if !mark.is_empty() && x + room < area.right() {
                        text::cell(buffer, x + room, area.y, mark, style);
                    }
                    text::put_right(buffer, x, area.y, room, column.title, style)
                }
            };
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call, and every argument is a different thing")]
    fn draw_row(
        &self,
        look: &Look,
        buffer: &mut Buffer,
        area: Rect,
        columns: &[(usize, u16, u16)],
        rows: &(impl Rows + ?Sized),
        row: usize,
        selected: bool,
    ) {
        if selected {
            let bar = if self.focused { Role::Accent } else { Role::Faint };
            text::cell(
                buffer,
                area.x + 1.min(area.width - 1),
                area.y,
                look.glyph(Glyph::Bar),
                look.style(bar),
            );
        } else if !self.state.marked().is_empty() && self.state.marked().contains(rows.key(row).as_ref()) {
            text::cell(
                buffer,
                area.x + 1.min(area.width - 1),
                area.y,
                look.glyph(Glyph::Marked),
                look.style(Role::Accent),
            );
        }
        for (index, offset, width) in columns {
            let x = area.x + MARGIN + offset;
            if x >= area.right() {
                break;
            }
            let column = &self.state.columns[*index];
            let mut cell = CellPainter {
                look,
                buffer: &mut *buffer,
                x,
                y: area.y,
                width: (*width).min(area.right() - x),
                align: column.align,
                selected,
            };
            rows.draw(row, *index, &mut cell);
        }
        if selected {
            let tint = Rect {
                x: area.x + 1.min(area.width - 1),
                width: area.width.saturating_sub(2).max(1),
                ..area
            };
            look.select(buffer, tint);
        }
    }

    /// What is at a place of the area that the table was drawn in; column and row count from its top left.
    #[must_use]
    pub fn hit(&self, area: Rect, (column, row): (u16, u16)) -> Option<TableHit> {
        let height = self.height(area);
        if column >= area.width || row >= area.height {
            return None;
        }
        if self.heading && row == 0 {
            let at = self.fitted(area).into_iter().find(|(_, offset, width)| {
                let from = MARGIN + offset;
                (from..=from + width).contains(&column)
            })?;
            return Some(TableHit::Heading(self.state.columns[at.0].id));
        }
        let line = usize::from(row - u16::from(self.heading));
        if column + 1 == area.width && self.state.len() > usize::from(height) {
            let last = usize::from(height.saturating_sub(1)).max(1);
            return Some(TableHit::Scrollbar(line * (self.state.len() - 1) / last));
        }
        let place = self.state.offset(height) + line;
        (place < self.state.len()).then_some(TableHit::Row(place))
    }
}
