//! What is told in passing, at the bottom right.

use quarterdeck_kernel::Severity;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::popup::float;
use crate::{Glyph, Look, Role, text};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    /// How much it matters.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
}

/// The most that are shown at once; older ones wait for nothing, they are gone.
const SHOWN: usize = 3;

/// Draws the newest messages over each other, the newest lowest.
pub fn toasts(look: &Look, buffer: &mut Buffer, area: Rect, toasts: &[Toast]) {
    let area = area.intersection(buffer.area);
    let mut bottom = area.bottom();
    for toast in toasts.iter().rev().take(SHOWN) {
        let most = usize::from(area.width.saturating_sub(8)).min(56);
        let lines: Vec<String> = text::wrap(&toast.message, most).into_iter().take(4).collect();
        let width = lines.iter().map(|line| text::width(line)).max().unwrap_or(0) as u16 + 6;
        let height = lines.len() as u16 + 2;
        if lines.is_empty() || width > area.width || height > bottom.saturating_sub(area.y) {
            return;
        }
        let box_area = Rect { x: area.right() - width, y: bottom - height, width, height };
        let inside = float(look, buffer, box_area, "", "");
        text::cell(
            buffer,
            inside.x + 1,
            inside.y,
            look.glyph(Glyph::from(toast.severity)),
            look.style(toast.severity),
        );
        for (row, line) in lines.iter().enumerate() {
            let room = inside.width.saturating_sub(3);
            text::put(buffer, inside.x + 3, inside.y + row as u16, room, line, look.style(Role::Text));
        }
        bottom -= height;
    }
}
