//! Bars of parts of a whole.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::text;
use crate::{Look, Role};

const EIGHTHS: [&str; 8] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Draws a bar of `part` (0 to 1) of `width` columns, to an eighth of a column; anything above zero shows at least a
/// sliver. The rest is left as it is.
pub fn bar(
    look: &Look,
    buffer: &mut Buffer,
    (x, y): (u16, u16),
    width: u16,
    part: f64,
    role: impl Into<Role>,
) {
    let style = look.style(role);
    let part = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
    let mut eighths = (part * f64::from(width) * 8.0).round() as u32;
    if eighths == 0 && part > 0.0 {
        eighths = 1;
    }
    for column in 0..width {
        let here = eighths.saturating_sub(u32::from(column) * 8).min(8) as usize;
        match here {
            0 => break,
            8 => text::cell(buffer, x.saturating_add(column), y, "█", style),
            _ => text::cell(buffer, x.saturating_add(column), y, EIGHTHS[here], style),
        }
    }
}

/// A labelled gauge of one row: `label ███████▍······  61 %`.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauge<'a> {
    /// In front, if anything.
    pub label: &'a str,
    /// From 0 to 1; NaN is unknown.
    pub part: f64,
    /// Behind the bar: the value with its unit.
    pub value: &'a str,
    /// Where the limit stands, from 0 to 1.
    pub limit: Option<f64>,
    /// How the filled part is drawn.
    pub role: Role,
}

impl Gauge<'_> {
    /// Draws it into the first row of an area; `label_width` and `value_width` align gauges under each other.
    pub fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect, label_width: u16, value_width: u16) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        text::put(buffer, area.x, area.y, label_width.min(area.width), self.label, look.style(Role::Muted));
        let left = label_width + u16::from(label_width > 0);
        let right = value_width + u16::from(value_width > 0) * 2;
        let width = area.width.saturating_sub(left.saturating_add(right));
        let x = area.x.saturating_add(left);
        if width > 0 {
            text::fill(buffer, Rect { x, y: area.y, width, height: 1 }, "·", look.style(Role::Faint));
            bar(look, buffer, (x, area.y), width, self.part, self.role);
            if let Some(limit) = self.limit.filter(|l| (0.0..=1.0).contains(l)) {
                let at = ((limit * f64::from(width)) as u16).min(width - 1);
                let mut style = look.style(Role::Text);
                // Within the bar, the mark stands on its colour.
                if self.part * f64::from(width) >= f64::from(at) + 1.0 {
                    style.bg = look.style(self.role).fg;
                }
                text::cell(buffer, x + at, area.y, "│", style);
            }
        }
        let room = value_width.min(area.width);
        text::put_right(buffer, area.right() - room, area.y, room, self.value, look.style(Role::Text));
    }
}
