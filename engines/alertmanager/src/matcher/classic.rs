//! The classic grammar, from before UTF-8 names: names are identifiers, values may be unquoted with nearly anything in
//! them, `\"`, `\\` and `\n` are the escapes and any other backslash stands for itself.

use quarterdeck_kernel::MatchOp;
use quarterdeck_kernel::labels::is_legacy_metric_name;

use super::{Matcher, MatcherError};

/// Reads zero or more matchers: commas outside double quotes separate them; one brace at each end is optional.
pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    let mut parts = Vec::new();
    for (index, c) in text.char_indices() {
        match c {
            ',' if !quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            // A comma within quotes leaves the escape as it is, as the original does.
            ',' => {}
            _ => escaped = false,
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts.into_iter().map(matcher).collect()
}

/// The white space of Go's `\s`.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0c' | '\r')
}

fn matcher(text: &str) -> Result<Matcher, MatcherError> {
    let bad = || MatcherError::Classic(format!("bad matcher format: {text}"));
    let body = text.trim_matches(is_blank);
    let name_end =
        body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':')).ok_or_else(bad)?;
    let (name, rest) = body.split_at(name_end);
    if !is_legacy_metric_name(name) {
        return Err(bad());
    }
    let rest = rest.trim_start_matches(is_blank);
    let ops = [MatchOp::Regex, MatchOp::Equal, MatchOp::NotEqual, MatchOp::NotRegex];
    let (op, rest) = ops
        .into_iter()
        .find_map(|op| rest.strip_prefix(op.as_str()).map(|rest| (op, rest)))
        .ok_or_else(bad)?;
    Matcher::new(op, name, value(rest.trim_start_matches(is_blank))?)
}

fn value(raw: &str) -> Result<String, MatcherError> {
    let stray = || MatcherError::Classic(format!("matcher value contains unescaped double quote: {raw}"));
    let (body, mut closing) = match raw.strip_prefix('"') {
        Some(body) => (body, true),
        None => (raw, false),
    };
    let mut out = String::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(c @ ('"' | '\\')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            '"' if closing && chars.as_str().is_empty() => closing = false,
            '"' => return Err(stray()),
            c => out.push(c),
        }
    }
    if closing { Err(stray()) } else { Ok(out) }
}
