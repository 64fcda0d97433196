//! Puts text into a buffer.

use std::borrow::Cow;

use ratatui::buffer::{Buffer, CellWidth};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use super::clean;
use super::clean::is_plain;

/// What is drawn where text is cut.
const ELLIPSIS: &str = "…";

/// The cells of a cleaned text: what goes into each and how many columns it takes (1 or 2).
///
/// A cluster that would take more than two columns is split into its characters: no terminal agrees on such widths.
pub(crate) fn graphemes(cleaned: &str) -> impl Iterator<Item = (&str, u16)> {
    UnicodeSegmentation::graphemes(cleaned, true).flat_map(|cluster| {
        let width = cluster.cell_width();
        let split = !(1..=2).contains(&width);
        let whole = (!split).then_some((cluster, width));
        let parts = split.then(|| {
            cluster
                .char_indices()
                .map(|(at, c)| &cluster[at..at + c.len_utf8()])
                .map(|part| (part, part.cell_width()))
                .filter(|(_, width)| (1..=2).contains(width))
        });
        whole.into_iter().chain(parts.into_iter().flatten())
    })
}

/// How many columns a text takes when drawn.
#[must_use]
pub fn width(text: &str) -> usize {
    let text = clean(text);
    if text.is_ascii() { text.len() } else { graphemes(&text).map(|(_, w)| usize::from(w)).sum() }
}

/// The text cleaned and cut to at most `max` columns, with `…` where it is cut.
#[must_use]
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    let text = clean(text);
    if text.len() <= max || width(&text) <= max {
        return text;
    }
    if max == 0 {
        return Cow::Borrowed("");
    }
    if text.is_ascii() {
        return Cow::Owned(format!("{}{ELLIPSIS}", &text[..max - 1]));
    }
    let mut kept = String::new();
    let mut used = 0;
    for (cluster, width) in graphemes(&text) {
        if used + usize::from(width) > max - 1 {
            break;
        }
        used += usize::from(width);
        kept.push_str(cluster);
    }
    kept.push_str(ELLIPSIS);
    Cow::Owned(kept)
}

/// Draws text from `x` on in at most `max_width` columns, cut with `…`; returns how many columns it took. Outside the
/// buffer nothing is drawn.
pub fn put(buffer: &mut Buffer, x: u16, y: u16, max_width: u16, text: &str, style: Style) -> u16 {
    let area = buffer.area;
    if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
        return 0;
    }
    let room = max_width.min(area.right() - x);
    if room == 0 {
        return 0;
    }
    if is_plain(text) {
        let whole = text.len() <= usize::from(room);
        let kept = if whole { text.len() } else { usize::from(room) - 1 };
        run(buffer, x, y, &text[..kept], style);
        if !whole {
            write(buffer, x + room - 1, y, ELLIPSIS, 1, style);
        }
        return if whole { kept as u16 } else { room };
    }
    let text = cut(text, usize::from(room));
    let mut used = 0;
    for (cluster, width) in graphemes(&text) {
        if used + width > room {
            break;
        }
        write(buffer, x + used, y, cluster, width, style);
        used += width;
    }
    used
}

/// Writes a plain text that has room: a cell to a byte, without looking at each one's neighbours.
#[expect(
    clippy::disallowed_methods,
    reason = "the symbols come from a plain text: this is what the ban protects"
)]
fn run(buffer: &mut Buffer, x: u16, y: u16, plain: &str, style: Style) {
    if plain.is_empty() {
        return;
    }
    part(buffer, x, y);
    let start = buffer.index_of(x, y);
    let cells = &mut buffer.content[start..start + plain.len()];
    for (at, cell) in cells.iter_mut().enumerate() {
        cell.set_symbol(&plain[at..=at]).set_style(style);
    }
}

/// Makes a space of a wide character that reaches from the left into the place of a cell.
fn part(buffer: &mut Buffer, x: u16, y: u16) {
    let left = x > buffer.area.left() && buffer[(x - 1, y)].symbol().cell_width() > 1;
    if left {
        buffer[(x - 1, y)].set_char(' ');
    }
}

/// The one place where any string becomes a cell. Half a wide character that this overwrites becomes a space.
#[expect(
    clippy::disallowed_methods,
    reason = "the symbol comes from a cleaned text: this is what the ban protects"
)]
fn write(buffer: &mut Buffer, x: u16, y: u16, symbol: &str, width: u16, style: Style) {
    part(buffer, x, y);
    let cell = &mut buffer[(x, y)];
    cell.set_symbol(symbol).set_style(style);
    if width > 1 && x + 1 < buffer.area.right() {
        let covered = &mut buffer[(x + 1, y)];
        covered.reset();
        covered.set_style(style);
    }
}

/// Draws one sign of ours into one cell, if it is in the buffer.
pub fn cell(buffer: &mut Buffer, x: u16, y: u16, sign: &str, style: Style) {
    let plain = one_sign(sign);
    if plain && buffer.area.contains((x, y).into()) {
        write(buffer, x, y, sign, 1, style);
    } else if !plain {
        put(buffer, x, y, 1, sign, style);
    }
}

/// Whether a text is one sign that can be drawn as it is.
fn one_sign(sign: &str) -> bool {
    let mut chars = sign.chars();
    matches!((chars.next(), chars.next()), (Some(c), None) if is_sign(c))
}

/// Characters that are safe and one column wide without looking further: ASCII, arrows, mathematical signs, box
/// drawing, blocks, shapes, Braille.
const fn is_sign(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{b7}' | '\u{2190}'..='\u{22ff}' | '\u{2500}'..='\u{25fc}' | '\u{2800}'..='\u{28ff}')
}

