//! A quiet bar that says where one is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::{Look, Role, text};

/// Draws a scrollbar over a column: `visible` of `total` things are seen from `offset` on. Nothing when all are.
pub fn scrollbar(look: &Look, buffer: &mut Buffer, area: Rect, offset: usize, visible: usize, total: usize) {
    let area = area.intersection(buffer.area);
    if area.is_empty() || total <= visible {
        return;
    }
    let height = usize::from(area.height);
    let thumb = (visible * height / total).clamp(1, height);
    let most = total - visible;
    let start = (offset.min(most) * (height - thumb) + most / 2) / most;
    for line in 0..height {
        let y = area.y + line as u16;
        let on = (start..start + thumb).contains(&line);
        let (sign, role) = if on { ("┃", Role::Muted) } else { ("│", Role::Rule) };
        text::cell(buffer, area.x, y, sign, look.style(role));
    }
}
