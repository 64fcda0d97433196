//! What floats: a ground, a border, a title; and lists in it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::scrollbar::scrollbar;
use crate::{Glyph, Look, Role, text};

/// Clears an area to the ground of what floats and draws a border with a title at the top and hints at the bottom.
/// Returns the area inside.
pub fn float(look: &Look, buffer: &mut Buffer, area: Rect, title: &str, hints: &str) -> Rect {
    let area = area.intersection(buffer.area);
    clear(look, buffer, area);
    if area.width < 2 || area.height < 2 {
        return Rect { width: 0, height: 0, ..area };
    }
    let line = look.style(Role::Rule);
    let (right, bottom) = (area.right() - 1, area.bottom() - 1);
    for y in [area.y, bottom] {
        text::fill(buffer, Rect { y, height: 1, ..area }, "─", line);
    }
    for x in [area.x, right] {
        text::fill(buffer, Rect { x, width: 1, ..area }, "│", line);
    }
    for (x, y, corner) in
        [(area.x, area.y, "┌"), (right, area.y, "┐"), (area.x, bottom, "└"), (right, bottom, "┘")]
    {
        text::cell(buffer, x, y, corner, line);
    }
    let room = area.width.saturating_sub(6);
    caption(buffer, (area.x, area.y), room, title, look.style(Role::Title), line);
    caption(buffer, (area.x, bottom), room, hints, look.style(Role::Muted), line);
    Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 }
}

fn caption(
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    room: u16,
    caption: &str,
    style: ratatui::style::Style,
    line: ratatui::style::Style,
) {
    if caption.is_empty() || room == 0 {
        return;
    }
    text::cell(buffer, x + 2, y, " ", line);
    let used = text::put(buffer, x + 3, y, room, caption, style);
    text::cell(buffer, x + 3 + used, y, " ", line);
}

/// Empties an area to the ground of what floats.
pub fn clear(look: &Look, buffer: &mut Buffer, area: Rect) {
    let area = area.intersection(buffer.area);
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            buffer[(x, y)].reset();
        }
    }
    buffer.set_style(area, look.base());
    buffer.set_style(area, look.style(Role::Float));
}

/// An area of at most this size in the middle of another, a little above it as the eye wants it.
#[must_use]
pub fn centred(within: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(within.width), height.min(within.height));
    let (x, y) = (within.x + (within.width - width) / 2, within.y + (within.height - height) * 2 / 5);
    Rect { x, y, width, height }
}

/// One entry of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Item {
    /// What it is.
    pub text: String,
    /// At the right: a key, a kind, a value.
    pub note: String,
}

impl Item {
    /// An entry without a note.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), note: String::new() }
    }

    /// The same with a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

/// Draws a list so that the selected entry can be seen; letters at `marked(index)` are drawn as found.
pub fn list(
    look: &Look,
    buffer: &mut Buffer,
    area: Rect,
    items: &[Item],
    selected: usize,
    marked: impl Fn(usize) -> Vec<usize>,
) {
    let area = area.intersection(buffer.area);
    let height = usize::from(area.height);
    if area.is_empty() || items.is_empty() {
        return;
    }
    let selected = selected.min(items.len() - 1);
    let offset = offset(items.len(), selected, height);
    let bar = u16::from(items.len() > height);
    for (line, index) in (offset..items.len()).take(height).enumerate() {
        let y = area.y + line as u16;
        let item = &items[index];
        if index == selected {
            text::cell(buffer, area.x, y, look.glyph(Glyph::Bar), look.style(Role::Accent));
        }
        let room = area.width.saturating_sub(3 + bar);
        // The note takes what the text leaves, and never less than half.
        let left = room.saturating_sub(text::width(&item.text) as u16 + 2);
        let note = (text::width(&item.note) as u16).min(left.max(room / 2));
        text::put_right(
            buffer,
            area.x + 2,
            y,
            room,
            &text::cut(&item.note, note.into()),
            look.style(Role::Muted),
        );
        let gap = if note > 0 { note + 2 } else { 0 };
        let found = marked(index);
        let spans: Vec<(String, _)> = item
            .text
            .chars()
            .enumerate()
            .map(|(at, c)| {
                let role = if found.contains(&at) { Role::Match } else { Role::Text };
                (c.to_string(), look.style(role))
            })
            .collect();
        if found.is_empty() {
            text::put(buffer, area.x + 2, y, room.saturating_sub(gap), &item.text, look.style(Role::Text));
        } else {
            text::put_spans(buffer, area.x + 2, y, room.saturating_sub(gap), &spans);
        }
        if index == selected {
            let tint = Rect { y, height: 1, width: area.width - bar, ..area };
            look.select(buffer, tint);
        }
    }
    scrollbar(look, buffer, Rect { x: area.right() - 1, width: 1, ..area }, offset, height, items.len());
}

/// The first entry shown, so that the selected one stands in view, with a neighbour where there is one.
fn offset(count: usize, selected: usize, height: usize) -> usize {
    if count <= height {
        return 0;
    }
    let margin = usize::from(height > 4);
    (selected + margin + 1).saturating_sub(height).min(count - height)
}
