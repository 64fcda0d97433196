//! Thin rules that separate, with a title in them, and the joints where they meet.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::text;
use crate::{Look, Role};

/// Draws `─ title ────` over the first row of an area; a rule without a title is all line. What stands at the right
/// end (`right`) is drawn muted.
pub fn rule(look: &Look, buffer: &mut Buffer, area: Rect, title: &str, right: &str) {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    let line = look.style(Role::Rule);
    text::fill(buffer, Rect { height: 1, ..area }, "─", line);
    let mut used = 0;
    if !title.is_empty() && area.width > 4 {
        let room = area.width - 4;
        text::cell(buffer, area.x + 1, area.y, " ", line);
        used = text::put(buffer, area.x + 2, area.y, room, title, look.style(Role::Title));
        text::cell(buffer, area.x + 2 + used, area.y, " ", line);
    }
    let wanted = text::width(right) as u16;
    if wanted > 0 && wanted + used + 8 <= area.width {
        let x = area.right() - wanted - 3;
        text::cell(buffer, x, area.y, " ", line);
        text::put(buffer, x + 1, area.y, wanted, right, look.style(Role::Muted));
        text::cell(buffer, x + 1 + wanted, area.y, " ", line);
    }
}

/// Draws `│` down one column, joined (`┬`, `┴`, `┼`) with the rules that it meets above and below.
pub fn divider(look: &Look, buffer: &mut Buffer, x: u16, top: u16, bottom: u16) {
    let style = look.style(Role::Rule);
    for y in top..bottom.min(buffer.area.bottom()) {
        text::cell(buffer, x, y, "│", style);
    }
    if top > buffer.area.top() {
        joint(look, buffer, x, top - 1, Joint::Below);
    }
    joint(look, buffer, x, bottom, Joint::Above);
}

#[derive(Clone, Copy, PartialEq)]
enum Joint {
    Below,
    Above,
}

fn joint(look: &Look, buffer: &mut Buffer, x: u16, y: u16, side: Joint) {
    let Some(found) = buffer.cell((x, y)) else { return };
    let sign = match (found.symbol(), side) {
        ("─", Joint::Below) => "┬",
        ("─", Joint::Above) => "┴",
        ("┴", Joint::Below) | ("┬", Joint::Above) => "┼",
        _ => return,
    };
    text::cell(buffer, x, y, sign, look.style(Role::Rule));
}

/// An area cut in two by a divider: left, the divider's column, right. `left` is the width of the left part.
#[must_use]
pub fn columns(area: Rect, left: u16) -> (Rect, u16, Rect) {
    let left = left.min(area.width.saturating_sub(1));
    let rest = area.width.saturating_sub(left + 1);
    (
        Rect { width: left, ..area },
        area.x + left,
        Rect { x: area.right().saturating_sub(rest), width: rest, ..area },
    )
}

/// Draws `│` down a column and joins it with every rule that it meets.
pub fn join(look: &Look, buffer: &mut Buffer, x: u16, top: u16, bottom: u16) {
    let style = look.style(Role::Rule);
    for y in top..bottom {
        let line = |x: u16| buffer.cell((x, y)).is_some_and(|cell| cell.symbol() == "─");
        let sign = match (x > 0 && line(x - 1), line(x + 1)) {
            (true, true) => "┼",
            (true, false) => "┤",
            (false, true) => "├",
            (false, false) => "│",
        };
        text::cell(buffer, x, y, sign, style);
    }
    for (y, sign) in [(top.checked_sub(1), "┬"), (Some(bottom), "┴")] {
        let Some(y) = y else { continue };
        let found = buffer.cell((x, y)).map(|cell| cell.symbol().to_owned());
        match found.as_deref() {
            Some("─") => text::cell(buffer, x, y, sign, style),
            Some("┬" | "┴") => text::cell(buffer, x, y, "┼", style),
            _ => {}
        }
    }
}
