//! What the tests share: buffers as text, sample data.

#![allow(dead_code, reason = "each test uses its part")]

use quarterdeck_kernel::{Actor, ChangeKind, Entry, EntryId, Phase, Sample, Severity, Timestamp};
use quarterdeck_widgets::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

/// A Monday in March, 14:32:07 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_773_066_727_000);

/// An empty screen in a look.
pub(crate) fn screen(look: &Look, width: u16, height: u16) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let area = buffer.area;
    buffer.set_style(area, look.base());
    buffer
}

/// The buffer as text, one line to a row.
pub(crate) fn lines(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let row: String =
            (buffer.area.left()..buffer.area.right()).map(|x| buffer[(x, y)].symbol()).collect();
        out.push_str(row.trim_end());
        out.push('\n');
    }
    out
}

/// The buffer as text, then every run of cells that is not in the base style.
pub(crate) fn styled(buffer: &Buffer, look: &Look) -> String {
    let mut out = lines(buffer);
    let mut base = ratatui::buffer::Cell::default();
    base.set_style(look.base());
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let style = buffer[(x, y)].style();
            let from = x;
            while x < buffer.area.right() && buffer[(x, y)].style() == style {
                x += 1;
            }
            if style != base.style() {
                out.push_str(&format!("{y}:{from}-{} {}\n", x - 1, describe(style)));
            }
        }
    }
    out
}

fn describe(style: Style) -> String {
    let colour = |c: Option<Color>| match c {
        Some(Color::Rgb(r, g, b)) => format!("#{r:02x}{g:02x}{b:02x}"),
        Some(Color::Reset) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let modifiers =
        if style.add_modifier.is_empty() { String::new() } else { format!(" {:?}", style.add_modifier) };
    format!("{} on {}{modifiers}", colour(style.fg), colour(style.bg))
}

/// Samples every `step` milliseconds up to now.
pub(crate) fn samples(step: i64, values: impl IntoIterator<Item = f64>) -> Vec<Sample> {
    let values: Vec<f64> = values.into_iter().collect();
    let count = values.len() as i64;
    let at = |i: usize| NOW.plus_millis((i as i64 + 1 - count) * step);
    values.into_iter().enumerate().map(|(i, v)| Sample { t: at(i), v }).collect()
}

/// An entry of the timeline.
pub(crate) fn entry(seconds_ago: i64, kind: ChangeKind, severity: Severity) -> Entry {
    Entry {
        id: EntryId { writer: "test".into(), seq: 1 },
        at: NOW.plus_millis(-seconds_ago * 1000),
        kind,
        phase: Phase::Done,
        severity,
        subject: None,
        service: None,
        actor: Actor::system("test"),
        summary: String::new(),
        reason: None,
        invocation: None,
        outcome_of: None,
        undo: None,
        undone_by: None,
    }
}
