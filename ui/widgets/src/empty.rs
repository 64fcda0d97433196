//! What stands where there is nothing: an answer and the one thing to do next.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::text;
use crate::{Look, Role};

/// An empty state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Empty<'a> {
    /// What would be here: "No service has sent a metric yet."
    pub what: &'a str,
    /// The one thing to do: "Add a target under [scrape] in quarterdeck.toml".
    pub next: &'a str,
    /// The key that does it; empty when there is none.
    pub key: &'a str,
}

impl Empty<'_> {
    /// Draws it a third of the way down, centred; in three rows or fewer at the top left.
    pub fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let width = usize::from(area.width.saturating_sub(4)).min(72);
        let mut lines: Vec<(String, Role)> =
            text::wrap(self.what, width).into_iter().map(|line| (line, Role::Muted)).collect();
        let next = text::wrap(self.next, width);
        let small = usize::from(area.height) < lines.len() + next.len() + 2;
        if !small && !self.next.is_empty() {
            lines.push((String::new(), Role::Text));
        }
        lines.extend(next.into_iter().filter(|line| !line.is_empty()).map(|line| (line, Role::Text)));
        let top = if small { 0 } else { (area.height - lines.len() as u16) / 3 };
        let last = lines.len().saturating_sub(1);
        for (row, (line, role)) in lines.iter().enumerate().take(usize::from(area.height - top)) {
            let y = area.y + top + row as u16;
            let key =
                if row == last && !self.key.is_empty() { format!("{}  ", self.key) } else { String::new() };
            let taken = (text::width(line) + text::width(&key)) as u16;
            let x = if small { area.x + 1 } else { area.x + area.width.saturating_sub(taken) / 2 };
            let room = area.right().saturating_sub(x);
            text::put_spans(
                buffer,
                x,
                y,
                room,
                &[(key.as_str(), look.style(Role::Key)), (line, look.style(*role))],
            );
        }
    }
}
