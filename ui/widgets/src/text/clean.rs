//! Makes any text safe to draw.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use unicode_width::UnicodeWidthChar;

/// Combining marks that a base character may carry; more only serve to smear over neighbouring lines.
const MARKS: usize = 2;

/// Tabs go to the next multiple of this many columns.
const TAB: usize = 4;

/// Whether a text is printable ASCII: nothing to clean, a column to a byte. Most of any screen is, so that this looks at
/// many bytes at once.
pub(super) fn is_plain(text: &str) -> bool {
    let printable = |bytes: &[u8]| bytes.iter().fold(true, |all, b| all & (0x20..0x7f).contains(b));
    text.as_bytes().chunks(32).all(printable)
}

/// Whether a text can be drawn as it is.
#[must_use]
pub fn is_clean(text: &str) -> bool {
    is_plain(text) || matches!(clean(text), Cow::Borrowed(_))
}

/// The text with everything taken out that could steer a terminal or break the layout.
///
/// Escape sequences go whole (`ESC [ … m` leaves nothing, not `[ … m`); an unterminated string sequence loses only its
/// introducer, so that nobody hides the rest of a line behind it. Controls, C1, bidirectional controls and invisible
/// characters go; line breaks become a space, tabs become spaces; a base character keeps at most two combining marks,
/// and marks without a base go.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut column = 0;
    // None until there is a base that marks can sit on.
    let mut marks: Option<usize> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => skip_escape(&mut rest),
            '\u{9b}' => skip_control_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut rest),
            '\t' => {
                let spaces = TAB - column % TAB;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
                marks = None;
            }
            '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                out.push(' ');
                column += 1;
                marks = None;
            }
            _ if c.is_control() || is_invisible(c) => {}
            _ if is_noncharacter(c) => {
                out.push('\u{fffd}');
                column += 1;
                marks = None;
            }
            _ => match c.width().unwrap_or(0) {
                0 => {
                    if let Some(count) = marks.as_mut().filter(|count| **count < MARKS) {
                        *count += 1;
                        out.push(c);
                    }
                }
                width => {
                    out.push(c);
                    column += width;
                    marks = (c != ' ').then_some(0);
                }
            },
        }
    }
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// Bytes from outside as safe text: what is not UTF-8 becomes `\u{fffd}`.
#[must_use]
pub fn clean_bytes(bytes: &[u8]) -> String {
    clean(&String::from_utf8_lossy(bytes)).into_owned()
}

/// What follows an ESC: a control sequence, a string, or a short sequence of intermediates and one final.
fn skip_escape(rest: &mut Peekable<Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_control_sequence(rest);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            skip_string(rest);
        }
        _ => {
            while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
            rest.next_if(|c| ('0'..='~').contains(c));
        }
    }
}

/// Parameters, intermediates, final. A character that does not belong ends it and stays.
fn skip_control_sequence(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|c| ('0'..='?').contains(c)).is_some() {}
    while rest.next_if(|c| (' '..='/').contains(c)).is_some() {}
    rest.next_if(|c| ('@'..='~').contains(c));
}

/// An operating-system command or device string, up to BEL or ST, if it is terminated at all.
fn skip_string(rest: &mut Peekable<Chars<'_>>) {
    let mut ahead = rest.clone();
    while let Some(c) = ahead.next() {
        let ends = match c {
            '\u{7}' | '\u{9c}' => true,
            '\u{1b}' => ahead.next_if_eq(&'\\').is_some(),
            _ => false,
        };
        if ends {
            *rest = ahead;
            return;
        }
        if c == '\u{1b}' {
            return;
        }
    }
}

/// Characters that take no room but change how others are shown: bidirectional controls, joiners, fillers, variation
/// selectors, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    code & 0xfffe == 0xfffe || (0xfdd0..=0xfdef).contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_go_whole() {
        for (found, wanted) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[38;2;1;2;3mx", "x"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]52;c;never closed", "52;c;never closed"),
            ("\u{1b}Pq#0\u{1b}\\done", "done"),
            ("\u{9b}2Jx", "x"),
            ("\u{1b}(Bx\u{1b}=y\u{1b}cz", "xyz"),
            ("\u{1b}[31\u{1b}[mx", "x"),
            ("a\u{1b}", "a"),
            ("a\u{1b}[", "a"),
        ] {
            assert_eq!(clean(found), wanted, "{found:?}");
        }
    }

    #[test]
    fn controls_and_overrides_go_and_breaks_become_spaces() {
        assert_eq!(clean("a\0b\u{7}c\u{7f}d\u{85}e\u{9c}f"), "abcd ef");
        assert_eq!(clean("user\u{202e}gpj.exe\u{202c}\u{2066}x\u{2069}"), "usergpj.exex");
        assert_eq!(clean("one\r\ntwo\u{2028}three"), "one two three");
        assert_eq!(clean("a\tb"), "a   b");
        assert_eq!(clean("abcd\te"), "abcd    e");
        assert_eq!(clean("z\u{200b}e\u{feff}r\u{200d}o"), "zero");
    }

    #[test]
    fn bytes_that_are_no_text_are_seen() {
        assert_eq!(clean_bytes(b"a\xff\x1b[2Jb\xc3"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn marks_are_capped_and_need_a_base() {
        assert_eq!(clean("e\u{301}\u{302}\u{303}\u{304}x"), "e\u{301}\u{302}x");
        assert_eq!(clean("\u{301}a"), "a");
        assert_eq!(clean(" \u{301}a"), " a");
    }

    #[test]
    fn clean_text_is_not_copied() {
        for text in ["", "plain", "Größe → 10 %", "漢字", "Ж", "e\u{301}"] {
            assert!(matches!(clean(text), Cow::Borrowed(_)), "{text:?}");
            assert!(is_clean(text));
        }
    }
}
