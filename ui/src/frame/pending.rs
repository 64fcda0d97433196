//! What can follow the keys pressed so far.

use quarterdeck_widgets::popup::float;
use quarterdeck_widgets::{Look, Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Draws the popup into the lower right corner of an area: the keys so far, and what each next key does.
pub(crate) fn draw(pressed: &str, next: &[(String, String)], look: &Look, buffer: &mut Buffer, area: Rect) {
    let key_width = next.iter().map(|(key, _)| text::width(key)).max().unwrap_or(1);
    let title_width = next.iter().map(|(_, title)| text::width(title)).max().unwrap_or(1);
    let column = key_width + title_width + 4;
    let rows_free = usize::from(area.height).saturating_sub(2).max(1);
    let columns = next.len().div_ceil(rows_free).max(1).min((usize::from(area.width) / column.max(1)).max(1));
    let rows = next.len().div_ceil(columns).min(rows_free);
    let width = u16::try_from((column * columns + 2).max(text::width(pressed) + 6))
        .unwrap_or(u16::MAX)
        .min(area.width);
    let height = u16::try_from(rows + 2).unwrap_or(u16::MAX).min(area.height);
    let place = Rect::new(area.right() - width, area.bottom() - height, width, height);
    let inner = float(look, buffer, place, pressed, "");
    for (index, (key, title)) in next.iter().enumerate() {
        let (across, down) = (index / rows.max(1), index % rows.max(1));
        let x = inner.x.saturating_add(u16::try_from(across * column + 1).unwrap_or(u16::MAX));
        let y = inner.y.saturating_add(u16::try_from(down).unwrap_or(u16::MAX));
        if across >= columns || x >= inner.right() || y >= inner.bottom() {
            break;
        }
        text::put(buffer, x, y, inner.right() - x, key, look.style(Role::Key));
        let x = x.saturating_add(u16::try_from(key_width + 2).unwrap_or(u16::MAX));
        text::put(buffer, x, y, inner.right().saturating_sub(x), title, look.style(Role::Text));
    }
}
