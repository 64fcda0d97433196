//! What a value becomes at each kind of place in HTML, as Go's html/template has it.

use std::fmt::Write;

use crate::value::Value;

/// What stands for a value that must not stand where it would.
const REFUSED: &str = "ZgotmplZ";

/// `&`, `<` and the like as references.
pub(crate) fn html(text: &str, out: &mut String) {
    for c in text.chars() {
        reference(c, true, out);
    }
}

/// As [`html`], but references that are there stay.
pub(crate) fn html_again(text: &str, out: &mut String) {
    for c in text.chars() {
        reference(c, false, out);
    }
}

fn reference(c: char, ampersand: bool, out: &mut String) {
    match c {
        '\0' => out.push(char::REPLACEMENT_CHARACTER),
        '"' => out.push_str("&#34;"),
        '\'' => out.push_str("&#39;"),
        '+' => out.push_str("&#43;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '&' if ampersand => out.push_str("&amp;"),
        c => out.push(c),
    }
}

/// For an attribute's value without quotes.
pub(crate) fn html_unquoted(text: &str, out: &mut String) {
    if text.is_empty() {
        out.push_str(REFUSED);
    }
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '=' | '`' => {
                let _ = write!(out, "&#{};", c as u32);
            }
            c => reference(c, true, out),
        }
    }
}

/// A text without its tags: what remains of HTML in an attribute.
pub(crate) fn without_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let tag = &rest[open..];
        let is_tag = tag[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match tag.find('>') {
            Some(close) if is_tag => rest = &tag[close + 1..],
            _ if is_tag => return out,
            _ => {
                out.push('<');
                rest = &tag[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The name of a tag or an attribute.
pub(crate) fn name(text: &str) -> &str {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric());
    // What would run as a script or load something is not a name to fill in.
    let lower = text.to_ascii_lowercase();
    let active =
        lower.starts_with("on") || matches!(lower.as_str(), "style" | "href" | "src" | "action" | "srcset");
    if plain && !active { text } else { REFUSED }
}

/// Whether a URL is relative or of a scheme that does nothing by itself.
pub(crate) fn is_safe_url(text: &str) -> bool {
    match text.split_once(':') {
        Some((scheme, _)) if !scheme.contains('/') => {
            ["http", "https", "mailto"].iter().any(|safe| scheme.eq_ignore_ascii_case(safe))
        }
        _ => true,
    }
}

/// What stands for a URL that is not safe.
pub(crate) const REFUSED_URL: &str = "#ZgotmplZ";

/// Percent-encodes what a URL cannot hold; with `whole`, what has a meaning in URLs stays.
pub(crate) fn url(text: &str, whole: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (i, byte) in bytes.iter().enumerate() {
        let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            b'!' | b'#' | b'$' | b'&' | b'*' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@'
            | b'[' | b']'
                if whole =>
            {
                out.push(char::from(*byte));
            }
            b'%' if whole && hex(i + 1) && hex(i + 2) => out.push('%'),
            byte => {
                let _ = write!(out, "%{byte:02x}");
            }
        }
    }
    out
}

/// A value of a style property, or [`REFUSED`] where it could be more than one.
pub(crate) fn css_value(text: &str) -> String {
    let mut seen = String::new();
    let mut before = ' ';
    for c in text.chars() {
        let dashes = c == '-' && before == '-';
        if dashes
            || matches!(
                c,
                '\0' | '"'
                    | '\''
                    | '('
                    | ')'
                    | '/'
                    | ';'
                    | '@'
                    | '['
                    | '\\'
                    | ']'
                    | '`'
                    | '{'
                    | '}'
                    | '<'
                    | '>'
            )
        {
            return REFUSED.to_owned();
        }
        if c.is_ascii_alphanumeric() {
            seen.push(c.to_ascii_lowercase());
        }
        before = c;
    }
    if seen.contains("expression") || seen.contains("mozbinding") {
        REFUSED.to_owned()
    } else {
        text.to_owned()
    }
}

/// Inside a string of a style.
pub(crate) fn css_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric()
            || (c as u32) >= 0x80
            || matches!(c, ' ' | '.' | ',' | '-' | '_' | '#' | '%')
        {
            out.push(c);
        } else {
            // The blank ends the number.
            let _ = write!(out, "\\{:x} ", c as u32);
        }
    }
    out
}

/// A value in a script.
pub(crate) fn js_value(value: &Value) -> String {
    let written = value.to_json().replace('\'', "\\u0027").replace('/', "\\/");
    // Beside a name or a number it must not become part of it.
    if written.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-') {
        format!(" {written} ")
    } else {
        written
    }
}

/// Inside a string of a script.
pub(crate) fn js_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' | '\'' | '&' | '+' | '<' | '>' | '`' | '$' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}

/// A value as text; one that is not there is nothing.
pub(crate) fn text_of(value: &Value) -> String {
    match value {
        Value::Missing | Value::Nil => String::new(),
        other => other.to_text(),
    }
}
