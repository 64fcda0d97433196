//! Says which line is which, and what it is worth.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Chart, Legend, within};
use crate::{Depth, Look, Role, Scale, text};

/// Rows of the plot below which a legend is kept to one row.
const LEAST_PLOT: u16 = 6;

/// What the legend says about one series.
struct Row {
    now: f64,
    least: f64,
    most: f64,
}

impl Chart<'_> {
    pub(super) fn legend_height(&self, area: Rect) -> u16 {
        match self.legend {
            _ if self.series.is_empty() || area.height < 5 => 0,
            Legend::None => 0,
            Legend::Row => 1,
            Legend::Table(most) => {
                let rows = (self.series.len() as u16).min(most).min(area.height / 3);
                // Where a table would leave no room to read the lines by, a row has to do.
                if rows == 0 || area.height < rows + 1 + 2 + LEAST_PLOT { 1 } else { rows + 1 }
            }
        }
    }

    pub(super) fn draw_legend(&self, look: &Look, buffer: &mut Buffer, area: Rect, scale: &Scale) {
        match self.legend {
            _ if area.height == 0 => {}
            Legend::None => {}
            _ if area.height == 1 => self.draw_legend_row(look, buffer, area, scale),
            Legend::Row => self.draw_legend_row(look, buffer, area, scale),
            Legend::Table(_) => self.draw_legend_table(look, buffer, area, scale),
        }
    }

    fn row(&self, index: usize) -> Row {
        let samples = self.series[index].samples;
        let visible = within(samples, self.viewport);
        let values = visible.iter().filter(|s| self.viewport.contains(s.t) && s.v.is_finite()).map(|s| s.v);
        let (least, most) = values.fold((f64::NAN, f64::NAN), |(least, most), v| (v.min(least), v.max(most)));
        let at = self.cursor.unwrap_or(self.viewport.to());
        Row { now: self.value_at(samples, at), least, most }
    }

    /// The sign in front of a series: a dash of its colour, or its number where there is no colour.
    fn sign(&self, look: &Look, index: usize) -> (String, Role) {
        if look.depth() == Depth::None && self.series.len() > 1 {
            return ((index + 1).to_string(), Role::Text);
        }
        ("━".to_owned(), self.role_of(index))
    }

    fn draw_legend_row(&self, look: &Look, buffer: &mut Buffer, area: Rect, scale: &Scale) {
        let mut x = area.x;
        for (index, series) in self.series.iter().enumerate() {
            let (sign, role) = self.sign(look, index);
            let value = scale.full(self.row(index).now);
            let width = (text::width(&series.name) + text::width(&value) + 4) as u16;
            let left = self.series.len() - index;
            let more = format!("+{left} more");
            let last = left == 1;
            let room = area.right().saturating_sub(x);
            let crowded = width > room || (!last && width + more.len() as u16 + 3 > room);
            if crowded && index > 0 {
                text::put(buffer, x, area.y, room, &more, look.style(Role::Faint));
                return;
            }
            let spans = [
                (sign.as_str(), look.style(role)),
                (" ", look.style(Role::Text)),
                (&series.name, look.style(Role::Muted)),
                (" ", look.style(Role::Text)),
                (&value, look.style(Role::Text)),
            ];
            x += text::put_spans(buffer, x, area.y, room, &spans) + 3;
        }
    }

    fn draw_legend_table(&self, look: &Look, buffer: &mut Buffer, area: Rect, scale: &Scale) {
        const CELL: u16 = 11;
        let unit = if scale.unit.is_empty() { String::new() } else { format!(" {}", scale.unit) };
        let now = if self.cursor.is_some() { "CURSOR" } else { "LAST" };
        let columns = if area.width >= 60 { 3 } else { 1 };
        let name = area.width.saturating_sub(CELL * columns + 3);
        let heading = look.style(Role::Heading);
        let heads = [format!("{now}{unit}"), "LEAST".to_owned(), "MOST".to_owned()];
        for (column, head) in heads.iter().enumerate().take(usize::from(columns)) {
            text::put_right(buffer, area.x + 2 + name + CELL * column as u16, area.y, CELL, head, heading);
        }
        let rows = usize::from(area.height - 1);
        for (line, index) in (0..self.series.len()).enumerate().take(rows) {
            let y = area.y + 1 + line as u16;
            let left = self.series.len() - index;
            if line + 1 == rows && left > 1 {
                text::put(buffer, area.x, y, area.width, &format!("+{left} more"), look.style(Role::Faint));
                break;
            }
            let (sign, role) = self.sign(look, index);
            text::put(buffer, area.x, y, 2, &sign, look.style(role));
            text::put(buffer, area.x + 2, y, name, &self.series[index].name, look.style(Role::Text));
            let row = self.row(index);
            let values = [(row.now, Role::Text), (row.least, Role::Muted), (row.most, Role::Muted)];
            for (column, (value, role)) in values.into_iter().enumerate().take(usize::from(columns)) {
                let x = area.x + 2 + name + CELL * column as u16;
                text::put_right(buffer, x, y, CELL, &scale.value(value), look.style(role));
            }
        }
    }
}
