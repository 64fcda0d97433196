//! What is told in passing, above the hint line at the right.

use quarterdeck_kernel::{Severity, Timestamp};
use quarterdeck_widgets::popup::clear;
use quarterdeck_widgets::{Glyph, Look, Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::shell::{Toast, ToastKind};

/// Rows that one toast may take.
const ROWS: usize = 4;

/// Draws toasts, newest lowest.
pub(crate) fn draw<'a>(
    toasts: impl Iterator<Item = &'a Toast>,
    now: Timestamp,
    look: &Look,
    buffer: &mut Buffer,
    area: Rect,
) {
    let mut bottom = area.bottom();
    let widest = usize::from(area.width.saturating_sub(4)).min(76);
    for toast in toasts {
        let (sign, role) = match toast.kind {
            ToastKind::Running(_) => (look.spinner(now), Role::Running),
            ToastKind::Done => (look.glyph(Glyph::Done), Role::Ok),
            ToastKind::Told(severity @ Severity::Info) => (look.glyph(severity), Role::Info),
            ToastKind::Told(severity) => (look.glyph(severity), severity.into()),
        };
        let mut lines = text::wrap(&toast.text, widest.saturating_sub(4));
        if lines.len() > ROWS {
            lines.truncate(ROWS);
            if let Some(last) = lines.last_mut() {
                *last = format!("{} …", text::cut(last, widest.saturating_sub(7)));
            }
        }
        let longest = lines.iter().map(|l| text::width(l)).max().unwrap_or(0);
        let width = u16::try_from(longest + 4).unwrap_or(area.width).min(area.width);
        let height = u16::try_from(lines.len()).unwrap_or(1);
        if bottom < area.y + height {
            return;
        }
        let place = Rect::new(area.right().saturating_sub(width + 1), bottom - height, width, height);
        clear(look, buffer, place);
        text::put(buffer, place.x + 1, place.y, 1, sign, look.style(role));
        for (row, line) in lines.iter().enumerate() {
            let y = place.y + u16::try_from(row).unwrap_or(0);
            text::put(buffer, place.x + 3, y, width.saturating_sub(3), line, look.style(role));
        }
        bottom = place.y;
    }
}
