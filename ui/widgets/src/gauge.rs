//! Bars of parts of a whole.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::text;
use crate::{Look, Role};

/// A full column of a bar, and half of one. They leave room above and below, so that bars of rows under each other stay
/// apart.
const FULL: &str = "━";
const HALF: &str = "╸";

/// Draws a bar of `part` (0 to 1) of `width` columns, to half a column; anything above zero shows at least that. The rest is
/// left as it is.
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
    let mut halves = (part * f64::from(width) * 2.0).round() as u32;
    if halves == 0 && part > 0.0 {
        halves = 1;
    }
    for column in 0..width {
        let sign = match halves.saturating_sub(u32::from(column) * 2) {
            0 => break,
            1 => HALF,
            _ => FULL,
        };
        text::cell(buffer, x.saturating_add(column), y, sign, style);
    }
}

/// A labelled gauge of one row: `label ━━━━━━━╸······  61 %`.
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
                text::cell(buffer, x + at, area.y, "│", look.style(Role::Text));
            }
        }
        let room = value_width.min(area.width);
        text::put_right(buffer, area.right() - room, area.y, room, self.value, look.style(Role::Text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_of_adjacent_rows_never_touch_and_a_little_is_not_nothing() {
        let look = Look::default();
        let area = Rect { x: 0, y: 0, width: 10, height: 4 };
        let mut buffer = Buffer::empty(area);
        for (y, part) in [(0, 1.0), (1, 0.55), (2, 0.001), (3, f64::NAN)] {
            bar(&look, &mut buffer, (0, y), area.width, part, Role::Muted);
        }
        let row = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        assert_eq!(row(0), "━━━━━━━━━━");
        assert_eq!(row(1).trim_end(), "━━━━━╸");
        assert_eq!(row(2).trim_end(), "╸");
        assert_eq!(row(3).trim_end(), "");
    }

    #[test]
    fn the_limit_stands_in_the_bar_and_beyond_it() {
        let look = Look::default();
        let area = Rect { x: 0, y: 0, width: 20, height: 1 };
        let mut buffer = Buffer::empty(area);
        let gauge = Gauge { label: "cpu", part: 0.9, value: "90 %", limit: Some(0.5), role: Role::Warning };
        gauge.draw(&look, &mut buffer, area, 4, 5);
        let row: String = (0..area.width).map(|x| buffer[(x, 0)].symbol()).collect();
        assert_eq!(row, "cpu  ━━━━│━━·   90 %");
    }
}
