//! From a place in a value to the place in the file.

use quarterdeck_kernel::Diagnostic;
use quarterdeck_yaml::Spanned;

/// Places a diagnostic at byte `at` of a text that a YAML scalar holds. Scalars are folded, indented and quoted, but
/// what is not blank stands in the same order in both: counting that finds the place in all styles.
pub(super) fn inside(
    diagnostic: Diagnostic,
    source: &str,
    text: &str,
    scalar: &Spanned<String>,
    at: usize,
) -> Diagnostic {
    let whole = quarterdeck_yaml::at(diagnostic, source, scalar.referenced);
    let value = scalar.value.as_str();
    let before = value.get(..at.min(value.len())).unwrap_or(value);
    let mut left = before.chars().filter(|c| !c.is_whitespace()).count();
    // At the end, or among blanks: behind the last sign before.
    let behind = value.get(before.len()..).is_none_or(|rest| rest.trim().is_empty());
    if behind {
        left = left.saturating_sub(1);
    }
    let Some(start) = byte_of(text, whole.line, whole.column) else { return whole };
    let raw = &text[start..];
    let (skip, quote) = match raw.chars().next() {
        Some(c @ ('"' | '\'')) => (1, Some(c)),
        // The header of a block: what is meant begins on the next line.
        Some('|' | '>') => (raw.find('\n').unwrap_or(raw.len()), None),
        _ => (0, None),
    };
    let mut signs = raw[skip..].char_indices().filter(|(_, c)| !c.is_whitespace());
    while let Some((offset, c)) = signs.next() {
        let escaped = match quote {
            Some('"') if c == '\\' => true,
            Some('\'') if c == '\'' => true,
            _ => false,
        };
        if left == 0 {
            let from = start + skip + offset + if behind { c.len_utf8() } else { 0 };
            return Diagnostic { length: 0, ..whole }.at(source, text, from..from);
        }
        if escaped {
            signs.next();
        }
        left -= 1;
    }
    whole
}

fn byte_of(text: &str, line: usize, column: usize) -> Option<usize> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let rest = text.get(start..)?;
    let within = rest.char_indices().nth(column.checked_sub(1)?).map_or(rest.len(), |(i, _)| i);
    Some(start + within)
}
