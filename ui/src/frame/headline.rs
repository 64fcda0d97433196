//! The one sentence that leads when something is wrong.

use quarterdeck_widgets::{Look, Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::pane::Headline;

/// Draws the sentence and, at the right, the key that helps.
pub(crate) fn draw(
    headline: &Headline,
    help: Option<(String, String)>,
    look: &Look,
    buffer: &mut Buffer,
    area: Rect,
) {
    let start = area.x + 1;
    let mut end = area.right().saturating_sub(1);
    if let Some((key, title)) = help {
        let pieces = [(key, look.style(Role::Key)), (format!(" {title}"), look.style(Role::Muted))];
        // The sentence comes first: where it would be cut, the key alone must do.
        let told = text::width(&headline.text) + 4;
        let whole = super::pieces_width(&pieces);
        let pieces = if told + whole > usize::from(area.width) { &pieces[..1] } else { &pieces[..] };
        let width = u16::try_from(super::pieces_width(pieces)).unwrap_or(u16::MAX);
        if width < area.width / 2 {
            let at = end.saturating_sub(width);
            text::put_spans(buffer, at, area.y, width, pieces);
            end = at.saturating_sub(2);
        }
    }
    let glyph = look.glyph(headline.severity);
    let style = look.style(headline.severity);
    let pieces = [(format!("{glyph} "), style), (headline.text.clone(), style)];
    text::put_spans(buffer, start, area.y, end.saturating_sub(start), &pieces);
}
