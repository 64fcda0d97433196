//! The UTF-8 grammar: `{name=value, "quoted name"!="quoted value",}`. The braces are optional but come together; names
//! and values are in double quotes with Go's escapes, or unquoted without white space and reserved characters.

use quarterdeck_kernel::MatchOp;

use super::{Matcher, MatcherError, is_reserved};
use crate::quote::unquote;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Comma,
    Op(MatchOp),
    Quoted,
    Unquoted,
}

/// A token, with its place in characters from 0, end exclusive.
#[derive(Clone, Copy)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
    start: usize,
    end: usize,
}

impl Token<'_> {
    fn error(&self, what: String) -> MatcherError {
        MatcherError::Syntax { start: self.start, end: self.end, what }
    }

    fn content(&self) -> Result<String, MatcherError> {
        if self.kind == Kind::Unquoted {
            return Ok(self.text.to_owned());
        }
        unquote(&self.text[1..self.text.len() - 1])
            .ok_or_else(|| self.error(format!("{}: invalid input", self.text)))
    }
}

struct Lexer<'a> {
    rest: &'a str,
    column: usize,
}

impl<'a> Lexer<'a> {
    /// The next token, or None at the end.
    fn next(&mut self) -> Result<Option<Token<'a>>, MatcherError> {
        let trimmed = self.rest.trim_start();
        self.column += self.rest[..self.rest.len() - trimmed.len()].chars().count();
        self.rest = trimmed;
        let mut chars = trimmed.chars();
        let Some(first) = chars.next() else { return Ok(None) };
        let second = chars.next();
        let (kind, length) = match (first, second) {
            ('{', _) => (Kind::Open, 1),
            ('}', _) => (Kind::Close, 1),
            (',', _) => (Kind::Comma, 1),
            ('=', Some('~')) => (Kind::Op(MatchOp::Regex), 2),
            ('=', _) => (Kind::Op(MatchOp::Equal), 1),
            ('!', Some('=')) => (Kind::Op(MatchOp::NotEqual), 2),
            ('!', Some('~')) => (Kind::Op(MatchOp::NotRegex), 2),
            ('!', None) => return Err(self.refuse(1, "unexpected end of input, expected one of '=~'")),
            ('!', Some(_)) => return Err(self.refuse(1, "!: expected one of '=~'")),
            ('"', _) => (Kind::Quoted, self.quoted()?),
            (c, _) if is_reserved(c) => return Err(self.refuse(1, &format!("{c}: invalid input"))),
            _ => (Kind::Unquoted, trimmed.find(is_reserved).unwrap_or(trimmed.len())),
        };
        let (text, rest) = trimmed.split_at(length);
        let start = self.column;
        self.column += text.chars().count();
        self.rest = rest;
        Ok(Some(Token { kind, text, start, end: self.column }))
    }

    /// Length of a quoted text, quotes included.
    fn quoted(&self) -> Result<usize, MatcherError> {
        let mut escaped = false;
        for (index, c) in self.rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok(index + 1),
                _ => {}
            }
        }
        let length = self.rest.chars().count();
        Err(self.refuse(length, &format!("{}: missing end \"", self.rest)))
    }

    fn refuse(&self, length: usize, what: &str) -> MatcherError {
        MatcherError::Syntax { start: self.column, end: self.column + length, what: what.to_owned() }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Option<Token<'a>>>,
}

