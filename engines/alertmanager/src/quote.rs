//! Strings as Go writes and reads them: group keys and matchers are printed that way, and others compare them.

use std::fmt::Write as _;

/// A text in double quotes with the escapes of Go's `%q`.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c == '\x7f' => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if printable(c) => out.push(c),
            c if (c as u32) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// Go prints letters, marks, numbers, punctuation and symbols as they are. Rust knows the same set as what `{:?}`
/// leaves alone, but for marks, which it escapes because they would join the quote before them.
fn printable(c: char) -> bool {
    c == ' ' || c.escape_debug().len() == 1 || (!c.is_whitespace() && !c.is_control() && is_mark(c))
}

/// Combining marks, by their blocks.
fn is_mark(c: char) -> bool {
    matches!(c as u32, 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5c7 | 0x610..=0x61a | 0x64b..=0x65f
        | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20f0 | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f)
}

/// Reads what stands between the quotes of a Go string in double quotes. None when an escape is unknown, a quote or a
/// line feed stands unescaped, or the bytes that the escapes make are no UTF-8.
pub(crate) fn unquote(inner: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\n' => return None,
            '\\' => escape(&mut chars, &mut bytes)?,
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    String::from_utf8(bytes).ok()
}

fn escape(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    let c = chars.next()?;
    let simple = match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        '"' => b'"',
        'x' => u8::try_from(number(chars, 2, 16)?).ok()?,
        '0'..='7' => {
            let value = c.to_digit(8)? * 64 + number(chars, 2, 8)?;
            u8::try_from(value).ok()?
        }
        'u' | 'U' => {
            let value = number(chars, if c == 'u' { 4 } else { 8 }, 16)?;
            bytes.extend_from_slice(char::from_u32(value)?.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(());
        }
        _ => return None,
    };
    bytes.push(simple);
    Some(())
}

fn number(chars: &mut std::str::Chars<'_>, digits: usize, radix: u32) -> Option<u32> {
    let mut value = 0u32;
    for _ in 0..digits {
        value = value.checked_mul(radix)?.checked_add(chars.next()?.to_digit(radix)?)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_as_go_does() {
        assert_eq!(quote("a\"b\\c\n\t\x01é🙂"), "\"a\\\"b\\\\c\\n\\t\\x01é🙂\"");
        assert_eq!(quote("\u{200b}\u{e000}\u{301}"), "\"\\u200b\\ue000\u{301}\"");
    }

    #[test]
    fn what_is_quoted_reads_back() {
        for text in ["", "plain", "a\"b", "\\", "\n\r\t\x07\x7f", "🙂é\u{200b}"] {
            let quoted = quote(text);
            assert_eq!(unquote(&quoted[1..quoted.len() - 1]).as_deref(), Some(text));
        }
        assert_eq!(unquote("\\101\\x41\\u0041").as_deref(), Some("AAA"));
        for bad in ["\\w", "\\x4", "\\xff", "\\ud800", "\\400", "a\"b", "a\nb", "\\'"] {
            assert_eq!(unquote(bad), None, "{bad}");
        }
    }
}
