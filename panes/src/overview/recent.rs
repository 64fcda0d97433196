//! The newest entries of the timeline.

use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_kernel::{ChangeKind, Entry, Severity, Timestamp};
use quarterdeck_ui::Context;
use quarterdeck_widgets::{Look, Role, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;

pub(super) fn draw(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    rule::rule(cx.look, buffer, area, "timeline", "");
    let in_scope = |e: &&Arc<Entry>| match (&cx.scope.service, &e.service) {
        (Some(wanted), Some(has)) => wanted == has,
        _ => true,
    };
    let mut drawn = false;
    for (entry, y) in cx.world.timeline.entries.iter().filter(in_scope).zip(area.y + 1..area.bottom()) {
        draw_entry(cx.look, buffer, Rect { y, height: 1, ..area }, entry, cx.world.now);
        drawn = true;
    }
    if !drawn {
        let empty = "Nothing has happened yet.";
        text::put(
            buffer,
            area.x + 1,
            area.y + 1,
            area.width.saturating_sub(2),
            empty,
            cx.look.style(Role::Muted),
        );
    }
}

fn draw_entry(look: &Look, buffer: &mut Buffer, area: Rect, entry: &Entry, now: Timestamp) {
    let old = now.since(entry.at).as_secs() >= 86_400;
    let time = format!("{:<8}", if old { look.day(entry.at) } else { look.clock(entry.at) });
    let who = text::cut(&entry.actor.user, 12).into_owned();
    let room = area.width.saturating_sub(text::width(&who) as u16 + 4);
    let summary = match entry.severity {
        Severity::Info => look.style(Role::Text),
        other => look.style(Role::from(other)),
    };
    let spans = [
        (time.as_str(), look.style(Role::Muted)),
        (" ", look.style(Role::Text)),
        (look.glyph(entry.kind), look.style(Role::Accent)),
        (" ", look.style(Role::Text)),
        (entry.summary.as_str(), summary),
    ];
    text::put_spans(buffer, area.x + 1, area.y, room, &spans);
    text::put_right(buffer, area.x, area.y, area.width.saturating_sub(1), &who, look.style(Role::Muted));
}

/// The newest entry of each service that is within the range of the charts, by service.
pub(super) fn changes<'a>(cx: &Context<'a, World>) -> HashMap<&'a str, &'a Entry> {
    let from = cx.world.now.plus_millis(-cx.scope.range);
    let mut newest = HashMap::new();
    // That a service broke its limits is an effect, and that somebody took care of it an answer: neither is a change.
    let change = |e: &&Arc<Entry>| !matches!(e.kind, ChangeKind::Alert | ChangeKind::Acknowledgement);
    let made = cx.world.timeline.entries.iter().filter(change);
    for entry in made.take_while(|e| e.at >= from) {
        if let Some(service) = &entry.service {
            newest.entry(service.as_str()).or_insert(&**entry);
        }
    }
    newest
}

/// An entry's sentence without the service's name, which stands at the left already.
pub(super) fn about(entry: &Entry) -> &str {
    let name = entry.service.as_deref().unwrap_or_default();
    entry
        .summary
        .strip_prefix(name)
        .map_or(entry.summary.as_str(), |rest| rest.trim_start_matches([':', ' ']))
}
