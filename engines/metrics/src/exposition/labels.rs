//! What stands between braces.

use std::borrow::Cow;

/// Takes the escapes out of a quoted text: `\\`, `\"` and `\n`; any other backslash stands for itself.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (plain, skip) = match rest.as_bytes().get(at + 1) {
            Some(b'n') => ("\n", 2),
            Some(b'"') => ("\"", 2),
            Some(b'\\') => ("\\", 2),
            _ => ("\\", 1),
        };
        out.push_str(plain);
        rest = &rest[at + skip..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// As [`unescape`], for help texts of the text format, where a quote needs no escape and keeps its backslash.
pub(super) fn unescape_help(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some('n')) => {
                out.push('\n');
                chars.next();
            }
            ('\\', Some('\\')) => {
                out.push('\\');
                chars.next();
            }
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// The length of a quoted text that starts after its opening quote, up to its closing one; `Err` is where it breaks.
pub(super) fn quoted_len(bytes: &[u8]) -> Result<usize, usize> {
    let mut i = 0;
    loop {
        match bytes.get(i) {
            Some(b'"') => return Ok(i),
            Some(b'\\') if bytes.get(i + 1).is_some_and(|b| *b != b'\n') => i += 2,
            None | Some(b'\n' | b'\\') => return Err(i),
            Some(_) => i += 1,
        }
    }
}

/// The length of a classic label name.
pub(super) fn name_len(bytes: &[u8], colons: bool) -> usize {
    let fits = |b: &u8| CLASS[usize::from(*b)] & if colons { 3 } else { 1 } != 0;
    match bytes.first() {
        Some(first) if fits(first) && !first.is_ascii_digit() => bytes.iter().take_while(|b| fits(b)).count(),
        _ => 0,
    }
}

/// 1: letters, digits, underscore; 2: colon.
const CLASS: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        if b.is_ascii_alphanumeric() || b == b'_' {
            table[i] = 1;
        } else if b == b':' {
            table[i] = 2;
        }
        i += 1;
    }
    table
};

/// The labels between the braces of a series, as written and in that order. A quoted metric name is skipped.
#[derive(Clone, Debug)]
pub struct LabelIter<'a> {
    rest: &'a str,
}

impl<'a> LabelIter<'a> {
    /// Over a text that the parser has already found lawful.
    pub(super) const fn new(inside: &'a str) -> Self {
        Self { rest: inside }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    fn quoted(&mut self) -> Option<&'a str> {
        self.rest = self.rest.strip_prefix('"')?;
        let len = quoted_len(self.rest.as_bytes()).ok()?;
        let text = &self.rest[..len];
        self.skip(len + 1);
        Some(text)
    }
}

impl<'a> Iterator for LabelIter<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
            let name = if self.rest.starts_with('"') {
                unescape(self.quoted()?)
            } else {
                let len = name_len(self.rest.as_bytes(), false);
                let name = &self.rest[..len];
                self.skip(len);
                Cow::Borrowed(name)
            };
            self.blanks();
            if let Some(rest) = self.rest.strip_prefix('=') {
                self.rest = rest;
                self.blanks();
                return Some((name, unescape(self.quoted()?)));
            }
            if self.rest.is_empty() {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_unescaped_and_in_order() {
        let got: Vec<_> = LabelIter::new(r#""my.metric", a = "1" ,"k.x"="b\"c\\d\ne\z","#).collect();
        assert_eq!(got, [("a".into(), "1".into()), ("k.x".into(), Cow::from("b\"c\\d\ne\\z"))]);
        assert_eq!(LabelIter::new("").count(), 0);
        assert_eq!(LabelIter::new("\"only.name\"").count(), 0);
    }

    #[test]
    fn help_keeps_escaped_quotes() {
        assert_eq!(unescape_help(r#"a\nb\\c\"d\"#), "a\nb\\c\\\"d\\");
    }
}
