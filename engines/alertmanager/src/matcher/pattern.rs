//! Regular expressions: from Go's notation to ours, with short cuts for the shapes that people write most.

use regex::Regex;

use super::MatcherError;

/// The most that a compiled pattern may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

/// A compiled pattern, anchored at both ends.
#[derive(Clone)]
pub(super) enum Pattern {
    /// One of these texts: `a|b|c`.
    OneOf(Vec<Box<str>>),
    /// Begins with this, the rest is at least so long and has no line feed: `abc.*`, `abc.+`.
    Prefix(Box<str>, usize),
    /// Anything else.
    Regex(Box<Regex>),
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, MatcherError> {
        if let Some(simple) = Self::simple(pattern) {
            return Ok(simple);
        }
        let refuse = |why: String| MatcherError::Pattern { pattern: pattern.to_owned(), why };
        let ours = translate(pattern).map_err(|why| refuse(why.to_owned()))?;
        let compiled = regex::RegexBuilder::new(&format!("^(?:{ours})$")).size_limit(SIZE_LIMIT).build();
        match compiled {
            Ok(regex) => Ok(Self::Regex(Box::new(regex))),
            Err(regex::Error::CompiledTooBig(_)) => Err(refuse("it compiles to more than 1 MiB".to_owned())),
            // The crate's message is a drawing over several lines; its last line says what is wrong.
            Err(other) => {
                let text = other.to_string();
                Err(refuse(text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()))
            }
        }
    }

    fn simple(pattern: &str) -> Option<Self> {
        let plain = |part: &str| !part.contains(|c| r"\.+*?()[]{}^$|".contains(c));
        let end = [(".*", 0), (".+", 1)].into_iter().find_map(|(tail, least)| {
            pattern.strip_suffix(tail).filter(|head| plain(head)).map(|head| (head, least))
        });
        if let Some((head, least)) = end {
            return Some(Self::Prefix(head.into(), least));
        }
        let parts: Vec<&str> = pattern.split('|').collect();
        let all = parts.len() <= 64 && parts.iter().all(|part| plain(part));
        all.then(|| Self::OneOf(parts.into_iter().map(Into::into).collect()))
    }

    pub(super) fn matches(&self, value: &str) -> bool {
        match self {
            Self::OneOf(texts) => texts.iter().any(|text| **text == *value),
            Self::Prefix(head, least) => {
                value.strip_prefix(&**head).is_some_and(|rest| rest.len() >= *least && !rest.contains('\n'))
            }
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

/// Writes a pattern of Go's regexp (RE2) so that the regex crate means the same by it: classes such as `\d` are
/// ASCII, `\Q…\E` quotes, a brace that opens no repetition is literal, brackets and doubled signs within a class
/// are literal.
fn translate(pattern: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern;
    let mut class = Class::Outside;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            '\\' => {
                let (written, left) = escape(after, class != Class::Outside)?;
                out.push_str(&written);
                rest = left;
                class = class.inside();
                continue;
            }
            '[' if class == Class::Outside => {
                out.push('[');
                class = Class::Start;
                rest = after;
                if let Some(left) = after.strip_prefix('^') {
                    out.push('^');
                    rest = left;
                }
                continue;
            }
            '[' => match after.starts_with(':').then(|| after.find(":]")).flatten() {
                Some(end) => {
                    out.push_str(&rest[..end + 3]);
                    rest = &after[end + 2..];
                    class = Class::Inside;
                    continue;
                }
                None => out.push_str("\\["),
            },
            ']' if class == Class::Start => out.push_str("\\]"),
            ']' if class == Class::Inside => {
                out.push(']');
                rest = after;
                class = Class::Outside;
                continue;
            }
            '&' | '~' if class != Class::Outside => out.extend(['\\', c]),
            '{' if class == Class::Outside && !is_repetition(rest) => out.push_str("\\{"),
            '}' if class == Class::Outside && !out_opens_repetition(&out) => out.push_str("\\}"),
            c => out.push(c),
        }
        class = class.inside();
        rest = after;
    }
    Ok(out)
}

/// Where in a class of characters the reading stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    /// Just behind the bracket, where `]` is literal.
    Start,
    Inside,
}

impl Class {
    fn inside(self) -> Self {
        if self == Self::Outside { Self::Outside } else { Self::Inside }
    }
}

/// Whether a text begins with `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(text: &str) -> bool {
    let Some(body) = text.strip_prefix('{').and_then(|t| t.split_once('}')).map(|(body, _)| body) else {
        return false;
    };
    let (least, most) = body.split_once(',').unwrap_or((body, "0"));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    !least.is_empty() && digits(least) && digits(most)
}