impl<'a> Parser<'a> {
    fn peek(&mut self) -> Result<Option<Token<'a>>, MatcherError> {
        if let Some(peeked) = self.peeked {
            return Ok(peeked);
        }
        let next = self.lexer.next()?;
        self.peeked = Some(next);
        Ok(next)
    }

    fn take(&mut self) {
        self.peeked = None;
    }

    fn end_of_input(&self, expected: &str) -> MatcherError {
        let what = format!("end of input: {expected}");
        MatcherError::Syntax { start: 0, end: self.lexer.column, what }
    }

    /// The next token, if it is one of the kinds; consumed.
    fn expect(&mut self, wanted: impl Fn(Kind) -> bool, expected: &str) -> Result<Token<'a>, MatcherError> {
        let token = self.peek().map_err(|e| and_expected(e, expected))?;
        let token = token.ok_or_else(|| self.end_of_input(expected))?;
        if !wanted(token.kind) {
            return Err(token.error(format!("unexpected {}: {expected}", token.text)));
        }
        self.take();
        Ok(token)
    }

    fn next_is(&mut self, kind: Kind) -> Result<bool, MatcherError> {
        Ok(self.peek()?.is_some_and(|token| token.kind == kind))
    }

    fn matcher(&mut self) -> Result<Matcher, MatcherError> {
        let text = |kind| matches!(kind, Kind::Quoted | Kind::Unquoted);
        let name = self.expect(text, "expected label name")?.content()?;
        let operator = "expected an operator such as '=', '!=', '=~' or '!~'";
        let op = match self.expect(|kind| matches!(kind, Kind::Op(_)), operator)?.kind {
            Kind::Op(op) => op,
            _ => MatchOp::Equal,
        };
        let value = self.expect(text, "expected label value")?.content()?;
        Matcher::new(op, name, value)
    }

    /// What ends the list: the brace if one opened it, then nothing more.
    fn close(&mut self, open: bool) -> Result<(), MatcherError> {
        let expected = "expected close brace";
        match (open, self.peek().map_err(|e| and_expected(e, expected))?) {
            (true, Some(token)) if token.kind == Kind::Close => self.take(),
            (true, Some(token)) => {
                return Err(token.error(format!("unexpected {}: {expected}", token.text)));
            }
            (true, None) => return Err(self.end_of_input(expected)),
            (false, Some(token)) if token.kind == Kind::Close => {
                let what = "}: expected opening brace".to_owned();
                return Err(MatcherError::Syntax { start: 0, end: token.end, what });
            }
            (false, _) => {}
        }
        match self.peek().map_err(|e| and_expected(e, "expected end of input"))? {
            Some(token) => Err(token.error(format!("{}: expected end of input", token.text))),
            None => Ok(()),
        }
    }
}

fn and_expected(error: MatcherError, expected: &str) -> MatcherError {
    match error {
        MatcherError::Syntax { start, end, what } => {
            MatcherError::Syntax { start, end, what: format!("{what}: {expected}") }
        }
        other => other,
    }
}

/// Reads zero or more matchers.
pub(super) fn parse(text: &str) -> Result<Vec<Matcher>, MatcherError> {
    let mut parser = Parser { lexer: Lexer { rest: text, column: 0 }, peeked: None };
    let mut matchers = Vec::new();
    if parser.peek()?.is_none() {
        return Ok(matchers);
    }
    let open = parser.next_is(Kind::Open)?;
    if open {
        parser.take();
    }
    if parser.peek()?.is_some() && !parser.next_is(Kind::Close)? {
        loop {
            matchers.push(parser.matcher()?);
            let expected = "expected a comma or close brace";
            match parser.peek().map_err(|e| and_expected(e, expected))? {
                Some(token) if token.kind == Kind::Comma => parser.take(),
                Some(token) if token.kind == Kind::Close => break,
                Some(token) => return Err(token.error(format!("unexpected {}: {expected}", token.text))),
                None => break,
            }
            let expected = "expected a matcher or close brace after comma";
            match parser.peek().map_err(|e| and_expected(e, expected))? {
                Some(token) if matches!(token.kind, Kind::Quoted | Kind::Unquoted) => {}
                Some(token) if token.kind == Kind::Close => break,
                Some(token) => return Err(token.error(format!("unexpected {}: {expected}", token.text))),
                None => break,
            }
        }
    }
    parser.close(open)?;
    Ok(matchers)
}
