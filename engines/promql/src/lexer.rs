//! Text into tokens.

use crate::Span;
use crate::ast::{BinaryOp, StringLiteral};
use crate::error::ParseError;
use crate::number::parse_duration;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tok {
    /// A name or a keyword; which one depends on where it stands.
    Ident,
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    Str(StringLiteral),
    Op(BinaryOp),
    LParen,
    RParen,
    LBrace,
    RBrace,
    LBracket,
    RBracket,
    Comma,
    Colon,
    At,
    Assign,
    RegexEq,
    RegexNe,
    Eof,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) span: Span,
}

/// All tokens up to the first one that is none, and what is wrong with that. Always ends with `Eof`.
pub(crate) fn lex(text: &str) -> (Vec<Token>, Option<ParseError>) {
    let mut lexer = Lexer { text, at: 0, in_brackets: false };
    let mut tokens = vec![];
    let error = loop {
        lexer.skip_blank();
        let start = lexer.at;
        match lexer.next() {
            Ok(tok) => {
                let done = tok == Tok::Eof;
                tokens.push(Token { tok, span: Span::new(start, lexer.at) });
                if done {
                    return (tokens, None);
                }
            }
            Err(error) => break error,
        }
    };
    tokens.push(Token { tok: Tok::Eof, span: Span::new(text.len(), text.len()) });
    (tokens, Some(error))
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Inside brackets a colon separates range and step, elsewhere it is part of names.
    in_brackets: bool,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_blank(&mut self) {
        while let Some(c) = self.peek() {
            if c == '#' {
                let line = self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at);
                self.at += line;
            } else if c.is_whitespace() {
                self.at += c.len_utf8();
            } else {
                return;
            }
        }
    }

    fn next(&mut self) -> Result<Tok, ParseError> {
        let Some(c) = self.peek() else { return Ok(Tok::Eof) };
        let (tok, length) = match (c, self.byte(1)) {
            ('(', _) => (Tok::LParen, 1),
            (')', _) => (Tok::RParen, 1),
            ('{', _) => (Tok::LBrace, 1),
            ('}', _) => (Tok::RBrace, 1),
            ('[', _) => {
                self.in_brackets = true;
                (Tok::LBracket, 1)
            }
            (']', _) => {
                self.in_brackets = false;
                (Tok::RBracket, 1)
            }
            (',', _) => (Tok::Comma, 1),
            ('@', _) => (Tok::At, 1),
            ('+', _) => (Tok::Op(BinaryOp::Add), 1),
            ('-', _) => (Tok::Op(BinaryOp::Sub), 1),
            ('*', _) => (Tok::Op(BinaryOp::Mul), 1),
            ('/', _) => (Tok::Op(BinaryOp::Div), 1),
            ('%', _) => (Tok::Op(BinaryOp::Mod), 1),
            ('^', _) => (Tok::Op(BinaryOp::Pow), 1),
            ('=', b'=') => (Tok::Op(BinaryOp::Eq), 2),
            ('=', b'~') => (Tok::RegexEq, 2),
            ('=', _) => (Tok::Assign, 1),
            ('!', b'=') => (Tok::Op(BinaryOp::Ne), 2),
            ('!', b'~') => (Tok::RegexNe, 2),
            ('<', b'=') => (Tok::Op(BinaryOp::Le), 2),
            ('<', _) => (Tok::Op(BinaryOp::Lt), 1),
            ('>', b'=') => (Tok::Op(BinaryOp::Ge), 2),
            ('>', _) => (Tok::Op(BinaryOp::Gt), 1),
            ('"' | '\'' | '`', _) => return self.string(c),
            (':', _) if self.in_brackets => (Tok::Colon, 1),
            ('0'..='9', _) => return self.number(),
            ('.', b'0'..=b'9') => return self.number(),
            ('a'..='z' | 'A'..='Z' | '_' | ':', _) => {
                let colons = !self.in_brackets;
                let part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || (*b == b':' && colons);
                (Tok::Ident, self.text.as_bytes()[self.at..].iter().take_while(|b| part(b)).count())
            }
            _ => {
                let error =
                    ParseError::new(format!("unexpected character: {c:?}"), self.at..self.at + c.len_utf8());
                return Err(match c {
                    '!' => error.advise("write != or !~ to exclude"),
                    '&' | '|' => error.advise("write `and`, `or` or `unless` between vectors"),
                    _ => error
                        .advise("names with other characters go in quotes inside braces: {\"my.metric\"}"),
                });
            }
        };
        self.at += length;
        Ok(tok)
    }

    fn number(&mut self) -> Result<Tok, ParseError> {
        let start = self.at;
        let rest = &self.text.as_bytes()[start..];
        let word = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let text = &self.text[start..start + word];
        if text.bytes().any(|b| b.is_ascii_alphabetic())
            && self.byte(word) != b'.'
            && let Some(millis) = parse_duration(text)
        {
            self.at += word;
            return Ok(Tok::Duration(millis));
        }
        let length = number_length(rest);
        let next = rest.get(length).copied().unwrap_or(0);
        let text = &self.text[start..start + length];
        match parse_number(text) {
            Some(value) if !(next.is_ascii_alphanumeric() || next == b'_' || next == b'.') => {
                self.at += length;
                Ok(Tok::Number(value))
            }
            _ => {
                let bad = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"._".contains(b)).count();
                let found = &self.text[start..start + bad];
                Err(ParseError::new(format!("bad number or duration syntax: {found:?}"), start..start + bad)
                    .advise(
                        "numbers look like 42, 1.5e3 or 0x1f, durations like 90s, 5m or 1h30m (units y w d h m s ms, each once, large ones first)",
                    ))
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<Tok, ParseError> {
        let start = self.at;
        let unterminated = |at: usize| {
            ParseError::new("unterminated quoted string", start..at).advise(format!("close it with {quote}"))
        };
        self.at += 1;
        let mut bytes: Vec<u8> = vec![];
        loop {
            let Some(c) = self.peek() else { return Err(unterminated(self.text.len())) };
            let here = self.at;
            self.at += c.len_utf8();
            if c == quote {
                break;
            }
            if c == '\n' && quote != '`' {
                return Err(unterminated(here));
            }
            if c == '\\' && quote != '`' {
                self.escape(quote, here, &mut bytes)?;
            } else {
                bytes.extend_from_slice(&self.text.as_bytes()[here..self.at]);
            }
        }
        Ok(Tok::Str(match String::from_utf8(bytes) {
            Ok(value) => StringLiteral { value, invalid: None },
            Err(e) => {
                let bytes = e.into_bytes();
                StringLiteral { value: String::from_utf8_lossy(&bytes).into_owned(), invalid: Some(bytes) }
            }
        }))
    }

    fn escape(&mut self, quote: char, start: usize, bytes: &mut Vec<u8>) -> Result<(), ParseError> {
        let unknown = |end: usize| {
            ParseError::new("unknown escape sequence", start..end)
                .advise("write a backslash as \\\\, or put the text in backticks")
        };
        let Some(c) = self.peek() else { return Err(unknown(self.at)) };
        self.at += c.len_utf8();
        let plain = match c {
            'a' => Some(7),
            'b' => Some(8),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' => Some(b'\\'),
            c if c == quote => Some(c as u8),
            _ => None,
        };
        if let Some(byte) = plain {
            bytes.push(byte);
            return Ok(());
        }
        let (digits, base, wide) = match c {
            '0'..='7' => {
                self.at -= 1;
                (3, 8, false)
            }
            'x' => (2, 16, false),
            'u' => (4, 16, true),
            'U' => (8, 16, true),
            _ => return Err(unknown(self.at)),
        };
        let text = self.text.get(self.at..self.at + digits).filter(|t| t.bytes().all(|b| b != b'+'));
        let code = text.and_then(|t| u32::from_str_radix(t, base).ok());
        let Some(code) = code else { return Err(unknown(self.at)) };
        self.at += digits;
        if wide {
            let c = char::from_u32(code).ok_or_else(|| unknown(self.at))?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            bytes.push(u8::try_from(code).map_err(|_| unknown(self.at))?);
        }
        Ok(())
    }
}

fn number_length(rest: &[u8]) -> usize {
    let run = |from: usize, ok: &dyn Fn(u8) -> bool| {
        rest.get(from..).map_or(0, |r| r.iter().take_while(|b| ok(**b)).count())
    };
    if rest.len() > 2 && rest[0] == b'0' && matches!(rest[1], b'x' | b'X') {
        return 2 + run(2, &|b| b.is_ascii_hexdigit() || b == b'_');
    }
    let digits = |b: u8| b.is_ascii_digit() || b == b'_';
    let mut length = run(0, &digits);
    if rest.get(length) == Some(&b'.') {
        length += 1 + run(length + 1, &digits);
    }
    if matches!(rest.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
        let exponent = run(length + 1 + sign, &|b| b.is_ascii_digit());
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    length
}

/// A number: decimal, hexadecimal after `0x`, octal after a leading `0`; `_` between digits.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let between = |i: usize| {
        let alnum = |j: Option<usize>| j.and_then(|j| bytes.get(j)).is_some_and(u8::is_ascii_alphanumeric);
        alnum(i.checked_sub(1)) && alnum(Some(i + 1))
    };
    if bytes.iter().enumerate().any(|(i, b)| *b == b'_' && !between(i)) {
        return None;
    }
    let plain = text.replace('_', "");
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|v| v as f64);
    }
    if plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|b| (b'0'..=b'7').contains(&b)) {
        return u64::from_str_radix(&plain, 8).ok().map(|v| v as f64);
    }
    plain.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toks(text: &str) -> Vec<Tok> {
        let (tokens, error) = lex(text);
        assert_eq!(error, None, "{text}");
        tokens.into_iter().map(|t| t.tok).filter(|t| *t != Tok::Eof).collect()
    }

    #[test]
    fn numbers_in_all_forms() {
        for (text, value) in [
            ("42", 42.0),
            (".5", 0.5),
            ("2.", 2.0),
            ("1e3", 1000.0),
            ("1.5E-3", 0.0015),
            ("0x1F", 31.0),
            ("0755", 493.0),
            ("089", 89.0),
            ("1_000", 1000.0),
        ] {
            assert_eq!(toks(text), [Tok::Number(value)], "{text}");
        }
        assert_eq!(toks("1h30m"), [Tok::Duration(5_400_000)]);
        for text in ["1x", "1m1h", "0xg", "1.2.3", "1__0", "5mm"] {
            assert!(lex(text).1.is_some(), "{text}");
        }
    }

    #[test]
    fn strings_with_escapes() {
        let text = |t: &str| match toks(t).as_slice() {
            [Tok::Str(s)] => s.value.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""a\n\"\x41\101\u00e9""#), "a\n\"AAé");
        assert_eq!(text(r"'it''"[..4].trim()), "it");
        assert_eq!(text(r"`a\n`"), r"a\n");
        assert!(matches!(&toks(r#""\xff""#)[0], Tok::Str(s) if s.invalid.as_deref() == Some(&[0xff][..])));
        for bad in ["\"abc", "'a\nb'", r#""\q""#, r#""\u12""#, "\"\\"] {
            assert!(lex(bad).1.is_some(), "{bad}");
        }
    }

    #[test]
    fn a_colon_is_part_of_names_outside_brackets_only() {
        assert_eq!(toks("a:b"), [Tok::Ident]);
        let inside =
            [Tok::LBracket, Tok::Duration(300_000), Tok::Colon, Tok::Duration(60_000), Tok::RBracket];
        assert_eq!(toks("[5m:1m]"), inside);
    }
}
