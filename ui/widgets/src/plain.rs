//! What to draw instead, on terminals that lack a sign or draw it too wide.

use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthChar;

use crate::glyph::{Glyph, GlyphSet};

/// The ASCII character that comes nearest to a sign of ours; None for letters and everything that is not a sign.
#[must_use]
pub fn substitute(sign: char) -> Option<char> {
    Some(match sign {
        '\u{2508}' | '\u{2509}' | '\u{250a}' | '\u{250b}' => '.',
        '\u{2500}' | '\u{2501}' | '\u{2504}' | '\u{2505}' | '\u{254c}' | '\u{2574}' | '\u{2578}' => '-',
        '\u{2502}' | '\u{2503}' | '\u{2506}' | '\u{2507}' | '\u{254e}' => '|',
        '\u{250c}'..='\u{254b}' | '\u{2552}'..='\u{2570}' => '+',
        '\u{2550}' => '=',
        '\u{2551}' => '|',
        '\u{2581}' => '_',
        '\u{2582}' => '.',
        '\u{2583}' => '-',
        '\u{2584}' => '=',
        '\u{2585}' => '+',
        '\u{2586}' => '*',
        '\u{2587}' => '%',
        '\u{2588}'..='\u{258a}' => '#',
        '\u{258b}' | '\u{258c}' => '|',
        '\u{258d}'..='\u{258f}' => ':',
        '\u{2580}' => '"',
        '\u{2590}' => '|',
        '\u{2591}' => '.',
        '\u{2592}' => '+',
        '\u{2593}' => '#',
        '\u{2594}' => '"',
        '\u{2595}' => '|',
        '\u{2596}'..='\u{259f}' => '#',
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28ff}' => braille(sign),
        '\u{2190}' => '<',
        '\u{2192}' => '>',
        '\u{2191}' => '^',
        '\u{2193}' => 'v',
        '\u{2013}' | '\u{2014}' | '\u{2212}' => '-',
        '\u{2018}' | '\u{2019}' => '\'',
        '\u{201c}' | '\u{201d}' => '"',
        '\u{00d7}' => 'x',
        '\u{00b5}' | '\u{03bc}' => 'u',
        '\u{00b1}' => '~',
        '\u{2264}' => '<',
        '\u{2265}' => '>',
        '\u{00a0}' | '\u{2009}' | '\u{202f}' => ' ',
        _ => return glyph(sign),
    })
}

/// A Braille cell by where its dots are: above, below or both.
fn braille(sign: char) -> char {
    let dots = u32::from(sign) & 0xff;
    let (top, bottom) = (dots & 0b0001_1011, dots & 0b1110_0100);
    match (top, bottom) {
        (_, 0) => '\'',
        (0, _) => '.',
        _ if dots.count_ones() > 5 => '#',
        _ => ':',
    }
}

fn glyph(sign: char) -> Option<char> {
    let mut text = [0; 4];
    let text = sign.encode_utf8(&mut text);
    let glyph = Glyph::ALL.iter().find(|g| g.symbol(GlyphSet::Unicode) == text)?;
    glyph.symbol(GlyphSet::Ascii).chars().next()
}

/// Whether terminals made for East Asian text may draw a character two columns wide.
#[must_use]
pub fn is_ambiguous(sign: char) -> bool {
    sign.width() == Some(1) && sign.width_cjk() == Some(2)
}

/// Goes over a finished frame and replaces what the terminal cannot draw in one column: every sign (`all`), or only
/// those of ambiguous width. Ambiguous characters without a likeness become `?`, so that columns stay where they are.
pub(crate) fn settle(buffer: &mut Buffer, all: bool, ambiguous_wide: bool) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let Some(first) = symbol.chars().next() else { continue };
        let wide = ambiguous_wide && is_ambiguous(first);
        if !all && !wide {
            continue;
        }
        match substitute(first) {
            Some(plain) => {
                cell.set_char(plain);
            }
            None if wide => {
                cell.set_char('?');
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;

    #[test]
    fn ascii_leaves_no_sign_and_keeps_letters() {
        let mut buffer = Buffer::with_lines(["─┬│▁▅█⠉⣀⣿●▲✖⟳é→µ漢"]);
        settle(&mut buffer, true, false);
        let line: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(line, "-+|_+#'.#o!X~é>u漢 ");
    }

    #[test]
    fn only_ambiguous_signs_go_where_those_are_wide() {
        let mut buffer = Buffer::with_lines(["─⠉●⟳①"]);
        settle(&mut buffer, false, true);
        assert_eq!(buffer, Buffer::with_lines(["-⠉o⟳?"]));
        assert_eq!(buffer.area, Rect::new(0, 0, 5, 1));
    }
}