/// Whether what is written ends in an open `{`, `{n` or `{n,m`, so that a brace closes it.
fn out_opens_repetition(out: &str) -> bool {
    let head = out.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
    head.ends_with('{') && !head.ends_with("\\{")
        || head.rfind('{').is_some_and(|at| {
            let behind = &head[at..];
            // `\x{…}`, `\p{…}`
            !behind.contains('}') && !head[..at].ends_with('\\')
        })
}

/// The escape behind a backslash, as the regex crate writes it, and what is left.
fn escape(after: &str, in_class: bool) -> Result<(String, &str), &'static str> {
    let Some(c) = after.chars().next() else { return Err("it ends in a backslash") };
    let left = &after[c.len_utf8()..];
    let class = |inner: &str, negated: bool| match (in_class, negated) {
        (true, false) => inner.to_owned(),
        (_, true) => format!("[^{inner}]"),
        (false, false) => format!("[{inner}]"),
    };
    let written = match c {
        'd' | 'D' => class("0-9", c == 'D'),
        'w' | 'W' => class("0-9A-Za-z_", c == 'W'),
        's' | 'S' => class("\\t\\n\\x0c\\r ", c == 'S'),
        'b' | 'B' if !in_class => format!("(?-u:\\{c})"),
        'Q' => {
            let (quoted, left) = match left.split_once("\\E") {
                Some((quoted, left)) => (quoted, left),
                None => (left, ""),
            };
            return Ok((regex::escape(quoted), left));
        }
        'p' | 'P' | 'x' if left.starts_with('{') => {
            let end = left.find('}').ok_or("a brace is not closed")?;
            return Ok((format!("\\{c}{}", &left[..=end]), &left[end + 1..]));
        }
        '0'..='7' => {
            // `\1` to `\7` alone would be back references, which Go does not have.
            let digits = after.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            if c != '0' && digits == 1 {
                return Err("back references are not supported");
            }
            let value = u32::from_str_radix(&after[..digits], 8).map_err(|_| "a bad octal escape")?;
            return Ok((format!("\\x{{{value:x}}}"), &after[digits..]));
        }
        'C' => return Err("\\C, a single byte, is not supported"),
        c if c.is_ascii_punctuation() => regex::escape(c.encode_utf8(&mut [0; 4])),
        c => format!("\\{c}"),
    };
    Ok((written, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &str) -> bool {
        Pattern::new(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}")).matches(value)
    }

    #[test]
    fn short_cuts_mean_what_the_pattern_means() {
        for (pattern, value, expected) in [
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("", "", true),
            ("a|", "", true),
            ("ab.*", "ab", true),
            ("ab.+", "ab", false),
            ("ab.+", "abc", true),
            (".*", "a\nb", false),
            (".*", "", true),
            (".+", "", false),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value:?}");
            let slow = Regex::new(&format!("^(?:{pattern})$")).unwrap();
            assert_eq!(slow.is_match(value), expected, "{pattern} {value:?}");
        }
    }

    #[test]
    fn patterns_are_read_as_go_reads_them() {
        for (pattern, value, expected) in [
            (r"\d+", "12", true),
            (r"\d+", "١٢", false),
            (r"[\d.]+", "1.2", true),
            (r"[^\w]", "é", true),
            (r"\W", "é", true),
            (r"a{2}", "aa", true),
            (r"a{2,3}", "aaa", true),
            (r"a{,2}", "a{,2}", true),
            (r"{{.*}}", "{{x}}", true),
            (r"}", "}", true),
            (r"[[]", "[", true),
            (r"[]]", "]", true),
            (r"[^]]", "a", true),
            (r"[a&&b]+", "a&b", true),
            (r"[[:alpha:]_]+", "ab_", true),
            (r"\Qa.b\E.", "a.bc", true),
            (r"\Qa.b\E.", "axbc", false),
            (r"\<a\>", "<a>", true),
            (r"a\/b\-c\_d", "a/b-c_d", true),
            (r"\x{41}\x42\103", "ABC", true),
            (r"\p{Greek}+", "αβγ", true),
            (r"(?i)abc", "ABC", true),
            (r"a.c", "a\nc", false),
            (r"^(?:foo|bar)$", "bar", true),
            (r"[a\]]+", "a]", true),
            (r"[\[a]+", "[a", true),
            (r"[a~~b]+", "~", true),
        ] {
            assert_eq!(matches(pattern, value), expected, "{pattern} {value:?}");
        }
        for bad in ["[", "(", "*", r"\", r"(\w)\1", "a{1001", "(?<!a)b"] {
            if bad == "a{1001" {
                assert!(matches(bad, bad));
            } else {
                assert!(Pattern::new(bad).is_err(), "{bad}");
            }
        }
    }
}
