//! How alerting itself stands, where that is not as it should be: not saved, on standby, rows that cannot be read.

use quarterdeck_alerting::Role as Part;
use quarterdeck_ui::Context;
use quarterdeck_widgets::{Glyph, Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;

/// Sentences, worst first.
pub(crate) fn sentences(cx: &Context<'_, World>) -> Vec<(String, Glyph, Role)> {
    let view = &cx.world.alerting;
    let mut told = Vec::new();
    if let Some(unsaved) = &view.unsaved {
        let rows = match unsaved.rows {
            1 => "1 change waits".to_owned(),
            n => format!("{n} changes wait"),
        };
        let since = cx.look.when(unsaved.since, cx.world.now);
        told.push((
            format!("not saved since {since}: {}; {rows}", unsaved.why),
            Glyph::Critical,
            Role::Critical,
        ));
    }
    if let Part::Standby { holder, address } = &view.role {
        let at = if address.is_empty() { String::new() } else { format!(" at {address}") };
        told.push((
            format!("standby: console {holder}{at} notifies; what you do here is handed to it"),
            Glyph::Frozen,
            Role::Frozen,
        ));
    }
    if let Some((kind, name, why)) = view.unreadable.first() {
        let more = match view.unreadable.len() {
            1 => String::new(),
            n => format!(" (and {} more)", n - 1),
        };
        told.push((format!("{kind} {name} cannot be read: {why}{more}"), Glyph::Warning, Role::Warning));
    }
    told
}

/// Draws the sentences, a line each.
pub(crate) fn draw(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    for ((sentence, glyph, role), y) in sentences(cx).iter().zip(area.y..area.bottom()) {
        let style = cx.look.style(*role);
        let spans = [(cx.look.glyph(*glyph), style), (" ", style), (sentence.as_str(), style)];
        text::put_spans(buffer, area.x + 1, y, area.width.saturating_sub(2), &spans);
    }
}
