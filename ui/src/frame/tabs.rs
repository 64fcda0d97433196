//! The tab line: pinned panes by digit, and where everything else is.

use quarterdeck_widgets::{Glyph, Look, Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

/// One tab.
pub(crate) struct Tab {
    pub digit: Option<usize>,
    pub title: &'static str,
    pub active: bool,
}

/// Draws the line; returns where each tab stands, by its place in `tabs`.
pub(crate) fn draw(
    tabs: &[Tab],
    hints: &[String],
    look: &Look,
    buffer: &mut Buffer,
    area: Rect,
) -> Vec<(Rect, usize)> {
    let dot = format!(" {} ", look.glyph(Glyph::Dot));
    let reserved = hints.first().map_or(0, |h| text::width(h)) + 2;
    let wide = usize::from(area.width).saturating_sub(2);
    let labels: Vec<String> = tabs
        .iter()
        .map(|tab| match tab.digit {
            Some(digit) => format!("{digit} {}", tab.title),
            None => tab.title.to_owned(),
        })
        .collect();
    let widths: Vec<usize> = labels.iter().map(|l| text::width(l)).collect();
    let all = |gap: usize| widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1);
    let gap = if all(2) + reserved <= wide { 2 } else { 1 };
    // What does not fit gives way to the tab that is active.
    let room = wide.saturating_sub(reserved);
    let shown = fitting(&widths, gap, room, tabs.iter().position(|t| t.active).unwrap_or(0));
    let mut x = area.x + 1;
    let mut places = Vec::new();
    let mut last = None;
    for index in shown {
        if last.is_some_and(|l| l + 1 != index) {
            x += text::put(buffer, x, area.y, 2, "…", look.style(Role::Faint)) + 1;
        }
        last = Some(index);
        let base = if tabs[index].active { Role::Accent } else { Role::Muted };
        let mut style = look.style(base);
        if tabs[index].active {
            style = style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
        }
        let room = area.right().saturating_sub(x);
        let used = text::put(buffer, x, area.y, room, &labels[index], style);
        places.push((Rect::new(x, area.y, used, 1), index));
        x += used + u16::try_from(gap).unwrap_or(1);
    }
    if last.is_some_and(|l| l + 1 < tabs.len()) {
        x += text::put(buffer, x, area.y, 1, "…", look.style(Role::Faint)) + 1;
    }
    let left = usize::from(area.right().saturating_sub(x + 1));
    let mut line = String::new();
    for hint in hints {
        let longer = if line.is_empty() { hint.clone() } else { format!("{line}{dot}{hint}") };
        if text::width(&longer) <= left {
            line = longer;
        }
    }
    let at = area.right().saturating_sub(1 + u16::try_from(text::width(&line)).unwrap_or(0));
    text::put(buffer, at, area.y, area.right().saturating_sub(at), &line, look.style(Role::Faint));
    places
}

/// The tabs that fit, in order, the active one always among them.
fn fitting(widths: &[usize], gap: usize, room: usize, active: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..widths.len()).collect();
    let total = |shown: &[usize]| {
        let cut = if shown.len() < widths.len() { 2 * (1 + gap) } else { 0 };
        shown.iter().map(|i| widths[*i] + gap).sum::<usize>() + cut
    };
    while total(&shown) > room + gap && shown.len() > 1 {
        match shown.iter().rposition(|i| *i != active) {
            Some(place) => shown.remove(place),
            None => break,
        };
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_active_tab_is_always_there() {
        assert_eq!(fitting(&[5, 5, 5, 5], 1, 100, 3), [0, 1, 2, 3]);
        assert_eq!(fitting(&[5, 5, 5, 5], 1, 17, 3), [0, 3]);
        assert_eq!(fitting(&[50], 1, 10, 0), [0]);
    }
}
