//! The hint line: what works here, now, made from the live keymap.

use quarterdeck_widgets::{Glyph, Look, Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Piece, pieces_width};

/// One hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    pub keys: String,
    pub title: String,
    pub dangerous: bool,
    /// What a click on it runs.
    pub id: String,
    /// Stays when others must go: help and freeze.
    pub stays: bool,
}

/// Draws as many hints as fit; returns where each stands, by its id.
pub(crate) fn draw(hints: &[Hint], look: &Look, buffer: &mut Buffer, area: Rect) -> Vec<(Rect, String)> {
    let dot = format!(" {} ", look.glyph(Glyph::Dot));
    let pieces = |hint: &Hint| -> Vec<Piece> {
        let danger = if hint.dangerous { "!" } else { "" };
        let role = if hint.dangerous { Role::Warning } else { Role::Key };
        vec![
            (format!("{}{danger}", hint.keys), look.style(role)),
            (format!(" {}", hint.title), look.style(Role::Muted)),
        ]
    };
    let room = usize::from(area.width).saturating_sub(2);
    let mut shown: Vec<&Hint> = hints.iter().collect();
    let width = |shown: &[&Hint]| {
        shown.iter().map(|h| pieces_width(&pieces(h))).sum::<usize>() + shown.len().saturating_sub(1) * 3
    };
    while width(&shown) > room {
        match shown.iter().rposition(|h| !h.stays) {
            Some(place) => shown.remove(place),
            None => break,
        };
    }
    let mut x = area.x + 1;
    let mut places = Vec::new();
    for (index, hint) in shown.iter().enumerate() {
        let left = area.right().saturating_sub(x + 1);
        if index > 0 {
            x += text::put(buffer, x, area.y, left, &dot, look.style(Role::Faint));
        }
        let left = area.right().saturating_sub(x + 1);
        let used = text::put_spans(buffer, x, area.y, left, &pieces(hint));
        places.push((Rect::new(x, area.y, used, 1), hint.id.clone()));
        x += used;
    }
    places
}