/// Draws text so that it ends at the right edge of `width` columns from `x` on; returns how many columns it took.
pub fn put_right(buffer: &mut Buffer, x: u16, y: u16, max_width: u16, text: &str, style: Style) -> u16 {
    let taken = u16::try_from(width(text)).unwrap_or(u16::MAX).min(max_width);
    put(buffer, x.saturating_add(max_width - taken), y, taken, text, style)
}

/// Draws text in the middle of `width` columns from `x` on; returns how many columns it took.
pub fn put_centred(buffer: &mut Buffer, x: u16, y: u16, max_width: u16, text: &str, style: Style) -> u16 {
    let taken = u16::try_from(width(text)).unwrap_or(u16::MAX).min(max_width);
    put(buffer, x.saturating_add((max_width - taken) / 2), y, taken, text, style)
}

/// Draws pieces one after the other, the whole cut with `…` at `max_width`; returns how many columns they took.
pub fn put_spans<T: AsRef<str>>(
    buffer: &mut Buffer,
    x: u16,
    y: u16,
    max_width: u16,
    spans: &[(T, Style)],
) -> u16 {
    let mut left: usize = spans.iter().map(|(text, _)| width(text.as_ref())).sum();
    let mut used = 0;
    for (text, style) in spans {
        let room = max_width - used;
        let taken = width(text.as_ref());
        // A piece that fits but has something behind it that does not, gives its last column to the `…`.
        if taken <= usize::from(room)
            && (left == taken || taken < usize::from(room) || left <= usize::from(room))
        {
            used += put(buffer, x.saturating_add(used), y, room, text.as_ref(), *style);
            left -= taken;
            continue;
        }
        let cut_here = format!("{}{ELLIPSIS}", text.as_ref());
        let cut_here = if taken > usize::from(room) { text.as_ref() } else { &cut_here };
        used += put(buffer, x.saturating_add(used), y, room, cut_here, *style);
        break;
    }
    used
}

/// Draws text from the left edge of an area's row, counted from its top; returns how many columns it took.
pub fn put_line(buffer: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) -> u16 {
    if row >= area.height {
        return 0;
    }
    put(buffer, area.x, area.y + row, area.width, text, style)
}

/// Fills an area with a sign of one column.
#[expect(clippy::disallowed_methods, reason = "the symbol is a sign: this is what the ban protects")]
pub fn fill(buffer: &mut Buffer, area: Rect, sign: &str, style: Style) {
    let area = area.intersection(buffer.area);
    let plain = one_sign(sign);
    for y in area.top()..area.bottom() {
        if plain && area.width > 0 {
            part(buffer, area.x, y);
            let start = buffer.index_of(area.x, y);
            for cell in &mut buffer.content[start..start + usize::from(area.width)] {
                cell.set_symbol(sign).set_style(style);
            }
            continue;
        }
        for x in area.left()..area.right() {
            cell(buffer, x, y, sign, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_that_take_the_short_way_are_clean_and_one_column_wide() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32).filter(|c| is_sign(*c)) {
            let sign = c.to_string();
            assert_eq!(
                (sign.as_str().cell_width(), clean(&sign).as_ref()),
                (1, sign.as_str()),
                "U+{:04X}",
                u32::from(c)
            );
        }
    }

    #[test]
    fn plain_texts_are_drawn_as_others_are() {
        for (text, room) in
            [("", 4), ("abc", 4), ("abcd", 4), ("abcde", 4), ("abc", 1), ("abc", 0), ("漢b", 4)]
        {
            let draw = |text: &str| {
                let mut buffer = Buffer::with_lines(["漢字漢字"]);
                let used = put(&mut buffer, 1, 0, room, text, Style::new().bold());
                (used, buffer)
            };
            // A letter with a mark takes the long way and is as wide.
            let (long, marked) = draw(&text.replace('a', "a\u{308}"));
            let (used, mut plain) = draw(text);
            assert_eq!(used, long, "{text:?} in {room}");
            for (cell, other) in plain.content.iter_mut().zip(&marked.content) {
                if other.symbol() == "a\u{308}" && cell.symbol() == "a" {
                    *cell = other.clone();
                }
            }
            assert_eq!(plain, marked, "{text:?} in {room}");
            assert_eq!(cut(text, room.into()).chars().count(), usize::from(room).min(text.chars().count()));
        }
    }

    #[test]
    fn wide_characters_are_cut_whole() {
        let draw = |text: &str, width| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
            let used = put(&mut buffer, 0, 0, width, text, Style::new());
            (used, buffer.content.iter().map(|cell| cell.symbol().to_owned()).collect::<String>())
        };
        assert_eq!(draw("漢字漢字", 6), (5, "漢 字 … ".to_owned()));
        assert_eq!(draw("漢字", 3), (3, "漢 …   ".to_owned()));
        assert_eq!(draw("漢", 1), (1, "…     ".to_owned()));
        assert_eq!(draw("ab漢字", 6), (6, "ab漢 字 ".to_owned()));
    }

    #[test]
    fn overwriting_half_a_wide_character_leaves_no_other_half() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 4, 1));
        put(&mut buffer, 0, 0, 4, "漢字", Style::new());
        cell(&mut buffer, 1, 0, "│", Style::new());
        assert_eq!(buffer, Buffer::with_lines([" │字"]));
        put(&mut buffer, 0, 0, 4, "漢字", Style::new());
        fill(&mut buffer, Rect::new(1, 0, 9, 1), "─", Style::new());
        assert_eq!(buffer, Buffer::with_lines([" ───"]));
    }
}
