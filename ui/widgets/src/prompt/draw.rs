//! Draws the line, the mistake under it and the choices.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

use super::Prompt;
use crate::popup::{clear, list};
use crate::{Look, Role, text};

/// The most choices shown at once.
const CHOICES: u16 = 8;

impl Prompt {
    /// Draws the line into the first row of an area, scrolled so that the cursor can be seen, and in the second row (if
    /// there is one) the mistake, under the place where it is. Returns where the terminal's cursor belongs.
    pub fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect) -> Option<Position> {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return None;
        }
        let mut x = area.x;
        if !self.sign.is_empty() {
            x += text::put(buffer, x, area.y, area.width, self.sign, look.style(Role::Accent)) + 1;
        }
        let room = area.right().saturating_sub(x);
        if room == 0 {
            return None;
        }
        if self.text.is_empty() {
            text::put(buffer, x, area.y, room, &self.hint, look.style(Role::Faint));
        }
        let (skipped, cursor) = self.window(usize::from(room));
        let mut column = x;
        for (at, cluster, width) in self.cells().filter(|(at, ..)| *at >= skipped) {
            if column + width > area.right() {
                break;
            }
            let wrong = self.error.as_ref().is_some_and(|(range, _)| range.contains(&at));
            let style = if wrong {
                look.style(Role::Critical).add_modifier(Modifier::UNDERLINED)
            } else {
                look.style(Role::Text)
            };
            column += text::put(buffer, column, area.y, width, cluster, style);
        }
        if area.height > 1
            && let Some((range, message)) = &self.error
        {
            let before =
                self.cells().filter(|(at, ..)| (skipped..range.start).contains(at)).map(|c| c.2).sum::<u16>();
            let width = u16::try_from(text::width(message)).unwrap_or(u16::MAX).min(area.width);
            let start = (x + before).min(area.right() - width);
            text::put(buffer, start, area.y + 1, width, message, look.style(Role::Critical));
        }
        Some(Position { x: (x + cursor).min(area.right() - 1), y: area.y })
    }

    /// Draws the choices in a popup above or below the row of the prompt, wherever `screen` has more room.
    pub fn draw_choices(&self, look: &Look, buffer: &mut Buffer, row: Rect, screen: Rect) {
        let Some(completions) = &self.completions else { return };
        let screen = screen.intersection(buffer.area);
        let above = row.y.saturating_sub(screen.y);
        let below = screen.bottom().saturating_sub(row.y + 1);
        let rows = (completions.items.len() as u16).min(CHOICES);
        let under = below >= rows || below >= above;
        let height = rows.min(if under { below } else { above });
        let widths = completions.items.iter().map(|i| text::width(&i.text) + text::width(&i.note) + 8);
        let width = (widths.max().unwrap_or(20) as u16).clamp(20, 64).min(screen.width);
        if height == 0 || width < 4 {
            return;
        }
        let sign = text::width(self.sign) as u16 + 1;
        let before =
            self.cells().filter(|(at, ..)| *at < completions.replace.start).map(|c| c.2).sum::<u16>();
        let x = (row.x + sign + before).saturating_sub(2).min(screen.right() - width);
        let y = if under { row.y + 1 } else { row.y - height };
        let area = Rect { x, y, width, height };
        clear(look, buffer, area);
        list(look, buffer, area, &completions.items, completions.selected, |_| Vec::new());
    }

    /// The cells of the text: byte offset, cluster, columns.
    fn cells(&self) -> impl Iterator<Item = (usize, &str, u16)> {
        text::graphemes(&self.text).map(|(cluster, width)| {
            let at = cluster.as_ptr() as usize - self.text.as_ptr() as usize;
            (at, cluster, width)
        })
    }

    /// The byte offset of the first cell shown, and the cursor's column from there.
    fn window(&self, room: usize) -> (usize, u16) {
        let before: Vec<(usize, u16)> =
            self.cells().filter(|(at, ..)| *at < self.cursor).map(|(at, _, width)| (at, width)).collect();
        let mut column: usize = before.iter().map(|(_, width)| usize::from(*width)).sum();
        let mut skipped = 0;
        for (at, width) in &before {
            if column < room {
                break;
            }
            column -= usize::from(*width);
            skipped = at + 1;
        }
        // Offsets are of cell beginnings; anything past the last skipped one is shown.
        (skipped, column as u16)
    }
}
